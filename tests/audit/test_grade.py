"""The verdict and the grade, from hand-made check results: two axes, never averaged, and not tested is never passed."""

from __future__ import annotations

import random
from typing import Any

import pytest

from inspector.analysis.audit_grade import at_least, enforcement, grade
from inspector.analysis.audit_reference import NEEDS, TABLE, remedy
from inspector.analysis.findings import CheckResult
from inspector.credentials import mint
from inspector.session.audit import table
from inspector.session.audit.inputs import Inputs
from inspector.session.audit.run import run
from inspector.session.settings import Settings
from inspector.target import Target
from tests.audit.bench import DEAF, NOW, audited, connections, good


def checks(**changes: Any) -> list[CheckResult]:
    """All checks passed, but for those named (with ``_`` for ``-``): (status, severity, confidence)."""
    found = []
    for row in TABLE:
        status, severity, confidence = changes.get(row.id.replace("-", "_"), ("pass", row.severity, None))
        found.append(CheckResult(id=row.id, status=status, severity=severity, confidence=confidence, summary="x"))
    return found


def graded(found: list[CheckResult], **how: Any) -> str:
    return grade(found, **{"with_credential": True, "ticket_lifetime": 300, "early_data": False, **how})[0]


FINDING = "finding"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "ENFORCED"),
        ({"ENF_NONE": (FINDING, "critical", "confirmed")}, "NOT_ENFORCED"),
        ({"ENF_NONE": (FINDING, "critical", "likely")}, "NOT_ENFORCED"),
        ({"TRUST_ANY": (FINDING, "critical", "confirmed")}, "NOT_ENFORCED"),
        ({"HTTP_SPOOF": (FINDING, "critical", "confirmed")}, "BYPASSABLE"),
        ({"TRUST_EXPIRED": (FINDING, "high", "confirmed")}, "BYPASSABLE"),
        ({"ENF_LATE": (FINDING, "medium", "confirmed")}, "ENFORCED"),
        ({"PROTO_VERSION": (FINDING, "high", "confirmed")}, "ENFORCED"),
        ({"ENF_NONE": ("undecided", "critical", None)}, "NOT_DETERMINED"),
        ({"TRUST_ANY": ("not_run", "critical", None)}, "NOT_DETERMINED"),
    ],
)
def test_enforcement_follows_from_the_findings_that_let_somebody_in(changes: Any, expected: str) -> None:
    assert enforcement(checks(**changes), True) == expected


def test_a_server_that_refuses_even_the_good_credential_is_not_called_enforced() -> None:
    assert enforcement(checks(), False) == "NOT_DETERMINED"


@pytest.mark.parametrize(
    ("changes", "how", "expected"),
    [
        ({}, {}, "A+"),
        ({"TRUST_REVOKED": ("not_run", "high", None)}, {}, "A"),
        ({}, {"ticket_lifetime": 7200}, "A"),
        ({}, {"early_data": True}, "A"),
        ({}, {"with_credential": False}, "B"),
        ({"ENF_HOST": ("not_run", "critical", None)}, {}, "B"),
        ({"PROTO_CIPHERS": (FINDING, "low", "confirmed")}, {}, "B"),
        ({"REQ_MATCH": (FINDING, "medium", "confirmed")}, {}, "B"),
        ({"PROTO_VERSION": (FINDING, "high", "confirmed")}, {}, "C"),
        ({"ENF_SNI": (FINDING, "critical", "likely")}, {}, "C"),
        ({"TRUST_REVOKED": (FINDING, "high", "confirmed")}, {}, "D"),
        ({"ENF_NONE": (FINDING, "critical", "confirmed")}, {}, "F"),
    ],
)
def test_grade_is_that_of_the_worst_finding_capped_by_what_was_not_tested(changes: Any, how: Any, expected: str) -> None:
    assert graded(checks(**changes), **how) == expected


def test_a_waived_finding_does_not_count_for_the_grade_and_still_for_enforcement() -> None:
    found = [
        CheckResult(id=c.id, status=c.status, severity=c.severity, confidence=c.confidence, summary="x", waived="agreed")
        if c.id == "TRUST-REVOKED"
        else c
        for c in checks(TRUST_REVOKED=(FINDING, "high", "confirmed"))
    ]
    assert (graded(found), enforcement(found, True)) == ("A", "BYPASSABLE")


def test_every_check_has_a_row_a_function_known_needs_and_a_remedy() -> None:
    assert {row.id for row in TABLE} == set(table.CHECKS)
    assert len(TABLE) == 34
    assert {need for row in TABLE for need in row.needs} <= set(NEEDS)
    assert set(NEEDS) == set(table.NEEDS)
    assert [row.id for row in TABLE if not remedy(row.id, "nobody")] == []


