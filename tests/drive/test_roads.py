"""Roads to the server: addresses, unix sockets, proxies, what precedes TLS."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from inspector.app.result import AppResult
from inspector.drive import dial
from inspector.drive.resolve import Address
from inspector.plan import Proxy, Road, Trust
from inspector.target import Target
from inspector.trace.events import Attempt, Connected, Plain, PreludeDone
from inspector.wire.events import Side
from tests.drive.peers import PATIENCE, Ask, Peer, end_of, one, plan_for, read_until_closed, server_context, tls_server
from tests.engine.pairs import OTHER_ROOT


def test_a_unix_socket_is_a_road() -> None:
    with tempfile.TemporaryDirectory() as name:
        path = str(Path(name) / "socket")
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(path)
        listening.listen()
        with server_context() as context:

            def serve(sock: socket.socket) -> None:
                with context.wrap_socket(sock, server_side=True) as tls:
                    if tls.recv(100):
                        tls.sendall(b"world")
                        read_until_closed(tls)

            with Peer(serve, listening):
                transcript = one(plan_for(Target("", 443, unix_path=path)))
    assert ("client", "done", "application") == end_of(transcript)
    assert [f"unix:{path}"] == [event.address for event in transcript.all(Connected)]


def test_an_ipv6_address_is_a_road() -> None:
    try:
        listening = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    port = listening.getsockname()[1]
    with server_context() as context:

        def serve(sock: socket.socket) -> None:
            with context.wrap_socket(sock, server_side=True) as tls:
                if tls.recv(100):
                    tls.sendall(b"world")
                    read_until_closed(tls)

        with Peer(serve, listening):
            transcript = one(plan_for(Target("::1", port)))
    assert ("client", "done", "application") == end_of(transcript)
    assert ["::1"] == [event.address for event in transcript.all(Connected)]


def test_a_missing_unix_socket_is_refused() -> None:
    assert ("network", "refused", "connect") == end_of(one(plan_for(Target("", 443, unix_path="/nonexistent/socket"))))


def test_a_dead_address_is_noted_and_the_next_one_used() -> None:
    with tls_server() as peer:
        road = Road(Target("service.example", peer.target.port), addresses=("127.0.0.2", "::1", "127.0.0.1"))
        transcript = one(plan_for(peer.target, road=road))
    assert ("client", "done", "application") == end_of(transcript)
    tried = [(attempt.address, attempt.kind) for attempt in transcript.all(Attempt)]
    assert ("127.0.0.1", None) == tried[-1]
    assert {"127.0.0.2", "::1"} == {address for address, kind in tried if kind in {"refused", "unreachable"}}


def test_families_take_turns_beginning_with_the_resolvers_first() -> None:
    four = [Address(socket.AF_INET, (f"192.0.2.{n}", 1), f"192.0.2.{n}", 1) for n in range(3)]
    six = [Address(socket.AF_INET6, (f"2001:db8::{n}", 1), f"2001:db8::{n}", 1) for n in range(1)]
    assert [six[0], four[0], four[1], four[2]] == list(dial._interleaved((*six, *four)))


def test_a_slow_address_is_overtaken_after_a_quarter_second() -> None:
    """The first address does not answer: its queue is full."""
    with contextlib.ExitStack() as stack, tls_server() as peer:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.2", peer.target.port))
        full.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.2", peer.target.port))
        road = Road(Target("service.example", peer.target.port), addresses=("127.0.0.2", "127.0.0.1"))
        transcript = one(plan_for(peer.target, road=road))
    tried = {attempt.address: (attempt.kind, attempt.seconds) for attempt in transcript.all(Attempt)}
    assert ("abandoned", None) == (tried["127.0.0.2"][0], tried["127.0.0.1"][0])
    assert 0.25 <= tried["127.0.0.2"][1] < 0.6
    assert ("client", "done", "application") == end_of(transcript)


class Login:
    """A conversation before TLS that wants to hear "ok"."""

    name = "login"

    def __init__(self) -> None:
        self._out = b"login\n"
        self.heard = b""

    def data_to_send(self) -> bytes:
        out, self._out = self._out, b""
        return out

    def receive_data(self, data: bytes) -> None:
        self.heard += data

    def receive_eof(self) -> None:
        self.heard += b"\n"

    @property
    def done(self) -> bool:
        return self.heard.endswith(b"\n")

    @property
    def result(self) -> AppResult:
        return AppResult("login", True, self.heard == b"ok\n", None, self.heard.decode())


def before_tls(answer: bytes) -> Callable[[socket.socket], None]:
    def serve(sock: socket.socket) -> None:
        assert b"login\n" == sock.recv(100)
        sock.sendall(answer)
        with server_context() as context, context.wrap_socket(sock, server_side=True) as tls:
            if tls.recv(100):
                tls.sendall(b"world")
                read_until_closed(tls)

    return serve


def test_a_prelude_is_spoken_in_the_clear_and_kept() -> None:
    with Peer(before_tls(b"ok\n")) as peer:
        transcript = one(plan_for(peer.target, road=Road(peer.target, prelude=Login)))
    assert ("client", "done", "application") == end_of(transcript)
    assert [(Side.CLIENT, b"login\n"), (Side.SERVER, b"ok\n")] == [(event.side, event.data) for event in transcript.all(Plain)]
    assert ["login"] == [event.name for event in transcript.all(PreludeDone)]


def test_a_prelude_that_is_refused_ends_it_before_tls() -> None:
    with Peer(before_tls(b"no\n")) as peer:
        transcript = one(plan_for(peer.target, road=Road(peer.target, prelude=Login)))
    assert ("server", "prelude_refused", "prelude") == end_of(transcript)
    assert [] == transcript.messages()


def tunnel(sock: socket.socket) -> None:
    """An HTTP proxy that connects where it is told to, if that is this machine."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(1000)
    host, _, port = head.split()[1].decode().rpartition(":")
    assert "localhost" == host
    with socket.create_connection(("127.0.0.1", int(port)), PATIENCE) as onward:
        sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=carry, args=(onward, sock))
        back.start()
        carry(sock, onward)
        back.join(PATIENCE)


