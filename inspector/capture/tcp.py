"""TCP connections out of segments: each direction's bytes in order, once, with holes named as gaps.

Theory of operation. A direction knows the position (bytes since its beginning) that it delivered up to. A segment at that
position is delivered at once; one behind it is trimmed or dropped (retransmission, overlap: what came first stands); one ahead of
it waits. So does one that acknowledges bytes of the other side which were not seen yet: they were said before it, whatever the
order of the capture. A hole is given up, and reported as a gap, when the peer acknowledged it, so that the bytes did arrive and
only the capture lacks them, and it did not fill for a while; or when too much waits behind it. At the end of a connection, what the
peer acknowledged or a FIN stands behind, and was not seen, is a gap as well. Positions count on where sequence numbers wrap.

Connections are counted as tshark 4.0 counts ``tcp.stream``: every pair of addresses and ports is one, and a SYN with another
initial sequence number begins a new one.
"""

from __future__ import annotations

from bisect import insort
from collections import OrderedDict, deque
from collections.abc import Callable
from itertools import islice
from struct import Struct
from typing import NamedTuple, Protocol

FIN, SYN, RST, ACK = 1, 2, 4, 16
_HEADER = Struct(">HHIIBB").unpack_from
_MASK, _HALF = 0xFFFFFFFF, 0x80000000

# Where a segment this far from what is expected turns up, it belongs to an earlier connection of the same ports.
MAX_DISTANCE = 256 << 20
# A hole that the peer acknowledged is given up after this many segments or seconds; any hole after the second pair.
ACKED_SEGMENTS, ACKED_SECONDS = 64, 1.0
LOST_SEGMENTS, LOST_SECONDS = 1024, 5.0
MAX_WAITING = 4 << 20
# A reset stands behind the last byte, like a FIN (RFC 5961, 3); where it claims to be further away than this, it was made up.
MAX_RESET = 1 << 16
# A closed connection still takes what was captured late, this long.
LINGER_SECONDS, MAX_LINGERING = 2.0, 128
MAX_OPEN = 65_536
# A finished connection's name is kept for late packets, so that they do not count as a new one.
MAX_REMEMBERED = 8192


class Listener(Protocol):
    """What follows the bytes of one connection. ``way`` is 0 for the sender of the first packet seen, else 1."""

    wants: bool  # False: no further bytes are of interest

    def data(self, way: int, data: bytes, at: float) -> None: ...
    def gap(self, way: int, missing: int, at: float) -> None: ...
    def finished(self, connection: Connection) -> None: ...


class Segment(NamedTuple):
    """One that waits. ``size`` is its length on the wire, of which ``data`` may hold only the beginning. ``needs`` is the position
    of the peer that it acknowledges.
    """

    position: int
    size: int
    at: float
    data: bytes
    needs: int


class Direction:
    """One side's bytes."""

    __slots__ = ("acked", "base", "fin", "hole_since", "next", "position", "waiting", "waiting_bytes")

    def __init__(self) -> None:
        self.base: int | None = None  # initial sequence number, as far as it can be told
        self.next: int | None = None  # sequence number at ``position``
        self.position = 0
        self.acked = 0  # position up to which the peer acknowledged
        self.fin: int | None = None  # position of the end, as its FIN or RST says
        self.waiting: list[Segment] = []
        self.waiting_bytes = 0
        self.hole_since = 0.0

    def place(self, seq: int) -> int:
        """The position of a sequence number."""
        assert self.next is not None
        return self.position + ((seq - self.next + _HALF) & _MASK) - _HALF

    def advance(self, count: int) -> None:
        assert self.next is not None
        self.next = (self.next + count) & _MASK
        self.position += count


class Connection:
    """One TCP connection. ``ends`` are (address, port) of way 0 and way 1, addresses packed."""

    __slots__ = ("closed_at", "closed_by", "closed_how", "closed_needs", "directions", "ends", "key", "last_at", "listener",
                 "opened_at", "over", "round_trip", "stream", "syn_at", "syn_way")

    def __init__(self, stream: int, key: bytes, ends: tuple[tuple[bytes, int], tuple[bytes, int]], at: float) -> None:
        self.stream = stream
        self.key = key
        self.ends = ends
        self.directions = (Direction(), Direction())
        self.opened_at = self.last_at = at
        self.syn_way: int | None = None  # who opened it, where that was seen
        self.syn_at: float | None = None
        self.round_trip: float | None = None  # seconds from SYN to SYN/ACK at the place of the capture
        self.closed_by: int | None = None  # the way of the first FIN or RST
        self.closed_how = ""
        self.closed_at = 0.0
        self.closed_needs = 0  # position of the peer that it acknowledged
        self.over = False
        self.listener: Listener | None = None


