"""Captures made on purpose: segments of a TCP connection, wrapped in any link layer, in any container."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from inspector.capture.captured import Captured
from inspector.capture.container import SECRETS, CaptureFile
from inspector.capture.link import Fragments, ip_payload
from inspector.capture.reader import Reader
from tests.capture import known

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
CLIENT, SERVER = 0, 1
PORTS = (40000, 443)
ADDRESSES = (bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2)))
ADDRESSES6 = (bytes.fromhex("20010db8000000000000000000000001"), bytes.fromhex("20010db8000000000000000000000002"))


class Segment(NamedTuple):
    """One TCP segment. ``cut``: bytes that the snap length took off its end."""

    way: int
    seq: int
    ack: int
    flags: int
    data: bytes
    at: float
    cut: int = 0
    ports: tuple[int, int] = PORTS


def payloads(name: str) -> list[tuple[int, bytes]]:
    """(way, data) of the segments with data of a capture of the fixtures (one connection, without loss)."""
    found: list[tuple[int, bytes]] = []
    first = b""
    with (known.FIXTURES / name).open("rb") as file:
        for _, link, data, _ in CaptureFile(file):
            inner = ip_payload(link, data, Fragments()) if link != SECRETS else None
            if inner is None:
                continue
            holder, (_, _, _, start, end) = inner
            port = holder[start:start + 2]
            first = first or port
            body = holder[start + (holder[start + 12] >> 4) * 4:end]
            if body:
                found.append((CLIENT if port == first else SERVER, body))
    return found


def conversation(
    parts: Iterable[tuple[int, bytes]], *, isn: tuple[int, int] = (1000, 5000), size: int = 1400, start: float = 1000.0,
    close: Sequence[int] = (CLIENT, SERVER), opening: bool = True, ports: tuple[int, int] = PORTS,
) -> list[Segment]:
    """A whole connection: SYN, data in segments of ``size``, FIN of both sides."""
    seq, at, out = [isn[0], isn[1]], start, []

    def put(way: int, flags: int, data: bytes = b"") -> None:
        nonlocal at
        out.append(Segment(way, seq[way] & 0xFFFFFFFF, seq[1 - way] & 0xFFFFFFFF, flags, data, at, 0, ports))
        seq[way] += len(data) + (1 if flags & (SYN | FIN) else 0)
        at += 0.001

    if opening:
        put(CLIENT, SYN)
        put(SERVER, SYN | ACK)
        put(CLIENT, ACK)
    else:
        seq = [isn[0] + 1, isn[1] + 1]
    for way, data in parts:
        for begin in range(0, len(data), size):
            put(way, PSH | ACK, data[begin:begin + size])
    for way in close:
        put(way, FIN | ACK)
    return out


def tcp(segment: Segment) -> bytes:
    ports = segment.ports if segment.way == CLIENT else segment.ports[::-1]
    return struct.pack(
        ">HHIIBBHHH", *ports, segment.seq, segment.ack, 0x50, segment.flags, 65535, 0, 0,
    ) + segment.data


def ipv4(segment: Segment) -> bytes:
    body = tcp(segment)
    source, destination = (ADDRESSES if segment.way == CLIENT else ADDRESSES[::-1])
    return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0x4000, 64, 6, 0) + source + destination + body


def ipv6(segment: Segment, extensions: bytes = b"", first: int = 6) -> bytes:
    body = extensions + tcp(segment)
    source, destination = (ADDRESSES6 if segment.way == CLIENT else ADDRESSES6[::-1])
    return struct.pack(">IHBB", 0x60000000, len(body), first, 64) + source + destination + body


def ethernet(ip: bytes, tags: bytes = b"") -> bytes:
    kind = b"\x08\x00" if ip[0] >> 4 == 4 else b"\x86\xdd"
    return bytes(12) + tags + kind + ip


Wrap = Callable[[bytes], bytes]
Packet = tuple[float, bytes, int]  # time, captured, length on the wire


def packets(segments: Iterable[Segment], wrap: Wrap = ethernet, ip: Callable[[Segment], bytes] = ipv4) -> list[Packet]:
    out = []
    for segment in segments:
        whole = wrap(ip(segment))
        out.append((segment.at, whole[:len(whole) - segment.cut], len(whole)))
    return out


def pcap(
    items: Iterable[Packet], link: int = 1, *, order: str = "<", nano: bool = False, fcs: int = 0, modified: bool = False,
) -> bytes:
    magic = 0xA1B2CD34 if modified else 0xA1B23C4D if nano else 0xA1B2C3D4
    word = link | (0x04000000 | (fcs // 2) << 28 if fcs else 0)
    out = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, word)]
    for at, data, length in items:
        fraction = round((at % 1) * (1e9 if nano else 1e6))
        out.append(struct.pack(order + "IIII", int(at), fraction, len(data) + fcs, length + fcs))
        out.append((b"\0" * 8 if modified else b"") + data + b"\xee" * fcs)
    return b"".join(out)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    size = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + size + body + size


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(link: int = 1, order: str = "<", options: bytes = b"") -> bytes:
    return block(1, struct.pack(order + "HHI", link, 0, 0) + options, order)


def enhanced(packet: Packet, number: int = 0, order: str = "<", units: float = 1e6) -> bytes:
    at, data, length = packet
    time = round(at * units)
    return block(6, struct.pack(order + "IIIII", number, time >> 32, time & 0xFFFFFFFF, len(data), length) + data, order)


def secrets(lines: Iterable[bytes], order: str = "<") -> bytes:
    text = b"".join(line + b"\n" for line in lines)
    return block(10, struct.pack(order + "II", 0x544C534B, len(text)) + text, order)


def pcapng(items: Iterable[Packet], link: int = 1, order: str = "<") -> bytes:
    return section(order) + interface(link, order) + b"".join(enhanced(item, 0, order) for item in items)


def read(data: bytes, keylog: Iterable[bytes] = (), **options: object) -> tuple[Reader, list[Captured]]:
    reader = Reader(io.BytesIO(data), "made", keylog=keylog, **options)  # type: ignore[arg-type]
    found = [captured for _, captured in reader if captured is not None]
    return reader, sorted(found, key=lambda captured: captured.stream)


NAME = "generated-ca-names/tls13-ca-names"
KEYLOG = (known.FIXTURES / f"{NAME}.keylog").read_bytes().splitlines()
PARTS = payloads(f"{NAME}.pcap")
SEGMENTS = conversation(PARTS)


def whole() -> list[known.Fact]:
    """What a faultless capture of these segments says."""
    return known.facts(read(pcap(packets(SEGMENTS)), KEYLOG)[1][0])
