"""Much data over one connection: it is moved in larger pieces from some point on, and nothing else changes."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import pytest

from inspector.engine import beneath
from inspector.engine.connection import BULK_FROM, CloseNotify, Data
from inspector.plan import TlsVersion
from inspector.trace.events import EngineError
from tests.engine.pairs import BOTH, CLIENT, Pair, StdlibServer, begin, exchange, plan, shake

SIZE = 3 * 1024 * 1024
BODY = random.Random(1).randbytes(SIZE)


def drained(engine: Any) -> list[Any]:
    events = []
    while (event := engine.next_event()) is not None:
        events.append(event)
    return events


def received(engine: Any) -> bytes:
    return b"".join(event.data for event in drained(engine) if isinstance(event, Data))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(params=[True, False], ids=["bulk", "the binding has less"])
def bulk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """With what lies below pyOpenSSL's interface, and without it."""
    if not request.param:
        monkeypatch.setattr(beneath.Bulk, "possible", staticmethod(lambda _: False))
    return bool(request.param)


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("piece", [1000, 16_384, 70_000, 1_000_000])
def test_much_data_arrives_whole_in_both_directions(bulk: bool, version: TlsVersion, piece: int) -> None:
    pair = shake(plan(version))
    for sender, receiver in ((pair.server, pair.client), (pair.client, pair.server)):
        got = hashlib.sha256()
        rng = random.Random(piece)
        for start in range(0, SIZE, piece):
            assert sender.write(BODY[start:start + piece], 0.0)
            wire = sender.data_to_send()
            while wire:
                cut = rng.randrange(1, 300_000)
                receiver.receive_data(memoryview(wire)[:cut], 0.0)
                wire = wire[cut:]
                got.update(received(receiver))
        assert got.hexdigest() == digest(BODY)
    assert (pair.client._bulk is not None) is bulk


@pytest.mark.parametrize("version", BOTH)
def test_much_data_reaches_another_binding_of_openssl(bulk: bool, version: TlsVersion) -> None:
    server = StdlibServer(version)
    pair = begin(plan(version), server)
    assert pair.client.write(BODY, 0.0)
    server.receive_data(pair.client.data_to_send(), 0.0)
    got = b""
    while len(got) < SIZE:
        got += server.tls.read(1 << 20)
    assert digest(got) == digest(BODY)


def streaming(version: TlsVersion) -> Pair:
    """A pair that has moved enough to move more at once."""
    pair = shake(plan(version))
    pair.server.write(BODY[:2 * BULK_FROM], 0.0)
    pair.client.receive_data(pair.server.data_to_send(), 0.0)
    assert len(received(pair.client)) == 2 * BULK_FROM
    return pair


@pytest.mark.parametrize("version", BOTH)
def test_the_end_behind_much_data_is_told_after_it(bulk: bool, version: TlsVersion) -> None:
    pair = streaming(version)
    pair.server.write(BODY[:50_000], 0.0)
    pair.server.close()
    pair.client.receive_data(pair.server.data_to_send(), 0.0)
    events = drained(pair.client)
    assert b"".join(event.data for event in events if isinstance(event, Data)) == BODY[:50_000]
    assert isinstance(events[-1], CloseNotify)
    assert pair.client.peer_closed


@pytest.mark.parametrize("version", BOTH)
def test_a_broken_record_behind_much_data_is_an_error_after_it(bulk: bool, version: TlsVersion) -> None:
    pair = streaming(version)
    pair.server.write(BODY[:50_000], 0.0)
    good = bytes(pair.server.data_to_send())
    pair.server.write(BODY[:100], 0.0)
    broken = bytearray(pair.server.data_to_send())
    broken[-1] ^= 1
    pair.client.receive_data(good + broken, 0.0)
    events = drained(pair.client)
    assert b"".join(event.data for event in events if isinstance(event, Data)) == BODY[:50_000]
    (error,) = [event for event in events if isinstance(event, EngineError)]
    assert error.reasons
    assert pair.client.failed
    assert drained(pair.client) == []


@pytest.mark.parametrize("version", BOTH)
def test_a_certificate_asked_for_behind_much_data_is_sent(bulk: bool, version: TlsVersion) -> None:
    pair = shake(plan(version), late=True)
    for sender, receiver in ((pair.server, pair.client), (pair.client, pair.server)):
        sender.write(BODY[:2 * BULK_FROM], 0.0)
        receiver.receive_data(sender.data_to_send(), 0.0)
        assert len(received(receiver)) == 2 * BULK_FROM
    assert pair.server.ask_for_certificate(1.0)
    exchange(pair)
    assert CLIENT.cert == pair.server.client_chain[0]
    pair.server.write(b"welcome", 0.0)
    pair.client.receive_data(pair.server.data_to_send(), 0.0)
    assert received(pair.client) == b"welcome"


def test_little_data_needs_no_buffer() -> None:
    pair = shake()
    pair.server.write(BODY[:BULK_FROM // 2], 0.0)
    pair.client.receive_data(pair.server.data_to_send(), 0.0)
    assert received(pair.client) == BODY[:BULK_FROM // 2]
    assert pair.client._bulk is None


@pytest.mark.parametrize("version", BOTH)
def test_what_is_to_be_sent_stays_as_it_is_until_the_one_after_the_next(bulk: bool, version: TlsVersion) -> None:
    pair = shake(plan(version))
    assert pair.client.write(BODY[:2 * BULK_FROM], 0.0)
    pair.server.receive_data(pair.client.data_to_send(), 0.0)
    assert len(received(pair.server)) == 2 * BULK_FROM
    views, copies = [], []
    for start in range(0, SIZE, SIZE // 8):
        assert pair.client.write(BODY[start:start + SIZE // 20], 0.0)
        views.append(pair.client.data_to_send())
        copies.append(bytes(views[-1]))
        assert list(map(bytes, views[-2:])) == copies[-2:]
    for copy in copies:
        pair.server.receive_data(copy, 0.0)
    assert len(received(pair.server)) == 8 * (SIZE // 20)


@pytest.mark.parametrize("version", BOTH)
def test_pieces_that_nobody_took_in_between_leave_one_behind_the_other(bulk: bool, version: TlsVersion) -> None:
    pair = shake(plan(version))
    for start in range(0, SIZE, 200_000):
        assert pair.client.write(memoryview(BODY)[start:start + 200_000], 0.0)
    pair.server.receive_data(pair.client.data_to_send(), 0.0)
    assert digest(received(pair.server)) == digest(BODY)
