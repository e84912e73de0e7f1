"""The diagnosis as people read it."""

from __future__ import annotations

from inspector.analysis.explanation import explain
from inspector.analysis.observations import Observed
from inspector.report.diagnosis_text import diagnosis_section
from inspector.report.layout import Page
from inspector.session.diagnose import diagnosis_part
from tests.analysis.observations_by_hand import seen


def text(observed: Observed) -> str:
    page = Page()
    diagnosis_section(page, diagnosis_part(explain(observed), observed), verbose=False)
    return page.text()


def test_fault_that_shows_where_the_server_has_not_refused_is_not_called_a_cause() -> None:
    undecided = seen("error", "expired", verdict="undecided", ground="status", told="the certificate changed nothing")
    assert "What shows on our side" in text(undecided)
    assert "ause" not in text(undecided).splitlines()[0]
    assert "Likely causes" in text(seen("alert:45", "expired"))


def test_cause_that_is_listed_is_never_worth_nothing() -> None:
    assert "  0%" not in text(seen("alert:45", "expired"))
    assert "<1%" in text(seen("alert:45", "expired"))


def test_server_of_an_unknown_kind_is_not_given_a_name() -> None:
    unknown = text(seen("close", "expired", stack=""))
    assert "cannot be told" in unknown
    assert "looks like" not in unknown
    assert "looks like an OpenSSL server" in text(seen("alert:45", "expired"))
