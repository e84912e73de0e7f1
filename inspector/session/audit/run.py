"""`mtls audit`: baselines, then the checks in order of severity, then the verdict."""

from __future__ import annotations

import random
from collections.abc import Generator
from typing import Any, NamedTuple

from inspector.analysis import audit_grade, audit_reference
from inspector.analysis import audit_outcome as oracle
from inspector.analysis.audit_outcome import Outcome
from inspector.analysis.findings import CheckResult
from inspector.plan import Step
from inspector.report.model import AuditPart, Coverage
from inspector.report.network import spoke_tls
from inspector.session.audit import staying
from inspector.session.audit.auditor import Auditor, Doing, Shape, Stop
from inspector.session.audit.inputs import Inputs
from inspector.session.audit.kit import Kit
from inspector.session.audit.knowledge import words_of_bearer
from inspector.session.audit.resumption import lifetime
from inspector.session.audit.table import CHECKS, NEEDS
from inspector.trace import events as ev
from inspector.trace.transcript import Transcript
from inspector.wire.events import Side
from inspector.wire.registry import HandshakeType

ENDED = "the audit ended before it"
REPEATS = 3  # of the first baselines: one answer proves little
FAMILIES = ("nginx", "apache", "envoy", "haproxy", "node", "go", "caddy", "traefik")
VERSION_OF = {"TLSv1.2": "1.2", "TLSv1.3": "1.3"}


class Audited(NamedTuple):
    """What an audit came to. ``transcript`` is the first handshake, for the other parts of the report."""

    part: AuditPart
    transcript: Transcript | None
    probes: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    good_accepted: bool | None  # None: no credential was given, or it was not shown
    unreachable: bool
    interrupted: bool = False  # the user ended it: this is what there was so far
    raised: KeyboardInterrupt | None = None  # an interrupt that came while the audit itself was at work; to be raised again


def run(inputs: Inputs, rng: random.Random) -> Generator[Step, Any, Audited]:
    """Audit one target."""
    audit = Auditor(inputs, rng)
    notes: list[str] = []
    raised = None
    try:
        yield from _baselines(audit, notes)
        if _unreachable(audit):
            notes.append("nobody could be talked to in TLS")
        else:
            yield from _checks(audit)
    except Stop as stop:
        audit.stopped = str(stop)
    except KeyboardInterrupt as interrupt:
        raised, audit.interrupted, audit.stopped = interrupt, True, oracle.INTERRUPTED
    if audit.stopped:
        notes.append(f"the audit ended early: {audit.stopped}")
    _fill(audit)
    return _result(audit, notes)._replace(raised=raised)


def _unreachable(audit: Auditor) -> bool:
    """Nobody answered, or whoever did spoke no TLS: clear text in answer to a ClientHello says nothing of these doors."""
    without = [o.kind == oracle.UNREACHABLE or (o.transcript is not None and not spoke_tls(o.transcript)) for o in audit.outcomes]
    return all(without) and not audit.inputs.dry_run


def _baselines(audit: Auditor, notes: list[str]) -> Doing[None]:
    """N, G and X: no certificate, the good credential, a random path without one."""
    first = yield from audit.probe(Shape("no certificate", audit.path, repeats=0), anew=True)
    first = yield from _over_http2(audit, first)
    audit.verified = audit.inputs.dry_run or _verified(first)
    audit.kit = Kit(audit.settings.credential, audit.inputs.issuer, audit.settings.now)
    if _unreachable(audit):
        return
    if audit.settings.credential is not None and audit.credential is None:
        notes.append("the server is not verified, so your credential was not shown to it: --cacert FILE, or --insecure")
    if audit.credential is not None:
        yield from _good(audit, first)
    if audit.http:
        # offers HTTP/2, to learn whether it is spoken here
        shape = Shape("random path", audit.random_path(), alpn=("h2", "http/1.1"), repeats=0)
        audit.random = yield from audit.probe(shape)
    for path in audit.inputs.paths:
        audit.none[path] = yield from _most_open(audit, path, first if path == audit.path else None)
    audit.settle()
    audit.family = _family(audit)
    yield from _versions(audit)
    if audit.credential is not None and not audit.served and not audit.inputs.dry_run:
        word = "gets an error of the application" if audit.reached else "is not let in either"
        notes.append(f"your credential {word} ({audit.good[audit.path].how}): mtls diagnose says why")


