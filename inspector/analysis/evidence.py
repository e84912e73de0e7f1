"""What is said for a cause, and against it: lines made from observations. What speaks against it is marked, and comes last."""

from __future__ import annotations

from collections.abc import Mapping

from inspector.analysis import diagnosis
from inspector.analysis.causes import CLOCK_TOLERANCE, SERVER_FAULTS, SMALL_ERROR
from inspector.analysis.families import Family
from inspector.analysis.findings import Evidence
from inspector.analysis.observations import HELLO, Observed, ProbeSeen
from inspector.wire.registry import AlertDescription

FAMILY_NAMED = 0.5
UNITS = ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"))
READ_ONLY = "again, without writing"  # name of the probe

PHASES = {
    "client_flight": "in the handshake, in answer to our certificate",
    "awaiting_verdict": "after the handshake was complete on our side",
    "application": "in answer to the first step of the application",
    "hello": "in answer to our ClientHello",
    "server_flight": "in the handshake, before our certificate",
    "resolve": "while the name was looked up",
    "connect": "while connecting",
    "prelude": "before TLS began",
}
SIGNALS = {
    "close": "closed the connection without an alert",
    "reset": "reset the connection without an alert",
    "dropped": "closed the connection without an alert",
    "silence": "did not answer",
    "page:missing": "answered that a client certificate is required",
    "page:invalid": "answered that the client certificate is not valid",
    "page:late": "answered that it could not ask for a certificate any more",
    "denied": "answered that this client is not allowed",
    "misdirected": "answered that this name is not served over this channel",
    "error": "answered with an error",
    "accepted": "accepted",
    "plain": "spoke something that is not TLS",
    "prelude:refused": "refused us before TLS began",
    "prelude:name": "does not serve the name that it was asked for",
    "network": "could not be reached",
}


def signal_words(signal: str, status: str | None = None) -> str:
    """A signal as the end of a sentence about the server: "sent alert 45 certificate_expired"."""
    bare = signal.removeprefix(HELLO)
    if bare.startswith("alert:"):
        number = int(bare.removeprefix("alert:"))
        return f"sent alert {number} {AlertDescription(number).label}"
    words = SIGNALS.get(bare, bare)
    return f"{words} ({status})" if status and (bare.startswith("page:") or bare in {"denied", "error", "misdirected"}) else words


def outcome_words(probe: ProbeSeen) -> str:
    """A probe's outcome, as the report lists it: "accepted", "alert 48 unknown_ca", "closed..."."""
    if probe.name == READ_ONLY and probe.signal == "silence":
        return "no alert came"
    status = probe.status or ""
    if probe.signal in {"accepted", "error"} and status.startswith("HTTP ") and not status.startswith("HTTP 2"):
        return f"answered {status}"
    return signal_words(probe.signal).removeprefix("sent ")


def duration_words(seconds: float) -> str:
    """A length of time as people say it: "3 minutes", "40 days"."""
    unit, name = next(((u, n) for u, n in UNITS if seconds >= 2 * u), (1.0, "seconds"))
    return f"{seconds / unit:.0f} {name}"


def status_words(observed: Observed) -> str | None:
    if observed.status is None:
        return None
    return f"{'HTTP' if observed.protocol == 'http' else observed.protocol} {observed.status}"


# ---- evidence ------------------------------------------------------------------------------------
AGAINST = "against it: "


def _answer(cause: str, observed: Observed, family: Family, sure: float) -> Evidence:
    if observed.verdict == "undecided":  # it has not refused: what is known instead
        return Evidence(text=observed.told or "the server did not say", message=observed.certificate_message)
    words = f"the server {signal_words(observed.signal, status_words(observed))}"
    phase = PHASES.get(observed.phase or "")
    words += f", {phase}" if phase else ""
    likely = diagnosis.predict(cause, family, observed.signal, observed.tls)
    best = max(diagnosis.predict(other, family, observed.signal, observed.tls) for other in diagnosis.cause_odds(observed))
    if sure >= FAMILY_NAMED:
        fits = likely > 0.3 * best
        words += f"; the server looks like {family.words}, and this "
        words = f"{words}fits" if fits else f"{AGAINST}{words}is rarely its answer to this cause"
    return Evidence(text=words, message=observed.certificate_message)


