"""Group A: is the certificate really demanded, on every road to the resource?"""

from __future__ import annotations

import shlex

from inspector.analysis import audit_outcome as oracle
from inspector.analysis.audit_outcome import Outcome
from inspector.session.audit import repeating
from inspector.session.audit.auditor import Auditor, Checking, Doing, Shape

FEW = 6  # spellings of a second path
SOME = 4  # spellings where one page refuses all that comes without a certificate


def _what(audit: Auditor, path: str) -> str:
    """What is served: a path, or in other protocols the first step."""
    return path if audit.http else f"the first step of {audit.protocol}"


def none(audit: Auditor) -> Checking:
    """ENF-NONE: no certificate, each path, each version that the server speaks."""
    paths = [path for path in audit.inputs.paths if path in audit.none]
    seen: list[Outcome] = [audit.none[path] for path in paths]
    refused = audit.refused_path()
    if refused is not None and audit.none[refused].tls_layer and not (audit.requested or audit.reached):
        why = f"TLS fails before any certificate is asked for ({audit.none[refused].how}), so that nobody gets in, whatever he has"
        return audit.result("ENF-NONE", "undecided", why, seen=tuple(seen[:3]))
    if refused is not None:
        why = f"refused without a certificate: {audit.none[refused].how}"
        if not audit.none[audit.path].refused:
            why += f" (on {refused}; other paths: see ENF-PATH)"
        return audit.result("ENF-NONE", "pass", why, seen=tuple(o for o in seen if o.refused)[:3])
    for version in audit.versions:
        outcome = yield from audit.probe(Shape(f"no certificate over TLS {version}", audit.path, version=version))
        seen = [*seen, outcome]
    for path, outcome in zip([*paths, *[audit.path] * (len(seen) - len(paths))], seen, strict=True):
        sure = _open_to_nobody(audit, outcome, path)
        if sure:
            asked = "a certificate is asked for, and none is needed" if outcome.requested else "no certificate is ever asked for"
            return audit.result(
                "ENF-NONE",
                "finding",
                f"{_what(audit, path)} is served to a client without a certificate: {asked}",
                confidence=sure,
                seen=(outcome,),
                control=audit.control(audit.good.get(path) or audit.random),
                repeat=audit.repeat(Shape("no certificate", path)),
            )
    why = f"neither served nor refused: {seen[0].how if seen else 'no answer'}"
    if audit.path in audit.strangers:
        why = f"your credential gets what everybody gets ({seen[0].how}): the door is open, or it is a stranger there as well"
    return audit.result("ENF-NONE", "undecided", why, seen=tuple(seen[:3]))


def _open_to_nobody(audit: Auditor, outcome: Outcome, path: str) -> str | None:
    """How sure it is that a client without a certificate was served.

    That a credential which any server should refuse gets the same page proves no more than the page itself.
    """
    if not outcome.accepted:
        return None
    good = audit.baseline(path)
    if good is not None:
        same = outcome.fingerprint is None or oracle.alike(outcome, good, audit.identity)
        return "confirmed" if same and not audit.faulty else "likely"
    return None if oracle.tells_nobody_apart(outcome) else "likely"


def paths(audit: Auditor) -> Checking:
    """ENF-PATH: each given path, each spelling of a protected one, and other methods."""
    protected = [path for path in audit.inputs.paths if audit.none[path].refused]
    if not protected:
        return audit.result(
            "ENF-PATH",
            "not_run",
            "no given path is refused without a certificate: see ENF-NONE",
            needs="a path that is refused without a certificate (--path)",
        )
    for path in audit.inputs.paths:
        sure = _bare(audit, path)
        if sure:
            return audit.result(
                "ENF-PATH",
                "finding",
                f"{path} is served without a certificate, while {protected[0]} is refused",
                confidence=sure,
                seen=(audit.none[path],),
                control=audit.control(audit.none[protected[0]]),
                repeat=audit.repeat(Shape("path", path)),
            )
    seen: list[Outcome] = []
    for path in protected[:2]:
        # where TLS itself refuses, no path is ever read: two spellings are proof enough, and a few where it does by a page
        most = 2 if audit.wall else SOME if audit.front else None
        spellings = _spellings(path)[: most if path == protected[0] else min(most or FEW, FEW)]
        shapes = [Shape(f"path spelled {variant}", variant, like=path, repeats=0) for variant in spellings]
        shapes += [Shape(f"method {method}", path, method=method) for method in ("HEAD", "OPTIONS")] if most is None else []
        for shape in shapes:
            outcome = yield from audit.probe(shape)
            seen.append(outcome)
            sure = yield from _by_spelling(audit, shape, outcome)
            if sure:
                return audit.result(
                    "ENF-PATH",
                    "finding",
                    f"{path} is refused without a certificate, and served "
                    + (f"as {shape.path}" if shape.method == "GET" else f"to {shape.method}"),
                    confidence=sure,
                    seen=(outcome,),
                    control=audit.control(audit.none[path]),
                    repeat=audit.repeat(shape),
                )
    words = f"{len(seen)} other spellings" + ("" if audit.wall or audit.front else " and methods")
    return (yield from audit.passed("ENF-PATH", f"{words} of the path get nothing more", seen=seen, show=2))


