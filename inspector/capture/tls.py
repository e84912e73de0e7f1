"""The part of a connection that is TLS, decoded: bytes and secrets go to the decoder, what it reports to a transcript.

Like that of a live run: event times are seconds since the first packet, which is ``Transcript.started``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from inspector.capture.phases import Phases
from inspector.capture.secrets import Secrets
from inspector.capture.tcp import Connection
from inspector.trace import events as ev
from inspector.trace.phase import Phase
from inspector.trace.transcript import Transcript
from inspector.wire import events as wire
from inspector.wire.decoder import Decoder
from inspector.wire.events import Side
from inspector.wire.keylog import KeyLog
from inspector.wire.registry import ContentType, HandshakeType

# Encrypted bytes that wait for a secret which the capture may still bring (a DSB stands before what it opens, if not always).
HOLD_LIMIT = 256 * 1024
# Bytes of the server that wait for a ClientHello which was captured late.
EARLY_LIMIT = 64 * 1024
_CLIENT_HELLO = int(HandshakeType.CLIENT_HELLO)
# Application data records of one connection that are kept one by one; the others are summed up.
RECORDS_KEPT = 64


class Overheard(Protocol):
    """Follows the opened application data up to the first answer (``app.overheard``)."""

    @property
    def done(self) -> bool: ...
    @property
    def result(self) -> Any: ...
    def receive(self, side: Side, data: bytes) -> None: ...
    def end(self) -> None: ...


class Waiting(Protocol):
    """A session that secrets further on in the capture may open."""

    def add_secrets(self, lines: list[bytes]) -> None: ...


class Room(NamedTuple):
    """What all connections of one capture share."""

    secrets: Secrets
    keys_may_come: bool  # the container may hold secrets further on
    waiting: dict[bytes, list[Waiting]]  # by client random
    overhear: Callable[[Transcript, int], Overheard | None]
    finished: Callable[[Any, int], None]  # takes a ``captured.Captured``, None for what is no TLS, and the stream

    def expect(self, random: bytes, session: Waiting) -> None:
        """``session`` is to be told where the capture brings secrets of this client random later on."""
        if self.keys_may_come:
            self.waiting.setdefault(random, []).append(session)

    def expect_no_more(self, random: bytes, session: Waiting) -> None:
        waiting = self.waiting.get(random, [])
        if session in waiting:
            waiting.remove(session)
        if not waiting:
            self.waiting.pop(random, None)


@lru_cache(maxsize=4096)
def _address(packed: bytes) -> str:
    return str(ipaddress.ip_address(packed))


def end_of(connection: Connection, way: int) -> tuple[str, int]:
    """Address and port of one end, as text and number."""
    address, port = connection.ends[way]
    return _address(address), port


class Tls:
    """The part of a conversation that is TLS: decoder, transcript, keys.

    ``hello_comes``: the server is not decoded before a ClientHello was. ``over``: the connection is, so no secrets are looked up
    that its judgement did not know.
    """

    def __init__(
        self, connection: Connection, client: int, room: Room, keylog: KeyLog | None, *, hello_comes: bool, over: bool = False,
    ) -> None:
        self.transcript = Transcript(None, started=connection.opened_at)
        self._phases = Phases(self.transcript)
        self.keys = False
        self._over = over
        self._left: int | None = None  # the way that had closed the connection when the bytes at hand came
        # Where all secrets are known before and the capture brings no more, nothing waits for them.
        self._decoder = Decoder(keylog=keylog, wait=room.keys_may_come or len(room.secrets) > 0)
        # Bytes of the server that were captured before the ClientHello was whole: the decoder wants them in the order of the wire.
        self._early: list[tuple[bytes, float]] | None = [] if hello_comes else None
        self._early_size = 0
        self._room = room
        self._connection = connection
        self._client, self._server_way = client, client ^ 1
        self._port = connection.ends[client ^ 1][1]
        self._randoms: list[bytes] = []
        self._held = 0
        self._overheard: Overheard | None = None
        self._listening = True
        self._records = 0
        self._rows: dict[tuple[type, Side], list[int]] = {}
        self._last = 0.0
        host, port = end_of(connection, client ^ 1)
        local, local_port = end_of(connection, client)
        if connection.round_trip is not None:
            self.transcript.append(ev.Connected(connection.round_trip, host, port, local, local_port, connection.round_trip))

    def plain(self, side: Side, data: bytes, at: float) -> None:
        self._phases.enter(Phase.PRELUDE, at)
        self.transcript.append(ev.Plain(at, side, data))

    def begin(self, at: float) -> None:
        """TLS begins: what is fed from here on are records."""
        self._phases.enter(Phase.HELLO, at)

    def feed(self, side: Side, data: bytes, at: float, left: int | None) -> None:
        """Bytes that one side sent; ``left`` is the way that had closed the connection by then."""
        if at > self._last:
            self._last = at
        self._left = left
        if self._early is not None and side is Side.SERVER:
            self._early.append((data, at))
            self._early_size += len(data)
            if self._early_size > EARLY_LIMIT:
                self._no_longer_early()
            return
        self._decoder.feed(side, data, at)
        self._held += len(data)
        self._take()
        if self._early is not None and self._randoms:
            self._no_longer_early()

    def _no_longer_early(self) -> None:
        """The ClientHello was read, or will not come: decode what the server said meanwhile."""
        early, self._early = self._early, None
        for data, at in early or ():
            self.feed(Side.SERVER, data, at, self._left)

    def gap(self, side: Side, missing: int, at: float) -> None:
        self._no_longer_early()
        self._decoder.gap(side, missing, at)
        self._take()

    def add_secrets(self, lines: list[bytes]) -> None:
        """Secrets that a later block of the capture brought."""
        self.keys = True
        for line in lines:
            self._decoder.add_secret(line)
        self._take()

    def finish(self) -> None:
        """Nothing more comes."""
        connection = self._connection
        self._left = connection.closed_by
        self._no_longer_early()
        at = max(self._last, connection.closed_at - connection.opened_at if connection.closed_by is not None else 0.0)
        for side in (Side.CLIENT, Side.SERVER):
            self._decoder.end(side, at)
        self._decoder.flush()
        self._take()
        for random in self._randoms:
            self._room.expect_no_more(random, self)
        self._end_rows()
        if self._overheard is not None and self._listening:
            if connection.closed_by is not None:
                self._overheard.end()
            self._answer(self._last)
        if connection.closed_by is not None:
            by = "client" if connection.closed_by == self._client else "server"
            self.transcript.append(ev.Ended(
                connection.closed_at - connection.opened_at, by, connection.closed_how, self.transcript.phase,
            ))
            self._phases.enter(Phase.CLOSED, at)

    def _take(self) -> None:
        """Move what the decoder reports to the transcript; give up on records whose secrets will not come."""
        decoder = self._decoder
        events = decoder.events()
        while events:
            for event in events:
                self._event(event)
            events = decoder.events()
        if not decoder.waiting:
            return
        settled = bool(self._randoms) and (self.keys or not self._room.keys_may_come)
        if settled or self._held > HOLD_LIMIT:
            decoder.flush()
            for event in decoder.events():
                self._event(event)

    def _event(self, event: wire.WireEvent) -> None:
        if isinstance(event, wire.Message):
            if event.type == _CLIENT_HELLO:
                self._client_hello(event)
        elif isinstance(event, wire.ApplicationData) or (
            isinstance(event, wire.OpaqueRecord) and not (event.handshake or event.alert)
        ):
            if self._listening and isinstance(event, wire.ApplicationData):
                self._application(event)
            self._records += 1
            if self._records > RECORDS_KEPT:
                self._sum_up(event)
                return
        if self._rows:
            self._end_rows()
        self._phases.append(event, server_left=self._left == self._server_way)

    def _client_hello(self, message: wire.Message) -> None:
        """Look up the secrets of this session."""
        random = bytes(message.body[2:34])
        if len(random) < 32 or random in self._randoms:
            return
        self._randoms.append(random)
        if self._over:
            return
        lines = self._room.secrets.lines(random)
        if lines:
            self.keys = True
            for line in lines:
                self._decoder.add_secret(line)
        self._room.expect(random, self)

    def _application(self, event: wire.ApplicationData) -> None:
        """Follow what was opened up to the first answer; from there on the decoder need keep nothing."""
        if self._overheard is None:
            self._overheard = self._room.overhear(self.transcript, self._port)
        if self._overheard is None:
            self._stop_listening()
            return
        if event.data:
            self._overheard.receive(event.side, event.data)
            if self._overheard.done:
                self._answer(event.at)

    def _answer(self, at: float) -> None:
        assert self._overheard is not None
        result = self._overheard.result
        self._stop_listening()
        if result is not None:
            self.transcript.append(ev.ApplicationResult(at, result))

    def _stop_listening(self) -> None:
        self._listening = False
        self._decoder.skip_data = True
        self._overheard = None

    def _sum_up(self, event: wire.ApplicationData | wire.OpaqueRecord) -> None:
        """Add this record to a row of its kind and side, instead of keeping it."""
        size = event.size if isinstance(event, wire.ApplicationData) else event.length
        row = self._rows.setdefault((type(event), event.side), [0, 0])
        row[0] += 1
        row[1] += size
        self._last = max(self._last, event.at)

    def _end_rows(self) -> None:
        """Append what was summed up, each row as one event."""
        for (kind, side), (count, size) in self._rows.items():
            if kind is wire.ApplicationData:
                self.transcript.append(wire.ApplicationData(side, self._last, size, None))
            else:
                self.transcript.append(wire.OpaqueRecord(side, self._last, ContentType.APPLICATION_DATA, size, records=count))
        self._rows.clear()
