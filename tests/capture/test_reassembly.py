"""TCP: what the network and the capture do to segments does not change what was said; what is lost is named."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from inspector.capture import tcp
from inspector.capture.captured import Captured
from inspector.session.read import decode
from inspector.trace import events as ev
from inspector.wire.events import Alert, ApplicationData, Gap, Message, NotTls, OpaqueRecord, Side
from tests.capture import forge, known
from tests.capture.forge import ACK, CLIENT, FIN, RST, SERVER, SYN, Segment

SMALL = forge.conversation(forge.PARTS, size=200)
WHOLE = forge.whole()


def read(segments: list[Segment]) -> list[Captured]:
    return forge.read(forge.pcap(forge.packets(segments)), forge.KEYLOG)[1]


def facts(segments: list[Segment]) -> list[known.Fact]:
    (captured,) = read(segments)
    return known.facts(captured)


def by_side(found: list[known.Fact]) -> dict[str, list[known.Fact]]:
    """Without the order between the sides, which a reordered capture does not hold."""
    return {side: [fact for fact in found if fact[0] == side] for side in ("client", "server")}


@pytest.mark.parametrize("size", [1, 2, 7, 100, 1400, 60_000])
def test_the_size_of_segments_does_not_matter(size: int) -> None:
    assert facts(forge.conversation(forge.PARTS, size=size)) == WHOLE


@pytest.mark.parametrize("isn", [(0xFFFFFFFF, 0xFFFFFF00), (0xFFFFFE00, 0x7FFFFFFF), (0, 0)])
def test_sequence_numbers_wrap(isn: tuple[int, int]) -> None:
    assert facts(forge.conversation(forge.PARTS, isn=isn, size=200)) == WHOLE


def test_retransmissions_are_dropped() -> None:
    assert facts([copy for segment in SMALL for copy in (segment, segment)]) == WHOLE


def test_overlapping_segments_give_each_byte_once() -> None:
    out = []
    for segment in SMALL:
        out.append(segment)
        if len(segment.data) > 20:
            middle = segment.data[10:]
            out.append(segment._replace(seq=segment.seq + 10, data=middle))
    assert facts(out) == WHOLE


def test_larger_retransmissions_bring_what_is_new_in_them() -> None:
    data = [segment for segment in SMALL if segment.data]
    first, second = data[2], data[3]
    assert first.way == second.way
    joined = first._replace(data=first.data + second.data)
    out = [joined if segment is second else segment for segment in SMALL]
    assert facts(out) == WHOLE


@pytest.mark.parametrize("seed", range(20))
def test_reordering_within_a_window_is_put_right(seed: int) -> None:
    rng = random.Random(seed)
    opening, rest = SMALL[:3], SMALL[3:]
    order = sorted(range(len(rest)), key=lambda i: i + rng.uniform(0, 8))
    assert facts(opening + [rest[i]._replace(at=rest[0].at) for i in order]) == WHOLE


@pytest.mark.parametrize("milliseconds", [-50, -5, -2, 2, 5, 50])
@pytest.mark.parametrize("size", [200, 60_000])
def test_clocks_that_differ_do_not_change_who_said_what_first(milliseconds: int, size: int) -> None:
    """Two places of capture, merged by their times: acknowledgements tell the true order."""
    segments = forge.conversation(forge.PARTS, size=size, close=(CLIENT, SERVER))
    skewed = [segment._replace(at=segment.at + (milliseconds / 1000 if segment.way == CLIENT else 0)) for segment in segments]
    (captured,) = read(sorted(skewed, key=lambda segment: segment.at))
    assert known.facts(captured) == WHOLE
    ended = captured.transcript.last(ev.Ended)
    assert ended is not None
    assert (ended.by, ended.how) == ("client", "fin")


def test_a_retransmission_that_acknowledges_its_own_answer_waits_for_nothing() -> None:
    """Each side would wait for the other, were the first copy not in the capture."""
    data = [place for place, segment in enumerate(SMALL) if segment.data]
    place = next(here for here, after in pairwise(data) if SMALL[here].way == CLIENT and SMALL[after].way == SERVER)
    answer = SMALL[place + 1]
    late = SMALL[place]._replace(ack=answer.seq + len(answer.data))
    (captured,) = read([*SMALL[:place], late, *SMALL[place + 1:]])
    assert by_side(known.facts(captured)) == by_side(WHOLE)
    assert not captured.transcript.all(Gap)


def test_a_fin_that_was_captured_before_the_data_does_not_cut_it_off() -> None:
    assert by_side(facts([*SMALL[:4], *SMALL[-2:], *SMALL[4:-2]])) == by_side(WHOLE)


def test_a_missing_syn_is_noted_and_nothing_is_lost() -> None:
    (captured,) = read(SMALL[3:])
    assert known.facts(captured) == WHOLE
    assert captured.notes == ("the capture began after TCP was open",)
    assert captured.transcript.first(ev.Connected) is None


def test_data_in_a_syn_is_read_and_may_come_again() -> None:
    """TCP Fast Open (RFC 7413)."""
    syn, answer, acknowledged, hello, *rest = forge.conversation(forge.PARTS, size=60_000)
    opening = [syn._replace(data=hello.data), answer._replace(ack=answer.ack + len(hello.data))]
    assert facts([*opening, *rest]) == WHOLE
    assert facts([*opening, acknowledged, hello, *rest]) == WHOLE
    rest_of_hello = hello._replace(data=hello.data[100:], seq=hello.seq + 100)
    assert facts([syn._replace(data=hello.data[:100]), answer, rest_of_hello, *rest]) == WHOLE


def test_a_clock_that_runs_backwards_gives_no_negative_times() -> None:
    (captured,) = read([segment._replace(at=2000.0 - number) for number, segment in enumerate(SMALL)])
    assert known.facts(captured) == WHOLE
    assert all(event.at >= 0 for event in captured.transcript.events)


def test_the_round_trip_is_told_from_the_opening() -> None:
    connected = read(SMALL)[0].transcript.first(ev.Connected)
    assert connected is not None
    assert connected.seconds == pytest.approx(0.001, abs=1e-5)


def test_a_lost_segment_is_a_gap_and_what_follows_is_decoded_again() -> None:
    lost = next(segment for segment in SMALL if segment.way == SERVER and len(segment.data) == 200)
    (captured,) = read([segment for segment in SMALL if segment is not lost])
    (gap,) = captured.transcript.all(Gap)
    assert (gap.side, gap.missing) == (Side.SERVER, 200)
    assert by_side(known.facts(captured))["client"] == by_side(WHOLE)["client"]
    assert any(message.side is Side.SERVER for message in captured.transcript.messages())
    assert "200 bytes that the server sent are not in the capture (lost or cut packets)" in captured.notes


def test_a_connection_that_was_open_already_is_listed() -> None:
    data = [segment for segment in forge.SEGMENTS if segment.data]
    (captured,) = read([segment for segment in data[2:] if segment.data])
    assert captured.server == ("10.0.0.2", 443)
    assert "the beginning of this TLS connection is not in the capture" in captured.notes
    assert captured.transcript.all(OpaqueRecord) or captured.transcript.messages() or captured.transcript.all(ApplicationData)


def test_encrypted_alerts_of_a_connection_that_was_open_already_are_not_read_as_words() -> None:
    """The last record of each side alone, of TLS 1.2: an alert that nobody can open here."""
    last = {CLIENT: forge.payloads("suricata-tls/tls-cert-noissuer.pcap")[-2][1], SERVER: b"\x17\x03\x03\x00\x20" + bytes(32)}
    for parts in ([(CLIENT, last[CLIENT])], [(SERVER, last[SERVER]), (CLIENT, last[CLIENT])], [(CLIENT, last[CLIENT])] * 2):
        (captured,) = forge.read(forge.pcap(forge.packets(forge.conversation(parts, opening=False))))[1]
        assert captured.transcript.all(Alert) == []
        assert next(record.alert for record in captured.transcript.all(OpaqueRecord) if record.side is Side.CLIENT)
        assert decode(captured).row.verdict == "undecided"


@pytest.mark.parametrize("way", [CLIENT, SERVER])
def test_one_direction_only_shows_what_that_side_said(way: int) -> None:
    (captured,) = read([segment for segment in SMALL if segment.way == way])
    side = ("client", "server")[way]
    assert by_side(known.facts(captured))[side] == by_side(WHOLE)[side]
    assert f"nothing that the {('server', 'client')[way]} sent is in the capture" in captured.notes


def test_interleaved_connections_keep_apart_and_are_counted_in_order() -> None:
    many = [
        forge.conversation(forge.PARTS, size=100 + number, isn=(number * 1000, number * 77), ports=(40000 + number, 443),
                           start=1000 + number * 0.0001)
        for number in range(20)
    ]
    found = read(sorted((segment for one in many for segment in one), key=lambda segment: segment.at))
    assert [captured.stream for captured in found] == list(range(20))
    assert [captured.client[1] for captured in found] == [40000 + number for number in range(20)]
    assert [known.facts(captured) for captured in found] == [WHOLE] * 20


def test_the_same_ports_again_are_another_stream() -> None:
    first = forge.conversation(forge.PARTS)
    again = forge.conversation(forge.PARTS, isn=(777_000, 888_000), start=1001.0)
    found = read(first + again)
    assert [captured.stream for captured in found] == [0, 1]
    assert [known.facts(captured) for captured in found] == [WHOLE, WHOLE]


def test_late_packets_of_a_closed_connection_begin_no_new_one() -> None:
    late = forge.SEGMENTS[-1]._replace(at=forge.SEGMENTS[-1].at + 60)
    other = forge.conversation(forge.PARTS, ports=(41000, 443), start=1050.0)
    found = read([*forge.SEGMENTS, *other, late])
    assert [captured.stream for captured in found] == [0, 1]


@pytest.mark.parametrize(("flags", "way", "expected"), [
    (FIN | ACK, CLIENT, ("client", "fin")), (FIN | ACK, SERVER, ("server", "fin")),
    (RST | ACK, CLIENT, ("client", "reset")), (RST, SERVER, ("server", "reset")),
])
def test_who_closed_first_and_how_is_told(flags: int, way: int, expected: tuple[str, str]) -> None:
    segments = forge.conversation(forge.PARTS, close=())
    last = [segment for segment in segments if segment.way == way][-1]
    end = last._replace(seq=last.seq + len(last.data), flags=flags, data=b"", at=2000.0)
    ended = read([*segments, end])[0].transcript.last(ev.Ended)
    assert ended is not None
    assert (ended.by, ended.how) == expected


def test_a_connection_without_an_end_says_so() -> None:
    (captured,) = read(forge.conversation(forge.PARTS, close=()))
    assert captured.transcript.last(ev.Ended) is None
    assert captured.notes == ("the capture ends before the connection does",)


def test_a_reset_with_a_stray_number_does_not_end_the_connection() -> None:
    stray = Segment(SERVER, 0x90000000, 0, RST, b"", 1000.0005)
    captured = read([*forge.SEGMENTS[:3], stray, *forge.SEGMENTS[3:]])[0]
    ended = captured.transcript.last(ev.Ended)
    assert ended is not None
    assert (ended.by, ended.how) == ("client", "fin")
    assert known.facts(captured) == WHOLE


# --- where TLS begins ---


@pytest.mark.parametrize("before", [
    [(SERVER, b"220 ready\r\n"), (CLIENT, b"EHLO x\r\n"), (SERVER, b"250 STARTTLS\r\n"), (CLIENT, b"STARTTLS\r\n"),
     (SERVER, b"220 go\r\n")],
    [(CLIENT, b"CONNECT host:443 HTTP/1.1\r\nHost: host:443\r\n\r\n"), (SERVER, b"HTTP/1.1 200 OK\r\n\r\n")],
    [(CLIENT, b"\0\0\0\x08\x04\xd2\x16\x2f"), (SERVER, b"S")],
    [(CLIENT, b"\x05\x01\x00"), (SERVER, b"\x05\x00"), (CLIENT, b"\x05\x01\0\x03\x01a\x01\xbb"),
     (SERVER, b"\x05\0\0\x01" + bytes(6))],
])
def test_tls_begins_after_plaintext(before: list[tuple[int, bytes]]) -> None:
    (captured,) = read(forge.conversation([*before, *forge.PARTS], size=200, ports=(50000, 8765)))
    assert known.facts(captured) == WHOLE
    assert [(event.side.value, event.data) for event in captured.transcript.all(ev.Plain)] == [
        (("client", "server")[way], data) for way, data in before
    ]


def test_a_proxy_header_in_the_same_segment_as_the_hello_is_passed_over() -> None:
    (way, hello), *rest = forge.PARTS
    header = b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"
    (captured,) = read(forge.conversation([(way, header + hello), *rest]))
    assert known.facts(captured) == WHOLE
    assert [event.data for event in captured.transcript.all(ev.Plain)] == [header]


def test_the_side_that_accepted_tcp_may_be_the_tls_client() -> None:
    parts = [(1 - way, data) for way, data in forge.PARTS]
    (captured,) = read(forge.conversation(parts))
    assert (captured.client[1], captured.server[1]) == (443, 40000)
    assert known.facts(captured) == WHOLE


def test_plaintext_is_no_tls_connection() -> None:
    web = [(CLIENT, b"GET / HTTP/1.1\r\n\r\n"), (SERVER, b"HTTP/1.1 200 OK\r\n\r\n" + b"\x16\x03\x01 body " * 20_000)]
    assert read(forge.conversation(web)) == []
    assert read(forge.conversation([(CLIENT, bytes(range(256)) * 4), (SERVER, b"\x17\x03\x03" * 99)])) == []


def test_a_hello_to_a_server_that_never_answers_is_listed() -> None:
    (captured,) = read(forge.conversation(forge.PARTS[:1], close=()))
    assert [message.type.label for message in captured.transcript.messages()] == ["client_hello"]
    assert not captured.transcript.all(NotTls)


# --- damage on purpose ---


def damaged(segments: list[Segment], seed: int) -> list[Segment]:
    """Segments dropped, duplicated, reordered, cut by the snap length, and copies of them with other contents' lengths."""
    rng = random.Random(seed)
    share = rng.choice((0.02, 0.1, 0.3))
    out: list[tuple[float, Segment]] = []
    for place, segment in enumerate(segments):
        chance = rng.random()
        if chance < share / 2:
            continue
        if chance < share and len(segment.data) > 1:
            segment = segment._replace(cut=rng.randrange(1, len(segment.data)))
        position = place + (rng.uniform(-12, 12) if rng.random() < share else 0)
        out.append((position, segment))
        if rng.random() < share:
            out.append((place + rng.uniform(0, 30), segment))
    return [segment for _, segment in sorted(out, key=lambda pair: pair[0])]


