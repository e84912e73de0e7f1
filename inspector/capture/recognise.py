"""Where TLS begins in a byte stream: by content, on any port, after any plaintext.

A hello is recognised by its record and message headers together, eleven bytes that agree with each other; a connection that was
open when the capture began, by a row of record headers.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

MAX_RECORD = 16384 + 2048  # RFC 5246, 6.2.3; TLS 1.3 allows less
CLIENT_HELLO, SERVER_HELLO = 1, 2
# Two bytes of hello version behind the four of the message header
_HELLO_HEADER = 11
_SHORTEST_HELLO = 38  # version, random, session id, a cipher suite, compression


class Start(Enum):
    """What a byte stream begins, or goes on, with."""

    CLIENT_HELLO = "client_hello"
    SERVER_HELLO = "server_hello"
    SSLV2_HELLO = "sslv2_hello"
    RECORDS = "records"


class Found(NamedTuple):
    """``at`` is where it begins. ``start`` None: nothing before ``at`` needs to be looked at again."""

    at: int
    start: Start | None


def _version(data: bytes | bytearray, pos: int) -> bool:
    return data[pos] == 3 and data[pos + 1] <= 4


def _hello(data: bytes | bytearray, pos: int, message: int) -> bool | None:
    """Whether this hello begins at ``pos``; None where more bytes must be seen."""
    have = len(data) - pos
    if have < 6:
        return None
    length = data[pos + 3] << 8 | data[pos + 4]
    if not _version(data, pos + 1) or not 0 < length <= MAX_RECORD or data[pos + 5] != message:
        return False
    if length < 6:  # a hello cut into tiny records: no more can be held against it
        return pos == 0
    if have < _HELLO_HEADER:
        return None
    size = int.from_bytes(data[pos + 6:pos + 9], "big")
    return _SHORTEST_HELLO <= size <= 1 << 17 and _version(data, pos + 9)


def find_hello(data: bytes | bytearray, start: int, *, message: int = CLIENT_HELLO) -> Found:
    """The first hello from ``start`` on."""
    while True:
        pos = data.find(0x16, start)
        if pos < 0:
            return Found(len(data), None)
        found = None
        if len(data) > pos + 1:
            found = data[pos + 1] == 3 and _hello(data, pos, message)
        if found is None:
            return Found(pos, None)
        if found:
            return Found(pos, Start.CLIENT_HELLO if message == CLIENT_HELLO else Start.SERVER_HELLO)
        start = pos + 1


def hello_at(data: bytes | bytearray, pos: int) -> Start | None:
    """The hello, of either side, that begins at exactly ``pos``."""
    if data[pos:pos + 2] == b"\x16\x03":
        if _hello(data, pos, CLIENT_HELLO):
            return Start.CLIENT_HELLO
        if _hello(data, pos, SERVER_HELLO):
            return Start.SERVER_HELLO
    elif pos == 0 and is_sslv2_hello(data):
        return Start.SSLV2_HELLO
    return None


def is_sslv2_hello(data: bytes | bytearray) -> bool:
    """An SSLv2 CLIENT-HELLO, also one that offers more (RFC 5246, appendix E.2)."""
    if len(data) < 11 or not data[0] & 0x80 or data[2] != 1 or not (data[3:5] == b"\x00\x02" or _version(data, 3)):
        return False
    length = (data[0] & 0x7F) << 8 | data[1]
    specs, session, challenge = (int.from_bytes(data[pos:pos + 2], "big") for pos in (5, 7, 9))
    sizes = specs > 0 and specs % 3 == 0 and session in (0, 16) and 16 <= challenge <= 32
    return sizes and length == 9 + specs + session + challenge


def find_records(data: bytes | bytearray, *, rows: int = 3) -> int | None:
    """Where a row of whole TLS records begins: ``rows`` headers, or fewer where the last record ends with the data."""
    for pos in range(min(len(data) - 5, MAX_RECORD) + 1):
        if 20 <= data[pos] <= 23 and data[pos + 1] == 3 and _is_row(data, pos, rows):
            return pos
    return None


def _is_row(data: bytes | bytearray, pos: int, rows: int) -> bool:
    for _ in range(rows):
        if pos + 5 > len(data):
            return False
        length = data[pos + 3] << 8 | data[pos + 4]
        if not 20 <= data[pos] <= 23 or not _version(data, pos + 1) or not 0 < length <= MAX_RECORD:
            return False
        pos += 5 + length
        if pos == len(data):
            return True
    return True
