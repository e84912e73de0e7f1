"""Baselines of protocols other than HTTP/1.1: whom the answer names, how far the good credential gets, what ALPN is spoken."""

from __future__ import annotations

import pytest

from inspector.analysis import audit_outcome as oracle
from inspector.app.result import AppResult
from inspector.session.audit.run import _as_baseline
from inspector.trace import events as ev
from inspector.wire.events import Alert, Side
from tests.audit.bench import audited, good
from tests.audit.test_outcome import transcript

REFUSED_AT_ONCE = AppResult("smtp", True, False, "421", "no client certificate")
RELAY_DENIED = AppResult("smtp", True, False, "554", "RCPT: relay access denied", depth=2)
RELAYED = AppResult("smtp", True, True, "250", "MAIL: ok")
RESET = AppResult("http", True, None, None, "", error="the server reset the stream (HTTP/2 error 2)")


def outcome(said: AppResult | Alert) -> oracle.Outcome:
    return oracle.classify(transcript(said if isinstance(said, Alert) else ev.ApplicationResult(1.0, said)))


@pytest.mark.parametrize(
    ("none", "mine", "reached"),
    [
        (REFUSED_AT_ONCE, RELAY_DENIED, True),
        (RELAY_DENIED, RELAY_DENIED, False),
        (RELAY_DENIED, RELAYED, True),
        (REFUSED_AT_ONCE, REFUSED_AT_ONCE, False),
        (Alert(Side.SERVER, 1.0, 2, 116, True), RESET, True),
        (RESET, RESET, False),
    ],
)
def test_who_gets_further_than_those_without_a_certificate_has_reached_the_application(
    none: AppResult | Alert, mine: AppResult, reached: bool
) -> None:
    base = _as_baseline(outcome(mine), outcome(none))
    assert base.accepted is reached
    if reached:
        assert oracle.relate(outcome(none), base).refused
        assert oracle.relate(outcome(mine), base).accepted


def test_the_note_about_the_grade_says_whether_a_credential_was_given() -> None:
    def capped(credential: object) -> str:
        result = audited(lambda asked: None, credential)  # type: ignore[arg-type]
        return next(note for note in result.part.notes if note.startswith("grade"))

    assert "not let in" in capped(good())
    assert "none shown" in capped(None)
