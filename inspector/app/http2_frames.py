"""HTTP/2 frames on their way to the protocol machine and from it, where the machine needs help (RFC 9113, Section 4.1).

- A GOAWAY is taken out: h2 holds a connection for closed as soon as it sees one. The RFC does not (Section 6.8): streams up to the
  last one named are still answered, and a server that has served as many requests as it wants to over one connection says so in
  the midst of an answer.
- A row of DATA frames is handed on as one, and one large DATA frame of ours leaves as a row: what h2 does for each frame costs more
  than decrypting it, and where a frame ends means nothing (Section 6.1). Flow control counts the same bytes.
- DATA of one stream can be kept from the machine, which spells out every byte it is given for a log that nobody reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER = 9
_FRAME = Struct(">BHBBL")  # length in three bytes, type, flags, stream
DATA, GOAWAY = 0x0, 0x7
END_STREAM, PADDED = 0x1, 0x8
GOAWAY_LEAST = 8
BODY = 96 * 1024  # bytes of ours that are handed over as one frame
ROW = 64 * 1024  # bytes of received frames that are joined, and one frame more. Larger pieces cost the allocator page faults


class Goodbye(NamedTuple):
    """A GOAWAY: no stream above ``last_stream`` was or will be looked at."""

    last_stream: int
    error: int


class Body(NamedTuple):
    """DATA frames of the stream that is watched: their payload, as flow control counts it, and whether they end the stream."""

    data: bytes
    last: bool


class TooLong(NamedTuple):
    """A frame that is longer than we allow; nothing after it is read."""

    length: int


class _Row(NamedTuple):
    """DATA frames of one stream that stand one behind the other, without padding; ``stop`` is where they end."""

    stream: int
    parts: list[memoryview]
    size: int
    last: bool
    stop: int

    def joined(self) -> bytes:
        """As one frame."""
        return b"".join((_FRAME.pack(self.size >> 16, self.size & 0xFFFF, DATA, self.last, self.stream), *self.parts))

    def body(self) -> Body:
        return Body(b"".join(self.parts), self.last)


def _row(view: memoryview, at: int, largest: int) -> _Row:
    """The row that begins at ``at`` with a whole DATA frame: all that are whole and allowed, up to ``ROW`` bytes and a frame."""
    end, header = len(view), _FRAME.unpack_from
    high, low, _, flags, stream = header(view, at)
    parts: list[memoryview] = []
    size, last = 0, False
    while True:
        length = high << 16 | low
        stop = at + HEADER + length
        if stop > end or length > largest:
            break
        parts.append(view[at + HEADER : stop])
        size += length
        at = stop
        last = bool(flags & END_STREAM)
        if last or size >= ROW or end - at < HEADER:
            break
        high, low, kind, flags, of = header(view, at)
        if kind != DATA or of != stream or flags & PADDED:
            break
    return _Row(stream, parts, size, last, at)


class FrameSieve:
    """``feed`` yields whole frames, as bytes for the machine; but for each GOAWAY, which comes out as a ``Goodbye`` in its place,
    and DATA of the stream that is watched.

    ``largest``: the longest frame that we allow (SETTINGS_MAX_FRAME_SIZE); a longer one comes out as ``TooLong``.
    """

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._held = b""  # a frame in part
        self._watched = 0

    def watch(self, stream: int) -> None:
        """From here on DATA of this stream (0: of none) does not go to the machine; padded frames do, it knows what to do."""
        self._watched = stream

    def feed(self, data: bytes | memoryview) -> Iterator[bytes | Goodbye | Body | TooLong]:
        """What is to be done with ``data``, in order; nothing of it is kept that is not copied."""
        view = memoryview(data)
        while self._held and view:  # complete the frame that is held, without touching what follows it
            length = int.from_bytes(self._held[:3], "big") if len(self._held) >= HEADER else 0
            missing = HEADER + (length if length <= self._largest else 0) - len(self._held)
            whole, view, self._held = self._held + bytes(view[:missing]), view[missing:], b""
            yield from self._frames(memoryview(whole))
        if view:
            yield from self._frames(view)

    def _frames(self, view: memoryview) -> Iterator[bytes | Goodbye | Body | TooLong]:
        size, begin, at = len(view), 0, 0  # what lies between ``begin`` and ``at`` goes through as it came
        while size - at >= HEADER:
            high, low, kind, flags, stream = _FRAME.unpack_from(view, at)
            length = high << 16 | low
            stop = at + HEADER + length
            if length > self._largest:
                if begin < at:
                    yield bytes(view[begin:at])
                yield TooLong(length)
                return
            if stop > size:
                break
            if kind == DATA and not flags & PADDED:
                if begin < at:
                    yield bytes(view[begin:at])
                row = _row(view, at, self._largest)
                yield row.body() if stream == self._watched else row.joined()
                begin = stop = row.stop
            elif kind == GOAWAY and length >= GOAWAY_LEAST:
                if begin < at:
                    yield bytes(view[begin:at])
                body = view[at + HEADER : at + HEADER + GOAWAY_LEAST]
                yield Goodbye(int.from_bytes(body[:4], "big") & 0x7FFFFFFF, int.from_bytes(body[4:], "big"))
                begin = stop
            at = stop
        self._held = bytes(view[at:])
        if begin < at:
            yield bytes(view[begin:at])


def window_update(stream: int, size: int) -> bytes:
    """A WINDOW_UPDATE: ``size`` more bytes may be sent on this stream, or (0) on the connection (Section 6.9)."""
    return b"\x00\x00\x04\x08\x00" + stream.to_bytes(4, "big") + size.to_bytes(4, "big")


def empty_data(stream: int) -> bytes:
    """A DATA frame that only ends its stream."""
    return b"\x00\x00\x00\x00\x01" + stream.to_bytes(4, "big")


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