def messages(captured: Captured) -> list[tuple[str, int, bytes]]:
    return [(m.side.value, m.type, m.body) for m in captured.transcript.events if isinstance(m, Message)]


SESSIONS = {
    name: (
        forge.conversation(forge.payloads(f"{name}.pcap"), size=150),
        (known.FIXTURES / f"{name}.keylog").read_bytes().splitlines(),
    )
    for name in (
        "generated-ca-names/tls12-ca-names", "generated-ca-names/tls13-ca-names", "go-crypto-tls/Client-TLSv12-RenegotiateOnce",
        "go-crypto-tls/Client-TLSv13-HelloRetryRequest", "illustrated-tls/tls13",
    )
}


@pytest.mark.parametrize("with_keys", [True, False])
@pytest.mark.parametrize("name", SESSIONS)
def test_damaged_captures_never_crash_and_never_report_a_wrong_message(name: str, with_keys: bool) -> None:
    segments, lines = SESSIONS[name]
    keylog = lines if with_keys else []
    (faultless,) = forge.read(forge.pcap(forge.packets(segments)), keylog)[1]
    right = messages(faultless)
    for seed in range(200):
        _, found = forge.read(forge.pcap(forge.packets(damaged(segments, seed))), keylog)
        for captured in found:
            said = messages(captured)
            assert set(said) <= set(right), f"seed {seed}"
            for side in ("client", "server"):
                ours = [message for message in said if message[0] == side]
                rest = iter([message for message in right if message[0] == side])
                assert all(message in rest for message in ours), f"seed {seed}: order of the {side}"


@pytest.mark.parametrize("seed", range(50))
def test_random_bytes_in_a_capture_never_crash(seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(forge.pcap(forge.packets(SMALL)))
    for _ in range(rng.choice((1, 5, 50, 500))):
        data[rng.randrange(24, len(data))] = rng.randrange(256)
    forge.read(bytes(data), forge.KEYLOG)


# --- bounds ---


def test_half_open_connections_beyond_the_limit_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "MAX_OPEN", 500)
    syns = [
        (1000.0 + number, forge.ethernet(forge.ipv4(Segment(CLIENT, number, 0, SYN, b"", 0.0, 0, (1024 + number, 443)))), 54)
        for number in range(2000)
    ]
    reader, found = forge.read(forge.pcap(syns))
    assert (reader.streams, found) == (2000, [])


def test_what_waits_behind_a_hole_is_bounded() -> None:
    opening = forge.SEGMENTS[:4]
    server = next(segment for segment in forge.SEGMENTS if segment.way == SERVER and segment.data)
    flood = [server._replace(seq=server.seq + 100_000 + number * 1400, data=b"x" * 1400) for number in range(2000)]
    (captured,) = read([*opening, *flood])
    assert sum(gap.missing for gap in captured.transcript.all(Gap)) == 100_000
