"""Unpacking of compressed certificates (RFC 8879), bounded by the length that the message declares."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable

MAX_UNPACKED = 1 << 20


def _zlib(packed: bytes, limit: int) -> bytes:
    unpacker = zlib.decompressobj()
    body = unpacker.decompress(packed, limit)
    if len(body) < limit and (not unpacker.eof or unpacker.unused_data):
        raise ValueError("the stream does not end with the data")
    return body


def _brotli(packed: bytes, limit: int) -> bytes:
    brotli = importlib.import_module("brotli")
    unpacker = brotli.Decompressor()
    try:
        body = bytes(unpacker.process(packed, output_buffer_limit=limit))
        while len(body) < limit and not unpacker.is_finished():
            more = unpacker.process(b"", output_buffer_limit=limit - len(body))
            if not more:
                raise ValueError("the stream is cut short")
            body += more
    except brotli.error as exc:
        raise ValueError("no brotli stream") from exc
    return body


def _zstd(packed: bytes, limit: int) -> bytes:
    zstandard = importlib.import_module("zstandard")
    try:
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 23).stream_reader(packed)
        return bytes(reader.read(limit))
    except zstandard.ZstdError as exc:
        raise ValueError("no zstd stream") from exc


_UNPACK: dict[int, Callable[[bytes, int], bytes]] = {1: _zlib, 2: _brotli, 3: _zstd}


def decompress(algorithm: int, packed: bytes, length: int) -> tuple[bytes | None, str | None]:
    """``packed`` unpacked, or None and the reason in words. Never makes more than ``length`` + 1 bytes, nor more than 1 MiB."""
    unpack = _UNPACK.get(algorithm)
    if unpack is None:
        return None, "unknown compression algorithm"
    if length > MAX_UNPACKED:
        return None, f"declares {length} bytes, more than {MAX_UNPACKED} are not unpacked"
    try:
        body = unpack(packed, length + 1)
    except ImportError:
        return None, "needs the optional extra 'compression'"
    except (ValueError, zlib.error, MemoryError):
        return None, "cannot be unpacked"
    if len(body) != length:
        return None, f"declares {length} bytes, unpacks to {'more' if len(body) > length else len(body)}"
    return body, None
