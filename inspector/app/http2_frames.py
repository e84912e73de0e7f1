"""HTTP/2 frames on their way to the protocol machine: a GOAWAY is taken out of them (RFC 9113, Section 6.8).

h2 holds a connection for closed as soon as it sees one. The RFC does not: streams up to the last one named are still answered,
and a server that has served as many requests as it wants to over one connection says so in the midst of an answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

HEADER = 9
GOAWAY = 0x7
GOAWAY_LEAST = 8


class Goodbye(NamedTuple):
    """A GOAWAY: no stream above ``last_stream`` was or will be looked at."""

    last_stream: int
    error: int


class FrameSieve:
    """``feed`` yields the stream's bytes as they came, but for each GOAWAY, which comes out as a ``Goodbye`` in its place.

    ``largest``: longer frames are left to the machine, which knows what to say of them.
    """

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._held = bytearray()  # a frame's header in part, or a GOAWAY in part
        self._passing = 0  # bytes of the present frame that go through

    def feed(self, data: bytes) -> Iterator[bytes | Goodbye]:
        """What is to be done with ``data``, in order."""
        if self._held:
            data, self._held = bytes(self._held) + data, bytearray()
        begin = at = 0  # what lies between goes through
        size = len(data)
        while True:
            step = min(self._passing, size - at)
            at += step
            self._passing -= step
            if size - at < HEADER:
                break
            length = int.from_bytes(data[at : at + 3], "big")
            if data[at + 3] != GOAWAY or not GOAWAY_LEAST <= length <= self._largest:
                self._passing = HEADER + length
                continue
            if size - at < HEADER + length:
                break
            if begin < at:
                yield data[begin:at]
            body = data[at + HEADER : at + HEADER + GOAWAY_LEAST]
            yield Goodbye(int.from_bytes(body[:4], "big") & 0x7FFFFFFF, int.from_bytes(body[4:], "big"))
            begin = at = at + HEADER + length
        self._held += data[at:]
        if begin < at:
            yield data if at == size and not begin else data[begin:at]
