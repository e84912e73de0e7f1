"""The diagnosis as text: causes in order, each with what it rests on, what to change and what to ask. Renders, computes nothing."""

from __future__ import annotations

from inspector.analysis.evidence import FAMILY_NAMED
from inspector.analysis.findings import Cause, Evidence
from inspector.report.layout import Page
from inspector.report.model import DiagnosisPart

LABEL_COLUMN = 14
BRIEF_FROM = 0.10  # causes below this confidence take one line, unless --verbose
# what the headline's word says already
LEADS = ("The server rejected you: ",)


def headline_of(part: DiagnosisPart) -> str:
    """The sentence that follows the word for who rejected whom."""
    for lead in LEADS:
        if part.headline.startswith(lead):
            return part.headline[len(lead):]
    return part.headline


def diagnosis_section(page: Page, part: DiagnosisPart, *, verbose: bool) -> None:
    """Append the diagnosis to the page."""
    if part.causes:
        page.heading("What shows on our side" if _blames_nobody(part) else "Likely causes" if len(part.causes) > 1 else "Cause")
        said: set[str] = set()
        for number, cause in enumerate(part.causes, start=1):
            _cause(page, number, cause, said, brief=not verbose and number > 1 and cause.confidence < BRIEF_FROM)
    if part.probes:
        page.heading("Probes")
        for probe in part.probes:
            page.hang("", f"{probe.name}: {probe.outcome}" + (f" ({probe.changed})" if verbose and probe.changed else ""), 2)
    notes = list(part.notes)
    if part.server_family and (part.server_family_confidence or 0.0) >= FAMILY_NAMED:  # else a note says that it cannot be told
        notes.insert(0, f"the server looks like {part.server_family} ({share_words(part.server_family_confidence or 0.0)})")
    if notes:
        page.heading("Notes")
        for note in notes:
            page.hang("", note, 2)


def _blames_nobody(part: DiagnosisPart) -> bool:
    """True where the server has not refused: the causes are faults to mend, and nothing that it did is put on them."""
    return part.side == "nobody"


def share_words(share: float) -> str:
    """A confidence in per cent; what is listed is never nothing."""
    return "<1%" if 0 < share < 0.005 else f"{share:.0%}"


def _cause(page: Page, number: int, cause: Cause, said: set[str], *, brief: bool) -> None:
    """One cause. ``said`` collects the evidence that stands above already, which is not said again."""
    lead = f"{number}. {share_words(cause.confidence):>4}"
    page.hang(lead, f"{cause.summary} [{cause.id}]", LABEL_COLUMN - 4, lead_style="plain")
    if brief:
        return
    label = "because"
    for evidence in cause.evidence:
        text = _evidence(evidence)
        if text not in said:
            page.hang(f"    {label}", text, LABEL_COLUMN)
            said.add(text)
            label = ""
    for label, text in (("change", cause.remedy), ("ask", cause.ask_operator), ("unless", cause.refuted_by)):
        if text:
            page.hang(f"    {label}", text, LABEL_COLUMN)


def _evidence(evidence: Evidence) -> str:
    return f"{evidence.text} (message {evidence.message})" if evidence.message is not None else evidence.text
