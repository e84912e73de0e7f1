"""HTTP/2 frames on their way to the protocol machine and from it, where the machine needs help (RFC 9113, Section 4.1).

- A GOAWAY is taken out: h2 holds a connection for closed as soon as it sees one. The RFC does not (Section 6.8): streams up to the
  last one named are still answered, and a server that has served as many requests as it wants to over one connection says so in
  the midst of an answer.
- A row of DATA frames is handed on as one, and one large DATA frame of ours leaves as a row: what h2 does for each frame costs more
  than decrypting it, and where a frame ends means nothing (Section 6.1). Flow control counts the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER = 9
DATA, GOAWAY = 0x0, 0x7
END_STREAM, PADDED = 0x1, 0x8
GOAWAY_LEAST = 8
BODY = 256 * 1024  # bytes that are handed over as one frame; a row of received ones may be longer by one


class Goodbye(NamedTuple):
    """A GOAWAY: no stream above ``last_stream`` was or will be looked at."""

    last_stream: int
    error: int


class TooLong(NamedTuple):
    """A frame that is longer than we allow; nothing after it is read."""

    length: int


class _Row:
    """DATA frames of one stream that stand one behind the other."""

    def __init__(self) -> None:
        self.frames = 0
        self._stream = b""
        self._last = False
        self._parts: list[memoryview] = []
        self._size = 0

    def takes(self, flags: int, stream: bytes) -> bool:
        """True where a frame with these flags can be joined to the row."""
        return not flags & PADDED and not self._last and self._size < BODY and (not self.frames or stream == self._stream)

    def add(self, flags: int, stream: bytes, payload: memoryview) -> None:
        self.frames += 1
        self._stream, self._last = stream, bool(flags & END_STREAM)
        self._parts.append(payload)
        self._size += len(payload)

    def joined(self) -> bytes:
        flags = END_STREAM if self._last else 0
        return b"".join((self._size.to_bytes(3, "big"), bytes((DATA, flags)), self._stream, *self._parts))


class FrameSieve:
    """``feed`` yields whole frames, as bytes for the machine; but for each GOAWAY, which comes out as a ``Goodbye`` in its place.

    ``largest``: the longest frame that we allow (SETTINGS_MAX_FRAME_SIZE); a longer one comes out as ``TooLong``.
    """

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._held = b""  # a frame in part

    def feed(self, data: bytes) -> Iterator[bytes | Goodbye | TooLong]:
        """What is to be done with ``data``, in order."""
        if self._held:
            data, self._held = self._held + data, b""
        view, size, begin, at, row = memoryview(data), len(data), 0, 0, _Row()
        while size - at >= HEADER:
            length, kind, flags = data[at] << 16 | data[at + 1] << 8 | data[at + 2], data[at + 3], data[at + 4]
            stop = at + HEADER + length
            if length > self._largest:
                yield from self._through(data, begin, at, row)
                yield TooLong(length)
                return
            if stop > size:
                break
            stream = data[at + 5 : at + HEADER]
            if row.frames and (kind != DATA or not row.takes(flags, stream)):
                yield from self._through(data, begin, at, row)
                begin, row = at, _Row()
            if kind == DATA and row.takes(flags, stream):
                if not row.frames and begin < at:
                    yield data[begin:at]
                    begin = at
                row.add(flags, stream, view[at + HEADER : stop])
            elif kind == GOAWAY and length >= GOAWAY_LEAST:
                yield from self._through(data, begin, at, row)
                body = data[at + HEADER : at + HEADER + GOAWAY_LEAST]
                yield Goodbye(int.from_bytes(body[:4], "big") & 0x7FFFFFFF, int.from_bytes(body[4:], "big"))
                begin = stop
            at = stop
        self._held = data[at:]
        yield from self._through(data, begin, at, row)

    def _through(self, data: bytes, begin: int, end: int, row: _Row) -> Iterator[bytes]:
        """What was passed over: a row of DATA frames as one, anything else as it came."""
        if begin < end:
            yield row.joined() if row.frames > 1 else data[begin:end]


def split(data: bytes, largest: int) -> bytes:
    """Our own frames, whole, with DATA frames cut to what the peer allows (its SETTINGS_MAX_FRAME_SIZE)."""
    view, size, at = memoryview(data), len(data), len(PREFACE) if data.startswith(PREFACE) else 0
    parts: list[bytes | memoryview] = [view[:at]]
    while at < size:
        length, kind, flags = int.from_bytes(view[at : at + 3], "big"), data[at + 3], data[at + 4]
        stop = at + HEADER + length
        if kind != DATA or length <= largest or flags & PADDED:
            parts.append(view[at:stop])
        else:
            stream = view[at + 5 : at + HEADER]
            for start in range(at + HEADER, stop, largest):
                piece = view[start : min(start + largest, stop)]
                last = flags if start + largest >= stop else flags & ~END_STREAM
                parts += [len(piece).to_bytes(3, "big"), bytes((DATA, last)), stream, piece]
        at = stop
    return b"".join(parts)
