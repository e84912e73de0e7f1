"""The server side of the loop, with our own client and with the standard library's."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from inspector.app.result import AppResult
from inspector.drive.listener import Listener, Visitor, bind
from inspector.errors import TransportError
from inspector.target import Target
from inspector.trace.events import CertificateError, HandshakeDone
from inspector.wire.events import Alert, Side
from tests.drive.peers import PATIENCE, end_of, one, plan_for
from tests.engine.pairs import BOTH, CLIENT, STRANGER, settings

each_version = pytest.mark.parametrize("version", BOTH, ids=lambda version: version.name)


class Greet:
    """Answers whatever comes with "world" and the client's number of certificates."""

    name = "greet"

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._out = b""
        self._said = False

    def data_to_send(self) -> bytes:
        out, self._out = self._out, b""
        self._said = self._said or bool(out)
        return out

    def receive_data(self, data: bytes) -> None:
        self._out = b"world"

    def receive_eof(self) -> None:
        self._said = True

    @property
    def done(self) -> bool:
        return self._said

    @property
    def result(self) -> AppResult:
        return AppResult("greet", True, None, None, str(len(self._visitor.engine.client_chain)))


@contextlib.contextmanager
def listening(**changes: Any) -> Iterator[tuple[Target, list[Visitor]]]:
    over: list[Visitor] = []
    listener = Listener(bind("127.0.0.1", 0), settings(**changes), Greet, on_over=over.append)
    thread = threading.Thread(target=listener.run)
    target = Target("localhost", listener.port)
    thread.start()
    try:
        yield target, over
    finally:
        listener.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


@each_version
def test_a_good_client_is_served_and_seen(version: Any) -> None:
    with listening(minimum=version, maximum=version) as (target, over):
        assert ("client", "done", "application") == end_of(one(plan_for(target)))
    visitor = over[0]
    assert (CLIENT.cert, []) == (visitor.engine.client_chain[0], visitor.transcript.all(CertificateError))
    assert 1 == len(visitor.transcript.all(HandshakeDone))
    assert 1 == len(visitor.transcript.messages(11, Side.CLIENT))


@each_version
def test_a_stranger_gets_the_alert_and_is_seen(version: Any) -> None:
    with listening(minimum=version, maximum=version) as (target, over):
        transcripts = [one(plan_for(target, credential=STRANGER.credential())) for _ in range(20)]
    assert [[48]] * 20 == [[alert.description for alert in transcript.all(Alert)] for transcript in transcripts]
    assert {20} <= {error.code for visitor in over for error in visitor.transcript.all(CertificateError)}
    assert {(STRANGER.cert,)} == {visitor.transcript.messages(11, Side.CLIENT)[0].value.chain for visitor in over}


def test_many_clients_are_served_at_the_same_time() -> None:
    with listening(verify="optional") as (target, over):
        idle = [socket.create_connection(("127.0.0.1", target.port)) for _ in range(20)]
        assert ("client", "done", "application") == end_of(one(plan_for(target)))
        for sock in idle:
            sock.close()
    assert 21 == len(over)


def test_another_binding_of_openssl_is_served() -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with listening(verify="optional", strict=False) as (target, over):
        sock = socket.create_connection(("127.0.0.1", target.port), PATIENCE)
        with sock, context.wrap_socket(sock, server_hostname="localhost") as tls:
            tls.sendall(b"hello")
            assert b"world" == tls.recv(100)
    assert () == over[0].engine.client_chain
    assert "localhost" == over[0].engine.server_name


def test_rubbish_ends_one_client_and_nobody_else() -> None:
    with listening() as (target, over):
        with socket.create_connection(("127.0.0.1", target.port), PATIENCE) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            with contextlib.suppress(OSError):
                while sock.recv(1000):
                    pass
        assert ("client", "done", "application") == end_of(one(plan_for(target)))
    assert 2 == len(over)


def test_a_port_that_is_taken_is_an_error_with_a_hint() -> None:
    with bind("127.0.0.1", 0) as taken, pytest.raises(TransportError) as caught:
        bind("127.0.0.1", taken.getsockname()[1])
    assert caught.value.hint
