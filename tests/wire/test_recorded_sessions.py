"""Recorded sessions with known answers decode field by field, however they are cut into pieces."""

from __future__ import annotations

import hashlib
import json
import random

import pytest

from inspector.wire import messages as m
from inspector.wire.decoder import Decoder
from inspector.wire.events import Alert, ApplicationData, ChangeCipherSpec, Message, OpaqueRecord, Side
from inspector.wire.fields import message_fields
from inspector.wire.keylog import KeyLog
from inspector.wire.registry import AlertDescription, HandshakeType
from tests.wire.traces import FIXTURES, TRACES, Trace, decode, facts

ORACLE_NAMES = {
    "hello_retry_request": "ServerHello",
    "server_hello": "ServerHello",
    "client_hello": "ClientHello",
    "certificate_url": "CertificateURL",
}


def oracle_name(kind: HandshakeType) -> str:
    return ORACLE_NAMES.get(kind.label, "".join(part.capitalize() for part in kind.label.split("_")))


def oracle_events(trace: Trace) -> list[tuple[str, str, object]]:
    """TShark's reading: (side, what, detail); what it could not decrypt is left out."""
    found: list[tuple[str, str, object]] = []
    for event in trace.expected:
        side = "client" if event["src_port"] == trace.client_port else "server"
        if "msg" in event and event["msg"] != "encrypted" and "ncrypted" not in event["msg"].replace("EncryptedExtensions", ""):
            found.append((side, event["msg"], event["length"]))
        elif event.get("ccs"):
            found.append((side, "ccs", None))
        elif isinstance(event.get("alert"), list):
            found.append((side, "alert", tuple(event["alert"])))
    return found


def our_events(trace: Trace) -> list[tuple[str, str, object]]:
    found: list[tuple[str, str, object]] = []
    for event in decode(trace.chunks, trace.keylog):
        if isinstance(event, Message):
            found.append((event.side.value, oracle_name(event.type), len(event.body)))
        elif isinstance(event, ChangeCipherSpec):
            found.append((event.side.value, "ccs", None))
        elif isinstance(event, Alert):
            found.append((event.side.value, "alert", (event.level, event.description)))
    return found


@pytest.mark.parametrize("trace", TRACES.values(), ids=repr)
def test_messages_alerts_and_their_order_are_those_of_tshark(trace: Trace) -> None:
    assert our_events(trace) == oracle_events(trace)


@pytest.mark.parametrize("trace", TRACES.values(), ids=repr)
def test_fields_are_those_of_tshark(trace: Trace) -> None:
    values = [event for event in decode(trace.chunks, trace.keylog) if isinstance(event, Message)]
    oracle = [event for event in trace.expected if "msg" in event and event["msg"] != "encrypted" and "length" in event]
    oracle = [event for event in oracle if event["msg"] == "EncryptedExtensions" or "ncrypted" not in event["msg"]]
    for message, expected in zip(values, oracle, strict=True):
        value = message.value
        if isinstance(value, m.ClientHello):
            assert [f"0x{suite:04x}" for suite in value.cipher_suites] == expected["cipher_suites"]
            assert [int(extension.type) for extension in value.extensions] == expected["extensions"]
            assert (value.server_name, value.random.hex()) == (expected["sni"], expected["random"])
        elif isinstance(value, m.ServerHello):
            assert [f"0x{value.cipher_suite:04x}"] == expected["cipher_suite"]
            assert [int(extension.type) for extension in value.extensions] == expected["extensions"]
        elif isinstance(value, m.Certificate):
            digests = [hashlib.sha256(der).hexdigest() for der in value.chain]
            assert digests == [certificate["sha256"] for certificate in expected.get("certificates", [])]
        elif isinstance(value, m.CertificateRequest):
            assert [int(kind) for kind in value.certificate_types] == [int(str(kind), 0) for kind in expected["certificate_types"]]
            assert [f"0x{scheme:04x}" for scheme in value.signature_schemes] == expected.get("signature_algorithms", [])
            assert [der.hex() for der in value.authorities] == [name["der"] for name in expected.get("ca_names", [])]


