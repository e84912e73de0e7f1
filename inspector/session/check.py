"""What a server asks for, without showing it anything: what ``mtls check --against TARGET`` holds a credential against."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

from inspector.analysis import match
from inspector.plan import Step
from inspector.report.build import build_report
from inspector.report.model import Report
from inspector.session.settings import Settings, handshake_plan
from inspector.wire.messages import CertificateRequest


class Asked(NamedTuple):
    """The report on the handshake, and the request in it: None where there was none."""

    report: Report
    request: match.Request | None


def run(settings: Settings) -> Generator[Step, Any, Asked]:
    """One handshake without a credential and without an application's step."""
    bare = settings._replace(credential=None, app="none")
    transcript = yield handshake_plan(bare, "certificate request")
    messages = [m.value for m in transcript.messages() if isinstance(m.value, CertificateRequest)]
    return Asked(build_report("check", transcript, bare), match.request_of(messages[0]) if messages else None)
