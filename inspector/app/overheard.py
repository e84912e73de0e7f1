"""The first answer of a conversation between others, as a capture shows it: both sides are heard, nothing is said.

HTTP is followed to the end of the first response head and a little of its body, because error pages name their reason there; other
protocols by the same scripts that take the first step live, which here hear what the server said to another client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from inspector.app import http_verdict
from inspector.app.result import AppResult, HttpReply
from inspector.target import Target
from inspector.wire.events import Side
from inspector.wire.records import looks_like

if TYPE_CHECKING:
    import h11
    import hpack

HEAD_LIMIT = 128 * 1024
BODY_LIMIT = 16 * 1024
REPLY_KEPT = 4 * 1024
INTERIM_LIMIT = 20
HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Listener(Protocol):
    """One protocol's ear."""

    def receive(self, side: Side, data: bytes) -> None: ...
    def end(self) -> None: ...
    @property
    def done(self) -> bool: ...
    @property
    def result(self) -> AppResult | None: ...


def _result(reply: HttpReply | None, raw: bytes, error: str | None) -> AppResult | None:
    if reply is not None:
        return AppResult(
            "http", True, http_verdict.verdict(reply), str(reply.status), http_verdict.summary(reply), raw, reply, error,
        )
    return AppResult("http", True, None, None, error or "the answer is incomplete", raw, None, error) if raw else None


class _Http:
    """What both versions share: the head once it is known, the beginning of the body."""

    def __init__(self) -> None:
        self.done = False
        self._raw = bytearray()
        self._head: tuple[int, str, str, tuple[tuple[str, str], ...]] | None = None
        self._body = bytearray()
        self._whole = False
        self._error: str | None = None
        self._interim = 0

    def _keep(self, data: bytes) -> None:
        self._raw += data[: max(0, REPLY_KEPT - len(self._raw))]

    def end(self) -> None:
        """The connection is over: a body without a length is whole."""

    def _more(self, data: bytes) -> None:
        self._body += data
        if len(self._body) >= BODY_LIMIT:
            self.done = True

    def _end(self) -> None:
        self._whole = self.done = True

    def _fail(self, why: str) -> None:
        self._error, self.done = why, True

    @property
    def result(self) -> AppResult | None:
        if self._head is None:
            return _result(None, bytes(self._raw), self._error)
        status, version, reason, headers = self._head
        size = len(self._body) if self._whole else None
        reply = HttpReply(status, version, reason, headers, size, bytes(self._body), self._whole)
        return _result(reply, bytes(self._raw), self._error)


class Http1(_Http):
    """The first response of HTTP/1.1 (RFC 9112), by h11."""

    def __init__(self) -> None:
        super().__init__()
        self._request = bytearray()
        self._connection: h11.Connection | None = None

    def receive(self, side: Side, data: bytes) -> None:
        if self.done:
            return
        if side is Side.CLIENT:
            if len(self._request) < 16:
                self._request += data[:16]
            return
        import h11

        self._keep(data)
        connection = self._connection or self._begin()
        try:
            connection.receive_data(data)
            while not self.done:
                event = connection.next_event()
                if event is h11.NEED_DATA or event is h11.PAUSED:
                    return
                self._take(event)
        except h11.RemoteProtocolError:
            # h11's words are about its own states, and quote the peer
            self._fail("the answer is not HTTP/1.1" if data else "the connection ended in the middle of the answer")

    def end(self) -> None:
        if self._connection is not None and not self.done:
            self.receive(Side.SERVER, b"")

    def _begin(self) -> h11.Connection:
        """A client's machine that asked what was asked: whether a body follows depends on the method."""
        import h11

        method = bytes(self._request.split(b" ", 1)[0]) or b"GET"
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT)
        try:
            connection.send(h11.Request(method=method, target=b"/", headers=[(b"Host", b"overheard")]))
        except h11.LocalProtocolError:
            connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT)
            connection.send(h11.Request(method=b"GET", target=b"/", headers=[(b"Host", b"overheard")]))
        if connection.our_state is not h11.ERROR:
            connection.send(h11.EndOfMessage())
        self._connection = connection
        return connection

    def _take(self, event: Any) -> None:
        import h11

        if isinstance(event, h11.InformationalResponse):
            self._interim += 1
            if event.status_code == 101 or self._interim > INTERIM_LIMIT:
                self._set_head(event)
                self.done = True
        elif isinstance(event, h11.Response):
            self._set_head(event)
        elif isinstance(event, h11.Data):
            self._more(bytes(event.data))
        elif isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
            self._end()

    def _set_head(self, event: Any) -> None:
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers.raw_items())
        version, reason = bytes(event.http_version).decode("ascii"), bytes(event.reason).decode("latin-1")
        self._head = (event.status_code, version, reason, headers)


