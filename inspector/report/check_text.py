"""The text of ``mtls check``: is the credential fit for use, what is the matter with it, who would send it where."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from inspector.report.as_text import certificate_lines
from inspector.report.layout import Page
from inspector.report.model import Report
from inspector.report.outcome import OF_ERROR
from inspector.report.outcome import headline as outcome_headline

LABEL_COLUMN = 13
MARK = {True: "yes", False: "NO", None: "?"}
STYLES = {"critical": "bad", "high": "bad", "medium": "warn", "low": "warn", "info": None}


def _headline(report: Report, failing: int) -> tuple[str, str, str]:
    part = report.credential
    if report.error is not UNSET and report.error.kind in OF_ERROR:
        return outcome_headline(report)
    if report.error is not UNSET:
        word, style = ("NOT HELD AGAINST IT", "unsure") if failed_to_ask(report) else ("UNUSABLE", "bad")
        return word, report.error.message, style
    source = part.source if part is not UNSET else "the credential"
    count = len(part.findings) if part is not UNSET else 0
    if failing:
        matter = "findings that matter" if failing != 1 else "finding that matters"
        return "NOT FIT", f"{source}: {failing} {matter}", "bad"
    if not_seen(report):
        assert report.client_auth is not UNSET
        return "NOT HELD AGAINST IT", f"the server's request was not seen: {report.client_auth.rests_on}", "unsure"
    if unmet(report):
        return "DOES NOT FIT", f"{source} does not meet what the server asks for", "bad"
    if count:
        return "FIT", f"{source}, with {count} thing{'s' if count != 1 else ''} to know", "good"
    return "FIT", f"{source}: nothing found against it", "good"


def failed_to_ask(report: Report) -> bool:
    """The report's error is that the server could not be asked; nothing is wrong with the credential's files."""
    if report.error is UNSET or report.network is UNSET or report.network.error is None:
        return False
    return report.error.kind == report.network.error.kind


def not_seen(report: Report) -> bool:
    """A server was asked, and the handshake ended before one could tell whether it requests a certificate."""
    return report.client_auth is not UNSET and report.client_auth.requested is None


# rules that say how other programs fare, not whether the request is met
ADVICE = frozenset({"issuer-bytes", "authorities-size"})


def unmet(report: Report) -> bool:
    """Some rule of the server's request is not met."""
    rules = report.client_auth.match if report.client_auth is not UNSET else ()
    return any(rule.ok is False and rule.rule not in ADVICE for rule in rules)


def render(report: Report, failing: int, notes: tuple[str, ...], *, width: int, color: bool, verbose: bool, quiet: bool) -> str:
    """The text. ``failing`` counts the findings at or above the level that makes it unfit; ``notes`` are about the files."""
    page = Page(width, color=color)
    word, sentence, style = _headline(report, failing)
    page.hang(f"{word} ", sentence, 2, lead_style=style)
    part = report.credential
    if quiet:
        return page.text()
    if part is not UNSET:
        if part.chain:
            page.heading(f"What is sent ({len(part.chain)})")
            for index, certificate in enumerate(part.chain):
                certificate_lines(page, index, certificate, verbose)
        for note in notes if verbose else ():
            page.hang("  file", note, LABEL_COLUMN)
        _findings(page, part.findings)
    _against(page, report, verbose)
    return page.text()


def _findings(page: Page, findings: Any) -> None:
    if findings:
        page.heading("Findings")
    for finding in findings:
        page.hang(f"  {finding.severity}", f"{finding.summary} [{finding.id}]", LABEL_COLUMN, style=STYLES[finding.severity])
        for evidence in finding.evidence:
            page.hang("", evidence.text, LABEL_COLUMN)
        if finding.remedy:
            page.hang("", f"to do: {finding.remedy}", LABEL_COLUMN)


def _against(page: Page, report: Report, verbose: bool) -> None:
    part = report.client_auth
    if part is UNSET:
        return
    page.heading("Held against the server's request")
    if not part.requested:
        page.hang("  asked",
        "the server did not ask for a client certificate" if part.requested is False else "cannot be told", LABEL_COLUMN)
    for rule in part.match:
        page.hang(f"  {rule.rule}", f"{MARK[rule.ok]}: {rule.detail}", 22, style="warn" if rule.ok is False else None)
    if part.would_send:
        page.heading("Who would send it")
        column = max(len(other.client) for other in part.would_send) + 4
        for other in part.would_send:
            sends = {True: "sends it", False: "WITHHOLDS it", None: "cannot be told"}[other.sends]
            why = f": {other.why}" if verbose or other.sends is not True else ""
            page.hang(f"  {other.client}", f"{sends}{why}", column, style="warn" if other.sends is False else None)
