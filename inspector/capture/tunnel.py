"""Tunnels that carry others' packets in the clear, as container networks, mirrors of switches and mobile networks use them.

A mirror of a cloud (VXLAN) or of a switch (ERSPAN in GRE) hands over nothing else; and on a node of Kubernetes what one pod says to
another is seen like that on the wire.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from inspector.capture.link import IPV4, IPV6, UDP

GRE, ETHERIP = 47, 97
_ETHERNET, _PPP, _RAW = 1, 9, 101  # LINKTYPE numbers
_BRIDGED, _ERSPAN_II, _ERSPAN_III, _IN_PPP, _REDIRECTED, _MPLS = 0x6558, 0x88BE, 0x22EB, 0x880B, 0x883E, (0x8847, 0x8848)
_CHECKSUM, _ROUTING, _KEY, _SEQUENCE, _ACKNOWLEDGED = 0x8000, 0x4000, 0x2000, 0x1000, 0x80  # RFC 2784, 2; RFC 2890, 2; RFC 2637
_UDP_HEADER = 8
_WORDS = Struct(">HH").unpack_from

# (LINKTYPE, where the packet of it begins)
Found = tuple[int, int]


def inside(protocol: int, data: bytes, start: int, end: int) -> tuple[int, bytes] | None:
    """The packet in a tunnel's: (LINKTYPE, bytes). None where this is no tunnel, or one of another kind.

    ``data[start:end]`` is the payload of an IP packet with this protocol; ``end`` may lie past what was captured.
    """
    found = None
    if protocol == UDP and len(data) >= start + _UDP_HEADER + 8:
        source, port = _WORDS(data, start)
        kind = _BY_PORT.get(port) or (_BY_PORT.get(source) if source in _BOTH_WAYS else None)
        found = kind(data, start + _UDP_HEADER) if kind is not None else None
    elif protocol == GRE and len(data) >= start + 12:
        found = _gre(data, start)
    elif protocol == ETHERIP and data[start:start + 2] == b"\x30\0":  # RFC 3378
        found = _ETHERNET, start + 2
    return None if found is None else (found[0], data[found[1]:end])


def _by_protocol(data: bytes, kind: int, pos: int) -> Found | None:
    if kind in (IPV4, IPV6):
        return _RAW, pos
    if kind in _MPLS:
        return _mpls(data, pos)
    return (_ETHERNET, pos) if kind == _BRIDGED else None


def _gre(data: bytes, pos: int) -> Found | None:
    flags, kind = _WORDS(data, pos)
    if flags & (_ROUTING | 6):  # source routes were withdrawn
        return None
    if flags & 1:  # PPTP's (RFC 2637, 4.1)
        size = 8 + (4 if flags & _SEQUENCE else 0) + (4 if flags & _ACKNOWLEDGED else 0)
        return (_PPP, pos + size) if kind == _IN_PPP and flags & _SEQUENCE else None
    pos += 4 + 4 * sum(bool(flags & bit) for bit in (_CHECKSUM, _KEY, _SEQUENCE))
    if kind == _ERSPAN_II:  # type I has neither a sequence number nor a header
        return _ETHERNET, pos + 8 if flags & _SEQUENCE else pos
    if kind == _ERSPAN_III and len(data) >= pos + 12:
        return _ETHERNET, pos + 12 + (8 if data[pos + 11] & 1 else 0)
    if kind == _REDIRECTED:  # WCCP: version 2 has a header of four bytes, which does not look like IP's
        return _RAW, pos if data[pos:pos + 1] >= b"\x40" else pos + 4
    return _by_protocol(data, kind, pos)


def _mpls(data: bytes, pos: int) -> Found | None:
    """Labels (RFC 3032), also in UDP (RFC 7510); behind the last one an IP packet."""
    while len(data) > pos + 8:
        pos += 4
        if data[pos - 2] & 1:
            return (_RAW, pos) if data[pos] >> 4 in (4, 6) else None
    return None


def _vxlan(data: bytes, pos: int) -> Found | None:
    """The flags say that there is a network identifier (RFC 7348, 5), and perhaps a group policy."""
    return (_ETHERNET, pos + 8) if data[pos] & 0x7F == 8 and data[pos + 7] == 0 else None


def _vxlan_gpe(data: bytes, pos: int) -> Found | None:
    """With a next protocol (draft-ietf-nvo3-vxlan-gpe, 3.1)."""
    link = {1: _RAW, 2: _RAW, 3: _ETHERNET}.get(data[pos + 3])
    return (link, pos + 8) if link is not None and data[pos] & 0x0C == 0x0C else None  # it says that there is one


def _geneve(data: bytes, pos: int) -> Found | None:
    """Version 0, options of a length that it says, a protocol (RFC 8926, 3.4)."""
    return None if data[pos] >> 6 else _by_protocol(data, _WORDS(data, pos)[1], pos + 8 + (data[pos] & 0x3F) * 4)


def _gtp(data: bytes, pos: int) -> Found | None:
    """User data of mobile networks (3GPP TS 29.281, 5.1): version 1, message 255, and extension headers by length and next type."""
    if data[pos] & 0xF0 != 0x30 or data[pos + 1] != 255:
        return None
    at = pos + 8
    if data[pos] & 7:
        at += 4
        while len(data) > at and data[pos] & 4 and data[at - 1]:
            if not data[at]:
                return None
            at += data[at] * 4
    return _RAW, at


def _l2tp(data: bytes, pos: int) -> Found | None:
    """Data messages of version 2 (RFC 2661, 3.1)."""
    flags = _WORDS(data, pos)[0]
    if flags & 0x800F != 2:
        return None
    at = pos + 6 + (2 if flags & 0x4000 else 0) + (4 if flags & 0x0800 else 0)
    if flags & 0x0200 and len(data) >= at + 2:
        at += 2 + _WORDS(data, at)[0] if len(data) >= at + 4 else 2
    return _PPP, at


def _teredo(data: bytes, pos: int) -> Found | None:
    return (_RAW, pos) if data[pos] >> 4 == 6 else None  # RFC 4380, 5.1.1, without the headers of its set-up


def _tzsp(data: bytes, pos: int) -> Found | None:
    """TaZmen's sniffer protocol, in which routers mirror: received packets of Ethernet behind tags of (type, length, value)."""
    if data[pos] != 1 or data[pos + 1] != 0 or _WORDS(data, pos + 2)[0] != 1:
        return None
    at = pos + 4
    while len(data) > at + 1:
        if data[at] == 1:
            return _ETHERNET, at + 1
        at += 1 if data[at] == 0 else 2 + data[at + 1]
    return None


# IANA's numbers; 8472 is what Linux had for VXLAN before there was one, which flannel uses
_BY_PORT: dict[int, Callable[[bytes, int], Found | None]] = {
    1701: _l2tp, 2152: _gtp, 3544: _teredo, 4789: _vxlan, 4790: _vxlan_gpe, 6081: _geneve, 6635: _mpls, 8472: _vxlan, 37008: _tzsp,
}
# of which the port is that of both ends, or of either
_BOTH_WAYS = frozenset((1701, 2152, 3544))
