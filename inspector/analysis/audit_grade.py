"""From the checks to the verdict: enforcement and grade are two axes and are never averaged; coverage stands beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from inspector.analysis.findings import CheckResult

Enforcement = Literal["ENFORCED", "BYPASSABLE", "NOT_ENFORCED", "NOT_DETERMINED"]

RULES_VERSION = "2026.11"
SEVERITIES = ("info", "low", "medium", "high", "critical")
ENFORCEMENT_GROUPS = ("ENF-", "TRUST-", "HTTP-SPOOF", "HTTP-BOUND")
# anybody gets in: without a certificate, or with any
NOBODY_ASKED = ("ENF-NONE", "TRUST-ANY")
# a probe that lacks a currently valid credential for this very resource got in. TRUST-STORE and TRUST-WEAKSIG speak of who is
# trusted and how surely, ENF-LATE of when it is asked: none lets somebody in without a certificate that the server means to trust.
BYPASSES = (
    "ENF-PATH",
    "ENF-HOST",
    "ENF-SNI",
    "ENF-RESUME-XVHOST",
    "ENF-RESUME-STALE",
    "ENF-PLAINTEXT",
    "ENF-STARTTLS",
    "ENF-PARITY",
    "TRUST-DN",
    "TRUST-CHAIN",
    "TRUST-EXPIRED",
    "TRUST-EKU",
    "TRUST-REVOKED",
    "TRUST-IDENTITY",
    "HTTP-SPOOF",
    "HTTP-BOUND",
)
NEEDED_FOR_A = (
    "ENF-NONE",
    "ENF-PATH",
    "ENF-HOST",
    "ENF-SNI",
    "ENF-RESUME-XVHOST",
    "TRUST-ANY",
    "TRUST-DN",
    "HTTP-SPOOF",
)
PROTOCOL_FOR_A = ("PROTO-VERSION", "PROTO-CIPHERS")
NEEDED_FOR_A_PLUS = ("TRUST-EXPIRED", "TRUST-REVOKED", "TRUST-EKU")
HOUR = 3600
GRADES = ("F", "D", "C", "B", "A", "A+")


def at_least(severity: str, threshold: str) -> bool:
    """True if ``severity`` is ``threshold`` or worse."""
    return SEVERITIES.index(severity) >= SEVERITIES.index(threshold)


def _open(check: CheckResult | None) -> bool:
    return check is not None and check.status == "finding" and check.severity in ("critical", "high", "medium")


def enforcement(checks: Iterable[CheckResult], good_accepted: bool | None) -> Enforcement:
    """ENFORCED, BYPASSABLE, NOT_ENFORCED or NOT_DETERMINED, from the groups that speak of getting in.

    A waived finding still counts: a waiver changes who is told, not who gets in.
    """
    by_id = {check.id: check for check in checks}
    if any(_open(by_id.get(name)) and by_id[name].confidence != "handshake only" for name in NOBODY_ASKED):
        return "NOT_ENFORCED"
    if any(_open(by_id.get(name)) and (name != "ENF-RESUME-STALE" or by_id[name].confidence == "confirmed") for name in BYPASSES):
        return "BYPASSABLE"
    base = [by_id.get("ENF-NONE"), by_id.get("TRUST-ANY")]
    if all(check is not None and check.status == "pass" for check in base) and good_accepted is not False:
        return "ENFORCED"
    return "NOT_DETERMINED"


def _worst_letter(findings: list[CheckResult]) -> tuple[str, str]:
    if any(f.severity == "critical" and f.confidence == "confirmed" for f in findings):
        return "F", "a confirmed critical finding"
    if any(f.severity == "high" and f.confidence == "confirmed" and f.id.startswith(ENFORCEMENT_GROUPS) for f in findings):
        return "D", "a confirmed high finding in enforcement, trust or HTTP"
    if any(f.severity in ("critical", "high") for f in findings):
        return "C", "a likely critical, or a high finding"
    if any(f.severity == "medium" for f in findings):
        return "B", "a medium finding"
    return "A", "nothing above low"


def would_lower(check: CheckResult, letter: str) -> bool:
    """True if a finding of this check, which was not run, could bring the grade below ``letter``."""
    worst, _ = _worst_letter([msgspec.structs.replace(check, status="finding", confidence="confirmed")])
    return GRADES.index(worst) < GRADES.index(letter)


def grade(
    checks: Iterable[CheckResult], *, with_credential: bool | None, ticket_lifetime: int | None, early_data: bool
) -> tuple[str, str]:
    """The letter of the worst finding, capped by what was not tested, and the reason in words.

    ``with_credential``: the good credential was let in; False: it was not; None: none was given, or it was not shown.
    """
    by_id: Mapping[str, CheckResult] = {check.id: check for check in checks}
    letter, why = _worst_letter([c for c in by_id.values() if c.status == "finding" and c.waived is None])
    if letter != "A":
        return letter, why
    if not with_credential:
        given = "the client credential was not let in" if with_credential is False else "no client credential given, or none shown"
        return "B", f"capped: {given}"
    not_run = [name for name in (*NEEDED_FOR_A, *PROTOCOL_FOR_A) if by_id[name].status in ("not_run", "undecided")]
    if not_run:
        return "B", f"capped: not tested: {', '.join(not_run)}"
    if any(by_id[name].status == "finding" and by_id[name].severity != "info" for name in PROTOCOL_FOR_A):
        return "B", "capped: protocol or ciphers below the intermediate profile"
    passed = all(by_id[name].status == "pass" for name in NEEDED_FOR_A_PLUS)
    if passed and not early_data and (ticket_lifetime is None or ticket_lifetime <= HOUR):
        return "A+", "everything that an A needs, and expired, revoked and wrong-purpose certificates refused"
    return "A", why
