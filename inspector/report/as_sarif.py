"""Audits as SARIF 2.1.0 (OASIS) for code scanning, and as JUnit XML for CI. Both render the model and compute nothing."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

from inspector.analysis.audit_reference import TABLE
from inspector.analysis.findings import CheckResult
from inspector.report.escape import terminal
from inspector.report.model import AuditPart
from inspector.version import __version__

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note", "info": "note"}
# GitHub's scale for security-severity, 0 to 10
SCORES = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "3.0", "info": "0.5"}


def sarif(audits: Sequence[tuple[str, AuditPart]]) -> bytes:
    """One SARIF log for (target, audit) pairs: a rule for each check, a result for each finding and each undecided check."""
    rules = [
        {
            "id": row.id,
            "shortDescription": {"text": row.title},
            "properties": {"security-severity": SCORES[row.severity], "tags": list(row.references)},
            "defaultConfiguration": {"level": LEVELS[row.severity]},
        }
        for row in TABLE
    ]
    index = {row.id: number for number, row in enumerate(TABLE)}
    results = [
        _result(target, check, index[check.id])
        for target, part in audits
        for check in part.checks
        if check.status in ("finding", "undecided")
    ]
    log = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {"name": "mtls-inspector", "version": __version__, "semanticVersion": __version__, "rules": rules}
                },
                "results": results,
                "properties": {
                    "audits": [
                        {"target": target, "enforcement": part.enforcement, "grade": part.grade, "auditId": part.audit_id}
                        for target, part in audits
                    ]
                },
            }
        ],
    }
    return json.dumps(log, ensure_ascii=True).encode()


def _result(target: str, check: CheckResult, rule: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "ruleId": check.id,
        "ruleIndex": rule,
        "level": LEVELS[check.severity] if check.status == "finding" else "none",
        "kind": "fail" if check.status == "finding" else "open",
        "message": {"text": _text(check)},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": f"tls://{target}"}},
                "logicalLocations": [{"name": target, "kind": "resource"}],
            }
        ],
        "partialFingerprints": {"target/check": f"{target}/{check.id}"},
        "properties": {"confidence": check.confidence, "control": check.control, "repeat": check.repeat},
    }
    if check.waived is not None:
        found["suppressions"] = [{"kind": "external", "justification": check.waived}]
    return found


def _text(check: CheckResult) -> str:
    lines = [check.summary, *(evidence.text for evidence in check.evidence), *([f"Fix: {check.remedy}"] if check.remedy else [])]
    return "\n".join(lines)


def junit(audits: Sequence[tuple[str, AuditPart]], breaches: Sequence[Sequence[str]] = ()) -> bytes:
    """JUnit XML: a suite a target, a case a check. Findings and breaches of a policy fail, what was not run is skipped."""
    root = ET.Element("testsuites", name="mtls audit")
    for number, (target, part) in enumerate(audits):
        broken = breaches[number] if number < len(breaches) else ()
        cases = [_case(target, check) for check in part.checks] + [_breach(target, words) for words in broken]
        suite = ET.SubElement(
            root,
            "testsuite",
            name=target,
            tests=str(len(cases)),
            failures=str(sum(c.find("failure") is not None for c in cases)),
            skipped=str(sum(c.find("skipped") is not None for c in cases)),
            errors="0",
        )
        suite.extend(cases)
    body: bytes = ET.tostring(root, encoding="utf-8")
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + body


def _case(target: str, check: CheckResult) -> ET.Element:
    case = ET.Element("testcase", classname=f"mtls.audit.{target}", name=check.id, time="0")
    if check.status == "finding" and check.waived is None:
        failure = ET.SubElement(case, "failure", message=terminal(check.summary), type=check.severity)
        failure.text = terminal(_text(check).replace("\n", "; "))
    elif check.status != "pass":
        reason = f"waived: {check.waived}" if check.waived is not None else check.summary
        ET.SubElement(case, "skipped", message=terminal(reason))
    return case


def _breach(target: str, words: str) -> ET.Element:
    case = ET.Element("testcase", classname=f"mtls.policy.{target}", name=terminal(words), time="0")
    ET.SubElement(case, "failure", message=terminal(words), type="policy")
    return case
