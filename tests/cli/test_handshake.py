"""``mtls handshake`` from the outside: what it prints, writes and exits with."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

from inspector.report import schema
from tests.cli.peers import Handler, Pki, Said, https, mtls_says, peer, silent


def handshake(pki: Pki, port: int, *more: str, who: str | None = "alice", env: dict[str, str] | None = None) -> Said:
    files = ["--cert", pki.path(f"{who}.pem"), "--key", pki.path(f"{who}.key")] if who else []
    trust = ["--cacert", pki.path("root.pem"), "--no-system-trust"]
    return mtls_says("handshake", f"localhost:{port}", "--connect-to", f"127.0.0.1:{port}", *trust, *files, *more, env=env)


def steps(said: Said) -> list[str]:
    """Direction and type of each step of the text."""
    lines = said.out.split("\n\n")[1].splitlines()[1:]
    return [" ".join(line.split()[1:3]) for line in lines if line[8:10] in ("->", "<-")]


def headline(said: Said) -> str:
    """The first paragraph on one line."""
    return said.out.split("\n\n")[0].replace("\n ", "")


def test_a_good_certificate_is_accepted(pki: Pki) -> None:
    with peer(https(pki)) as port:
        said = handshake(pki, port)
    assert said.code == 0
    assert said.err == ""
    expected = f"ACCEPTED  localhost:{port} asked for a client certificate and accepted your certificate CN=alice"
    assert headline(said).startswith(expected)


def test_the_answer_stands_in_the_order_promised(pki: Pki) -> None:
    with peer(https(pki)) as port:
        out = handshake(pki, port).out
    headings = [block.splitlines()[0] for block in out.split("\n\n")]
    assert [heading.split("  ")[0] for heading in headings] == [
        "ACCEPTED", "Steps", "Server's chain (2)", "Verification of the server", "Client certificate", "Connection",
    ]


def test_each_message_is_a_step(pki: Pki) -> None:
    with peer(https(pki)) as port:
        said = handshake(pki, port)
    messages = [step for step in steps(said) if step.split()[1] not in ("change_cipher_spec", "new_session_ticket", "alert")]
    assert messages == [
        "-> client_hello", "<- server_hello", "<- encrypted_extensions", "<- certificate_request", "<- certificate",
        "<- certificate_verify", "<- finished", "-> certificate", "-> certificate_verify", "-> finished", "<- http",
    ]


@pytest.mark.parametrize("tls13", [True, False], ids=["1.3", "1.2"])
def test_a_certificate_of_another_ca_is_rejected(pki: Pki, tls13: bool) -> None:
    with peer(https(pki, tls13=tls13)) as port:
        said = handshake(pki, port, "--json", who="mallory")
    auth, alerts = said.document["client_auth"], said.document["handshake"]["alerts"]
    assert (said.code, auth["verdict"], auth["rejected_by"]) == (1, "rejected", "tls_alert")
    assert [(alert["from"], alert["code"]) for alert in alerts if alert["code"]] == [("server", 48)]


@pytest.mark.parametrize("tls13", [True, False], ids=["1.3", "1.2"])
def test_no_certificate_is_rejected(pki: Pki, tls13: bool) -> None:
    with peer(https(pki, tls13=tls13)) as port:
        said = handshake(pki, port, who=None)
    assert said.code == 1
    assert said.out.startswith(f"SERVER REJECTED YOU  localhost:{port} wants a client certificate, and got none: alert")


def test_a_server_that_does_not_ask(pki: Pki) -> None:
    with peer(https(pki, verify=ssl.CERT_NONE)) as port:
        said = handshake(pki, port)
    assert said.code == 0
    assert said.out.startswith(f"NOT REQUESTED  localhost:{port} did not ask for a client certificate")


def test_a_refusal_of_the_application(pki: Pki) -> None:
    with peer(https(pki, status="403 Forbidden")) as port:
        said = handshake(pki, port, "--json")
    auth = said.document["client_auth"]
    assert (said.code, auth["verdict"], auth["rejected_by"], said.document["http"]["status"]) == (1, "rejected", "http", 403)


def test_a_server_that_is_not_verified_gets_no_certificate(pki: Pki) -> None:
    files = ["--cert", pki.path("alice.pem"), "--key", pki.path("alice.key")]
    with peer(https(pki)) as port:
        text = mtls_says("handshake", f"localhost:{port}", *files)
        said = mtls_says("handshake", f"localhost:{port}", *files, "--json")
    assert (text.code, said.code) == (1, 1)
    assert text.out.startswith("YOU REJECTED THE SERVER")
    document = said.document
    assert (document["client_auth"]["verdict"], document["client_auth"]["sent"]) == ("undecided", False)
    assert document["client_auth"]["requested"] is True
    assert document["verification"]["trusted"] is False
    assert not [m for m in document["handshake"]["messages"] if m["from"] == "client" and m["type"] == "certificate"]


def test_insecure_goes_on_with_a_server_that_is_not_verified(pki: Pki) -> None:
    files = ["--cert", pki.path("alice.pem"), "--key", pki.path("alice.key")]
    with peer(https(pki)) as port:
        said = mtls_says("handshake", f"localhost:{port}", *files, "--insecure", "--json")
    assert (said.code, said.document["client_auth"]["verdict"]) == (0, "accepted")
    assert said.document["verification"]["trusted"] is False


def test_quiet_is_one_sentence(pki: Pki) -> None:
    with peer(https(pki)) as port:
        said = handshake(pki, port, "--quiet", env={"COLUMNS": "160"})
    assert len(said.out.splitlines()) == 1


def test_explain_says_what_makes_it_mutual(pki: Pki) -> None:
    with peer(https(pki)) as port:
        plain, said = handshake(pki, port), handshake(pki, port, "--explain")
    text = " ".join(said.out.split())
    assert "Here TLS becomes mutual: the server asks who you are" in text
    assert "In one-way TLS this message is missing" in text
    assert "Here TLS becomes mutual" not in plain.out


def test_verbose_shows_every_field(pki: Pki) -> None:
    with peer(https(pki)) as port:
        said = handshake(pki, port, "--verbose")
    for field in ("cipher_suites:", "authorities_bytes:", "verify_data:", "signature:", "type: key_share"):
        assert field in said.out


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal(pki: Pki, columns: int) -> None:
    with peer(https(pki)) as port:
        out = handshake(pki, port, "--explain", "--verbose", env={"COLUMNS": str(columns)}).out
    assert max(map(len, out.splitlines())) <= columns


def test_the_document_is_one_line_and_fits_the_schema(pki: Pki) -> None:
    with peer(https(pki)) as port:
        said = handshake(pki, port, "--json")
    assert said.out.count("\n") == 1
    jsonschema.Draft202012Validator(schema.schema()).validate(said.document)


def test_key_log_and_report_keep_apart(pki: Pki, tmp_path: Path) -> None:
    """The secrets go to the file that was named, with mode 0600, and nowhere else; nor does the key's material."""
    log = tmp_path / "keys.log"
    with peer(https(pki)) as port:
        said = handshake(pki, port, "--keylog", str(log), "--verbose")
        as_json = handshake(pki, port, "--json")
    lines = log.read_text().splitlines()
    assert {line.split()[0] for line in lines} >= {"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0"}
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    secrets = {line.split()[2] for line in lines}
    key = Path(pki.path("alice.key")).read_text().splitlines()[1]
    for output in (said.out, said.err, as_json.out, as_json.err):
        assert not any(secret in output for secret in secrets)
        assert key not in output


