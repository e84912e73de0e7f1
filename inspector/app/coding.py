"""Content codings (RFC 9110, Section 8.4.1), decoded piece by piece and with limits: a kilobyte can stand for a gigabyte."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any, Protocol

PIECE = 256 * 1024
# a response that unfolds to more than RATIO times its size is an attack once FREE bytes have come out
RATIO = 250
FREE = 32 * 1024 * 1024
CODINGS_DEEP = 3


class CodingError(Exception):
    """The content is not in its coding, or unfolds beyond the limits; the text says which."""


class _Decompress(Protocol):
    def pieces(self, data: bytes) -> Iterator[bytes]: ...
    def finish(self) -> bool:
        """False where the content was cut off."""


class _Zlib:
    """gzip (also of several members) and deflate (also the headless kind that some servers send)."""

    def __init__(self, wbits: int) -> None:
        self._wbits = wbits
        self._machine = zlib.decompressobj(wbits)
        self._started = False
        self._member_over = False

    def pieces(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._member_over:
                if self._wbits != 31 or not data.strip(b"\0"):
                    return  # padding
                self._machine, self._member_over = zlib.decompressobj(self._wbits), False
            try:
                piece = self._machine.decompress(data, PIECE)
            except zlib.error as exc:
                if self._wbits != 15 or self._started:
                    raise CodingError("the content is not in the coding that its header names") from exc
                self._wbits = -15
                self._machine = zlib.decompressobj(-15)
                continue
            self._started = True
            if piece:
                yield piece
            self._member_over = self._machine.eof
            data = self._machine.unused_data if self._machine.eof else self._machine.unconsumed_tail
        if not self._member_over and self._started:
            rest = self._machine.decompress(b"", PIECE)
            while rest:
                yield rest
                rest = self._machine.decompress(b"", PIECE)

    def finish(self) -> bool:
        return self._member_over or not self._started


class _Brotli:
    def __init__(self) -> None:
        import brotli

        self._machine = brotli.Decompressor()
        self._error = brotli.error
        self._started = False

    def pieces(self, data: bytes) -> Iterator[bytes]:
        self._started = True
        try:
            piece = self._machine.process(data, output_buffer_limit=PIECE)
            while piece:
                yield piece
                piece = b"" if self._machine.can_accept_more_data() else self._machine.process(b"", output_buffer_limit=PIECE)
        except self._error as exc:
            raise CodingError("the content is not in the coding that its header names") from exc

    def finish(self) -> bool:
        return bool(self._machine.is_finished()) or not self._started


class _Zstandard:
    WINDOW = 8 * 1024 * 1024  # RFC 9659

    def __init__(self) -> None:
        import zstandard

        self._machine: Any = zstandard.ZstdDecompressor(max_window_size=self.WINDOW).decompressobj(write_size=PIECE)
        self._error = zstandard.ZstdError
        self._started = False

    def pieces(self, data: bytes) -> Iterator[bytes]:
        self._started = True
        try:
            # the library has no bound on its output but its input's size: feed it little at a time
            for start in range(0, len(data), 1024):
                if self._machine.eof:
                    return
                piece = self._machine.decompress(data[start : start + 1024])
                if piece:
                    yield piece
        except self._error as exc:
            raise CodingError("the content is not in the coding that its header names") from exc

    def finish(self) -> bool:
        return bool(self._machine.eof) or not self._started


_MAKERS: dict[str, Callable[[], _Decompress]] = {
    "gzip": lambda: _Zlib(31),
    "x-gzip": lambda: _Zlib(31),
    "deflate": lambda: _Zlib(15),
    "br": _Brotli,
    "zstd": _Zstandard,
}
_NEEDS = {"br": "brotli", "zstd": "zstandard"}


def available() -> tuple[str, ...]:
    """The codings that can be decoded here, for Accept-Encoding."""
    return tuple(name for name in ("gzip", "deflate", "br", "zstd") if name not in _NEEDS or find_spec(_NEEDS[name]))


class ContentDecoder:
    """Undoes the codings of one response, in order. ``feed`` yields pieces of at most some 256 KiB."""

    def __init__(self, content_encoding: str, *, limit: int | None = None) -> None:
        names = [name.strip().lower() for name in content_encoding.split(",") if name.strip()]
        names = [name for name in names if name != "identity"]
        if len(names) > CODINGS_DEEP:
            raise CodingError(f"{len(names)} codings over each other")
        for name in names:
            if name not in _MAKERS:
                raise CodingError(f"the coding '{name}' is not known")
            if name in _NEEDS and find_spec(_NEEDS[name]) is None:
                raise CodingError(f"the coding '{name}' needs the extra: pip install 'mtls-inspector[compression]'")
        self._machines = [_MAKERS[name]() for name in reversed(names)]
        self._limit = limit
        self._taken = 0
        self.given = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The decoded pieces. Raises CodingError."""
        self._taken += len(data)
        for piece in self._through(0, data):
            self.given += len(piece)
            if self._limit is not None and self.given > self._limit:
                raise CodingError(f"the decoded content is longer than {self._limit} bytes")
            if self.given > FREE and self.given > RATIO * self._taken:
                raise CodingError(f"the content unfolds to more than {RATIO} times its size: a decompression bomb")
            yield piece

    def finish(self) -> None:
        """Raises CodingError where the content was cut off."""
        if not all(machine.finish() for machine in self._machines):
            raise CodingError("the compressed content is cut off")

    def _through(self, depth: int, data: bytes) -> Iterator[bytes]:
        if depth == len(self._machines):
            yield data
            return
        for piece in self._machines[depth].pieces(data):
            yield from self._through(depth + 1, piece)