@pytest.mark.parametrize("trace", TRACES.values(), ids=repr)
def test_byte_by_byte_gives_the_same_events(trace: Trace) -> None:
    single = [(side, data[i : i + 1]) for side, data in trace.chunks for i in range(len(data))]
    assert facts(decode(single, trace.keylog)) == facts(decode(trace.chunks, trace.keylog))


@pytest.mark.parametrize("trace", TRACES.values(), ids=repr)
def test_random_chunks_give_the_same_events(trace: Trace) -> None:
    expected = facts(decode(trace.chunks, trace.keylog))
    for seed in range(20):
        dice, cut = random.Random(seed), []
        for side, data in trace.chunks:
            at = 0
            while at < len(data):
                size = dice.choice((1, 2, 5, 17, 100, 1400))
                cut.append((side, data[at : at + size]))
                at += size
        assert facts(decode(cut, trace.keylog)) == expected


@pytest.mark.parametrize("trace", TRACES.values(), ids=repr)
def test_secrets_that_come_after_the_records_open_them_all_the_same(trace: Trace) -> None:
    decoder = Decoder()
    for side, data in trace.chunks:
        decoder.feed(side, data, 0.0)
    for line in trace.keylog:
        decoder.add_secret(line)
    decoder.flush()
    assert facts(decoder.events()) == facts(decode(trace.chunks, trace.keylog))


@pytest.mark.parametrize("trace", TRACES.values(), ids=repr)
def test_fields_of_every_message_are_json(trace: Trace) -> None:
    for event in decode(trace.chunks, trace.keylog):
        if isinstance(event, Message):
            assert json.loads(json.dumps(message_fields(event.value))) == message_fields(event.value)


def test_rfc8448_section_6_gives_its_ten_messages_byte_for_byte() -> None:
    trace = TRACES["rfc8448/section6"]
    published = json.loads((FIXTURES / "rfc8448/section6.json").read_text())["handshake_messages"]
    ours = [event for event in decode(trace.chunks, trace.keylog) if isinstance(event, Message)]
    assert [(e.side.value, bytes((e.type,)).hex() + len(e.body).to_bytes(3, "big").hex() + e.body.hex()) for e in ours] == [
        (p["from"], p["hex"]) for p in published
    ]


def test_rfc8448_without_secrets_shows_the_hellos_only() -> None:
    events = decode(TRACES["rfc8448/section6"].chunks)
    assert [e.type.label for e in events if isinstance(e, Message)] == ["client_hello", "server_hello"]
    assert all(not e.handshake for e in events if isinstance(e, OpaqueRecord))


def test_rfc8448_with_the_servers_secret_only_keeps_the_clients_flight_closed() -> None:
    trace = TRACES["rfc8448/section6"]
    keylog = [line for line in trace.keylog if line.startswith(b"SERVER_HANDSHAKE")]
    events = decode(trace.chunks, keylog)
    from_client = [e.type.label for e in events if isinstance(e, Message) and e.side is Side.CLIENT]
    from_server = [e.type.label for e in events if isinstance(e, Message) and e.side is Side.SERVER]
    assert from_client == ["client_hello"]
    assert from_server == [
        "server_hello",
        "encrypted_extensions",
        "certificate_request",
        "certificate",
        "certificate_verify",
        "finished",
    ]


@pytest.mark.parametrize("name", ["illustrated-tls/tls12", "illustrated-tls/tls13", "illustrated-tls/tls13-aes128"])
def test_illustrated_sessions_hold_ping_and_pong(name: str) -> None:
    data = [e for e in decode(TRACES[name].chunks, TRACES[name].keylog) if isinstance(e, ApplicationData)]
    assert [(e.side, e.data) for e in data] == [(Side.CLIENT, b"ping"), (Side.SERVER, b"pong")]


