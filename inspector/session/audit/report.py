"""The report of an audit: the first handshake, and the audit part beside it."""

from __future__ import annotations

from inspector.der import certificate
from inspector.report.build import build_report, tool_part
from inspector.report.model import Report
from inspector.session.audit.run import Audited
from inspector.session.settings import Settings
from inspector.wire import messages
from inspector.wire.events import Side

DAY = 86400.0


def audit_report(settings: Settings, audited: Audited) -> Report:
    """The report of one audited target."""
    if audited.transcript is None:
        return Report(command="audit", tool=tool_part(openssl=False), audit=audited.part)
    return build_report("audit", audited.transcript, settings, audit=audited.part)


def days_left(audited: Audited, now: float) -> float | None:
    """How long the server's certificate is still valid, in days; None where it was not seen."""
    for message in audited.transcript.messages(None, Side.SERVER) if audited.transcript is not None else []:
        sent = messages.certificate_of(message.value)
        if sent is not None and sent.chain:
            end = certificate.parse(sent.chain[0]).not_after
            return None if end is None else (end - now) / DAY
    return None
