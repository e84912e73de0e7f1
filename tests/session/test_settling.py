"""Where one try does not say what the server makes of our certificate, a second look does, or it is said that nothing is known."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.x509 import load_der_x509_certificate
from OpenSSL import SSL

from inspector import drive
from inspector.plan import TlsVersion, Trust
from inspector.report.outcome import ExitCode, exit_code
from inspector.session import diagnose, handshake
from inspector.session.settings import Settings
from tests.drive.peers import Peer, read_until_closed, server_context, tls_server
from tests.engine.pairs import CLIENT, ROOT, SERVER, STRANGER
from tests.session.test_diagnose import EXPIRED, FORBIDDEN, OK, QUICK, ids, part, probes, run, verdict

NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n"
BAD_REQUEST = b'HTTP/1.1 400 Bad Request\r\nContent-Length: 30\r\n\r\n{"error":"missing parameter"} \n'
LOGIN = b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n"
CONTROL = "no certificate"
LISTENED = "again, without writing"

Served = Callable[[ssl.SSLSocket], None]


def serving(serve: Served, *, asks: ssl.VerifyMode = ssl.CERT_REQUIRED, alpn: tuple[str, ...] = ()) -> Peer:
    """A TLS server that does this once the handshake is complete."""

    def behave(sock: socket.socket) -> None:
        with server_context() as context, contextlib.suppress(OSError):
            context.verify_mode = asks
            if alpn:
                context.set_alpn_protocols(list(alpn))
            with context.wrap_socket(sock, server_side=True) as tls:
                serve(tls)

    return Peer(behave)


def answering(known: bytes, unknown: bytes) -> Served:
    """Answers whoever presented a certificate in one way, and others in another."""

    def serve(tls: ssl.SSLSocket) -> None:
        if tls.recv(1000):
            tls.sendall(known if tls.getpeercert() else unknown)
            read_until_closed(tls)

    return serve


def closing_at_the_first_byte(tls: ssl.SSLSocket) -> None:
    tls.recv(1000)


def silent(tls: ssl.SSLSocket) -> None:
    read_until_closed(tls)


# ---- a close in answer to the first step ---------------------------------------------------------------
@pytest.mark.parametrize("version", [TlsVersion.TLS1_2, TlsVersion.TLS1_3])
def test_server_of_another_protocol_that_hangs_up_on_our_request_has_rejected_nobody(version: TlsVersion) -> None:
    """As Redis and MQTT brokers do with HTTP. Without a certificate it sends an alert: so TLS took ours."""
    with serving(closing_at_the_first_byte) as peer:
        report = run(peer, CLIENT.credential(), minimum=version, maximum=version)
    assert (verdict(report), part(report).side, ids(report)) == ("undecided", "nobody", [])
    assert exit_code(report) is ExitCode.UNDECIDED
    assert probes(report) == [LISTENED, "with HTTP/2", CONTROL]
    assert "TLS took our certificate" in part(report).headline
    assert any("--app PROTOCOL" in note for note in part(report).notes)


def test_server_that_drops_us_after_it_agreed_to_speak_http_refuses_in_its_application() -> None:
    """Its TLS took us, and it is not the protocol that it did not understand: only who we are is left."""
    with serving(closing_at_the_first_byte, asks=ssl.CERT_OPTIONAL, alpn=("http/1.1",)) as peer:
        report = run(peer, CLIENT.credential())
    assert (verdict(report), ids(report)[0]) == ("rejected", "not-authorised")
    assert LISTENED in probes(report)


@pytest.mark.parametrize(("alpn", "expected"), [(("http/1.1",), "rejected"), ((), "undecided")])
def test_one_handshake_tells_a_refusal_from_another_protocol_by_what_was_agreed(alpn: tuple[str, ...], expected: str) -> None:
    """Without a comparison, too: `mtls handshake` makes one connection."""
    with serving(closing_at_the_first_byte, asks=ssl.CERT_OPTIONAL, alpn=alpn) as peer:
        settings = Settings(peer.target, CLIENT.credential(), Trust((ROOT.cert,)), server_name="localhost", app="http",
                            timeouts=QUICK, now=time.time())
        report = drive.run(handshake.run(settings))
    assert verdict(report) == expected
    assert exit_code(report) is (ExitCode.NO if alpn else ExitCode.UNDECIDED)


def test_server_that_closes_when_nothing_was_asked_has_rejected_us() -> None:
    """A first answer in time, and a close that comes again in the silent retry: it refuses without a word."""
    count = iter(range(20))

    def serve(tls: ssl.SSLSocket) -> None:
        if next(count) == 0:
            closing_at_the_first_byte(tls)

    with serving(serve) as peer:
        report = run(peer, CLIENT.credential())
    assert (verdict(report), report.client_auth.rejected_by) == ("rejected", "close")  # type: ignore[union-attr]


def test_server_that_closes_whoever_does_not_choose_http2_is_tried_with_it() -> None:
    """As gRPC's servers: they take part in ALPN, choose nothing, and close."""

    def serve(tls: ssl.SSLSocket) -> None:
        if tls.selected_alpn_protocol() == "h2":
            serve_h2(tls)

    with serving(serve, alpn=("h2",), asks=ssl.CERT_OPTIONAL) as peer:
        report, unsent = run(peer, CLIENT.credential()), run(peer, None)
    assert (verdict(report), probes(report)[0], ids(report)) == ("accepted", "with HTTP/2", [])
    assert any("HTTP/2 only" in note for note in part(report).notes)
    assert (verdict(unsent), ids(unsent)) == ("accepted", [])


