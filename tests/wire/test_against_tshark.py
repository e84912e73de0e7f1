"""Live handshakes, read by TShark with the same key log: the same messages, in the same order, of the same length."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from inspector.wire.events import Message, Side
from inspector.wire.registry import HandshakeType
from tests.wire.live import Pair
from tests.wire.test_live_handshakes import SUITES, V12, V13, pair_of

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed (Debian: tshark)"),
]
SEGMENT = 1400
PORTS = {Side.CLIENT: 40000, Side.SERVER: 443}


def packet(side: Side, sequence: int, acknowledged: int, flags: int, payload: bytes) -> bytes:
    """Ethernet, IPv4 and TCP around a piece of a stream, as one record of a pcap file."""
    addresses = (b"\x0a\x00\x00\x01", b"\x0a\x00\x00\x02")
    source, target = addresses if side is Side.CLIENT else addresses[::-1]
    tcp = struct.pack(">HHIIBBHHH", PORTS[side], PORTS[side.other], sequence, acknowledged, 5 << 4, flags, 65535, 0, 0) + payload
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + source + target
    frame = b"\x02" * 12 + b"\x08\x00" + ip + tcp
    return struct.pack("<IIII", 1, 0, len(frame), len(frame)) + frame


def capture(chunks: list[tuple[Side, bytes]]) -> bytes:
    """A pcap file of one connection, from SYN on."""
    sent = {Side.CLIENT: 1001, Side.SERVER: 5001}
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 18, 1)]
    out.append(packet(Side.CLIENT, 1000, 0, 0x02, b""))
    out.append(packet(Side.SERVER, 5000, 1001, 0x12, b""))
    for side, data in chunks:
        for at in range(0, len(data), SEGMENT):
            piece = data[at : at + SEGMENT]
            out.append(packet(side, sent[side], sent[side.other], 0x18, piece))
            sent[side] += len(piece)
    return b"".join(out)


def tshark_messages(folder: Path, pair: Pair) -> list[tuple[str, int, int]]:
    (folder / "live.pcap").write_bytes(capture(pair.transcript))
    (folder / "live.keylog").write_bytes(b"\n".join(pair.lines) + b"\n")
    fields = ["-e", "tcp.srcport", "-e", "tls.handshake.type", "-e", "tls.handshake.length"]
    command = [
        "tshark",
        "-r",
        str(folder / "live.pcap"),
        "-o",
        f"tls.keylog_file:{folder / 'live.keylog'}",
        "-T",
        "fields",
        *fields,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    found = []
    for line in done.stdout.splitlines():
        port, types, lengths = [*line.split("\t"), "", ""][:3]
        side = "client" if port == "40000" else "server"
        if types:
            found += [(side, int(t), int(n)) for t, n in zip(types.split(","), lengths.split(","), strict=True)]
    return found


def our_messages(pair: Pair) -> list[tuple[str, int, int]]:
    on_the_wire = {int(HandshakeType.HELLO_RETRY_REQUEST): int(HandshakeType.SERVER_HELLO)}
    return [(e.side.value, on_the_wire.get(int(e.type), int(e.type)), len(e.body)) for e in pair.finish() if isinstance(e, Message)]


@pytest.mark.parametrize(
    ("version", "suite", "kind"),
    [(version, suite, kind) for version, suite, _, kind in SUITES if version in (V12, V13) and "NULL" not in suite],
)
def test_a_live_handshake_is_what_tshark_says_of_the_same_bytes(tmp_path: Path, version: int, suite: str, kind: str) -> None:
    pair = pair_of(version, suite, kind)
    pair.until_quiet()
    pair.say(Side.CLIENT, b"hello")
    ours = our_messages(pair)
    assert ours == tshark_messages(tmp_path, pair)
    assert [kind for side, kind, _ in ours if side == "client"][-1] == HandshakeType.FINISHED


def test_a_late_request_is_what_tshark_says(tmp_path: Path) -> None:
    pair = pair_of(V12, "ECDHE-RSA-AES128-GCM-SHA256", "rsa-2048")
    pair.until_quiet()
    pair.server.renegotiate()
    pair.until_quiet()
    pair.say(Side.SERVER, b"after")
    ours = our_messages(pair)
    assert ours == tshark_messages(tmp_path, pair)
    assert [kind for _, kind, _ in ours].count(HandshakeType.CLIENT_HELLO) == 2
