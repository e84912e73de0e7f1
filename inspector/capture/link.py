"""From a captured packet to the IP packet inside it, and from there to the TCP segment.

One table names the link layer of each LINKTYPE (https://www.tcpdump.org/linktypes.html). What is not IP, or is cut before its
addresses, gives None: a capture is full of packets that are none of our business.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Literal

_HALF = Struct(">H").unpack_from
_V4 = Struct(">BxHHHxB").unpack_from

IPV4, IPV6 = 0x0800, 0x86DD
TCP, UDP = 6, 17
IPV6_IN_IP, IPV4_IN_IP = 41, 4
# What nearly every captured packet is needs no tables: Ethernet, then IPv4 without options (and not in fragments)
_USUAL = b"\x08\x00\x45"

# Where the IP packet begins, in a packet of this link layer; negative: there is none.
LinkLayer = Callable[[bytes], int]


# Tags between an Ethernet header and what it carries, whose last two bytes say what that is: 802.1Q, 802.1ad and their older
# numbers, Cisco's metadata, VN-Tag (802.1BR)
_TAGS = {0x8100: 4, 0x88A8: 4, 0x9100: 4, 0x9200: 4, 0x8909: 8, 0x8926: 6}
_PROVIDER_BACKBONE = 0x88E7  # IEEE 802.1ah: a whole Ethernet frame behind four bytes


def _by_ethertype(data: bytes, kind: int, pos: int) -> int:
    """Follow tags, MPLS labels (RFC 3032) and PPPoE (RFC 2516) to an IP packet."""
    while True:
        if kind in (IPV4, IPV6):
            return pos
        size = _TAGS.get(kind)
        if size is not None and len(data) >= pos + size:
            kind, pos = _HALF(data, pos + size - 2)[0], pos + size
        elif kind == _PROVIDER_BACKBONE and len(data) >= pos + 18:
            kind, pos = _HALF(data, pos + 16)[0], pos + 18
        elif kind in (0x8847, 0x8848) and len(data) >= pos + 4:
            bottom = data[pos + 2] & 1
            pos += 4
            if bottom:
                return pos
        elif kind == 0x8864 and len(data) >= pos + 8:
            return pos + 8 if _HALF(data, pos + 6)[0] in (0x0021, 0x0057) else -1
        elif kind <= 1500 and data[pos:pos + 6] == b"\xaa\xaa\x03\x00\x00\x00" and len(data) >= pos + 8:  # LLC/SNAP
            kind, pos = _HALF(data, pos + 6)[0], pos + 8
        else:
            return -1


def _ethernet(data: bytes) -> int:
    if len(data) < 14:
        return -1
    kind = _HALF(data, 12)[0]
    return 14 if kind == IPV4 else _by_ethertype(data, kind, 14)


def _null(data: bytes) -> int:
    # An address family in the byte order of the host that captured; AF_INET6 differs by system, so IP's own version decides.
    return 4 if len(data) > 4 and data[4] >> 4 in (4, 6) else -1


def _raw(data: bytes) -> int:  # noqa: ARG001 - the table's signature
    return 0


def _ppp(data: bytes) -> int:
    pos = 2 if data[:2] == b"\xff\x03" else 0
    if len(data) < pos + 2:
        return -1
    if data[pos] & 1:  # protocol field compression
        return pos + 1 if data[pos] in (0x21, 0x57) else -1
    return pos + 2 if _HALF(data, pos)[0] in (0x0021, 0x0057) else -1


def _cooked(data: bytes) -> int:
    return _by_ethertype(data, _HALF(data, 14)[0], 16) if len(data) >= 16 else -1


def _cooked_v2(data: bytes) -> int:
    return _by_ethertype(data, _HALF(data, 0)[0], 20) if len(data) >= 20 else -1


def _cisco_hdlc(data: bytes) -> int:
    return _by_ethertype(data, _HALF(data, 2)[0], 4) if len(data) >= 4 else -1


def _wifi(data: bytes) -> int:
    """IEEE 802.11 data frames whose contents are not protected."""
    if len(data) < 24 or data[0] & 0x0C != 0x08 or data[0] & 0x40 or data[1] & 0x40:
        return -1
    pos = 24 + (6 if data[1] & 3 == 3 else 0)
    if data[0] & 0x80 and len(data) > pos:  # quality of service
        aggregated = data[pos] & 0x80
        pos += 2 + (4 if data[1] & 0x80 else 0)  # HT Control (IEEE 802.11, 9.2.4.6)
        if aggregated:  # an A-MSDU: its first frame has addresses and a length of its own
            pos += 14
    if data[pos:pos + 2] == b"\0\0" and data[pos + 2:pos + 4] == b"\xaa\xaa":  # some cards pad the header to four bytes
        pos += 2
    return _by_ethertype(data, 0, pos)


def _behind(size: int, layer: LinkLayer) -> LinkLayer:
    """The layer behind a header of a fixed size."""
    return lambda data: _inner(data, size, layer)


def _inner(data: bytes, size: int, layer: LinkLayer) -> int:
    inner = layer(data[size:])
    return size + inner if inner >= 0 else -1


def _radiotap(data: bytes) -> int:
    return _inner(data, int.from_bytes(data[2:4], "little"), _wifi) if len(data) >= 4 else -1


def _avs(data: bytes) -> int:
    """Headers of old wireless drivers: Prism's is 144 bytes long, AVS's says its length (and comes under Prism's number, too)."""
    if len(data) < 8:
        return -1
    return _inner(data, int.from_bytes(data[4:8], "big") if data[:2] == b"\x80\x21" else 144, _wifi)


def _by_number(data: bytes, size: int, link: int) -> int:
    layer = LINK_LAYERS.get(link)
    return -1 if layer is None or size < 8 else _inner(data, size, layer)


def _ppi(data: bytes) -> int:
    """Per-Packet Information: its length and the LINKTYPE of what follows, little endian."""
    return _by_number(data, int.from_bytes(data[2:4], "little"), int.from_bytes(data[4:8], "little")) if len(data) >= 8 else -1


def _pktap(data: bytes) -> int:
    """What macOS captures on all interfaces: its length, the next record's type, the LINKTYPE of what follows, in host's order."""
    if len(data) < 12:
        return -1
    order: Literal["little", "big"] = "little" if data[3] == 0 else "big"
    return _by_number(data, int.from_bytes(data[:4], order), int.from_bytes(data[8:12], order))


def _nflog(data: bytes) -> int:
    """Linux's netfilter log: attributes of (length, type, value), of which one is the IP packet."""
    pos = 4
    while len(data) >= pos + 4:
        size, kind = int.from_bytes(data[pos:pos + 2], "little"), int.from_bytes(data[pos + 2:pos + 4], "little")
        if kind == 9:  # NFULA_PAYLOAD
            return pos + 4
        if size < 4:
            return -1
        pos += size + 3 & ~3
    return -1


def _pflog(data: bytes) -> int:
    """OpenBSD's packet filter log: it says its length, without the padding to four bytes."""
    return data[0] + 3 & ~3 if data else -1


def _snap(data: bytes) -> int:
    return _by_ethertype(data, 0, 0)


def _pppoe(data: bytes) -> int:
    return _by_ethertype(data, 0x8864, 0)


LINK_LAYERS: dict[int, LinkLayer] = {
    0: _null,  # BSD loopback
    1: _ethernet,
    6: _behind(14, _snap),  # Token Ring, without a routing field
    9: _ppp,
    10: _behind(13, _snap),  # FDDI
    12: _raw, 14: _raw, 101: _raw,
    50: _ppp,  # PPP in HDLC-like framing
    51: _pppoe,
    100: _snap,  # LLC over ATM (RFC 2684)
    104: _cisco_hdlc,
    105: _wifi,
    108: _null,  # OpenBSD loopback
    109: _behind(12, _raw),  # OpenBSD's view into IPsec
    113: _cooked,
    117: _pflog,
    119: _avs,
    127: _radiotap,
    163: _avs,
    192: _ppi,
    204: _behind(1, _ppp),  # with a byte that says who sent it
    228: _raw, 229: _raw,  # raw IPv4, raw IPv6
    239: _nflog,
    258: _pktap,
    276: _cooked_v2,
}

# IPv6 extension headers that say their length in units of eight bytes (RFC 8200, 4; RFC 6275; RFC 7401; RFC 5533)
_EXTENSIONS = frozenset((0, 43, 60, 135, 139, 140))
_FRAGMENT, _AUTHENTICATION = 44, 51

MAX_DATAGRAM = 65_536  # bytes: no IP packet is longer
# Packets are cut into some dozens of pieces, which come in order or in reverse: more holes are made to keep a reader busy.
MAX_HOLES = 64

# protocol, source, destination, where the payload begins, where it ends by the IP header (may be past what was captured)
Inner = tuple[int, bytes, bytes, int, int]


class _Datagram:
    """One packet in pieces: what came of it, and the holes that are left (RFC 815)."""

    __slots__ = ("data", "holes", "size")

    def __init__(self) -> None:
        self.data = bytearray()
        self.size = MAX_DATAGRAM  # until the last piece says it
        self.holes = [(0, MAX_DATAGRAM)]

    def put(self, offset: int, piece: bytes) -> bool:
        """Take in a piece. False where it says other bytes than one before it: it is of another packet with the same number."""
        end = offset + len(piece)
        if len(self.data) < end:
            self.data.extend(bytes(end - len(self.data)))
        left, known = [], offset
        for first, last in self.holes:
            if last <= offset or first >= end:
                left.append((first, last))
                continue
            if known < first and self.data[known:first] != piece[known - offset:first - offset]:
                return False
            start, known = max(first, offset), min(last, end)
            self.data[start:known] = piece[start - offset:known - offset]
            left += [hole for hole in ((first, start), (known, last)) if hole[0] < hole[1]]
        if known < end and self.data[known:end] != piece[known - offset:]:
            return False
        self.holes = left
        return True


class Fragments:
    """IP fragments until they are whole. Holds at most ``LIMIT`` packets, the oldest leaves first."""

    LIMIT = 64

    def __init__(self) -> None:
        self._held: dict[tuple[bytes, bytes, int, int], _Datagram] = {}

    def add(self, key: tuple[bytes, bytes, int, int], offset: int, more: bool, data: bytes) -> bytes | None:
        """The whole payload once the last piece is there (RFC 791, 3.2; RFC 8200, 4.5)."""
        end = offset + len(data)
        if not data or end > MAX_DATAGRAM:
            return None
        held = self._held.get(key)
        if held is None or not held.put(offset, data):
            if held is None and len(self._held) >= self.LIMIT:
                del self._held[next(iter(self._held))]
            held = self._held[key] = _Datagram()
            held.put(offset, data)
        if not more and end < held.size:
            held.size = end
            held.holes = [(first, min(last, end)) for first, last in held.holes if first < end]
        if len(held.holes) > MAX_HOLES:
            del self._held[key]
        if held.holes or held.size == MAX_DATAGRAM:
            return None
        del self._held[key]
        return bytes(held.data[:held.size])


def _ipv4(data: bytes, pos: int, fragments: Fragments) -> tuple[bytes, Inner] | None:
    if len(data) < pos + 20:
        return None
    first, total, identity, fragment, protocol = _V4(data, pos)
    header = (first & 15) * 4
    if header < 20:
        return None
    # A total length of 0 comes from segmentation in the network card: the packet is as long as it was captured.
    start, end = pos + header, pos + total if total else len(data)
    source, destination = data[pos + 12:pos + 16], data[pos + 16:pos + 20]
    if fragment & 0x3FFF:
        key = (source, destination, identity, protocol)
        whole = fragments.add(key, (fragment & 0x1FFF) * 8, bool(fragment & 0x2000), data[start:end])
        return (whole, (protocol, source, destination, 0, len(whole))) if whole is not None else None
    return data, (protocol, source, destination, start, end)


def _ipv6(data: bytes, pos: int, fragments: Fragments) -> tuple[bytes, Inner] | None:
    if len(data) < pos + 40:
        return None
    size = _HALF(data, pos + 4)[0]
    protocol = data[pos + 6]
    source, destination = data[pos + 8:pos + 24], data[pos + 24:pos + 40]
    pos += 40
    end = pos + size if size else len(data)
    while protocol != TCP:
        if len(data) < pos + 8:
            return None
        if protocol in _EXTENSIONS:
            protocol, pos = data[pos], pos + (data[pos + 1] + 1) * 8
        elif protocol == _AUTHENTICATION:
            protocol, pos = data[pos], pos + (data[pos + 1] + 2) * 4
        elif protocol == _FRAGMENT:
            word, identity = _HALF(data, pos + 2)[0], int.from_bytes(data[pos + 4:pos + 8], "big")
            protocol, pos = data[pos], pos + 8
            if word & 0xFFF9:
                whole = fragments.add((source, destination, identity, protocol), word & 0xFFF8, bool(word & 1), data[pos:end])
                if whole is None:
                    return None
                data, pos, end = whole, 0, len(whole)
        else:
            break
    return data, (protocol, source, destination, pos, end)


def ip_payload(link: int, data: bytes, fragments: Fragments) -> tuple[bytes, Inner] | None:
    """The payload of the innermost IP packet in a captured one: ``(bytes that hold it, Inner)``; None where there is none.

    IP in IP (RFC 2003, RFC 4213) is followed; of other tunnels this is the outside.
    """
    if link == 1 and data[12:15] == _USUAL and len(data) >= 34 and data[23] in (TCP, UDP) and not (data[20] & 0x3F or data[21]):
        total = data[16] << 8 | data[17]
        return data, (data[23], data[26:30], data[30:34], 34, 14 + total if total else len(data))
    layer = LINK_LAYERS.get(link)
    if layer is None:
        return None
    pos = layer(data)
    for _ in range(4):
        if pos < 0 or len(data) <= pos:
            return None
        version = data[pos] >> 4
        found = _ipv4(data, pos, fragments) if version == 4 else _ipv6(data, pos, fragments) if version == 6 else None
        if found is not None and found[1][0] == _AUTHENTICATION:
            found = _authenticated(*found)
        if found is None or found[1][0] not in (IPV4_IN_IP, IPV6_IN_IP):
            return found
        data, pos = found[0], found[1][3]
    return None


def _authenticated(data: bytes, inner: Inner) -> tuple[bytes, Inner] | None:
    """What stands behind an Authentication Header (RFC 4302, 2), which IPv4 knows as a protocol and not as an extension."""
    _, source, destination, pos, end = inner
    if len(data) < pos + 2:
        return None
    return data, (data[pos], source, destination, pos + (data[pos + 1] + 2) * 4, end)
