"""HTTP/1.1 over h11 (RFC 9112), sans-I/O and bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspector import __version__
from inspector.app import http_verdict
from inspector.app.result import AppResult, HttpReply

if TYPE_CHECKING:
    import h11

USER_AGENT = f"mtls-inspector/{__version__}"
HEAD_LIMIT = 128 * 1024  # bytes of one response head: far above what servers send, far below what hurts
BODY_KEPT = 64 * 1024
BODY_LIMIT = 1024 * 1024  # a first step reads no further; ``complete`` is False then
INTERIM_LIMIT = 20  # 1xx responses


class HttpGet:
    """One GET as a first step: the head, and the beginning of the body. Ends the connection with it (``Connection: close``)."""

    name = "http"

    def __init__(self, authority: str, path: str = "/", *, body_limit: int = BODY_LIMIT) -> None:
        import h11

        self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT)
        request = h11.Request(method="GET", target=path or "/", headers=[
            ("Host", authority), ("User-Agent", USER_AGENT), ("Accept", "*/*"), ("Connection", "close"),
        ])
        self._out = bytes(self._connection.send(request) or b"") + bytes(self._connection.send(h11.EndOfMessage()) or b"")
        self._body_limit = body_limit
        self._head: h11.Response | None = None
        self._raw = bytearray()
        self._body = bytearray()
        self._body_bytes = 0
        self._interim = 0
        self._complete = False
        self._error: str | None = None
        self._done = False

    def data_to_send(self) -> bytes:
        data, self._out = self._out, b""
        return data

    def receive_data(self, data: bytes) -> None:
        if self._done or not data:
            return
        self._raw += data[: max(0, 4096 - len(self._raw))]
        self._receive(data)

    def receive_eof(self) -> None:
        if not self._done:
            self._receive(b"")
            self._done = True

    @property
    def done(self) -> bool:
        return self._done

    @property
    def result(self) -> AppResult:
        reply = self._reply()
        if reply is None:
            summary = self._error or ("the answer is incomplete" if self._raw else "the server ended without an answer")
            return AppResult("http", bool(self._raw), None, None, summary, bytes(self._raw), None, self._error)
        return AppResult(
            "http", True, http_verdict.verdict(reply), str(reply.status), http_verdict.summary(reply),
            bytes(self._raw), reply, self._error,
        )

    def _reply(self) -> HttpReply | None:
        head = self._head
        if head is None:
            return None
        headers = tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in head.headers.raw_items())
        return HttpReply(
            head.status_code, bytes(head.http_version).decode("ascii"), bytes(head.reason).decode("latin-1"), headers,
            self._body_bytes, bytes(self._body), self._complete,
        )

    def _receive(self, data: bytes) -> None:
        import h11

        try:
            self._connection.receive_data(data)
            while not self._done:
                event = self._connection.next_event()
                if event is h11.NEED_DATA or event is h11.PAUSED:
                    return
                self._take(event)
        except h11.RemoteProtocolError as exc:
            self._error = f"the HTTP response breaks the protocol: {exc}"
            self._done = True

    def _take(self, event: object) -> None:
        import h11

        if isinstance(event, h11.InformationalResponse):
            self._interim += 1
            if self._interim > INTERIM_LIMIT:
                self._error = f"more than {INTERIM_LIMIT} interim responses"
                self._done = True
        elif isinstance(event, h11.Response):
            self._head = event
        elif isinstance(event, h11.Data):
            self._body_bytes += len(event.data)
            self._body += event.data[: max(0, BODY_KEPT - len(self._body))]
            self._done = self._body_bytes >= self._body_limit
        elif isinstance(event, h11.EndOfMessage):
            self._complete = self._done = True
        else:  # ConnectionClosed
            self._done = True
