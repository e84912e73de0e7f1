"""HTTP/1.1 and HTTP/2 in memory: exchanges, bodies, and peers that break every rule, each bounded and told clearly."""

from __future__ import annotations

import gzip
import io
import zlib

import h2.config
import h2.connection
import h2.events
import pytest

from inspector.app.coding import CodingError, ContentDecoder, available
from inspector.app.http1 import Http1, http_get
from inspector.app.http2 import Http2
from inspector.app.http_exchange import UPLOAD_PIECE
from inspector.app.http_message import BytesBody, Limits, Outcome, Request, one
from inspector.errors import UsageError
from tests.app.feeding import fed_in_three_ways

REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-A: 1\r\nx-a: 2\r\n\r\nabc"


class Sink:
    def __init__(self) -> None:
        self.body = b""
        self.trailing: tuple[tuple[str, str], ...] = ()
        self.interims: list[int] = []

    def interim(self, status, headers):
        self.interims.append(status)

    def head(self, request, reply):
        self.reply = reply

    def data(self, data):
        assert len(data) <= 1 << 20
        self.body += data

    def trailers(self, headers):
        self.trailing = headers


def get(**more):
    return Http1(one(Request("GET", "h")), **more)


def answered(data: bytes, **more):
    sink = Sink()
    conversation = get(sink=sink, **more)
    conversation.data_to_send()
    for start in range(0, len(data), 5000):
        conversation.receive_data(data[start : start + 5000])
    conversation.receive_eof()
    assert conversation.done
    return conversation.outcomes[-1], sink


def test_a_first_step_is_fed_in_three_ways():
    result, sent = fed_in_three_ways(lambda: http_get("h.test", "/x"), [REPLY])
    assert [result.status, result.accepted, result.http.body] == ["200", True, b"abc"]
    assert result.http.headers == (("Content-Length", "3"), ("X-A", "1"), ("x-a", "2"))
    assert sent.startswith(b"GET /x HTTP/1.1\r\nHost: h.test\r\nUser-Agent: mtls-inspector/")


