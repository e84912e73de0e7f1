"""Group A: is the certificate really demanded, on every road to the resource?"""

from __future__ import annotations

from inspector.analysis import audit_outcome as oracle
from inspector.analysis.audit_outcome import Outcome
from inspector.session.audit.auditor import Auditor, Checking, Doing, Shape

UNKNOWN_NAME = "unknown-name.invalid"
SPLIT_AT = 60  # bytes of the ClientHello in its first record: before the server name


def none(audit: Auditor) -> Checking:
    """ENF-NONE: no certificate, each path, each version that the server speaks."""
    open_ones: list[tuple[Outcome, str, Shape]] = []
    seen: list[Outcome] = [audit.none[path] for path in audit.inputs.paths if path in audit.none]
    for version in audit.versions:
        shape = Shape(f"no certificate over TLS {version}", audit.path, version=version)
        outcome = yield from audit.probe(shape)
        seen.append(outcome)
    for outcome in seen:
        sure = _open_to_nobody(audit, outcome)
        if sure:
            open_ones.append((outcome, sure, Shape("no certificate", audit.path, version=None)))
    refused = audit.refused_path()
    if open_ones and not (refused and len(audit.inputs.paths) > 1):
        outcome, sure, shape = open_ones[0]
        if refused and audit.none[audit.path].refused:
            return audit.result(
                "ENF-NONE", "pass", "the default handshake is refused without a certificate (see ENF-PARITY)", seen=tuple(seen[:2])
            )
        asked = "a certificate is asked for, and none is needed" if outcome.requested else "no certificate is ever asked for"
        return audit.result(
            "ENF-NONE",
            "finding",
            f"{audit.path} is served to a client without a certificate: {asked}",
            confidence=sure,
            seen=(outcome,),
            control=audit.control(audit.good.get(audit.path) or audit.random),
            repeat=audit.repeat(shape),
        )
    if refused:
        return audit.result(
            "ENF-NONE",
            "pass",
            f"refused without a certificate: {audit.none[refused].how}",
            seen=tuple(o for o in seen if o.refused)[:3],
        )
    return audit.result(
        "ENF-NONE", "undecided", f"neither served nor refused: {seen[0].how if seen else 'no answer'}", seen=tuple(seen[:3])
    )


def _open_to_nobody(audit: Auditor, outcome: Outcome) -> str | None:
    """How sure it is that a client without a certificate was served. The page of a random path does not count as served."""
    if not outcome.accepted:
        return None
    good = audit.good_print(audit.path)
    if good is not None:
        return "confirmed" if oracle.alike(outcome, audit.good[audit.path]) else "likely"
    if outcome.fingerprint is None:
        return "confirmed" if audit.served else "likely"
    if outcome.status is not None and outcome.status >= 300:
        return None
    return "likely"


def paths(audit: Auditor) -> Checking:
    """ENF-PATH: each given path, and each spelling of a protected one."""
    protected = [path for path in audit.inputs.paths if audit.none[path].refused]
    bare = [path for path in audit.inputs.paths if _bare(audit, path)]
    if not protected:
        return audit.result(
            "ENF-PATH",
            "not_run",
            "no given path is refused without a certificate: see ENF-NONE",
            needs="a path that is refused without a certificate (--path)",
        )
    for path in bare:
        return audit.result(
            "ENF-PATH",
            "finding",
            f"{path} is served without a certificate, while {protected[0]} is refused",
            confidence="confirmed" if audit.good_print(path) else "likely",
            seen=(audit.none[path],),
            control=audit.control(audit.none[protected[0]]),
            repeat=audit.repeat(Shape("path", path)),
        )
    seen = []
    for path in protected[:2]:
        for variant in _spellings(path):
            shape = Shape(f"path spelled {variant}", variant)
            outcome = yield from audit.probe(shape)
            seen.append(outcome)
            sure = _same_resource(audit, outcome, path)
            if sure:
                return audit.result(
                    "ENF-PATH",
                    "finding",
                    f"{path} is refused without a certificate, and served as {variant}",
                    confidence=sure,
                    seen=(outcome,),
                    control=audit.control(audit.none[path]),
                    repeat=audit.repeat(shape),
                )
    return audit.result("ENF-PATH", "pass", f"{len(seen)} other spellings of the path get nothing more", seen=tuple(seen[:2]))


