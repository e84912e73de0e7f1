"""SARIF, JUnit, policy and waivers: read by parsers that are not ours, held to their formats."""

from __future__ import annotations

import io
import json
import shlex
from typing import Any

import msgspec
import pytest
from junitparser import JUnitXml
from sarif_pydantic import Sarif

from inspector.analysis.audit_reference import TABLE
from inspector.analysis.findings import CheckResult, Evidence
from inspector.errors import InputError
from inspector.report.as_sarif import junit, sarif
from inspector.report.audit_text import render_audit, render_summary
from inspector.report.model import AuditPart, Coverage
from inspector.session.audit.policy import breaches, read_policy, read_waivers

HOSTILE = "\x1b[2Jevil\r\n<b>\x00"


def part(**changes: Any) -> AuditPart:
    rows = []
    for row in TABLE:
        status = changes.get(row.id.replace("-", "_"), "pass")
        rows.append(
            CheckResult(
                id=row.id,
                status=status,
                severity=row.severity,
                confidence="confirmed" if status == "finding" else None,
                summary=f"about {HOSTILE}",
                evidence=(Evidence("probe 1: HTTP 200", probe="p"),),
                control="probe 2: HTTP 403",
                repeat="mtls request x",
                remedy="mend it",
            )
        )
    return AuditPart(enforcement="ENFORCED", grade="A", coverage=Coverage(run=34, total=34), checks=tuple(rows), audit_id="abc")


def test_sarif_is_read_by_a_model_of_its_schema() -> None:
    log = Sarif.model_validate_json(sarif([("a.test:443", part(ENF_NONE="finding", TRUST_DN="undecided"))]))
    results = log.runs[0].results
    assert results is not None
    assert [(r.rule_id, str(getattr(r.level, "value", r.level))) for r in results] == [("ENF-NONE", "error"), ("TRUST-DN", "none")]
    assert len(log.runs[0].tool.driver.rules or []) == 34


def test_a_waived_finding_is_suppressed_in_sarif_and_skipped_in_junit() -> None:
    import msgspec

    audit = part(ENF_NONE="finding")
    waived = msgspec.structs.replace(audit.checks[0], waived="agreed")
    assert waived.id == "ENF-NONE"
    audit = msgspec.structs.replace(audit, checks=(waived, *audit.checks[1:]))
    result = json.loads(sarif([("a", audit)]))["runs"][0]["results"][0]
    assert result["suppressions"] == [{"kind": "external", "justification": "agreed"}]
    suite = next(iter(JUnitXml.fromfile(io.BytesIO(junit([("a", audit)])))))
    assert (suite.failures, suite.skipped) == (0, 1)


def test_junit_is_read_by_a_common_parser_and_counts_breaches() -> None:
    xml = JUnitXml.fromfile(io.BytesIO(junit([("a.test", part(ENF_NONE="finding", TRUST_DN="not_run"))], [["grade is C"]])))
    suite = next(iter(xml))
    assert (suite.tests, suite.failures, suite.skipped) == (35, 2, 1)


def test_text_escapes_what_peers_say() -> None:
    text = render_audit(part(ENF_NONE="finding"), "a.test", width=80)
    assert "\x1b" not in text
    assert "\x00" not in text
    assert max(map(len, text.splitlines())) <= 80
    summary = render_summary([(HOSTILE, part(ENF_NONE="finding")), ("b", part(ENF_NONE="finding"))], width=80)
    assert "\x1b" not in summary
    assert "ENF-NONE   2 " in summary
    assert max(map(len, summary.splitlines())) <= 80


@pytest.mark.parametrize("width", [60, 80, 120])
def test_commands_can_be_pasted_from_the_text_whatever_its_width(width: int) -> None:
    commands = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj '/O=A big company/CN=it'\"'\"'s me' -out a.pem",
        "mtls request https://a.test:8443/ -i --insecure --connect-to 127.0.0.1:8443 -H 'Host: a.test:8443' --cert probe.pem",
        "printf 'GET / HTTP/1.1\\r\\nHost: a.test:8443\\r\\nConnection: close\\r\\n\\r\\n' | openssl s_client -quiet",
    )
    found = msgspec.structs.replace(part().checks[0], status="finding", repeat="\n".join(commands))
    text = render_audit(msgspec.structs.replace(part(), checks=(found,)), "a.test", width=width)
    shown = text[text.index("repeat ") :].replace(" \\\n", " ").splitlines()[:3]
    assert [(line.split()[0], shlex.split(line)[1:]) for line in shown] == [
        (lead, shlex.split(command)) for lead, command in zip(("repeat", "then", "or"), commands, strict=True)
    ]


POLICY = b"""
must_reject = ["none", "expired"]
must_accept = ["good"]
enforcement = "ENFORCED"
min_days = 30
min_grade = "B"
profile = "fapi"
[[waivers]]
id = "ENF-LATE"
host = "a.test"
reason = "spring"
until = 2027-03-31
"""


def test_policy_is_met_by_a_clean_audit() -> None:
    policy = read_policy("p.toml", POLICY)
    assert breaches(policy, part(), good_accepted=True, days_left=90) == ()
    assert (policy.waivers[0].reason, policy.profile) == ("spring", "fapi")


def test_policy_is_breached_by_findings_and_by_what_was_not_tested() -> None:
    policy = read_policy("p.toml", POLICY)
    found = breaches(policy, part(ENF_NONE="finding", TRUST_EXPIRED="not_run"), good_accepted=None, days_left=10)
    assert [words.split(":")[0] for words in found] == [
        "must_reject 'none'", "must_reject 'expired'", "must_accept 'good'",
        "the server's certificate has 10 days left, the policy wants 30"]  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [b"must_reject = [", b'must_rejekt = ["none"]', b'must_reject = ["nobody"]', b'must_reject = "none"', b"min_days = -1",
     b'[[waivers]]\nid = "X"', b'[[waivers]]\nid="a"\nhost="b"\nreason="c"\nuntil="soon"', b"\xff"],
)  # fmt: skip
def test_a_policy_with_a_mistake_is_an_input_error(data: bytes) -> None:
    with pytest.raises(InputError):
        read_policy("p.toml", data)


def test_waivers_end_with_their_day() -> None:
    waiver = read_waivers("w.toml", b'[[waivers]]\nid = "A"\nhost = "h"\nreason = "r"\nuntil = 2026-01-01')[0]
    assert waiver.until == 1767311999.0