def serve_h2(tls: ssl.SSLSocket) -> None:
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.events import RequestReceived

    conversation = H2Connection(H2Configuration(client_side=False))
    conversation.initiate_connection()
    tls.sendall(conversation.data_to_send())
    while data := tls.recv(65536):
        for event in conversation.receive_data(data):
            if isinstance(event, RequestReceived) and event.stream_id is not None:
                conversation.send_headers(event.stream_id, [(":status", "200")], end_stream=True)
        tls.sendall(conversation.data_to_send())


# ---- answers that are no yes ------------------------------------------------------------------------------
@pytest.mark.parametrize("answer", [NOT_FOUND, BAD_REQUEST, LOGIN])
def test_same_answer_without_a_certificate_decides_nothing(answer: bytes) -> None:
    with serving(answering(answer, answer), asks=ssl.CERT_OPTIONAL) as peer:
        report = run(peer, CLIENT.credential())
    assert (verdict(report), ids(report), probes(report)) == ("undecided", [], [CONTROL])
    assert "changed nothing" in part(report).headline
    assert exit_code(report) is ExitCode.UNDECIDED


@pytest.mark.parametrize("answer", [NOT_FOUND, BAD_REQUEST, LOGIN])
def test_any_answer_is_acceptance_where_nobody_is_let_in_without_a_certificate(answer: bytes) -> None:
    with serving(answering(answer, answer)) as peer:
        report = run(peer, CLIENT.credential())
    assert (verdict(report), ids(report), probes(report)) == ("accepted", [], [CONTROL])
    assert "Nothing is wrong" not in part(report).headline


@pytest.mark.parametrize(("known", "unknown", "expected"), [
    (NOT_FOUND, FORBIDDEN, "accepted"), (NOT_FOUND, LOGIN, "accepted"), (BAD_REQUEST, OK, "rejected"), (LOGIN, OK, "rejected"),
])
def test_another_answer_without_a_certificate_says_what_ours_was_worth(known: bytes, unknown: bytes, expected: str) -> None:
    with serving(answering(known, unknown), asks=ssl.CERT_OPTIONAL) as peer:
        report = run(peer, CLIENT.credential())
    assert verdict(report) == expected
    assert "with our certificate" in report.client_auth.rests_on  # type: ignore[union-attr]


@pytest.mark.parametrize("answer", [NOT_FOUND, BAD_REQUEST, LOGIN])
def test_nothing_that_was_not_sent_is_accepted_by_an_answer_that_is_no_yes(answer: bytes) -> None:
    with serving(answering(answer, answer), asks=ssl.CERT_OPTIONAL) as peer:
        report = run(peer, None)
        served = peer.served
    assert (verdict(report), ids(report), served) == ("undecided", ["no-certificate"], 1)
    assert "accepted" not in " ".join(e.text for e in part(report).causes[0].evidence)


def test_plain_success_is_acceptance_without_a_second_look() -> None:
    with serving(answering(OK, OK), asks=ssl.CERT_OPTIONAL) as peer:
        report = run(peer, CLIENT.credential())
        served = peer.served
    assert (verdict(report), served) == ("accepted", 1)


def test_no_probes_means_no_second_look() -> None:
    with serving(answering(NOT_FOUND, NOT_FOUND)) as peer:
        report = run(peer, CLIENT.credential(), options=diagnose.Options(probes=False))
    assert (verdict(report), probes(report)) == ("accepted", [])
    assert "is not said" in part(report).headline


# ---- silence ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("asks", [ssl.CERT_REQUIRED, ssl.CERT_OPTIONAL])
def test_request_that_is_not_answered_is_no_acceptance(asks: ssl.VerifyMode) -> None:
    """HAProxy's silent-drop, and servers that hang, have issued their session tickets before."""
    with serving(silent, asks=asks) as peer:
        report = run(peer, CLIENT.credential())
    assert (verdict(report), ids(report)) == ("undecided", [])
    assert "no answer to the first step within" in part(report).headline


