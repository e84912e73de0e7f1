"""Whatever bytes come, the decoder answers with events: incomplete, malformed, opaque, a limit; never with an exception."""

from __future__ import annotations

import json
import random
import tarfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.errors import MalformedMessage
from inspector.wire import hello
from inspector.wire import messages as m
from inspector.wire.decoder import MAX_EMPTY_RECORDS, MAX_MESSAGE, Decoder
from inspector.wire.events import Alert, Gap, Limit, Message, NotTls, OpaqueRecord, Side, Truncated, WireEvent
from inspector.wire.fields import message_fields
from inspector.wire.keylog import KeyLog
from tests.wire.traces import FIXTURES, TRACES, Trace, decode, facts

FAST = [trace for name, trace in TRACES.items() if name.startswith(("rfc8448", "generated", "go-crypto-tls/Client-TLSv12-Reneg"))]


def record(content: bytes, kind: int = 22, version: int = 0x0303) -> bytes:
    return hello.record(kind, content, version)


def client_says(data: bytes) -> list[WireEvent]:
    return decode([(Side.CLIENT, data)])


def ended(chunks: list[tuple[Side, bytes]], keylog: list[bytes]) -> list[WireEvent]:
    decoder = Decoder(keylog=KeyLog(keylog), wait=False)
    for side, data in chunks:
        decoder.feed(side, data, 0.0)
    for side in Side:
        decoder.end(side, 0.0)
    decoder.flush()
    return decoder.events()


def exercise(events: list[WireEvent]) -> None:
    """What a report does with events: every value must become JSON."""
    for event in events:
        if isinstance(event, Message):
            json.dumps(message_fields(event.value))
            repr(event)


@pytest.mark.parametrize("trace", TRACES.values(), ids=repr)
def test_every_prefix_of_a_session_gives_a_prefix_of_its_messages(trace: Trace) -> None:
    whole = [e for e in decode(trace.chunks, trace.keylog) if isinstance(e, Message)]
    decoder = Decoder(keylog=KeyLog(trace.keylog), wait=False)
    seen: list[Message] = []
    for side, data in trace.chunks:
        for i in range(len(data)):
            decoder.feed(side, data[i : i + 1], 0.0)
            seen += [e for e in decoder.events() if isinstance(e, Message)]
            assert len(seen) <= len(whole)
            assert not any(isinstance(e.value, MalformedMessage) for e in seen[-1:])
    assert [e.body for e in seen] == [e.body for e in whole]


@pytest.mark.parametrize("trace", FAST, ids=repr)
def test_a_stream_that_ends_anywhere_says_so(trace: Trace) -> None:
    side, data = trace.chunks[0]
    for size in range(1, len(data)):
        events = ended([(side, data[:size])], trace.keylog)
        assert len(events) == 1
        assert isinstance(events[0], (Truncated, NotTls) if size < 5 else Truncated)


def messages_of(trace: Trace) -> list[tuple[int, bytes, m.Context]]:
    events = [e for e in decode(trace.chunks, trace.keylog) if isinstance(e, Message)]
    answer = next((e.value for e in events if isinstance(e.value, m.ServerHello)), None)
    version = answer.version if answer else 0x0303
    return [
        (int(e.type) if e.type != 6 else 2, e.body, m.Context(version, "ECDHE_RSA" if version < 0x0304 else "")) for e in events
    ]


MAY_BE_SHORTER = {20}  # the body of Finished has no inner length


@pytest.mark.parametrize("trace", FAST, ids=repr)
def test_no_proper_prefix_of_a_message_parses(trace: Trace) -> None:
    for kind, body, context in messages_of(trace):
        if kind in MAY_BE_SHORTER or (kind == 16 and context.key_exchange != "ECDHE_RSA"):
            continue
        for size in range(len(body)):
            if kind in (1, 2) and size == _before_extensions(kind, body):
                continue  # RFC 5246 allows hellos that end before the extensions
            with pytest.raises(MalformedMessage):
                m.parse(kind, body[:size], context)


