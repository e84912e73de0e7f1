"""The report of an audit: the first handshake, and the audit part beside it."""

from __future__ import annotations

import msgspec

from inspector.analysis.findings import CheckResult
from inspector.der import certificate
from inspector.report.build import build_report, tool_part
from inspector.report.model import Coverage, Report, ReportError
from inspector.session.audit.run import Audited
from inspector.session.settings import Settings
from inspector.wire import messages
from inspector.wire.events import Side

DAY = 86400.0


def audit_report(settings: Settings, audited: Audited, *, ended: str | None = None) -> Report:
    """The report of one audited target; ``ended`` says how somebody ended it before it was done."""
    if audited.transcript is None:
        report = Report(command="audit", tool=tool_part(openssl=False), audit=audited.part)
    else:
        report = build_report("audit", audited.transcript, settings, audit=audited.part)
    error = None
    if ended is not None:
        error = ReportError(kind=ended, message=f"{ended}: this is the report so far", hint="")
    elif audited.unreachable:
        words = f"{settings.target} could not be talked to"
        error = ReportError(kind="unreachable", message=words, hint="is the port right, and does it speak TLS?")
    return msgspec.structs.replace(report, error=error) if error is not None else report


def dry_report(settings: Settings, audited: Audited) -> Report:
    """What a dry run would send, as the notes of an audit of which nothing was run."""
    checks = tuple(
        CheckResult(
            id=check.id, status="not_run", severity=check.severity, confidence=None, summary="dry run: nothing was sent",
            needs=check.needs,
        )
        for check in audited.part.checks
    )  # fmt: skip
    part = msgspec.structs.replace(
        audited.part, enforcement="NOT_DETERMINED", grade="-", coverage=Coverage(run=0, total=len(checks)), checks=checks,
        notes=(f"dry run against {settings.target}: {len(audited.probes)} probes, none of them sent", *audited.probes),
    )  # fmt: skip
    return Report(command="audit", tool=tool_part(openssl=False), audit=part)


def days_left(audited: Audited, now: float) -> float | None:
    """How long the server's certificate is still valid, in days; None where it was not seen."""
    for message in audited.transcript.messages(None, Side.SERVER) if audited.transcript is not None else []:
        sent = messages.certificate_of(message.value)
        if sent is not None and sent.chain:
            end = certificate.parse(sent.chain[0]).not_after
            return None if end is None else (end - now) / DAY
    return None
