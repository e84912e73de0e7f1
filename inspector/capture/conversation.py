"""One TCP connection of a capture, from its first byte to a transcript like that of a live run.

Until TLS is recognised the bytes of both sides are kept, at most ``PLAIN_LIMIT`` of each; a connection without TLS is then of no
more interest. From there on every byte goes to a ``captured.Session``.
"""

from __future__ import annotations

from inspector.capture import recognise
from inspector.capture.captured import Captured, Session
from inspector.capture.recognise import Start
from inspector.capture.tcp import Connection
from inspector.capture.tls import Room, end_of
from inspector.wire.events import Side

PLAIN_LIMIT = 64 * 1024


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
        self._sides = (Side.SERVER, Side.SERVER)
        self._start: Start | None = None
        self._session: Session | None = None

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
        if self._session is not None:
            self._session.feed(self._sides[way], data, at - self._connection.opened_at)
        else:
            self._listen(way, data, at)

    def gap(self, way: int, missing: int, at: float) -> None:
        self._lost[way] += missing
        if self._session is not None:
            self._session.gap(self._sides[way], missing, at - self._connection.opened_at)
        else:
            self._text[way].clear()
            self._heard = [piece for piece in self._heard if piece[0] != way]
            self._scan[way] = 0
            self._starts[way].clear()

    def finished(self, connection: Connection) -> None:
        session = self._session
        if session is None:
            self.skip()
            return
        session.finish()
        client = self._sides.index(Side.CLIENT)
        self._room.finished(Captured(
            connection.stream, end_of(connection, client), end_of(connection, client ^ 1), self._notes(), session,
        ), connection.stream)

    # --- before TLS ---

    def _listen(self, way: int, data: bytes, at: float) -> None:
        if not self._heard and recognise.hello_at(data, 0) is Start.CLIENT_HELLO:  # as a rule, with the first bytes
            self._heard.append((way, data, at))
            self._begin(way, 0, Start.CLIENT_HELLO)
            return
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
        client = self._client_of(way, start)
        self._sides = (Side.CLIENT, Side.SERVER) if client == 0 else (Side.SERVER, Side.CLIENT)
        self._start = start
        begins = [len(self._text[0]), len(self._text[1])]
        begins[way] = at
        begins[way ^ 1] = self._other_begin(way ^ 1, start)
        # Without the client's random every session's secrets are tried; only the right ones open anything.
        keylog = None if start in (Start.CLIENT_HELLO, Start.SSLV2_HELLO) else self._room.secrets.keylog()
        comes = start is Start.CLIENT_HELLO or (start is Start.SERVER_HELLO and connection.syn_way is not None)
        session = self._session = Session(connection, client, self._room, keylog, hello_comes=comes)
        if start is Start.RECORDS:
            for side in (way, way ^ 1):  # where nobody saw TCP open, neither side is heard from its beginning
                if side == way or connection.syn_way is None or self._lost[side]:
                    session.gap(self._sides[side], 0, at=self._heard[0][2] - connection.opened_at)
        if start is Start.SERVER_HELLO and self._lost[way ^ 1]:  # what it answers
            session.gap(self._sides[way ^ 1], self._lost[way ^ 1], at=self._heard[0][2] - connection.opened_at)
        heard, self._heard = self._heard, []
        self._replay(session, heard, begins)
        for text in self._text:
            text.clear()

    def _client_of(self, way: int, start: Start) -> int:
        """The way of the TLS client, where TLS begins so in what ``way`` sent."""
        connection = self._connection
        if start in (Start.CLIENT_HELLO, Start.SSLV2_HELLO):
            return way
        if start is Start.SERVER_HELLO:
            return way ^ 1
        if connection.syn_way is not None:
            return connection.syn_way
        return 0 if connection.ends[0][1] >= connection.ends[1][1] else 1

    def _other_begin(self, way: int, start: Start) -> int:
        """Where TLS begins in what the other side has sent by then: at its end, unless it was captured earlier than it was said."""
        text = self._text[way]
        if start is Start.RECORDS:
            row = recognise.find_records(text)
            return len(text) if row is None else row
        if start is Start.SERVER_HELLO:
            # The ClientHello may be there in part.
            return next((at for at in sorted(self._starts[way]) if bytes(text[at:at + 2]) in (b"\x16", b"\x16\x03")), len(text))
        return next(
            (at for at in sorted(self._starts[way]) if recognise.hello_at(text, at) is Start.SERVER_HELLO), len(text),
        )

    def _replay(self, session: Session, heard: list[tuple[int, bytes, float]], begins: list[int]) -> None:
        """Give the transcript what was heard so far: plaintext up to where TLS begins, then records."""
        passed, opened = [0, 0], False
        for way, data, at in heard:
            plain = max(0, min(len(data), begins[way] - passed[way]))
            passed[way] += len(data)
            seconds = at - self._connection.opened_at
            if plain:
                session.plain(self._sides[way], data[:plain], seconds)
            if plain < len(data):
                if not opened:
                    session.begin(seconds)
                    opened = True
                session.feed(self._sides[way], data[plain:], seconds)

    # --- at the end ---

    def _notes(self) -> tuple[str, ...]:
        connection, notes = self._connection, []
        if self._start is Start.RECORDS:
            notes.append("the beginning of this TLS connection is not in the capture")
        elif connection.syn_way is None:
            notes.append("the capture began after TCP was open")
        for way in (0, 1):
            side = self._sides[way]
            if self._lost[way] and not self._fed[way]:
                notes.append(f"nothing that the {side} sent is in the capture")
            elif self._lost[way]:
                notes.append(f"{self._lost[way]} bytes that the {side} sent are not in the capture (lost or cut packets)")
        if connection.closed_by is None:
            notes.append("the capture ends before the connection does")
        return tuple(notes)
