"""Expectations as code: a policy says what must be refused, what must be let in, and what the rest must be like.

    must_reject = ["none", "self-signed", "expired"]
    must_accept = ["good"]
    enforcement = "ENFORCED"
    min_tls = "1.2"
    min_days = 30
    min_grade = "B"

A thing that was not tested is a breach too: not tested is never passed.
"""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from inspector.analysis.audit_grade import GRADES, at_least
from inspector.analysis.findings import CheckResult
from inspector.analysis.tls_profiles import PROFILES
from inspector.errors import InputError
from inspector.report.model import AuditPart
from inspector.session.audit.inputs import Waiver

# word of the policy -> the check that answers for it
REJECTS = {
    "none": "ENF-NONE",
    "self-signed": "TRUST-ANY",
    "unknown-ca": "TRUST-ANY",
    "lookalike-ca": "TRUST-DN",
    "expired": "TRUST-EXPIRED",
    "not-yet-valid": "TRUST-EXPIRED",
    "wrong-eku": "TRUST-EKU",
    "revoked": "TRUST-REVOKED",
    "weak": "TRUST-WEAKSIG",
    "second-client": "TRUST-IDENTITY",
    "plaintext": "ENF-PLAINTEXT",
    "forged-header": "HTTP-SPOOF",
    "other-name": "ENF-HOST",
    "unknown-sni": "ENF-SNI",
    "resumed-session": "ENF-RESUME-XVHOST",
    "issued-by-leaf": "TRUST-CHAIN",
    "early-data": "PROTO-EARLY",
}
KEYS = frozenset(
    {"must_reject", "must_accept", "enforcement", "min_tls", "min_days", "min_grade", "max_severity", "waivers", "profile"}
)
ACCEPTS = frozenset({"good"})


class Policy(NamedTuple):
    """A policy as read from its file."""

    must_reject: tuple[str, ...] = ()
    must_accept: tuple[str, ...] = ()
    enforcement: str | None = None
    min_tls: str | None = None
    min_days: int | None = None
    min_grade: str | None = None
    max_severity: str | None = None
    waivers: tuple[Waiver, ...] = ()
    profile: str | None = None


