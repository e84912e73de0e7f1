"""One side's bytes into records. Finds its way again after a gap, and says what bytes look like that are no TLS."""

from __future__ import annotations

from inspector.wire.events import Limit, NotTls, Side, Truncated, WireEvent
from inspector.wire.records import HEADER, MAX_RECORD, Record, find_boundary, is_header, is_sslv2_hello, looks_like

NOT_TLS_BYTES = 512  # so much is kept of what is no TLS, at most up to the end of its first line
SEARCH_BYTES = 4 * MAX_RECORD  # so much is searched for a record boundary before old bytes are dropped


class Splitter:
    """Feed bytes, get records; after a Limit or NotTls nothing more comes (but after an SSLv2 hello that offers TLS)."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._buffer = bytearray()
        self._skip = 0  # bytes of a record that a gap has broken
        self._searching = False
        self._searched = 0  # up to here no record begins
        self._stopped = False
        self._suspect = False  # the bytes at hand are no record
        self._at = 0.0
        self._records = 0

    @property
    def pending(self) -> int:
        """Bytes that are no whole record yet."""
        return len(self._buffer)

    def release(self) -> bytes:
        """Hand over the bytes that are no whole record yet."""
        begun = bytes(self._buffer)
        self._buffer.clear()
        return begun

    @property
    def skipping(self) -> bool:
        """True in the middle of a record that is passed over."""
        return self._skip > 0

    def skip(self, count: int) -> None:
        """Pass over the next bytes: they are the end of a record."""
        self._skip = count

    def stop(self) -> None:
        """Read no more."""
        self._stopped = True
        self._buffer.clear()

    def feed(self, data: bytes, at: float) -> list[Record | WireEvent]:
        if self._stopped:
            return []
        self._at = at
        if not (self._buffer or self._skip or self._searching or self._suspect):
            return self._cut(data)
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        self._buffer += data
        if self._searching and not self._found_boundary():
            return []
        return self._split()

    def _found_boundary(self) -> bool:
        boundary, self._searched = find_boundary(self._buffer, self._searched)
        if boundary is None:
            if len(self._buffer) > SEARCH_BYTES:
                del self._buffer[: -2 * MAX_RECORD]
                self._searched = 0
            return False
        del self._buffer[:boundary]
        self._searching, self._searched = False, 0
        return True

    def _cut(self, data: bytes) -> list[Record | WireEvent]:
        """Records out of bytes that begin with one: the way of nearly all of them. What is unusual is left to ``_split``."""
        out: list[Record | WireEvent] = []
        start, have = 0, len(data)
        while have - start >= HEADER and 20 <= data[start] <= 24 and data[start + 1] == 3:
            stop = start + HEADER + (data[start + 3] << 8 | data[start + 4])
            if stop > have:
                break
            header = data[start : start + HEADER]
            if stop - start > HEADER + MAX_RECORD:
                break
            out.append(Record(data[start], 0x0300 | data[start + 2], header, data[start + HEADER : stop]))
            self._records += 1
            start = stop
        if start < have:
            self._buffer += data[start:] if start else data
            out += self._split()
        return out

    def _split(self) -> list[Record | WireEvent]:
        out: list[Record | WireEvent] = []
        buffer = self._buffer
        start, have = 0, len(buffer)
        while start < have:
            # the busiest loop of a capture: a whole header in the usual form needs no closer look
            if self._suspect or not (
                (have - start >= HEADER and 20 <= buffer[start] <= 24 and buffer[start + 1] == 3) or is_header(buffer, start)
            ):
                del buffer[:start]
                return out + self._not_tls(final=False)
            if have - start < HEADER:
                break
            size = buffer[start + 3] << 8 | buffer[start + 4]
            if size > MAX_RECORD:
                self.stop()
                out.append(Limit(self._side, self._at, f"a record of {size} bytes, more than {MAX_RECORD} are not allowed"))
                return out
            stop = start + HEADER + size
            if stop > have:
                break
            header = bytes(buffer[start : start + HEADER])
            out.append(Record(header[0], 0x0300 | header[2], header, bytes(buffer[start + HEADER : stop])))
            self._records += 1
            start = stop
        del buffer[:start]
        return out

    def _not_tls(self, *, final: bool) -> list[Record | WireEvent]:
        """Judge bytes that are no record once their first line, or enough of them, is there: the same for any chunking."""
        self._suspect = True
        if len(self._buffer) < HEADER and not final:
            return []
        old_hello = is_sslv2_hello(self._buffer)
        line_end = self._buffer.find(b"\n")
        size = line_end + 1 if 0 <= line_end < NOT_TLS_BYTES else NOT_TLS_BYTES
        if old_hello:
            size = 2 + ((self._buffer[0] & 0x7F) << 8 | self._buffer[1])
        if len(self._buffer) < size and not final:
            return []
        data = bytes(self._buffer[:size])
        if old_hello and self._buffer[3] == 3 and len(data) == size:
            # an old client's offer of TLS: what follows are records
            event = NotTls(self._side, self._at, data, "a hello in the form of SSLv2 that offers TLS", "sslv2")
            del self._buffer[:size]
            self._suspect = False
            self._records += 1
            return [event, *self._split()]
        self.stop()
        where = "where a record was expected" if self._records else "instead of a TLS record"
        name = looks_like(data)
        reason = f"what came {where} looks like {name}" if name else f"what came {where} is of no protocol that is known here"
        return [NotTls(self._side, self._at, data, reason, name)]

    def gap(self, missing: int) -> int:
        """Bytes are missing here. Returns how many buffered bytes are lost with them."""
        have = len(self._buffer)
        size = self._buffer[3] << 8 | self._buffer[4] if have >= HEADER else None
        self._buffer.clear()
        if self._searching:
            return have
        remaining = self._skip if not have else None if size is None else HEADER + size - have
        if remaining is not None and remaining >= missing and (have or self._skip):
            self._skip = remaining - missing  # the gap lies inside one record: its end is known
        else:
            self._skip, self._searching, self._searched = 0, True, 0
        return have

    def flush(self) -> list[Record | WireEvent]:
        """Decide about bytes that are no TLS with what there is."""
        return self._not_tls(final=True) if self._suspect and self._buffer else []

    def end(self, at: float) -> list[Record | WireEvent]:
        """The stream is over: what is left is no record, or a part of one."""
        if self._stopped or not self._buffer:
            return []
        self._at = at
        have = len(self._buffer)
        if self._searching:
            self.stop()
            return []
        if self._suspect or (not self._records and have < HEADER):
            return self._not_tls(final=True)
        expected = HEADER + (self._buffer[3] << 8 | self._buffer[4]) if have >= HEADER else None
        self.stop()
        return [Truncated(self._side, at, "record", have, expected)]
