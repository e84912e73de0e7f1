"""Files and stdin as bodies of requests: opened, read as they are sent, one after the other."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from typing import BinaryIO, NamedTuple

from inspector.buffer import Buffer
from inspector.errors import InputError


class FromFile(NamedTuple):
    """A part of a body that is in a file (``-`` is stdin), and what becomes of it on the way.

    ``how``: "binary" as it is; "data" without line ends; "urlencode" percent-encoded; "stream" as it comes.
    """

    path: str
    how: str


Part = bytes | FromFile


def open_input(path: str) -> BinaryIO:
    """The file, or stdin for ``-``. Raises InputError."""
    if path == "-":
        return sys.stdin.buffer
    try:
        return open(path, "rb")
    except (OSError, ValueError) as exc:  # ValueError: a path with a NUL
        reason = getattr(exc, "strerror", None) or str(exc)
        raise InputError(f"cannot read '{path}': {reason}", hint="check the path and its permissions") from exc


def read_input(path: str) -> bytes:
    """The whole of a file or of stdin. Raises InputError."""
    file = open_input(path)
    try:
        return file.read()
    except OSError as exc:
        raise InputError(f"cannot read '{path}': {exc.strerror}", hint="check the path and its permissions") from exc
    finally:
        if file is not sys.stdin.buffer:  # stdin stays open: something else may ask for it, and gets its end
            file.close()


class FileBody:
    """A body that is read from a file as it is sent."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._buffer: Buffer | None = None
        self.size: int | None = None
        if file.seekable():
            self.size = file.seek(0, os.SEEK_END)
            file.seek(0)

    def read(self, limit: int, /) -> bytes:
        # a pipe hands out what it has; a file is read whole pieces at a time
        return getattr(self._file, "read1", self._file.read)(limit)

    def read_view(self, limit: int) -> memoryview:
        """As ``read``, into a buffer that the next call writes over: of large pieces, the allocator would map each one anew."""
        if self._buffer is None or self._buffer.size < limit:
            self._buffer = Buffer(limit)
        room = self._buffer.next()
        into: Callable[[memoryview], int] = getattr(self._file, "readinto1", None) or self._file.readinto  # type: ignore[attr-defined]
        return room[: into(room[:limit])].toreadonly()

    def restart(self) -> bool:
        if not self._file.seekable():
            return False
        self._file.seek(0)
        return True

    def close(self) -> None:
        if self._file is not sys.stdin.buffer:
            self._file.close()


class PartsBody:
    """A body of several parts, each bytes or a file's path, one after the other."""

    def __init__(self, parts: list[bytes | str]) -> None:
        # what has no size (a pipe, <(...)) is read now: then it can be counted, and sent a second time
        self._parts = [part if isinstance(part, bytes) or _is_regular(part) else read_input(part) for part in parts]
        self.size: int | None = sum(len(part) if isinstance(part, bytes) else os.stat(part).st_size for part in self._parts)
        self._pieces = self._walk()
        self._rest = b""

    def _walk(self) -> Generator[bytes, None, None]:
        for part in self._parts:
            if isinstance(part, bytes):
                yield part
                continue
            with open_input(part) as file:
                while piece := file.read(64 * 1024):
                    yield piece

    def read(self, limit: int, /) -> bytes:
        whole = self._rest or next((piece for piece in self._pieces if piece), b"")
        self._rest = whole[limit:]  # a value of --form may be longer than what is taken at a time
        return whole[:limit]

    def restart(self) -> bool:
        self._pieces, self._rest = self._walk(), b""
        return True

    def close(self) -> None:
        self._pieces.close()


def _is_regular(path: str) -> bool:
    return path != "-" and os.path.isfile(path)
