"""What two answers say together: the table, cell by cell."""

from __future__ import annotations

import pytest

from inspector.analysis.client_auth import judge
from inspector.analysis.comparison import Answer, answer_of, compare
from tests.analysis.scenes import Scene, asked_and_sent, completed

ANSWERS = {
    "served": Answer("served", "HTTP 200", "page", 200), "404": Answer("answered", "HTTP 404", "page", 404),
    "500": Answer("answered", "HTTP 500", "page", 500), "302": Answer("elsewhere", "HTTP 302", "page", 302),
    "403": Answer("denied", "HTTP 403", "page", 403), "closed": Answer("ended", "closed"), "alert": Answer("tls", "alert 116"),
}
# ours, without a certificate -> verdict
CELLS = [
    ("404", "alert", "accepted"), ("500", "alert", "accepted"), ("302", "alert", "accepted"), ("served", "alert", "accepted"),
    ("404", "404", "undecided"), ("302", "302", "undecided"), ("served", "served", "undecided"), ("closed", "closed", "undecided"),
    ("closed", "alert", "undecided"), ("404", "403", "accepted"), ("500", "302", "accepted"), ("served", "403", "accepted"),
    ("404", "closed", "accepted"), ("302", "served", "rejected"), ("404", "served", "rejected"), ("closed", "404", "rejected"),
    ("404", "500", "undecided"), ("302", "403", "undecided"),
]


@pytest.mark.parametrize(("ours", "theirs", "expected"), CELLS)
def test_answers_with_and_without_our_certificate_settle_the_verdict(ours: str, theirs: str, expected: str) -> None:
    settled = compare(ANSWERS[ours], ANSWERS[theirs])
    assert settled is not None
    assert settled.verdict == expected


def test_another_page_for_our_certificate_is_a_yes() -> None:
    settled = compare(ANSWERS["served"], ANSWERS["served"]._replace(page="another page"))
    assert settled is not None
    assert settled.verdict == "accepted"


@pytest.mark.parametrize(("scene", "kind"), [
    (completed().http(200), "served"), (completed().http(404), "answered"), (completed().http(429), "unknown"),
    (completed().http(401, b"", ("WWW-Authenticate", "Basic")), "denied"),
    (asked_and_sent().alert(48).ended("server", "fin"), "tls"),
    (completed().ended("server", "fin"), "tls"), (Scene().connected().ended("server", "fin"), "unknown"),
])
def test_answers_are_told_apart(scene: Scene, kind: str) -> None:
    assert answer_of(scene.transcript, judge(scene.transcript)).kind == kind
