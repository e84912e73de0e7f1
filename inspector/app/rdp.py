"""Remote Desktop: the X.224 connection request that asks for TLS ([MS-RDPBCGR], sections 2.2.1.1 and 2.2.1.2)."""

from __future__ import annotations

import struct

from inspector.app.result import AppResult
from inspector.app.talk import PeerBroke, Script, Want

PROTOCOL_SSL = 1
FAILURES = {
    1: "the server requires TLS of another kind", 2: "TLS is not allowed by the server", 3: "the server has no certificate",
    4: "inconsistent flags", 5: "the server requires CredSSP (network level authentication)",
    6: "the server requires TLS with user authentication",
}


def starttls() -> Script:
    """Ask for TLS without CredSSP. Negotiation response type 2 agrees, type 3 refuses with a code."""
    negotiation = struct.pack("<BBHI", 1, 0, 8, PROTOCOL_SSL)
    x224 = bytes([6 + len(negotiation), 0xE0, 0, 0, 0, 0, 0]) + negotiation
    head = yield Want(struct.pack("!BBH", 3, 0, 4 + len(x224)) + x224, 4)
    size = int.from_bytes(head[2:4], "big")
    if head[0] != 3 or not 11 <= size <= 1024:
        raise PeerBroke("the answer is not a TPKT packet")
    body = yield Want(b"", size - 4)
    if len(body) < 15:
        return AppResult("rdp", True, False, None, "the server knows only standard RDP security")
    kind, _, _, value = struct.unpack("<BBHI", body[7:15])
    if kind == 2 and value & PROTOCOL_SSL:
        return AppResult("rdp", True, True, str(value), "the server agreed to TLS")
    return AppResult("rdp", True, False, str(value), f"the server refused TLS: {FAILURES.get(value, f'code {value}')}")
