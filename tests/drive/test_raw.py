"""Raw hellos, plaintext, and handshakes that are out of the ordinary."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest

from inspector.credentials import mint
from inspector.engine.connection import ClientConnection
from inspector.plan import HelloPlan, PlaintextPlan, Road, Session, TlsVersion
from inspector.trace.events import ApplicationResult, Ended, HandshakeDone, Plain, SessionKept
from inspector.wire.events import Alert, ApplicationData, Limit, Message, NotTls, Side
from tests.drive.peers import QUICK, Ask, Peer, end_of, one, plan_for, read_until_closed, server_context, tls_server
from tests.engine.pairs import BOTH, CLIENT, ROOT, plan

TLS_1_2, TLS_1_3 = BOTH
each_version = pytest.mark.parametrize("version", BOTH, ids=lambda version: version.name)


def client_hello(version: TlsVersion) -> bytes:
    client = ClientConnection(plan(version))
    client.start(0.0)
    return client.data_to_send()


@each_version
def test_a_raw_hello_gets_the_servers_first_flight(version: TlsVersion) -> None:
    hello = client_hello(version)
    with tls_server(version) as peer:
        transcript = one(HelloPlan(Road(peer.target), (hello[:3], hello[3:50], hello[50:]), timeouts=QUICK))
    assert 2 == transcript.messages(side=Side.SERVER)[0].type
    assert transcript.last(Ended).at < 0.2  # silence is not waited for where the answer is known
    assert "done" == end_of(transcript)[1]


def test_a_raw_hello_that_is_refused_gets_the_alert() -> None:
    with tls_server(TLS_1_3) as peer:
        transcript = one(HelloPlan(Road(peer.target), (client_hello(TLS_1_2),), timeouts=QUICK))
    assert [70] == [alert.description for alert in transcript.all(Alert)]
    assert ("server", "alert") == end_of(transcript)[:2]


def test_a_raw_hello_to_no_tls_server_ends_at_once() -> None:
    def greet(sock: socket.socket) -> None:
        sock.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
        read_until_closed(sock)

    with Peer(greet) as peer:
        transcript = one(HelloPlan(Road(peer.target), (client_hello(TLS_1_3),), timeouts=QUICK))
    assert ["ssh"] == [event.looks_like for event in transcript.all(NotTls)]


def test_a_raw_hello_to_a_silent_server_ends_at_the_deadline() -> None:
    with Peer(read_until_closed) as peer:
        transcript = one(HelloPlan(Road(peer.target), (client_hello(TLS_1_3),), timeouts=QUICK._replace(handshake=0.2)))
    assert ("client", "deadline", "hello") == end_of(transcript)


def test_plaintext_is_a_conversation_without_tls() -> None:
    def echo(sock: socket.socket) -> None:
        sock.sendall(sock.recv(100))
        read_until_closed(sock)

    with Peer(echo) as peer:
        transcript = one(PlaintextPlan(Road(peer.target), lambda channel: Ask(b"hello"), timeouts=QUICK))
    assert [b"hello", b"hello"] == [event.data for event in transcript.all(Plain)]
    assert [b"hello"] == [event.result.reply for event in transcript.all(ApplicationResult)]


@each_version
def test_a_hello_cut_in_two_records_makes_the_same_handshake(version: TlsVersion) -> None:
    with tls_server(version) as peer:
        transcript = one(plan_for(peer.target, hello_split=10))
    assert ("client", "done", "application") == end_of(transcript)
    assert 1 == len(transcript.messages(1, Side.CLIENT))


@each_version
def test_a_kept_session_resumes(version: TlsVersion) -> None:
    with tls_server(version) as peer:
        first = one(plan_for(peer.target, keep_session=True))
        kept = first.last(SessionKept)
        assert kept is not None
        assert isinstance(kept.session, Session)
        second = one(plan_for(peer.target, session=kept.session))
    assert [False, True] == [transcript.all(HandshakeDone)[0].resumed for transcript in (first, second)]
    assert ("client", "done", "application") == end_of(second)


def test_a_session_is_kept_although_nothing_is_asked_of_the_application() -> None:
    with tls_server(TLS_1_3, require=False) as peer:
        transcript = one(plan_for(peer.target, keep_session=True, application=None))
    assert 1 == len(transcript.all(SessionKept))
    assert transcript.messages(4, Side.SERVER)


@each_version
def test_a_message_above_openssls_limit_is_shown_and_the_limit_named(version: TlsVersion) -> None:
    """OpenSSL stops at the header of a Certificate message of more than 102,400 bytes; our decoder reads it."""
    names = tuple(f"DNS:name-{number:05}.a-rather-long-subdomain.example" for number in range(2600))
    large = mint.leaf("localhost", issuer=ROOT, purposes=("serverAuth",), names=("DNS:localhost", *names))
    with server_context(version) as context:
        with tempfile.TemporaryDirectory() as name:
            (Path(name) / "cert").write_bytes(large.pem())
            (Path(name) / "key").write_bytes(large.key_pem())
            context.load_cert_chain(Path(name) / "cert", Path(name) / "key")

        def serve(sock: socket.socket) -> None:
            with context.wrap_socket(sock, server_side=True):
                pass

        with Peer(serve) as peer:
            transcript = one(plan_for(peer.target))
    assert [large.cert] == [message.value.chain[0] for message in transcript.messages(11, Side.SERVER)]
    assert 1 == len(transcript.all(Limit))
    assert "102,400" in transcript.all(Limit)[0].what
    assert ("client", "error", "server_flight") == end_of(transcript)


@each_version
def test_a_streamed_body_is_counted_and_the_transcript_stays_small(version: TlsVersion) -> None:
    size = 8 * 1024 * 1024
    with tls_server(version, answer=b"x" * size) as peer:
        transcript = one(plan_for(peer.target, application=lambda channel: Ask(want=size)))
    counted = sum(event.size for event in transcript.all(ApplicationData) if event.side is Side.SERVER)
    assert size <= counted <= size * 1.01
    assert len(transcript.events) < 200
    assert ("client", "done", "application") == end_of(transcript)


@each_version
def test_an_upload_larger_than_all_buffers_arrives(version: TlsVersion) -> None:
    size = 8 * 1024 * 1024
    with server_context(version) as context:

        def swallow(sock: socket.socket) -> None:
            with context.wrap_socket(sock, server_side=True) as tls:
                have = 0
                while have < size:
                    have += len(tls.recv(65536))
                tls.sendall(b"world")
                read_until_closed(tls)

        with Peer(swallow) as peer:
            transcript = one(plan_for(peer.target, application=lambda channel: Ask(b"y" * size)))
    assert ("client", "done", "application") == end_of(transcript)


def test_the_certificate_sent_is_the_plans_and_nothing_else() -> None:
    with tls_server(TLS_1_3) as peer:
        transcript = one(plan_for(peer.target))
    sent: list[Any] = [message.value.chain for message in transcript.messages(11, Side.CLIENT)]
    assert [CLIENT.sent] == sent
    assert all(isinstance(message, Message) for message in transcript.messages())
