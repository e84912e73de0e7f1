"""Raw public keys (RFC 7250): what a Certificate message holds is told by what the server chose."""

from __future__ import annotations

import io

import pytest

from inspector.report.as_text import render
from inspector.report.model import ClientAuthPart, DiagnosisPart
from inspector.session.read import Options, Reading
from inspector.wire import messages as m
from inspector.wire.decoder import Decoder
from inspector.wire.events import Message, Side
from inspector.wire.fields import message_fields
from inspector.wire.hello import client_hello, record, vector
from tests.capture import forge

KEY = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00" + bytes(32)  # Ed25519
CLIENT_TYPE, SERVER_TYPE = b"\0\x13\0\x01\x02", b"\0\x14\0\x01\x02"


def handshake(kind: int, body: bytes) -> bytes:
    return record(22, bytes((kind,)) + vector(3, body), 0x0303)


def server_flight(extensions: bytes) -> bytes:
    hello = b"\x03\x03" + bytes(32) + b"\0\xc0\x2b\0" + vector(2, extensions)
    request = b"\x01\x40" + b"\0\x02\x08\x07" + b"\0\0"
    return handshake(2, hello) + handshake(11, vector(3, KEY)) + handshake(13, request) + handshake(14, b"")


def values(server: bytes, client: bytes) -> dict[Side, object]:
    decoder = Decoder(wait=False)
    for side, data in ((Side.CLIENT, client_hello()), (Side.SERVER, server), (Side.CLIENT, client)):
        decoder.feed(side, data, 0.0)
    return {event.side: event.value for event in decoder.events() if isinstance(event, Message) and event.type == 11}


def test_a_raw_public_key_of_either_side_is_no_broken_chain() -> None:
    found = values(server_flight(SERVER_TYPE + CLIENT_TYPE), handshake(11, vector(3, KEY)))
    assert found == {side: m.RawPublicKey(None, KEY) for side in Side}
    assert message_fields(found[Side.SERVER])["raw_public_key"]["length"] == len(KEY)


def test_without_a_key_the_message_is_empty_and_certificates_stay_what_they_are() -> None:
    found = values(server_flight(SERVER_TYPE + CLIENT_TYPE), handshake(11, vector(3, b"")))
    assert found[Side.CLIENT] == m.Certificate(None, ())
    found = values(server_flight(SERVER_TYPE), handshake(11, vector(3, vector(3, b"der"))))
    assert found[Side.CLIENT] == m.Certificate(None, (m.CertificateEntry(b"der"),))


@pytest.mark.parametrize(("body", "expected"), [
    (b"\0" + vector(3, vector(3, KEY) + b"\0\0"), m.RawPublicKey(b"", KEY)), (b"\0\0\0\0", m.Certificate(b"", ())),
])
def test_in_tls_13_it_stands_in_a_list_of_one(body: bytes, expected: object) -> None:
    assert m.parse(11, body, m.Context(0x0304, raw_public_key=True)) == expected


def test_a_client_that_sent_a_raw_public_key_sent_something() -> None:
    parts = [
        (forge.CLIENT, client_hello()), (forge.SERVER, server_flight(SERVER_TYPE + CLIENT_TYPE)),
        (forge.CLIENT, handshake(11, vector(3, KEY))), (forge.SERVER, record(21, b"\x02\x2e", 0x0303)),
    ]
    reading = Reading(io.BytesIO(forge.pcap(forge.packets(forge.conversation(parts)))), "it", Options(diagnose=True))
    ((_, connection),) = reading.connections()
    assert connection is not None
    report = reading.report(connection)
    judged, diagnosis = report.client_auth, report.diagnosis
    assert isinstance(judged, ClientAuthPart)
    assert isinstance(diagnosis, DiagnosisPart)
    assert (judged.requested, judged.sent, judged.sent_chain, judged.verdict) == (True, True, (), "rejected")
    assert diagnosis.causes == ()
    assert "raw public key" in diagnosis.notes[0]
    assert "a raw public key, no certificate" in render(report)