class Connections:
    """Feeds segments to the connections they belong to. ``listen`` makes a listener for each new connection."""

    def __init__(self, listen: Callable[[Connection], Listener]) -> None:
        self._listen = listen
        self._table: dict[bytes, tuple[Connection, int]] = {}
        self._lingering: deque[Connection] = deque()
        self._remembered: deque[bytes] = deque()
        self._open: OrderedDict[Connection, None] = OrderedDict()
        self.count = 0

    def segment(self, source: bytes, destination: bytes, data: bytes, start: int, end: int, at: float) -> None:
        """One TCP segment: ``data[start:end]``, where ``end`` may lie past what was captured."""
        if len(data) < start + 20:
            return
        sport, dport, seq, ack, offset, flags = _HEADER(data, start)
        header = (offset >> 4) * 4
        if header < 20:
            return
        here, there = source + data[start:start + 2], destination + data[start + 2:start + 4]
        found = self._table.get(here + there)
        if found is None or (flags & (SYN | ACK) == SYN and _begins_anew(found[0], found[1], seq)):
            found = self._new(here + there, there + here, ((source, sport), (destination, dport)), at, found)
        connection, way = found
        if at > connection.last_at:
            connection.last_at = at
        else:
            at = connection.last_at  # clocks are set back, and packets captured late
        peer, needs = connection.directions[way ^ 1], 0
        if flags & (SYN | RST) or peer.next is None or connection.directions[way].next is None:
            _note_numbers(connection, way, flags, seq, ack, at)
        elif flags & ACK:
            needs = peer.position + ((ack - peer.next + _HALF) & _MASK) - _HALF
            if needs >= peer.position + MAX_DISTANCE:
                needs = 0
            elif needs > peer.acked:
                peer.acked = needs
        size = end - start - header
        if size > 0 or flags & (FIN | RST):
            self._deliver(connection, way, flags, seq, size, data[start + header:end], at, needs)
        elif peer.waiting:
            _try_to_go_on(connection, way ^ 1, at)
        lingering = self._lingering
        if lingering and (len(lingering) > MAX_LINGERING or at - lingering[0].last_at > LINGER_SECONDS):
            self._expire(at)

    def _deliver(
        self, connection: Connection, way: int, flags: int, seq: int, size: int, payload: bytes, at: float, needs: int,
    ) -> None:
        listener, direction, peer = connection.listener, connection.directions[way], connection.directions[way ^ 1]
        if flags & SYN:  # TCP Fast Open (RFC 7413): data stands behind the SYN, which counts as one
            seq = (seq + 1) & _MASK
        if listener is not None and listener.wants and not flags & RST:
            if (
                seq == direction.next and 0 < size == len(payload) and not direction.waiting and needs <= peer.position + 1
            ):  # as a rule
                direction.next = (seq + size) & _MASK
                direction.position += size
                listener.data(way, payload, at)
            elif size > 0:
                _receive(connection, way, seq, size, payload, at, needs)
            if peer.waiting:
                _try_to_go_on(connection, way ^ 1, at)
        if not flags & (FIN | RST):
            return
        if listener is not None and listener.wants and direction.next is not None and (
            abs(direction.place(seq) - direction.position) > MAX_DISTANCE
        ):
            return
        _note_end(connection, way, flags, seq, size, at, needs)
        if not connection.over and (flags & RST or peer.fin is not None):
            connection.over = True
            self._lingering.append(connection)

    def _new(
        self, key: bytes, reverse: bytes, ends: tuple[tuple[bytes, int], tuple[bytes, int]], at: float,
        before: tuple[Connection, int] | None,
    ) -> tuple[Connection, int]:
        if before is not None:
            self._finish(before[0])
        elif len(self._open) >= MAX_OPEN:
            self._make_room()
        connection = Connection(self.count, key, ends, at)
        self.count += 1
        self._open[connection] = None
        connection.listener = self._listen(connection)
        self._table[reverse] = (connection, 1)
        self._table[key] = (connection, 0)
        return self._table[key]

    def _expire(self, at: float) -> None:
        """Finish the closed connections whose time to linger is over."""
        lingering = self._lingering
        while lingering and (len(lingering) > MAX_LINGERING or at - lingering[0].last_at > LINGER_SECONDS):
            self._finish(lingering.popleft())

    def _finish(self, connection: Connection) -> None:
        """Hand over what waits, say that it is over, and keep no more than its name, so that late packets do not count anew."""
        listener, connection.listener = connection.listener, None
        if listener is None:
            return
        del self._open[connection]
        connection.over = True
        while listener.wants and (way := _waits_longer(connection)) is not None:
            _give_up(connection, way, listener)
        for way in (0, 1):
            connection.directions[way].waiting.clear()
            _miss_the_end(connection, way, listener)
        listener.finished(connection)
        self._remembered.append(connection.key)
        if len(self._remembered) > MAX_REMEMBERED:
            self._forget(self._remembered.popleft())

    def _forget(self, key: bytes) -> None:
        found = self._table.get(key)
        if found is not None and found[0].listener is None:
            half = len(key) // 2
            self._table.pop(key, None)
            self._table.pop(key[half:] + key[:half], None)

    def _make_room(self) -> None:
        """Too many are open: finish the one that was quiet for longest among the first sixty-four."""
        self._finish(min(islice(self._open, 64), key=lambda connection: connection.last_at))

    def close(self) -> None:
        """The capture is over: finish all connections."""
        while self._open:
            self._finish(next(iter(self._open)))


