"""How connections end: who ended them, how, and in which phase."""

from __future__ import annotations

import random
import socket
import ssl
import time

import pytest

from inspector.plan import Road, TlsVersion, Trust
from inspector.target import Target
from inspector.trace.events import ApplicationResult, Attempt, Connected, Judged, Resolved, WriteFailed
from inspector.trace.phase import Phase
from inspector.wire.events import Alert, NotTls, Side, Truncated
from tests.drive.peers import (
    PATIENCE,
    QUICK,
    Ask,
    Peer,
    end_of,
    one,
    plan_for,
    read_until_closed,
    reset,
    server_context,
    tls_server,
)
from tests.engine.pairs import BOTH, CLIENT, OTHER_ROOT, STRANGER

TLS_1_2, TLS_1_3 = BOTH
each_version = pytest.mark.parametrize("version", BOTH, ids=lambda version: version.name)


def alerts(transcript: object) -> list[tuple[int, str]]:
    return [(alert.description, transcript.phase_of(alert).value)  # type: ignore[attr-defined]
            for alert in transcript.all(Alert) if alert.side is Side.SERVER]  # type: ignore[attr-defined]


@each_version
def test_a_good_credential_gets_the_answer(version: TlsVersion) -> None:
    with tls_server(version) as peer:
        transcript = one(plan_for(peer.target))
    result = transcript.last(ApplicationResult)
    assert result is not None
    assert (b"world", ("client", "done", "application")) == (result.result.reply, end_of(transcript))


REJECTIONS = {
    (TLS_1_3, "stranger"): [(48, "awaiting_verdict")],
    (TLS_1_3, "none"): [(116, "awaiting_verdict")],
    (TLS_1_2, "stranger"): [(48, "client_flight")],
    (TLS_1_2, "none"): [(40, "client_flight")],
}


@pytest.mark.parametrize(("version", "who"), REJECTIONS, ids=lambda value: getattr(value, "name", value))
def test_twenty_rejections_in_a_row_lose_no_alert(version: TlsVersion, who: str) -> None:
    credential = STRANGER.credential() if who == "stranger" else None
    with tls_server(version) as peer:
        seen = [one(plan_for(peer.target, credential=credential)) for _ in range(20)]
    assert [REJECTIONS[version, who]] * 20 == [alerts(transcript) for transcript in seen]
    assert {("server", "alert", REJECTIONS[version, who][0][1])} == {end_of(transcript) for transcript in seen}


def test_an_alert_that_follows_a_write_is_read_from_a_closed_connection() -> None:
    """Without the wait, the application's bytes and the alert cross; the driver reads on after the write failed."""
    with tls_server(TLS_1_3) as peer:
        seen = [one(plan_for(peer.target, credential=STRANGER.credential(), listen_first=False)) for _ in range(10)]
    assert [[48]] * 10 == [[alert for alert, _ in alerts(transcript)] for transcript in seen]


@each_version
def test_a_server_that_is_not_verified_is_left_before_our_flight(version: TlsVersion) -> None:
    with tls_server(version) as peer:
        transcript = one(plan_for(peer.target, trust=Trust((OTHER_ROOT.cert,)), credential=CLIENT.credential(throw_away=False)))
    judged = transcript.last(Judged)
    assert judged is not None
    assert (False, True, True) == (judged.trusted, judged.host_matches, judged.withheld)
    assert ("client", "refused_to_send", "server_flight") == end_of(transcript)
    assert [1] == [message.type for message in transcript.messages(side=Side.CLIENT)]
    assert 1 == len(transcript.messages(13, Side.SERVER))  # what it asked for is known all the same


def test_a_closed_port_is_refused() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        transcript = one(plan_for(Target("127.0.0.1", port)))
    assert ("network", "refused", "connect") == end_of(transcript)
    assert ["refused"] == [attempt.kind for attempt in transcript.all(Attempt)]


def test_an_unknown_host_is_told_with_the_resolvers_words() -> None:
    transcript = one(plan_for(Target("no-such-host.invalid", 443)))
    assert ("network", "unresolved", "resolve") == end_of(transcript)
    resolved = transcript.last(Resolved)
    assert resolved is not None
    assert (True, ()) == (bool(resolved.error), resolved.addresses)


def test_a_silent_server_ends_at_the_deadline_of_the_handshake() -> None:
    with Peer(read_until_closed) as peer:
        began = time.monotonic()
        transcript = one(plan_for(peer.target, timeouts=QUICK._replace(handshake=0.3)))
        took = time.monotonic() - began
    assert ("client", "deadline", "hello") == end_of(transcript)
    assert 0.3 <= took < 1.0