@pytest.mark.parametrize(("reply", "accepted"), [
    (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", False),
    (b"HTTP/1.1 400 Bad\r\nContent-Length: 39\r\n\r\n<p>No required SSL certificate was sent", False),
    (b"HTTP/1.1 400 Bad\r\nContent-Length: 4\r\n\r\nnope", None),
    (b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n", None),
    (b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", False),
    (b"HTTP/1.1 302 Go\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", None),
    (b"HTTP/1.1 404 Not\r\nContent-Length: 0\r\n\r\n", None),
    (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", None),
])
def test_statuses_are_a_verdict_only_where_they_are_about_us(reply, accepted):
    conversation = http_get("h")
    conversation.receive_data(reply)
    assert conversation.result.accepted is accepted


def test_several_requests_go_over_one_connection_and_bodies_stream():
    requests = iter([Request("POST", "h", "/1", (), BytesBody(b"x" * 400_000)), Request("HEAD", "h", "/2")])
    conversation = Http1(lambda _: next(requests, None))
    sent = b""
    while data := conversation.data_to_send():
        assert len(data) <= UPLOAD_PIECE + 1000
        sent += data
    assert sent.endswith(b"x" * 400_000)
    conversation.receive_data(b"HTTP/1.1 100 Continue\r\n\r\n" + REPLY)
    assert not conversation.done
    assert conversation.data_to_send().startswith(b"HEAD /2 ")
    conversation.receive_data(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n")
    assert conversation.done
    assert [outcome.reply.status for outcome in conversation.outcomes] == [200, 200]
    assert conversation.outcomes[0].sent_bytes == 400_000


def test_a_body_of_unknown_size_goes_in_chunks():
    class Pipe(BytesBody):
        size = None

    conversation = Http1(one(Request("PUT", "h", "/", (), Pipe(b"abc"))))
    sent = b"".join(iter(conversation.data_to_send, b""))
    assert b"Transfer-Encoding: chunked\r\n" in sent
    assert sent.endswith(b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")


def test_a_body_waits_for_continue_and_goes_on_when_told():
    request = Request("PUT", "h", "/", (), BytesBody(b"body"), expect=True)
    for event in ("answer", "patience", "refusal"):
        conversation = Http1(one(request._replace(body=BytesBody(b"body"))))
        assert b"Expect: 100-continue" in conversation.data_to_send()
        assert conversation.data_to_send() == b""
        assert conversation.waits_for_continue
        if event == "refusal":
            conversation.receive_data(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n")
            assert [conversation.done, conversation.data_to_send()] == [True, b""]
            continue
        conversation.receive_data(b"HTTP/1.1 100 Continue\r\n\r\n") if event == "answer" else conversation.go_on()
        assert conversation.data_to_send() == b"body"


def test_trailers_and_interim_responses_reach_the_sink():
    outcome, sink = answered(b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                             b"3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n")
    assert [sink.body, sink.trailing, sink.interims] == [b"abc", (("X-Sum", "7"),), [103]]
    assert [outcome.error, outcome.trailers] == [None, (("X-Sum", "7"),)]


HOSTILE = {
    "broken chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\nworld",
    "a body cut off": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
    "chunks cut off": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "100,000 headers": b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(100_000)) + b"\r\n",
    "an endless header": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 2_000_000,
    "interim responses without end": b"HTTP/1.1 102 Wait\r\n\r\n" * 5000,
    "no HTTP at all": b"SSH-2.0-OpenSSH_9.2\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "protocols switched unasked": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nhello",
    "a status that is none": b"HTTP/1.1 000 Weird\r\nContent-Length: 0\r\n\r\n",
    "a status too long": b"HTTP/1.1 1000 Weird\r\nContent-Length: 0\r\n\r\n",
    "an answer before HTTP had heads": b"hello\n",
    "a length that is none": b"HTTP/1.1 200 OK\r\nContent-Length: 0x3\r\n\r\nabc",
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_responses_end_in_a_clear_error_and_keep_what_came(name):
    outcome, sink = answered(HOSTILE[name])
    assert outcome.error
    assert "\n" not in outcome.error
    if "cut off" in name or name == "broken chunks":
        assert sink.body == b"hello"
        assert outcome.reply is not None
        assert not outcome.reply.complete


def test_a_bomb_is_stopped_and_a_dense_but_small_body_is_not():
    bomb = gzip.compress(b"\0" * (100 << 20), 9)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    conversation = get(decode=True)
    conversation.receive_data(head + bomb)
    outcome = conversation.outcomes[-1]
    assert "bomb" in (outcome.error or "")
    assert outcome.decoded_bytes < 40 << 20
    dense = gzip.compress(b"\0" * (4 << 20), 9)
    fine = get(decode=True)
    fine.receive_data(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(dense) + dense)
    assert [fine.outcomes[-1].error, fine.outcomes[-1].decoded_bytes] == [None, 4 << 20]


def test_more_than_the_asked_for_size_is_an_error():
    limits = Limits(body=10, strict=True)
    outcome, _ = answered(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n" + b"x" * 11, limits=limits)
    assert outcome.error == "the body is longer than 10 bytes"
    outcome, _ = answered(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" + b"x" * 10, limits=limits)
    assert outcome.error is None


@pytest.mark.parametrize("coding", available())
def test_content_is_decoded_whole_byte_by_byte_and_cut_off(coding):
    import brotli
    import zstandard

    text = bytes(range(256)) * 500
    makers = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress, "zstd": zstandard.compress}
    encoded = makers[coding](text)
    for step in (len(encoded), 1):
        decoder = ContentDecoder(coding)
        parts = [piece for at in range(0, len(encoded), step) for piece in decoder.feed(encoded[at : at + step])]
        decoder.finish()
        assert b"".join(parts) == text
    decoder = ContentDecoder(coding)
    list(decoder.feed(encoded[:-1]))
    with pytest.raises(CodingError):
        decoder.finish()


def test_codings_over_each_other_members_and_headless_deflate_are_undone():
    text = b"hello " * 100
    assert b"".join(ContentDecoder("deflate, gzip").feed(gzip.compress(zlib.compress(text)))) == text
    assert b"".join(ContentDecoder("gzip").feed(gzip.compress(text) + gzip.compress(text))) == text + text
    raw = zlib.compressobj(wbits=-15)
    assert b"".join(ContentDecoder("deflate").feed(raw.compress(text) + raw.flush())) == text


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "snappy", "gzip, gzip, gzip, gzip"])
def test_content_that_is_not_in_its_coding_is_an_error(coding):
    with pytest.raises(CodingError):
        list(ContentDecoder(coding).feed(b"\xff" * 1000))


def test_what_http_cannot_carry_is_wrong_usage():
    for request in (Request("GET", "h", "/a b"), Request("GE T", "h"), Request("GET", "h", "/", (("X", "a\r\nb"),)),
                    Request("GET", "h", "/\u20ac")):
        with pytest.raises(UsageError):
            Http1(one(request))


class H2Server:
    """The other end, of the same library in its other role."""

    def __init__(self) -> None:
        self.machine = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.machine.initiate_connection()
        self.bodies: dict[int, bytes] = {}
        self.requests: list[dict[str, str]] = []

    def talk(self, client: Http2) -> None:
        for _ in range(200):
            sent, answer = client.data_to_send(), self.machine.data_to_send()
            if not sent and not answer:
                return
            if answer:
                client.receive_data(answer)
            for event in self.machine.receive_data(sent) if sent else ():
                self.take(event)

    def take(self, event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self.requests.append(dict(event.headers))
            self.bodies[event.stream_id] = b""
        elif isinstance(event, h2.events.DataReceived):
            self.bodies[event.stream_id] += event.data
            self.machine.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self.answer(event.stream_id)

    def answer(self, stream: int) -> None:
        self.machine.send_headers(stream, [(":status", "103")])
        self.machine.send_headers(stream, [(":status", "200"), ("x-size", str(len(self.bodies[stream])))])
        self.machine.send_data(stream, b"answer")
        self.machine.send_headers(stream, [("x-sum", "9")], end_stream=True)


def test_http2_exchanges_go_one_after_the_other_with_bodies_beyond_the_window():
    requests = iter([Request("PUT", "h", "/1", (("X-A", "b"), ("Connection", "close")), BytesBody(b"x" * 300_000)),
                     Request("GET", "h", "/2")])
    sink = Sink()
    client = Http2(lambda _: next(requests, None), sink=sink)
    server = H2Server()
    server.talk(client)
    assert client.done
    assert [outcome.reply.status for outcome in client.outcomes] == [200, 200]
    assert [len(body) for body in server.bodies.values()] == [300_000, 0]
    assert server.requests[0] | {"x-a": "b"} == server.requests[0]
    assert "connection" not in server.requests[0]
    assert client.outcomes[0].trailers == (("x-sum", "9"),)
    assert [sink.body, sink.interims] == [b"answeranswer", [103, 103]]


@pytest.mark.parametrize("what", ["reset", "goodbye", "noise", "end"])
def test_http2_peers_that_break_off_are_told_clearly(what):
    client, server = Http2(one(Request("GET", "h"))), H2Server()
    server.machine.receive_data(client.data_to_send())
    if what == "reset":
        server.machine.reset_stream(1, 0x7)
    elif what == "goodbye":
        server.machine.close_connection(0xB, last_stream_id=0)
    client.receive_data(b"HTTP/1.1 400 Bad Request\r\n\r\n" if what == "noise" else server.machine.data_to_send())
    client.receive_eof()
    assert client.done
    outcome: Outcome = client.outcomes[-1]
    assert outcome.reply is None
    said = {"reset": "reset the stream", "goodbye": "GOAWAY", "noise": "breaks the protocol", "end": ""}
    assert said[what] in (outcome.error or "")


def frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body


def goaway(last: int, error: int = 0) -> bytes:
    return frame(7, 0, 0, last.to_bytes(4, "big") + error.to_bytes(4, "big") + b"bye")


def asked(*requests: Request, **more) -> tuple[Http2, H2Server]:
    """A client whose request has reached its server; the server's settings have come back."""
    waiting = iter(requests or (Request("GET", "h"),))
    client, server = Http2(lambda _: next(waiting, None), **more), H2Server()
    server.machine.receive_data(client.data_to_send())
    client.receive_data(server.machine.data_to_send())
    server.machine.receive_data(client.data_to_send())
    return client, server


def test_http2_frames_may_be_as_large_as_we_announce():
    sink = Sink()
    client, server = asked(sink=sink)
    assert server.machine.max_outbound_frame_size == 64 * 1024
    server.machine.send_headers(1, [(":status", "200")])
    server.machine.send_data(1, b"x" * 60_000, end_stream=True)
    client.receive_data(server.machine.data_to_send())
    assert [client.outcomes[-1].error, len(sink.body)] == [None, 60_000]


def test_http2_heads_may_be_as_large_as_promised():
    client, server = asked()
    many = [(f"x-{n}", "y" * 60) for n in range(4000)]
    server.machine.send_headers(1, [(":status", "200"), *many], end_stream=True)
    client.receive_data(server.machine.data_to_send())
    assert client.outcomes[-1].error is None
    assert len(client.outcomes[-1].reply.headers) == 4000
    client, server = asked()
    server.machine.send_headers(1, [(":status", "200"), *((f"x-{n}", "y" * 90) for n in range(4000))], end_stream=True)
    client.receive_data(server.machine.data_to_send())
    assert "too large" in client.outcomes[-1].error


@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_an_answer_comes_to_its_end_although_the_server_said_goaway(step):
    sink = Sink()
    client, server = asked(Request("GET", "h", "/1"), Request("GET", "h", "/2"), sink=sink)
    server.machine.send_headers(1, [(":status", "200")])
    server.machine.send_data(1, b"first ")
    stream = server.machine.data_to_send() + goaway(2**31 - 1) + goaway(1)
    server.machine.send_data(1, b"second", end_stream=True)
    stream += server.machine.data_to_send()
    for start in range(0, len(stream), step):
        client.receive_data(stream[start : start + step])
    assert [client.outcomes[-1].error, sink.body, client.done] == [None, b"first second", True]
    assert client.left_over.target == "/2"  # no new stream over this connection


def test_a_goaway_that_leaves_our_stream_out_says_that_the_request_may_go_again():
    client, _ = asked(Request("POST", "h", "/", (), BytesBody(b"x")))
    client.receive_data(goaway(0))
    assert [client.done, client.unprocessed] == [True, True]
    assert "GOAWAY" in client.outcomes[-1].error


def test_an_early_answer_ends_an_upload_and_is_whole():
    client, server = asked(Request("POST", "h", "/", (), BytesBody(b"x" * 500_000)))
    server.machine.send_headers(1, [(":status", "413")])
    server.machine.send_data(1, b"too large", end_stream=True)
    server.machine.reset_stream(1, 0)
    client.receive_data(server.machine.data_to_send())
    outcome = client.outcomes[-1]
    assert [client.done, outcome.error, outcome.reply.status, outcome.reply.complete] == [True, None, 413, True]
    assert client.data_to_send() is not None


@pytest.mark.parametrize("request_", [
    Request("GET", "h", "/", ((":path", "/x"),)), Request("GET", "h", "/", (("a b", "x"),)),
    Request("GET", "h", "/", (("X", "a\r\nb"),)),
    Request("G T", "h"), Request("GET", "h", "/a b"), Request("GET", "h", "/\r\nx"), Request("GET", "h", "/", (("X", " a"),)),
    Request("GET", "h", "/\u00e9"), Request("GET", "h\r\n", "/"),
])
def test_both_versions_refuse_the_same_requests(request_):
    for kind in (Http1, Http2):
        with pytest.raises(UsageError):
            kind(one(request_))


def test_header_bytes_go_as_they_were_typed():
    request_ = Request("GET", "h", "/", (("X-B", "\u00e9\udcff"),))
    assert b"X-B: \xc3\xa9\xff\r\n" in Http1(one(request_)).data_to_send()
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
    server.initiate_connection()
    events = server.receive_data(Http2(one(request_)).data_to_send())
    assert (b"x-b", b"\xc3\xa9\xff") in next(e for e in events if isinstance(e, h2.events.RequestReceived)).headers


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_broken_responses_are_told_in_words(name):
    error = answered(HOSTILE[name])[0].error
    for jargon in ("bytearray", "role=", "Receive buffer", "Error:", "_SWITCH", "status_code"):
        assert jargon not in error


def test_what_is_no_http_is_shown_as_it_begins():
    assert "it begins with 'hello'" in answered(b"hello\n")[0].error
    assert "it begins with 'SSH-2.0" in answered(HOSTILE["no HTTP at all"])[0].error
    assert "101" in answered(HOSTILE["protocols switched unasked"])[0].error
    assert "its status is '1000'" in answered(HOSTILE["a status too long"])[0].error


def test_a_second_request_that_is_not_answered_is_not_taken_for_a_broken_first():
    waiting = iter([Request("GET", "h", "/1"), Request("GET", "h", "/2")])
    conversation = Http1(lambda _: next(waiting, None))
    conversation.receive_data(REPLY)
    conversation.data_to_send()
    conversation.receive_eof()
    assert [conversation.done, conversation.outcomes[-1].reply, conversation.outcomes[-1].error] == [True, None, None]


def test_a_server_that_closes_without_an_answer_has_not_broken_the_protocol():
    assert answered(b"")[0].error is None


def test_noise_never_raises_and_always_ends():
    import random

    source = random.Random(7)
    for kind in (Http1, Http2):
        for _ in range(150):
            client = kind(one(Request("GET", "h")))
            base = bytearray(REPLY if kind is Http1 else _h2_bytes())
            for _ in range(source.randrange(1, 6)):
                base[source.randrange(len(base))] = source.randrange(256)
            stream = io.BytesIO(base)
            while piece := stream.read(source.randrange(1, 40)):
                client.receive_data(piece)
                client.data_to_send()
            client.receive_eof()
            assert client.done
            assert client.result.protocol == "http"


def _h2_bytes() -> bytes:
    client, server = Http2(one(Request("GET", "h"))), H2Server()
    for event in server.machine.receive_data(client.data_to_send()):
        server.take(event)
    return server.machine.data_to_send()


def test_codings_of_several_lines_are_joined():
    packed = gzip.compress(zlib.compress(b"hello"))
    lines = b"Content-Encoding: deflate\r\nX: y\r\ncontent-encoding: gzip\r\n"
    head = b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: %d\r\n\r\n" % len(packed)
    outcome, sink = answered(head + packed, decode=True)
    assert [outcome.error, sink.body] == [None, b"hello"]


@pytest.mark.parametrize(("head", "given"), [
    (b"Content-Length: 11", b""), (b"Content-Length: 99999999999999999999", b""), (b"Connection: close", b"x" * 10),
])
def test_no_more_is_handed_on_than_was_asked_for(head, given):
    outcome, sink = answered(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + b"x" * 11, limits=Limits(body=10, strict=True))
    assert [outcome.error, sink.body] == ["the body is longer than 10 bytes", given]


def test_a_length_without_a_body_is_no_excess():
    conversation = Http1(one(Request("HEAD", "h")), limits=Limits(body=10, strict=True))
    conversation.receive_data(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n")
    assert conversation.outcomes[-1].error is None