def _bare(audit: Auditor, path: str) -> str | None:
    """How sure it is that a path is open to everybody."""
    outcome = audit.none[path]
    if audit.baseline(path) is not None:
        return _open_to_nobody(audit, outcome, path)
    if not outcome.accepted or (outcome.status or 200) >= 300:
        return None
    return None if audit.random is not None and oracle.same_page(outcome, audit.random) else "likely"


def _by_spelling(audit: Auditor, shape: Shape, outcome: Outcome) -> Doing[str | None]:
    """How sure it is that this spelling or method got the resource, and not the page that any path gets."""
    if shape.method != "GET":
        return (yield from _by_method(audit, shape, outcome))
    if audit.random is not None and oracle.same_page(outcome, audit.random):
        return None
    return audit.got_in(outcome, shape.like or shape.path)


def _by_method(audit: Auditor, shape: Shape, outcome: Outcome) -> Doing[str | None]:
    """Is the resource itself had by another method? HEAD must say what it says to the good credential, and not to any path;
    OPTIONS is often open on purpose, and only a page counts that the good credential gets by GET.
    """
    good = audit.baseline(shape.path)
    if good is None or outcome.status is None or outcome.status != good.status or outcome.status >= 300:
        return None
    if shape.method != "HEAD":
        return "confirmed" if not outcome.empty and oracle.alike(outcome, good, audit.identity) else None
    allowed = yield from audit.probe(shape._replace(name="HEAD with the good credential", credential=audit.credential))
    if not (oracle.same_page(outcome, allowed) and _length(outcome) == _length(allowed)):
        return None
    if audit.random is None or audit.random.refused:
        return "confirmed"
    anything = yield from audit.probe(shape._replace(name="HEAD of a random path", path=audit.random_path(), like=None))
    return None if oracle.same_page(outcome, anything) and _length(outcome) == _length(anything) else "confirmed"


def _length(outcome: Outcome) -> str | None:
    return next((value for name, value in outcome.headers if name.lower() == "content-length"), None)


def _spellings(path: str) -> list[str]:
    """Other ways to write the same path, which servers and the applications behind them may read differently; the most telling
    first. ``..;`` is one step up to servlet containers alone, %25 is decoded by whoever decodes twice, a suffix or an index page
    may be served by rules of their own.
    """
    bare, _, query = path.partition("?")
    tail = f"?{query}" if query else ""
    found = ["/" + bare, bare.rstrip("/") + "/"]
    if len(bare) > 1:
        code = f"{ord(bare[1]):02x}"
        found += [bare.upper(), f"/%{code}{bare[2:]}", "/x/..;" + bare, "/x/.." + bare, bare + ";x", f"/%25{code}{bare[2:]}"]
        found += [bare.swapcase(), "/x/%2e%2e" + bare, bare.rstrip("/") + "/x.css"]
    found += [bare + "index.html"] if bare.endswith("/") else []
    found = [variant + tail for variant in found] + [bare + "?x" if not tail else bare + tail + "&x"]
    return [variant for variant in dict.fromkeys(found) if variant != path]


def late(audit: Auditor) -> Checking:
    """ENF-LATE: is the certificate asked for only after the first handshake?"""
    yield from ()
    asked = [o for o in audit.own_outcomes if o.late]
    early = [o for o in audit.own_outcomes if o.requested and not o.late]
    if asked and not early:
        how = "post-handshake authentication (TLS 1.3)" if asked[0].protocol == "TLSv1.3" else "renegotiation (TLS 1.2)"
        return audit.result(
            "ENF-LATE",
            "finding",
            f"the certificate is asked for only after the request, by {how}: many clients cannot answer, and "
            "over HTTP/2 nobody can",
            severity="medium",
            confidence="confirmed",
            seen=tuple(asked[:2]),
            control="no CertificateRequest in the first handshake",
            repeat=audit.repeat_late(asked[0].protocol),
        )
    if early:
        return audit.result("ENF-LATE", "pass", "the certificate is asked for in the first handshake", seen=tuple(early[:1]))
    return audit.result("ENF-LATE", "undecided", "no certificate was ever asked for, early or late")


def plaintext(audit: Auditor) -> Checking:
    """ENF-PLAINTEXT: the resource without TLS. On the TLS port itself only in HTTP, which some servers answer there."""
    path = audit.refused_path() or audit.path
    ports = tuple(dict.fromkeys((*audit.inputs.plain_ports, *([audit.settings.target.port] if audit.http else []))))
    seen = []
    for port in ports:
        outcome = yield from audit.plaintext(Shape(f"plaintext on port {port}", path, host=_plain_host(audit, port)), port)
        seen.append(outcome)
        sure = yield from _in_clear(audit, outcome, path, port)
        if sure:
            return audit.result(
                "ENF-PLAINTEXT",
                "finding",
                f"{_what(audit, path)} is served without TLS on port {port}",
                confidence=sure,
                seen=(outcome,),
                control=audit.control(audit.none.get(path)),
                repeat=_in_clear_again(audit, path, port),
            )
    return audit.result(
        "ENF-PLAINTEXT",
        "pass",
        "nothing is served without TLS: "
        + ", ".join(f"port {port} {outcome.how}" for port, outcome in zip(ports, seen, strict=True)),
        seen=tuple(seen[:3]),
    )


