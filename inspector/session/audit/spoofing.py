"""Group F: the HTTP layer. What headers claim, what refusals tell, and tokens that are bound to a certificate."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice

from inspector.analysis import audit_outcome as oracle
from inspector.analysis import identity_headers as dialects
from inspector.analysis.audit_outcome import Outcome
from inspector.analysis.findings import CheckResult
from inspector.analysis.identity_headers import Bearer, Claim, Group
from inspector.credentials.model import Credential
from inspector.der import certificate
from inspector.session.audit.auditor import Auditor, Checking, Doing, Shape
from inspector.session.audit.kit import certificate_name

STRANGER = "auditstranger"  # a name that nobody has
FEW = 3  # claims where one page refuses all that comes without a certificate
MANY = 2  # groups that are tried against one's own certificate


def spoof(audit: Auditor) -> Checking:
    """HTTP-SPOOF: headers that claim a certificate, without one, with another client's, and against one's own."""
    path = audit.refused_path()
    assert path is not None
    none = audit.none[path]
    seen: list[Outcome] = []
    found: CheckResult | None = None
    if not audit.wall:
        found = yield from _claimed(audit, path, None, seen)
    if found is None and audit.credential is not None and audit.reached and audit.good[audit.path].status in (401, 403):
        # your certificate is taken and you are refused: does a header mend that?
        found = yield from _claimed(audit, path, audit.credential, seen)
    for client in audit.inputs.second_client if audit.served else ():
        if found is None and (yield from _refused_by_application(audit, path, client)):
            found = yield from _claimed(audit, path, client, seen)
    if found is None and audit.served:
        found = yield from _against_own(audit, seen)
    if found is not None:
        return found
    if not seen:
        return audit.result("HTTP-SPOOF", "pass", f"without a certificate no request is read at all: {none.how}", seen=(none,))
    words = f"{len(seen)} groups of headers that claim a certificate change nothing"
    return (yield from audit.passed("HTTP-SPOOF", words, seen=seen, show=2))


def _bearer(credential: Credential) -> Bearer:
    from inspector.app.steps import common_name

    cert = certificate.parse(credential.leaf)
    return Bearer(credential.leaf, cert.subject, common_name(credential.leaf) or cert.subject, cert.serial_hex or "01", cert.sha256)


def _good_bearer(audit: Auditor) -> Bearer:
    return _bearer(audit.settings.credential or audit.kit.self_signed())


def _refused_by_application(audit: Auditor, path: str, client: Credential) -> Doing[bool]:
    outcome = yield from audit.probe(Shape("another client", path, credential=client))
    return outcome.refused and outcome.status is not None and not outcome.tls_layer


def _claimed(audit: Auditor, path: str, client: Credential | None, seen: list[Outcome]) -> Doing[CheckResult | None]:
    """Headers that claim the good credential, without a certificate or with another client's; the control says nonsense."""
    whom = "without a certificate" if client is None else "to a client whose certificate does not"
    most = FEW if audit.front and client is None else None
    for group, nonsense, elsewhere in islice(_claims(audit, path, client), most):
        label = group[0][0] if len(group) == 1 else f"{group[0][0]} and {len(group) - 1} more"
        asked = audit.random_path() if elsewhere else path
        shape = Shape(f"claimed by header {label}", asked, headers=group, credential=client, like=path)
        outcome = yield from audit.probe(shape)
        seen.append(outcome)
        sure = _let_in(audit, outcome, path, client)
        if sure:
            control = yield from audit.probe(shape._replace(name=f"the same headers with nonsense ({label})", headers=nonsense))
            told_apart = control.refused or _let_in(audit, control, path, client) is None
            if elsewhere and not told_apart:
                continue  # the other path says so to anybody
            if told_apart and audit.credential is not None:
                sure = "confirmed"  # the claim alone made the difference
            exact = yield from _narrowed(audit, shape, lambda found: _let_in(audit, found, path, client) is not None)
            return audit.result(
                "HTTP-SPOOF",
                "finding",
                f"a header opens {path} {whom}: {', '.join(name for name, _ in exact[:4])}",
                confidence=sure,
                seen=(outcome,),
                control=audit.control(control if told_apart else audit.none[path]),
                repeat=audit.repeat(shape._replace(headers=exact)),
            )
    return None


