"""Frames are joined, cut and sorted out without changing what they say, however the bytes are cut on their way."""

from __future__ import annotations

import random
from collections.abc import Iterator

import h2.config
import h2.connection
import h2.events
import pytest

from inspector.app import http2_frames
from inspector.app.http2 import WINDOW, Http2
from inspector.app.http2_frames import Body, FrameSieve, Goodbye, TooLong, split
from inspector.app.http_exchange import OTHER_LENGTH
from inspector.app.http_message import BytesBody, Request, one

LARGEST = 16_384
END, PADDED, HEADERS, SETTINGS = 0x1, 0x8, 0x1, 0x4


def frame(kind: int, payload: bytes, stream: int = 1, flags: int = 0) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def frames_of(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Type, flags, stream, payload."""
    at = 0
    while at < len(data):
        stop = at + 9 + int.from_bytes(data[at:at + 3], "big")
        yield data[at + 3], data[at + 4], int.from_bytes(data[at + 5:at + 9], "big"), data[at + 9:stop]
        at = stop


Meaning = list[tuple[object, ...]]


def meaning(frames: Iterator[tuple[int, int, int, bytes]]) -> Meaning:
    """What frames say: DATA of one stream, unpadded, is one however it is cut."""
    said: Meaning = []
    for kind, flags, stream, payload in frames:
        last = said[-1] if said else ()
        if kind == 0 and not flags & PADDED and last[:2] == ("data", stream) and not last[3]:
            said[-1] = ("data", stream, bytes(last[2]) + payload, bool(flags & END))  # type: ignore[call-overload]
        elif kind == 0 and not flags & PADDED:
            said.append(("data", stream, payload, bool(flags & END)))
        else:
            said.append((kind, flags, stream, payload))
    return said


def random_frames(rng: random.Random) -> bytes:
    out = []
    for _ in range(rng.randrange(1, 60)):
        stream = rng.choice((1, 1, 1, 3))
        if rng.random() < 0.75:
            padded = rng.random() < 0.1
            flags = (END if rng.random() < 0.05 else 0) | (PADDED if padded else 0)
            body = rng.randbytes(rng.choice((0, 1, 100, 8192, LARGEST)))[:LARGEST - 5]
            out.append(frame(0, b"\x04" + body + bytes(4) if padded else body, stream, flags))
        else:
            kind = rng.choice((HEADERS, SETTINGS, 8, 6, 99))
            out.append(frame(kind, rng.randbytes(rng.randrange(20)), stream, rng.randrange(256)))
    return b"".join(out)


def fed(sieve: FrameSieve, data: bytes, rng: random.Random) -> list[bytes | Goodbye | Body | TooLong]:
    found: list[bytes | Goodbye | Body | TooLong] = []
    while data:
        cut = rng.choice((1, 5, 9, 10, 1000, 100_000))
        lent = bytearray(data[:cut])
        found += sieve.feed(memoryview(lent))
        lent[:] = bytes(len(lent))  # a view is good for the time of the call
        data = data[cut:]
    return found


@pytest.mark.parametrize("seed", range(150))
def test_frames_say_the_same_behind_the_sieve(seed: int) -> None:
    rng = random.Random(seed)
    data = random_frames(rng)
    passed = fed(FrameSieve(LARGEST), data, rng)
    assert all(isinstance(piece, bytes) for piece in passed)
    assert meaning(frames_of(b"".join(passed))) == meaning(frames_of(data))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(150))
def test_data_of_a_watched_stream_comes_out_in_its_place(seed: int) -> None:
    rng = random.Random(seed)
    data = random_frames(rng)
    sieve = FrameSieve(LARGEST)
    sieve.watch(1)
    again = []
    for piece in fed(sieve, data, rng):
        if isinstance(piece, Body):
            again.append(frame(0, piece.data, 1, END if piece.last else 0)[3:])
        else:
            assert isinstance(piece, bytes)
            assert not any(kind == 0 and of == 1 and not flags & PADDED for kind, flags, of, _ in frames_of(piece))
            again.append(piece)
    said = meaning(_with_bodies(again))
    assert said == meaning(frames_of(data))


def _with_bodies(pieces: list[bytes]) -> Iterator[tuple[int, int, int, bytes]]:
    """Frames again; a Body stands as a frame without its length, which may be more than three bytes hold."""
    for piece in pieces:
        if piece[:1] == b"\x00" and piece[1:2] in (b"\x00", b"\x01") and piece[2:6] == b"\x00\x00\x00\x01":
            yield 0, piece[1], 1, piece[6:]
        else:
            yield from frames_of(piece)


def test_a_row_is_handed_on_as_one_frame() -> None:
    row = b"".join(frame(0, b"x" * 1000) for _ in range(20)) + frame(0, b"y", flags=END)
    (piece,) = FrameSieve(LARGEST).feed(row)
    assert list(frames_of(piece)) == [(0, END, 1, b"x" * 20_000 + b"y")]  # type: ignore[arg-type]


@pytest.mark.parametrize("cut", [1, 9, 12, 500])
def test_a_frame_that_is_too_long_ends_it_and_what_came_before_stands(cut: int) -> None:
    data = frame(HEADERS, b"h") + frame(0, b"good") + frame(0, b"x" * (LARGEST + 1)) + frame(0, b"never")
    sieve, found = FrameSieve(LARGEST), []
    for start in range(0, len(data), cut):
        found += sieve.feed(data[start:start + cut])
        if found and isinstance(found[-1], TooLong):
            break
    assert found[-1] == TooLong(LARGEST + 1)
    assert meaning(frames_of(b"".join(found[:-1]))) == meaning(frames_of(frame(HEADERS, b"h") + frame(0, b"good")))


@pytest.mark.parametrize("preface", [b"", http2_frames.PREFACE])
@pytest.mark.parametrize("seed", range(20))
def test_our_own_frames_are_cut_to_what_the_peer_takes(preface: bytes, seed: int) -> None:
    data = random_frames(random.Random(seed))
    cut = split(preface + data, 1000)
    assert cut.startswith(preface)
    whole = cut[len(preface):]
    assert meaning(frames_of(whole)) == meaning(frames_of(data))
    assert max((len(body) for kind, flags, _, body in frames_of(whole) if kind == 0 and not flags & PADDED), default=0) <= 1000


# --- with a server in memory ---


class Sink:
    def __init__(self) -> None:
        self.body = bytearray()

    def head(self, *_: object) -> None: ...
    def interim(self, *_: object) -> None: ...
    def trailers(self, *_: object) -> None: ...
    def end(self, *_: object) -> None: ...

    def data(self, data: bytes) -> None:
        self.body += data


def answered(body: bytes, head: list[tuple[str, str]], *, piece: int = 8192, padding: int | None = None,
             trailers: bool = False, method: str = "GET") -> tuple[Http2, Sink]:
    """A client whose request was answered with this body, in frames of ``piece`` bytes, as far as flow control lets it."""
    sink = Sink()
    client = Http2(one(Request(method, "h")), sink=sink)
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    server.initiate_connection()
    server.receive_data(client.data_to_send())
    client.receive_data(server.data_to_send())
    server.receive_data(client.data_to_send())
    server.send_headers(1, [(":status", "200"), *head])
    sent = 0
    for _ in range(10_000):
        while sent < len(body) and (room := min(piece, server.local_flow_control_window(1) - (padding + 1 if padding else 0))) > 0:
            server.send_data(1, body[sent:sent + room], pad_length=padding)
            sent += room
        if sent >= len(body):
            break
        client.receive_data(server.data_to_send())
        back = client.data_to_send()
        assert back, "the windows were never opened again"
        server.receive_data(back)
    if trailers:
        server.send_headers(1, [("x-sum", "9")], end_stream=True)
    else:
        server.end_stream(1)
    client.receive_data(server.data_to_send())
    return client, sink


LONG = random.Random(0).randbytes(3 * WINDOW)


@pytest.mark.parametrize("padding", [None, 7])
@pytest.mark.parametrize("trailers", [False, True])
@pytest.mark.parametrize("counted", [False, True])
def test_a_body_of_several_windows_arrives(padding: int | None, trailers: bool, counted: bool) -> None:
    head = [("content-length", str(len(LONG)))] if counted else []
    client, sink = answered(LONG, head, padding=padding, trailers=trailers)
    assert client.outcomes[0].error is None
    assert sink.body == LONG
    assert client.outcomes[0].reply is not None
    assert client.outcomes[0].reply.complete


@pytest.mark.parametrize("trailers", [False, True])
@pytest.mark.parametrize("announced", [5, 100_000])
def test_a_body_of_another_length_than_announced_breaks_the_protocol(announced: int, trailers: bool) -> None:
    client, _ = answered(b"x" * 50_000, [("content-length", str(announced))], trailers=trailers)
    assert "not of the length" in (client.outcomes[0].error or "")


def test_the_answer_to_head_has_a_length_and_no_body() -> None:
    client, _ = answered(b"", [("content-length", "5000")], method="HEAD")
    assert client.outcomes[0].error is None


def test_without_a_look_into_h2_all_goes_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.app.http2.COUNTED", "_no_such_attribute")
    client, sink = answered(LONG, [("content-length", str(len(LONG)))])
    assert (client.outcomes[0].error, sink.body == LONG) == (None, True)


@pytest.mark.parametrize("length", ["3", "5"])
def test_a_body_that_we_send_has_the_length_that_is_announced(length: str) -> None:
    client = Http2(one(Request("PUT", "h", "/", (("content-length", length),), BytesBody(b"four"))))
    while data := client.data_to_send():
        assert b"four" not in data or length == "5"
    assert [outcome.error for outcome in client.outcomes] == [OTHER_LENGTH]
