"""Names: does another name, no name or an oddly written one open what this name refuses?"""

from __future__ import annotations

from inspector.analysis import audit_outcome as oracle
from inspector.analysis.audit_outcome import Outcome
from inspector.analysis.findings import CheckResult
from inspector.session.audit.auditor import KEEP, Auditor, Checking, Doing, Shape

UNKNOWN_NAME = "unknown-name.invalid"
SPLIT_AT = 60  # bytes of the ClientHello in its first record: before the server name


def _nothing_refused(audit: Auditor, check: str) -> CheckResult:
    return audit.result(
        check,
        "not_run",
        "nothing is refused without a certificate: see ENF-NONE",
        needs="a path that is refused without a certificate",
    )


def _opened(audit: Auditor, shape: Shape, outcome: Outcome) -> Doing[str | None]:
    """How sure it is that this handshake opened the resource.

    Without a good credential nobody knows the resource's page: then a default host that says the same to its own name, or to any
    path, has opened nothing.
    """
    sure = audit.got_in(outcome, shape.path)
    if not sure or audit.baseline(shape.path) is not None or outcome.status is None:
        return sure
    own = shape.sni if shape.sni not in (None, KEEP) else audit.address() or "localhost"
    controls = (
        shape._replace(name=f"{shape.name}: control with a Host of its own", host=audit.authority(str(own)), like=None),
        shape._replace(name=f"{shape.name}: control with a random path", path=audit.random_path(), like=None),
    )
    for control in controls:
        other = yield from audit.probe(control)
        if oracle.same_page(other, outcome):
            return None
    return sure


def hosts(audit: Auditor) -> Checking:
    """ENF-HOST: the handshake under another name, the request for this one; and the other way round with the good credential."""
    path = audit.refused_path()
    if path is None:
        return _nothing_refused(audit, "ENF-HOST")
    seen = []
    for name in audit.other_names():
        for shape in _host_shapes(audit, name, path):
            outcome = yield from audit.probe(shape)
            seen.append(outcome)
            sure = yield from _opened(audit, shape, outcome)
            if sure and not (shape.credential and (yield from _lets_in(audit, shape, path))):
                whom = "another client" if shape.credential else "a client without a certificate"
                return audit.result(
                    "ENF-HOST",
                    "finding",
                    f"a handshake under {name} opens {audit.host}{path} to {whom}",
                    confidence=sure,
                    seen=(outcome,),
                    control=audit.control(audit.none[path]),
                    repeat=audit.repeat(shape),
                )
        found = (yield from _reverse(audit, name, path)) if audit.served else None
        if found is not None:
            return found
    if any(o.kind == oracle.UNDECIDED for o in seen) and not any(o.refused for o in seen):
        return audit.result("ENF-HOST", "undecided", f"no clear answer: {seen[0].how}", seen=tuple(seen[:3]))
    how = "; ".join(dict.fromkeys(o.how for o in seen))
    return audit.result("ENF-HOST", "pass", f"refused under every other name: {how}", seen=tuple(seen[:3]))


def _host_shapes(audit: Auditor, name: str, path: str) -> list[Shape]:
    shapes = [Shape(f"SNI {name}, Host of the target", path, sni=name)]
    if audit.credential is not None:
        shapes += [
            Shape(f"SNI {name}, Host of the target, another client", path, sni=name, credential=other)
            for other in audit.inputs.second_client
        ]
    if "h2" in audit.alpn_seen:
        shapes.append(Shape(f"SNI {name}, :authority of the target", path, sni=name, alpn=("h2",)))
    return shapes


def _lets_in(audit: Auditor, shape: Shape, path: str) -> Doing[bool]:
    """Control: does the target let this very credential in by the front door?"""
    outcome = yield from audit.probe(Shape("the other client by the front door", path, credential=shape.credential))
    return outcome.accepted


def _reverse(audit: Auditor, name: str, path: str) -> Doing[CheckResult | None]:
    """The good credential's handshake under its own name, the request for the other: a page of that name's own, which refuses
    this credential at its own door, and no page that any Host would get.
    """
    host = audit.authority(name)
    shape = Shape(f"SNI of the target, Host {name}, with your credential", path, host=host, credential=audit.credential)
    outcome = yield from audit.probe(shape)
    if not outcome.accepted or outcome.status is None or outcome.status >= 300 or oracle.alike(outcome, audit.good[audit.path]):
        return None
    front = yield from audit.probe(shape._replace(name=f"your credential by the front door of {name}", sni=name))
    if not front.refused:
        return None
    anybody = audit.authority(UNKNOWN_NAME)
    control = yield from audit.probe(shape._replace(name="SNI of the target, an unknown Host, with your credential", host=anybody))
    if oracle.same_page(control, outcome):
        return None
    return audit.result(
        "ENF-HOST",
        "finding",
        f"your credential opens {host}{path} by a handshake under {audit.own_name}, though {name} itself refuses it",
        confidence="confirmed",
        seen=(outcome,),
        control=audit.control(front),
        repeat=audit.repeat(shape),
    )


def server_names(audit: Auditor) -> Checking:
    """ENF-SNI: no, unknown and oddly written server names."""
    path = audit.refused_path()
    if path is None:
        return _nothing_refused(audit, "ENF-SNI")
    own = audit.base.server_name
    repeats = 0 if audit.silent else 1
    shapes = [Shape("no SNI", path, sni=None), Shape("unknown SNI", path, sni=UNKNOWN_NAME)]
    if own:
        shapes += [Shape("SNI in upper case", path, sni=own.upper()), Shape("SNI with a trailing dot", path, sni=own + ".")]
    if audit.address():
        shapes.append(Shape("SNI is the address", path, sni=audit.address()))
    shapes.append(Shape("ClientHello split over two records", path, split=SPLIT_AT))
    seen = []
    for shape in shapes:
        outcome = yield from audit.probe(shape._replace(repeats=repeats))
        seen.append(outcome)
        sure = yield from _opened(audit, shape, outcome)
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