def _begins_anew(connection: Connection, way: int, seq: int) -> bool:
    base = connection.directions[way].base
    return base is not None and seq != base


def _note_numbers(connection: Connection, way: int, flags: int, seq: int, ack: int, at: float) -> None:
    """Learn initial sequence numbers and acknowledgements from a segment's header."""
    here, there = connection.directions[way], connection.directions[way ^ 1]
    if here.base is None:
        here.base = seq if flags & SYN else (seq - 1) & _MASK
    if flags & SYN:
        if here.next is None or (here.position == 0 and not here.waiting):
            here.next = (seq + 1) & _MASK
        if not flags & ACK:
            connection.syn_way, connection.syn_at = way, at
        else:
            connection.syn_way = way ^ 1
            if connection.syn_at is not None and connection.round_trip is None:
                connection.round_trip = max(0.0, at - connection.syn_at)
    elif here.next is None and not flags & RST:
        here.next = seq
    if flags & ACK and not flags & RST:
        if there.base is None:
            there.base = (ack - 1) & _MASK
        if there.next is None:
            there.next = ack
        position = there.place(ack)
        if there.acked < position < there.position + MAX_DISTANCE:
            there.acked = position


def _note_end(connection: Connection, way: int, flags: int, seq: int, size: int, at: float, needs: int) -> None:
    """Learn from a FIN or RST who ended it first, and where this side's bytes end."""
    direction = connection.directions[way]
    if connection.closed_by is None:
        connection.closed_by, connection.closed_at, connection.closed_needs = way, at, needs
        connection.closed_how = "reset" if flags & RST else "fin"
    if direction.next is None:
        return
    if flags & FIN:
        direction.fin = direction.place(seq) + max(size, 0)
        if connection.closed_by != way and connection.closed_needs > direction.fin:  # what was captured first acknowledges this one
            connection.closed_by, connection.closed_how = way, "fin"
    elif direction.fin is None and 1 < direction.place(seq) - direction.position <= MAX_RESET:  # one: a FIN that was not seen
        direction.fin = direction.place(seq)


def _receive(connection: Connection, way: int, seq: int, size: int, payload: bytes, at: float, needs: int) -> None:
    """Deliver a segment, or let it wait, or drop what is known already."""
    direction, listener = connection.directions[way], connection.listener
    assert listener is not None
    position = direction.place(seq)
    if position < direction.position:
        if direction.position == 0 and not direction.waiting and connection.syn_way is None and position > -MAX_DISTANCE:
            # The first number was a guess from an acknowledgement that was captured before the data.
            direction.next, position = seq, 0
        else:
            known = direction.position - position
            if known >= size:
                return
            payload, size, position = payload[known:], size - known, direction.position
    if position > direction.position or needs > connection.directions[way ^ 1].position + 1:
        if position - direction.position > MAX_DISTANCE:
            return
        if not direction.waiting:
            direction.hole_since = at
        insort(direction.waiting, Segment(position, size, at, payload, needs))
        direction.waiting_bytes += len(payload) + 64
        _try_to_go_on(connection, way, at)
        return
    _hand_over(connection, way, size, payload, at, listener)
    if direction.waiting:
        _settle(connection, listener, at)


