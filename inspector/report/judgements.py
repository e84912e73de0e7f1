"""The judgements that a report carries beside the verdict: how the credential meets the request, who else would send it, what is
the matter with it, and what is the matter with the server's chain.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from inspector.analysis import verification
from inspector.analysis.findings import Finding, MatchRule, WouldSend
from inspector.analysis.flights import Flights
from inspector.credentials.model import Credential
from inspector.plan import HandshakePlan
from inspector.report.certificates import certificate_part, rfc3339
from inspector.report.model import VerificationErrorPart, VerificationPart
from inspector.trace import events as ev
from inspector.trace.transcript import Transcript
from inspector.wire.messages import CertificateRequest


class Fit(NamedTuple):
    """How a credential meets a request, and what is the matter with it."""

    match: tuple[MatchRule, ...] = ()
    would_send: tuple[WouldSend, ...] = ()
    findings: tuple[Finding, ...] = ()


def fit_of(seen: Flights, credential: Credential | None, now: float | None) -> Fit:
    """Empty where there is no credential of the user's to judge. ``now``: seconds since the epoch."""
    if credential is None or credential.throw_away or not credential.chain:
        return Fit()
    from inspector.analysis import emulate, match
    from inspector.analysis.credential import judge_credential

    request = seen.request.value if seen.request is not None else None
    names = seen.asked.authorities if seen.asked is not None else ()
    findings = judge_credential(credential, now, known_names=names) if now is not None else ()
    if not isinstance(request, CertificateRequest):
        return Fit(findings=findings)
    asked = match.request_of(request)
    return Fit(match.match(asked, credential), emulate.would_send(asked, credential, now), findings)


def verification_of(transcript: Transcript, now: float) -> VerificationPart | None:
    """What is thought of the server, as of ``now``; None where it showed no certificate and nobody judged it (resumed sessions)."""
    judged = transcript.last(ev.Judged)
    found = verification.of_transcript(transcript, now)
    if found is None and judged is None:
        return None
    plan = transcript.plan if isinstance(transcript.plan, HandshakePlan) else None
    part = VerificationPart(
        trusted=judged.trusted if judged is not None else None,
        host_matches=judged.host_matches if judged is not None else None,
        errors=(),
        path=tuple(certificate_part(der).sha256 for der in judged.path) if judged is not None else (),
        trust_source=plan.trust.source if plan is not None else None,
        verified_at=rfc3339(now),
    )
    if found is None:
        return part
    return msgspec.structs.replace(
        part,
        errors=tuple(VerificationErrorPart(**error._asdict()) for error in found.errors),
        host_explained=found.host.text if found.host is not None else None,
        second_opinion=found.second,
        findings=found.findings,
    )