class Http2(_Http):
    """The first response of HTTP/2 (RFC 9113), on whichever stream it comes: frames by hand, header fields by hpack."""

    DATA, HEADERS, GOAWAY, CONTINUATION = 0, 1, 7, 9

    def __init__(self) -> None:
        super().__init__()
        self._buffer = bytearray()
        self._fields: hpack.Decoder | None = None
        self._block = bytearray()
        self._block_ends = False
        self._stream = 0

    def receive(self, side: Side, data: bytes) -> None:
        if self.done or side is Side.CLIENT:
            return
        self._keep(data)
        self._buffer += data
        while not self.done and len(self._buffer) >= 9:
            size = int.from_bytes(self._buffer[:3], "big")
            if size > HEAD_LIMIT:
                self._fail(f"an HTTP/2 frame of {size} bytes")
                return
            if len(self._buffer) < 9 + size:
                return
            kind, flags, stream = self._buffer[3], self._buffer[4], int.from_bytes(self._buffer[5:9], "big") & 0x7FFFFFFF
            payload = bytes(self._buffer[9 : 9 + size])
            del self._buffer[: 9 + size]
            self._frame(kind, flags, stream, payload)

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == self.HEADERS:
            payload = _unpadded(payload, flags)
            self._block = bytearray(payload[5:] if flags & 0x20 else payload)
            self._block_ends = bool(flags & 1)
        elif kind == self.CONTINUATION:
            self._block += payload
        elif kind == self.DATA and stream == self._stream and self._head is not None:
            self._more(_unpadded(payload, flags))
            if flags & 1:
                self._end()
            return
        elif kind == self.GOAWAY and len(payload) >= 8 and self._head is None:
            self._fail(f"GOAWAY with HTTP/2 error {int.from_bytes(payload[4:8], 'big')}")
            return
        else:
            return
        if len(self._block) > HEAD_LIMIT:
            self._fail("an HTTP/2 response head without an end")
        elif flags & 4:
            self._header_block(stream)

    def _header_block(self, stream: int) -> None:
        import hpack

        # Other streams' blocks are decoded as well: they fill the table that this one refers to.
        self._fields = self._fields or hpack.Decoder(max_header_list_size=HEAD_LIMIT)
        try:
            fields = [(_text(name), _text(value)) for name, value in self._fields.decode(bytes(self._block), raw=True)]
        except hpack.HPACKError as exc:
            self._fail(f"header fields that cannot be read ({type(exc).__name__})")
            return
        status = next((value for name, value in fields if name == ":status"), "")
        if self._head is not None or not status.isdigit():
            return
        if 100 <= int(status) < 200:
            return
        self._stream = stream
        self._head = (int(status), "2", "", tuple(field for field in fields if not field[0].startswith(":")))
        if self._block_ends:
            self._end()


def _unpadded(payload: bytes, flags: int) -> bytes:
    """Without padding (RFC 9113, 6.1)."""
    if not flags & 8 or not payload:
        return payload
    return payload[1 : max(1, len(payload) - payload[0])]


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else bytes(value).decode("latin-1")


class _StepSettings(NamedTuple):
    """What the scripts of ``app.steps`` want to know."""

    target: Target
    starttls: str | None
    credential: Any = None
    app_user: str | None = None
    server_name: str | None = None
    paths: tuple[str, ...] = ()


