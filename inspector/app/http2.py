"""HTTP/2 over h2 (RFC 9113), sans-I/O and bounded."""

from __future__ import annotations

from inspector.app import http_verdict
from inspector.app.http1 import BODY_KEPT, BODY_LIMIT, HEAD_LIMIT, USER_AGENT
from inspector.app.result import AppResult, HttpReply


class HttpGet2:
    """One GET as a first step over HTTP/2: the counterpart of ``http1.HttpGet``."""

    name = "http"

    def __init__(self, authority: str, path: str = "/", *, body_limit: int = BODY_LIMIT) -> None:
        import h2.config
        import h2.connection

        self._connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="latin-1"))
        self._connection.initiate_connection()
        self._connection.send_headers(1, [
            (":method", "GET"), (":scheme", "https"), (":authority", authority), (":path", path or "/"),
            ("user-agent", USER_AGENT), ("accept", "*/*"),
        ], end_stream=True)
        self._body_limit = body_limit
        self._headers: tuple[tuple[str, str], ...] | None = None
        self._status = 0
        self._raw = bytearray()
        self._body = bytearray()
        self._body_bytes = 0
        self._complete = False
        self._error: str | None = None
        self._done = False

    def data_to_send(self) -> bytes:
        return self._connection.data_to_send()

    def receive_data(self, data: bytes) -> None:
        import h2.exceptions

        if self._done:
            return
        self._raw += data[: max(0, 4096 - len(self._raw))]
        try:
            for event in self._connection.receive_data(data):
                self._take(event)
        except h2.exceptions.ProtocolError as exc:
            self._fail(f"the HTTP/2 response breaks the protocol: {exc}")

    def receive_eof(self) -> None:
        self._done = True

    @property
    def done(self) -> bool:
        return self._done

    @property
    def result(self) -> AppResult:
        if self._headers is None:
            summary = self._error or ("the answer is incomplete" if self._raw else "the server ended without an answer")
            return AppResult("http", bool(self._raw), None, None, summary, bytes(self._raw), None, self._error)
        reply = HttpReply(self._status, "2", "", self._headers, self._body_bytes, bytes(self._body), self._complete)
        return AppResult(
            "http", True, http_verdict.verdict(reply), str(reply.status), http_verdict.summary(reply),
            bytes(self._raw), reply, self._error,
        )

    def _fail(self, error: str) -> None:
        self._error = error
        self._done = True

    def _take(self, event: object) -> None:
        import h2.events

        if isinstance(event, h2.events.ResponseReceived):
            fields = [(str(name), str(value)) for name, value in event.headers or ()]
            if sum(len(name) + len(value) for name, value in fields) > HEAD_LIMIT:
                self._fail("the response head is too large")
                return
            self._status = int(next((value for name, value in fields if name == ":status"), "0"))
            self._headers = tuple((name, value) for name, value in fields if not name.startswith(":"))
        elif isinstance(event, h2.events.DataReceived):
            data = event.data or b""
            self._body_bytes += len(data)
            self._body += data[: max(0, BODY_KEPT - len(self._body))]
            if self._body_bytes >= self._body_limit:
                self._done = True
            else:
                self._connection.acknowledge_received_data(event.flow_controlled_length or 0, 1)
        elif isinstance(event, h2.events.StreamEnded):
            self._complete = self._done = True
        elif isinstance(event, h2.events.StreamReset):
            self._fail(f"the server reset the stream (HTTP/2 error {int(event.error_code or 0)})")
        elif isinstance(event, h2.events.ConnectionTerminated):
            self._fail(f"the server said GOAWAY (HTTP/2 error {int(event.error_code or 0)})")