def _trust(cause: str, observed: Observed) -> list[Evidence]:
    if cause not in {"unknown-ca", "lookalike-ca", "missing-intermediate", "server-trust", "server-crl", "revoked", "chain-order"}:
        return []
    found = []
    refuted = diagnosis.cause_odds(observed)[cause][1] == "refuted"
    if observed.relation_detail:
        found.append(Evidence(text=(AGAINST if refuted else "") + observed.relation_detail, message=observed.request_message))
    if observed.names_differ and cause == "unknown-ca":
        found.append(Evidence(text=observed.names_differ + "; Go, GnuTLS and NSS compare bytes, OpenSSL does not"))
    if observed.key_detail:
        found.append(Evidence(text=(AGAINST if refuted else "") + observed.key_detail, message=observed.certificate_message))
    return found


def _sent(cause: str, observed: Observed) -> list[Evidence]:
    if cause not in {"no-certificate", "signature-algorithm"} or observed.sent is None:
        return []
    if observed.sent == 0:
        why = ": none was configured" if not observed.has_credential else ""
        if observed.scheme_fits is False:
            why = ": the key fits none of the signature schemes that the server asked for, so TLS could not use it"
        return [Evidence(text=f"our Certificate message was empty{why}", message=observed.certificate_message)]
    against = AGAINST if cause == "no-certificate" else ""
    return [Evidence(text=f"{against}{observed.sent} certificate(s) were really sent", message=observed.certificate_message)]


def _special(cause: str, observed: Observed) -> list[Evidence]:
    found = [Evidence(text=text) for text in (observed.unusual if cause == "signature-algorithm" else ())]
    if cause == "server-depth" and observed.issuers:
        found.append(Evidence(text=f"the chain has {observed.issuers} certificate(s) between the root and yours"))
    if cause in {"server-clock", "expired", "not-yet-valid"} and observed.clock_skew is not None:
        skew = observed.clock_skew
        away = f"{duration_words(abs(skew))} {'ahead' if skew > 0 else 'behind'}"
        words = "agree" if abs(skew) <= CLOCK_TOLERANCE else f"differ: the server's is {away}"
        against = AGAINST if cause == "server-clock" and words == "agree" else ""
        found.append(Evidence(text=f"{against}the server's clock (Date of its answer) and ours {words}"))
    if cause == "server-clock" and observed.clock_skew is None and (observed.edge or 0.0) > SMALL_ERROR:
        days = (observed.edge or 0.0) / SMALL_ERROR
        found.append(Evidence(text=f"{AGAINST}the server's clock would have to be wrong by {days:.0f} days or more"))
    if cause in observed.said:
        found.append(Evidence(text=f"the server's own words: '{observed.said_words}'"))
    if observed.opinion is not None and (cause in observed.opinion or cause in SERVER_FAULTS):
        found += [Evidence(text=detail) for detail in observed.opinion_detail]
    return found


def _probe_evidence(cause: str, observed: Observed) -> list[Evidence]:
    found = []
    for probe in observed.probes:
        expected = diagnosis.PROBES.get(probe.name)
        if expected is None or probe.signal.startswith(HELLO):
            continue
        same = probe.signal == observed.signal
        if cause in expected.accepted_if and probe.signal == "accepted":
            text = f"{probe.name}: accepted, so this is what was wrong"
        elif same:
            text = f"{probe.name}: the same answer as to yours ({outcome_words(probe)})" + (
                ", so the answer does not tell this cause from others" if expected.as_cause and expected.as_cause != cause else "")
        else:
            text = f"{probe.name}: another answer than to yours ({outcome_words(probe)})" + (
                f", so yours is not refused as {_as_words(expected.as_cause)}" if expected.as_cause and expected.as_cause != cause
                else "")
        found.append(Evidence(text=text, probe=probe.name))
    return found


def _as_words(cause: str | None) -> str:
    return {
        "no-certificate": "one that was not sent", "self-signed": "an untrusted one", "lookalike-ca": "one of a look-alike CA",
        "missing-intermediate": "one with a gap in its chain",
    }.get(cause or "", "that")


def evidence_for(
    cause: str, observed: Observed, family: Family, sure: float, findings: Mapping[str, tuple[Evidence, ...]]
) -> tuple[Evidence, ...]:
    """What speaks for this cause, and then, marked, what speaks against it. ``sure``: of the family."""
    found = [_answer(cause, observed, family, sure), *findings.get(cause, ()), *_sent(cause, observed), *_trust(cause, observed),
             *_special(cause, observed), *_probe_evidence(cause, observed)]
    if len(found) == 1 and cause not in CAUSES_THAT_SHOW:
        found.append(Evidence(text="nothing on our side speaks against it, and nothing shows it"))
    return tuple(sorted(found, key=lambda evidence: evidence.text.startswith(AGAINST)))


CAUSES_THAT_SHOW = frozenset({"no-certificate", "self-signed", "expired", "not-yet-valid", "intermediate-expired"})