def _hand_over(connection: Connection, way: int, size: int, payload: bytes, at: float, listener: Listener) -> None:
    """Deliver what is next; what the snap length cut off is a gap at once, it will never come."""
    direction = connection.directions[way]
    direction.advance(size)
    if payload:
        listener.data(way, payload, at)
    if len(payload) < size and listener.wants:
        listener.gap(way, size - len(payload), at)


def _settle(connection: Connection, listener: Listener, at: float) -> None:
    """Deliver all that waits for nothing any more; what one side said may be what the other's waited for."""
    while _drain(connection, 0, listener, at) or _drain(connection, 1, listener, at):
        pass


def _drain(connection: Connection, way: int, listener: Listener, at: float) -> bool:
    """Deliver what waited for the bytes that have just come. True where there was something."""
    direction, peer = connection.directions[way], connection.directions[way ^ 1]
    waiting, before = direction.waiting, len(direction.waiting)
    while waiting and waiting[0].position <= direction.position and waiting[0].needs <= peer.position + 1:
        segment = waiting.pop(0)
        direction.waiting_bytes -= len(segment.data) + 64
        known = direction.position - segment.position
        if known < segment.size and listener.wants:
            _hand_over(connection, way, segment.size - known, segment.data[known:], max(at, segment.at), listener)
    if len(waiting) == before:
        return False
    direction.hole_since = at
    return True


def _waits_longer(connection: Connection) -> int | None:
    """The way of which something has waited for longest, None where nothing waits."""
    waiting = [(direction.waiting[0].at, way) for way, direction in enumerate(connection.directions) if direction.waiting]
    return min(waiting)[1] if waiting else None


def _give_up(connection: Connection, way: int, listener: Listener) -> None:
    """Wait no longer for what the first waiting segment waits for: what is missing is reported, and it goes on."""
    direction, peer = connection.directions[way], connection.directions[way ^ 1]
    first = direction.waiting[0]
    if first.position > direction.position:
        _lose(connection, way, first.position - direction.position, first.at, listener)
    elif not peer.waiting:
        # as far as this segment acknowledges, and no further: what later ones acknowledge was lost after it
        end = first.needs if peer.fin is None else min(first.needs, peer.fin)
        _lose(connection, way ^ 1, max(end, first.needs - 1) - peer.position, first.at, listener)
    elif peer.waiting[0].position > peer.position:
        _lose(connection, way ^ 1, peer.waiting[0].position - peer.position, first.at, listener)
    else:  # each waits for the other: a retransmission acknowledges what answers its first copy
        direction.waiting[0] = first._replace(needs=0)
    _settle(connection, listener, first.at)


def _lose(connection: Connection, way: int, missing: int, at: float, listener: Listener) -> None:
    connection.directions[way].advance(missing)
    listener.gap(way, missing, at)


def _miss_the_end(connection: Connection, way: int, listener: Listener) -> None:
    """Report what is missing behind the last byte: the peer acknowledged it, or this side's FIN stands behind it."""
    direction = connection.directions[way]
    fin = direction.fin
    missing = (direction.acked if fin is None else fin) - direction.position
    # a FIN is acknowledged like a byte: one alone that was not seen is that
    if listener.wants and missing > (1 if fin is None else 0):
        direction.advance(missing)
        listener.gap(way, missing, connection.last_at if connection.closed_by is None else connection.closed_at)


def _try_to_go_on(connection: Connection, way: int, at: float) -> None:
    """Deliver what waits on this side if it may go on, and give up waiting once it is clear enough that nothing will come."""
    direction, listener = connection.directions[way], connection.listener
    if listener is None or not listener.wants or not direction.waiting:
        return
    _settle(connection, listener, at)
    if not direction.waiting:
        return
    count, seconds = len(direction.waiting), at - direction.hole_since
    first = direction.waiting[0]
    # what fills a hole was received, where the peer acknowledged it; what the peer is waited for was, as this side says itself
    received = direction.acked >= first.position or first.position <= direction.position
    if (
        (received and (count > ACKED_SEGMENTS or seconds > ACKED_SECONDS))
        or count > LOST_SEGMENTS or seconds > LOST_SECONDS or direction.waiting_bytes > MAX_WAITING
    ):
        _give_up(connection, way, listener)
