"""What the server of ``mtls serve`` says: to every request a JSON document of what it saw. HTTP/1.1, bounded, without I/O."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import h11

from inspector.app.result import AppResult
from inspector.der import certificate as der
from inspector.drive.listener import Visitor
from inspector.report.certificates import certificate_part
from inspector.wire.messages import ClientHello
from inspector.wire.registry import HandshakeType

MAX_HEAD = 64 * 1024
MAX_BODY = 1 << 20
MAX_REQUESTS = 100  # over one connection
MASKED = frozenset({b"authorization", b"proxy-authorization", b"cookie", b"x-api-key"})
MASK = "(masked)"


class Seen:
    """One request that was answered."""

    def __init__(self, method: str, target: str, status: int) -> None:
        self.method, self.target, self.status = method, target, status


def describe(visitor: Visitor) -> dict[str, Any]:
    """What the server knows of its client: the certificate, and the channel."""
    engine = visitor.engine
    chain = engine.client_chain
    return {
        "client_certificate": describe_certificate(chain[0]) if chain else None,
        "certificates_sent": len(chain),
        "tls": {
            "protocol": engine.protocol, "cipher": _cipher(visitor), "server_name": engine.server_name, "alpn": engine.alpn,
            "resumed": engine.resumed,
        },
    }  # fmt: skip


def describe_certificate(certificate: bytes) -> dict[str, Any]:
    """What a server acts on: names, serial number, dates, digest."""
    part = certificate_part(certificate)
    return {
        "subject": part.subject, "issuer": part.issuer, "serial_number": part.serial_number,
        "subject_alt_names": list(part.subject_alt_names), "not_before": part.not_before, "not_after": part.not_after,
        "sha256": der.parse(certificate).sha256,
    }  # fmt: skip


def _cipher(visitor: Visitor) -> str | None:
    """IANA's name of the suite, from the ServerHello on the wire; OpenSSL's where that was not decoded."""
    for message in visitor.transcript.messages(HandshakeType.SERVER_HELLO):
        if hasattr(message.value, "cipher_suite"):
            label: str = message.value.cipher_suite.label
            return label
    return visitor.engine.cipher


def offered_names(visitor: Visitor) -> str | None:
    """The name of the client's first hello, also where the handshake failed."""
    for message in visitor.transcript.messages(HandshakeType.CLIENT_HELLO):
        if isinstance(message.value, ClientHello):
            return message.value.server_name
    return None


class Echo:
    """A ``plan.Conversation``: requests in, what was seen out. ``on_request`` is told of each answer."""

    name = "http"

    def __init__(self, visitor: Visitor, on_request: Callable[[Visitor, Seen], None] | None = None) -> None:
        self._visitor = visitor
        self._on_request = on_request
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._request: h11.Request | None = None
        self._body = 0
        self._out = bytearray()
        self._done = False
        self.seen: list[Seen] = []

    def data_to_send(self) -> bytes:
        data, self._out = bytes(self._out), bytearray()
        return data

    def receive_data(self, data: bytes) -> None:
        if self._done:
            return
        self._http.receive_data(data)
        self._advance()

    def receive_eof(self) -> None:
        self._done = True

    @property
    def done(self) -> bool:
        return self._done and not self._out

    @property
    def result(self) -> AppResult:
        """The last request that was answered."""
        if not self.seen:
            return AppResult("http", False, None, None, "no request")
        last = self.seen[-1]
        return AppResult("http", True, last.status < 400, str(last.status), f"{last.method} {last.target} {last.status}")

    def _advance(self) -> None:
        try:
            while not self._done:
                event = self._http.next_event()
                if isinstance(event, h11.Request):
                    self._request, self._body = event, 0
                    self._go_on()
                elif isinstance(event, h11.Data):
                    self._body += len(event.data)
                    if self._body > MAX_BODY:
                        self._refuse(413, f"a body of more than {MAX_BODY} bytes")
                elif isinstance(event, h11.EndOfMessage):
                    self._answer()
                else:
                    self._done = self._done or isinstance(event, h11.ConnectionClosed)
                    return
        except h11.RemoteProtocolError as exc:
            self._refuse(exc.error_status_hint or 400, "the request breaks HTTP/1.1")

    def _go_on(self) -> None:
        if self._http.they_are_waiting_for_100_continue:
            self._send(h11.InformationalResponse(status_code=100, headers=[]))

    def _answer(self) -> None:
        request = self._request
        assert request is not None
        document = {
            **describe(self._visitor),
            "request": {
                "method": request.method.decode("ascii", "replace"),
                "target": request.target.decode("latin-1"),
                "version": request.http_version.decode("ascii", "replace"),
                "headers": [_shown(name, value) for name, value in request.headers.raw_items()],
                "body_bytes": self._body,
            },
        }
        self._respond(200, document)
        if not self._done:
            self._http.start_next_cycle()

    def _refuse(self, status: int, why: str) -> None:
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._respond(status, {"error": why}, close=True)
        self._done = True

    def _respond(self, status: int, document: dict[str, Any], *, close: bool = False) -> None:
        body = json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"
        close = close or len(self.seen) + 1 >= MAX_REQUESTS or self._http.their_state is h11.MUST_CLOSE
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
        if close:
            headers.append(("Connection", "close"))
        self._send(h11.Response(status_code=status, headers=headers))
        if self._request is None or self._request.method != b"HEAD":
            self._send(h11.Data(data=body))
        self._send(h11.EndOfMessage())
        self._note(status)
        self._done = self._done or self._http.our_state is not h11.DONE

    def _note(self, status: int) -> None:
        request = self._request
        method, target = ("?", "?") if request is None else (request.method.decode("latin-1"), request.target.decode("latin-1"))
        self.seen.append(Seen(method, target, status))
        if self._on_request is not None:
            self._on_request(self._visitor, self.seen[-1])

    def _send(self, event: Any) -> None:
        self._out += self._http.send(event) or b""


def _shown(name: bytes, value: bytes) -> str:
    return f"{name.decode('latin-1')}: {MASK if name.lower() in MASKED else value.decode('latin-1')}"