def _over_http2(audit: Auditor, first: Outcome) -> Doing[Outcome]:
    """The first probe, over HTTP/2 where the server speaks no HTTP/1.1 (gRPC): then all of the audit goes over that.

    What ALPN is agreed to shows in the handshake, whatever becomes of our certificate.
    """
    if not audit.http or audit.settings.alpn is not None or _agreed(first) or first.status is not None or audit.inputs.dry_run:
        return first
    again = yield from audit.probe(Shape("no certificate, over HTTP/2", audit.path, alpn=("h2",), repeats=0))
    if _agreed(again) != "h2":
        return first
    audit.base = audit.base._replace(alpn=("h2",))
    return (yield from audit.probe(Shape("no certificate", audit.path, repeats=0), anew=True))


def _agreed(outcome: Outcome) -> str | None:
    """The application protocol that the handshake agreed on."""
    done = outcome.transcript.first(ev.HandshakeDone) if outcome.transcript is not None else None
    return done.alpn if done is not None else None


def _good(audit: Auditor, first: Outcome) -> Doing[None]:
    """Baseline G of each path; on the first path twice, to know whether its page can be compared at all."""
    assert audit.credential is not None
    audit.identity = words_of_bearer(audit.credential)
    for path in audit.inputs.paths:
        shape = Shape("good credential", path, credential=audit.credential, keep_session=True, like=None, headers=audit.token)
        outcome = yield from audit.probe(shape)
        if path == audit.path and audit.http:
            again = yield from audit.probe(shape._replace(name="good credential (2)", keep_session=False))
            audit.varies = outcome.status is not None and again.status == outcome.status and not oracle.alike(outcome, again)
            outcome = again if again.accepted and not outcome.accepted else outcome
        audit.good[path] = _as_baseline(outcome, first)


def _as_baseline(outcome: Outcome, first: Outcome) -> Outcome:
    """An error page of the application is a baseline too: who gets it came past TLS. 401 and 403 are one only where TLS refuses
    those without a certificate; else they may be the very refusal that is looked for. So may a login. So is a refusal of another
    protocol, after more steps than those without a certificate may take, or after TLS where that refuses them.
    """
    if outcome.login and not first.tls_layer:
        return outcome._replace(kind=oracle.REFUSED, how=f"{outcome.how}, a login")
    spoke = outcome.kind == oracle.UNDECIDED and first.tls_layer and bool(outcome.word)
    if not outcome.accepted and outcome.status is None and (spoke or (outcome.depth > first.depth and first.refused)):
        return outcome._replace(kind=oracle.ACCEPTED, furthest=outcome.word)
    if outcome.status is None or outcome.tls_layer or outcome.accepted:
        return outcome
    if outcome.status in oracle.REFUSING_STATUSES and (not first.tls_layer or outcome.status == 421):
        return outcome
    return outcome._replace(kind=oracle.ACCEPTED)


def _most_open(audit: Auditor, path: str, first: Outcome | None) -> Doing[Outcome]:
    """The baseline without a certificate: repeated, and any success counts."""
    shape = Shape("no certificate", path, repeats=0)
    seen = [audit.held(first, shape)] if first is not None else []
    for number in range(len(seen), REPEATS if first is not None else 2):
        again = yield from audit.probe(shape._replace(name=f"no certificate ({number + 1})" if number else shape.name), anew=True)
        seen.append(again)
    found = next((o for o in seen if o.accepted), seen[0])
    good = audit.baseline(path)
    crashes = all(o.status is not None and o.status >= 500 for o in seen)
    if crashes and good is not None and (good.status or 200) < 400 and not found.accepted:
        # an application that falls over without a certificate does not serve; it does so each time
        return found._replace(kind=oracle.REFUSED, how=f"{found.how} each time, where your credential gets {good.status}")
    return found


def _verified(outcome: Outcome) -> bool:
    judged = outcome.transcript.last(ev.Judged) if outcome.transcript is not None else None
    return judged is not None and judged.trusted and judged.host_matches is not False


def _versions(audit: Auditor) -> Doing[None]:
    """Which of TLS 1.2 and 1.3 the server speaks: the one that was negotiated, and one try of the other."""
    low, high = audit.base.minimum, audit.base.maximum
    found = [VERSION_OF[o.protocol] for o in audit.outcomes[:1] if o.protocol in VERSION_OF]
    for version in ("1.2", "1.3"):
        number = {"1.2": 0x0303, "1.3": 0x0304}[version]
        if version in found or (low and number < low.value) or (high and number > high.value):
            continue
        outcome = yield from audit.probe(Shape(f"TLS {version} alone", audit.path, version=version))
        hello = outcome.transcript.messages(HandshakeType.SERVER_HELLO, Side.SERVER) if outcome.transcript is not None else []
        if hello or audit.inputs.dry_run:
            found.append(version)
    audit.versions = tuple(sorted(found))


def _family(audit: Auditor) -> str:
    """The server's family as its own words have it; empty where they say nothing."""
    for outcome in audit.outcomes:
        server = next((value.lower() for name, value in outcome.headers if name.lower() == "server"), "")
        for family in FAMILIES:
            if family in server:
                return family
    return ""


