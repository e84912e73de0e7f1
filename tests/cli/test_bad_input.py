"""Bad input gets a clear error, the right exit code, and with --json one document that says the same."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import jsonschema
import pytest

from inspector.report import schema
from tests.cli.peers import Handler, Pki, answers, mtls_says, peer, says, silent

HTTP = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"


def check(arguments: list[str], code: int, kind: str, *words: str) -> None:
    """Both as text and as JSON: exit code, kind of error, and words that the error or the hint must hold."""
    as_text, as_json = mtls_says(*arguments), mtls_says(*arguments, "--json")
    for said in (as_text, as_json):
        assert said.code == code, said
        assert said.err.startswith("error: ") or "\nerror: " in said.err
        assert "\nhint: " in said.err
        assert "Traceback" not in said.err
        for word in words:
            assert word in said.err
    jsonschema.Draft202012Validator(schema.schema()).validate(as_json.document)
    error = as_json.document["error"]
    assert error["kind"] == kind
    assert f"error: {error['message']}\n" in as_json.err
    assert "verdict" not in str(as_json.document)


@pytest.mark.parametrize(("arguments", "words"), [
    (["handshake"], "missing argument"),
    (["handshake", "localhost", "--tls-min", "9"], "--tls-min"),
    (["handshake", "localhost", "--no-such"], "--no-such"),
    (["read", "x.pcap", "--stream", "x"], "--stream"),
    (["credentials", "ca", "list", "--no-such"], "--no-such"),
    (["no-such-command"], "no-such-command"),
])
def test_what_click_finds_wrong_is_told_like_everything_else(arguments: list[str], words: str) -> None:
    check(arguments, 2, "usage", words)


def test_json_behind_two_dashes_is_an_argument() -> None:
    assert mtls_says("explain", "--nope", "--", "--json").out == ""


@pytest.mark.parametrize("option", ["--cert", "--cacert", "--pfx", "--passphrase-file"])
def test_a_folder_in_place_of_a_file(tmp_path: Path, option: str) -> None:
    said = mtls_says("handshake", "localhost", option, str(tmp_path), "--json")
    assert (said.code, str(tmp_path) in said.document["error"]["message"]) == (4, True)


def test_a_ca_file_that_breaks_off_is_damaged(pki: Pki, tmp_path: Path) -> None:
    cut = tmp_path / "cut.pem"
    cut.write_bytes(Path(pki.path("root.pem")).read_bytes()[:200])
    check(["handshake", "localhost", "--cacert", str(cut)], 4, "no-certificate", "a PEM block has no end")
    check(["handshake", "localhost", "--cert", pki.path("alice.pem"), "--key", str(cut)], 4, "file-damaged", "cut.pem")


def test_a_ca_file_without_end_is_not_read_to_the_end() -> None:
    check(["handshake", "localhost", "--cacert", "/dev/zero"], 4, "no-certificate", "larger than")


def test_a_ca_file_that_holds_no_ca_is_noted(pki: Pki) -> None:
    note = "alice.pem' holds no CA certificate: CN=alice,O=mtls-inspector vouches for itself"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for name, noted in (("alice.pem", True), ("root.pem", False)):
        said = mtls_says("handshake", f"127.0.0.1:{port}", "--cacert", pki.path(name))
        assert (note in said.err) is noted
        assert (note in mtls_says("credentials", "ca", "add", pki.path(name)).err) is noted


def test_an_unknown_host() -> None:
    check(["handshake", "no-such-host.invalid", "--timeout", "5"], 3, "dns", "no-such-host.invalid")


def test_a_closed_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    check(["handshake", f"127.0.0.1:{port}"], 3, "refused", f"127.0.0.1:{port}")


def test_a_silent_server() -> None:
    with peer(silent) as port:
        arguments = ["handshake", f"127.0.0.1:{port}", "--timeout", "0.7"]
        check(arguments, 3, "silent", "does not answer our ClientHello: nothing came within 0.")


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (answers(HTTP), ("does not speak TLS", "plain HTTP")),
        (says(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), ("does not speak TLS", "ssh")),
        (says(b"220 mail.test ESMTP ready\r\n"), ("does not speak TLS", "--starttls smtp")),
        (says(b"* OK [CAPABILITY IMAP4rev1] ready\r\n"), ("does not speak TLS", "--starttls imap")),
        (answers(b"\x00\x01\x02 rubbish that is no record at all"), ("does not speak TLS",)),
    ],
    ids=["http", "ssh", "smtp", "imap", "rubbish"],
)
def test_a_server_of_another_protocol(handler: Handler, words: tuple[str, ...]) -> None:
    with peer(handler) as port:
        check(["handshake", f"127.0.0.1:{port}", "--timeout", "3"], 3, "not-tls", *words)


def test_a_server_that_hangs_up_at_once() -> None:
    with peer(lambda connection: connection.recv(4096) and None) as port:
        check(["handshake", f"127.0.0.1:{port}", "--timeout", "3"], 3, "closed", "--server-name")


def test_a_certificate_without_its_key(pki: Pki) -> None:
    check(["handshake", "localhost", "--cert", pki.path("alice.pem")], 4, "no-private-key", "key")


def test_the_key_of_another_certificate(pki: Pki) -> None:
    files = ["--cert", pki.path("alice.pem"), "--key", pki.path("mallory.key")]
    check(["handshake", "localhost", *files], 4, "key-mismatch", "does not belong")


def test_a_file_that_is_not_there(pki: Pki) -> None:
    files = ["--cert", pki.path("nobody.pem"), "--key", pki.path("alice.key")]
    check(["handshake", "localhost", *files], 4, "file-unreadable", "nobody.pem")


def test_a_wrong_passphrase(pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography.hazmat.primitives import serialization as s

    from inspector.credentials import mint

    minted = mint.leaf("locked", mint.authority("Locked Root"))
    protected = minted.key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"right"))
    (tmp_path / "locked.pem").write_bytes(minted.pem() + protected)
    monkeypatch.setenv("PASSPHRASE", "wrong")
    files = ["--cert", str(tmp_path / "locked.pem")]
    check(["handshake", "localhost", *files, "--passphrase-env", "PASSPHRASE"], 4, "wrong-passphrase", "passphrase")
    check(["handshake", "localhost", *files], 4, "passphrase-needed", "passphrase")


def test_a_pem_with_rubbish_in_it(pki: Pki, tmp_path: Path) -> None:
    path = tmp_path / "rubbish.pem"
    path.write_bytes(b"-----BEGIN CERTIFICATE-----\nthis is no base64 !!\n-----END CERTIFICATE-----\n")
    arguments = ["handshake", "localhost", "--cert", str(path), "--key", pki.path("alice.key")]
    said = mtls_says(*arguments, "--json")
    assert said.code == 4
    assert "rubbish.pem" in said.err


@pytest.mark.parametrize("content", [b"", b"nothing to see here", b"\x00" * 200])
def test_a_ca_file_without_certificates(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(content)
    said = mtls_says("handshake", "localhost", "--cacert", str(path), "--json")
    assert said.code == 4
    assert "ca.pem" in said.err
    assert said.document["error"]["message"]


def test_a_ca_file_that_is_not_there() -> None:
    check(["handshake", "localhost", "--cacert", "/nowhere/ca.pem"], 4, "file-unreadable", "/nowhere/ca.pem")


@pytest.mark.parametrize(
    "arguments",
    [
        ["localhost:99999"],
        ["http://localhost/"],
        ["[::1"],
        ["localhost", "--tls-min", "1.3", "--tls-max", "1.2"],
        ["localhost", "--timeout", "0"],
        ["localhost", "--connect-to", "nonsense"],
        ["localhost", "--key", "k.pem"],
        ["localhost", "--app", "gopher"],
        ["localhost", "--starttls", "gopher"],
    ],
)
def test_usage_that_cannot_work_is_exit_2(arguments: list[str]) -> None:
    said = mtls_says("handshake", *arguments)
    assert said.code == 2, said
    assert "error: " in said.err
    assert said.out == ""


def test_an_answer_that_a_terminal_could_act_upon_is_escaped() -> None:
    with peer(says(b"\x1b]0;owned\x07\x9b31mSSH-2.0-\x1b[2J\r\n")) as port:
        said = mtls_says("handshake", f"127.0.0.1:{port}", "--timeout", "3")
    assert said.code == 3
    assert "\x1b" not in said.out + said.err
    assert "\x9b" not in said.out + said.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["handshake"], "missing argument 'TARGET'"),
        (["handshak"], "no such command 'handshak'"),
        (["handshake", "a", "b"], "got unexpected extra argument (b)"),
        (["handshake", "a", "--tls-min", "9"], "invalid value for '--tls-min'"),
    ],
)
def test_a_wrong_command_line_is_told_like_every_other_error(arguments: list[str], message: str) -> None:
    said = mtls_says(*arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"error: {message}")
    assert re.search(r"\nhint: (did you mean [a-z ]+\? )?'mtls", said.err)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["handshak"], "did you mean handshake? 'mtls --help'"),
        (["credentials", "lst"], "did you mean list? 'mtls credentials --help'"),
        (["explain", "check", "no-certificate"], "cause no-certificate? mtls explain check"),
        (["explain", "alert", "unknwn_ca"], "did you mean unknown_ca? mtls explain alert"),
        (["explain", "nonsense"], "mtls explain TOPIC lists them all"),
    ],
)
def test_what_was_meant_is_guessed_only_where_it_is_near(arguments: list[str], hint: str) -> None:
    said = mtls_says(*arguments)
    assert said.code == 2
    assert hint in said.err
    assert ("did you mean" in said.err) == ("nonsense" not in arguments)


def test_a_socket_that_is_not_there_is_told_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "none.sock"
    said = mtls_says("handshake", f"unix:{path}")
    assert said.code == 3
    assert f"error: nobody listens on unix:{path}: no such file or directory\nhint: check the path of the socket" in said.err
    assert "port 0" not in said.out


def test_a_proxy_that_is_not_there_is_named_and_not_the_target() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    check(["handshake", "api.invalid:9", "--proxy", f"http://127.0.0.1:{port}", "--timeout", "5"], 3, "refused",
          f"error: nobody listens on the proxy http://127.0.0.1:{port}", "--proxy", "api.invalid:9 itself was not asked")


@pytest.mark.parametrize(("scheme", "reply", "words", "hint"), [
    ("http", b"HTTP/1.1 407 Who\r\n\r\n", "407 Who", "--proxy-user NAME"),
    ("http", b"HTTP/1.1 502 No\r\n\r\n", "502 No", "whether it may reach api.invalid:9"),
    ("http", b"220 mail ESMTP\r\n", "not an HTTP proxy", "--proxy none"),
    ("socks5", b"\x05\xff", "asks for a login", "--proxy-user NAME"),
])
def test_a_proxy_that_opens_no_tunnel_is_named_and_not_the_target(scheme: str, reply: bytes, words: str, hint: str) -> None:
    with peer(answers(reply)) as port:
        check(["handshake", "api.invalid:9", "--proxy", f"{scheme}://127.0.0.1:{port}", "--timeout", "5"], 3, "prelude",
              f"error: the proxy {scheme}://127.0.0.1:{port} opened no tunnel to api.invalid:9: ", words, hint)


def test_a_place_of_connect_to_that_is_not_there_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    check(["handshake", "api.invalid:9", "--connect-to", f"127.0.0.1:{port}"], 3, "refused",
          f"error: nobody listens on 127.0.0.1:{port}", "--connect-to")
