"""Bodies whose length is announced go beside the parser: the same bytes, the same ends."""

from __future__ import annotations

import hashlib
import io

import pytest

from inspector.app.http1 import Http1
from inspector.app.http_exchange import UPLOAD_PIECE, UPLOAD_VIEW
from inspector.app.http_message import BytesBody, Outcome, Request, one
from inspector.cli.request_files import FileBody

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
OTHER_LENGTH = "the body is not of the length that was announced"


class Changing(BytesBody):
    """A file that has another length when it is read than when it was looked at."""

    def __init__(self, announced: int, data: bytes) -> None:
        super().__init__(data)
        self._announced = announced

    @property
    def size(self) -> int | None:
        return self._announced


def said(conversation: Http1) -> bytes:
    return b"".join(map(bytes, iter(conversation.data_to_send, b"")))


@pytest.mark.parametrize("size", [0, 1, UPLOAD_PIECE, 2 * UPLOAD_PIECE + 1])
def test_counted_bodies_go_one_after_the_other(size: int) -> None:
    requests = [Request("PUT", "h", f"/{number}", (), BytesBody(b"x" * size)) for number in range(3)]
    waiting = iter(requests)
    conversation = Http1(lambda _: next(waiting, None))
    for request in requests:
        head, _, body = said(conversation).partition(b"\r\n\r\n")
        assert head.startswith(f"PUT {request.target} ".encode())
        assert f"Content-Length: {size}".encode() in head.split(b"\r\n")
        assert body == b"x" * size
        conversation.receive_data(OK)
    assert [(outcome.error, outcome.sent_bytes) for outcome in conversation.outcomes] == [(None, size)] * 3


@pytest.mark.parametrize(("announced", "length"), [(10, 9), (10, 11), (0, 1), (UPLOAD_PIECE + 1, UPLOAD_PIECE)])
def test_a_body_that_is_not_as_long_as_announced_ends_the_exchange_and_no_byte_too_many_leaves(announced: int, length: int) -> None:
    conversation = Http1(one(Request("PUT", "h", "/", (), Changing(announced, b"x" * length))))
    assert len(said(conversation).partition(b"\r\n\r\n")[2]) <= announced
    assert [outcome.error for outcome in conversation.outcomes] == [OTHER_LENGTH]


def test_a_length_of_the_users_own_holds() -> None:
    requests = [Request("PUT", "h", "/", (("Content-Length", length),), BytesBody(b"four")) for length in ("4", "3", "5")]
    errors = []
    for request in requests:
        conversation = Http1(one(request))
        said(conversation)
        conversation.receive_data(OK)
        errors.append(conversation.outcomes[0].error)
    assert errors == [None, OTHER_LENGTH, OTHER_LENGTH]


def test_chunks_that_the_user_asked_for_are_chunks() -> None:
    conversation = Http1(one(Request("PUT", "h", "/", (("Transfer-Encoding", "chunked"),), BytesBody(b"four"))))
    assert said(conversation).endswith(b"\r\n\r\n4\r\nfour\r\n0\r\n\r\n")


def test_an_answer_before_the_body_is_over_leaves_the_connection_to_nobody() -> None:
    requests = iter([Request("PUT", "h", "/1", (), BytesBody(b"x" * (3 * UPLOAD_PIECE))), Request("GET", "h", "/2")])

    def following(_: Outcome | None) -> Request | None:
        return next(requests, None)

    conversation = Http1(following)
    for _ in range(2):  # the head, and a piece
        conversation.data_to_send()
    conversation.receive_data(OK)
    assert conversation.done
    assert conversation.left_over is not None
    assert conversation.outcomes[0].reply is not None
    assert said(conversation) == b""


class Slow(io.BytesIO):
    """A file that hands out less than it is asked for."""

    def readinto(self, into: object) -> int:
        return super().readinto(memoryview(into)[:1000])  # type: ignore[arg-type, call-overload]


@pytest.mark.parametrize("file", [io.BytesIO, Slow])
@pytest.mark.parametrize("size", [0, 1, UPLOAD_VIEW - 1, UPLOAD_VIEW, 2 * UPLOAD_VIEW + 7])
def test_a_file_passes_through_one_buffer(file: type[io.BytesIO], size: int) -> None:
    data = bytes(i * 7 & 0xFF for i in range(997)) * (size // 997 + 1)
    conversation = Http1(one(Request("PUT", "h", "/", (), FileBody(file(data[:size])))), hashed=True)
    sent = said(conversation)
    assert sent.partition(b"\r\n\r\n")[2] == data[:size]
    assert conversation.sent_sha256.digest() == hashlib.sha256(sent).digest()
    conversation.receive_data(OK)
    assert [(outcome.error, outcome.sent_bytes) for outcome in conversation.outcomes] == [(None, size)]


@pytest.mark.parametrize("change", [-1, 1])
def test_a_file_that_changes_its_length_meanwhile_ends_the_exchange(change: int) -> None:
    file = io.BytesIO(b"x" * 1000)
    conversation = Http1(one(Request("PUT", "h", "/", (), FileBody(file))))
    file.truncate(1000 + min(change, 0))
    if change > 0:
        file.seek(0, io.SEEK_END)
        file.write(b"y")
    file.seek(0)
    assert len(said(conversation).partition(b"\r\n\r\n")[2]) <= 1000
    assert [outcome.error for outcome in conversation.outcomes] == [OTHER_LENGTH]