def test_sslkeylogfile_is_announced(pki: Pki, tmp_path: Path) -> None:
    log = tmp_path / "keys.log"
    with peer(https(pki)) as port:
        said = handshake(pki, port, env={"SSLKEYLOGFILE": str(log)})
    assert said.err == f"session secrets go to {log} (SSLKEYLOGFILE)\n"
    assert log.read_text().startswith(("CLIENT_", "SERVER_", "EXPORTER_"))


def test_the_report_names_the_trust_that_was_used(pki: Pki, tmp_path: Path) -> None:
    with peer(https(pki)) as port:
        only = handshake(pki, port, "--json")
        added = mtls_says(
            "handshake", f"localhost:{port}", "--cacert", pki.path("root.pem"), "--json",
            env={"SSL_CERT_FILE": pki.path("mallory.pem")},
        )
    assert only.document["verification"]["trust_source"] == f"--cacert {pki.path('root.pem')}"
    assert added.document["verification"]["trust_source"].startswith(f"SSL_CERT_FILE={pki.path('mallory.pem')}")
    assert added.document["verification"]["trusted"] is True


def test_sslcertfile_replaces_the_systems_store(pki: Pki) -> None:
    with peer(https(pki)) as port:
        environment = {"SSL_CERT_FILE": pki.path("root.pem"), "SSL_CERT_DIR": ""}
        said = mtls_says("handshake", f"localhost:{port}", "--json", env=environment)
    assert said.document["verification"]["trusted"] is True
    assert said.document["verification"]["trust_source"] == f"SSL_CERT_FILE={pki.path('root.pem')}"


