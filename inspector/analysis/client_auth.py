"""The verdict of one transcript on our client certificate: asked for, sent, and what became of it.

Theory of operation. A handshake that is complete for us says nothing in TLS 1.3, so the verdict rests on what the server did
*after* our flight, the most telling thing first:

1. we refused the server: nothing of ours was judged;
2. an application answer: its status or its protocol's own word;
3. a fatal alert after our Certificate message went out;
4. a close or a reset after our Certificate, before anything was asked;
5. no answer to what was asked: a close that comes only then, or nothing until the deadline, is no word about the certificate;
6. a positive sign: application data, a session ticket after our Finished, in TLS 1.2 the server's Finished. It speaks for TLS only;
7. silence decides nothing.

``JUDGES`` holds these in order; the first that has something to say is believed. How explicit it was is its *ground*: one
transcript cannot tell an application's 404 to us from its 404 to everybody, so ``diagnose`` compares where the ground is not
``EXPLICIT``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from inspector.analysis import encrypted, flights
from inspector.analysis.answer_judges import by_http, by_protocol
from inspector.analysis.flights import Flights
from inspector.analysis.http_signatures import Signature
from inspector.analysis.judgement import Ground, Judgement, RejectedBy, Verdict, When, accepted
from inspector.analysis.lost import answer_lost
from inspector.trace import events as ev
from inspector.trace.phase import Phase
from inspector.trace.transcript import Transcript
from inspector.wire import events as wire
from inspector.wire.events import Side

QUOTED = 60  # bytes of what a server said
# alerts that can only be about a certificate (RFC 8446, Section 6.2; 41 is SSL 3.0's, Mbed TLS still sends it)
CERTIFICATE_ALERTS = frozenset({41, 42, 43, 44, 45, 46, 48, 116})


class ClientAuth(NamedTuple):
    """What is known. ``None`` for requested and sent: cannot be told. Certificates and names are DER, algorithms their numbers.

    ``request_index`` and ``certificate_index`` count in ``Transcript.listed``. ``rests_on`` is one sentence; ``confidence`` runs
    from 0 to 1. ``alert`` and ``signature`` are what a rejection rests on, where it is one of these.
    """

    requested: bool | None
    when: When | None
    authorities: tuple[bytes, ...]
    schemes: tuple[int, ...]
    types: tuple[int, ...]
    sent: bool | None
    sent_chain: tuple[bytes, ...]
    verdict: Verdict
    rejected_by: RejectedBy | None
    rests_on: str
    confidence: float
    request_index: int | None = None
    certificate_index: int | None = None
    authorities_bytes: int | None = None
    alert: wire.Alert | None = None
    signature: Signature | None = None
    ground: Ground = "none"


def _by_withholding(seen: Flights) -> Judgement | None:
    judged = seen.transcript.last(ev.Judged)
    if judged is None or not judged.withheld:
        return None
    return Judgement("undecided", "the server was not verified, so our flight never left", 1.0)


def _by_alert(seen: Flights) -> Judgement | None:
    alert = seen.fatal_alert
    if alert is None or (alert.description not in CERTIFICATE_ALERTS and flights.client_was_gone(seen.transcript, alert)):
        return None
    name = flights.alert_name(alert.description)
    if seen.requested and seen.after_our_certificate(alert):
        empty = "" if seen.sent else " in answer to our empty Certificate"
        sure = 0.99 if alert.description in CERTIFICATE_ALERTS else 0.9
        return Judgement("rejected", f"alert {alert.description} {name}{empty}", sure, "tls_alert", alert, ground="alert")
    if seen.requested is None and alert.description in CERTIFICATE_ALERTS and seen.handshake_done:
        return Judgement("rejected", f"alert {alert.description} {name} after our flight", 0.8, "tls_alert", alert, ground="alert")
    if any(seen.lost) and seen.requested is not False:
        about = alert.description in CERTIFICATE_ALERTS  # wherever it stood, it can only be about the client's certificate
        return Judgement("rejected" if about else "undecided", f"alert {alert.description} {name}; {seen.lost.words}",
                         0.8, "tls_alert" if about else None, alert, ground="alert" if about else "none")
    before = "before the server asked for a certificate" if not seen.requested else "before our certificate was sent"
    return Judgement("undecided", f"alert {alert.description} {name}, {before}", 0.9, alert=alert)


def _by_loss(seen: Flights) -> Judgement | None:
    """An end says nothing where bytes are missing: the server's answer may be among them, or the client's goodbye. And no sign of
    consent does where the server's answer may be.
    """
    if not any(seen.lost):
        return None
    if seen.closed_by_server is not None and not seen.server_data:
        return Judgement("undecided", f"{seen.closed_by_server}, but {seen.lost.words}", 0.9)
    if seen.lost.server_later and seen.requested is not False and answer_lost(seen.transcript):
        return Judgement("undecided", f"the server's answer may be among what is missing: {seen.lost.words}", 0.9)
    return None


def _by_close(seen: Flights) -> Judgement | None:
    how = seen.closed_by_server
    if how is None or seen.server_data:
        return None
    if not seen.requested or not seen.our_certificate_out:
        if seen.handshake_done and seen.requested is False:
            return Judgement("undecided", f"no CertificateRequest, and {how} before any answer", 0.5)
        return Judgement("undecided", f"{how} before certificates came into it", 0.8)
    if not seen.handshake_done:
        told = f"{how} right after our Certificate, in the handshake, without an alert"
        return Judgement("rejected", told, 0.9, "close", ground="close")
    if not seen.we_spoke and _idled(seen):
        return None
    if not seen.we_spoke:
        told = f"{how} right after the handshake, before anything was asked, without an alert"
        return Judgement("rejected", told, 0.85, "close", ground="close")
    if not listened(seen.transcript):
        return Judgement("rejected", f"{how} in answer to the first step, without an alert", 0.6, "close", ground="step")
    agreed = agreed_protocol(seen.transcript)
    if agreed is not None:
        told = f"{how} only in answer to the first step, although it had agreed to speak {agreed}: its application refuses"
        return Judgement("rejected", told, 0.6, "close", ground="step")
    told = f"{how} only in answer to the first step: TLS had let us in, and the step may not be of its protocol"
    return Judgement("undecided", told, 0.6, ground="step")


def _idled(seen: Flights) -> bool:
    """True where we had listened for the verdict, and then said nothing: a server that ends an idle connection refuses nobody."""
    ended = seen.transcript.last(ev.Ended)
    return seen.transcript.plan is not None and ended is not None and ended.phase is Phase.APPLICATION


def listened(transcript: Transcript) -> bool:
    """True where nothing was asked before the server had time to refuse; a captured client may have written at once."""
    return bool(getattr(transcript.plan, "listen_first", False))


def agreed_protocol(transcript: Transcript) -> str | None:
    """What the server agreed to speak with us (ALPN), so that it is not our first step that it did not understand; or None."""
    done = transcript.last(ev.HandshakeDone)
    agreed = done.alpn if done is not None else None
    return agreed if agreed is not None and agreed in getattr(transcript.plan, "alpn", ()) else None


def _by_unasked_goodbye(seen: Flights) -> Judgement | None:
    """Words and a close where nothing was asked are no sign of consent: they may as well say no."""
    if seen.transcript.plan is None or seen.we_spoke or not seen.server_data or not seen.requested:
        return None
    if seen.closed_by_server is None or _idled(seen):
        return None
    said = b"".join(e.data or b"" for e in seen.transcript.all(wire.ApplicationData) if e.side is Side.SERVER)
    told = f"the server said {said[:QUOTED].decode('latin-1')!a} before anything was asked, and closed the connection"
    return Judgement("undecided", told, 0.6, ground="step")


def _by_missing_answer(seen: Flights) -> Judgement | None:
    """What was asked got no whole answer: a ticket before it, or a part of an answer, is no acceptance."""
    if not _unanswered(seen.answer) or not seen.handshake_done or not seen.we_spoke or seen.transcript.plan is None:
        return None
    said = _why_unanswered(seen)
    if said is None:
        return None
    told, ground = said
    if seen.requested is False:
        return Judgement("not_requested", f"no CertificateRequest in this connection; {told}", 0.7, ground=ground)
    return Judgement("undecided", f"{told}: TLS let us in, and the application has not said anything", 0.6, ground=ground)


def _unanswered(answer: Any) -> bool:
    """True where no answer came, or one that is not whole, or not of the protocol."""
    if answer is None:
        return True
    return answer.http is None and answer.accepted is None and bool(answer.error or answer.protocol == "http")


def _why_unanswered(seen: Flights) -> tuple[str, Ground] | None:
    ended, result = seen.transcript.last(ev.Ended), seen.transcript.last(ev.ApplicationResult)
    if ended is not None and ended.how == "deadline":
        seconds = ended.at - min((e.at for e in seen.transcript.all(ev.PhaseEntered) if e.phase is Phase.APPLICATION), default=0.0)
        part = "only a part of an answer" if seen.server_data else "no answer"
        return f"{part} to the first step within {seconds:.0f} s", "no-answer"
    if seen.server_data and result is not None and result.result.error:
        return f"no whole answer to the first step came ({result.result.error})", "status"
    if seen.server_data and seen.closed_by_server is not None:
        return f"{seen.closed_by_server} before its answer to the first step was whole", "status"
    return None


def _by_client_alert(seen: Flights) -> Judgement | None:
    """In a capture, a client that refused its server: however the server took that, it judged nothing."""
    alert = flights.client_alert(seen.transcript)
    if alert is None or seen.transcript.plan is not None or seen.server_data:
        return None
    name = flights.alert_name(alert.description)
    return Judgement("undecided", f"the client ended it, with alert {alert.description} {name}", 0.95)


def _by_sizes(seen: Flights) -> Judgement | None:
    """A capture of TLS 1.3 without keys: what the sizes of the records say (``encrypted``)."""
    if seen.transcript.plan is not None or not seen.tls13 or seen.requested is not None or seen.handshake_done:
        return None
    reading = encrypted.read(seen.transcript)
    if reading is None:
        return None
    sure = f"{reading.rests_on} ({reading.confidence:.0%} sure)"
    return Judgement(reading.verdict, sure, reading.confidence, reading.rejected_by)


def _by_unread_data(seen: Flights) -> Judgement | None:
    """In a capture without keys, that a server which asked went on is a sign of TLS alone: what it said may be no."""
    data = [event for event in seen.transcript.all(wire.ApplicationData) if event.side is Side.SERVER]
    if seen.transcript.plan is not None or not seen.server_data or not seen.requested or any(event.data for event in data):
        return None
    return accepted(seen, f"the server sent application data; {encrypted.NOT_VISIBLE}", encrypted.TLS_ONLY, "sign")


def _by_positive_sign(seen: Flights) -> Judgement | None:
    if seen.server_data:
        return accepted(seen, "the server sent application data", 0.7, "sign")
    if seen.ticket_after_finished:
        return accepted(seen, "the server issued a session ticket after our Finished", 0.8, "sign")
    if seen.server_finished_last:
        return accepted(seen, "the server finished the handshake after seeing our flight", 0.85, "sign")
    if seen.handshake_done and seen.requested is False:
        return Judgement("not_requested", "the handshake was completed without a CertificateRequest", 0.9)
    return None


def _by_our_own_end(seen: Flights) -> Judgement | None:
    """OpenSSL stopped on our side, and the server had said nothing of its own. The words are for people."""
    stopped = seen.transcript.last(ev.EngineError)
    if stopped is None:
        return None
    words = "; ".join(stopped.reasons) or "without a reason"
    return Judgement("undecided", f"our own side stopped: OpenSSL says '{words}'", 0.9)


def _of_silence(seen: Flights) -> str:
    where = "in TLS 1.3 " if seen.tls13 else "on a resumed session " if seen.resumed else ""
    return f"{where}that is neither yes nor no"


def _by_silence(seen: Flights) -> Judgement:
    if any(seen.lost):
        return Judgement("undecided", f"nothing that was captured decides it; {seen.lost.words}", 0.9)
    if seen.handshake_done:
        return Judgement("undecided", f"the server said nothing after our flight: {_of_silence(seen)}", 0.5)
    if seen.server_spoke:
        ended = seen.transcript.last(ev.Ended)
        silent = ended is not None and ended.how == "deadline"
        why = "the server fell silent in the middle of it" if silent else "no alert says why"
        return Judgement("undecided", f"the handshake was not completed, and {why}", 0.5)
    return Judgement("undecided", "the server never spoke TLS", 1.0)


JUDGES: tuple[Callable[[Flights], Judgement | None], ...] = (
    _by_withholding,
    by_http,
    by_protocol,
    _by_alert,
    _by_client_alert,
    _by_sizes,
    _by_loss,
    _by_close,
    _by_unread_data,
    _by_unasked_goodbye,
    _by_missing_answer,
    _by_positive_sign,
    _by_our_own_end,
)


def judge(transcript: Transcript) -> ClientAuth:
    """The verdict on the client certificate of this connection. Pure, never raises on what a peer sent."""
    seen = flights.survey(transcript)
    judgement = next((said for said in (judge(seen) for judge in JUDGES) if said is not None), None) or _by_silence(seen)
    asked, request = seen.asked, seen.request
    return ClientAuth(
        requested=seen.requested,
        when=_when(seen),
        authorities=asked.authorities if asked else (),
        schemes=asked.schemes if asked else (),
        types=asked.types if asked else (),
        sent=seen.sent,
        sent_chain=seen.sent_chain,
        verdict=judgement.verdict,
        rejected_by=judgement.rejected_by,
        rests_on=judgement.rests_on,
        confidence=judgement.confidence,
        request_index=seen.index_of(request),
        certificate_index=seen.index_of(seen.our_certificate),
        authorities_bytes=asked.authorities_bytes if asked else None,
        alert=judgement.alert,
        signature=judgement.signature,
        ground=judgement.ground,
    )


def _when(seen: Flights) -> When | None:
    if seen.request is None:
        return None
    if not seen.request.late:
        return "handshake"
    return "post_handshake" if seen.tls13 else "renegotiation"
