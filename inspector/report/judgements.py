"""The judgements that a report carries beside the verdict: how the credential meets the request, who else would send it, what is
the matter with it, and what is the matter with the server's chain.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from inspector.analysis import chain as chains
from inspector.analysis import hostname, x509_errors
from inspector.analysis.findings import Finding, MatchRule, WouldSend
from inspector.analysis.flights import Flights, server_chain
from inspector.credentials.model import Credential
from inspector.der import certificate as der_certificate
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


def _errors(transcript: Transcript) -> tuple[VerificationErrorPart, ...]:
    parts = []
    for error in dict.fromkeys(transcript.all(ev.CertificateError)):
        meaning = x509_errors.meaning(error.code)
        parts.append(VerificationErrorPart(
            depth=error.depth, code=error.code, name=error.name, summary=meaning.summary, remedy=meaning.remedy,
            subject=der_certificate.parse(error.certificate).title if error.certificate else None,
        ))
    return tuple(parts)


def _host_explained(chain: tuple[bytes, ...], plan: Any, matches: bool | None) -> str | None:
    if matches is not False or not chain or not plan.verify_name:
        return None
    return hostname.explain(der_certificate.parse(chain[0]), plan.verify_name).text


def verification_of(transcript: Transcript, verified_at: float | None) -> VerificationPart | None:
    """What OpenSSL thought of the server, in words too; None where nobody judged it (captures, resumed sessions)."""
    judged, errors = transcript.last(ev.Judged), _errors(transcript)
    if judged is None and not errors:
        return None
    plan = transcript.plan if isinstance(transcript.plan, HandshakePlan) else None
    chain = server_chain(transcript) or ()
    trusted, matches, path = (judged.trusted, judged.host_matches, judged.path) if judged is not None else (None, None, ())
    return VerificationPart(
        trusted=trusted,
        host_matches=matches,
        errors=errors,
        path=tuple(certificate_part(der).sha256 for der in path),
        trust_source=plan.trust.source if plan is not None else None,
        verified_at=rfc3339(verified_at),
        host_explained=_host_explained(chain, plan, matches) if plan is not None else None,
        findings=chains.findings_of(chains.shape_of(chain, path), trusted) if chain else (),
    )
