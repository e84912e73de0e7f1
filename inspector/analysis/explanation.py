"""From a ranking to what people read: the headline, the evidence for each cause, and what cannot be told apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import msgspec

from inspector.analysis import diagnosis, schemes
from inspector.analysis.cause_texts import CAUSE_TEXTS, CauseText, ask_operator
from inspector.analysis.causes import CLOCK_TOLERANCE
from inspector.analysis.comparison import NO_CAUSES, faults_that_show
from inspector.analysis.diagnosis import Candidate, Ranking
from inspector.analysis.evidence import (
    FAMILY_NAMED,
    PHASES,
    duration_words,
    evidence_for,
    outcome_words,
    signal_words,
    status_words,
)
from inspector.analysis.findings import Cause, Evidence, ProbeOutcome
from inspector.analysis.observations import HELLO, Observed

Side = Literal["server_rejected_client", "client_rejected_server", "network", "nobody"]

SHOWN_LEAST = 0.02  # causes below this confidence are left out, beyond the first three
SHOWN_FIRST = 3
SHOWN_MOST = 6
SAME = 2.0  # confidences within this factor are called a tie
NAMED_SCHEMES = 8  # of those that a server asks for
OVER_TLS12 = "over TLS 1.2, to be asked"


class Explained(NamedTuple):
    """The parts of a report's diagnosis that are made from observations alone."""

    side: Side
    headline: str
    phase: str | None
    causes: tuple[Cause, ...]
    probes: tuple[ProbeOutcome, ...]
    family: str | None
    family_confidence: float | None
    notes: tuple[str, ...]


# ---- the whole -----------------------------------------------------------------------------------
ONLY_LATER = "over TLS 1.3 the server could have asked only after the handshake, which many cannot: try --tls-max 1.2"
AT_A_PROXY = ("ask the operator where TLS ends: at a proxy that does not ask, the page is that of a server behind it, which no "
              "certificate of yours reaches")
# "none was sent" although one is configured: to configure one is no advice
KEY_CAUSES = frozenset({"no-certificate", "signature-algorithm"})
FITS_NO_SCHEME = "no client certificate was sent, because its key fits none of the signature schemes that the server asks for"
# "none was sent" where nobody asked: another certificate on our side would change nothing
NOT_ASKED = CauseText(
    "the server wants a client certificate, and did not ask for one in this handshake, so that none was sent",
    f"{ONLY_LATER}. Or {AT_A_PROXY}",
    "the server asks for a certificate in a handshake with the same name, path and TLS version",
)


def _cause(candidate: Candidate, evidence: tuple[Evidence, ...], family: str, observed: Observed | None = None) -> Cause:
    text = CAUSE_TEXTS.get(candidate.id)
    if candidate.id in KEY_CAUSES and text is not None and observed is not None and observed.scheme_fits is False:
        wanted = schemes.labels(observed.schemes[:NAMED_SCHEMES])
        text = text._replace(remedy=f"use a certificate whose key can sign with what the server asks for ({wanted})")
        if candidate.id == "no-certificate":
            text = text._replace(summary=FITS_NO_SCHEME)
    elif candidate.id == "no-certificate" and observed is not None and observed.requested is False:
        tried = observed.tls == "1.2" or any(probe.name == OVER_TLS12 for probe in observed.probes)
        remedy = AT_A_PROXY if tried else NOT_ASKED.remedy
        text = NOT_ASKED._replace(remedy=remedy if observed.has_credential else f"configure one (--cert, --key); then {remedy}")
    return Cause(
        id=candidate.id, confidence=round(candidate.confidence, 3), summary=text.summary if text else candidate.id,
        evidence=evidence,
        refuted_by=text.refuted_by if text else "", remedy=text.remedy if text else "",
        ask_operator=ask_operator(candidate.id, family),
    )


def shown(candidates: tuple[Candidate, ...]) -> list[Candidate]:
    """The causes worth listing: the first few, and those that are not negligible."""
    return [
        c for place, c in enumerate(candidates[:SHOWN_MOST])
        if c.confidence >= SHOWN_LEAST or (place < SHOWN_FIRST and c.confidence >= 0.001)
    ]


def _tie(listed: list[Candidate], decides: str) -> tuple[str, ...]:
    """A note where the first causes cannot be told apart from our side, with what would."""
    if len(listed) < 2 or listed[0].confidence > SAME * listed[1].confidence:
        return ()
    names = ", ".join(c.id for c in listed if c.confidence * SAME >= listed[0].confidence)
    return (f"{names} cannot be told apart from the client's side: {decides} would decide",)


WHOLE_CHAIN = "same certificate with its whole chain"  # name of the probe
BY_LOG = "a line of the server's log, or another certificate of the same CA,"
BY_PATH = "another client, or the same one from another network,"


def _probe_outcomes(observed: Observed) -> tuple[ProbeOutcome, ...]:
    return tuple(ProbeOutcome(name=p.name, outcome=outcome_words(p), changed=p.differs) for p in observed.probes)