def test_colours_are_only_for_terminals(pki: Pki) -> None:
    with peer(https(pki)) as port:
        assert "\x1b" not in handshake(pki, port).out


def half_a_flight(pki: Pki) -> Handler:
    """A server that sends the beginning of its answer, and then nothing."""

    def handle(connection: socket.socket) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki.path("server.pem"), pki.path("server.key"))
        received, answer = ssl.MemoryBIO(), ssl.MemoryBIO()
        engine = context.wrap_bio(received, answer, server_side=True)
        received.write(connection.recv(4096))
        with contextlib.suppress(ssl.SSLWantReadError):
            engine.do_handshake()
        connection.sendall(answer.read()[:300])
        silent(connection)

    return handle


def test_a_server_that_falls_silent_in_the_handshake_is_told_from_one_that_gives_up(pki: Pki) -> None:
    with peer(half_a_flight(pki)) as port:
        said = handshake(pki, port, "--timeout", "2", "--tls-max", "1.2")
    assert said.code == 5
    assert "the handshake was not completed, and the server fell silent in the middle of it" in " ".join(said.out.split())


# ---- processes: signals and pipes ------------------------------------------------------------------
def started(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "inspector", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "COLUMNS": "100"},
    )


@pytest.mark.parametrize(("number", "code", "kind"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")])
def test_an_interrupt_prints_the_report_so_far(number: signal.Signals, code: int, kind: str) -> None:
    connected = []

    def handle(connection: object) -> None:
        connected.append(True)
        silent(connection)  # type: ignore[arg-type]

    with peer(handle) as port:
        process = started("handshake", f"127.0.0.1:{port}", "--json", "--timeout", "20")
        deadline = time.monotonic() + 15
        while not connected and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    assert process.returncode == code, err
    document = json.loads(out)
    assert document["error"]["kind"] == kind
    assert document["network"]["connected"] is True
    assert b"Traceback" not in err


def test_a_reader_that_goes_away_is_no_error(pki: Pki) -> None:
    with peer(https(pki)) as port:
        process = started("handshake", f"127.0.0.1:{port}", "--cacert", pki.path("root.pem"), "--verbose")
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
        process.stderr.close()
        assert process.wait(timeout=20) == 1
    assert b"Traceback" not in err
    assert b"BrokenPipe" not in err


def test_a_bug_is_owned_up_to_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a test's")

    monkeypatch.setattr("inspector.cli.handshake.settings_from", broken)
    said = mtls_says("handshake", "localhost", "--json")
    assert said.code == 70
    assert said.err.startswith("error: this is a bug in mtls: ZeroDivisionError: a test's\nhint: please report it")
    assert said.document["error"]["kind"] == "internal"
