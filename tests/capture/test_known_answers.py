"""Every capture of the fixtures gives its known answers."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from inspector.app.overheard import FirstAnswer
from inspector.capture.captured import Captured
from inspector.capture.reader import Reader
from inspector.trace import events as ev
from inspector.wire.events import ApplicationData, Gap, Message, NotTls, OpaqueRecord, Side
from inspector.wire.messages import CertificateRequest, ClientHello, certificate_of
from inspector.wire.registry import HandshakeType
from tests.capture import known

# where the notes say that TShark is wrong or silent, and what is right
SILENT = {"https-to-http.pcap", "ssl-to-http-server.pcap", "ssl-v2.pcap"}
CUT = "tls13.snap400.pcap"
FRAGMENTED = "tls-fragmented-handshake.pcap.gz"
# TShark ends these certificates where their DER breaks; the message says that they are 9 bytes long
BROKEN_DER = ("tls-der-incomplete-content.pcap", "tls-der-incomplete-header.pcap")
UNLIKE_TSHARK = {*SILENT, CUT, FRAGMENTED}


def client_port(stream: dict[str, Any]) -> int:
    """0 where the client was not captured."""
    return int(stream["endpoints"].get("client", "0").split()[-1])


def one(name: str, keylog: list[bytes] | None = None) -> Captured:
    (captured,) = known.read(known.FIXTURES / name, keylog)[1]
    return captured


@pytest.mark.parametrize("path", known.captures(), ids=lambda path: path.name)
def test_every_packet_of_the_container_is_read(path: Path) -> None:
    assert known.read(path)[0].packets == known.answers_of(path)["frames"]


@pytest.mark.parametrize("path", [p for p in known.captures() if p.name not in UNLIKE_TSHARK], ids=lambda p: p.name)
def test_messages_and_alerts_of_every_stream_are_the_known_ones(path: Path) -> None:
    read = {captured.stream: captured for captured in known.read(path)[1]}
    expected = {
        stream["stream"]: known.answers(stream, client_port(stream))
        for stream in known.answers_of(path)["streams"] if stream["events"]
    }
    assert {number: known.facts(read[number]) for number in expected} == expected


def certificates_of(message: Message) -> list[str]:
    certificate = certificate_of(message.value)
    return [hashlib.sha256(der).hexdigest() for der in (certificate.chain if certificate is not None else ())]


@pytest.mark.parametrize("path", [p for p in known.captures() if p.name not in {*UNLIKE_TSHARK, *BROKEN_DER}], ids=lambda p: p.name)
def test_certificates_and_ca_names_are_the_known_ones(path: Path) -> None:
    read = {captured.stream: captured.transcript for captured in known.read(path)[1]}
    for stream in known.answers_of(path)["streams"]:
        expected: list[Any] = []
        for event in stream["events"]:
            if event.get("msg") == "Certificate":
                expected.append([certificate["sha256"] for certificate in event["certificates"]])
            elif event.get("msg") == "CertificateRequest":
                expected.append([name["der"] for name in event["ca_names"]])
        found = [
            certificates_of(message) if message.type == HandshakeType.CERTIFICATE
            else [name.hex() for name in message.value.authorities]
            for message in read[stream["stream"]].messages()
            if message.type in (HandshakeType.CERTIFICATE, HandshakeType.CERTIFICATE_REQUEST)
        ]
        assert found == expected


@pytest.mark.parametrize("path", known.captures(), ids=lambda path: path.name)
def test_client_and_server_are_those_of_the_handshake(path: Path) -> None:
    streams = {stream["stream"]: stream["endpoints"] for stream in known.answers_of(path)["streams"]}
    for captured in known.read(path)[1]:
        ends = streams.get(captured.stream)
        if ends and "client" in ends:
            assert [f"{host} {port}" for host, port in (captured.client, captured.server)] == [ends["client"], ends["server"]]


@pytest.mark.parametrize("name", BROKEN_DER)
def test_a_certificate_that_breaks_off_keeps_its_bytes(name: str) -> None:
    (message,) = one(f"suricata-tls/{name}").transcript.messages(HandshakeType.CERTIFICATE)
    certificate = certificate_of(message.value)
    assert certificate is not None
    assert [len(der) for der in certificate.chain] == [9]


def test_a_certificate_message_over_eighteen_records_is_whole() -> None:
    captured = one(f"zeek-tls/{FRAGMENTED}")
    (message,) = captured.transcript.messages(HandshakeType.CERTIFICATE)
    # the digest in the capture's notes lacks one byte, the 0x89
    assert certificates_of(message) == ["af4a46e989dc24078ee2a205490856e059e7f2f9d2114cec4d4c44974add9d34"]
    hello = captured.transcript.messages(HandshakeType.CLIENT_HELLO)[0].value
    assert isinstance(hello, ClientHello)
    assert hello.server_name == "104.236.167.107"


def test_a_snap_length_is_a_gap_and_no_malformed_message() -> None:
    captured = one(f"illustrated-tls/{CUT}")
    assert captured.transcript.all(Gap)[0].missing == 1017
    assert not [m for m in captured.transcript.messages() if isinstance(m.value, Exception)]
    assert captured.notes == ("1017 bytes that the server sent are not in the capture (lost or cut packets)",)
    assert known.facts(captured)[-3:] == [
        ("client", "Finished", 48), ("server", "NewSessionTicket", 213), ("server", "NewSessionTicket", 213),
    ]


@pytest.mark.parametrize("name", ["https-to-http.pcap", "ssl-to-http-server.pcap"])
def test_an_http_answer_to_a_client_hello_is_named(name: str) -> None:
    captured = one(f"zeek-tls/{name}")
    (alien,) = captured.transcript.all(NotTls)
    assert (alien.side, alien.looks_like) == (Side.SERVER, "http")
    assert [message.type.label for message in captured.transcript.messages()] == ["client_hello"]


def test_sslv2_is_named_and_not_guessed_at() -> None:
    captured = one("zeek-tls/ssl-v2.pcap")
    assert {alien.looks_like for alien in captured.transcript.all(NotTls)} == {"sslv2"}
    assert captured.transcript.messages() == []


def test_dtls_is_passed_over_with_a_note() -> None:
    reader, connections = known.read(known.FIXTURES / "zeek-tls/dtls1_2.pcap")
    assert (connections, reader.streams) == ([], 0)
    assert reader.notes == ("16 UDP packets look like DTLS, which is not read: only TLS over TCP is",)


def test_heartbeats_are_counted_as_records_that_hold_no_handshake() -> None:
    records = one("zeek-tls/heartbleed.pcap").transcript.all(OpaqueRecord)
    assert {record.content_type for record in records} == {24}


@pytest.mark.parametrize(("name", "plain"), [("smtp-starttls.pcap", b"STARTTLS"), ("xmpp-starttls.pcap", b"<starttls")])
def test_what_precedes_starttls_is_kept_as_plaintext(name: str, plain: bytes) -> None:
    events = one(f"zeek-tls/{name}").transcript.all(ev.Plain)
    assert plain in b"".join(event.data for event in events if event.side is Side.CLIENT)


def test_secrets_inside_the_capture_open_it() -> None:
    inside = one("illustrated-tls/tls13.dsb.pcapng", [])
    beside = one("illustrated-tls/tls13.noDSB.pcapng")
    assert inside.keys
    assert known.facts(inside) == known.facts(beside)
    data = [event.data for event in inside.transcript.all(ApplicationData)]
    assert data == [b"ping", b"pong"]


def test_without_secrets_tls13_shows_the_hellos_and_counts_the_rest() -> None:
    captured = one("rfc8448/section6.pcap", [])
    assert [name for _, name, _ in known.facts(captured)] == ["ClientHello", "ServerHello"]
    assert [(record.side.value, record.length) for record in captured.transcript.all(OpaqueRecord)] == [
        ("server", 534), ("client", 640),
    ]


def test_the_servers_secret_alone_keeps_the_clients_flight_closed() -> None:
    lines = [line for line in known.keylog_of(known.FIXTURES / "rfc8448/section6.pcap") if line.startswith(b"SERVER_HANDSHAKE")]
    captured = one("rfc8448/section6.pcap", lines)
    assert {message.side for message in captured.transcript.messages() if message.encrypted} == {Side.SERVER}
    assert [(record.side.value, record.length) for record in captured.transcript.all(OpaqueRecord)] == [("client", 640)]


def test_the_hostile_ca_name_keeps_every_byte() -> None:
    message = one("generated-ca-names/tls13-ca-names.pcap").transcript.messages(HandshakeType.CERTIFICATE_REQUEST)[0]
    assert isinstance(message.value, CertificateRequest)
    assert b"\x1b[2J\x1b]0;owned\x07evil\r\nX-Injected: 1\x00" in message.value.authorities[3]


def test_a_hello_in_the_form_of_sslv2_begins_a_tls_connection() -> None:
    captured = one("suricata-tls/tls-altname-zero.pcap")
    assert captured.server == ("72.16.54.30", 443)
    assert [name for _, name, _ in known.facts(captured)] == ["ServerHello", "Certificate", "ServerKeyExchange", "ServerHelloDone"]


@pytest.mark.parametrize("name", ["tls12-ca-names", "tls13-ca-names"])
def test_all_connections_end_where_the_capture_says(name: str) -> None:
    ended = one(f"generated-ca-names/{name}.pcap").transcript.last(ev.Ended)
    assert ended is not None
    assert (ended.by, ended.how) == ("client", "fin")


def test_a_first_answer_is_heard_in_opened_data() -> None:
    path = known.FIXTURES / "zeek-tls/tls12-decryption.pcap"
    with path.open("rb") as file:
        reader = Reader(file, keylog=known.keylog_of(path), overhear=lambda _, port: FirstAnswer(port))
        (captured,) = [captured for _, captured in reader if captured is not None]
    result = captured.transcript.last(ev.ApplicationResult)
    assert result is not None
    assert result.result.http.status == 301