def _rejected(observed: Observed, findings: Mapping[str, tuple[Evidence, ...]]) -> Explained:
    ranking: Ranking = diagnosis.rank(observed)
    family, sure = ranking.families[0]
    sure *= diagnosis.familiarity(observed)
    listed = shown(ranking.candidates)
    name = family.name if sure >= FAMILY_NAMED else ""
    causes = tuple(_cause(c, evidence_for(c.id, observed, family, sure, findings), name, observed) for c in listed)
    first = causes[0]
    phase = PHASES.get(observed.phase or "", "")
    headline = (
        f"The server rejected you: it {signal_words(observed.signal, status_words(observed))}{', ' + phase if phase else ''}. "
        f"Most likely: {first.summary} ({first.confidence:.0%})"
    )
    notes = [*_tie(listed, BY_LOG), *_next_fault(first.id, observed), *_opinion_note(observed), *_clock_note(observed)]
    if sure < FAMILY_NAMED and first.id != "no-certificate":
        notes.append("what kind of server this is cannot be told; its answer was judged by what all known kinds do")
    if observed.alert_lost and not observed.signal.startswith("alert:"):
        notes.append("an alert may have been lost: the connection ended while or after we wrote")
    return Explained("server_rejected_client", headline, observed.phase, causes, _probe_outcomes(observed), family.words,
                     round(sure, 2), tuple(notes))


def _next_fault(cause: str, observed: Observed) -> tuple[str, ...]:
    """Where the chain made whole is refused as well, and in another way, mending it is not enough: what comes then."""
    probe = next((p for p in observed.probes if p.name == WHOLE_CHAIN), None)
    if probe is None or cause not in diagnosis.PROBES[WHOLE_CHAIN].accepted_if or probe.signal in {"accepted", observed.signal}:
        return ()
    findings = tuple(f for f in observed.findings if f not in diagnosis.PROBES[WHOLE_CHAIN].accepted_if)
    relation = "linked" if observed.relation in {"gap", "torn"} else observed.relation
    habits = tuple(p for p in observed.probes if p.name in diagnosis.PROBES and diagnosis.PROBES[p.name].as_cause)
    then = diagnosis.rank(msgspec.structs.replace(
        observed, signal=probe.signal, status=probe.status, findings=findings, relation=relation, unsent=0, probes=habits))
    first = then.candidates[0]
    words = f"mending this is not enough: with its whole chain, it is refused in another way ({outcome_words(probe)})"
    return (f"{words}; most likely then: {first.id} ({first.confidence:.0%})",)


def _clock_note(observed: Observed) -> tuple[str, ...]:
    """Two clocks that differ: dates were judged here by ours and there by theirs."""
    skew = observed.clock_skew
    if skew is None or abs(skew) <= CLOCK_TOLERANCE:
        return ()
    ours = "behind" if skew > 0 else "ahead"
    return (f"our clock and the server's differ by {duration_words(abs(skew))} (ours is {ours}), and dates are judged by both",)


def _opinion_note(observed: Observed) -> tuple[str, ...]:
    """The difference between what the server did and what its own files would make OpenSSL do."""
    if observed.opinion is None:
        return ()
    if not observed.opinion:
        return (("with the CA file (and CRLs) given, OpenSSL accepts this chain, and the server refused it: it does not use these "
                "files, or it refuses for another reason (authorisation, depth, CRLs, clock)"),)
    return ("with the CA file (and CRLs) given, OpenSSL refuses this chain as well: " + "; ".join(observed.opinion_detail),)


def _before_certificates(observed: Observed) -> Explained:
    candidates = diagnosis.rank_hello(observed)
    signal = observed.signal.removeprefix(HELLO)
    listed = shown(candidates)
    words = f"{'our side' if observed.ours else 'the server'} {signal_words(observed.signal)}"
    words += f" ({observed.looks_like})" if observed.looks_like else ""
    words += f": {observed.network_error}" if observed.network_error else ""
    what = Evidence(text=words)
    causes = []
    for candidate in listed:
        evidence = [what]
        if candidate.id == "large-client-hello" and observed.hello_size:
            evidence.append(Evidence(text=f"our ClientHello has {observed.hello_size} bytes", message=0))
        evidence += [Evidence(text=f"{p.name}: {outcome_words(p)}", probe=p.name) for p in observed.probes]
        causes.append(_cause(candidate, tuple(evidence), ""))
    answered = signal.startswith(("alert:", "prelude:")) and not observed.ours
    side: Side = "server_rejected_client" if answered else "network"
    who = "The server rejected the handshake before certificates came into it" if answered else "It never came to certificates"
    actor = "our side" if observed.ours else "it" if answered else "the server"
    headline = f"{who}: {actor} {signal_words(observed.signal)}"
    if causes:
        headline += f". Most likely: {causes[0].summary} ({causes[0].confidence:.0%})"
    else:
        headline += ", after it had answered in TLS. Its log has the reason"
    return Explained(side, headline, observed.phase, tuple(causes), _probe_outcomes(observed), None, None, _tie(listed, BY_PATH))


