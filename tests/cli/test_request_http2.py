"""``mtls request`` over HTTP/2 against servers that say goodbye, on loopback."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator

import h2.config
import h2.connection
import h2.events

from tests.cli.peers import Pki, mtls_says, peer

Answer = Callable[[h2.connection.H2Connection, int, int], None]  # the machine, the connection's number, the stream


@contextlib.contextmanager
def http2(pki: Pki, answer: Answer) -> Iterator[tuple[int, list[bytes]]]:
    """The port, and the bodies that came."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.path("server.pem"), pki.path("server.key"))
    context.set_alpn_protocols(["h2"])
    connections: list[socket.socket] = []
    bodies: list[bytes] = []

    def handle(connection: socket.socket) -> None:
        connections.append(connection)
        machine = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        machine.initiate_connection()
        body = b""
        with context.wrap_socket(connection, server_side=True) as tls:
            tls.sendall(machine.data_to_send())
            while data := tls.recv(65536):
                for event in machine.receive_data(data):
                    if isinstance(event, h2.events.DataReceived):
                        body += event.data
                    elif isinstance(event, h2.events.StreamEnded):
                        bodies.append(body)
                        body = b""
                        answer(machine, len(connections), event.stream_id)
                tls.sendall(machine.data_to_send())

    with peer(handle) as port:
        yield port, bodies


def goaway(last: int) -> bytes:
    return (8).to_bytes(3, "big") + b"\x07\0" + bytes(4) + last.to_bytes(4, "big") + bytes(4)


def full(machine: h2.connection.H2Connection, stream: int, body: bytes = b"ok") -> None:
    machine.send_headers(stream, [(":status", "200")])
    machine.send_data(stream, body, end_stream=True)


def test_a_post_that_the_server_did_not_look_at_goes_again(pki: Pki) -> None:
    def answer(machine: h2.connection.H2Connection, connection: int, stream: int) -> None:
        if connection == 1:
            machine._data_to_send += goaway(0)
        else:
            full(machine, stream)

    with http2(pki, answer) as (port, bodies):
        said = mtls_says("request", f"https://localhost:{port}/", "--cacert", pki.path("root.pem"), "-d", "a=1", "--timeout", "8")
    assert [said.code, said.out, bodies] == [0, "ok", [b"a=1", b"a=1"]], said.err


def test_a_server_that_never_looks_is_given_up(pki: Pki) -> None:
    def answer(machine: h2.connection.H2Connection, connection: int, stream: int) -> None:
        machine.reset_stream(stream, 0x7)

    with http2(pki, answer) as (port, bodies):
        said = mtls_says("request", f"https://localhost:{port}/", "--cacert", pki.path("root.pem"), "-d", "a=1", "--timeout", "8")
    assert [said.code, len(bodies)] == [3, 4]
    assert "7 REFUSED_STREAM" in said.err


def test_goodbyes_between_answers_cost_a_connection_and_no_answer(pki: Pki) -> None:
    """GOAWAY comes before the answer, as nginx says it with the last request of a connection."""

    def answer(machine: h2.connection.H2Connection, connection: int, stream: int) -> None:
        machine._data_to_send += goaway(stream)
        full(machine, stream, b"x" * 50_000)

    with http2(pki, answer) as (port, bodies):
        urls = [f"https://localhost:{port}/{n}" for n in range(3)]
        said = mtls_says("request", *urls, "--cacert", pki.path("root.pem"), "--timeout", "8")
    assert [said.code, len(said.out), len(bodies)] == [0, 150_000, 3], said.err


def test_what_http_cannot_carry_is_not_sent(pki: Pki) -> None:
    def answer(machine: h2.connection.H2Connection, connection: int, stream: int) -> None:
        full(machine, stream)

    with http2(pki, answer) as (port, bodies):
        said = mtls_says("request", f"https://localhost:{port}/\u00e9", "--cacert", pki.path("root.pem"), "-H", "X-B: \u00e9")
        refused = mtls_says("request", f"https://localhost:{port}/", "--cacert", pki.path("root.pem"), "--http2", "-X", "G T")
    assert [said.code, refused.code, len(bodies)] == [0, 2, 1]
