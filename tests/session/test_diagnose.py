"""A whole diagnosis against peers on loopback: who rejected whom, which probes are made, and the same again without network."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import ssl
import threading
import time
from collections.abc import Generator, Iterator
from email.utils import format_datetime
from typing import Any

import msgspec
import pytest
from cryptography import x509
from OpenSSL import SSL, crypto

from inspector import drive
from inspector.analysis.observations import Observed
from inspector.credentials import mint
from inspector.credentials.model import Credential
from inspector.plan import Pause, Timeouts, TlsVersion, Trust
from inspector.report.as_json import dumps
from inspector.report.as_text import render
from inspector.report.model import DiagnosisPart, Report
from inspector.session import diagnose, handshake
from inspector.session.settings import Settings
from inspector.target import Target
from inspector.trace.events import Connected
from inspector.trace.transcript import Transcript
from tests.drive.peers import Peer, read_until_closed, reset, server_context, tls_server
from tests.engine.pairs import CLIENT, INTERMEDIATE, ROOT, SERVER, STRANGER

DAY = 86400.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"
FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n"
LIMITED = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 3\r\n\r\nno\n"
NGINX = (b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Length: 84\r\n\r\n"
         b"<html><head><title>400 The SSL certificate error</title></head><body></body></html>\r\n")
EXPIRED = mint.leaf("alice", INTERMEDIATE, not_before=time.time() - 90 * DAY, not_after=time.time() - 2 * DAY)
QUICK = Timeouts(total=8.0, resolve=1.0, connect=1.0, prelude=1.0, handshake=2.0, verdict=0.35, response=1.5)


def run(peer: Peer | Target, credential: Credential | None, *, options: diagnose.Options | None = None, **changes: Any) -> Report:
    target = peer.target if isinstance(peer, Peer) else peer
    settings = Settings(
        target, credential, Trust((ROOT.cert,), source="test"), server_name="localhost", timeouts=QUICK, now=time.time(),
        **{"app": "http", **changes},
    )
    return drive.run(diagnose.run(settings, options or diagnose.Options()))


def part(report: Report) -> DiagnosisPart:
    assert isinstance(report.diagnosis, DiagnosisPart)
    return report.diagnosis


def ids(report: Report) -> list[str]:
    return [cause.id for cause in part(report).causes]


def probes(report: Report) -> list[str]:
    return [probe.name for probe in part(report).probes]


def verdict(report: Report) -> str:
    return report.client_auth.verdict  # type: ignore[union-attr]


# ---- when nothing is wrong, and when it was not the server ---------------------------------------------
def test_accepted_credential_has_no_causes_and_needs_no_probes() -> None:
    with tls_server(answer=OK) as peer:
        report = run(peer, CLIENT.credential())
        served = peer.served
    assert (verdict(report), part(report).side, ids(report), probes(report)) == ("accepted", "nobody", [], [])
    assert served == 1


def test_server_that_never_asks_is_said_to_have_never_asked() -> None:
    with tls_server(require=False, answer=OK) as peer:
        report = run(peer, CLIENT.credential())
    assert (verdict(report), part(report).side, ids(report)) == ("not_requested", "nobody", [])
    assert "never asked" in part(report).headline


def test_server_that_we_reject_gets_no_credential_and_no_probe() -> None:
    with tls_server(answer=OK) as peer:
        settings = Settings(peer.target, CLIENT.credential(), Trust((STRANGER.chain[-1],)), server_name="localhost", app="http",
                            timeouts=QUICK, now=time.time())
        report = drive.run(diagnose.run(settings))
        served = peer.served
    assert (verdict(report), part(report).side, ids(report)) == ("undecided", "client_rejected_server", ["server-not-trusted"])
    assert (served, probes(report)) == (1, [])
    assert report.client_auth.sent is not True  # type: ignore[union-attr]


def test_first_words_are_that_the_server_rejected_you_and_not_that_its_certificate_is_bad() -> None:
    """A well-known client reports an expired client certificate in TLS 1.2 as a fault of the server's certificate."""
    with tls_server(TlsVersion.TLS1_2, answer=OK) as peer:
        report = run(peer, EXPIRED.credential(), maximum=TlsVersion.TLS1_2)
    assert ids(report)[0] == "expired"
    assert part(report).side == "server_rejected_client"
    assert part(report).headline.startswith("The server rejected you")
    assert render(report).startswith("SERVER REJECTED YOU")


