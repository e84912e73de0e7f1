"""Tunnels that carry others' packets in the clear: GRE, VXLAN and Geneve, as container networks and mirrors of switches use them.

A mirror of a cloud (VXLAN) or of a switch (ERSPAN in GRE) hands over nothing else; and on a node of Kubernetes what one pod says to
another is seen like that on the wire.
"""

from __future__ import annotations

from struct import Struct

from inspector.capture.link import IPV4, IPV6, UDP

GRE = 47
_ETHERNET, _RAW = 1, 101  # LINKTYPE numbers
_BRIDGED, _ERSPAN_II, _ERSPAN_III = 0x6558, 0x88BE, 0x22EB
_CHECKSUM, _ROUTING, _KEY, _SEQUENCE = 0x8000, 0x4000, 0x2000, 0x1000  # RFC 2784, 2; RFC 2890, 2
_VXLAN_PORTS = (4789, 8472)  # IANA's (RFC 7348, 8), and the one that Linux had before it, which flannel uses
_GENEVE_PORT = 6081  # RFC 8926, 3.3
_UDP_HEADER = 8
_WORDS = Struct(">HH").unpack_from


def inside(protocol: int, data: bytes, start: int, end: int) -> tuple[int, bytes] | None:
    """The packet in a tunnel's: (LINKTYPE, bytes). None where this is no tunnel, or one of another kind.

    ``data[start:end]`` is the payload of an IP packet with this protocol; ``end`` may lie past what was captured.
    """
    if protocol == GRE and len(data) >= start + 4:
        found = _gre(data, start)
    elif protocol == UDP and len(data) >= start + _UDP_HEADER + 8:
        _, port = _WORDS(data, start)
        pos = start + _UDP_HEADER
        found = _vxlan(data, pos) if port in _VXLAN_PORTS else _geneve(data, pos) if port == _GENEVE_PORT else None
    else:
        found = None
    return None if found is None else (found[0], data[found[1]:end])


def _by_protocol(kind: int, pos: int) -> tuple[int, int] | None:
    if kind in (IPV4, IPV6):
        return _RAW, pos
    return (_ETHERNET, pos) if kind == _BRIDGED else None


def _gre(data: bytes, pos: int) -> tuple[int, int] | None:
    flags, kind = _WORDS(data, pos)
    if flags & (_ROUTING | 7):  # source routes were withdrawn; version 1 is PPTP's
        return None
    pos += 4 + 4 * sum(bool(flags & bit) for bit in (_CHECKSUM, _KEY, _SEQUENCE))
    if kind == _ERSPAN_II:  # type I has neither a sequence number nor a header
        return _ETHERNET, pos + 8 if flags & _SEQUENCE else pos
    if kind == _ERSPAN_III and len(data) >= pos + 12:
        return _ETHERNET, pos + 12 + (8 if data[pos + 11] & 1 else 0)
    return _by_protocol(kind, pos)


def _vxlan(data: bytes, pos: int) -> tuple[int, int] | None:
    """The flags say that there is a network identifier, and nothing else (RFC 7348, 5)."""
    return (_ETHERNET, pos + 8) if data[pos:pos + 4] == b"\x08\0\0\0" else None


def _geneve(data: bytes, pos: int) -> tuple[int, int] | None:
    """Version 0, options of a length that it says, a protocol (RFC 8926, 3.4)."""
    return None if data[pos] >> 6 else _by_protocol(_WORDS(data, pos)[1], pos + 8 + (data[pos] & 0x3F) * 4)
