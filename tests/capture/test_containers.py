"""Containers: every dialect of pcap and pcapng gives the same connection, and damage ends reading with a note, not an error."""

from __future__ import annotations

import gzip
import io
import json
import struct

import pytest

from inspector.capture.container import SECRETS, CaptureFile
from inspector.errors import InputError
from tests.capture import forge, known

PACKETS = forge.packets(forge.SEGMENTS)
WHOLE = forge.whole()


def facts(data: bytes, keylog: list[bytes] | None = None) -> list[known.Fact]:
    (captured,) = forge.read(data, forge.KEYLOG if keylog is None else keylog)[1]
    return known.facts(captured)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("options", [{}, {"nano": True}, {"modified": True}, {"fcs": 4}, {"nano": True, "fcs": 2}])
def test_every_dialect_of_pcap_is_read(order: str, options: dict[str, int]) -> None:
    assert facts(forge.pcap(PACKETS, order=order, **options)) == WHOLE  # type: ignore[arg-type]


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_is_read_in_both_byte_orders(order: str) -> None:
    assert facts(forge.pcapng(PACKETS, order=order)) == WHOLE


def test_gzip_is_opened_also_in_several_members() -> None:
    data = forge.pcap(PACKETS)
    assert facts(gzip.compress(data)) == WHOLE
    assert facts(gzip.compress(data[:500]) + gzip.compress(data[500:])) == WHOLE


def test_a_pipe_that_gives_a_byte_at_a_time_is_read() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(1)

    packets = list(CaptureFile(Slow(forge.pcap(PACKETS[:5]))))
    assert [data for _, _, data, _ in packets] == [data for _, data, _ in PACKETS[:5]]


@pytest.mark.parametrize(("nano", "places"), [(False, 6), (True, 9)])
def test_times_have_the_resolution_of_the_file(nano: bool, places: int) -> None:
    (item,) = CaptureFile(io.BytesIO(forge.pcap([(12.123456789, b"x", 1)], nano=nano)))
    assert item[0] == pytest.approx(round(12.123456789, places), abs=10**-places)


@pytest.mark.parametrize(("resolution", "units"), [(b"\x06", 1e6), (b"\x09", 1e9), (b"\x03", 1e3), (b"\x8a", 2**10)])
def test_times_of_pcapng_follow_the_interface(resolution: bytes, units: float) -> None:
    data = forge.section() + forge.interface(options=forge.option(9, resolution)) + forge.enhanced((12.5, b"x", 1), units=units)
    assert [item[0] for item in CaptureFile(io.BytesIO(data))] == [12.5]


def test_the_interface_has_an_offset_and_a_frame_check_sequence() -> None:
    options = forge.option(14, struct.pack("<q", 100)) + forge.option(13, b"\x04")
    data = forge.section() + forge.interface(options=options) + forge.enhanced((12.5, b"packet" + b"FCS!", 10))
    assert list(CaptureFile(io.BytesIO(data))) == [(112.5, 1, b"packet", 10)]


def test_several_sections_of_different_byte_order_and_several_interfaces() -> None:
    first = forge.section("<") + forge.interface(1, "<") + forge.interface(101, "<")
    first += b"".join(forge.enhanced(packet, 0, "<") for packet in PACKETS[:8])
    raw = forge.packets(forge.SEGMENTS, wrap=bytes)
    second = forge.section(">") + forge.interface(101, ">")
    second += b"".join(forge.enhanced(packet, 0, ">") for packet in raw[8:])
    assert facts(first + second) == WHOLE


def test_simple_and_obsolete_packet_blocks_are_read() -> None:
    data = forge.section() + forge.interface()
    for number, (at, packet, length) in enumerate(PACKETS):
        time = round(at * 1e6)
        data += forge.block(3, struct.pack("<I", length) + packet) if number % 2 else forge.block(
            2, struct.pack("<HHIIII", 0, 0, time >> 32, time & 0xFFFFFFFF, len(packet), length) + packet)
    assert facts(data) == WHOLE


@pytest.mark.parametrize("place", [0, 4, 5])
def test_secrets_in_the_capture_open_it_wherever_they_stand(place: int) -> None:
    blocks = [forge.enhanced(packet) for packet in PACKETS]
    blocks.insert(place, forge.secrets(forge.KEYLOG))
    assert facts(forge.section() + forge.interface() + b"".join(blocks), []) == WHOLE