@pytest.mark.parametrize("version", [TlsVersion.TLS1_2, TlsVersion.TLS1_3])
def test_handshake_that_succeeds_on_our_side_is_still_a_rejection_when_the_alert_comes_later(version: TlsVersion) -> None:
    with tls_server(version, answer=OK) as peer:
        report = run(peer, STRANGER.credential(), minimum=version, maximum=version)
    assert verdict(report) == "rejected"
    assert ids(report)[0] == "unknown-ca"
    phase = {TlsVersion.TLS1_2: "client_flight", TlsVersion.TLS1_3: "awaiting_verdict"}[version]
    assert part(report).phase == phase


@pytest.mark.parametrize(("require", "verdicts"), [(True, ("accepted", "nobody")), (False, ("undecided", "nobody"))])
def test_silence_is_a_yes_where_the_same_without_a_certificate_is_refused(require: bool, verdicts: tuple[str, str]) -> None:
    """No session tickets and no first step: nothing comes after our certificate."""

    def behave(sock: socket.socket) -> None:
        with server_context(TlsVersion.TLS1_3) as context, contextlib.suppress(ssl.SSLError):
            context.num_tickets = 0
            context.verify_mode = ssl.CERT_REQUIRED if require else ssl.CERT_OPTIONAL
            with context.wrap_socket(sock, server_side=True) as tls:
                read_until_closed(tls)

    with Peer(behave) as peer:
        report = run(peer, CLIENT.credential(), app="none")
    assert (verdict(report), part(report).side) == verdicts
    assert probes(report) == ["no certificate"]


# ---- what the server's answer means --------------------------------------------------------------------
def test_certificate_that_is_missing_is_named() -> None:
    with tls_server(answer=OK) as peer:
        report = run(peer, None)
    assert ids(report) == ["no-certificate"]


def test_page_over_a_fine_handshake_is_a_rejection_by_the_server() -> None:
    with tls_server(answer=NGINX) as peer:
        report = run(peer, CLIENT.credential())
    assert report.client_auth.rejected_by == "http"  # type: ignore[union-attr]
    assert part(report).side == "server_rejected_client"
    assert "400" in part(report).headline


def test_forbidden_after_a_verified_certificate_is_authorisation() -> None:
    with tls_server(answer=FORBIDDEN) as peer:
        report = run(peer, CLIENT.credential())
    assert ids(report)[0] == "not-authorised"
    assert part(report).causes[0].ask_operator


def test_evidence_points_at_messages_of_this_report() -> None:
    with tls_server(answer=OK) as peer:
        report = run(peer, EXPIRED.credential())
    types = [message.type for message in report.handshake.messages]  # type: ignore[union-attr]
    pointed = [types[e.message] for cause in part(report).causes for e in cause.evidence if e.message is not None]
    assert "certificate" in pointed
    assert set(pointed) <= {"certificate", "certificate_request"}


# ---- probes --------------------------------------------------------------------------------------------
def closing(sock: socket.socket) -> None:
    """Completes the handshake whatever is sent, then closes."""
    with server_context(require=False) as context:
        context.verify_mode = ssl.CERT_OPTIONAL
        with contextlib.suppress(ssl.SSLError), context.wrap_socket(sock, server_side=True):
            pass


def test_no_probes_means_one_handshake() -> None:
    with Peer(closing) as peer:
        report = run(peer, CLIENT.credential(), options=diagnose.Options(probes=False))
        served = peer.served
    assert (served, probes(report)) == (1, [])


