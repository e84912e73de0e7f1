"""Recorded sessions as (side, bytes) chunks in the order of the wire, with their key logs and known answers."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from inspector.wire.decoder import Decoder
from inspector.wire.events import Side, WireEvent
from inspector.wire.keylog import KeyLog

FIXTURES = Path(__file__).parents[2] / "fixtures"
Chunks = list[tuple[Side, bytes]]


def flows(path: Path) -> Chunks:
    """A Go test recording: a hexdump, one flow a direction."""
    found: list[tuple[Side, bytearray]] = []
    for line in path.read_text().splitlines():
        if line.startswith(">>> Flow"):
            found.append((Side.CLIENT if "(client to" in line else Side.SERVER, bytearray()))
        elif re.match("[0-9a-f]{8}", line):
            found[-1][1].extend(bytes.fromhex(line[10:58]))
    return [(side, bytes(data)) for side, data in found]


def _tcp(frame: bytes) -> tuple[int, int, bytes] | None:
    """Source port, sequence number and payload of an Ethernet (or loopback) frame with TCP."""
    at = 14 if frame[12:14] in (b"\x08\x00", b"\x86\xdd") else 4
    if frame[at] >> 4 == 4:
        total, head = int.from_bytes(frame[at + 2 : at + 4], "big"), 4 * (frame[at] & 15)
    else:
        total, head = int.from_bytes(frame[at + 4 : at + 6], "big") + 40, 40
    segment = frame[at + head : at + total]
    source, _, sequence = struct.unpack(">HHI", segment[:8])
    return source, sequence, segment[4 * (segment[12] >> 4) :]


def pcap(path: Path) -> Chunks:
    """The payloads of the one TCP connection in a pcap without loss; retransmissions are dropped."""
    data, at = path.read_bytes(), 24
    order = "<" if data[:4] == b"\xd4\xc3\xb2\xa1" else ">"
    client, seen, chunks = None, set(), []
    while at < len(data):
        size = struct.unpack(order + "4I", data[at : at + 16])[2]
        source, sequence, payload = _tcp(data[at + 16 : at + 16 + size])  # type: ignore[misc]
        client = client or source
        if payload and (source, sequence) not in seen:
            seen.add((source, sequence))
            chunks.append((Side.CLIENT if source == client else Side.SERVER, payload))
        at += 16 + size
    return chunks


class Trace:
    """One recorded session."""

    def __init__(self, name: str) -> None:
        self.name = name
        base = FIXTURES / name
        flow = base.with_name(base.name + ".flows.txt")
        self.chunks = flows(flow) if flow.exists() else pcap(base.with_name(base.name + ".pcap"))
        log = base.with_name(base.name + ".keylog")
        self.keylog = log.read_bytes().splitlines() if log.exists() else []
        expected = json.loads(base.with_name(base.name + ".expected.json").read_text())
        self.expected: list[dict[str, Any]] = expected["streams"][0]["events"]
        client = expected["streams"][0]["endpoints"]["client"].split()[-1]
        self.client_port = int(client)

    def __repr__(self) -> str:
        return self.name


GO = [f"go-crypto-tls/{path.name.removesuffix('.flows.txt')}" for path in sorted((FIXTURES / "go-crypto-tls").glob("*.flows.txt"))]
TRACES = {
    name: Trace(name)
    for name in (
        *GO,
        "rfc8448/section6",
        "illustrated-tls/tls12",
        "illustrated-tls/tls13",
        "illustrated-tls/tls13-aes128",
        "generated-ca-names/tls12-ca-names",
        "generated-ca-names/tls13-ca-names",
    )
}


def decode(chunks: Iterable[tuple[Side, bytes]], keylog: Sequence[bytes] = (), **options: Any) -> list[WireEvent]:
    """All events of these chunks, with all secrets known before. Each chunk's time is 0: events compare without times."""
    decoder = Decoder(keylog=KeyLog(keylog), wait=False, **options)
    for side, data in chunks:
        decoder.feed(side, data, 0.0)
    decoder.flush()
    return decoder.events()


def facts(events: Iterable[WireEvent]) -> list[str]:
    """Events as text that compares: exceptions in values compare by their words."""
    return [repr(event) for event in events]
