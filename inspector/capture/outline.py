"""The outline of an unread connection: what of its records can bear on a judgement, and nothing else.

A capture of a busy server holds the same handshake thousands of times, with other random numbers. Where nothing can be decrypted,
what is to be said of it rests on few things: which messages were sent in which order, whether certificates were among them, how
long encrypted records are up to a certificate's size, which alerts came, and who left first. Connections whose outlines are equal
are judged alike; so one of them is decoded in full, and the others need not be.

An outline is only drawn where everything is in the usual form. Anything else gives None, and the connection is decoded.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from inspector.errors import MalformedMessage
from inspector.wire import messages as m
from inspector.wire.events import Side
from inspector.wire.extensions import Extension, OfferedPsks, Place, parse_value
from inspector.wire.records import HEADER, MAX_RECORD
from inspector.wire.registry import ExtensionType, ProtocolVersion

# side, bytes, seconds since the connection's first packet, the way that had closed by then
Chunk = tuple[Side, bytes, float, int | None]

_CCS, _ALERT, _HANDSHAKE, _DATA = 20, 21, 22, 23
_CLIENT_HELLO, _SERVER_HELLO, _CERTIFICATE, _CERTIFICATE_REQUEST = 1, 2, 11, 13
# Messages of which it only matters that they were sent: ticket, key exchange, done, verify, status
_BY_TYPE = frozenset((4, 12, 14, 15, 16, 20, 22))
_PRE_SHARED_KEY = int(ExtensionType.PRE_SHARED_KEY)
_SNI, _EARLY_DATA, _VERSIONS = int(ExtensionType.SERVER_NAME), int(ExtensionType.EARLY_DATA), int(ExtensionType.SUPPORTED_VERSIONS)
# From this length on an encrypted record says no more than that it is long (``analysis.encrypted``: smaller ones are measured).
LONG = 512
# So many records of one kind in a row say as much as more of them.
ROW = 4


class Outline(NamedTuple):
    """``key`` is equal where connections are to be judged alike. ``server_name`` is the SNI, which is each connection's own."""

    key: tuple[object, ...]
    server_name: str | None


class _Unusual(Exception):
    """Not the usual form: decode it."""


class _Half:
    """One side: bytes that are no whole record yet, handshake bytes that are no whole message yet."""

    __slots__ = ("joined", "protected", "rest")

    def __init__(self) -> None:
        self.rest = b""
        self.joined = b""
        self.protected = False  # up to TLS 1.2: after its ChangeCipherSpec