def _before_extensions(kind: int, body: bytes) -> int:
    value = m.parse(kind, body)
    block = sum(4 + len(extension.data) for extension in value.extensions)
    return len(body) - block - 2


@pytest.mark.parametrize("trace", FAST, ids=repr)
def test_trailing_bytes_are_malformed(trace: Trace) -> None:
    for kind, body, context in messages_of(trace):
        if kind not in MAY_BE_SHORTER:
            with pytest.raises(MalformedMessage):
                m.parse(kind, body + b"\0", context)


@pytest.mark.parametrize("trace", FAST, ids=repr)
def test_a_corrupt_byte_in_a_message_raises_nothing_else(trace: Trace) -> None:
    for kind, body, context in messages_of(trace):
        for at in range(len(body)):
            for flip in (0x01, 0x80, 0xFF):
                broken = body[:at] + bytes((body[at] ^ flip,)) + body[at + 1 :]
                try:
                    value = m.parse(kind, broken, context)
                except MalformedMessage as problem:
                    value = problem
                if flip == 0xFF:
                    json.dumps(message_fields(value))


@pytest.mark.parametrize("trace", FAST, ids=repr)
def test_a_corrupt_byte_in_a_stream_gives_events(trace: Trace) -> None:
    for index, (side, data) in enumerate(trace.chunks):
        for at in range(0, len(data), 3):
            broken = data[:at] + bytes((data[at] ^ 0x55,)) + data[at + 1 :]
            decode([*trace.chunks[:index], (side, broken), *trace.chunks[index + 1 :]], trace.keylog)


@given(st.lists(st.tuples(st.sampled_from(list(Side)), st.binary(max_size=200)), max_size=8))
@settings(max_examples=300, deadline=None)
def test_random_bytes_give_events(chunks: list[tuple[Side, bytes]]) -> None:
    exercise(ended(chunks, []))


@given(st.lists(st.tuples(st.sampled_from(list(Side)), st.sampled_from([20, 21, 22, 23, 24]), st.binary(max_size=80)), max_size=12))
@settings(max_examples=300, deadline=None)
def test_random_records_give_events_whatever_the_chunks(records: list[tuple[Side, int, bytes]]) -> None:
    chunks = [(side, record(content, kind)) for side, kind, content in records]
    single = [(side, data[i : i + 1]) for side, data in chunks for i in range(len(data))]
    exercise(ended(chunks, []))
    assert facts(ended(single, [])) == facts(ended(chunks, []))


@given(
    st.integers(0, 30),
    st.binary(max_size=120),
    st.sampled_from([0x0301, 0x0303, 0x0304]),
    st.sampled_from(["", "ECDHE_RSA", "DHE_PSK"]),
)
@settings(max_examples=500, deadline=None)
def test_random_bodies_parse_or_are_malformed(kind: int, body: bytes, version: int, exchange: str) -> None:
    try:
        value: Any = m.parse(kind, body, m.Context(version, exchange))
    except MalformedMessage as problem:
        value = problem
    json.dumps(message_fields(value))


