"""When did the server make an answer? By the Date of its answers, held against the clock of ours (RFC 9110, Section 6.6.1).

A Date counts whole seconds, and the two clocks differ; many answers together say by how much.
"""

from __future__ import annotations

from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from inspector.analysis.audit_outcome import Outcome
from inspector.trace import events as ev
from inspector.trace.transcript import Transcript


class Span(NamedTuple):
    """Two ends between which something lies: a moment, or the seconds that the server's clock is ahead."""

    low: float
    high: float


def date_of(outcome: Outcome) -> float | None:
    """The Date of an answer; None where it has none, or comes from a cache (then the Date is not this answer's)."""
    headers = {name.lower(): value for name, value in outcome.headers}
    if "date" not in headers or "age" in headers:
        return None
    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def ahead(outcomes: Iterable[Outcome]) -> Span | None:
    """How far the server's clock is ahead of ours; None where its answers have no Date, or contradict each other."""
    low, high = float("-inf"), float("inf")
    for outcome in outcomes:
        date, answered = date_of(outcome), _moment(outcome.transcript, ev.ApplicationResult)
        connected = _moment(outcome.transcript, ev.Connected)
        if date is None or answered is None or connected is None:
            continue
        # it was made between the two moments, and within the second that it names
        low, high = max(low, date - answered), min(high, date + 1 - connected)
    return Span(low, high) if float("-inf") < low <= high < float("inf") else None


def made(outcome: Outcome, skew: Span) -> Span | None:
    """When this answer was made, by our clock."""
    date = date_of(outcome)
    return None if date is None else Span(date - skew.high, date + 1 - skew.low)


def _moment(transcript: Transcript | None, kind: type[ev.ApplicationResult | ev.Connected]) -> float | None:
    event = transcript.first(kind) if transcript is not None else None
    return transcript.started + event.at if transcript is not None and event is not None else None
