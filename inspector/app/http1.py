"""HTTP/1.1 over h11 (RFC 9112), sans-I/O and bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inspector.app import http_rules
from inspector.app.http_exchange import NO_BODY, OTHER_LENGTH, UPLOAD_PIECE, UPLOAD_VIEW, Exchanges
from inspector.app.http_message import Body, Headers, Limits, Request, one
from inspector.app.talk import text_of
from inspector.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    import h11

# h11's status hints: for a head beyond its limit, and for a transfer coding that it does not know
HEAD_TOO_LARGE, NOT_IMPLEMENTED = 431, 501
BEGIN = 64  # bytes of a response that are kept for words about it
# RFC 9112, Section 9.8: such an answer is complete only if a closure alert has come
CUT = "the connection ended without close_notify, which alone would say that this body is whole"
FIRST_STEP_BODY = 1024 * 1024  # a first step reads no further; ``complete`` is False then


def http_get(authority: str, path: str = "/") -> Http1:
    """One GET as a first step. It asks the server to close (the connection is not needed again)."""
    request = Request("GET", authority, path or "/")
    request = request._replace(headers=(*request.headers, ("Connection", "close")))
    return Http1(one(request), limits=Limits(body=FIRST_STEP_BODY))


def head_of(request: Request) -> h11.Request:
    """The request's head with what HTTP/1.1 adds to it. Raises UsageError for what may not stand in one."""
    import h11

    http_rules.check(request)
    names = {name.lower() for name, _ in request.headers}
    headers = list(request.headers) if "host" in names else [("Host", request.authority), *request.headers]
    if request.body is not None and not names & {"content-length", "transfer-encoding"}:
        size = request.body.size
        headers.append(("Transfer-Encoding", "chunked") if size is None else ("Content-Length", str(size)))
    if request.expect and "expect" not in names:
        headers.append(("Expect", "100-continue"))
    try:
        encoded = [(name.encode("ascii"), http_rules.to_bytes(value)) for name, value in headers]
        return h11.Request(method=request.method.encode("ascii"), target=request.target.encode("ascii"), headers=encoded)
    except h11.LocalProtocolError as exc:
        raise UsageError(f"the request is not valid HTTP/1.1: {exc}", hint=http_rules.HINT) from exc


def _text(headers: Any) -> Headers:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.raw_items())


def read_view(body: Body) -> bytes | memoryview:
    """The body's next piece; where it has a buffer of its own, a view of that, which is good until the next call."""
    view: Callable[[int], memoryview] | None = getattr(body, "read_view", None)
    return body.read(UPLOAD_PIECE) if view is None else view(UPLOAD_VIEW)