def _in_clear_again(audit: Auditor, path: str, port: int) -> str | None:
    if not audit.http:
        return repeating.in_clear(audit.protocol, audit.settings.target.host, port, audit.user(None))
    url = f"http://{audit.settings.target._replace(port=port).authority}{path}"
    return shlex.join(["curl", "-si", url, "-H", f"Host: {_plain_host(audit, port)}"])


def _in_clear(audit: Auditor, outcome: Outcome, path: str, port: int) -> Doing[str | None]:
    """How sure it is that the resource is served in clear: the page of the good credential, or without one a page of its own."""
    if not outcome.accepted or (outcome.status or 200) >= 300:
        return None
    if audit.baseline(path) is not None or not audit.http:
        return audit.got_in(outcome, path)
    other = yield from audit.plaintext(Shape(f"random path in plaintext on port {port}", audit.random_path()), port)
    # the front page of a plain port is often for everybody; another path was named because it is not
    return None if oracle.same_page(outcome, other) or path == "/" else "likely"


def _plain_host(audit: Auditor, port: int) -> str:
    name = audit.settings.server_name or audit.settings.target.host
    name = f"[{name}]" if ":" in name else name
    return name if port == 80 else f"{name}:{port}"


def starttls(audit: Auditor) -> Checking:
    """ENF-STARTTLS: the first privileged step before TLS, and after STARTTLS without a certificate."""
    shape = Shape("the first step without TLS", audit.path)
    before = yield from audit.plaintext(shape, audit.settings.target.port)
    after = audit.none[audit.path]
    if before.accepted:
        return audit.result(
            "ENF-STARTTLS",
            "finding",
            f"the server serves before STARTTLS: {before.how}",
            confidence="confirmed" if audit.reached else "likely",
            seen=(before,),
            control=audit.control(after),
            repeat=_in_clear_again(audit, audit.path, audit.settings.target.port),
        )
    if after.accepted:
        return audit.result(
            "ENF-STARTTLS",
            "finding",
            f"after STARTTLS no certificate is needed: {after.how}",
            confidence="confirmed" if audit.reached else "likely",
            seen=(after,),
            control=audit.control(before),
            repeat=audit.repeat(Shape("no certificate", audit.path)),
        )
    if before.refused and after.refused:
        return audit.result(
            "ENF-STARTTLS",
            "pass",
            f"before STARTTLS: {before.how}; after it without a certificate: {after.how}",
            seen=(before, after),
        )
    return audit.result("ENF-STARTTLS", "undecided", f"before STARTTLS: {before.how}; after it: {after.how}", seen=(before, after))


def parity(audit: Auditor) -> Checking:
    """ENF-PARITY: no certificate, over each version, ALPN and address."""
    path = audit.refused_path()
    if path is None:
        return audit.result(
            "ENF-PARITY",
            "not_run",
            "nothing is refused without a certificate: see ENF-NONE",
            needs="a path that is refused without a certificate",
        )
    spoken = audit.none[path].protocol  # what the baseline spoke needs no probe of its own
    shapes = [Shape(f"TLS {version}", path, version=version) for version in audit.versions if f"TLSv{version}" != spoken]
    if audit.http:
        offers: tuple[tuple[str, ...], ...] = (("h2",), ("http/1.1",), ())
        shapes += [Shape(f"ALPN {' '.join(offer) or 'none'}", path, alpn=offer) for offer in offers if offer != audit.base.alpn]
    shapes += [Shape(f"address {address}", path, address=address) for address in audit.addresses()[1:4]]
    seen = []
    for shape in shapes:
        outcome = yield from audit.probe(shape)
        seen.append(outcome)
        if shape.address is not None:
            audit.refusals = 0
        sure = audit.got_in(outcome, path)
        if sure:
            return audit.result(
                "ENF-PARITY",
                "finding",
                f"{_what(audit, path)} is served without a certificate over {shape.name}, and refused otherwise",
                severity="high",
                confidence=sure,
                seen=(outcome,),
                control=audit.control(audit.none[path]),
                repeat=audit.repeat(shape),
            )
    # who listens at one address need not at each
    heard = [(s, o) for s, o in zip(shapes, seen, strict=True) if s.address is None or o.kind != oracle.UNREACHABLE]
    words = "refused alike over " + ", ".join(shape.name for shape, _ in heard)
    return (yield from audit.passed("ENF-PARITY", words, seen=[outcome for _, outcome in heard]))