def _bare(audit: Auditor, path: str) -> bool:
    outcome = audit.none[path]
    if not outcome.accepted or (outcome.status or 200) >= 300:
        return False
    return audit.random is None or not oracle.same_page(outcome, audit.random)


def _same_resource(audit: Auditor, outcome: Outcome, path: str) -> str | None:
    if not outcome.accepted or (outcome.status or 200) >= 300:
        return None
    return audit.got_in(outcome, path)


def _spellings(path: str) -> list[str]:
    """Other ways to write the same path, which servers and the applications behind them may read differently."""
    bare, _, query = path.partition("?")
    tail = f"?{query}" if query else ""
    found = [
        "/" + bare + tail,
        bare.rstrip("/") + "/" + tail,
        bare + "/." + tail,
        "/." + bare + tail,
        bare + "?x" if not tail else bare + tail + "&x",
    ]
    if len(bare) > 1:
        letter = f"%{ord(bare[1]):02x}"
        found += [
            bare.upper() + tail,
            "/" + letter + bare[2:] + tail,
            "/%2e" + bare + tail,
            "/x/.." + bare + tail,
            bare + "%20" + tail,
        ]
    return [variant for variant in dict.fromkeys(found) if variant != path]


def hosts(audit: Auditor) -> Checking:
    """ENF-HOST: the handshake under another name, the request for this one."""
    path = audit.refused_path()
    if path is None:
        return audit.result(
            "ENF-HOST",
            "not_run",
            "nothing is refused without a certificate: see ENF-NONE",
            needs="a path that is refused without a certificate",
        )
    seen = []
    for name in audit.other_names():
        tries = [Shape(f"SNI {name}, Host of the target", path, sni=name)]
        tries += [
            Shape(f"SNI {name}, Host of the target, another client", path, sni=name, credential=other)
            for other in audit.inputs.second_client
            if audit.credential is not None
        ]
        if "h2" in audit.alpn_seen:
            tries.append(Shape(f"SNI {name}, :authority of the target", path, sni=name, alpn=("h2",)))
        for shape in tries:
            outcome = yield from audit.probe(shape)
            seen.append(outcome)
            sure = audit.got_in(outcome, path)
            if sure and not (shape.credential and (yield from _lets_in(audit, shape, path))):
                return audit.result(
                    "ENF-HOST",
                    "finding",
                    f"a handshake under {name} opens {audit.host}{path}"
                    + (" to another client" if shape.credential else " without a certificate"),
                    confidence=sure,
                    seen=(outcome,),
                    control=audit.control(audit.none[path]),
                    repeat=audit.repeat(shape),
                )
    if any(o.kind == oracle.UNDECIDED for o in seen) and not any(o.refused for o in seen):
        return audit.result("ENF-HOST", "undecided", f"no clear answer: {seen[0].how}", seen=tuple(seen[:3]))
    return audit.result("ENF-HOST", "pass", f"refused under every other name: {seen[0].how}", seen=tuple(seen[:3]))


def _lets_in(audit: Auditor, shape: Shape, path: str) -> Doing[bool]:
    """Control: does the target let this very credential in by the front door?"""
    outcome = yield from audit.probe(Shape("the other client by the front door", path, credential=shape.credential))
    return outcome.accepted


def server_names(audit: Auditor) -> Checking:
    """ENF-SNI: no, unknown and oddly written server names."""
    path = audit.refused_path()
    if path is None:
        return audit.result(
            "ENF-SNI",
            "not_run",
            "nothing is refused without a certificate: see ENF-NONE",
            needs="a path that is refused without a certificate",
        )
    own = audit.base.server_name
    shapes = [Shape("no SNI", path, sni=None), Shape("unknown SNI", path, sni=UNKNOWN_NAME)]
    if own:
        shapes += [Shape("SNI in upper case", path, sni=own.upper()), Shape("SNI with a trailing dot", path, sni=own + ".")]
    address = next((a.address for a in audit.first_attempts() if a.error is None), None)
    if address:
        shapes.append(Shape("SNI is the address", path, sni=address))
    shapes.append(Shape("ClientHello split over two records", path, split=SPLIT_AT))
    seen = []
    for shape in shapes:
        outcome = yield from audit.probe(shape)
        seen.append(outcome)
        sure = audit.got_in(outcome, path)
        if sure:
            return audit.result(
                "ENF-SNI",
                "finding",
                f"{audit.host}{path} is served without a certificate with {shape.name}",
                confidence=sure,
                seen=(outcome,),
                control=audit.control(audit.none[path]),
                repeat=audit.repeat(shape),
            )
    return audit.result("ENF-SNI", "pass", f"{len(seen)} absent, unknown or odd server names open nothing", seen=tuple(seen[:3]))


