"""One TCP connection of a capture, from its first byte to a transcript like that of a live run.

Until TLS is recognised the bytes of both sides are kept, at most ``PLAIN_LIMIT`` of each; a connection without TLS is then of no
more interest. From there on every byte goes to the decoder, and what it reports to the transcript. Event times are seconds since
the connection's first packet, which is ``Transcript.started``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from inspector.capture import recognise
from inspector.capture.phases import Phases
from inspector.capture.recognise import Start
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

PLAIN_LIMIT = 64 * 1024
# Encrypted bytes that wait for a secret which the capture may still bring (a DSB stands before what it opens, if not always).
HOLD_LIMIT = 256 * 1024
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


class Captured(NamedTuple):
    """One TLS connection of a capture. ``client`` and ``server`` are the TLS roles, as (address, port)."""

    stream: int
    client: tuple[str, int]
    server: tuple[str, int]
    transcript: Transcript
    notes: tuple[str, ...]
    keys: bool  # secrets of this very session were at hand


class Room(NamedTuple):
    """What all connections of one capture share."""

    secrets: Secrets
    keys_may_come: bool  # the container may hold secrets further on
    waiting: dict[bytes, list[_Tls]]  # by client random
    overhear: Callable[[Transcript, int], Overheard | None]
    finished: Callable[[Captured | None, int], None]


class Conversation:
    """A ``tcp.Listener``."""

    def __init__(self, connection: Connection, room: Room) -> None:
        self._connection = connection
        self._room = room
        self.wants = True
        self._heard: list[tuple[int, bytes, float]] = []
        self._text = (bytearray(), bytearray())
        self._scan = [0, 0]
        self._starts: tuple[set[int], set[int]] = (set(), set())
        self._lost = [0, 0]
        self._fed = [0, 0]
        self._client: int | None = None
        self._start: Start | None = None
        self._tls: _Tls | None = None

    def skip(self) -> None:
        """Take no more of this connection, and say so at once, so that no later one waits for its end."""
        if self.wants:
            self.wants = False
            self._heard.clear()
            self._text[0].clear()
            self._text[1].clear()
            self._room.finished(None, self._connection.stream)

    # --- tcp.Listener ---

    def data(self, way: int, data: bytes, at: float) -> None:
        self._fed[way] += len(data)
        if self._tls is not None:
            self._tls.feed(self._side(way), data, at - self._connection.opened_at)
        else:
            self._listen(way, data, at)

    def gap(self, way: int, missing: int, at: float) -> None:
        self._lost[way] += missing
        if self._tls is not None:
            self._tls.gap(self._side(way), missing, at - self._connection.opened_at)
        else:
            self._text[way].clear()
            self._heard = [piece for piece in self._heard if piece[0] != way]
            self._scan[way] = 0
            self._starts[way].clear()

    def finished(self, connection: Connection) -> None:
        tls = self._tls
        if tls is None:
            self.skip()
            return
        transcript = tls.finish(connection, self._client or 0)
        client = self._client or 0
        self._room.finished(Captured(
            connection.stream, _end(connection, client), _end(connection, client ^ 1), transcript, self._notes(tls), tls.keys,
        ), connection.stream)

    # --- before TLS ---

    def _side(self, way: int) -> Side:
        return Side.CLIENT if way == self._client else Side.SERVER

    def _listen(self, way: int, data: bytes, at: float) -> None:
        text = self._text[way]
        self._starts[way].add(len(text))
        text += data
        self._heard.append((way, data, at))
        found = self._find(way)
        if found is not None:
            self._begin(way, *found)
        elif len(text) > PLAIN_LIMIT:
            self.skip()

    def _find(self, way: int) -> tuple[int, Start] | None:
        """Where TLS begins in what this side sent, by its hello; or anywhere in a connection whose beginning is missing."""
        text, starts, connection = self._text[way], self._starts[way], self._connection
        if recognise.is_sslv2_hello(text):
            return 0, Start.SSLV2_HELLO
        free = connection.syn_way == way  # the side that connects may put its hello behind plaintext in one segment
        for message in (recognise.CLIENT_HELLO, recognise.SERVER_HELLO):
            found = recognise.find_hello(text, self._scan[way], message=message)
            while found.start is not None and not (found.at in starts or (free and message == recognise.CLIENT_HELLO)):
                found = recognise.find_hello(text, found.at + 1, message=message)
            if found.start is not None:
                return found.at, found.start
        self._scan[way] = max(0, found.at - 16)
        if connection.syn_way is None or any(self._lost):
            row = recognise.find_records(text)
            if row is not None:
                return row, Start.RECORDS
        return None

    def _begin(self, way: int, at: int, start: Start) -> None:
        connection = self._connection
        if start in (Start.CLIENT_HELLO, Start.SSLV2_HELLO):
            self._client = way
        elif start is Start.SERVER_HELLO:
            self._client = way ^ 1
        elif connection.syn_way is not None:
            self._client = connection.syn_way
        else:
            self._client = 0 if connection.ends[0][1] >= connection.ends[1][1] else 1
        self._start = start
        begins = [len(self._text[0]), len(self._text[1])]
        begins[way] = at
        other = recognise.find_records(self._text[way ^ 1]) if start in (Start.SERVER_HELLO, Start.RECORDS) else None
        if other is not None:
            begins[way ^ 1] = other
        # Without the client's random every session's secrets are tried; only the right ones open anything.
        keylog = None if start in (Start.CLIENT_HELLO, Start.SSLV2_HELLO) else self._room.secrets.keylog()
        tls = self._tls = _Tls(connection, self._client, self._room, keylog)
        if start is Start.RECORDS:
            tls.gap(self._side(way), 0, at=self._heard[0][2] - connection.opened_at)
        heard, self._heard = self._heard, []
        self._replay(tls, heard, begins)
        for text in self._text:
            text.clear()

    def _replay(self, tls: _Tls, heard: list[tuple[int, bytes, float]], begins: list[int]) -> None:
        """Give the transcript what was heard so far: plaintext up to where TLS begins, then records."""
        passed, opened = [0, 0], False
        for way, data, at in heard:
            plain = max(0, min(len(data), begins[way] - passed[way]))
            passed[way] += len(data)
            seconds = at - self._connection.opened_at
            if plain:
                tls.plain(self._side(way), data[:plain], seconds)
            if plain < len(data):
                if not opened:
                    tls.phases.enter(Phase.HELLO, seconds)
                    opened = True
                tls.feed(self._side(way), data[plain:], seconds)

    # --- at the end ---

    def _notes(self, tls: _Tls) -> tuple[str, ...]:
        connection, notes = self._connection, []
        if self._start is Start.RECORDS:
            notes.append("the beginning of this TLS connection is not in the capture")
        elif connection.syn_way is None:
            notes.append("the capture began after TCP was open")
        for way in (0, 1):
            side = self._side(way)
            if self._lost[way]:
                notes.append(f"{self._lost[way]} bytes that the {side} sent are not in the capture (lost or cut packets)")
            if not self._fed[way] and not self._lost[way] and self._fed[way ^ 1]:
                notes.append(f"nothing that the {side} sent is in the capture")
        if connection.closed_by is None:
            notes.append("the capture ends before the connection does")
        notes.extend(tls.notes)
        return tuple(notes)


def _end(connection: Connection, way: int) -> tuple[str, int]:
    address, port = connection.ends[way]
    return str(ipaddress.ip_address(address)), port


class _Tls:
    """The part of a conversation that is TLS: decoder, transcript, keys."""

    def __init__(self, connection: Connection, client: int, room: Room, keylog: KeyLog | None) -> None:
        self.transcript = Transcript(None, started=connection.opened_at)
        self.phases = Phases(self.transcript)
        self.notes: list[str] = []
        self.keys = False
        self._decoder = Decoder(keylog=keylog)
        self._room = room
        self._port = connection.ends[client ^ 1][1]
        self._randoms: list[bytes] = []
        self._held = 0
        self._overheard: Overheard | None = None
        self._listening = True
        self._records = 0
        self._rows: dict[tuple[type, Side], list[int]] = {}
        self._last = 0.0
        host, port = _end(connection, client ^ 1)
        local, local_port = _end(connection, client)
        if connection.round_trip is not None:
            self.transcript.append(ev.Connected(connection.round_trip, host, port, local, local_port, connection.round_trip))

    def plain(self, side: Side, data: bytes, at: float) -> None:
        self.phases.enter(Phase.PRELUDE, at)
        self.transcript.append(ev.Plain(at, side, data))

    def feed(self, side: Side, data: bytes, at: float) -> None:
        self._last = max(self._last, at)
        self._decoder.feed(side, data, at)
        self._held += len(data)
        self._take()

    def gap(self, side: Side, missing: int, at: float) -> None:
        self._decoder.gap(side, missing, at)
        self._take()

    def add_secrets(self, lines: list[bytes]) -> None:
        """Secrets that a later block of the capture brought."""
        self.keys = True
        for line in lines:
            self._decoder.add_secret(line)
        self._take()

    def finish(self, connection: Connection, client: int) -> Transcript:
        """Nothing more comes."""
        at = max(self._last, connection.closed_at - connection.opened_at if connection.closed_by is not None else 0.0)
        for side in (Side.CLIENT, Side.SERVER):
            self._decoder.end(side, at)
        self._decoder.flush()
        self._take()
        for random in self._randoms:
            waiting = self._room.waiting.get(random, [])
            if self in waiting:
                waiting.remove(self)
            if not waiting:
                self._room.waiting.pop(random, None)
        self._end_rows()
        if self._overheard is not None and self._listening:
            if connection.closed_by is not None:
                self._overheard.end()
            self._answer(self._last)
        if connection.closed_by is not None:
            by = "client" if connection.closed_by == client else "server"
            self.transcript.append(ev.Ended(
                connection.closed_at - connection.opened_at, by, connection.closed_how, self.transcript.phase,
            ))
            self.phases.enter(Phase.CLOSED, at)
        return self.transcript

    def _take(self) -> None:
        """Move what the decoder reports to the transcript; give up on records whose secrets will not come."""
        decoder = self._decoder
        events = decoder.events()
        while events:
            for event in events:
                self._event(event)
            events = decoder.events()
        settled = bool(self._randoms) and (self.keys or not self._room.keys_may_come)
        if decoder.waiting and (settled or self._held > HOLD_LIMIT):
            decoder.flush()
            for event in decoder.events():
                self._event(event)

    def _event(self, event: wire.WireEvent) -> None:
        if isinstance(event, wire.Message):
            self._message(event)
        elif isinstance(event, wire.ApplicationData) or (
            isinstance(event, wire.OpaqueRecord) and not event.handshake and not event.alert
        ):
            if self._listening and isinstance(event, wire.ApplicationData):
                self._application(event)
            self._records += 1
            if self._records > RECORDS_KEPT:
                self._sum_up(event)
                return
        if self._rows:
            self._end_rows()
        self.phases.before(event)
        self.transcript.append(event)
        self.phases.after(event)

    def _message(self, message: wire.Message) -> None:
        if message.type == HandshakeType.CLIENT_HELLO and len(message.body) >= 34:
            random = bytes(message.body[2:34])
            if random in self._randoms:
                return
            self._randoms.append(random)
            lines = self._room.secrets.lines(random)
            if lines:
                self.keys = True
                for line in lines:
                    self._decoder.add_secret(line)
            if self._room.keys_may_come:
                self._room.waiting.setdefault(random, []).append(self)

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
