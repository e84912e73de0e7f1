"""MQTT 3.1.1: CONNECT and its CONNACK (OASIS Standard, sections 3.1 and 3.2)."""

from __future__ import annotations

import struct

from inspector.app.result import AppResult
from inspector.app.talk import PeerBroke, Script, Want

# return code -> verdict, words. 4 speaks of a name and password that we did not send
CODES: dict[int, tuple[bool | None, str]] = {
    0: (True, "connection accepted"),
    1: (None, "refused: protocol version"),
    2: (None, "refused: client identifier"),
    3: (None, "refused: server unavailable"),
    4: (None, "refused: bad user name or password"),
    5: (False, "refused: not authorised"),
}


def _text(value: bytes) -> bytes:
    return struct.pack("!H", len(value)) + value


def connect(user: str | None) -> Script:
    """A clean session with a client identifier that the server chooses."""
    flags = 0x02 | (0x80 if user else 0)
    body = _text(b"MQTT") + bytes([4, flags]) + struct.pack("!H", 30) + _text(b"")
    if user:
        body += _text(user.encode()[:100])
    head = yield Want(bytes([0x10, len(body)]) + body, 4)
    if head[:2] != b"\x20\x02":
        raise PeerBroke("the answer is not a CONNACK")
    code = head[3]
    accepted, words = CODES.get(code, (None, f"return code {code}"))
    if code == 0:
        yield Want(b"\xe0\x00", 0)  # DISCONNECT
    return AppResult("mqtt", True, accepted, str(code), f"CONNACK {code}: {words}")
