"""The driver's turn: what fills our buffer is followed by more, up to the end of what the conversation wants."""

from __future__ import annotations

from typing import Any

import pytest

from inspector.drive.end import Over
from inspector.drive.speak import TURN, Speaking
from inspector.drive.stream import BULK_SIZE


class Pieces:
    """A stream from which these pieces come; then the end."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)

    def receive_bulk(self) -> bytes | None:
        return self.pieces.pop(0) if self.pieces else None


class Engine:
    peer_closed = False


class Hears(Speaking):
    """Hears in the clear: what comes is what the conversation gets."""

    def __init__(self, stream: Pieces) -> None:
        self.stream = stream  # type: ignore[assignment]
        self.engine = Engine()  # type: ignore[assignment]
        self._plaintext = []

    def take(self, data: bytes | memoryview) -> None:
        self._plaintext.append(data)

    def pull(self) -> None:
        pass


class Wants:
    """A conversation that is done after so many bytes."""

    name = "test"
    result: Any = None

    def __init__(self, size: int) -> None:
        self.size = size
        self.got = 0
        self.cut = False

    def data_to_send(self) -> bytes:
        return b""

    def receive_data(self, data: bytes) -> None:
        self.got += len(data)

    def receive_eof(self) -> None:
        self.cut = True

    @property
    def done(self) -> bool:
        return self.got >= self.size


FULL = bytes(BULK_SIZE)


def test_an_end_behind_what_was_wanted_is_nobodys_business() -> None:
    conversation = Wants(2 * BULK_SIZE)
    Hears(Pieces(FULL, FULL))._receive(conversation)
    assert conversation.done
    assert not conversation.cut


def test_an_end_before_that_is_told() -> None:
    conversation = Wants(3 * BULK_SIZE)
    with pytest.raises(Over):
        Hears(Pieces(FULL, FULL))._receive(conversation)
    assert conversation.cut


def test_a_piece_that_leaves_room_ends_the_turn() -> None:
    stream = Pieces(FULL, FULL[1:], FULL)
    hears, conversation = Hears(stream), Wants(3 * BULK_SIZE)
    hears._receive(conversation)
    hears.hand_over(conversation)
    assert (conversation.got, len(stream.pieces)) == (2 * BULK_SIZE - 1, 1)


def test_a_server_that_has_always_more_is_heard_in_turns() -> None:
    stream = Pieces(*[FULL] * (2 * TURN))
    Hears(stream)._receive(Wants(100 * BULK_SIZE))
    assert len(stream.pieces) == TURN