def late(audit: Auditor) -> Checking:
    """ENF-LATE: is the certificate asked for only after the first handshake?"""
    yield from ()
    asked = [o for o in audit.outcomes if o.late]
    early = [o for o in audit.outcomes if o.requested and not o.late]
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
            repeat=audit.repeat(Shape("late", audit.path)),
        )
    if early:
        return audit.result("ENF-LATE", "pass", "the certificate is asked for in the first handshake", seen=tuple(early[:1]))
    return audit.result("ENF-LATE", "undecided", "no certificate was ever asked for, early or late")


def plaintext(audit: Auditor) -> Checking:
    """ENF-PLAINTEXT: the resource without TLS."""
    path = audit.refused_path() or audit.path
    target = audit.settings.target
    ports = tuple(dict.fromkeys((*audit.inputs.plain_ports, target.port)))
    seen = []
    for port in ports:
        outcome = yield from audit.plaintext(Shape(f"plaintext on port {port}", path, host=_plain_host(audit, port)), port)
        seen.append(outcome)
        served = outcome.accepted and outcome.status is not None and outcome.status < 300
        good = audit.good_print(path)
        if served and (good is None or outcome.fingerprint == good or outcome.status == good.status):
            sure = "confirmed" if good is not None and outcome.fingerprint == good else "likely"
            if good is not None and sure == "likely" and not audit.none.get(path, outcome).refused:
                continue
            if good is not None and sure == "likely" and (yield from _same_as_random(audit, outcome, port)):
                continue
            return audit.result(
                "ENF-PLAINTEXT",
                "finding",
                f"{path} is served without TLS on port {port}",
                confidence=sure,
                seen=(outcome,),
                control=audit.control(audit.none.get(path)),
                repeat=f"curl -si http://{target._replace(port=port).authority}{path} -H 'Host: {_plain_host(audit, port)}'",
            )
    return audit.result(
        "ENF-PLAINTEXT",
        "pass",
        "nothing is served without TLS: "
        + ", ".join(f"port {port} {outcome.how}" for port, outcome in zip(ports, seen, strict=True)),
        seen=tuple(seen[:3]),
    )


def _plain_host(audit: Auditor, port: int) -> str:
    name = audit.settings.server_name or audit.settings.target.host
    return name if port == 80 else f"{name}:{port}"


def _same_as_random(audit: Auditor, outcome: Outcome, port: int) -> Doing[bool]:
    """Control: does the plain port say the same to any path?"""
    other = yield from audit.plaintext(Shape(f"random path in plaintext on port {port}", audit.random_path()), port)
    return oracle.same_page(outcome, other)


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
            confidence=("confirmed" if audit.served else "likely"),
            seen=(before,),
            control=audit.control(after),
        )
    if after.accepted:
        return audit.result(
            "ENF-STARTTLS",
            "finding",
            f"after STARTTLS no certificate is needed: {after.how}",
            confidence=("confirmed" if audit.served else "likely"),
            seen=(after,),
            control=audit.control(before),
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
    shapes = [Shape(f"TLS {version}", path, version=version) for version in audit.versions]
    if audit.http:
        shapes += [Shape(f"ALPN {alpn or 'none'}", path, alpn=(alpn,) if alpn else ()) for alpn in ("h2", "http/1.1", "")]
    shapes += [Shape(f"address {address}", path, address=address) for address in audit.addresses()[1:4]]
    seen = []
    for shape in shapes:
        outcome = yield from audit.probe(shape)
        seen.append(outcome)
        sure = audit.got_in(outcome, path)
        if sure:
            return audit.result(
                "ENF-PARITY",
                "finding",
                f"{path} is served without a certificate over {shape.name}, and refused otherwise",
                severity="high",
                confidence=sure,
                seen=(outcome,),
                control=audit.control(audit.none[path]),
                repeat=audit.repeat(shape),
            )
    return audit.result(
        "ENF-PARITY", "pass", "refused alike over " + ", ".join(shape.name for shape in shapes), seen=tuple(seen[:3])
    )
