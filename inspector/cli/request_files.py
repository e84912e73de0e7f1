"""Files and stdin as bodies of requests: opened, read as they are sent, one after the other."""

from __future__ import annotations

import io
import os
import stat
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
        raise _unreadable(path, exc) from exc
    finally:
        if file is not sys.stdin.buffer:  # stdin stays open: something else may ask for it, and gets its end
            file.close()


def _unreadable(path: object, exc: OSError) -> InputError:
    return InputError(f"cannot read '{path}': {exc.strerror}", hint="check the path and its permissions")


def _extent(file: BinaryIO) -> tuple[int | None, int | None]:
    """Where the body begins, None where it cannot be begun again; and its size, None where only reading it shows that.

    stdin begins where whoever had it before us stopped. The size is the file system's word for files on a disk: devices have none,
    and those of /proc say 0 whatever they hold.
    """
    if not file.seekable():
        return None, None
    start = file.tell()
    if not _is_on_disk(file):
        return start, None
    try:
        size = max(0, file.seek(0, os.SEEK_END) - start)
        file.seek(start)
        return start, size if size or not file.read(1) else None
    except OSError:  # a file of /proc that has no end to seek
        return start, None
    finally:
        file.seek(start)


def _is_on_disk(file: BinaryIO) -> bool:
    try:
        mode = os.fstat(file.fileno()).st_mode
    except io.UnsupportedOperation:  # it is in memory
        return True
    return stat.S_ISREG(mode) or stat.S_ISBLK(mode)


class FileBody:
    """A body that is read from a file as it is sent. Reading it raises InputError where the file cannot be read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._buffer: Buffer | None = None
        try:
            self._start, self.size = _extent(file)
        except OSError as exc:
            raise _unreadable(self._name, exc) from exc

    @property
    def _name(self) -> object:
        return "-" if self._file is sys.stdin.buffer else getattr(self._file, "name", "")

    def read(self, limit: int, /) -> bytes:
        try:
            # a pipe hands out what it has; a file is read whole pieces at a time
            return getattr(self._file, "read1", self._file.read)(limit)
        except OSError as exc:
            raise _unreadable(self._name, exc) from exc

    def read_view(self, limit: int) -> memoryview:
        """As ``read``, into a buffer that the next call writes over: of large pieces, the allocator would map each one anew."""
        if self._buffer is None or self._buffer.size < limit:
            self._buffer = Buffer(limit)
        room = self._buffer.next()
        into: Callable[[memoryview], int] = getattr(self._file, "readinto1", None) or self._file.readinto  # type: ignore[attr-defined]
        try:
            return room[: into(room[:limit])].toreadonly()
        except OSError as exc:
            raise _unreadable(self._name, exc) from exc

    def restart(self) -> bool:
        if self._start is None:
            return False
        self._file.seek(self._start)
        return True

    def close(self) -> None:
        if self._file is not sys.stdin.buffer:
            self._file.close()


class PartsBody:
    """A body of several parts, each bytes or a file's path, one after the other."""

    def __init__(self, parts: list[bytes | str]) -> None:
        # what has no size (a pipe, <(...)) is read now: then it can be counted, and sent a second time
        self._parts = [part if isinstance(part, bytes) or _has_size(part) else read_input(part) for part in parts]
        self.size: int | None = sum(len(part) if isinstance(part, bytes) else os.stat(part).st_size for part in self._parts)
        self._pieces = self._walk()
        self._rest = b""

    def _walk(self) -> Generator[bytes, None, None]:
        for part in self._parts:
            if isinstance(part, bytes):
                yield part
                continue
            with open_input(part) as file:
                while piece := self._piece(part, file):
                    yield piece

    @staticmethod
    def _piece(path: str, file: BinaryIO) -> bytes:
        try:
            return file.read(64 * 1024)
        except OSError as exc:
            raise _unreadable(path, exc) from exc

    def read(self, limit: int, /) -> bytes:
        whole = self._rest or next((piece for piece in self._pieces if piece), b"")
        self._rest = whole[limit:]  # a value of --form may be longer than what is taken at a time
        return whole[:limit]

    def restart(self) -> bool:
        self._pieces, self._rest = self._walk(), b""
        return True

    def close(self) -> None:
        self._pieces.close()


def _has_size(path: str) -> bool:
    """True for a file on a disk. One of /proc says that it is empty, and is not."""
    return path != "-" and os.path.isfile(path) and os.path.getsize(path) > 0
