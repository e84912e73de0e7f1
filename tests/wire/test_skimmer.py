"""Records that are passed over are counted as one by one, however the bytes come in pieces and however they stand in rows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL

from inspector.wire.events import Alert, ApplicationData, Side
from inspector.wire.records import HEADER
from inspector.wire.skimmer import KEPT_BELOW, KEY_UPDATE, ROW, Passed, Skimmer
from tests.wire.live import Pair, context

FULL = 16_401  # bytes of the payload of a full record in TLS 1.3

lengths = st.one_of(st.sampled_from([0, 1, KEY_UPDATE, KEPT_BELOW - 5, KEPT_BELOW - 1, KEPT_BELOW, FULL]), st.integers(0, FULL))
rows = st.lists(st.tuples(lengths, st.integers(1, 2 * ROW)), min_size=1, max_size=6)


def records(sizes: list[int]) -> bytes:
    # payloads that look like headers: who reads them as such counts wrongly
    lies = b"\x17\x03\x03\x40\x11"
    return b"".join(b"\x17\x03\x03" + size.to_bytes(2, "big") + lies[:size].ljust(size, b"\x03") for size in sizes)


def whole(sizes: list[int]) -> Passed:
    return Passed(len(sizes), sum(sizes))


def total(skimmer: Skimmer) -> tuple[int, int]:
    """All that was counted, and what the last piece holds, read one by one."""
    passed, last = skimmer.stop()
    count, size, at = passed.records, passed.size, 0
    while at + HEADER <= len(last):
        length = int.from_bytes(last[at + 3 : at + 5], "big")
        count, size, at = count + 1, size + length, at + HEADER + length
    return count, size


@given(rows, st.lists(st.integers(1, 400_000), max_size=5))
def test_what_was_passed_is_what_came(row: list[tuple[int, int]], cuts: list[int]) -> None:
    sizes = [length for length, count in row for _ in range(count)]
    data = records(sizes)
    skimmer = Skimmer(b"")
    at = 0
    for cut in [*cuts, len(data)]:
        if at < len(data):
            skimmer.feed(memoryview(data)[at : at + cut])
        at += cut
    skimmer.feed(records([1]))  # its piece begins where a record does
    passed, last = skimmer.stop()
    assert (passed, last) == (whole(sizes), records([1]))


@given(rows)
def test_the_last_piece_can_be_read_after_all(row: list[tuple[int, int]]) -> None:
    sizes = [length for length, count in row for _ in range(count)]
    skimmer = Skimmer(b"")
    skimmer.feed(records([FULL] * 3))
    skimmer.feed(records(sizes))
    assert total(skimmer) == (3 + len(sizes), 3 * FULL + sum(sizes))


@pytest.mark.parametrize("before", [0, 1, ROW - 1, ROW, ROW + 1, 3 * ROW])
@pytest.mark.parametrize("after", [0, 1, ROW])
def test_a_key_update_in_a_row_of_others_is_seen(before: int, after: int) -> None:
    skimmer = Skimmer(b"")
    skimmer.feed(records([FULL] * before + [KEY_UPDATE] + [FULL] * after))
    assert skimmer.key_update


@pytest.mark.parametrize("length", [KEY_UPDATE, 300, KEPT_BELOW - 1])
def test_a_short_record_cut_in_two_is_kept_until_it_is_whole(length: int) -> None:
    data = records([length] * 5)
    skimmer = Skimmer(b"")
    skimmer.feed(data[:-1])
    skimmer.feed(data[-1:])
    passed, last = skimmer.stop()
    assert passed == whole([length] * 4)
    assert last == records([length])


@given(rows, st.lists(st.integers(1, 20_000), min_size=1, max_size=8))
def test_reading_goes_on_at_a_record_wherever_the_last_piece_ended(row: list[tuple[int, int]], cuts: list[int]) -> None:
    sizes = [length for length, count in row for _ in range(count)]
    data = records(sizes)
    skimmer = Skimmer(b"")
    at = 0
    for cut in cuts:
        skimmer.feed(data[at : at + cut])
        at += cut
    passed, last = skimmer.stop()
    left = (last + data[at:])[skimmer.rest :]
    assert left == records(sizes[passed.records :])
    assert passed.size == sum(sizes[: passed.records])


@pytest.mark.parametrize("piece", [100, 1448, 5000, 16_406])
def test_an_alert_is_opened_behind_a_record_in_whose_middle_reading_went_on(piece: int) -> None:
    pair = Pair(*(context(SSL.TLS_METHOD, "ec-p256", version=SSL.TLS1_3_VERSION, suite="TLS_AES_128_GCM_SHA256") for _ in range(2)))
    pair.until_quiet()
    pair.say(Side.CLIENT, b"first")
    decoder = pair.decoder
    decoder.events()
    assert decoder.skim()
    data = b""
    for say in (*[lambda: pair.client.send(bytes(16_000))] * 3, pair.client.shutdown):
        say()
        data += pair.client.bio_read(1 << 20)
    for at in range(0, len(data), piece):
        if at >= 20_000:
            decoder.feed(Side.CLIENT, data[at : at + piece], 0.0)
            continue
        decoder.pass_over(Side.CLIENT, data[at : at + piece])
        if at + piece >= 20_000:
            decoder.read_on(0.0)
            if decoder.skim():
                decoder.read_on(0.0)
    events = decoder.events()
    assert [type(event) for event in events if not isinstance(event, ApplicationData)] == [Alert]
