"""TShark reads the same captures: streams, directions, handshake types and CA names agree."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspector.wire.events import Message, Side
from inspector.wire.messages import CertificateRequest
from inspector.wire.registry import HandshakeType
from tests.capture import forge, known, tshark

pytestmark = pytest.mark.oracle

# TShark is silent on two by the captures' notes; one is cut by a snap length; of one it loses a Certificate message;
# two have hellos in the form of SSLv2, whose messages TShark lists under the numbers of TLS
UNLIKE = {
    "https-to-http.pcap", "ssl-to-http-server.pcap", "tls13.snap400.pcap", "tls-fragmented-handshake.pcap.gz",
    "ssl-v2.pcap", "tls-altname-zero.pcap",
}


def keylog_path(path: Path) -> Path | None:
    base = known.base_of(path)
    log = base.with_name(base.name + ".keylog")
    return log if log.exists() and ".dsb" not in path.name else None


def number(message: Message) -> int:
    """HelloRetryRequest is a ServerHello on the wire."""
    return 2 if message.type == HandshakeType.HELLO_RETRY_REQUEST else int(message.type)


@pytest.mark.parametrize("path", [path for path in known.captures() if path.name not in UNLIKE], ids=lambda path: path.name)
def test_streams_directions_and_handshake_types_are_tsharks(path: Path) -> None:
    expected = {stream: entry.messages for stream, entry in tshark.listed(path, keylog_path(path)).items() if entry.messages}
    found = {
        captured.stream: [
            (captured.client[1] if message.side is Side.CLIENT else captured.server[1], number(message))
            for message in captured.transcript.messages()
        ]
        for captured in known.read(path)[1]
    }
    assert {stream: found[stream] for stream in expected} == expected
    assert [stream for stream, messages in found.items() if messages and stream not in expected] == []


@pytest.mark.parametrize("path", known.captures(), ids=lambda path: path.name)
def test_the_list_of_ca_names_is_as_long_as_tsharks(path: Path) -> None:
    found = [
        sum(len(name) + 2 for name in message.value.authorities)
        for captured in known.read(path)[1] for message in captured.transcript.messages(HandshakeType.CERTIFICATE_REQUEST)
        if isinstance(message.value, CertificateRequest)
    ]
    assert [size for size in found if size] == [size for size in tshark.ca_names(path, keylog_path(path)) if size]


def test_streams_are_counted_as_tshark_counts_them(tmp_path: Path) -> None:
    """Ports used again, duplicate SYNs, a SYN with a known number after the end, connections without TLS."""
    plain = forge.conversation([(0, b"GET / HTTP/1.0\r\n\r\n"), (1, b"HTTP/1.0 200 OK\r\n\r\n")], ports=(39999, 80), start=999.0)
    first = forge.conversation(forge.PARTS, start=1000.0)
    other = forge.conversation(forge.PARTS, start=1000.5, ports=(40001, 443))
    again = forge.conversation(forge.PARTS, start=1001.0, isn=(99_000, 88_000))
    same = forge.conversation(forge.PARTS, start=1002.0, isn=(99_000, 88_000))
    segments = [*plain, first[0], *first, *other, *again, *same, same[-1]]
    path = tmp_path / "streams.pcap"
    path.write_bytes(forge.pcap(forge.packets(segments)))
    expected = tshark.tshark("-r", str(path), "-Y", "tls.handshake.type==1", "-T", "fields", "-e", "tcp.stream").split()
    _, found = forge.read(path.read_bytes())
    assert [str(captured.stream) for captured in found] == expected