def test_secrets_at_the_end_open_it_too() -> None:
    data = forge.pcapng(PACKETS) + forge.secrets(forge.KEYLOG)
    assert sorted(facts(data, [])) == sorted(WHOLE)


@pytest.mark.parametrize("name", sorted(json.loads((known.FIXTURES / "pcapng-basic/expected.json").read_text())))
def test_blocks_of_all_kinds_give_the_packets_that_tshark_lists(name: str) -> None:
    # TShark counts custom blocks as records; they have no interface, and are no packets.
    rows = json.loads((known.FIXTURES / "pcapng-basic/expected.json").read_text())[name]["packets"]
    expected = [(row[2], row[1]) for row in rows if len(row) == 4 and row[3] is not None]
    with (known.FIXTURES / "pcapng-basic" / name).open("rb") as file:
        capture = CaptureFile(file)
        assert [(len(data), length) for _, link, data, length in capture if link != SECRETS] == expected
    assert capture.notes == []


@pytest.mark.parametrize(("data", "start"), [
    (forge.pcap(PACKETS), 24), (forge.pcapng(PACKETS), 24), (gzip.compress(forge.pcap(PACKETS)), 600),
])
def test_every_prefix_of_a_capture_is_read_as_far_as_it_goes(data: bytes, start: int) -> None:
    for end in range(start, len(data), 7):
        reader, found = forge.read(data[:end], forge.KEYLOG)
        for captured in found:
            facts_here = known.facts(captured)
            assert facts_here == WHOLE[:len(facts_here)]
        assert len(reader.notes) <= 1


@pytest.mark.parametrize(("data", "words"), [
    (b"", "is empty"),
    (b"x" * 100, "is no packet capture"),
    (b"CLIENT_RANDOM 00 00\n", "is a key log file"),
    (b"snoop\0\0\0" + bytes(20), "is a snoop file"),
    (gzip.compress(gzip.compress(b"x" * 50)), "is a gzip file inside a gzip file"),
    (b"\x1f\x8b" + b"\xff" * 40, "cannot be read: the gzip data is damaged"),
    (b"\xd4\xc3", "is no packet capture"),
    (bytes(1 << 16), "is no packet capture"),
])
def test_what_is_no_capture_is_named(data: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        CaptureFile(io.BytesIO(data), "x")
    assert caught.value.kind == "not-a-capture"
    assert caught.value.hint


@pytest.mark.parametrize(("tail", "words"), [
    (struct.pack("<IIII", 0, 0, 0xFFFFFFFF, 0), "claims 4294967295 bytes"),
    (struct.pack("<IIII", 0, 0, 100, 100) + b"x", "ends in the middle of a packet"),
    (b"\0" * 16 * 20_000, "holds only empty packets"),
])
def test_damage_in_a_pcap_ends_reading_with_a_note(tail: bytes, words: str) -> None:
    reader, found = forge.read(forge.pcap(PACKETS) + tail, forge.KEYLOG)
    assert known.facts(found[0]) == WHOLE
    assert words in reader.notes[0]


@pytest.mark.parametrize(("tail", "words"), [
    (struct.pack("<II", 6, 0), "ends in the middle of a block"),
    (struct.pack("<III", 6, 8, 8), "claims 8 bytes"),
    (struct.pack("<III", 6, 0xFFFFFFF0, 8), "claims 4294967280 bytes"),
    (forge.block(6, struct.pack("<IIIII", 9, 0, 0, 4, 4) + b"abcd"), "is damaged and was left out"),
    (forge.block(6, struct.pack("<IIIII", 0, 0, 0, 400, 4) + b"abcd"), "is damaged and was left out"),
    (b"\x0a\x0d\x0d\x0a" + struct.pack("<II", 28, 7), "without byte order"),
])
def test_damage_in_a_pcapng_is_noted(tail: bytes, words: str) -> None:
    reader, found = forge.read(forge.pcapng(PACKETS) + tail, forge.KEYLOG)
    assert known.facts(found[0]) == WHOLE
    assert words in reader.notes[0]


def test_unknown_blocks_and_garbage_in_secrets_do_no_harm() -> None:
    data = forge.section() + forge.block(0xBAD, b"custom") + forge.interface()
    data += forge.block(10, struct.pack("<II", 0x544C534B, 9999) + b"\xff\xfe garbage\nCLIENT_RANDOM zz zz\n")
    data += forge.block(10, struct.pack("<II", 0x57474B4C, 4) + b"none")
    data += b"".join(forge.enhanced(packet) for packet in PACKETS)
    assert facts(data) == WHOLE