def carry(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def test_an_http_proxy_opens_a_tunnel_and_sees_no_credential() -> None:
    with tls_server() as peer, Peer(tunnel) as proxy:
        road = Road(peer.target, proxy=Proxy("http", "localhost", proxy.target.port))
        transcript = one(plan_for(peer.target, road=road))
    assert ("client", "done", "application") == end_of(transcript)
    assert [proxy.target.port] == [event.port for event in transcript.all(Connected)]


def secure_tunnel(sock: socket.socket) -> None:
    with server_context(require=False) as context, context.wrap_socket(sock, server_side=True) as tls:
        tunnel(tls)


def test_an_https_proxy_is_spoken_to_in_tls_of_its_own() -> None:
    with tls_server() as peer, Peer(secure_tunnel) as proxy:
        road = Road(peer.target, proxy=Proxy("https", "localhost", proxy.target.port))
        transcript = one(plan_for(peer.target, road=road))
    assert ("client", "done", "application") == end_of(transcript)
    # the messages are those of the inner handshake: one hello, and the server asked for a certificate
    assert (1, 1) == (len(transcript.messages(1)), len(transcript.messages(13)))


def test_an_https_proxy_that_is_not_verified_is_left() -> None:
    with Peer(secure_tunnel) as proxy:
        road = Road(Target("localhost", 1), proxy=Proxy("https", "localhost", proxy.target.port))
        transcript = one(plan_for(proxy.target, road=road, trust=Trust((OTHER_ROOT.cert,))))
    assert ("client", "refused_to_send", "prelude") == end_of(transcript)


@pytest.mark.parametrize(("version", "first"), [(1, b"PROXY TCP4 127.0.0.1 127.0.0.1 "), (2, b"\r\n\r\n\x00\r\nQUIT\n")])
def test_the_proxy_protocols_header_comes_first(version: int, first: bytes) -> None:
    heard = []

    def listen(sock: socket.socket) -> None:
        heard.append(sock.recv(4096))

    with Peer(listen) as peer:
        one(plan_for(peer.target, road=Road(peer.target, proxy_protocol=version), application=lambda channel: Ask()))
    assert heard[0].startswith(first)