def _claims(audit: Auditor, path: str, client: Credential | None) -> Iterator[Claim]:
    """What is claimed on this path: a certificate in every dialect; without one also what the refusal itself suggests."""
    found = dialects.groups(_good_bearer(audit))
    if client is not None and client is not audit.credential:
        found = dialects.identities(found)
    if client is None and audit.served and _asks_for_password(audit.none[path]):
        # your certificate was let in without answering the challenge: the server turned it into a name and a password
        yield from dialects.fake_basic(_good_bearer(audit))
    yield from dialects.claims(found)
    if client is None:
        yield from dialects.from_within()
        if audit.random is not None and not audit.random.refused:
            yield dialects.rewritten(path)


def _asks_for_password(none: Outcome) -> bool:
    challenges = [value.lower() for name, value in none.headers if name.lower() == "www-authenticate"]
    return none.status == 401 and any("basic" in value for value in challenges)


def _let_in(audit: Auditor, outcome: Outcome, path: str, client: Credential | None) -> str | None:
    """How sure it is that a claim let somebody in; your own certificate, which gets an error, must get a page."""
    if client is not None and client is audit.credential and (outcome.status or 500) >= 300:
        return None
    return audit.got_in(outcome, path)


def _narrowed(audit: Auditor, shape: Shape, holds: Callable[[Outcome], bool]) -> Doing[Group]:
    """The one header that does it alone, found by halves; the whole group where no half does it alone."""
    group = shape.headers
    while len(group) > 1:
        first, second = group[: len(group) // 2], group[len(group) // 2 :]
        for half in (first, second):
            outcome = yield from audit.probe(shape._replace(name=f"{half[0][0]} and {len(half) - 1} more alone", headers=half))
            if holds(outcome):
                group = half
                break
        else:
            return group
    return group


def _against_own(audit: Auditor, seen: list[Outcome]) -> Doing[CheckResult | None]:
    """The good credential with headers that claim a stranger: is the header believed rather than the certificate?

    It is where the stranger is turned away and the same headers with the bearer's own names are not, or where the page now names
    the stranger in the bearer's place. A server that shows or refuses all such headers alike believes none.
    """
    me = _good_bearer(audit)
    stranger = _stranger(audit, me)
    for claimed, own in list(zip(dialects.groups(stranger, "FAILED"), dialects.groups(me), strict=False))[:MANY]:
        name = f"your certificate, and headers that claim {STRANGER}"
        shape = Shape(name, audit.path, headers=claimed, credential=audit.credential)
        outcome = yield from audit.probe(shape)
        seen.append(outcome)
        control = audit.good[audit.path]
        believed = partial(_believed, good=control, common=me.common)
        if believed(outcome) and not outcome.accepted:
            control = yield from audit.probe(shape._replace(name="your certificate, and headers that claim you", headers=own))
        if believed(outcome) and control.accepted:
            exact = yield from _narrowed(audit, shape, believed)
            return audit.result(
                "HTTP-SPOOF",
                "finding",
                "a header is believed rather than the certificate: whoever has any accepted certificate may claim another's name: "
                + ", ".join(name for name, _ in exact[:4]),
                confidence="confirmed",
                seen=(outcome,),
                control=audit.control(control),
                repeat=audit.repeat(shape._replace(headers=exact)),
            )
    return None


def _believed(outcome: Outcome, *, good: Outcome, common: str) -> bool:
    """True if the stranger was turned away, or stands on the page where the bearer stood.

    Another page of the same status may merely show what it was sent.
    """
    if not outcome.accepted:
        return outcome.refused and outcome.status != good.status
    mine = oracle.words_of(common.encode()) & good.words
    return STRANGER.encode() in outcome.words and bool(mine) and not mine & outcome.words


def _stranger(audit: Auditor, me: Bearer) -> Bearer:
    subject = me.subject.replace(f"CN={me.common}", f"CN={STRANGER}") if f"CN={me.common}" in me.subject else f"CN={STRANGER}"
    der = audit.kit.named(STRANGER).leaf
    return Bearer(der, subject, STRANGER, "7A7A7A7A7A7A", certificate.parse(der).sha256)


LEAK_HEADERS = re.compile(r"(?i)^(x-ssl-|ssl-client|x-client-|client-cert|x-forwarded-client-cert|x-powered-by|x-aspnet)")
NAMES_SOMEBODY = re.compile(r"(?i)cn ?=|begin|[0-9a-f]{16}")  # a header that says no more than NONE or FAILED tells nothing
STACK = re.compile(rb"Traceback \(most recent call last\)|\n\s+at .+\(.+:\d+\)|goroutine \d+ \[")
VERSIONED = re.compile(r"/\d+\.\d+")


def _tells(name: str, value: str) -> bool:
    lowered = name.lower()
    if lowered == "server":
        return VERSIONED.search(value) is not None
    if lowered.startswith(("x-powered-by", "x-aspnet")):
        return True
    return LEAK_HEADERS.match(name) is not None and NAMES_SOMEBODY.search(value) is not None


def leaks(audit: Auditor) -> Checking:
    """HTTP-LEAK: versions and identities in refusals."""
    yield from ()
    facts: list[str] = []
    subject = certificate.parse(audit.settings.credential.leaf).subject if audit.settings.credential else None
    for outcome in audit.outcomes:
        if outcome.status is None or outcome.status < 400:
            continue
        facts += [
            f"{name}: {value[:60]}"
            for name, value in outcome.headers
            if _tells(name, value)
        ]
        facts += ["the body shows where the program stood (a stack trace)"] if STACK.search(outcome.body) else []
        listed = [certificate_name(name) for name in audit.ca_names()]
        facts += [
            f"the body names {text}"
            for text in (*listed, *([subject] if subject else []))
            if text and text.encode() in outcome.body
        ]
    facts = list(dict.fromkeys(facts))
    if not facts:
        return audit.result("HTTP-LEAK", "pass", "refusals say nothing that helps an attacker")
    if all(fact.lower().startswith(("server:", "x-powered-by", "x-aspnet")) for fact in facts):
        # most servers do, and whoever knows the version knows no identity: worth a word, not a finding
        return audit.result(
            "HTTP-LEAK", "pass", "refusals name no identity, only the software: " + "; ".join(facts[:3]), severity="info"
        )
    return audit.result(
        "HTTP-LEAK",
        "finding",
        "refusals tell more than they must: " + "; ".join(facts[:3]),
        severity="low",
        confidence="confirmed",
        facts=tuple(facts[:5]),
        control="answers to a client without a certificate",
        repeat=audit.repeat(Shape("no certificate", audit.refused_path() or audit.path)),
    )


def bound(audit: Auditor) -> Checking:
    """HTTP-BOUND: the token without the certificate, with a throw-away one, and with another client's."""
    with_it = audit.good[audit.path]
    shape = Shape("token without a certificate", audit.path, headers=audit.token)
    others = [("token with a throw-away certificate", audit.kit.self_signed())]
    others += [(f"token with another client's certificate ({client.source})", client) for client in audit.inputs.second_client]
    seen = []
    for tried in (shape, *(shape._replace(name=name, credential=credential) for name, credential in others)):
        outcome = yield from audit.probe(tried)
        seen.append(outcome)
        if audit.served and outcome.accepted and (outcome.status or 200) < 300:
            alone = yield from audit.probe(tried._replace(name="the same without the token", headers=()))
            if alone.accepted:
                continue  # everybody gets in so, token or not
            return audit.result(
                "HTTP-BOUND",
                "finding",
                f"the token is taken without its certificate ({outcome.name})",
                confidence="confirmed",
                seen=(outcome, with_it),
                control=audit.control(alone),
                repeat=audit.repeat(tried),
            )
    if audit.served and all(o.refused for o in seen):
        return audit.result("HTTP-BOUND", "pass", "the token is useless without its certificate", seen=tuple(seen[:2]))
    return audit.result("HTTP-BOUND", "undecided", f"with the good credential: {with_it.how}", seen=(with_it, *seen[:1]))
