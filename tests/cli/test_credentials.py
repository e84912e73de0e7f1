"""``mtls credentials`` from the outside, and that what it keeps is attached by itself."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from inspector.cli import credential_source
from inspector.credentials import mint
from inspector.store.file import default_path
from inspector.target import parse_target
from tests.cli.peers import Pki, Said, https, mtls_says, peer


def credentials(*arguments: str, env: dict[str, str] | None = None) -> Said:
    return mtls_says("credentials", *arguments, env=env)


@pytest.fixture
def pfx(tmp_path: Path) -> str:
    leaf = mint.leaf("carol", mint.authority("PFX Root"))
    data = pkcs12.serialize_key_and_certificates(
        b"carol", leaf.key, x509.load_der_x509_certificate(leaf.cert), None, BestAvailableEncryption(b"s3cret-word"),
    )
    (tmp_path / "carol.pfx").write_bytes(data)
    return str(tmp_path / "carol.pfx")


def add_alice(pki: Pki, host: str, *more: str) -> Said:
    return credentials("add", host, "--cert", pki.path("alice.pem"), "--key", pki.path("alice.key"), *more)


def test_what_is_added_is_listed_with_its_expiry_and_removed_again(pki: Pki) -> None:
    assert add_alice(pki, "https://api.bank.example:443/x", "--name", "bank").code == 0
    (row,) = credentials("list", "--json").document["credentials"]
    assert (row["name"], row["host"], row["subject"]) == ("bank", "api.bank.example", "CN=alice,O=mtls-inspector")
    assert len(row["expires"]) == len("2027-01-01")
    assert row["expires"] in credentials("list").out
    assert (credentials("remove", "bank").code, credentials("remove", "bank").code) == (0, 2)
    assert credentials("list").out == ""


def test_store_is_private_and_holds_no_passphrase(pfx: str) -> None:
    said = credentials("add", "x.example", "--pfx", pfx, "--passphrase-env", "WORD", env={"WORD": "s3cret-word"})
    assert (said.code, stat.S_IMODE(os.stat(default_path()).st_mode)) == (0, 0o600)
    assert b"s3cret-word" not in Path(default_path()).read_bytes()
    assert "s3cret-word" not in said.out + said.err


def test_mistake_shows_when_the_credential_is_added(pki: Pki, pfx: str) -> None:
    wrong = credentials("add", "x.example", "--pfx", pfx, "--passphrase-env", "WORD", env={"WORD": "wrong"})
    other = credentials("add", "x.example", "--cert", pki.path("alice.pem"), "--key", pki.path("mallory.key"))
    neither = credentials("add", "x.example")
    bad = add_alice(pki, "no host")
    assert [said.code for said in (wrong, other, neither, bad)] == [4, 4, 2, 2]
    assert not os.path.exists(default_path())


def test_explanation_names_each_rule_hit_or_miss_and_why(pki: Pki) -> None:
    for host in ("*.bank.example", "api.bank.example", "api.bank.example:8443"):
        add_alice(pki, host)
    for url in ("https://api.bank.example/path", "https://api.bank.example:443", "api.bank.example"):
        document = credentials("explain", url, "--json").document
        assert [(rule["hit"], rule["chosen"]) for rule in document["rules"]] == [(True, False), (True, True), (False, False)]
    text = credentials("explain", "https://api.bank.example:9443/")
    assert (text.code, text.out.count("miss"), "port 9443 is not 443" in text.out) == (1, 3, True)


def test_stored_credential_and_authority_are_attached_by_themselves(pki: Pki) -> None:
    with peer(https(pki)) as port:
        target = f"localhost:{port}"
        road = ["--connect-to", f"127.0.0.1:{port}", "--no-system-trust", "--json"]
        add_alice(pki, target)
        untrusted = mtls_says("handshake", target, *road).document
        credentials("ca", "add", pki.path("root.pem"), "--name", "root", "--host", f"localhost:{port}")
        accepted = mtls_says("handshake", target, *road)
        credentials("ca", "off", "root")
        off = mtls_says("handshake", target, *road).document
    assert accepted.code == 0
    assert accepted.document["client_auth"]["sent_chain"][0]["subject"] == "CN=alice,O=mtls-inspector"
    for report in (untrusted, off):
        assert (report["verification"]["trusted"], report["client_auth"]["sent"]) == (False, False)


def test_options_win_over_the_store(pki: Pki, pfx: str) -> None:
    credentials("add", "x.example", "--pfx", pfx, "--passphrase-prompt")
    found = credential_source.credential_from_options(parse_target("x.example"), pki.path("alice.pem"), pki.path("alice.key"), None)
    assert found is not None
    assert found.source.startswith(pki.path("alice.pem"))
    assert credential_source.credential_from_options(parse_target("other.example"), None, None, None) is None
    assert credential_source.credential_from_options(parse_target("unix:/x"), None, None, None) is None


def test_stored_credential_that_is_gone_is_named(pki: Pki, tmp_path: Path) -> None:
    gone = tmp_path / "gone.pem"
    gone.write_bytes(Path(pki.path("alice.pem")).read_bytes() + Path(pki.path("alice.key")).read_bytes())
    credentials("add", "x.example", "--cert", str(gone), "--name", "gone")
    gone.unlink()
    said = mtls_says("handshake", "x.example", "--json")
    error = said.document["error"]
    assert (said.code, error["kind"], "'gone'" in error["message"]) == (4, "file-unreadable", True)
    assert "cannot read" in credentials("list").out


@pytest.mark.parametrize(("text", "mode", "kind"), [
    ("x =", 0o600, "store-broken"), ("version = 1\n", 0o644, "store-permissions"),
])
def test_store_that_cannot_be_used_stops_every_command_that_would_use_it(text: str, mode: int, kind: str) -> None:
    path = Path(default_path())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    for said in (credentials("list", "--json"), mtls_says("handshake", "x.example", "--json")):
        assert (said.code, said.document["error"]["kind"]) == (4, kind)


def test_authorities_are_switched_and_listed(pki: Pki) -> None:
    assert credentials("ca", "add", pki.path("root.pem")).code == 0
    assert credentials("ca", "add", pki.path("alice.key")).code == 4
    assert [credentials("ca", verb, "root.pem").code for verb in ("off", "on", "off")] == [0, 0, 0]
    (row,) = credentials("ca", "list", "--json").document["authorities"]
    assert (row["name"], row["on"], row["hosts"], row["subjects"]) == ("root.pem", False, [], ["CN=Test Root,O=mtls-inspector"])
    assert "off" in credentials("ca", "list").out
    assert (credentials("ca", "remove", "root.pem").code, credentials("ca", "on", "root.pem").code) == (0, 2)


def test_import_takes_over_certificates_and_no_passphrase(pki: Pki, tmp_path: Path) -> None:
    export = tmp_path / "certificates.json"
    export.write_text(json.dumps([{
        "name": "Bank", "matches": ["https://api.bank.example/*"], "passphrase": "s3cret-word",
        "cert": {"src": pki.path("alice.pem")}, "key": {"src": pki.path("alice.key")},
    }]))
    said = credentials("import", str(export))
    assert (said.code, said.out) == (0, "Bank\n")
    assert credentials("explain", "api.bank.example").code == 0
    assert "s3cret-word" not in said.err + Path(default_path()).read_text()
    assert credentials("import", str(tmp_path / "none.json")).code == 4


def test_keyring_keeps_the_passphrase(pfx: str, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = pytest.importorskip("keyring", reason="the keyring extra is not installed")
    from keyring.backend import KeyringBackend

    class InMemory(KeyringBackend):
        priority = 1  # type: ignore[assignment]

        def __init__(self) -> None:
            super().__init__()
            self.kept: dict[tuple[str, str], str] = {}

        def set_password(self, service: str, username: str, password: str) -> None:
            self.kept[service, username] = password

        def get_password(self, service: str, username: str) -> str | None:
            return self.kept.get((service, username))

    backend, before = InMemory(), keyring.get_keyring()
    keyring.set_keyring(backend)
    try:
        monkeypatch.setattr(credential_source, "prompt", lambda _: b"s3cret-word")
        assert credentials("add", "x.example", "--pfx", pfx, "--passphrase-keyring").code == 0
        assert backend.kept == {("mtls-inspector", "x.example"): "s3cret-word"}
        found = credential_source.credential_from_options(parse_target("x.example"), None, None, None)
        assert found is not None
        backend.kept.clear()
        assert mtls_says("handshake", "x.example", "--json").document["error"]["kind"] == "passphrase-needed"
    finally:
        keyring.set_keyring(before)


def test_the_list_fits_into_the_columns_that_there_are(pki: Pki, pfx: str) -> None:
    add_alice(pki, "a-long-name.of-a-bank.example:8443")
    credentials("add", "*.bank.example", "--pfx", pfx, "--passphrase-env", "A_LONG_NAME_OF_A_VARIABLE")
    for command in (("list",), ("ca", "list")):
        credentials("ca", "add", pki.path("root.pem"), "--host", "a-long-name.of-a-bank.example", "--host", "another.example")
        said = credentials(*command, env={"COLUMNS": "72"})
        assert max(map(len, said.out.splitlines())) <= 72
        assert "EXPIRES" in said.out


def test_the_list_says_why_a_certificate_is_not_shown(pfx: str) -> None:
    credentials("add", "one.example", "--pfx", pfx, "--passphrase-env", "NOT_SET")
    credentials("add", "two.example", "--pfx", pfx, "--passphrase-prompt")
    out = credentials("list", "--json").document["credentials"]
    assert [row["remark"] for row in out] == [
        "not opened: the environment variable NOT_SET is not set", "not opened: its passphrase is asked for when it is used",
    ]


def test_a_name_that_is_no_text_is_refused_and_leaves_the_store_as_it_was(pki: Pki, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"alice\xff.pem")
    odd.write_bytes(Path(pki.path("alice.pem")).read_bytes())
    add_alice(pki, "first.example")
    said = credentials("add", "second.example", "--cert", str(odd), "--key", pki.path("alice.key"))
    assert (said.code, "cannot hold" in said.err) == (4, True)
    assert "first.example" in credentials("list").out


def test_a_folder_that_is_gone_is_told(pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert credentials("add", "a.example", "--cert", "me.pem").code == 4
    assert mtls_says("check", pki.path("alice.pem"), pki.path("alice.key")).code in (0, 1)
    assert mtls_says("check", "me.pem").code == 4


def test_a_store_that_is_out_of_reach_is_noted(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    with peer(https(pki)) as port:
        with monkeypatch.context() as patch:
            patch.setattr(credential_source.os, "stat", closed)
            assert credential_source.stored_authorities(parse_target("localhost")) == ()
            assert credential_source._stored(parse_target("localhost"), None) is None
        assert mtls_says("handshake", f"localhost:{port}", "--cacert", pki.path("root.pem"), "--no-http").err.count("note:") == 0


def test_a_report_says_which_kept_credential_was_attached(pki: Pki) -> None:
    with peer(https(pki)) as port:
        files = ["--cert", pki.path("alice.pem"), "--key", pki.path("alice.key")]
        assert mtls_says("credentials", "add", f"localhost:{port}", "--name", "mine", *files).code == 0
        trusted = (f"https://localhost:{port}", "--cacert", pki.path("root.pem"))
        shown, asked = mtls_says("handshake", *trusted), mtls_says("request", *trusted, "-v")
        document, named = mtls_says("handshake", *trusted, "--json"), mtls_says("handshake", *trusted, *files)
    told = "attached    by itself: mtls credentials keeps it for this host as mine"
    assert [told in shown.out, told in asked.err, told in named.out] == [True, True, False], shown.out
    assert json.loads(document.out)["credential"]["kept_as"] == "mine"


def test_an_entry_is_corrected_in_its_place(pki: Pki) -> None:
    for name in ("one", "two"):
        assert add_alice(pki, "api.bank.example", "--name", name).code == 0
    mallory = ("--cert", pki.path("mallory.pem"), "--key", pki.path("mallory.key"))
    taken = credentials("add", "api.bank.example", "--name", "one", *mallory)
    assert (taken.code, "--replace" in taken.err) == (2, True)
    assert credentials("add", "api.bank.example:8443", "--name", "one", *mallory, "--replace").code == 0
    rows = credentials("list", "--json").document["credentials"]
    assert [(row["name"], row["host"]) for row in rows] == [("one", "api.bank.example:8443"), ("two", "api.bank.example")]
    assert "mallory" in rows[0]["subject"]
    assert credentials("add", "x.example", *mallory, "--replace").code == 2


@pytest.mark.parametrize("option", ["--cert", "--pfx", "--key", "--passphrase-file"])
def test_a_variable_that_is_not_set_does_not_send_a_request_without_the_certificate(option: str) -> None:
    said = mtls_says("request", "https://localhost:1/", option, "")
    assert (said.code, f"the value of {option} is empty" in said.err) == (2, True)
