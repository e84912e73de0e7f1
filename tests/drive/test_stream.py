"""What the socket does not take at once is kept, also where its owner goes on to write over it."""

from __future__ import annotations

import random
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from inspector.drive.stream import Stream


class Recorded:
    """Stands where the recorder does: what passed the socket."""

    at = 0.0

    def __init__(self) -> None:
        self.passed = bytearray()

    def saw_bytes(self, side: object, data: bytes | memoryview, at: float) -> None:
        self.passed += data


@pytest.fixture
def ends() -> Any:
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 20_000)
    recorded = Recorded()
    yield SimpleNamespace(stream=Stream(near, recorded), far=far, recorded=recorded)  # type: ignore[arg-type]
    near.close()
    far.close()


def read(far: socket.socket) -> bytes:
    try:
        return far.recv(1 << 20)
    except BlockingIOError:
        return b""


@pytest.mark.parametrize("piece", [100, 5_000, 300_000])
def test_a_buffer_may_be_written_over_once_it_was_flushed(ends: Any, piece: int) -> None:
    source, buffer, sent, got = random.Random(piece), bytearray(piece), bytearray(), bytearray()
    for turn in range(12):
        buffer[:] = source.randbytes(piece)
        sent += buffer
        ends.stream.queue(memoryview(buffer))
        ends.stream.flush()
        assert ends.stream.backlog + len(ends.recorded.passed) == len(sent)
        if turn % 3:
            got += read(ends.far)
    while ends.stream.backlog or len(got) < len(sent):
        ends.stream.flush()
        got += read(ends.far)
    assert got == sent == ends.recorded.passed


def test_a_buffer_that_waits_behind_another_is_copied_before_it_is_used_again(ends: Any) -> None:
    buffer = bytearray(b"a" * 100_000)
    ends.stream.queue(memoryview(buffer))
    ends.stream.flush()
    buffer[:] = b"b" * 100_000
    ends.stream.queue(memoryview(buffer)[:10])
    ends.stream.queue(b"c")
    buffer[:] = b"d" * 100_000
    got = bytearray()
    while ends.stream.backlog:
        ends.stream.flush()
        got += read(ends.far)
    got += read(ends.far)
    assert got == b"a" * 100_000 + b"b" * 10 + b"c"
