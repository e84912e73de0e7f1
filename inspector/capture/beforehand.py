"""The secrets of a capture file, found before it is read: a Decryption Secrets Block may stand behind what it opens."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Protocol

from inspector.capture.container import CHUNK, MAX_BLOCK, PCAPNG_MAGIC, SECRETS_BLOCK, TLS_KEY_LOG

_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}


class Seekable(Protocol):
    """A binary file that can be read from anywhere."""

    def read(self, size: int, /) -> bytes | None: ...
    def seek(self, offset: int, /) -> int: ...


def secrets_of(file: Seekable) -> Iterator[bytes]:
    """The key log of each Decryption Secrets Block of a pcapng file: only headers of blocks are looked at, up to the first damage.

    What is no pcapng file gives nothing. The file's position is left anywhere.
    """
    start, pos, buffer = 0, 0, b""  # ``buffer`` is what stands at ``start``
    header = Struct("<II").unpack_from
    while True:
        if len(buffer) - pos < 12:
            start += pos
            file.seek(start)
            buffer, pos = file.read(CHUNK) or b"", 0
            if len(buffer) < 12 or not (start or buffer.startswith(PCAPNG_MAGIC)):
                return
        if buffer.startswith(PCAPNG_MAGIC, pos):
            order = _ORDERS.get(buffer[pos + 8:pos + 12])
            if order is None:
                return
            header = Struct(order + "II").unpack_from
        kind, length = header(buffer, pos)
        if not 12 <= length <= MAX_BLOCK:
            return
        if kind == SECRETS_BLOCK:
            file.seek(start + pos + 8)
            body = file.read(length - 12) or b""
            if len(body) >= 8 and header(body, 0)[0] == TLS_KEY_LOG:
                yield body[8:8 + header(body, 0)[1]]
        pos += length + -length % 4