@pytest.mark.parametrize("version", ["tls12", "tls13"])
def test_ca_names_of_a_request_are_shown_in_order_and_whole(version: str) -> None:
    trace = TRACES[f"generated-ca-names/{version}-ca-names"]
    request = next(
        e.value
        for e in decode(trace.chunks, trace.keylog)
        if isinstance(e, Message) and e.type == HandshakeType.CERTIFICATE_REQUEST
    )
    names = [authority["name"] for authority in message_fields(request)["certificate_authorities"]]
    assert request.authorities_bytes == 260
    assert names[0] == "CN=Plain Root 1,O=Plain Test CA,C=NL"
    assert len(names) == 4


def test_renegotiation_shows_the_late_request() -> None:
    trace = TRACES["go-crypto-tls/Client-TLSv12-RenegotiateOnce"]
    requests = [
        e for e in decode(trace.chunks, trace.keylog) if isinstance(e, Message) and e.type == HandshakeType.CERTIFICATE_REQUEST
    ]
    assert [(e.encrypted, e.late) for e in requests] == [(True, True)]


def test_a_message_that_cannot_be_opened_after_change_cipher_spec_is_an_encrypted_handshake() -> None:
    events = decode(TRACES["go-crypto-tls/Server-TLSv12-ClientAuthRequestedAndGiven"].chunks)
    assert [(e.side, e.length) for e in events if isinstance(e, OpaqueRecord) and e.handshake] == [
        (Side.CLIENT, 64),
        (Side.SERVER, 64),
    ]


def test_a_plain_alert_is_decoded() -> None:
    alerts = [e for e in decode(TRACES["go-crypto-tls/Server-TLSv13-ALPN-NoMatch"].chunks) if isinstance(e, Alert)]
    assert [(a.level, AlertDescription(a.description).label, a.encrypted) for a in alerts] == [
        (2, "no_application_protocol", False)
    ]


def test_one_direction_alone_is_decoded() -> None:
    trace = TRACES["go-crypto-tls/Client-TLSv13-ClientCert-ECDSA-RSA"]
    for side, first in ((Side.SERVER, "server_hello"), (Side.CLIENT, "client_hello")):
        alone = [chunk for chunk in trace.chunks if chunk[0] is side]
        both = [e.type.label for e in decode(trace.chunks, trace.keylog) if isinstance(e, Message) and e.side is side]
        assert [e.type.label for e in decode(alone, trace.keylog) if isinstance(e, Message)] == both
        assert both[0] == first


def test_secrets_of_other_connections_with_the_same_client_random_do_no_harm() -> None:
    keylog = [line for name, trace in TRACES.items() if name.startswith("go-crypto-tls/Client-TLSv13") for line in trace.keylog]
    trace = TRACES["go-crypto-tls/Client-TLSv13-KeyUpdate"]
    assert facts(decode(trace.chunks, keylog)) == facts(decode(trace.chunks, trace.keylog))


def test_a_wrong_key_log_gives_no_garbage() -> None:
    for trace in TRACES.values():
        wrong = [line[:-2] + (b"00" if line[-2:] != b"00" else b"01") for line in trace.keylog]
        events = decode(trace.chunks, wrong)
        plain = decode(trace.chunks)
        assert facts(events) == facts(plain)


def test_application_data_beyond_the_limit_is_counted_but_not_kept() -> None:
    trace = TRACES["illustrated-tls/tls13"]
    data = [e for e in decode(trace.chunks, trace.keylog, keep_data_limit=0) if isinstance(e, ApplicationData)]
    assert [(e.size, e.data) for e in data] == [(4, None), (4, None)]


def test_a_shared_key_log_serves_many_decoders() -> None:
    shared = KeyLog([line for trace in (TRACES["rfc8448/section6"], TRACES["illustrated-tls/tls13"]) for line in trace.keylog])
    for name in ("rfc8448/section6", "illustrated-tls/tls13"):
        decoder = Decoder(keylog=shared, wait=False)
        for side, data in TRACES[name].chunks:
            decoder.feed(side, data, 0.0)
        assert any(isinstance(e, Message) and e.type == HandshakeType.FINISHED for e in decoder.events())