class Script:
    """Another protocol's first step, heard. ``first`` are the first bytes and whose they are: who is greeted within TLS, and who
    the client says it is.
    """

    def __init__(self, protocol: str, port: int, side: Side, first: bytes) -> None:
        from inspector.app import ldap, mysql
        from inspector.app.steps import STEPS
        from inspector.app.talk import Talk

        client_first = side is Side.CLIENT
        user = mysql.user_in(first) if protocol == "mysql" and client_first else None
        settings = _StepSettings(Target("", port), protocol if client_first else None, app_user=user or "the client")
        self._talk = Talk(protocol, ldap.heard(first) if protocol == "ldap" else STEPS[protocol](settings))

    def receive(self, side: Side, data: bytes) -> None:
        if side is Side.SERVER and not self._talk.done:
            self._talk.receive_data(data)

    def end(self) -> None:
        if not self._talk.done:
            self._talk.receive_eof()

    @property
    def done(self) -> bool:
        return self._talk.done

    @property
    def result(self) -> AppResult | None:
        result = self._talk.result
        return result if result.answered else None


_METHODS = (b"GET ", b"POST ", b"PUT ", b"HEAD ", b"OPTIONS ", b"DELETE ", b"PATCH ", b"CONNECT ", b"TRACE ")


def _of_client(data: bytes) -> str:
    """The protocol that a client's first bytes within TLS belong to, of those in which it says so; empty for others."""
    if data[:1] == b"*" and data[1:2].isdigit() and b"\r\n$" in data[:8]:
        return "redis"
    if data[:1] == b"\x10" and (b"\0\4MQTT" in data[2:12] or b"\0\6MQIsdp" in data[2:14]):
        return "mqtt"
    if data[:1] == b"\x30" and looks_like(data) == "ldap":
        return "ldap"
    if data[4:8] == b"\0\3\0\0" and int.from_bytes(data[:4], "big") <= 10_000:
        return "postgres"
    return BY_WORD.get(data[:5].upper(), "")


BY_WORD = {b"LHLO ": "lmtp", b"EHLO ": "smtp", b"HELO ": "smtp", b"PING\r": "redis"}


def _may_become_http(data: bytes) -> bool:
    """True for less than what HTTP is recognised by."""
    return any(len(data) < len(start) and start.startswith(data) for start in (*_METHODS, HTTP2_PREFACE[:16], b"HTTP/1."))


class FirstAnswer:
    """Finds out which protocol is spoken, by ALPN, its first bytes, what went before TLS, and the port, and follows it.

    ``alpn`` is what was negotiated, ``plain`` what the server said before TLS.
    """

    def __init__(self, port: int, *, alpn: str | None = None, plain: bytes = b"") -> None:
        self._port, self._alpn, self._plain = port, alpn, plain
        self._listener: Listener | None = None
        self._hopeless = False
        self._first = b""  # until it is clear what it is the beginning of

    @property
    def done(self) -> bool:
        return self._hopeless or (self._listener is not None and self._listener.done)

    @property
    def result(self) -> AppResult | None:
        """None where there was no answer, or none of a protocol that is known."""
        return self._listener.result if self._listener is not None else None

    def end(self) -> None:
        """The connection is over."""
        if self._listener is not None:
            self._listener.end()

    def receive(self, side: Side, data: bytes) -> None:
        """Opened application data of one side."""
        if self._listener is None and not self._hopeless:
            self._first += data
            if _may_become_http(self._first):
                return
            self._listener = self._choose(side, self._first)
            self._hopeless = self._listener is None
            data = self._first
        if self._listener is not None:
            self._listener.receive(side, data)

    def _choose(self, side: Side, data: bytes) -> Listener | None:
        from inspector.app import steps

        if self._alpn == "h2" or (side is Side.CLIENT and data.startswith(HTTP2_PREFACE[:16])):
            return Http2()
        if (side is Side.CLIENT and data.startswith(_METHODS)) or (side is Side.SERVER and data.startswith(b"HTTP/1.")):
            return Http1()
        said = _of_client(data) if side is Side.CLIENT else looks_like(data)
        spoken = looks_like(self._plain) if self._plain else ""
        for protocol in (said, spoken, steps.PORTS.get(self._port, "none")):
            if protocol in steps.STEPS:
                return Script(protocol, self._port, side, data)
        return None