def test_at_most_eight_handshakes_are_made_and_each_probe_is_announced_and_listed() -> None:
    said: list[str] = []
    with Peer(closing) as peer:
        report = run(peer, CLIENT.credential(), options=diagnose.Options(announce=said.append))
        served = peer.served
    assert verdict(report) == "rejected"
    assert served == 1 + len(probes(report)) == 1 + len(said)
    assert served <= 8
    assert all(name in line for name, line in zip(probes(report), said, strict=True))


def test_gap_is_closed_from_known_certificates_and_tried() -> None:
    leaf_only = Credential("leaf", (CLIENT.cert,), CLIENT.key)
    with tls_server(answer=OK) as peer:
        settings = Settings(
            peer.target, leaf_only, Trust((ROOT.cert, INTERMEDIATE.cert)), server_name="localhost", app="http", timeouts=QUICK,
            now=time.time(),
        )
        report = drive.run(diagnose.run(settings))
    assert ids(report)[0] == "missing-intermediate"
    assert {p.name: p.outcome for p in part(report).probes}.get("same certificate with its whole chain", "accepted") == "accepted"


LOWER = mint.authority("Lower A11", INTERMEDIATE)


def test_gap_that_nothing_at_hand_closes_is_not_tried_as_if_it_were_closed() -> None:
    """The issuing CA is missing, and the one above it was sent: leaving that out as well makes no whole chain."""
    client = mint.leaf("deep", LOWER)
    with tls_server(answer=OK) as peer:
        report = run(peer, Credential("torn", (client.cert, INTERMEDIATE.cert), client.key))
    assert ids(report)[0] == "missing-intermediate"
    assert "same certificate with its whole chain" not in probes(report)
    assert "Lower A11" in str(part(report).causes[0].evidence)


@pytest.mark.parametrize(("key", "told"), [("ec-p384", True), ("ec-p256", False)])
def test_server_of_one_curve_that_refuses_a_key_of_another_is_explained(key: str, told: bool) -> None:
    """What PostgreSQL does by default over TLS 1.2."""
    client = mint.leaf("curve", INTERMEDIATE, key=key)
    with server_context(TlsVersion.TLS1_2) as context:
        context.set_ecdh_curve("prime256v1")
        with Peer(lambda sock: _once(context, sock)) as peer:
            report = run(peer, client.credential())
    assert (verdict(report) == "rejected") is told
    assert ("signature-algorithm" in ids(report)[:1]) is told
    assert ("secp256r1" in str([cause.evidence for cause in part(report).causes])) is told


def _once(context: ssl.SSLContext, sock: socket.socket) -> None:
    with contextlib.suppress(OSError), context.wrap_socket(sock, server_side=True) as tls:
        tls.recv(1000)
        tls.sendall(OK)
        read_until_closed(tls)


