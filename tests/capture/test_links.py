"""Link layers and IP: the same connection, however it is wrapped."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from inspector.capture.link import LINK_LAYERS, MAX_HOLES, Fragments, ip_payload
from tests.capture import forge, known, tshark

WHOLE = forge.whole()
V4 = struct.pack(">H", 0x0800)


def facts(packets: list[forge.Packet], link: int) -> list[known.Fact]:
    (captured,) = forge.read(forge.pcap(packets, link), forge.KEYLOG)[1]
    return known.facts(captured)


SNAP = b"\xaa\xaa\x03\0\0\0\x08\0"
WRAPS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "Ethernet": (1, forge.ethernet),
    "VLAN": (1, lambda ip: forge.ethernet(ip, b"\x81\x00\x00\x05")),
    "QinQ": (1, lambda ip: forge.ethernet(ip, b"\x88\xa8\x00\x07\x81\x00\x00\x05")),
    "padded Ethernet": (1, lambda ip: forge.ethernet(ip) + b"\xcc" * 9),
    "MPLS": (1, lambda ip: bytes(12) + b"\x88\x47" + b"\x00\x01\x00\x40" + b"\x00\x02\x01\x40" + ip),
    "PPPoE": (1, lambda ip: bytes(12) + b"\x88\x64\x11\x00\x00\x01" + struct.pack(">H", len(ip) + 2) + b"\x00\x21" + ip),
    "LLC/SNAP": (1, lambda ip: bytes(12) + struct.pack(">H", len(ip) + 8 & 0x3FF) + b"\xaa\xaa\x03\0\0\0" + V4 + ip),
    "loopback of BSD, little endian": (0, lambda ip: b"\x02\0\0\0" + ip),
    "loopback of BSD, big endian": (0, lambda ip: b"\0\0\0\x02" + ip),
    "loopback of OpenBSD": (108, lambda ip: b"\0\0\0\x02" + ip),
    "raw IP": (101, bytes),
    "raw IP, old number": (12, bytes),
    "raw IPv4": (228, bytes),
    "PPP": (9, lambda ip: b"\xff\x03\x00\x21" + ip),
    "PPP, compressed": (9, lambda ip: b"\x21" + ip),
    "Linux cooked": (113, lambda ip: struct.pack(">HHH8sH", 0, 1, 6, bytes(8), 0x0800) + ip),
    "Linux cooked, VLAN": (113, lambda ip: struct.pack(">HHH8sH", 0, 1, 6, bytes(8), 0x8100) + b"\0\x05\x08\0" + ip),
    "Linux cooked v2": (276, lambda ip: struct.pack(">HHIHBB8s", 0x0800, 0, 1, 1, 0, 6, bytes(8)) + ip),
    "Cisco HDLC": (104, lambda ip: b"\x0f\0\x08\0" + ip),
    "802.11": (105, lambda ip: b"\x08\x01" + bytes(22) + b"\xaa\xaa\x03\0\0\0\x08\0" + ip),
    "802.11 with radiotap": (127, lambda ip: b"\0\0\x08\0\0\0\0\0\x88\x01" + bytes(24) + b"\xaa\xaa\x03\0\0\0\x08\0" + ip),
    "802.11 with HT Control": (105, lambda ip: b"\x88\x81" + bytes(28) + SNAP + ip),
    "802.11, aggregated": (105, lambda ip: (
        b"\x88\x01" + bytes(22) + b"\x80\0" + bytes(12) + struct.pack(">H", len(ip) + 8) + SNAP + ip)),
    "802.11 with radiotap, padded": (127, lambda ip: b"\0\0\x09\0\x02\0\0\0\x20\x88\x01" + bytes(26) + SNAP + ip),
    "802.11 with Prism's header": (119, lambda ip: b"\x44\0\0\0\x90\0\0\0" + bytes(136) + b"\x08\x01" + bytes(22) + SNAP + ip),
    "802.11 with AVS's header": (163, lambda ip: (
        b"\x80\x21\x10\x01\0\0\0\x40" + bytes(56) + b"\x08\x01" + bytes(22) + SNAP + ip)),
    "Per-Packet Information": (192, lambda ip: b"\0\0\x08\0\x01\0\0\0" + forge.ethernet(ip)),
    "PKTAP": (258, lambda ip: struct.pack("<III", 108, 1, 1) + bytes(96) + forge.ethernet(ip)),
    "netfilter log": (239, lambda ip: (
        b"\x02\0\0\x05" + struct.pack("<HHI", 8, 1, 8) + struct.pack("<HHI", 5, 10, 0) + struct.pack("<HH", len(ip) + 4, 9) + ip)),
    "packet filter log": (117, lambda ip: b"\x3d\x02\0\0" + bytes(60) + ip),
    "OpenBSD's view into IPsec": (109, lambda ip: b"\x02\0\0\0" + bytes(8) + ip),
    "PPPoE alone": (51, lambda ip: b"\x11\0\0\x01" + struct.pack(">H", len(ip) + 2) + b"\x00\x21" + ip),
    "PPP with direction": (204, lambda ip: b"\x01\xff\x03\x00\x21" + ip),
    "FDDI": (10, lambda ip: b"\x50" + bytes(12) + SNAP + ip),
    "Token Ring": (6, lambda ip: b"\x10\x40" + bytes(12) + SNAP + ip),
    "ATM": (100, lambda ip: SNAP + ip),
    "provider backbone": (1, lambda ip: bytes(12) + b"\x88\xe7\0\0\0\x01" + forge.ethernet(ip)),
    "VN-Tag": (1, lambda ip: forge.ethernet(ip, b"\x89\x26\0\0\0\x01")),
    "Cisco's metadata": (1, lambda ip: forge.ethernet(ip, b"\x89\x09\x01\x01\0\x01\0\x05")),
    "authentication header": (1, lambda ip: forge.ethernet(
        struct.pack(">BBHHHBBH", 0x45, 0, 24 + len(ip), 1, 0, 64, 51, 0) + ip[12:20] + b"\x06\x04" + bytes(22) + ip[20:])),
    "IP in IP": (1, lambda ip: forge.ethernet(
        struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(ip), 1, 0, 64, 4, 0, bytes(4), bytes(4)) + ip)),
}


@pytest.mark.oracle
@pytest.mark.parametrize("name", [name for name, (link, _) in WRAPS.items() if link > 1])
def test_tshark_sees_what_is_behind_the_link_layer(name: str, tmp_path: Path) -> None:
    link, wrap = WRAPS[name]
    path = tmp_path / "link.pcap"
    path.write_bytes(forge.pcap(forge.packets(forge.SEGMENTS, wrap), link))
    assert tshark.tshark("-r", str(path), "-Y", "tls.handshake.type==1", "-T", "fields", "-e", "tcp.stream").split() == ["0"]


@pytest.mark.parametrize("name", WRAPS)
def test_every_link_layer_gives_the_same_connection(name: str) -> None:
    link, wrap = WRAPS[name]
    assert facts(forge.packets(forge.SEGMENTS, wrap), link) == WHOLE


def carried(protocol: int, payload: bytes) -> bytes:
    """An Ethernet frame with an IPv4 packet of another network around this payload."""
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 7, 0, 64, protocol, 0, b"\x0a\0\0\x01", b"\x0a\0\0\x02")
    return forge.ethernet(ip + payload)


def in_udp(port: int, payload: bytes) -> bytes:
    return carried(17, struct.pack(">HHHH", 50000, port, 8 + len(payload), 0) + payload)


TUNNELS: dict[str, Callable[[bytes], bytes]] = {
    "GRE": lambda ip: carried(47, b"\0\0\x08\0" + ip),
    "GRE with checksum, key and sequence": lambda ip: carried(47, b"\xb0\0\x08\0" + bytes(12) + ip),
    "GRE, bridged": lambda ip: carried(47, b"\x20\0\x65\x58" + bytes(4) + forge.ethernet(ip)),
    "ERSPAN I": lambda ip: carried(47, b"\0\0\x88\xbe" + forge.ethernet(ip)),
    "ERSPAN II": lambda ip: carried(47, b"\x10\0\x88\xbe" + bytes(4) + b"\x10\x05\0\0" + bytes(4) + forge.ethernet(ip)),
    "ERSPAN III": lambda ip: carried(47, b"\x10\0\x22\xeb" + bytes(4) + b"\x20\x05\0\0" + bytes(8) + forge.ethernet(ip)),
    "ERSPAN III with a sub-header": lambda ip: carried(
        47, b"\x10\0\x22\xeb" + bytes(4) + b"\x20\x05\0\0" + bytes(7) + b"\x01" + bytes(8) + forge.ethernet(ip)),
    "VXLAN": lambda ip: in_udp(4789, b"\x08\0\0\0\0\0\x2a\0" + forge.ethernet(ip)),
    "VXLAN at the port of old": lambda ip: in_udp(8472, b"\x08\0\0\0\0\0\x2a\0" + forge.ethernet(ip, b"\x81\0\0\x05")),
    "Geneve": lambda ip: in_udp(6081, b"\x02\0\x65\x58\0\0\x2a\0" + bytes(8) + forge.ethernet(ip)),
    "Geneve, IP": lambda ip: in_udp(6081, b"\0\0\x08\0\0\0\x2a\0" + ip),
    "VXLAN with a group policy": lambda ip: in_udp(4789, b"\x88\0\0\x07\0\0\x2a\0" + forge.ethernet(ip)),
    "VXLAN with a next protocol": lambda ip: in_udp(4790, b"\x0c\0\0\x01\0\0\x2a\0" + ip),
    "GTP": lambda ip: in_udp(2152, struct.pack(">BBHI", 0x30, 255, len(ip), 7) + ip),
    "GTP with an extension": lambda ip: in_udp(
        2152, struct.pack(">BBHI", 0x34, 255, len(ip) + 8, 7) + b"\0\x01\0\x85\x01\0\0\0" + ip),
    "L2TP": lambda ip: in_udp(1701, b"\0\x02\0\x01\0\x02\xff\x03\0\x21" + ip),
    "L2TP with all fields": lambda ip: in_udp(
        1701, b"\x4a\x02" + struct.pack(">HHHHHH", len(ip) + 20, 1, 2, 0, 0, 2) + b"\0\0" + b"\xff\x03\0\x21" + ip),
    "PPTP": lambda ip: carried(47, b"\x30\x01\x88\x0b" + struct.pack(">HHI", len(ip) + 2, 1, 1) + b"\x21" + ip),
    "PPTP with an acknowledgement": lambda ip: carried(
        47, b"\x30\x81\x88\x0b" + struct.pack(">HHII", len(ip) + 2, 1, 1, 1) + b"\x21" + ip),
    "EtherIP": lambda ip: carried(97, b"\x30\0" + forge.ethernet(ip)),
    "MPLS in GRE": lambda ip: carried(47, b"\0\0\x88\x47\0\x01\0\x40\0\x02\x01\x40" + ip),
    "MPLS in UDP": lambda ip: in_udp(6635, b"\0\x02\x01\x40" + ip),
    "WCCP": lambda ip: carried(47, b"\0\0\x88\x3e\0\0\0\0" + ip),
    "TZSP": lambda ip: in_udp(37008, b"\x01\0\0\x01\x0a\x01\xc8\0\x01" + forge.ethernet(ip)),
    "VXLAN in GRE": lambda ip: carried(47, b"\0\0\x08\0" + in_udp(4789, b"\x08\0\0\0\0\0\x2a\0" + forge.ethernet(ip))[14:]),
}
OTHERS_PORT = "VXLAN at the port of old"  # which TShark takes for OTV


@pytest.mark.parametrize("name", TUNNELS)
def test_a_tunnel_is_followed_to_the_same_connection(name: str) -> None:
    assert facts(forge.packets(forge.SEGMENTS, TUNNELS[name]), 1) == WHOLE


@pytest.mark.oracle
@pytest.mark.parametrize("name", [name for name in TUNNELS if name != OTHERS_PORT])
def test_tshark_sees_what_is_in_the_tunnel(name: str, tmp_path: Path) -> None:
    path = tmp_path / "tunnel.pcap"
    path.write_bytes(forge.pcap(forge.packets(forge.SEGMENTS, TUNNELS[name])))
    (captured,) = forge.read(path.read_bytes())[1]
    types = tshark.tshark("-r", str(path), "-Y", "tls.handshake", "-T", "fields", "-e", "tls.handshake.type").split()
    assert [str(int(message.type)) for message in captured.transcript.messages()] == types


def test_tunnels_cut_anywhere_do_no_harm() -> None:
    for wrap in TUNNELS.values():
        packet = wrap(forge.ipv4(forge.SEGMENTS[3]))
        reader, _ = forge.read(forge.pcap([(1.0, packet[:size], len(packet)) for size in range(len(packet))]))
        assert reader.packets == len(packet)


@pytest.mark.parametrize("packet", [
    carried(47, b"\x40\0\x08\0" + bytes(40)), carried(47, b"\0\x01\x88\x0b" + bytes(40)),  # source routes; PPTP's alone
    carried(47, b"\0\0\x86\xff" + bytes(40)), in_udp(4789, b"\0" * 40), in_udp(6081, b"\xc0" + bytes(40)),
])
def test_what_is_no_tunnel_that_is_known_is_passed_over(packet: bytes) -> None:
    reader, found = forge.read(forge.pcap([(1.0, packet, len(packet))]))
    assert (reader.packets, reader.streams, found) == (1, 0, [])


# chains of IPv6 extension headers: (first protocol number, bytes)
EXTENSIONS: dict[str, tuple[int, bytes]] = {
    "none": (6, b""),
    "hop by hop": (0, b"\x06\0" + bytes(6)),
    "routing, destination options of 16 bytes": (43, b"\x3c\0" + bytes(6) + b"\x06\x01" + bytes(14)),
    "authentication": (51, b"\x06\x04" + bytes(22)),
    "a fragment that is whole": (44, b"\x06\0\0\0\0\0\0\x01"),
}


@pytest.mark.parametrize("name", EXTENSIONS)
def test_ipv6_extension_headers_are_passed_over(name: str) -> None:
    first, headers = EXTENSIONS[name]
    packets = forge.packets(forge.SEGMENTS, ip=lambda segment: forge.ipv6(segment, headers, first))
    assert facts(packets, 1) == WHOLE


def fragments4(segment: forge.Segment, number: int) -> list[bytes]:
    body = forge.tcp(segment)
    source, destination = forge.ADDRESSES if segment.way == forge.CLIENT else forge.ADDRESSES[::-1]
    out = []
    for offset in range(0, len(body), 512):
        piece = body[offset:offset + 512]
        more = 0x2000 if offset + 512 < len(body) else 0
        out.append(struct.pack(
            ">BBHHHBBH", 0x45, 0, 20 + len(piece), number, more | offset // 8, 64, 6, 0) + source + destination + piece)
    return out


@pytest.mark.parametrize("order", [1, -1])
def test_ip_fragments_are_put_together_in_any_order(order: int) -> None:
    packets = [
        (segment.at, forge.ethernet(piece), len(piece) + 14)
        for number, segment in enumerate(forge.SEGMENTS) for piece in fragments4(segment, number)[::order]
    ]
    assert facts(packets, 1) == WHOLE


def test_fragments_of_ipv6_are_put_together() -> None:
    packets = []
    for number, segment in enumerate(forge.SEGMENTS):
        body = forge.tcp(segment)
        for offset in range(0, len(body), 512):
            piece = body[offset:offset + 512]
            word = offset | (1 if offset + 512 < len(body) else 0)
            source, destination = forge.ADDRESSES6 if segment.way == forge.CLIENT else forge.ADDRESSES6[::-1]
            ip = struct.pack(">IHBB", 0x60000000, len(piece) + 8, 44, 64) + source + destination
            ip += struct.pack(">BBHI", 6, 0, word, number) + piece
            packets.append((segment.at, forge.ethernet(ip), len(ip) + 14))
    assert facts(packets, 1) == WHOLE


def test_a_new_packet_with_the_number_of_one_that_stayed_incomplete_is_put_together() -> None:
    held, key = Fragments(), (b"a", b"b", 1, 6)
    assert held.add(key, 0, True, b"o" * 16) is None
    assert held.add(key, 0, True, b"n" * 16) is None
    assert held.add(key, 8, True, b"n" * 16) is None  # it overlaps, and says the same
    assert held.add(key, 24, False, b"n" * 4) == b"n" * 28


def test_a_packet_in_hostile_pieces_costs_no_more_than_a_few_holes() -> None:
    held, key = Fragments(), (b"a", b"b", 1, 6)
    assert held.add(key, 65_504, False, b"x" * 8) is None
    for offset in range(8, 65_504, 16):
        assert held.add(key, offset, True, b"x" * 8) is None
        assert all(len(datagram.holes) <= MAX_HOLES for datagram in held._held.values())
    assert held.add(key, 65_528, True, b"x" * 800) is None  # longer than a packet can be


def test_headers_inside_a_packet_in_pieces_are_passed_over() -> None:
    segment = forge.SEGMENTS[3]
    body = b"\x06\0\x01\x04" + bytes(4) + forge.tcp(segment)  # destination options
    pieces = []
    for offset in (0, 16):
        piece = body[:16] if offset == 0 else body[16:]
        header = struct.pack(">BBHI", 60, 0, offset | (1 if offset == 0 else 0), 7)
        ip = struct.pack(">IHBB", 0x60000000, 8 + len(piece), 44, 64) + forge.ADDRESSES6[0] + forge.ADDRESSES6[1]
        pieces.append(ip + header + piece)
    held = Fragments()
    assert ip_payload(101, pieces[0], held) is None
    found = ip_payload(101, pieces[1], held)
    assert found is not None
    data, (protocol, _, _, start, end) = found
    assert (protocol, data[start:end]) == (6, forge.tcp(segment))


def test_a_length_of_zero_from_segmentation_offload_means_all_that_was_captured() -> None:
    def offloaded(segment: forge.Segment) -> bytes:
        packet = bytearray(forge.ipv4(segment))
        packet[2:4] = b"\0\0"
        return bytes(packet)

    assert facts(forge.packets(forge.SEGMENTS, ip=offloaded), 1) == WHOLE


def test_an_unknown_link_type_is_noted() -> None:
    reader, found = forge.read(forge.pcap(forge.packets(forge.SEGMENTS), 147))
    assert found == []
    assert reader.notes == (f"{len(forge.SEGMENTS)} packets have link type 147, which is not known here",)


@pytest.mark.parametrize("link", sorted(LINK_LAYERS))
def test_packets_cut_anywhere_do_no_harm(link: int) -> None:
    wrap = next((wrap for number, wrap in WRAPS.values() if number == link), bytes)
    packet = wrap(forge.ipv4(forge.SEGMENTS[3]))
    reader, _ = forge.read(forge.pcap([(1.0, packet[:size], len(packet)) for size in range(100)], link))
    assert reader.packets == 100