def _table(name: str, data: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise InputError(f"{name} is not TOML: {exc}", hint="see docs/audit.md for an example") from exc


def _choice(name: str, table: dict[str, Any], key: str, allowed: Any) -> str | None:
    value = table.get(key)
    if value is not None and value not in allowed:
        raise InputError(f"{name}: {key} = {value!r} is not known", hint=f"known are {', '.join(map(str, allowed))}")
    return value


def _words(name: str, table: dict[str, Any], key: str, allowed: Any) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise InputError(f"{name}: {key} is not a list of words", hint=f'write {key} = ["..."]')
    unknown = [word for word in value if word not in allowed]
    if unknown:
        raise InputError(f"{name}: {key} has {unknown[0]!r}, which is not known", hint=f"known are {', '.join(sorted(allowed))}")
    return tuple(value)


def read_policy(name: str, data: bytes) -> Policy:
    """A policy from TOML. Raises InputError for what is not one; an unknown key is a mistake, not a comment."""
    table = _table(name, data)
    unknown = sorted(set(table) - KEYS)
    if unknown:
        raise InputError(f"{name}: {unknown[0]!r} is no key of a policy", hint=f"known are {', '.join(sorted(KEYS))}")
    days = table.get("min_days")
    if days is not None and (not isinstance(days, int) or days < 0):
        raise InputError(f"{name}: min_days is not a number of days", hint="write min_days = 30")
    return Policy(
        _words(name, table, "must_reject", REJECTS),
        _words(name, table, "must_accept", ACCEPTS),
        _choice(name, table, "enforcement", ("ENFORCED", "BYPASSABLE", "NOT_ENFORCED", "NOT_DETERMINED")),
        _choice(name, table, "min_tls", ("1.2", "1.3")),
        days,
        _choice(name, table, "min_grade", GRADES),
        _choice(name, table, "max_severity", ("info", "low", "medium", "high", "critical")),
        _waivers(name, table),
        _choice(name, table, "profile", PROFILES),
    )


def read_waivers(name: str, data: bytes) -> tuple[Waiver, ...]:
    """Waivers from a TOML file with ``[[waivers]]`` tables: id, host, reason, until. Raises InputError."""
    return _waivers(name, _table(name, data))


def _waivers(name: str, table: dict[str, Any]) -> tuple[Waiver, ...]:
    found = []
    for row in table.get("waivers", []):
        missing = [key for key in ("id", "host", "reason", "until") if not (isinstance(row, dict) and row.get(key))]
        if missing:
            raise InputError(f"{name}: a waiver has no {missing[0]}", hint="each [[waivers]] wants id, host, reason and until")
        found.append(Waiver(str(row["id"]), str(row["host"]), str(row["reason"]), _moment(name, row["until"])))
    return tuple(found)


def _moment(name: str, value: Any) -> float:
    """The end of the day that is named, or the moment itself."""
    try:
        if isinstance(value, str):
            value = date.fromisoformat(value)
        if isinstance(value, datetime):
            return value.replace(tzinfo=value.tzinfo or UTC).timestamp()
        return datetime(value.year, value.month, value.day, 23, 59, 59, tzinfo=UTC).timestamp()
    except (ValueError, AttributeError) as exc:
        raise InputError(f"{name}: 'until' of a waiver is no date", hint="write until = 2027-01-31") from exc


def breaches(policy: Policy, part: AuditPart, *, good_accepted: bool | None, days_left: float | None) -> tuple[str, ...]:
    """Every way in which an audit does not meet the policy, in words; empty where it meets it."""
    by_id = {check.id: check for check in part.checks}
    found = [words for word in policy.must_reject if (words := _not_rejected(word, by_id[REJECTS[word]]))]
    if policy.must_accept and good_accepted is not True:
        found.append(
            "must_accept 'good': " + ("it was not let in" if good_accepted is False else "no credential was given or shown")
        )
    if policy.enforcement and part.enforcement != policy.enforcement:
        found.append(f"enforcement is {part.enforcement}, the policy wants {policy.enforcement}")
    if policy.min_grade and (part.grade not in GRADES or GRADES.index(part.grade) < GRADES.index(policy.min_grade)):
        found.append(f"grade is {part.grade}, the policy wants {policy.min_grade} or better")
    if policy.min_days is not None and (days_left is None or days_left < policy.min_days):
        left = "unknown" if days_left is None else f"{days_left:.0f}"
        found.append(f"the server's certificate has {left} days left, the policy wants {policy.min_days}")
    if policy.min_tls:
        found += _version_breach(policy.min_tls, by_id["PROTO-VERSION"], part)
    if policy.max_severity:
        worse = [
            c.id
            for c in part.checks
            if c.status == "finding"
            and c.waived is None
            and c.severity != policy.max_severity
            and at_least(c.severity, policy.max_severity)
        ]
        found += [f"findings worse than {policy.max_severity}: {', '.join(worse)}"] if worse else []
    return tuple(found)


def _not_rejected(word: str, check: CheckResult) -> str | None:
    if check.status == "pass" or (check.status == "finding" and check.waived is not None):
        return None
    if check.status == "finding":
        return f"must_reject {word!r}: {check.summary}"
    return f"must_reject {word!r}: not tested ({check.summary})"


def _version_breach(minimum: str, check: CheckResult, part: AuditPart) -> list[str]:
    if check.status in ("not_run", "undecided"):
        return [f"min_tls {minimum}: not tested ({check.summary})"]
    if check.status == "finding" and check.severity in ("high", "medium"):
        return [f"min_tls {minimum}: {check.summary}"]
    if minimum == "1.3" and any("versions: 1.2" in note or "versions: 1.2, 1.3" in note for note in part.notes):
        return ["min_tls 1.3: the server agrees to TLS 1.2"]
    return []
