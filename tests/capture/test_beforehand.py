"""Secrets are found wherever they stand in a file, whatever stands around them."""

from __future__ import annotations

import io

import pytest

from inspector.capture.beforehand import secrets_of
from inspector.capture.container import CHUNK
from tests.capture import forge

LINES = [b"CLIENT_RANDOM " + b"%064d" % number + b" 00" for number in range(3)]
PACKETS = forge.packets(forge.SEGMENTS)


def found(data: bytes) -> list[bytes]:
    return [line for lines in secrets_of(io.BytesIO(data)) for line in lines.splitlines()]


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_block_at_the_end_is_found(order: str) -> None:
    assert found(forge.pcapng(PACKETS, order=order) + forge.secrets(LINES, order)) == LINES


def test_blocks_of_several_sections_and_byte_orders_are_found() -> None:
    sections = [forge.pcapng(PACKETS, order=order) + forge.secrets([line], order) for order, line in zip("<><", LINES, strict=True)]
    assert found(b"".join(sections)) == LINES


@pytest.mark.parametrize("size", [CHUNK - 100, CHUNK - 21, CHUNK, 3 * CHUNK + 5])
def test_long_blocks_are_passed_over(size: int) -> None:
    data = forge.section() + forge.interface() + forge.block(0x0BAD, bytes(size)) + forge.secrets(LINES)
    assert found(data + forge.block(0x0BAD, bytes(size)) + forge.secrets(LINES[:1])) == [*LINES, LINES[0]]


def test_damage_and_other_files_end_it_quietly() -> None:
    whole = forge.pcapng(PACKETS) + forge.secrets(LINES)
    for cut in range(0, len(whole), 7):
        assert all(any(line.startswith(piece) for line in LINES) for piece in found(whole[:cut]))
    assert found(forge.pcap(PACKETS) + forge.secrets(LINES)) == []
    assert found(forge.section() + bytes(12) + forge.secrets(LINES)) == []
    assert found(b"\n\r\r\n" + bytes(40)) == []
