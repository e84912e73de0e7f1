"""One handshake, judged."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from inspector.plan import Step
from inspector.report.build import build_report
from inspector.report.model import Report
from inspector.session.first_try import first_try
from inspector.session.settings import Settings, handshake_plan
from inspector.session.stores import with_stores


def run(settings: Settings) -> Generator[Step, Any, Report]:
    """One handshake with the application's first step. Returns its report."""
    transcript = yield from first_try(handshake_plan(settings))
    return with_stores(build_report("handshake", transcript, settings), transcript, settings)
