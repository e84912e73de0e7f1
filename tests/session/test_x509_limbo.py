"""The x509-limbo suite: no case is accepted that should not be, and each disagreement has its reason in a file."""

from __future__ import annotations

import json
import ssl
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from inspector.session.offline import ChainVerdict, verify_chain

FOLDER = Path(__file__).parents[2] / "fixtures" / "x509-limbo"
CASES: list[dict[str, Any]] = json.loads((FOLDER / "limbo-2023-12-02.json").read_text())["testcases"]
DISAGREEMENTS: dict[str, dict[str, str]] = json.loads((FOLDER / "disagreements.json").read_text())["cases"]


def der(text: str) -> bytes:
    return ssl.PEM_cert_to_DER_cert(text.strip() + "\n")


def judged(case: dict[str, Any]) -> ChainVerdict:
    moment = datetime.fromisoformat(case["validation_time"]).timestamp() if case["validation_time"] else time.time()
    return verify_chain(
        [der(case["peer_certificate"]), *map(der, case["untrusted_intermediates"])], [der(text) for text in case["trusted_certs"]],
        (case["expected_peer_name"] or {}).get("value"), moment, case["max_chain_depth"],
    )


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_verdict_is_the_suites_or_a_listed_disagreement(case: dict[str, Any]) -> None:
    verdict = judged(case)
    listed = DISAGREEMENTS.get(case["id"])
    expected = case["expected_result"]
    ours = "SUCCESS" if verdict.clean else "FAILURE"
    assert ours == (expected if listed is None else listed["ours"]), verdict.why
    if listed is not None:
        assert listed["ours"] != expected, "no disagreement any more: take it off the list"


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_nothing_is_accepted_that_a_verifier_refuses_and_each_refusal_has_words(case: dict[str, Any]) -> None:
    verdict = judged(case)
    assert verdict.accepted is (verdict.openssl.accepted and verdict.second.accepts is True)
    assert verdict.clean or verdict.why


def test_every_disagreement_is_a_refusal_and_has_a_reason() -> None:
    assert {entry["ours"] for entry in DISAGREEMENTS.values()} == {"FAILURE"}
    assert all(entry["because"] for entry in DISAGREEMENTS.values())
