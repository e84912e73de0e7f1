"""What is judged by its outline is judged as if it had been decoded: the claim on which a fast table rests."""

from __future__ import annotations

import random
import ssl
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path

import pytest

from inspector.capture.captured import Captured
from inspector.session.read import Judgements, decode
from tests.capture import forge, known
from tests.capture.forge import CLIENT, SERVER, Segment
from tests.session.talks import Parts, contexts, talk


@cache
def conversations(folder: Path) -> list[Parts]:
    """Real ones of TLS 1.2 and 1.3: the server asks or not, the client sends a good certificate, a refused one, or none."""
    found = []
    versions = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    for version, asks, sends, trusts in product(versions, (None, "want", "need"), (None, "good", "bad"), ("ca", "other")):
        client, server = contexts(folder, version, asks, sends, trusts)
        found += [talk(client, server, size) for size in (0, 10, 3000)]
    return found


def ends(parts: Parts) -> Iterator[list[Segment]]:
    """The same conversation with each way to end it, and cut short at each place."""
    for cut in range(1, len(parts) + 1):
        for close in ((), (CLIENT, SERVER), (SERVER, CLIENT), (SERVER,)):
            yield forge.conversation(parts[:cut], close=close)


def captures(segments: list[Segment]) -> list[Captured]:
    return forge.read(forge.pcap(forge.packets(segments)))[1]


def compare(found: list[Captured], judgements: Judgements) -> tuple[int, int]:
    """How many were compared, and how many had an outline."""
    outlined = 0
    for captured in found:
        outlined += captured.outline is not None
        quick = judgements.of(captured).row
        assert quick == decode(captured).row
    return len(found), outlined


def test_each_conversation_and_each_way_to_end_it_is_judged_as_if_decoded(tmp_path: Path) -> None:
    judgements, compared, outlined = Judgements(), 0, 0
    for parts in conversations(tmp_path):
        for segments in ends(parts):
            total, drawn = compare(captures(segments), judgements)
            compared, outlined = compared + total, outlined + drawn
    assert compared > 1500
    assert outlined > 0.9 * compared


@pytest.mark.parametrize("seed", range(6))
def test_damaged_conversations_are_judged_as_if_decoded(tmp_path: Path, seed: int) -> None:
    rng, judgements = random.Random(seed), Judgements()
    for parts in conversations(tmp_path):
        way, data = parts[rng.randrange(len(parts))]
        broken = bytearray(data)
        broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        place = rng.randrange(len(parts))
        for changed in (
            [*parts[:place], (way, bytes(broken)), *parts[place + 1:]],
            [*parts[:place], *parts[place + 1:]],
            [*parts[:place], parts[place], parts[place], *parts[place + 1:]],
            [(1 - who, what) for who, what in parts],
        ):
            compare(captures(forge.conversation(changed, size=rng.choice((50, 500, 1400)))), judgements)


def test_captures_of_others_are_judged_as_if_decoded() -> None:
    judgements, compared = Judgements(), 0
    for path in known.captures():
        found = known.read(path, keylog=())[1]
        compared += compare(found, judgements)[0]
    assert compared > 60


def test_a_name_is_its_own(tmp_path: Path) -> None:
    """Connections of one outline differ in name, addresses and number, and keep theirs."""
    parts = conversations(tmp_path)[0]
    other = [(way, data.replace(b"localhost", b"127.0.0.x")) for way, data in parts]
    segments = [*forge.conversation(parts), *forge.conversation(other, ports=(41000, 8443), start=1010.0)]
    judgements = Judgements()
    rows = [judgements.of(captured).row for captured in captures(segments)]
    assert [(row.stream, row.server_name, row.server) for row in rows] == [
        (0, "localhost", "10.0.0.2:443"), (1, "127.0.0.x", "10.0.0.2:8443"),
    ]
    assert rows[0][4:] == rows[1][4:]
