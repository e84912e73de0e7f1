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


def ldap(number: int, tag: int, contents: bytes) -> bytes:
    operation = bytes([tag, len(contents)]) + contents
    return bytes([0x30, 3 + len(operation), 2, 1, number]) + operation


SUCCESS = b"\x0a\x01\x00\x04\x00\x04\x00"
BIND, WHO = ldap(1, 0x60, b"\x02\x01\x03\x04\x00\x80\x00"), ldap(1, 0x77, b"\x80\x171.3.6.1.4.1.4203.1.11.3")
LOGIN = bytes([60, 0, 0, 2]) + bytes(32) + b"bob\0" + bytes(20)


@pytest.mark.parametrize(("protocol", "asked", "said", "accepted", "summary"), [
    ("ldap", BIND, ldap(1, 0x61, SUCCESS), True, "bind: success"),
    ("ldap", BIND, ldap(1, 0x61, b"\x0a\x01\x31" + SUCCESS[3:]), False, "bind: invalidCredentials"),
    ("ldap", WHO, ldap(1, 0x78, SUCCESS + b"\x8b\x07dn:cn=x"), True, "the client is known as dn:cn=x"),
    ("ldap", WHO, ldap(1, 0x78, SUCCESS), True, "the client is known as anonymous"),
    ("mysql", LOGIN, b"\7\0\0\3\0\0\0\2\0\0\0", True, "logged in as bob"),
    ("mysql", LOGIN[:36] + b"\0" + bytes(20), b"\7\0\0\3\0\0\0\2\0\0\0", True, "logged in as the client"),
])
def test_no_identity_is_named_that_nobody_spoke_of(
    protocol: str, asked: bytes, said: bytes, accepted: bool, summary: str,
) -> None:
    result = hear((Side.CLIENT, asked), (Side.SERVER, said), port={"ldap": 389, "mysql": 3306}[protocol]).result
    assert result is not None
    assert (result.protocol, result.accepted, result.summary) == (protocol, accepted, summary)


@pytest.mark.parametrize(("asked", "said", "protocol", "plain"), [
    (b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n", "redis", b""),
    (b"PING\r\n", b"-NOAUTH Authentication required.\r\n", "redis", b""),
    (b"\x10\x0c\0\4MQTT\4\2\0\x1e\0\0", b"\x20\x02\0\0", "mqtt", b""),
    (b"LHLO x\r\n", b"250-x\r\n250 STARTTLS\r\n", "lmtp", b"220 x ready\r\n250-x\r\n250 STARTTLS\r\n220 go\r\n"),
    (b"EHLO x\r\n", b"250 x\r\n", "smtp", b"220 x ready\r\n220 go\r\n"),
    (BIND, ldap(1, 0x61, SUCCESS), "ldap", b""),
    (b"\0\0\0\x08\0\x03\0\0", b"R\0\0\0\x08\0\0\0\0Z\0\0\0\5I", "postgres", b""),
])
def test_a_protocol_is_told_by_what_is_said_on_any_port(asked: bytes, said: bytes, protocol: str, plain: bytes) -> None:
    result = hear((Side.CLIENT, asked), (Side.SERVER, said), port=12345, plain=plain).result
    assert result is not None
    assert result.protocol == protocol
    assert result.accepted is not False


def test_a_server_that_greets_within_tls_is_known_by_its_greeting() -> None:
    said = [(Side.SERVER, b"* OK ready\r\n"), (Side.CLIENT, b"A2 CAPABILITY\r\n"), (Side.SERVER, b"A2 OK done\r\n")]
    result = hear(*said, port=12345).result
    assert result is not None
    assert (result.protocol, result.accepted) == ("imap", True)


def test_an_answer_that_breaks_off_is_told_in_our_words() -> None:
    result = hear((Side.CLIENT, GET), (Side.SERVER, b"HTTP/1.1 200 OK\r\nContent-Len")).result
    assert result is not None
    assert result.summary == "the connection ended in the middle of the answer"


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
