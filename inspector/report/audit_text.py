"""The audit part as text. Renders and computes nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence

from inspector.analysis.findings import CheckResult
from inspector.report.escape import terminal
from inspector.report.layout import Page, columns
from inspector.report.model import AuditPart

ORDER = ("critical", "high", "medium", "low", "info")
STYLE = {"ENFORCED": "good", "BYPASSABLE": "bad", "NOT_ENFORCED": "bad", "NOT_DETERMINED": "unsure"}
MEANING = {
    "ENFORCED": "every probe that lacked a valid credential was refused",
    "BYPASSABLE": "it refuses by default, but a probe without a valid credential got in",
    "NOT_ENFORCED": "anybody gets in",
    "NOT_DETERMINED": "too little could be tried to say",
}
SHELL_WORD = re.compile(r"""(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\])+""")
CONTINUED = " \\"
SEVERITY_STYLE = {"critical": "bad", "high": "bad", "medium": "warn", "low": "warn", "info": "dim"}


def render_audit(
    part: AuditPart, target: str, *, width: int = 100, color: bool = False, verbose: bool = False, quiet: bool = False
) -> str:
    """The text of one audit: verdict, findings by severity with their evidence, then what passed and what was not run."""
    page = Page(width, color=color)
    page.hang(f"{part.enforcement} ", f"{target}: {MEANING[part.enforcement]}", 2, lead_style=STYLE[part.enforcement])
    page.line(f"grade {part.grade}   {part.coverage.run} of {part.coverage.total} checks run")
    for note in part.notes:
        page.line(note, indent=2, style="dim")
    if quiet:
        return page.text()
    for finding in sorted((c for c in part.checks if c.status == "finding"), key=lambda c: ORDER.index(c.severity)):
        _finding(page, finding)
    _list(page, "Undecided", [c for c in part.checks if c.status == "undecided"])
    _list(page, "Passed", [c for c in part.checks if c.status == "pass"])
    _list(page, "Not run", [c for c in part.checks if c.status == "not_run"])
    if verbose:
        _evidence_of_passed(page, part.checks)
    return page.text()


def _finding(page: Page, check: CheckResult) -> None:
    page.blank()
    sure = f" ({check.confidence})" if check.confidence else ""
    page.hang(f"{check.severity.upper()} {check.id} ", check.summary + sure, 2, lead_style=SEVERITY_STYLE[check.severity])
    if check.waived is not None:
        page.line(f"waived: {check.waived}", indent=4, style="dim")
    for evidence in check.evidence:
        page.hang("    seen     ", evidence.text, 13)
    if check.control:
        page.hang("    control  ", check.control, 13)
    if check.remedy:
        page.hang("    fix      ", check.remedy, 13)
    before = ""
    for line in (check.repeat or "").splitlines():
        # ours and that of the openssl program say the same; all else are steps
        lead = "repeat" if not before else "or" if before.startswith("mtls ") else "then"
        _command(page, f"    {lead:<9}", line)
        before = line
    if check.references:
        page.hang("    see      ", ", ".join(check.references), 13, style="dim")


def _command(page: Page, lead: str, command: str) -> None:
    """A command as it can be pasted: broken only between a shell's words, with a backslash."""
    room, lines = page.width - len(lead) - len(CONTINUED), [""]
    for word in SHELL_WORD.findall(terminal(command)):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and columns(longer) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    for number, line in enumerate(lines):
        end = "" if number == len(lines) - 1 else CONTINUED
        page.lines.append((lead if number == 0 else " " * len(lead)) + line + end)


def _list(page: Page, title: str, checks: Sequence[CheckResult]) -> None:
    if not checks:
        return
    page.heading(f"{title} ({len(checks)})")
    for check in checks:
        page.hang(f"  {check.id:<18} ", check.summary, 21)


def _evidence_of_passed(page: Page, checks: Sequence[CheckResult]) -> None:
    page.heading("Evidence of what passed")
    for check in checks:
        if check.status == "pass":
            for evidence in check.evidence:
                page.hang(f"  {check.id:<18} ", evidence.text, 21)


def render_probes(probes: Sequence[str], target: str, *, width: int = 100) -> str:
    """What a dry run would send, one probe a line."""
    page = Page(width)
    page.line(
        f"{len(probes)} probes would go to {target}, in this order; those that depend on an answer are shown as if refused, and a "
        "refusal without a word is tried again:"
    )
    for number, probe in enumerate(probes, 1):
        page.hang(f"{number:4} ", probe, 5)
    return page.text()


def render_summary(audits: Sequence[tuple[str, AuditPart]], *, width: int = 100) -> str:
    """One line a target, and one a finding with the targets that have it, the worst first."""
    from tabulate import tabulate

    lines = [
        (_cut(terminal(target), 40), part.enforcement, part.grade, f"{part.coverage.run}/{part.coverage.total}")
        for target, part in audits
    ]
    by_finding: dict[tuple[int, str, str], list[str]] = {}
    for target, part in audits:
        for check in part.checks:
            if check.status == "finding":
                by_finding.setdefault((ORDER.index(check.severity), check.severity, check.id), []).append(terminal(target))
    found = [
        (severity, check, len(targets), _cut(", ".join(targets), max(20, width - 44)))
        for (_, severity, check), targets in sorted(by_finding.items())
    ]
    table = tabulate(lines, ("target", "enforcement", "grade", "checks"), tablefmt="simple", disable_numparse=True)
    if not found:
        return table
    second = tabulate(found, ("severity", "finding", "count", "targets"), tablefmt="simple", disable_numparse=True)
    return f"{table}\n\n{second}"


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 3] + "..."
