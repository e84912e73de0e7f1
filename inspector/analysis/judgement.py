"""What one of the judges of a client certificate says (``analysis.client_auth``), and the words for acceptance."""

from __future__ import annotations

from typing import Literal, NamedTuple

from inspector.analysis import encrypted
from inspector.analysis.flights import Flights
from inspector.analysis.http_signatures import Signature
from inspector.wire import events as wire

Verdict = Literal["not_requested", "accepted", "rejected", "undecided"]
RejectedBy = Literal["tls_alert", "close", "http", "protocol"]
When = Literal["handshake", "renegotiation", "post_handshake"]
# what a verdict rests on
Ground = Literal[
    "yes",  # a plain success, or the protocol's own yes
    "anybody",  # a protocol's yes to a step that needs no certificate
    "alert",  # a TLS alert
    "words",  # the application speaks of certificates, or of who we are
    "status",  # the application's answer, which does not say what it thinks of the certificate
    "close",  # a close where nothing had been asked
    "step",  # a close or a reset that came only in answer to the first step
    "no-answer",  # none to the first step until the deadline, or a part of one
    "compared",  # the difference that our certificate made (``comparison``)
    "sign",  # TLS alone: a ticket, the server's Finished
    "none",
]
EXPLICIT = frozenset({"yes", "alert", "words", "close"})

NOT_SAID = "TLS let us in; whether the application took the certificate is not said"


class Judgement(NamedTuple):
    """What one judge says."""

    verdict: Verdict
    rests_on: str
    confidence: float
    rejected_by: RejectedBy | None = None
    alert: wire.Alert | None = None
    signature: Signature | None = None
    ground: Ground = "none"


def accepted(seen: Flights, rests_on: str, confidence: float, ground: Ground) -> Judgement:
    """Acceptance, in the words that fit: nobody can be accepted who was never asked."""
    return taken(seen, rests_on, confidence)._replace(ground=ground)


def let_in(seen: Flights, rests_on: str, confidence: float) -> Judgement:
    """An answer that is neither a plain success nor a refusal."""
    return accepted(seen, f"{rests_on}: {NOT_SAID}" if seen.sent else rests_on, confidence, "status")


def taken(seen: Flights, rests_on: str, confidence: float) -> Judgement:
    if seen.requested is False:
        return Judgement("not_requested", f"no CertificateRequest in this connection; {rests_on}", confidence)
    if seen.requested is None and not seen.resumed and not seen.sent:
        return Judgement("undecided", f"{rests_on}, but whether a certificate was asked for could not be read", 0.3)
    if seen.resumed and not seen.requested:
        return Judgement("accepted", f"{rests_on}, on a resumed session (the server asks nobody again)", confidence)
    if seen.sent is None:
        told = f"{rests_on}; whether a certificate was sent is not in the capture"
        return Judgement("accepted", told, min(confidence, encrypted.TLS_ONLY))
    without = "" if seen.sent else ", without a certificate"
    return Judgement("accepted", rests_on + without, confidence)
