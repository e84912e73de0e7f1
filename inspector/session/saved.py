"""A saved report, diagnosed again: from the observations that it carries, or, where it has none, from its other parts."""

from __future__ import annotations

import base64
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from inspector.analysis.authority import standing
from inspector.analysis.http_signatures import find_signature
from inspector.analysis.observations import HELLO, Observed
from inspector.analysis.observe import BY_STATUS, PAGES, unusual_in
from inspector.app.result import HttpReply
from inspector.report.model import AlertPart, ClientAuthPart, DiagnosisPart, HttpPart, Report
from inspector.wire.registry import AlertDescription, ClientCertificateType, SignatureScheme

CLOSING = frozenset({AlertDescription.CLOSE_NOTIFY, AlertDescription.USER_CANCELED})
# error.kind of a report without a verdict -> signal
FAILURES = {"not-tls": "plain", "reset": "reset", "closed": "close", "silent": "silence", "prelude": "prelude:refused"}


def observed_in(report: Report) -> Observed:
    """What a diagnosis of this report rests on. Raises ValueError where the report is not of one connection."""
    part = report.diagnosis
    if isinstance(part, DiagnosisPart) and part.observed:
        return msgspec.convert(part.observed, Observed)
    if not isinstance(report.client_auth, ClientAuthPart):
        if not report.error:
            raise ValueError("no connection")
        return Observed(verdict="undecided", signal=HELLO + FAILURES.get(report.error.kind, "network"),
                        network_error=report.error.message, has_credential=bool(report.credential))
    return _from_parts(report, report.client_auth)


def _fatal(report: Report) -> AlertPart | None:
    alerts = report.handshake.alerts if report.handshake else ()
    return next((a for a in alerts if a.sender == "server" and a.code is not None and a.code not in CLOSING), None)


def _reply(http: HttpPart) -> HttpReply:
    return HttpReply(http.status or 0, http.version or "", "", http.headers, http.body_bytes or 0)


def _signal(report: Report, auth: ClientAuthPart) -> str:
    if auth.verdict in {"accepted", "not_requested"}:
        return "accepted"
    if auth.rejected_by == "protocol":
        return "denied"
    if auth.rejected_by == "http" and report.http:
        signature = find_signature(_reply(report.http))
        known = PAGES.get(signature.meaning) if signature is not None else None
        return known or BY_STATUS.get(report.http.status or 0, "error")
    alert = _fatal(report)
    if alert is not None:
        signal = f"alert:{alert.code}"
    else:
        how = report.network.ended_how if report.network else None
        signal = {"reset": "reset", "fin": "close"}.get(how or "", "close" if auth.rejected_by == "close" else "silence")
    return signal if auth.verdict == "rejected" or auth.requested else HELLO + signal


def _skew(report: Report) -> float | None:
    """Seconds between the Date of the answer and the time of the report; None where one of them is not known."""
    from datetime import datetime

    date = next((value for name, value in report.http.headers if name.lower() == "date"), None) if report.http else None
    at = report.verification.verified_at if report.verification else None
    if date is None or at is None:
        return None
    try:
        return parsedate_to_datetime(date).timestamp() - datetime.fromisoformat(at).timestamp()
    except (ValueError, TypeError):
        return None


def _index(report: Report, sender: str, *types: str) -> int | None:
    found = [m.index for m in report.handshake.messages if m.sender == sender and m.type in types] if report.handshake else []
    return found[-1] if found else None


def _problems(report: Report) -> tuple[str, ...]:
    if not report.verification or (report.verification.trusted is not False and report.verification.host_matches is not False):
        return ()
    return tuple(f"{e.name} at depth {e.depth}" for e in report.verification.errors) or ("the certificate is not for this name",)


def _numbers(registry: Any, labels: tuple[str, ...]) -> tuple[int, ...]:
    """The registry's numbers of labels; those that no label here has are left out."""
    found = []
    for label in labels:
        try:
            found.append(int(registry.named(label)))
        except KeyError:
            continue
    return tuple(found)


def _from_parts(report: Report, auth: ClientAuthPart) -> Observed:
    sent = tuple(base64.b64decode(part.der) for part in auth.sent_chain)
    listed = tuple(base64.b64decode(part.der) for part in auth.certificate_authorities)
    known = tuple(base64.b64decode(part.der) for part in (report.server_chain or ())[1:])
    stand = standing(sent, listed, known)
    problems = _problems(report)
    withheld = bool(problems) and auth.verdict == "undecided"
    certificate = _index(report, "client", "certificate", "compressed_certificate")
    alert = _fatal(report)
    fits = next((rule.ok for rule in auth.match if rule.rule == "signature-scheme"), None)
    header = next((v for n, v in report.http.headers if n.lower() == "server"), None) if report.http else None
    protocol = report.handshake.protocol if report.handshake else None
    return Observed(
        verdict=auth.verdict, signal=_signal(report, auth),
        phase=alert.phase if alert is not None else "application" if auth.rejected_by in {"http", "protocol"} else None,
        tls=protocol.removeprefix("TLSv") if protocol else None,
        protocol="http" if report.http else report.application.protocol if report.application else "none",
        requested=auth.requested, when=auth.when, request_message=_index(report, "server", "certificate_request"),
        certificate_message=certificate, listed=tuple(part.name for part in auth.certificate_authorities),
        schemes=_numbers(SignatureScheme, auth.signature_schemes), types=_numbers(ClientCertificateType, auth.certificate_types),
        has_credential=bool(report.credential) or bool(sent),
        sent=len(sent) if certificate is not None and not withheld else None, withheld=withheld,
        findings=tuple(f.id for f in report.credential.findings) if report.credential else (), scheme_fits=fits,
        unusual=unusual_in(sent), issuers=stand.issuers, relation=stand.relation, relation_detail=stand.detail,
        key_check=stand.key_check, key_detail=stand.key_detail, names_differ=stand.names_differ,
        end_looks_like=stand.end_looks_like, clock_skew=_skew(report), server_problems=problems,
        status=str(report.http.status) if report.http else report.application.status if report.application else None,
        product=header,
    )