def test_the_total_deadline_holds_against_a_server_that_trickles() -> None:
    def trickle(sock: socket.socket) -> None:
        sock.recv(4096)
        for byte in b"\x16\x03\x03\x10\x00" + bytes(100):
            sock.sendall(bytes([byte]))
            time.sleep(0.05)

    with Peer(trickle) as peer:
        began = time.monotonic()
        transcript = one(plan_for(peer.target, timeouts=QUICK._replace(total=0.5, handshake=5.0)))
        took = time.monotonic() - began
    assert ("client", "deadline", "server_flight") == end_of(transcript)
    assert 0.5 <= took < 1.0


def test_a_reset_after_the_hello_is_the_servers() -> None:
    def refuse(sock: socket.socket) -> None:
        sock.recv(4096)
        reset(sock)

    with Peer(refuse) as peer:
        assert ("server", "reset", "hello") == end_of(one(plan_for(peer.target)))


def test_an_end_after_the_server_hello_is_the_servers_and_says_what_was_cut_off() -> None:
    with server_context(TLS_1_2) as context:

        def half(sock: socket.socket) -> None:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = context.wrap_bio(incoming, outgoing, server_side=True)
            incoming.write(sock.recv(8192))
            with pytest.raises(ssl.SSLWantReadError):
                tls.do_handshake()
            sock.sendall(outgoing.read()[:300])

        with Peer(half) as peer:
            transcript = one(plan_for(peer.target))
    assert ("server", "fin", "server_flight") == end_of(transcript)
    assert [2] == [message.type for message in transcript.messages(side=Side.SERVER)]
    assert 1 == len(transcript.all(Truncated))


@pytest.mark.parametrize(("greeting", "name"), [
    (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "http"),
    (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "ssh"),
])
def test_a_server_of_another_protocol_is_named(greeting: bytes, name: str) -> None:
    def greet(sock: socket.socket) -> None:
        sock.sendall(greeting)
        read_until_closed(sock)

    with Peer(greet) as peer:
        transcript = one(plan_for(peer.target))
    seen = transcript.all(NotTls)
    assert [name] == [event.looks_like for event in seen]
    assert ("client", "error") == end_of(transcript)[:2]


def test_a_server_that_closes_after_the_handshake_rejects_by_close() -> None:
    """What Node.js does with a certificate that it does not like: no alert, FIN."""
    with server_context(TLS_1_3) as context:
        context.verify_mode = context.verify_mode.__class__.CERT_OPTIONAL

        def close(sock: socket.socket) -> None:
            with context.wrap_socket(sock, server_side=True) as tls:
                tls.version()
                sock.close()

        with Peer(close) as peer:
            seen = [one(plan_for(peer.target)) for _ in range(10)]
    assert {("server", "fin", "awaiting_verdict")} <= {end_of(transcript) for transcript in seen}
    assert {"fin", "close_notify"} >= {end_of(transcript)[1] for transcript in seen}


@pytest.mark.parametrize("stays", [True, False])
def test_after_unasked_words_a_close_is_listened_for(stays: bool) -> None:
    """Last words and a greeting begin alike: where nothing is going to be asked, the end of the connection tells."""
    with server_context(TLS_1_3) as context:

        def speak(sock: socket.socket) -> None:
            with context.wrap_socket(sock, server_side=True) as tls:
                tls.sendall(b"ERR access denied\n")
                if stays:
                    read_until_closed(tls)

        with Peer(speak) as peer:
            ends = {end_of(one(plan_for(peer.target, application=None, listen_first=True)))[0] for _ in range(5)}
    assert ends == {"client" if stays else "server"}


def test_a_write_to_a_closed_connection_is_noted() -> None:
    with server_context(TLS_1_2) as context:

        def refuse(sock: socket.socket) -> None:
            with context.wrap_socket(sock, server_side=True) as tls:
                time.sleep(0.15)
                reset(tls)

        with Peer(refuse) as peer:
            big = plan_for(peer.target, application=lambda channel: Ask(b"x" * 30_000_000), listen_first=False)
            transcript = one(big)
    assert ("server", "reset") == end_of(transcript)[:2] or transcript.all(WriteFailed)
    result = transcript.last(ApplicationResult)
    assert result is not None
    assert not result.result.answered


def test_an_application_that_never_answers_ends_at_its_deadline() -> None:
    with tls_server(TLS_1_3, answer=b"") as peer:
        transcript = one(plan_for(peer.target, timeouts=QUICK._replace(response=0.3)))
    assert ("client", "deadline", "application") == end_of(transcript)
    result = transcript.last(ApplicationResult)
    assert result is not None
    assert not result.result.answered


