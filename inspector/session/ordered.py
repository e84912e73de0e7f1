"""Lines in the order of their streams, whatever the order in which they come."""

from __future__ import annotations

import tempfile
from collections.abc import Callable

# Rows and lines that wait for an earlier connection are kept on disk beyond this size.
SPOOL = 8 << 20


class Ordered:
    """Hands on lines in the order of their streams. What must wait is kept packed, on disk where it is much."""

    def __init__(self, emit: Callable[[bytes], None]) -> None:
        self._emit = emit
        self._next = 0
        self._waiting: dict[int, tuple[int, int]] = {}  # stream -> where in the spool, -1: nothing
        self._spool = tempfile.SpooledTemporaryFile(max_size=SPOOL)  # noqa: SIM115 - lives as long as the reading
        self._spooled = 0

    def add(self, stream: int, line: bytes) -> None:
        """The line of a stream, empty for none."""
        if stream != self._next:
            self._waiting[stream] = self._keep(line)
            return
        self._pass(line)
        while (place := self._waiting.pop(self._next, None)) is not None:
            self._pass(self._kept(place))
        if self._spooled and not self._waiting:
            self._spooled = self._spool.seek(0)
            self._spool.truncate()

    def _pass(self, line: bytes) -> None:
        self._next += 1
        if line:
            self._emit(line)

    def _keep(self, line: bytes) -> tuple[int, int]:
        if not line:
            return 0, 0
        start = self._spool.seek(self._spooled)
        self._spooled += self._spool.write(line)
        return start, len(line)

    def _kept(self, place: tuple[int, int]) -> bytes:
        start, size = place
        if not size:
            return b""
        self._spool.seek(start)
        return self._spool.read(size)

    def close(self) -> None:
        """Hand on what is left, whatever is missing in between."""
        for stream in sorted(self._waiting):
            line = self._kept(self._waiting.pop(stream))
            if line:
                self._emit(line)
        self._spool.close()