@pytest.mark.parametrize("archive", ["rustls-message", "picotls-client-hello", "picotls-server-hello"])
def test_seeds_of_other_projects_raise_nothing(archive: str) -> None:
    with tarfile.open(FIXTURES / "fuzz-seeds" / f"{archive}.tar.gz") as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            if file is None:
                continue
            seed = file.read()
            for side in Side:
                exercise(ended([(side, seed)], []))
                exercise(ended([(side, record(seed[:16000]))], []))
                exercise(ended([(side, record(bytes((2 if side is Side.SERVER else 1,)) + hello.vector(3, seed[:16000])))], []))


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "http"),
        (b"<html><head>", "http"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "ssh"),
        (b"220 mail.example ESMTP Postfix\r\n", "smtp"),
        (b"220 (vsFTPd 3.0.3)\r\n", "ftp"),
        (b"220 ready\r\n", "smtp or ftp"),
        (b"* OK IMAP4rev1\r\n", "imap"),
        (b"+OK ready\r\n", "pop3"),
        (b"-ERR unknown command\r\n", "redis"),
        (b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", "sslv2"),
        (b"\x16\xfe\xfd\x00\x00", "dtls"),
        (b"N", "postgres"),
        (b"I\x00\x00\x00\x0a5.7.31-log\x00", "mysql"),
        (b"\x05\xff", "socks"),
        (b"<?xml version='1.0'?>", "xmpp"),
        (b"\x00\x01\x02\x03\x04\x05", ""),
        (b"\xff" * 600, ""),
    ],
)
def test_bytes_that_are_no_tls_are_named(data: bytes, name: str) -> None:
    events = ended([(Side.SERVER, data)], [])
    assert [(e.looks_like, e.data == data[: len(e.data)]) for e in events if isinstance(e, NotTls)] == [(name, True)]


def test_an_old_hello_that_offers_tls_is_followed_by_records() -> None:
    data = hello.sslv2_hello(0x0301) + record(b"\x02\x28", 21)
    events = client_says(data)
    assert [type(event) for event in events] == [NotTls, Alert]


@pytest.mark.parametrize("size", [18_433, 65_535])
def test_a_record_that_is_too_long_is_a_named_limit(size: int) -> None:
    events = client_says(b"\x16\x03\x01" + size.to_bytes(2, "big") + b"\0" * 10)
    assert events == [Limit(Side.CLIENT, 0.0, f"a record of {size} bytes, more than 18432 are not allowed")]


def test_a_message_that_declares_too_much_is_never_waited_for() -> None:
    events = client_says(record(b"\x0b\xff\xff\xff1234") + record(b"more"))
    assert events == [
        Limit(Side.CLIENT, 0.0, f"a handshake message (certificate) of 16777215 bytes, more than {MAX_MESSAGE} are not read")
    ]


def test_ten_thousand_empty_records_stop_at_the_limit() -> None:
    events = client_says(record(b"") * 10_000)
    assert events == [Limit(Side.CLIENT, 0.0, f"more than {MAX_EMPTY_RECORDS} empty records in a row")]


def test_an_alert_cut_in_two_records_is_one_alert() -> None:
    assert client_says(record(b"\x02", 21) + record(b"\x30", 21)) == [Alert(Side.CLIENT, 0.0, 2, 48, encrypted=False)]


def test_an_alert_record_of_300_bytes_is_a_limit() -> None:
    events = client_says(record(b"\x01\x00" * 150, 21))
    assert [type(event) for event in events] == [Limit]


def test_an_unknown_record_type_is_no_tls_and_heartbeats_are_opaque() -> None:
    assert [type(e) for e in client_says(record(b"x", 24))] == [OpaqueRecord]
    assert [type(e) for e in ended([(Side.CLIENT, record(b"x", 99))], [])] == [NotTls]


def test_one_byte_records_give_the_same_messages() -> None:
    trace = TRACES["go-crypto-tls/Client-TLSv12-ClientCert-RSA-RSA"]
    side, data = trace.chunks[0]
    message = data[5:]
    cut = b"".join(record(message[i : i + 1]) for i in range(len(message)))
    assert facts(decode([(side, cut)])) == facts(decode([(side, data)]))


def test_one_message_over_a_thousand_records_and_many_in_one() -> None:
    chain = b"".join(hello.vector(3, bytes([i % 256]) * 400) for i in range(1000))
    message = b"\x0b" + hello.vector(3, hello.vector(3, chain))
    thousand = b"".join(record(message[i : i + 404]) for i in range(0, len(message), 404))
    many = record(b"\x00\x00\x00\x00" * 100)
    events = decode([(Side.SERVER, thousand), (Side.SERVER, many)])
    assert [len(e.value.entries) for e in events if isinstance(e, Message) and e.type == 11] == [1000]
    assert len(events) == 101