def test_the_total_deadline_holds_against_a_server_that_never_stops() -> None:
    with server_context(TLS_1_3) as context:

        def flood(sock: socket.socket) -> None:
            with context.wrap_socket(sock, server_side=True) as tls:
                while True:
                    tls.sendall(b"x" * 65536)

        with Peer(flood) as peer:
            began = time.monotonic()
            endless = plan_for(peer.target, application=lambda channel: Forgetful(want=1 << 60), timeouts=QUICK._replace(total=0.7))
            transcript = one(endless)
            took = time.monotonic() - began
    assert ("client", "deadline", "application") == end_of(transcript)
    assert 0.7 <= took < 1.5
    assert len(transcript.events) < 200


class Forgetful(Ask):
    """Takes everything and keeps nothing."""

    def receive_data(self, data: bytes) -> None:
        self.got = data[:1]


def test_a_silent_server_that_asked_for_a_certificate_gets_the_whole_wait() -> None:
    with server_context(TLS_1_3) as context:
        context.num_tickets = 0

        def quiet(sock: socket.socket) -> None:
            with context.wrap_socket(sock, server_side=True) as tls:
                if tls.recv(100):
                    tls.sendall(b"world")

        with Peer(quiet) as peer:
            transcript = one(plan_for(peer.target))
    entered = {event.phase: event.at for event in transcript.events if hasattr(event, "phase") and hasattr(event, "at")}
    assert 0.35 <= entered[Phase.APPLICATION] - entered[Phase.VERDICT] < 0.6


def test_a_server_that_did_not_ask_is_not_waited_for() -> None:
    with tls_server(TLS_1_3, require=False) as peer:
        transcript = one(plan_for(peer.target))
    entered = {event.phase: event.at for event in transcript.events if hasattr(event, "phase") and hasattr(event, "at")}
    assert entered[Phase.APPLICATION] - entered[Phase.VERDICT] < 0.2


def test_a_name_that_an_address_serves_is_connected_to_where_told() -> None:
    with tls_server(TLS_1_3) as peer:
        road = Road(Target("service.example", 443), connect_to=("127.0.0.1", peer.target.port))
        transcript = one(plan_for(peer.target, road=road))
        again = one(plan_for(peer.target, road=Road(Target("service.example", peer.target.port), addresses=("127.0.0.1",))))
    assert [("client", "done")] * 2 == [end_of(transcript)[:2], end_of(again)[:2]]
    connected = transcript.last(Connected)
    assert connected is not None
    assert "127.0.0.1" == connected.address


@pytest.mark.parametrize("takes_views", [False, True])
def test_who_keeps_what_comes_gets_bytes_and_who_says_so_gets_views(*, takes_views: bool) -> None:
    answer = random.Random(2).randbytes(3 * 1024 * 1024)
    kept: list[bytes | memoryview] = []

    class Keeping(Ask):
        """Keeps pieces as they come, or copies them where they may be views."""

        def receive_data(self, data: bytes) -> None:
            kept.append(data)
            self.got += data

    Keeping.takes_views = takes_views  # type: ignore[attr-defined]
    keeping = Keeping(want=len(answer))
    with tls_server(answer=answer) as peer:
        one(plan_for(peer.target, application=lambda channel: keeping))
    assert keeping.got == answer
    assert {type(piece) for piece in kept} == ({bytes, memoryview} if takes_views else {bytes})
    assert takes_views or b"".join(kept) == answer


class Endless(Ask):
    """Goes on talking until it is answered."""

    def data_to_send(self) -> bytes:
        return b"" if self.done else bytes(100_000)


def swallowing(answer: bytes) -> Peer:
    """A TLS server that answers at the first byte, and takes whatever else comes as fast as it can."""
    with server_context(TLS_1_3) as context:

        def swallow(sock: socket.socket) -> None:
            tls = context.wrap_socket(sock, server_side=True)
            tls.recv(1)
            tls.sendall(answer)
            with socket.socket(fileno=tls.detach()) as raw:
                raw.settimeout(PATIENCE)
                while raw.recv(1 << 20, socket.MSG_TRUNC):  # thrown away in the kernel: nobody can say it faster
                    pass

        return Peer(swallow)


def test_an_answer_is_heard_while_the_server_takes_all_we_say() -> None:
    with swallowing(b"enough") as peer:
        transcript = one(plan_for(peer.target, application=lambda channel: Endless(want=6)))
    assert ("client", "done", "application") == end_of(transcript)


def test_the_time_is_over_for_somebody_who_is_not_answered_and_goes_on_talking() -> None:
    with swallowing(b"") as peer:
        began = time.monotonic()
        transcript = one(plan_for(peer.target, application=lambda channel: Endless(), timeouts=QUICK._replace(total=0.7)))
        took = time.monotonic() - began
    assert ("client", "deadline", "application") == end_of(transcript)
    assert 0.7 <= took < 1.5
