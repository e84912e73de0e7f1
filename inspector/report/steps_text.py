"""The steps of a handshake as text: one line a message with direction, time, size and the one fact that matters in it."""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import UNSET

from inspector.analysis import reference
from inspector.report.layout import Page
from inspector.report.model import AlertPart, ApplicationPart, HttpPart, MessagePart, Report

ARROWS = {"client": "->", "server": "<-"}
FACT_COLUMN = 39
FACT_LINES = 3  # of a step's fact, unless --verbose


class _Style(NamedTuple):
    """How the steps are shown. ``explained`` remembers which sentences have been said."""

    verbose: bool
    explain: bool
    tls13: bool
    explained: set[str]


def steps_section(page: Page, report: Report, *, verbose: bool = False, explain: bool = False) -> None:
    """Every message, alert and answer on a line, in the order of time; records that could not be opened at the end."""
    handshake = report.handshake
    if handshake is UNSET:
        return
    client = "you" if report.capture is UNSET else "client"
    page.heading(f"Steps       -> {client}, <- server; milliseconds, bytes")
    answers = [part for part in (report.http, report.application) if part is not UNSET]
    # answers before alerts of the same moment: a server that closes in good order has answered before
    steps: list[MessagePart | AlertPart | HttpPart | ApplicationPart] = [*handshake.messages, *answers, *handshake.alerts]
    style = _Style(verbose, explain, handshake.protocol == "TLSv1.3", set())
    for step in sorted(steps, key=lambda step: step.at_ms or 0.0):
        if isinstance(step, AlertPart):
            _alert(page, step, style)
        elif isinstance(step, MessagePart):
            _message(page, step, style)
        else:
            _application(page, step, style)
    for opaque in handshake.opaque_records:
        records = f"{opaque.count} encrypted record{'' if opaque.count == 1 else 's'}"
        _step_line(page, None, opaque.sender, "(not opened)", str(opaque.bytes), records, 0)


def _say(page: Page, style: _Style, *sentences: str) -> None:
    """An explanation under a step, each sentence once in a report."""
    for sentence in sentences:
        if sentence not in style.explained:
            style.explained.add(sentence)
            page.line(sentence, indent=11, style="dim")


def _step_line(page: Page, at_ms: float | None, sender: str, kind: str, length: str, fact: str, most: int) -> None:
    time = f"{at_ms:>7.1f}" if at_ms is not None else " " * 7
    page.hang(f"{time} {ARROWS[sender]} {kind:<20} {length:>5}", fact, FACT_COLUMN, most=most, lead_style=sender)


def _message(page: Page, step: MessagePart, style: _Style) -> None:
    late = "(late) " if step.late and step.type != "new_session_ticket" else ""
    most = 0 if style.verbose else FACT_LINES
    _step_line(page, step.at_ms, step.sender, step.type, str(step.length), late + step.summary, most)
    if style.explain:
        _say(page, style, *reference.explain_message(step.type, step.sender, tls13=style.tls13))
    if style.verbose:
        _fields(page, step.fields, 11)


def _fields(page: Page, value: Any, indent: int, bullet: str = "") -> None:
    """Nested values, one a line; entries of a list begin with a dash."""
    if not isinstance(value, dict):
        for item in value:
            if _is_nested(item):
                _fields(page, item, indent + 2, bullet="- ")
            else:
                page.hang(" " * indent + "-", _flat(item), indent + 2)
        return
    for name, item in value.items():
        lead = " " * (indent - len(bullet)) + bullet + f"{name}:"
        bullet = ""
        if _is_nested(item):
            page.hang(lead, "", 0)
            _fields(page, item, indent + 2)
        else:
            page.hang(lead, _flat(item), indent + 4)


def _is_nested(item: Any) -> bool:
    return isinstance(item, (dict, list, tuple)) and bool(item) and not _is_flat(item)


def _is_flat(item: Any) -> bool:
    return isinstance(item, (list, tuple)) and not any(isinstance(entry, (dict, list, tuple)) for entry in item)


def _flat(item: Any) -> str:
    if isinstance(item, (list, tuple)):
        return ", ".join(map(_flat, item)) or "(none)"
    if isinstance(item, bool):
        return "yes" if item else "no"
    return "(none)" if item is None or item in ("", {}) else str(item)


def _alert(page: Page, alert: AlertPart, style: _Style) -> None:
    if alert.code is None:
        _step_line(page, alert.at_ms, alert.sender, "alert", "", "encrypted, and could not be opened", 0)
        return
    _step_line(page, alert.at_ms, alert.sender, "alert", "2", f"{alert.level} {alert.code} {alert.name}", 0)
    if style.explain or alert.code not in reference.ORDERLY_ALERTS:
        _say(page, style, *filter(None, [reference.alert_meaning(alert.code)]))


def _application(page: Page, step: HttpPart | ApplicationPart, style: _Style) -> None:
    if isinstance(step, HttpPart):
        size = "" if step.body_bytes is None else f", {step.body_bytes} bytes of body"
        _step_line(page, step.at_ms, "server", "http", "", f"HTTP/{step.version} {step.status}{size}", 0)
    else:
        _step_line(page, step.at_ms, "server", step.protocol, "", step.summary, 0)
    if style.explain:
        _say(page, style, reference.EXPLAIN_APPLICATION)
