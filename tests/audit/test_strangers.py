"""The good credential's answer is an oracle only where it differs from the answer to nobody."""

from __future__ import annotations

import pytest

from inspector.analysis import audit_outcome as oracle
from inspector.credentials.model import Credential
from tests.audit.bench import NOW, Asked, audited, checks, good
from tests.audit.test_outcome import http, transcript

PAGE = (200, b"<h1>Orders</h1> 4711 widgets")
LOGIN = (302, b"", {"Location": "/login"})
EXPIRED = {"not_before": NOW - 9e6, "not_after": NOW - 8e6}


def verdict(answer: tuple[object, ...], credential: Credential | None) -> tuple[str, str, str | None]:
    """Everybody, the credential and all, gets this answer."""
    result = audited(lambda asked: answer, credential)  # type: ignore[arg-type, return-value]
    check = checks(result)["ENF-NONE"]
    return result.part.enforcement, check.status, check.confidence


@pytest.mark.parametrize(
    "answer",
    [
        LOGIN,
        (302, b"", {"Location": "/dashboard"}),
        (404, b"nothing here"),
        (200, b"<h1>Log in</h1><form><input type=password></form>"),
        (200, b"<html><title>App</title><div id=app></div><script src=/app.js></script></html>"),
    ],
)
def test_what_everybody_gets_and_is_no_page_decides_nothing(answer: tuple[object, ...]) -> None:
    assert verdict(answer, good()) == ("NOT_DETERMINED", "undecided", None)


def test_a_page_that_everybody_gets_is_an_open_door_and_likely_at_most_by_a_credential_with_a_fault() -> None:
    assert verdict(PAGE, good()) == ("NOT_ENFORCED", "finding", "confirmed")
    assert verdict(PAGE, good(**EXPIRED)) == ("NOT_ENFORCED", "finding", "likely")
    assert verdict(PAGE, None) == ("NOT_ENFORCED", "finding", "likely")


def test_a_login_is_no_page_of_the_good_credential_even_where_others_get_another_refusal() -> None:
    def serve(asked: Asked) -> tuple[object, ...]:
        return LOGIN if asked.who == "good" else (403, b"no")

    result = audited(serve, good())  # type: ignore[arg-type]
    assert (result.good_accepted, result.part.enforcement) == (False, "NOT_DETERMINED")


def test_a_redirect_of_its_own_is_still_the_page_of_the_good_credential() -> None:
    result = audited(lambda asked: (302, b"", {"Location": "/orders/2026"}) if asked.who == "good" else LOGIN, good())
    assert (result.good_accepted, result.part.enforcement) == (True, "ENFORCED")


@pytest.mark.parametrize(
    ("where", "expected"),
    [("/login?next=/a", True), ("https://sso.example/x", True), ("/oauth2/authorize", True), ("/blogging", False),
     ("/authors", False), ("/orders?from=login", False)],
)  # fmt: skip
def test_a_redirect_to_a_login_is_known_by_where_it_leads(where: str, expected: bool) -> None:
    assert oracle.classify(transcript(http(302, b"", ("Location", where)))).login is expected
