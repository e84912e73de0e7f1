"""The first answer of others is told from both sides' bytes, whole or byte by byte."""

from __future__ import annotations

from typing import Any

import h2.config
import h2.connection
import pytest

from inspector.app.overheard import FirstAnswer
from inspector.wire.events import Side

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def hear(*said: tuple[Side, bytes], port: int = 8443, step: int = 1 << 20, **options: Any) -> FirstAnswer:
    answer = FirstAnswer(port, **options)
    for side, data in said:
        for at in range(0, len(data), step):
            answer.receive(side, data[at:at + step])
    answer.end()
    return answer


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_the_head_and_the_body_of_http_1(step: int) -> None:
    response = b"HTTP/1.1 403 Forbidden\r\nServer: s\r\nContent-Length: 2\r\n\r\nno"
    answer = hear((Side.CLIENT, GET), (Side.SERVER, response), step=step)
    assert answer.result is not None
    reply = answer.result.http
    assert reply is not None
    assert (reply.status, reply.headers) == (403, (("Server", "s"), ("Content-Length", "2")))
    assert (reply.body, reply.body_bytes) == (b"no", 2)
    assert answer.result.accepted is False


@pytest.mark.parametrize(("request_", "response", "status", "size"), [
    (b"HEAD / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", 200, 0),
    (GET, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204, 0),
    (GET, b"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, 13),
    (GET, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000, 200, None),
])
def test_other_heads_of_http_1(request_: bytes, response: bytes, status: int, size: int | None) -> None:
    result = hear((Side.CLIENT, request_), (Side.SERVER, response)).result
    assert result is not None
    assert result.http is not None
    assert (result.http.status, result.http.body_bytes) == (status, size)


@pytest.mark.parametrize("step", [1, 1 << 20])
def test_http_2_on_any_stream(step: int) -> None:
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    client.initiate_connection()
    client.send_headers(15, [(":method", "GET"), (":path", "/"), (":scheme", "https"), (":authority", "x")], end_stream=True)
    sent = client.data_to_send()
    server.initiate_connection()
    server.receive_data(sent)
    server.send_headers(15, [(":status", "403"), ("server", "s")])
    server.send_data(15, b"no", end_stream=True)
    result = hear((Side.CLIENT, sent), (Side.SERVER, server.data_to_send()), step=step).result
    assert result is not None
    assert result.http is not None
    assert (result.http.status, result.http.version, result.http.headers, result.http.body) == (403, "2", (("server", "s"),), b"no")


def test_a_postgres_error_is_a_verdict() -> None:
    fields = b"SFATAL\0C28000\0Mno pg_hba.conf entry\0\0"
    message = b"E" + (len(fields) + 4).to_bytes(4, "big") + fields
    result = hear((Side.CLIENT, b"\0\0\0\x08\0\x03\0\0"), (Side.SERVER, message), port=5432).result
    assert result is not None
    assert (result.protocol, result.accepted, result.status) == ("postgres", False, "28000")


@pytest.mark.parametrize("said", [
    [(Side.CLIENT, b"ping"), (Side.SERVER, b"pong")],
    [(Side.CLIENT, GET)],
    [],
])
def test_what_is_not_understood_is_no_answer(said: list[tuple[Side, bytes]]) -> None:
    assert hear(*said).result is None


def test_garbage_never_raises() -> None:
    for alpn in (None, "h2"):
        hear((Side.CLIENT, GET), (Side.SERVER, bytes(range(256)) * 2000), alpn=alpn)
        hear((Side.SERVER, b"HTTP/1.1 999999\r\n\xff\xfe\r\n\r\n"), alpn=alpn)
