"""HTTP/2 over h2 (RFC 9113), sans-I/O and bounded: one stream after the other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from inspector.app import http_rules
from inspector.app.http1 import FIRST_STEP_BODY
from inspector.app.http2_frames import BODY, ROW, Body, FrameSieve, Goodbye, TooLong, empty_data, split, window_update
from inspector.app.http_exchange import NO_BODY, OTHER_LENGTH, Exchanges
from inspector.app.http_message import Headers, Limits, Request, one, value_of
from inspector.app.talk import text_of
from inspector.errors import UsageError

if TYPE_CHECKING:
    import h2.connection

WINDOW = 4 * 1024 * 1024  # bytes in flight towards us: enough for a fast road, little enough for memory
FRAME = 64 * 1024
# what a field counts beside its bytes in SETTINGS_MAX_HEADER_LIST_SIZE (RFC 9113, Section 6.5.2)
FIELD_OVERHEAD = 32
MOST_ANSWERS = 50_000  # to PING and SETTINGS that wait to be sent: more than one read of the largest size can ask for
STATUS = re.compile(r"[1-9][0-9]{2}")
REFUSED_STREAM = 0x7
CANCEL = 0x8
HTTP_1_1_REQUIRED = 0xD
# What h2 expects a stream's body to come to. It does not see the body, so it must not count; without this it sees everything.
COUNTED = "_expected_content_length"
# connection-specific headers may not stand in HTTP/2 (RFC 9113, Section 8.2.2)
DROPPED = ("host", "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "expect")


def http_get2(authority: str, path: str = "/") -> Http2:
    """One GET as a first step over HTTP/2."""
    return Http2(one(Request("GET", authority, path or "/")), limits=Limits(body=FIRST_STEP_BODY))


# h2's exceptions, in words
BROKEN = {
    "FrameDataMissingError": "a frame is shorter than its kind needs",
    "InvalidBodyLengthError": "the body is not of the length that content-length announces",
    "FlowControlError": "more came than flow control allows",
    "DenialOfServiceError": "the response head is too large",
    "StreamIDTooLowError": "a stream's number was used before",
}
OUT_OF_TURN = "a frame is malformed, or out of turn"


def fields_of(request: Request) -> list[tuple[bytes, bytes]]:
    """The header fields of a request: pseudo-headers first, names in lower case. Raises UsageError for what may not stand there."""
    http_rules.check(request)
    fields = [
        (":method", request.method), (":scheme", "https"), (":authority", request.header("host") or request.authority),
        (":path", request.target),
    ]
    fields += [(name.lower(), value) for name, value in request.headers if name.lower() not in DROPPED]
    if request.body is not None and request.body.size is not None and request.header("content-length") is None:
        fields.append(("content-length", str(request.body.size)))
    return [(http_rules.to_bytes(name), http_rules.to_bytes(value)) for name, value in fields]


def announced(request: Request) -> int | None:
    """How long the head says that the body is, None where it does not."""
    given = request.header("content-length")
    if request.body is None or given is None:
        return request.body.size if request.body is not None else None
    return int(given) if given.isascii() and given.isdigit() else None


def _text(fields: Any) -> Headers:
    return tuple((str(name), str(value)) for name, value in fields or () if not str(name).startswith(":"))


class Http2(Exchanges):
    """Exchanges over one HTTP/2 connection, one after the other."""

    version = "2"
    _machine: h2.connection.H2Connection | None = None
    _sieve: FrameSieve
    _stream = 0
    _body_over = True
    _announced: int | None = None  # bytes of the body that the head speaks of
    _gone = False  # no new stream may be opened
    _owed = 0  # bytes of DATA that the machine did not see, and for which the windows were not opened again
    _windows = b""
    _acknowledged = 0  # frames that h2 has answered, and that were not fetched from it
    unprocessed = False  # the server did not look at the request: it may be sent again, whatever it is (RFC 9113, Section 8.7)
    wants_http1 = False  # the server will not do this over HTTP/2 (RFC 9113, Section 7: HTTP_1_1_REQUIRED)
    # h2.events -> who takes it; events that are not listed do not matter here
    _HANDLERS = {
        "InformationalResponseReceived": "_informational",
        "ResponseReceived": "_response",
        "DataReceived": "_received",
        "TrailersReceived": "_trailing_fields",
        "StreamEnded": "_stream_ended",
        "StreamReset": "_reset",
        "PingReceived": "_answered",
        "RemoteSettingsChanged": "_answered",
    }

    def _start(self, request: Request) -> bool:
        import h2.exceptions

        if self._gone or (self._machine is not None and not self._machine.remote_settings.max_concurrent_streams):
            return False
        machine = self._machine or self._open()
        self._stream = machine.get_next_available_stream_id()
        self._body_over = request.body is None
        self._announced = announced(request)
        try:
            machine.send_headers(self._stream, fields_of(request), end_stream=self._body_over)
        except h2.exceptions.ProtocolError as exc:
            raise UsageError(f"the request is not valid HTTP/2: {exc}", hint="--http1.1 takes it over HTTP/1.1") from exc
        return True

    def _open(self) -> h2.connection.H2Connection:
        import h2.config
        import h2.connection
        import h2.settings

        machine = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="latin-1"))
        head = self._limits.head + FIELD_OVERHEAD * self._limits.headers
        machine.local_settings = h2.settings.Settings(client=True, initial_values={
            h2.settings.SettingCodes.ENABLE_PUSH: 0,
            h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
            h2.settings.SettingCodes.MAX_FRAME_SIZE: FRAME,
            h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: head,
        })
        # the machine has copied these from the settings that it was made with
        machine.max_inbound_frame_size = ROW + FRAME  # the sieve keeps to FRAME, and joins
        machine.decoder.max_header_list_size = head
        machine.initiate_connection()
        machine.increment_flow_control_window(WINDOW)
        self._machine, self._sieve = machine, FrameSieve(FRAME)
        return machine

    def _produce(self) -> bytes:
        assert self._machine is not None
        self._acknowledged = 0
        windows, self._windows = self._windows, b""
        if self._body_over or self._done:
            return self._machine.data_to_send() + windows
        self._send_body(self._machine)
        return split(self._machine.data_to_send(), self._machine.remote_settings.max_frame_size) + windows

    def _send_body(self, machine: h2.connection.H2Connection) -> None:
        """Hand the machine a piece of the body, as one frame however long: ``split`` cuts it to what the server takes."""
        assert self._request is not None
        assert self._request.body is not None
        room = machine.local_flow_control_window(self._stream)
        if room <= 0:
            return
        piece = self._request.body.read(min(BODY, room))
        to_send = None if self._announced is None else self._announced - self._sent - len(piece)
        if to_send is not None and (to_send < 0 or (to_send and not piece)):  # malformed: RFC 9113, Section 8.1.1
            self._drop_rest()
            self._fail(OTHER_LENGTH)
            return
        allowed, machine.max_outbound_frame_size = machine.max_outbound_frame_size, BODY
        machine.send_data(self._stream, piece, end_stream=not piece)
        machine.max_outbound_frame_size = allowed  # heads keep to it by themselves
        self._sent += len(piece)
        self._body_over = not piece

    def _consume(self, data: bytes | memoryview) -> None:
        import h2.exceptions

        assert self._machine is not None
        try:
            for piece in self._sieve.feed(data):
                if isinstance(piece, Goodbye):
                    self._goodbye(piece)
                elif isinstance(piece, TooLong):
                    self._too_long(piece)
                    return
                elif isinstance(piece, Body):
                    self._body_data(piece)
                else:
                    self._tell(piece)
        except h2.exceptions.ProtocolError as exc:
            self._fail(f"the HTTP/2 response breaks the protocol: {BROKEN.get(type(exc).__name__, OUT_OF_TURN)}")

    def _tell(self, frames: bytes) -> None:
        """Give the machine frames, and take what it makes of them."""
        assert self._machine is not None
        for event in self._machine.receive_data(frames):
            if not self._done:
                self._take(event)

    def _body_data(self, body: Body) -> None:
        """DATA that the machine did not see: flow control is our own business (RFC 9113, Section 5.2)."""
        self._owed += len(body.data)
        if self._owed >= WINDOW // 2 or body.last:
            self._windows += window_update(0, self._owed) if self._owed else b""
            self._windows += b"" if body.last else window_update(self._stream, self._owed)
            self._owed = 0
        if body.data and not self._done:
            self._content(body.data)
        if body.last:
            self._tell(empty_data(self._stream))

    def _too_long(self, frame: TooLong) -> None:
        self._consume_eof()
        if not self._done:
            self._fail(f"the HTTP/2 response breaks the protocol: a frame of {frame.length} bytes, {FRAME} are allowed")

    def _consume_eof(self) -> None:
        if self._raw.startswith(b"HTTP/1."):
            self._fail("the HTTP/2 response breaks the protocol: it is HTTP/1")

    def _take(self, event: Any) -> None:
        name = self._HANDLERS.get(type(event).__name__)
        if name is not None and getattr(event, "stream_id", None) in (None, 0, self._stream):
            getattr(self, name)(event)

    def _answered(self, _event: Any) -> None:
        """A PING or SETTINGS. Who sends them without end and takes no answer shall not fill our memory (RFC 9113, Section 10.5)."""
        self._acknowledged += 1
        if self._acknowledged > MOST_ANSWERS:
            self._fail(f"the server sent more than {MOST_ANSWERS} PING and SETTINGS frames, and takes no answer")

    def _informational(self, event: Any) -> None:
        if (status := self._status_of(event)) is not None:
            self._interim(status, _text(event.headers))

    def _status_of(self, event: Any) -> int | None:
        """The status; None where it is none (RFC 9110, Section 15), and the exchange has failed."""
        text = next((str(value) for name, value in event.headers if str(name) == ":status"), "")
        if STATUS.fullmatch(text):
            return int(text)
        self._fail(f"the HTTP/2 response breaks the protocol: its status is '{text_of(text.encode('latin-1', 'replace'), 40)}'")
        return None

    def _response(self, event: Any) -> None:
        status = self._status_of(event)
        if status is None:
            return
        self._head(status, "", _text(event.headers))
        assert self._machine is not None
        stream = self._machine.streams.get(self._stream)
        if hasattr(stream, COUNTED):
            setattr(stream, COUNTED, None)
            self._sieve.watch(self._stream)

    def _received(self, event: Any) -> None:
        assert self._machine is not None
        # the connection's window first: ``_data`` may end the exchange
        self._machine.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        if event.data:
            self._content(event.data)

    def _content(self, data: bytes) -> None:
        assert self._request is not None
        if self._request.method == "HEAD" or self._status in NO_BODY:  # RFC 9110, Section 6.4.1
            self._fail("the HTTP/2 response breaks the protocol: there is content where none may be")
        else:
            self._data(data)

    def _trailing_fields(self, event: Any) -> None:
        self._trailers(_text(event.headers))

    def _stream_ended(self, _event: Any) -> None:
        self._sieve.watch(0)
        length = value_of(self._headers, "content-length")
        assert self._request is not None
        if length and int(length) != self._body_bytes and self._request.method != "HEAD" and self._status not in NO_BODY:
            self._fail(f"the HTTP/2 response breaks the protocol: {BROKEN['InvalidBodyLengthError']}")
            return
        if not self._body_over:  # answered before the whole body was sent: RFC 9113, 8.1 lets the rest be dropped
            self._body_over = True
            self._drop_rest()
        self._end(reusable=not self._gone)

    def _drop_rest(self) -> None:
        import h2.exceptions

        assert self._machine is not None
        try:
            self._machine.reset_stream(self._stream, CANCEL)
        except h2.exceptions.StreamClosedError:
            pass  # the server has reset it by itself (NO_ERROR, as the RFC wants it)

    def _reset(self, event: Any) -> None:
        self.wants_http1 = event.error_code == HTTP_1_1_REQUIRED
        self.unprocessed = event.error_code == REFUSED_STREAM
        self._fail(f"the server reset the stream (HTTP/2 error {_code(event.error_code)})")

    def _goodbye(self, goodbye: Goodbye) -> None:
        """No stream is opened any more; ours is still answered, if it is among those that the server has looked at."""
        self._gone = True
        if self._done:
            return
        left_out = goodbye.last_stream < self._stream
        if left_out or goodbye.error:
            self.wants_http1 = goodbye.error == HTTP_1_1_REQUIRED
            self.unprocessed = left_out and not self._status
            self._fail(f"the server said GOAWAY (HTTP/2 error {_code(goodbye.error)})")


def _code(number: int) -> str:
    """An error code with its name (RFC 9113, Section 7)."""
    import h2.errors

    try:
        return f"{int(number)} {h2.errors.ErrorCodes(int(number)).name}"
    except ValueError:
        return str(int(number))