class _Drawing:
    """An outline while it is drawn."""

    def __init__(self, closed_at: float | None) -> None:
        self._closed_at = closed_at
        self._client, self._server = _Half(), _Half()
        self._version: int | None = None
        self._tls13 = False
        self.server_name: str | None = None
        self._hello_seen = False
        self.key: list[object] = []
        self._row: tuple[Side, int, int | None] | None = None
        self._row_length = 0

    def chunk(self, side: Side, data: bytes, at: float, left: int | None) -> None:
        """Bytes that one side sent, in the order of the capture."""
        half = self._client if side is Side.CLIENT else self._server
        if half.rest:
            data = half.rest + data
        pos, have = 0, len(data)
        while have - pos >= HEADER:
            kind, size = data[pos], data[pos + 3] << 8 | data[pos + 4]
            if not _CCS <= kind <= _DATA or data[pos + 1] != 3 or not 0 < size <= MAX_RECORD:
                raise _Unusual
            stop = pos + HEADER + size
            if stop > have:
                break
            if kind == _DATA:
                self._data(side, half, size, left)
            else:
                self._row = None
                if kind == _HANDSHAKE and not half.protected:
                    self._handshake(side, half, data[pos + HEADER:stop], left)
                else:
                    self._other(side, half, kind, data[pos + HEADER:stop], at, left)
            pos = stop
        half.rest = data[pos:]
        if half is self._server and not self._hello_seen:
            raise _Unusual

    def end(self) -> None:
        for half in (self._client, self._server):
            if half.rest or half.joined:
                raise _Unusual

    def _data(self, side: Side, half: _Half, size: int, left: int | None) -> None:
        if self._tls13:
            size = min(size, LONG)
        elif half.protected:
            size = 1
        else:
            raise _Unusual
        row = (side, size, left)
        if row != self._row:
            self._row, self._row_length = row, 0
        self._row_length += 1
        if self._row_length <= ROW:
            self.key.append(row)

    def _other(self, side: Side, half: _Half, kind: int, content: bytes, at: float, left: int | None) -> None:
        if half.protected:
            self.key.append((side, kind, left, self._closed_at is None or at <= self._closed_at))
        elif kind == _ALERT:
            if len(content) != 2:
                raise _Unusual
            self.key.append((side, content, left, self._closed_at is None or at <= self._closed_at))
        else:
            if self._version is None or half.joined:
                raise _Unusual
            self.key.append((side, kind))
            half.protected = not self._tls13

    def _handshake(self, side: Side, half: _Half, content: bytes, left: int | None) -> None:
        joined = half.joined + content if half.joined else content
        start, have = 0, len(joined)
        while have - start >= 4:
            stop = start + 4 + (joined[start + 1] << 16 | joined[start + 2] << 8 | joined[start + 3])
            if stop > have:
                break
            kind = joined[start]
            if kind in _BY_TYPE:
                self.key.append((side, -kind, left))
            else:
                self.key.append((side, -kind, left, self._told_by(side, kind, joined[start + 4:stop])))
            start = stop
        half.joined = joined[start:]

    def _told_by(self, side: Side, kind: int, body: bytes) -> object:
        """What a message's contents tell beside its type."""
        if kind == _CLIENT_HELLO and side is Side.CLIENT:
            return self._client_hello(body)
        if kind == _SERVER_HELLO and side is Side.SERVER:
            return self._server_hello(body)
        if self._version is None or kind not in (_CERTIFICATE, _CERTIFICATE_REQUEST) or len(body) > m.REMEMBERED_BYTES:
            raise _Unusual
        message = m.parse_again(kind, body, m.Context(self._version))
        return bool(message.entries) if kind == _CERTIFICATE else None

    def _client_hello(self, body: bytes) -> object:
        pos = 35 + body[34]  # behind version, random and session id
        suites = body[pos] << 8 | body[pos + 1]
        pos += 2 + suites
        types, bodies = _extensions(body, pos + 1 + body[pos])
        if suites % 2 or _EARLY_DATA in types:
            raise _Unusual
        if _SNI in types and not self._hello_seen:
            names = parse_value(ExtensionType.SERVER_NAME, bodies[types.index(_SNI)], Place.CLIENT_HELLO)
            hello = m.ClientHello(*_NOTHING, (Extension(ExtensionType.SERVER_NAME, b"", names),))
            self.server_name = hello.server_name
        self._hello_seen = True
        return body[:2], tuple(types), _given_keys(types, bodies)

    def _server_hello(self, body: bytes) -> object:
        pos = 35 + body[34]
        types, bodies = _extensions(body, pos + 3)
        version = bodies[types.index(_VERSIONS)] if _VERSIONS in types else body[:2]
        if len(version) != 2:
            raise _Unusual
        self._version = version[0] << 8 | version[1]
        self._tls13 = m.is_tls13(self._version)
        chosen = bodies[types.index(_PRE_SHARED_KEY)] if _PRE_SHARED_KEY in types else b""
        return body[:2], version, body[2:34] == m.HELLO_RETRY_RANDOM, body[pos:pos + 3], tuple(types), chosen


def _given_keys(types: list[int], bodies: list[bytes]) -> tuple[bool, ...]:
    """Of each pre-shared key that a client offers, whether it is one that was agreed on beforehand (``analysis.resumption``)."""
    if _PRE_SHARED_KEY not in types:
        return ()
    offered = parse_value(ExtensionType.PRE_SHARED_KEY, bodies[types.index(_PRE_SHARED_KEY)], Place.CLIENT_HELLO)
    if not isinstance(offered, OfferedPsks):
        raise _Unusual
    return tuple(key.obfuscated_ticket_age == 0 for key in offered.identities)


_NOTHING = (ProtocolVersion(0), b"", b"", (), ())


def _extensions(body: bytes, pos: int) -> tuple[list[int], list[bytes]]:
    """Types and bodies of the extensions of a hello, which are the rest of it."""
    types: list[int] = []
    bodies: list[bytes] = []
    end = len(body)
    if pos == end:
        return types, bodies
    if pos + 2 + (body[pos] << 8 | body[pos + 1]) != end:
        raise _Unusual
    pos += 2
    while pos < end:
        stop = pos + 4 + (body[pos + 2] << 8 | body[pos + 3])
        if stop > end:
            raise _Unusual
        types.append(body[pos] << 8 | body[pos + 1])
        bodies.append(body[pos + 4:stop])
        pos = stop
    return types, bodies


def draw(chunks: Iterable[Chunk], *, closed_by: int | None, closed_how: str, closed_at: float | None) -> Outline | None:
    """The outline of a connection of which this was heard, from the first byte of its ClientHello on; None: decode it."""
    drawing = _Drawing(closed_at)
    try:
        for side, data, at, left in chunks:
            drawing.chunk(side, data, at, left)
        drawing.end()
    except (_Unusual, MalformedMessage, IndexError):  # IndexError: a hello that ends too early
        return None
    return Outline((closed_by, closed_how, *drawing.key), drawing.server_name)
