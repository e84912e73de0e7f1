"""HTTP/1.1 over h11 (RFC 9112), sans-I/O and bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inspector.app.http_exchange import UPLOAD_PIECE, Exchanges
from inspector.app.http_message import Headers, Limits, Request, one
from inspector.errors import UsageError

if TYPE_CHECKING:
    import h11

FIRST_STEP_BODY = 1024 * 1024  # a first step reads no further; ``complete`` is False then


def http_get(authority: str, path: str = "/") -> Http1:
    """One GET as a first step. It asks the server to close (the connection is not needed again)."""
    request = Request("GET", authority, path or "/")
    request = request._replace(headers=(*request.headers, ("Connection", "close")))
    return Http1(one(request), limits=Limits(body=FIRST_STEP_BODY))


def head_of(request: Request) -> h11.Request:
    """The request's head with what HTTP/1.1 adds to it. Raises UsageError for what may not stand in one."""
    import h11

    names = {name.lower() for name, _ in request.headers}
    headers = list(request.headers) if "host" in names else [("Host", request.authority), *request.headers]
    if request.body is not None and not names & {"content-length", "transfer-encoding"}:
        size = request.body.size
        headers.append(("Transfer-Encoding", "chunked") if size is None else ("Content-Length", str(size)))
    if request.expect and "expect" not in names:
        headers.append(("Expect", "100-continue"))
    try:
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        return h11.Request(method=request.method.encode("ascii"), target=request.target.encode("ascii"), headers=encoded)
    except UnicodeEncodeError as exc:
        raise UsageError("a method, path or header has a character that HTTP cannot carry", hint="percent-encode it") from exc
    except h11.LocalProtocolError as exc:
        raise UsageError(f"the request is not valid HTTP/1.1: {exc}", hint="--raw FILE sends any bytes as they are") from exc


def _text(headers: Any) -> Headers:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.raw_items())


class Http1(Exchanges):
    """Exchanges over HTTP/1.1, one after the other."""

    version = "1.1"
    _machine: h11.Connection | None = None
    _out = b""
    _held = False  # the body waits for "100 Continue"
    _body_over = True

    def _start(self, request: Request) -> bool:
        import h11

        if self._machine is None:
            self._machine = h11.Connection(h11.CLIENT, max_incomplete_event_size=self._limits.head)
        elif self._machine.our_state is h11.DONE and self._machine.their_state is h11.DONE:
            self._machine.start_next_cycle()
        else:
            return False
        self._out = self._machine.send(head_of(request)) or b""
        self._body_over = request.body is None
        self._held = request.expect and not self._body_over
        if self._body_over:
            self._out += self._machine.send(h11.EndOfMessage()) or b""
        return True

    @property
    def waits_for_continue(self) -> bool:
        return self._held and not self._done

    def go_on(self) -> None:
        self._held = False

    def _produce(self) -> bytes:
        data, self._out = self._out, b""
        if data or self._body_over or self._held or self._done:
            return data
        import h11

        assert self._request is not None
        assert self._request.body is not None
        assert self._machine is not None
        piece = self._request.body.read(UPLOAD_PIECE)
        try:
            if piece:
                self._sent += len(piece)
                return self._machine.send(h11.Data(data=piece)) or b""
            self._body_over = True
            return self._machine.send(h11.EndOfMessage()) or b""
        except h11.LocalProtocolError as exc:
            # a file that grew or shrank while it was sent
            self._fail(f"the body is not of the length that was announced: {exc}")
            return b""

    def _consume(self, data: bytes) -> None:
        import h11

        assert self._machine is not None
        try:
            self._machine.receive_data(data)
            while not self._done:
                event = self._machine.next_event()
                if event is h11.NEED_DATA:
                    return
                if event is h11.PAUSED:
                    self._done = True
                    return
                self._take(event)
        except h11.RemoteProtocolError as exc:
            self._fail(f"the HTTP response breaks the protocol: {exc}")

    def _consume_eof(self) -> None:
        self._consume(b"")

    def _take(self, event: object) -> None:
        import h11

        if isinstance(event, h11.InformationalResponse):
            self._held = False
            self._interim(event.status_code, _text(event.headers))
        elif isinstance(event, h11.Response):
            if self._held:  # a final answer instead of "100 Continue": the body is not wanted
                self._body_over, self._held = True, False
            self.version = bytes(event.http_version).decode("ascii")
            self._head(event.status_code, bytes(event.reason).decode("latin-1"), _text(event.headers))
        elif isinstance(event, h11.Data):
            self._data(event.data)
        elif isinstance(event, h11.EndOfMessage):
            self._trailers(_text(event.headers))
            assert self._machine is not None
            self._end(reusable=self._machine.our_state is h11.DONE and self._machine.their_state is h11.DONE)
        elif isinstance(event, h11.ConnectionClosed):
            self._fail("")
