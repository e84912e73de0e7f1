"""A reader over bytes in which every length-prefixed body is a cursor of its own that must be used up."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NoReturn, TypeVar

from inspector.errors import MalformedMessage

T = TypeVar("T")


class Cursor:
    """Reads big-endian numbers and vectors (RFC 8446, Section 3). Raises MalformedMessage, with the offset in the whole message."""

    __slots__ = ("data", "end", "pos", "where")

    def __init__(self, data: bytes, where: str, pos: int = 0, end: int | None = None) -> None:
        self.data = data
        self.where = where
        self.pos = pos
        self.end = len(data) if end is None else end

    def __len__(self) -> int:
        return self.end - self.pos

    def fail(self, why: str) -> NoReturn:
        raise MalformedMessage(self.where, self.pos, why)

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        start, stop = self.pos, self.pos + size
        if stop > self.end:
            self.fail(f"{size} bytes expected, {self.end - start} left")
        self.pos = stop
        return self.data[start:stop]

    def _number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def u8(self) -> int:
        pos = self.pos
        if pos >= self.end:
            self.fail("1 bytes expected, 0 left")
        self.pos = pos + 1
        return self.data[pos]

    def u16(self) -> int:
        pos = self.pos
        if pos + 2 > self.end:
            self.fail(f"2 bytes expected, {self.end - pos} left")
        self.pos = pos + 2
        return self.data[pos] << 8 | self.data[pos + 1]

    def u24(self) -> int:
        return self._number(3)

    def u32(self) -> int:
        return self._number(4)

    def u64(self) -> int:
        return self._number(8)

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(self.end - self.pos)

    def vector(self, prefix: int) -> bytes:
        """An opaque vector with a length of ``prefix`` bytes before it."""
        return self.take(self._length(prefix))

    def _length(self, prefix: int) -> int:
        return self.u16() if prefix == 2 else self.u8() if prefix == 1 else self._number(prefix)

    def sub(self, prefix: int, where: str = "") -> Cursor:
        """A cursor over the body of a vector; this one moves behind it."""
        size = self._length(prefix)
        start = self.pos
        if start + size > self.end:
            self.fail(f"length {size}, but {self.end - start} bytes left")
        self.pos = start + size
        return Cursor(self.data, f"{self.where}.{where}" if where else self.where, start, self.pos)

    def finish(self) -> None:
        """Raises MalformedMessage where bytes are left."""
        if self.pos != self.end:
            self.fail(f"{self.end - self.pos} bytes too many")

    def each(self, read: Callable[[Cursor], T]) -> tuple[T, ...]:
        """Items until this cursor is used up."""
        items = []
        while self.pos < self.end:
            items.append(read(self))
        return tuple(items)

    def u16s(self, kind: Callable[[int], T]) -> tuple[T, ...]:
        """Two-byte numbers until this cursor is used up."""
        if (self.end - self.pos) % 2:
            self.fail("an odd number of bytes in a list of two-byte values")
        raw = self.rest()
        return tuple(map(kind, struct.unpack(f">{len(raw) // 2}H", raw)))

    def u8s(self, kind: Callable[[int], T]) -> tuple[T, ...]:
        """One-byte numbers until this cursor is used up."""
        return tuple(map(kind, self.rest()))