def _with_another_clock(sock: socket.socket, at: dt.datetime) -> None:
    """A server that asks for a certificate, verifies as of another time, and says in its answers what time it has."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    sock.settimeout(None)
    context.use_certificate(x509.load_der_x509_certificate(SERVER.cert))
    context.use_privatekey(SERVER.key)
    store = context.get_cert_store()
    assert store is not None
    store.add_cert(crypto.X509.from_cryptography(x509.load_der_x509_certificate(ROOT.cert)))
    store.set_time(at)
    context.set_verify(SSL.VERIFY_PEER, lambda *seen: bool(seen[4]))
    connection = SSL.Connection(context, sock)
    connection.set_accept_state()
    with contextlib.suppress(SSL.Error, OSError):
        connection.do_handshake()
        connection.recv(1000)
        date = format_datetime(at, usegmt=True)
        connection.sendall(f"HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: 2\r\n\r\nok".encode())
        connection.shutdown()


def test_clock_that_is_in_question_is_read_from_the_answer_to_whoever_brings_no_certificate() -> None:
    now = time.time()
    client = mint.leaf("alice", INTERMEDIATE, not_before=now - 9 * DAY, not_after=now + 90 * DAY)
    at = dt.datetime.fromtimestamp(now - 40 * DAY, dt.UTC)
    with Peer(lambda sock: _with_another_clock(sock, at)) as peer:
        report = run(peer, client.credential())
    assert ids(report)[0] == "server-clock"
    assert part(report).causes[0].confidence > 0.8
    assert probes(report)[0] == "no certificate"
    assert "40 days behind" in str(part(report).causes[0].evidence)


def test_too_many_requests_ends_the_probes() -> None:
    count = iter(range(10))

    def behave(sock: socket.socket) -> None:
        if next(count) == 0:
            closing(sock)
            return
        with server_context(require=False) as context:
            context.verify_mode = ssl.CERT_OPTIONAL
            with contextlib.suppress(ssl.SSLError), context.wrap_socket(sock, server_side=True) as tls:
                if tls.recv(1000):
                    tls.sendall(LIMITED)
                    read_until_closed(tls)

    with Peer(behave) as peer:
        report = run(peer, CLIENT.credential())
    observed = msgspec.convert(part(report).observed, Observed)
    assert len(probes(report)) == 1
    assert "429" in observed.probes_ended


def elsewhere(transcript: Transcript) -> Transcript:
    """The same connection, made to an address that is not on this machine."""
    moved = Transcript(transcript.plan, started=transcript.started)
    for event in transcript.events:
        moved.append(event._replace(address="192.0.2.1") if isinstance(event, Connected) else event)
    return moved


def steps_of(peer: Peer, *, move: bool) -> list[Any]:
    """Every step of a diagnosis of this peer; with ``move``, as if it were elsewhere."""
    settings = Settings(peer.target, CLIENT.credential(), Trust((ROOT.cert,)), server_name="localhost", app="http", timeouts=QUICK,
                        now=time.time())
    steps: list[Any] = []

    def watched() -> Generator[Any, Any, Report]:
        job = diagnose.run(settings)
        answer = None
        while True:
            try:
                step = job.send(answer)
            except StopIteration as stop:
                report: Report = stop.value
                return report
            steps.append(step)
            if isinstance(step, Pause):
                answer = None
                continue
            transcript = yield step
            answer = elsewhere(transcript) if move else transcript

    drive.run(watched())
    return steps


def test_probes_of_a_server_elsewhere_are_a_second_apart_and_on_this_machine_at_once() -> None:
    with Peer(closing) as peer:
        away, here = steps_of(peer, move=True), steps_of(peer, move=False)
    kinds = [type(step).__name__ for step in away]
    assert kinds[0] == "HandshakePlan"
    assert kinds[1:] == ["Pause", "HandshakePlan"] * (len(kinds) // 2)
    assert {step.seconds for step in away if isinstance(step, Pause)} == {1.0}
    assert [step for step in here if isinstance(step, Pause)] == []


def test_alert_that_was_lost_is_heard_by_listening_once_more() -> None:
    """A server that resets while we write loses its own alert; a second, read-only handshake hears it."""
    count = iter(range(10))

    def behave(sock: socket.socket) -> None:
        with server_context(TlsVersion.TLS1_3) as context, contextlib.suppress(ssl.SSLError):
            if next(count) == 0:
                context.load_verify_locations(cadata=ssl.DER_cert_to_PEM_cert(STRANGER.chain[-1]))
                with context.wrap_socket(sock, server_side=True) as tls:
                    tls.recv(1)
                    reset(tls)
                return
            with context.wrap_socket(sock, server_side=True):
                pass

    with Peer(behave) as peer:
        report = run(peer, STRANGER.credential(), minimum=TlsVersion.TLS1_3, maximum=TlsVersion.TLS1_3)
    assert probes(report)[:1] == ["again, without writing"]
    assert ids(report)[0] == "unknown-ca"


# ---- what never came to certificates ---------------------------------------------------------------------
def middlebox(server: Peer) -> Peer:
    """Forwards to the server, and swallows what begins with a ClientHello that does not fit one packet."""

    def behave(sock: socket.socket) -> None:
        first = sock.recv(65536)
        if len(first) > 1200:
            read_until_closed(sock)
            return
        with socket.create_connection((server.target.host, server.target.port)) as onward:
            onward.sendall(first)
            back = threading.Thread(target=pump, args=(onward, sock))
            back.start()
            pump(sock, onward)
            back.join(5)

    return Peer(behave)


def pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def test_hello_that_is_too_large_for_a_middlebox_is_found_by_a_small_one() -> None:
    with tls_server(answer=OK) as server, middlebox(server) as box:
        report = run(box, CLIENT.credential())
    assert ids(report)[0] == "large-client-hello"
    assert probes(report) == ["small ClientHello"]
    assert part(report).side == "network"


@pytest.mark.parametrize("words", [b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_something_else_than_tls_is_named(words: bytes) -> None:
    def behave(sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(words)
        read_until_closed(sock)

    with Peer(behave) as peer:
        report = run(peer, CLIENT.credential())
    assert ids(report)[0] == "not-tls"
    assert part(report).side == "network"


def test_nobody_at_home_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    report = run(Target("127.0.0.1", port), CLIENT.credential())
    assert (ids(report)[0], part(report).side, probes(report)) == ("unreachable", "network", [])


def test_version_that_the_server_does_not_have_is_named() -> None:
    with tls_server(TlsVersion.TLS1_2, answer=OK) as peer:
        report = run(peer, CLIENT.credential(), minimum=TlsVersion.TLS1_3)
    assert ids(report)[0] == "protocol-version"


def test_cipher_that_the_server_does_not_have_is_named() -> None:
    def behave(sock: socket.socket) -> None:
        with server_context(TlsVersion.TLS1_2) as context:
            context.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
            with context.wrap_socket(sock, server_side=True):
                pass

    with Peer(behave) as peer:
        report = run(peer, CLIENT.credential(), maximum=TlsVersion.TLS1_2, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")
    assert ids(report)[0] == "no-shared-cipher"


def test_server_that_fails_on_a_request_for_a_staple_is_diagnosed_without_it() -> None:
    """Some servers give up on that extension alone; what is the matter with the certificate is still found out."""

    def behave(sock: socket.socket) -> None:
        hello = sock.recv(65536, socket.MSG_PEEK)
        if STATUS_REQUEST in hello:
            return
        with (server_context(TlsVersion.TLS1_3) as context, contextlib.suppress(ssl.SSLError),
              context.wrap_socket(sock, server_side=True)):
            pass

    with Peer(behave) as peer:
        report = run(peer, EXPIRED.credential())
    assert (verdict(report), ids(report)[0]) == ("rejected", "expired")
    assert probes(report)[0] == "without asking for a staple"


def test_server_that_fails_on_a_request_for_a_staple_is_spoken_to_without_it_by_other_commands() -> None:
    seen: list[bool] = []

    def behave(sock: socket.socket) -> None:
        seen.append(STATUS_REQUEST in sock.recv(65536, socket.MSG_PEEK))
        if not seen[-1]:
            with server_context() as context:
                _once(context, sock)

    with Peer(behave) as peer:
        settings = Settings(
            peer.target, CLIENT.credential(), Trust((ROOT.cert,)), server_name="localhost", app="http", timeouts=QUICK,
            now=time.time(),
        )
        report = drive.run(handshake.run(settings))
    assert (verdict(report), seen) == ("accepted", [True, False])


def test_server_that_hangs_up_on_every_hello_is_asked_twice_and_no_more() -> None:
    asked: list[bytes] = []
    with Peer(lambda sock: asked.append(sock.recv(65536))) as peer:
        report = drive.run(handshake.run(Settings(peer.target, CLIENT.credential(), Trust((ROOT.cert,)), timeouts=QUICK)))
    assert len(asked) == 2
    assert report.handshake is msgspec.UNSET or not report.handshake.completed


STATUS_REQUEST = bytes.fromhex("000500050100000000")  # the extension, empty (RFC 6066, Section 8)


def test_server_that_speaks_http2_only_is_diagnosed_over_it() -> None:
    def behave(sock: socket.socket) -> None:
        hello = sock.recv(65536, socket.MSG_PEEK)
        if b"\x02h2" not in hello:
            sock.recv(65536)
            sock.sendall(bytes.fromhex("15030300020278"))  # alert no_application_protocol
            return
        with server_context(TlsVersion.TLS1_3) as context, contextlib.suppress(ssl.SSLError):
            context.set_alpn_protocols(["h2"])
            with context.wrap_socket(sock, server_side=True):
                pass

    with Peer(behave) as peer:
        report = run(peer, STRANGER.credential())
    assert (verdict(report), ids(report)[0], probes(report)[0]) == ("rejected", "unknown-ca", "with HTTP/2")


# ---- with what the server is believed to trust -------------------------------------------------------------
def test_own_verification_that_accepts_makes_the_difference_a_finding() -> None:
    options = diagnose.Options(client_ca=(ROOT.cert,), probes=False)
    with tls_server(answer=NGINX) as peer:
        report = run(peer, CLIENT.credential(), options=options)
    assert any("OpenSSL accepts this chain" in note for note in part(report).notes)


def test_own_verification_finds_what_the_crl_says() -> None:
    lists = (mint.revocation_list(ROOT), mint.revocation_list(INTERMEDIATE, [CLIENT]))
    options = diagnose.Options(client_ca=(ROOT.cert,), crls=lists, probes=False)
    with tls_server(answer=NGINX) as peer:
        report = run(peer, CLIENT.credential(), options=options)
    assert ids(report)[0] == "revoked"


# ---- credentials that OpenSSL would not load ------------------------------------------------------------------
def test_weak_credential_is_presented_all_the_same_and_it_is_said() -> None:
    weak = mint.leaf("weak", INTERMEDIATE, key="rsa-1024")
    with tls_server(TlsVersion.TLS1_2, answer=OK) as peer:
        report = run(peer, weak.credential(), maximum=TlsVersion.TLS1_2)
    assert report.client_auth.sent is True  # type: ignore[union-attr]
    assert any("security level" in note for note in part(report).notes)


# ---- again, without network -------------------------------------------------------------------------------
def test_saved_report_gives_the_same_causes_again() -> None:
    with tls_server(answer=NGINX) as peer:
        report = run(peer, EXPIRED.credential())
    saved = msgspec.json.decode(dumps(report), type=Report)
    again = diagnose.from_report(saved)
    assert part(again).causes == part(report).causes
    assert part(again).headline == part(report).headline
    assert part(again).probes == part(report).probes


@pytest.mark.parametrize(("credential", "answer"), [
    (EXPIRED, OK), (STRANGER, OK), (CLIENT, FORBIDDEN), (CLIENT, NGINX), (CLIENT, OK),
])
def test_report_of_another_command_is_diagnosed_from_its_parts(credential: mint.Minted, answer: bytes) -> None:
    """A report of `mtls handshake` carries no observations; they are read from its messages, alerts and chains."""
    with tls_server(answer=answer) as peer:
        report = run(peer, credential.credential(), options=diagnose.Options(probes=False))
    without = msgspec.structs.replace(report, command="handshake", diagnosis=msgspec.UNSET)
    again = diagnose.from_report(msgspec.json.decode(dumps(without), type=Report))
    assert ids(again)[:1] == ids(report)[:1]
    assert part(again).side == part(report).side


def test_report_of_no_connection_cannot_be_diagnosed() -> None:
    from inspector.report.build import tool_part

    with pytest.raises(ValueError, match="no connection"):
        diagnose.from_report(Report(command="check", tool=tool_part(openssl=False)))


def test_transcript_alone_is_enough_for_a_diagnosis() -> None:
    """As for a capture: no probes, no plan's credential, the chain is read from the wire."""
    from inspector.session.settings import handshake_plan

    with tls_server(TlsVersion.TLS1_2, answer=OK) as peer:
        settings = Settings(peer.target, EXPIRED.credential(), Trust((ROOT.cert,)), server_name="localhost", app="http",
                            timeouts=QUICK, now=time.time(), maximum=TlsVersion.TLS1_2)

        def job() -> Iterator[Any]:
            return (yield handshake_plan(settings))

        transcript = drive.run(job())  # type: ignore[arg-type]
    assert diagnose.from_transcript(transcript).causes[0].id == "expired"