# ---- steps that anybody may take ------------------------------------------------------------------------------
def mail(*, relays: Callable[[bool], bool]) -> Served:
    """Greets anybody; takes letters for elsewhere only from whom ``relays`` says, by whether a certificate was presented."""

    def serve(tls: ssl.SSLSocket) -> None:
        tls.sendall(b"220 mail\r\n")
        while line := tls.recv(1000):
            relaying = b"250 ok\r\n" if relays(bool(tls.getpeercert())) else b"554 5.7.1 relay access denied\r\n"
            tls.sendall(relaying if line.startswith(b"RCPT") else b"250 ok\r\n")

    return serve


@pytest.mark.parametrize(("relays", "expected"), [
    (lambda known: known, "accepted"), (lambda known: True, "accepted"), (lambda known: False, "undecided"),
])
def test_step_of_anybody_is_followed_by_one_that_not_everybody_may_take(relays: Callable[[bool], bool], expected: str) -> None:
    with serving(mail(relays=relays), asks=ssl.CERT_OPTIONAL) as peer:
        report = run(peer, CLIENT.credential(), app="smtp")
    assert verdict(report) == expected
    assert probes(report)[0] == CONTROL
    assert probes(report)[1:] == ["a step that not everybody may take", "a step that not everybody may take, without a certificate"]
    assert "Nothing is wrong" not in part(report).headline


def test_step_that_anybody_may_take_is_enough_where_tls_refuses_others() -> None:
    with serving(mail(relays=lambda known: known)) as peer:
        report = run(peer, CLIENT.credential(), app="smtp")
    assert (verdict(report), probes(report)) == ("accepted", [CONTROL])


# ---- a server that did not ask ---------------------------------------------------------------------------------
def by_version(serve12: Served, serve13: Served) -> Peer:
    """Asks over TLS 1.2 only."""

    def behave(sock: socket.socket) -> None:
        newest = b"\x00\x2b\x00\x03\x02\x03\x04" in (hello := sock.recv(65536, socket.MSG_PEEK)) or b"\x03\x04\x03\x03" in hello
        with server_context(None if newest else TlsVersion.TLS1_2, require=not newest) as context, contextlib.suppress(OSError), \
                context.wrap_socket(sock, server_side=True) as tls:
            (serve13 if newest else serve12)(tls)

    return Peer(behave)


def test_server_that_asks_over_tls_1_2_only_is_diagnosed_over_it() -> None:
    """As Tomcat's CLIENT-CERT, which cannot ask after a handshake of TLS 1.3."""
    with by_version(answering(OK, OK), answering(FORBIDDEN, FORBIDDEN)) as peer:
        good, bad = run(peer, CLIENT.credential()), run(peer, STRANGER.credential())
    assert (verdict(good), ids(good)) == ("accepted", [])
    assert (verdict(bad), ids(bad)[0]) == ("rejected", "unknown-ca")
    assert any("over TLS 1.2 only" in note for note in part(good).notes)


def test_page_that_misses_a_certificate_where_nobody_asked_does_not_blame_our_options() -> None:
    page = b"<title>400 No required SSL certificate was sent</title>"
    answer = b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page)
    with tls_server(require=False, answer=answer) as peer:
        report = run(peer, CLIENT.credential())
    first = part(report).causes[0]
    assert "did not ask for one in this handshake" in first.summary
    assert "at a proxy" in first.remedy
    assert "--cert" not in first.remedy


# ---- a credential with a fault that shows ------------------------------------------------------------------------
def lenient(serve: Callable[[Any], None]) -> Peer:
    """Takes any certificate, as a server that leaves the judgement to its application."""
    def behave(sock: socket.socket) -> None:
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.use_certificate(load_der_x509_certificate(SERVER.cert))
        context.use_privatekey(SERVER.key)
        context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
        sock.settimeout(None)
        connection = SSL.Connection(context, sock)
        connection.set_accept_state()
        with contextlib.suppress(SSL.Error):
            serve(connection)

    return Peer(behave)


def test_success_for_a_faulty_certificate_is_compared_and_its_fault_is_named() -> None:
    def serve(tls: Any) -> None:
        tls.recv(1000)
        tls.sendall(OK)

    with lenient(serve) as peer:
        report = run(peer, EXPIRED.credential())
    assert (verdict(report), ids(report), probes(report)) == ("undecided", ["expired"], [CONTROL])


def test_success_for_a_faulty_certificate_alone_is_acceptance_with_its_fault_in_the_first_line() -> None:
    def serve(tls: Any) -> None:
        tls.recv(1000)
        tls.sendall(OK if tls.get_peer_certificate() else FORBIDDEN)

    with lenient(serve) as peer:
        report = run(peer, EXPIRED.credential())
    assert (verdict(report), ids(report)) == ("accepted", [])
    assert "although the client certificate has expired" in part(report).headline
    assert "Nothing is wrong" not in part(report).headline