def _our_refusal(observed: Observed) -> Explained:
    text = CAUSE_TEXTS["server-not-trusted"]
    problems = observed.server_problems or ("its certificate does not verify",)
    cause = Cause(
        id="server-not-trusted", confidence=1.0, summary=text.summary, evidence=tuple(Evidence(text=p) for p in problems),
        refuted_by=text.refuted_by, remedy=text.remedy,
    )
    headline = f"Our side rejected the server ({'; '.join(problems)}). Your certificate was not sent"
    return Explained("client_rejected_server", headline, observed.phase, (cause,), _probe_outcomes(observed), None, None, ())


def _accepted(observed: Observed) -> Explained:
    """Nothing is wrong only where the yes is a plain one, and nothing is wrong with the credential."""
    faults = faults_that_show(observed)
    sent = "your client certificate" if observed.sent else "you, without a client certificate"
    if observed.ground in NO_PLAIN_YES or (observed.ground == "sign" and observed.protocol != "none"):
        headline = f"The server let you in through TLS{'' if observed.sent else ' without a client certificate'}: {observed.told}"
    elif faults:
        headline = f"The server accepted {sent}"
    else:
        headline = f"Nothing is wrong: the server accepted {sent}"
    if faults:
        headline += f", although {'; '.join(NO_CAUSES.get(fault) or CAUSE_TEXTS[fault].summary for fault in faults)}"
    notes = [f"the server answered {status_words(observed)}"] if observed.status else []
    notes += _clock_note(observed)
    if observed.opinion:
        notes.append("with the CA file (and CRLs) given, OpenSSL would refuse this chain, and the server took it: "
                     + "; ".join(observed.opinion_detail))
    if observed.ground == "anybody":
        notes.append("a step that not everybody may take would tell: log in with the protocol's own client")
    return Explained("nobody", headline, observed.phase, (), _probe_outcomes(observed), None, None, tuple(notes))


# grounds of an acceptance that speak for TLS, or for the comparison, and not for a plain success
NO_PLAIN_YES = frozenset({"anybody", "status", "compared"})


def _never_asked(observed: Observed) -> Explained:
    headline = "The server never asked for a client certificate in this handshake"
    headline += f", and answered {status_words(observed)}" if observed.status else ""
    notes = ["some servers ask only for some paths or names: give the one that is refused (--path, --server-name)"]
    if observed.tls == "1.3":
        notes.append(ONLY_LATER)
    return Explained("nobody", headline, observed.phase, (), _probe_outcomes(observed), None, None, tuple(notes))


def _undecided(observed: Observed, findings: Mapping[str, tuple[Evidence, ...]]) -> Explained:
    """What is known, what would tell, and the faults that show: they are to be mended in any case."""
    headline = "It cannot be told whether the server accepts you: " + (
        observed.told if observed.told and observed.ground != "none" else f"it {signal_words(observed.signal)}")
    causes = _visible(observed, findings)
    if causes:
        headline += f". What shows: {causes[0].summary}"
    notes = [WOULD_TELL.get(observed.ground, "a first step of the right protocol would tell (--app, --path)")]
    return Explained("nobody", headline, observed.phase, causes, _probe_outcomes(observed), None, None, tuple(notes))


WOULD_TELL = {
    "step": "either the first step is not of the server's protocol, or its application does not allow this identity: give the "
            "protocol (--app PROTOCOL, or --alpn h2)",
    "no-answer": "more time (--timeout), another path (--path), the right protocol (--app), or the server's log would tell",
    "status": "a path that only an accepted certificate is served (--path) would tell, or the application's log",
    "words": "the log of the application, or a certificate of which the server takes more, would tell",
    "yes": "a path that only an accepted certificate is served (--path) would tell, or the application's log",
}


def _visible(observed: Observed, findings: Mapping[str, tuple[Evidence, ...]]) -> tuple[Cause, ...]:
    """The causes that show on our side, with no claim that the server refused for them."""
    if observed.requested is False:
        return ()
    seen = set(faults_that_show(observed)) if observed.sent else {"no-certificate"} if observed.sent == 0 else set()
    if observed.sent == 0 and observed.scheme_fits is False:
        seen.add("signature-algorithm")
    ranking = diagnosis.rank(msgspec.structs.replace(observed, signal="denied"))
    family = ranking.families[0][0]
    candidates = (c for c in ranking.candidates if c.id in seen)
    return tuple(_cause(c, evidence_for(c.id, observed, family, 0.0, findings), "", observed) for c in candidates)


def explain(observed: Observed, findings: Mapping[str, tuple[Evidence, ...]] | None = None) -> Explained:
    """The diagnosis of these observations. ``findings``: evidence of what the credential shows, by cause."""
    if observed.withheld or (observed.server_problems and observed.verdict == "undecided" and observed.sent is None):
        return _our_refusal(observed)
    if observed.verdict == "rejected":
        return _rejected(observed, findings or {})
    if observed.verdict == "undecided" and observed.signal.startswith(HELLO):
        return _before_certificates(observed)
    if observed.verdict == "accepted":
        return _accepted(observed)
    return _never_asked(observed) if observed.verdict == "not_requested" else _undecided(observed, findings or {})