class _Elsewhere:
    """Stands for a body of announced length that is sent beside the parser (h11's pass-through, made for sendfile)."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size


class Http1(Exchanges):
    """Exchanges over HTTP/1.1, one after the other."""

    version = "1.1"
    _machine: h11.Connection | None = None
    _out = b""
    _begin = b""  # of the response, for words about it
    _held = False  # the body waits for "100 Continue"
    _body_over = True
    _to_send: int | None = None  # bytes of a counted body that are still to be sent; None: the parser frames it
    _unsent = False  # a body was announced and kept back: who waits for it would take the next request for it
    _owed = 0  # bytes of a counted body that have not come
    _keeps_alive = False
    _cut = False

    def _start(self, request: Request) -> bool:
        import h11

        if self._machine is None:
            self._machine = h11.Connection(h11.CLIENT, max_incomplete_event_size=self._limits.head)
        elif self._machine.our_state is h11.DONE and self._machine.their_state is h11.DONE:
            self._machine.start_next_cycle()
        else:
            return False
        self._begin = b""
        self._out = self._machine.send(head_of(request)) or b""
        self._body_over, self._to_send = request.body is None, None
        self._held = request.expect and not self._body_over
        if self._body_over:
            self._out += self._machine.send(h11.EndOfMessage()) or b""
        return True

    def _announced(self, status: int, headers: Headers) -> int:
        """The length of a body that can be counted (RFC 9112, Section 6.3); 0 where the parser has to find its end.

        h11 has refused conflicting lengths before this is asked.
        """
        assert self._request is not None
        names = {name.lower(): value.lower() for name, value in headers}
        if "transfer-encoding" in names or status in NO_BODY or self._request.method in {"HEAD", "CONNECT"} or not self._body_over:
            return 0
        closes = "close" in names.get("connection", "") or "close" in (self._request.header("connection") or "").lower()
        self._keeps_alive = self.version == "1.1" and not closes and not self._unsent
        length = names.get("content-length", "")
        return int(length) if length.isascii() and length.isdigit() else 0

    @property
    def waits_for_continue(self) -> bool:
        return self._held and not self._done

    def go_on(self) -> None:
        self._held = False

    def _produce(self) -> bytes | memoryview:
        data, self._out = self._out, b""
        if data or self._body_over or self._held or self._done:
            return data
        import h11

        assert self._request is not None
        assert self._request.body is not None
        assert self._machine is not None
        try:
            if self._sent == 0 and self._to_send is None and self._is_counted(self._request):
                self._to_send = self._request.body.size or 0
                self._machine.send_with_data_passthrough(h11.Data(data=_Elsewhere(self._to_send)))  # type: ignore[arg-type]
                self._machine.send(h11.EndOfMessage())
            if self._to_send is not None:
                return self._counted(read_view(self._request.body))
            piece = self._request.body.read(UPLOAD_PIECE)
            self._sent += len(piece)
            if piece:
                return self._machine.send(h11.Data(data=piece)) or b""
            self._body_over = True
            return self._machine.send(h11.EndOfMessage()) or b""
        except h11.LocalProtocolError:
            return self._of_other_length()

    @staticmethod
    def _is_counted(request: Request) -> bool:
        return request.body is not None and request.body.size is not None and request.header("transfer-encoding") is None

    def _counted(self, piece: bytes | memoryview) -> bytes | memoryview:
        """A piece of a body whose length is announced: the parser would only hand it back."""
        assert self._to_send is not None
        self._sent += len(piece)
        self._to_send -= len(piece)
        if self._to_send < 0 or (self._to_send and not piece):
            return self._of_other_length()
        self._body_over = not piece
        return piece

    def _of_other_length(self) -> bytes:
        self._fail(OTHER_LENGTH)
        return b""

    def _consume(self, data: bytes | memoryview) -> None:
        import h11

        if self._counting():
            self._count(data)
            return
        assert self._machine is not None
        if len(self._begin) < BEGIN:
            self._begin += data[: BEGIN - len(self._begin)]
        try:
            self._machine.receive_data(bytes(data))
            while not self._done:
                event = self._machine.next_event()
                if event is h11.NEED_DATA:
                    return
                if event is h11.PAUSED:
                    self._done = True
                    return
                self._take(event)
                if self._counting() and not self._done:
                    rest = self._machine.trailing_data[0]
                    if rest:
                        self._count(rest)
                    return
        except h11.RemoteProtocolError as exc:
            self._fail(self._broken(exc, at_end=not data))

    def _broken(self, exc: h11.RemoteProtocolError, *, at_end: bool) -> str:
        """What is wrong, in words; empty where the server closed without an answer."""
        if not self._begin:
            return ""
        broken = "the HTTP response breaks the protocol"
        if not self._status and not self._begin.startswith(b"HTTP/"):
            return f"{broken}: it begins with '{text_of(self._begin, 40)}'"
        if at_end:
            return f"{broken}: it ended before it was whole"
        if exc.error_status_hint == HEAD_TOO_LARGE:
            return f"the response head is too large: more than {self._limits.head // 1024} KiB"
        words = self._begin.split(None, 2)
        status = words[1].decode("latin-1") if not self._status and len(words) > 1 else ""
        if status == "101":
            return f"{broken}: it switches protocols (101), which was not asked for"
        if status and not (len(status) == 3 and status.isdigit() and status >= "100"):
            return f"{broken}: its status is '{text_of(status.encode('latin-1'), 40)}'"
        if exc.error_status_hint == NOT_IMPLEMENTED:
            return f"{broken}: it has a Transfer-Encoding other than chunked"
        # up to the colon h11's words are about the grammar; what follows is the code's own view of the bytes
        return f"{broken}: {str(exc).partition(':')[0]}"

    def _consume_eof(self) -> None:
        self._consume(b"")

    def receive_cut(self) -> None:
        """The connection ended, and without close_notify: a body that is as long as the connection may have been longer."""
        self._cut = True
        self.receive_eof()

    def _counting(self) -> bool:
        return self._owed > 0

    def _count(self, data: bytes | memoryview) -> None:
        """A body of announced length needs no parser: its bytes are counted, which costs a third of what h11's copies do."""
        if not data:
            self._fail(f"the HTTP response breaks the protocol: it ended {self._owed} bytes before its Content-Length")
            return
        piece = data[: self._owed] if len(data) > self._owed else data
        self._owed -= len(piece)
        self._data(piece)
        if not self._owed and not self._done:
            # the parser has not seen the body, so the next response gets a new one
            self._machine = None
            self._end(reusable=self._keeps_alive and len(piece) == len(data))

    def _take(self, event: object) -> None:
        import h11

        if isinstance(event, h11.InformationalResponse):
            self._held = False
            self._interim(event.status_code, _text(event.headers))
        elif isinstance(event, h11.Response):
            if self._held:  # a final answer instead of "100 Continue": the body is not wanted
                self._body_over, self._held, self._unsent = True, False, True
            self.version = bytes(event.http_version).decode("ascii")
            headers = _text(event.headers)
            self._head(event.status_code, bytes(event.reason).decode("latin-1"), headers)
            self._owed = self._announced(event.status_code, headers)
        elif isinstance(event, h11.Data):
            self._data(event.data)
        elif isinstance(event, h11.EndOfMessage):
            if self._cut and self._limits.strict:
                self._fail(CUT)
                return
            self._trailers(_text(event.headers))
            assert self._machine is not None
            # what follows an answer answers nothing: taken for the next one, it would speak for a request it knows nothing of
            excess = bool(self._machine.trailing_data[0])
            both = self._machine.our_state is h11.DONE and self._machine.their_state is h11.DONE
            self._end(reusable=both and self._body_over and not excess)
        elif isinstance(event, h11.ConnectionClosed):
            self._fail("")