def test_duplicate_unknown_and_grease_extensions_are_kept_and_told() -> None:
    data = hello.client_hello(0x0303, extensions=((0x1A1A, b""), (0x1234, b"xyz"), (0x1234, b"")), without=(10, 11, 13, 23))
    (message,) = (event for event in client_says(data) if isinstance(event, Message))
    fields = message_fields(message.value)
    assert [extension["type"] for extension in fields["extensions"]] == ["GREASE(0x1a1a)", "0x1234", "0x1234"]
    assert fields["duplicate_extensions"] == ["0x1234"]
    assert fields["extensions"][1]["data"] == b"xyz".hex()


def test_a_malformed_extension_does_not_hide_the_rest() -> None:
    data = hello.client_hello(0x0303, server_name="a.example", extensions=((16, b"\x00\x09\x01"),))
    (message,) = (event for event in client_says(data) if isinstance(event, Message))
    alpn = message_fields(message.value)["extensions"][-1]
    assert message.value.server_name == "a.example"
    assert alpn["malformed"]["where"] == "client_hello.application_layer_protocol_negotiation"


def test_a_gap_inside_a_record_costs_that_record_only() -> None:
    trace = TRACES["rfc8448/section6"]
    decoder = Decoder(keylog=KeyLog(trace.keylog), wait=False)
    (_, first), (side, flight), *_ = trace.chunks
    decoder.feed(Side.CLIENT, first, 0.0)
    hello_size = 5 + int.from_bytes(flight[3:5], "big")
    decoder.feed(side, flight[: hello_size + 100], 0.0)
    decoder.gap(side, 50, 0.0)
    decoder.feed(side, flight[hello_size + 150 :] + record(b"\x00" * 20, 23), 0.0)
    decoder.end(side, 0.0)
    assert [type(e) for e in decoder.events() if e.side is Side.SERVER] == [Message, Gap, OpaqueRecord]


def test_a_capture_from_the_middle_finds_the_next_record() -> None:
    trace = TRACES["go-crypto-tls/Client-TLSv12-ClientCert-RSA-RSA"]
    decoder = Decoder(wait=False)
    decoder.gap(Side.SERVER, 0, 0.0)
    _, flight = trace.chunks[1]
    decoder.feed(Side.SERVER, flight[40:], 0.0)
    labels = [e.type.label for e in decoder.events() if isinstance(e, Message)]
    assert labels == ["certificate", "server_key_exchange", "certificate_request", "server_hello_done"]


def test_records_after_a_gap_are_opened_again() -> None:
    trace = TRACES["illustrated-tls/tls13"]
    flight = [chunk for chunk in trace.chunks if chunk[0] is Side.SERVER]
    decoder = Decoder(keylog=KeyLog(trace.keylog), wait=False)
    decoder.feed(*trace.chunks[0], 0.0)
    decoder.feed(*flight[0], 0.0)
    decoder.gap(Side.SERVER, len(flight[1][1]), 0.0)
    for side, data in flight[2:]:
        decoder.feed(side, data, 0.0)
    late = [e.type.label for e in decoder.events() if isinstance(e, Message)][-1]
    assert late == "new_session_ticket"


def test_random_gaps_raise_nothing() -> None:
    trace = TRACES["go-crypto-tls/Client-TLSv13-ClientCert-ECDSA-RSA"]
    for seed in range(200):
        dice = random.Random(seed)
        decoder = Decoder(keylog=KeyLog(trace.keylog), wait=False)
        for side, data in trace.chunks:
            start, stop = sorted(dice.randrange(len(data) + 1) for _ in range(2))
            decoder.feed(side, data[:start], 0.0)
            decoder.gap(side, stop - start, 0.0)
            decoder.feed(side, data[stop:], 0.0)
        for side in Side:
            decoder.end(side, 0.0)
        exercise(decoder.events())