def test_severities_are_ordered() -> None:
    assert [at_least(one, "medium") for one in ("info", "low", "medium", "high", "critical")] == [False, False, True, True, True]


def served(asked: Any) -> tuple[int, bytes]:
    return (200, b"orders") if asked.who == "good" else (403, b"no")


@pytest.mark.parametrize(("most", "letter"), [(3, "-"), (20, "-"), (40, "-"), (300, "A")])
def test_an_audit_that_ended_before_what_could_lower_the_grade_has_none(most: int, letter: str) -> None:
    result = audited(served, good(), max_connections=most)
    assert result.part.grade == letter
    if most == 40:
        assert "so far B" in next(note for note in result.part.notes if note.startswith("no grade"))


def test_a_grade_that_nothing_can_lower_is_given_though_the_audit_ended_early() -> None:
    result = audited(lambda asked: (200, b"orders"), good(), max_connections=9)
    assert (result.part.grade, result.part.enforcement) == ("F", "NOT_ENFORCED")


def test_what_needs_no_more_than_was_seen_is_judged_though_the_audit_ended_early() -> None:
    found = {check.id: check for check in audited(served, good(), max_connections=20).part.checks}
    assert (found["SRV-CHAIN"].status, found["CLI-CRED"].status, found["ENF-PATH"].status) == ("undecided", "pass", "not_run")
    assert "cap of 20" in found["ENF-PATH"].summary


def test_a_certificate_that_is_sent_without_its_unknown_ca_is_tried() -> None:
    tried = audited(served, good()).probes
    assert any("unknown CA, sent alone" in probe for probe in tried)


@pytest.mark.parametrize(("anybody", "gap"), [(False, False), (True, True)])
def test_a_chain_has_no_gap_that_the_server_fills(anybody: bool, gap: bool) -> None:
    middle = mint.authority("Issuing CA", mint.authority("Root", now=NOW), now=NOW)
    credential = mint.leaf("alice", middle, now=NOW).credential("good")
    alone = credential._replace(chain=credential.chain[:1], throw_away=False)

    def serve(asked: Any) -> tuple[int, bytes]:
        return (200, b"orders") if asked.who == "good" or (anybody and asked.who != "nobody") else (403, b"no")

    found = next(check for check in audited(serve, alone).part.checks if check.id == "CLI-CRED")
    assert ("missing-intermediate" in found.summary) is gap


@pytest.mark.parametrize("credential", [good(), None])
def test_a_server_that_shuts_us_out_has_refused_nothing_by_its_certificate(credential: Any) -> None:
    bad = []

    def serve(asked: Any) -> tuple[int, bytes] | None:
        bad.append(asked.who != "good")
        if sum(bad) > 12:
            return None
        return (200, b"orders") if asked.who == "good" else (403, b"no")

    part = audited(serve, credential, paths=("/orders",)).part
    assert (part.enforcement, part.grade) == ("NOT_DETERMINED", "-")
    assert {check.status for check in part.checks if check.id in ("ENF-HOST", "ENF-SNI")} == {"undecided"}
    assert any("did it shut us out?" in note for note in part.notes)


def test_a_server_that_answers_in_the_end_as_in_the_beginning_has_not_shut_us_out() -> None:
    part = audited(served, good()).part
    assert (part.enforcement, part.grade) == ("ENFORCED", "A")


def test_a_server_that_says_nothing_any_more_is_left_alone() -> None:
    seen = []

    def serve(asked: Any) -> Any:
        seen.append(asked)
        return DEAF if len(seen) > 20 else served(asked)

    result = audited(serve, good())
    assert (result.part.enforcement, connections(result)) == ("NOT_DETERMINED", 24)


def test_names_that_are_never_answered_do_not_end_the_audit() -> None:
    result = audited(lambda asked: served(asked) if asked.sni == "localhost" else DEAF, good(), max_connections=300)
    assert not any("ended early" in note for note in result.part.notes)


def test_a_server_whose_handshakes_all_fail_before_it_asks_for_a_certificate_enforces_nothing() -> None:
    """It may as well have no certificate of its own."""
    for credential in (good(), None):
        assert audited(lambda asked: None, credential).part.enforcement == "NOT_DETERMINED"


def test_an_interrupt_while_the_audit_itself_is_at_work_leaves_a_report() -> None:
    class Interrupting(random.Random):
        """Names of random paths are made in the middle of things."""

        def getrandbits(self, k: int, /) -> int:
            raise KeyboardInterrupt

    steps = run(Inputs(Settings(Target("127.0.0.1", 8443), insecure=True), per_second=0.0, dry_run=True), Interrupting(1))
    with pytest.raises(StopIteration) as end:
        next(steps)
    result = end.value.value
    assert (result.interrupted, type(result.raised)) == (True, KeyboardInterrupt)
    assert result.part.notes[0] == "the audit ended early: interrupted"