def _checks(audit: Auditor) -> Doing[None]:
    """All checks, the worst first. TRUST-ANY and the like tell others what they need not try.

    Where a limit or somebody ended the audit, those still run that need no more than what was seen.
    """
    audit.reserved = 1
    last_sent: dict[str, int] = {}
    for row in audit_reference.TABLE:
        missing = next((need for need in row.needs if not NEEDS[need](audit)), None)
        if missing is not None:
            audit.results.append(_not_run(audit, row.id, f"it needs {audit_reference.NEEDS[missing]}", missing))
            continue
        before = audit.connections
        try:
            result = yield from CHECKS[row.id](audit)
        except Stop as stop:
            audit.stopped = str(stop)
            continue
        last_sent[row.id] = audit.connections if audit.connections > before else 0
        audit.results.append(result)
    yield from staying.check(audit, last_sent)


def _not_run(audit: Auditor, check: str, why: str, need: str | None = None) -> CheckResult:
    return audit.result(check, "not_run", why, needs=audit_reference.NEEDS[need] if need else why)


def _fill(audit: Auditor) -> None:
    """Checks that were never reached are not run: not tested is never passed."""
    done = {result.id for result in audit.results}
    why = f"{ENDED}: {audit.stopped}" if audit.stopped else "nobody could be talked to"
    audit.results += [_not_run(audit, row.id, why) for row in audit_reference.TABLE if row.id not in done]


def _waive(audit: Auditor, result: CheckResult) -> CheckResult:
    for waiver in audit.inputs.waivers:
        hit = waiver.id == result.id and waiver.host in (audit.settings.target.host, "*", str(audit.settings.target))
        if hit and result.status == "finding":
            if waiver.until < audit.settings.now:
                return _replace(result, summary=f"{result.summary} (a waiver for this has expired: {waiver.reason})")
            return _replace(result, waived=waiver.reason)
    return result


def _replace(result: CheckResult, **changes: Any) -> CheckResult:
    import msgspec

    return msgspec.structs.replace(result, **changes)


def _result(audit: Auditor, notes: list[str]) -> Audited:
    checks = tuple(_waive(audit, result) for result in audit.results)
    lifetimes = [value for value in (lifetime(o) for o in audit.own_outcomes) if value is not None]
    early = any(c.id == "PROTO-EARLY" and c.status == "finding" for c in checks)
    letter, why = audit_grade.grade(
        checks, with_credential=_good_accepted(audit), ticket_lifetime=max(lifetimes, default=None), early_data=early
    )
    run_ = sum(check.status in ("pass", "finding") for check in checks)
    graded = f"grade {letter}: {why}"
    if any(audit_grade.would_lower(check, letter) for check in checks if _unheard(audit, check)):
        letter, graded = "-", f"no grade, because checks that could lower it were not made; so far {letter}: {why}"
    part = AuditPart(
        enforcement=_enforcement(audit, checks),
        grade="-" if run_ == 0 else letter,
        coverage=Coverage(run=run_, total=len(checks)),
        checks=checks,
        rules_version=audit_grade.RULES_VERSION,
        audit_id=audit.inputs.audit_id,
        notes=(
            *([graded] if run_ else []),
            *notes,
            *([] if audit.shut_out is None else [f"since probe {audit.shut_out} it answered otherwise: did it shut us out?"]),
            f"versions: {', '.join(audit.versions) or 'none'}",
            f"profile: {audit.profile}",
            f"{audit.connections} connections were made",
        ),
    )
    transcript = next((o.transcript for o in audit.outcomes if o.transcript is not None), None)
    return Audited(
        part, transcript, tuple(audit.listing), tuple(audit.outcomes), _good_accepted(audit), _unreachable(audit), audit.interrupted
    )


def _unheard(audit: Auditor, check: CheckResult) -> bool:
    """The audit ended before this check, or the server no longer listened."""
    return (check.needs or "").startswith(ENDED) or (audit.shut_out is not None and check.status == "undecided")


def _enforcement(audit: Auditor, checks: tuple[CheckResult, ...]) -> audit_grade.Enforcement:
    """The verdict; an audit that ended before the critical checks were done cannot say that the server enforces."""
    found = audit_grade.enforcement(checks, _good_accepted(audit))
    critical = [check for check in checks if audit_reference.BY_ID[check.id].severity == "critical"]
    return "NOT_DETERMINED" if found == "ENFORCED" and any(_unheard(audit, check) for check in critical) else found


def _good_accepted(audit: Auditor) -> bool | None:
    """Was the good credential let in? None where none was given, or it was not shown."""
    return None if audit.credential is None else audit.reached
