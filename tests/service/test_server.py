"""The server of `mtls serve` on loopback, with the standard library's TLS as its client."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from inspector.plan import TlsVersion
from inspector.service import log, pki, server
from inspector.service.server import InBackground, Service

SECONDS = 10.0


class Served:
    """A running server, and what it told of its clients."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = 0
        self.requests: list[dict[str, Any]] = []
        self.refusals: list[log.Refusal] = []
        self.lines: list[str] = []

    def client(self, name: str | None, **options: Any) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=str(self.directory / "ca.pem"))
        if name:
            made.load_cert_chain(self.directory / f"{name}.pem", self.directory / f"{name}.key")
        for key, value in options.items():
            setattr(made, key, value)
        return made

    def ask(self, context: ssl.SSLContext, request: bytes) -> bytes:
        """All that comes in answer to ``request``."""
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as channel,
        ):
            channel.sendall(request)
            answer = b""
            while data := channel.recv(65536):
                answer += data
        return answer

    def get(self, context: ssl.SSLContext, extra: bytes = b"") -> dict[str, Any]:
        answer = self.ask(context, b"GET /v1?x=1 HTTP/1.1\r\nHost: localhost\r\n" + extra + b"Connection: close\r\n\r\n")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        document: dict[str, Any] = json.loads(body)
        return document

    def refusal(self) -> log.Refusal:
        """The one refusal, once the server has told of it."""
        until = time.monotonic() + SECONDS
        while not self.refusals and time.monotonic() < until:
            time.sleep(0.01)
        (found,) = self.refusals
        return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("served")
    pki.open_or_make(directory, time.time())
    return directory


@contextmanager
def served(folder: Path, **options: Any) -> Iterator[Served]:
    told = Served(folder)

    def on_refusal(visitor: Any, found: log.Refusal) -> None:
        told.lines.append(log.refusal_line(visitor, found))
        json.dumps(log.refusal_entry(visitor, found))
        told.refusals.append(found)

    listener = server.listen(
        Service(**options),
        pki.read(folder),
        on_request=lambda visitor, seen: told.requests.append(log.request_entry(visitor, seen)),
        on_refusal=on_refusal,
    )
    with InBackground(listener) as running:
        told.port = running.port
        yield told


@pytest.mark.parametrize("maximum", [TlsVersion.TLS1_2, TlsVersion.TLS1_3])
def test_the_answer_says_who_called_and_over_which_channel(folder: Path, maximum: TlsVersion) -> None:
    with served(folder, maximum=maximum) as told:
        answer = told.get(told.client("client"))
    assert answer["client_certificate"]["subject"] == "CN=alice,O=mtls demo"
    assert answer["client_certificate"]["issuer"] == "CN=Demo CA,O=mtls demo"
    assert answer["tls"]["protocol"] == {TlsVersion.TLS1_2: "TLSv1.2", TlsVersion.TLS1_3: "TLSv1.3"}[maximum]
    assert answer["tls"]["server_name"] == "localhost"
    assert answer["tls"]["cipher"].startswith("TLS_")
    assert (answer["request"]["method"], answer["request"]["target"]) == ("GET", "/v1?x=1")
    assert [entry["status"] for entry in told.requests] == [200]


def test_secrets_of_a_request_are_masked(folder: Path) -> None:
    with served(folder) as told:
        answer = told.get(told.client("client"), b"Authorization: Bearer hush\r\nCookie: id=hush\r\nX-Other: seen\r\n")
    assert "hush" not in json.dumps(answer)
    assert "X-Other: seen" in answer["request"]["headers"]


def test_a_connection_serves_request_after_request(folder: Path) -> None:
    with served(folder) as told:
        post = b"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
        last = b"HEAD /b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        answer = told.ask(told.client("client"), post + last)
    assert answer.count(b"HTTP/1.1 200 ") == 2
    assert [(entry["method"], entry["target"]) for entry in told.requests] == [("POST", "/a"), ("HEAD", "/b")]


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", b"431"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n" + b"z" * 1_100_000, b"413"),
    ],
)
def test_bad_requests_get_an_answer_and_an_end(folder: Path, request_bytes: bytes, status: bytes) -> None:
    with served(folder) as told:
        try:
            answer = told.ask(told.client("client"), request_bytes)
        except OSError:  # it has closed while we were still sending
            answer = b"HTTP/1.1 " + str(told.requests[-1]["status"]).encode() + b" "
    assert answer.startswith(b"HTTP/1.1 " + status + b" ")


def test_without_a_certificate_the_refusal_says_so(folder: Path) -> None:
    with served(folder) as told:
        with pytest.raises(ssl.SSLError):
            told.ask(told.client(None), b"GET / HTTP/1.1\r\n\r\n")
        found = told.refusal()
    assert found == log.Refusal("server", "it sent no certificate, and one is required", None, (), "116 certificate_required")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_expired_certificate_is_refused_by_name_and_reason(folder: Path, version: ssl.TLSVersion) -> None:
    with served(folder) as told:
        with pytest.raises(ssl.SSLError):
            told.ask(told.client("expired", maximum_version=version), b"GET / HTTP/1.1\r\n\r\n")
        found = told.refusal()
    assert (found.who, found.reason, found.alert) == ("server", "the certificate has expired", "45 certificate_expired")
    assert found.certificate is not None
    assert found.certificate["subject"] == "CN=bob,O=mtls demo"
    assert told.lines[0].endswith("rejected CN=bob,O=mtls demo: the certificate has expired (alert 45 certificate_expired)")


def test_a_client_that_does_not_trust_the_server_is_told_apart(folder: Path) -> None:
    with served(folder) as told:
        with pytest.raises(ssl.SSLCertVerificationError):
            told.ask(ssl.create_default_context(), b"")
        found = told.refusal()
    assert (found.who, found.alert) == ("client", "48 unknown_ca")


def test_a_client_that_speaks_plain_http_is_named(folder: Path) -> None:
    with served(folder) as told:
        with socket.create_connection(("127.0.0.1", told.port), timeout=SECONDS) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            plain.recv(100)
        found = told.refusal()
    assert "http" in found.reason


def test_a_client_that_leaves_is_noted(folder: Path) -> None:
    with served(folder) as told:
        socket.create_connection(("127.0.0.1", told.port), timeout=SECONDS).close()
        found = told.refusal()
    assert found.reason == "it left before the handshake was complete"


@pytest.mark.parametrize("verify", ["optional", "none"])
def test_where_no_certificate_is_required_the_answer_says_that_there_was_none(folder: Path, verify: str) -> None:
    with served(folder, verify=verify) as told:
        answer = told.get(told.client(None))
    assert (answer["client_certificate"], answer["certificates_sent"]) == (None, 0)


def test_a_certificate_that_does_not_hold_is_refused_where_it_is_optional(folder: Path) -> None:
    with served(folder, verify="optional") as told:
        with pytest.raises(ssl.SSLError):
            told.ask(told.client("expired"), b"GET / HTTP/1.1\r\n\r\n")
        assert told.refusal().alert == "45 certificate_expired"


def test_a_port_that_is_taken_is_a_transport_error(folder: Path) -> None:
    from inspector.errors import TransportError

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(TransportError) as caught:
        server.listen(Service(port=taken.getsockname()[1]), pki.read(folder))
    assert caught.value.hint == "choose another --port"
