"""Names: does another name, no name or an oddly written one open what this name refuses?"""

from __future__ import annotations

from inspector.analysis import audit_outcome as oracle
from inspector.analysis.audit_outcome import Outcome
from inspector.analysis.audit_reference import NEEDS
from inspector.analysis.findings import CheckResult
from inspector.credentials.model import Credential
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


def _same_resource(audit: Auditor, shape: Shape, outcome: Outcome) -> Doing[str | None]:
    """How sure it is that a Host which is not the target's own served the target's very resource.

    The good credential's page decides. A redirect and an empty page may be said by any host, so they are likely at most. Without a
    good credential a front page tells nothing, nor does a host that says the same to any path.
    """
    if outcome.status is None or outcome.status >= 400:
        return None
    good = audit.baseline(shape.path)
    if good is not None:
        telling = outcome.status < 300 and not outcome.empty and not audit.varies
        return ("confirmed" if telling else "likely") if oracle.alike(outcome, good, audit.identity) else None
    if outcome.status >= 300 or shape.path.partition("?")[0] == "/":
        return None
    control = shape._replace(name=f"{shape.name}: control with a random path", path=audit.random_path(), like=None)
    return None if oracle.same_page((yield from audit.probe(control)), outcome) else "likely"


def _elsewhere(audit: Auditor, check: str, shape: Shape, seen: list[Outcome]) -> Doing[CheckResult | None]:
    """The finding where this shape, whose Host is not the target's, gets the target's resource."""
    outcome = yield from audit.probe(shape)
    sure = yield from _same_resource(audit, shape, outcome)
    another = outcome.status is not None and audit.baseline(shape.path) is not None  # an answer, and not the resource
    seen.append(outcome._replace(kind=oracle.REFUSED) if another and not sure else outcome)
    if not sure:
        return None
    return audit.result(
        check,
        "finding",
        f"what {audit.host}{shape.path} refuses without a certificate is served with {shape.name}",
        confidence=sure,
        seen=(outcome,),
        control=audit.control(audit.none[shape.path]),
        repeat=audit.repeat(shape),
    )


def _other_hosts(audit: Auditor, path: str) -> list[Shape]:
    """The target's handshake, and requests for everything but the target: the gate may look at the Host alone.

    Another name may well have a page of its own there; only the good credential's page tells whether it is this one.
    """
    own = audit.settings.server_name or audit.settings.target.host or "localhost"
    hosts = [("an unknown Host", UNKNOWN_NAME)]
    hosts += [(f"Host {name}", name) for name in audit.other_names() if audit.baseline(path) is not None]
    if audit.base.server_name:
        hosts += [("a trailing dot in the Host", own + "."), ("the Host in upper case", own.upper())]
    shapes = [Shape(name, path, host=audit.authority(host), repeats=0) for name, host in hosts]
    shapes.append(Shape("an empty Host", path, host="", repeats=0))
    return [shape for shape in shapes if shape.host != audit.host]


def hosts(audit: Auditor) -> Checking:
    """ENF-HOST: another Host without a certificate; the handshake under another name, the request for this one; and the other way
    round with the good credential.
    """
    path = audit.refused_path()
    if path is None:
        return _nothing_refused(audit, "ENF-HOST")
    if audit.wall and not audit.other_names():
        why = "without a certificate no Host is read, and no second name is known"
        return audit.result("ENF-HOST", "not_run", why, needs=NEEDS["name"])
    seen: list[Outcome] = []
    for shape in () if audit.wall else _other_hosts(audit, path):
        found = yield from _elsewhere(audit, "ENF-HOST", shape, seen)
        if found is not None:
            return found
    return (yield from _other_handshakes(audit, path, seen))


def _other_handshakes(audit: Auditor, path: str, seen: list[Outcome]) -> Checking:
    """The handshakes under each other name."""
    for name in audit.other_names():
        for shape in _host_shapes(audit, name, path):
            outcome = yield from audit.probe(shape)
            seen.append(outcome)
            sure = yield from _opened(audit, shape, outcome)
            if sure and not (yield from _lets_in(audit, shape)):
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
    return (yield from audit.passed("ENF-HOST", f"refused under every other name and Host: {how}", seen=seen))


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


def _lets_in(audit: Auditor, shape: Shape) -> Doing[bool]:
    """Control: does the target let this very client in by the front door? Nobody without a certificate, but perhaps over HTTP/2."""
    if shape.credential is None and shape.alpn is None:
        return False
    outcome = yield from audit.probe(shape._replace(name=shape.name + ", by the front door", sni=KEEP))
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
    """ENF-SNI: no, unknown and oddly written server names, with the target's Host and with one that fits them."""
    path = audit.refused_path()
    if path is None:
        return _nothing_refused(audit, "ENF-SNI")
    seen: list[Outcome] = []
    for shape in _odd_names(audit, path):
        outcome = yield from audit.probe(shape)
        seen.append(outcome)
        sure = yield from _opened(audit, shape, outcome)
        if sure:
            return _by_odd_name(audit, shape, outcome, audit.none[path], sure)
        other = _strangers(audit, shape, outcome)
        found = (yield from _elsewhere(audit, "ENF-SNI", other, seen)) if other is not None else None
        if found is not None:
            return found
    for client in audit.inputs.second_client if audit.served else ():
        found = yield from _other_trust(audit, path, client, seen)
        if found is not None:
            return found
    return (yield from audit.passed("ENF-SNI", f"{len(seen)} absent, unknown or odd names open nothing", seen=seen))


def _by_odd_name(audit: Auditor, shape: Shape, outcome: Outcome, control: Outcome, sure: str) -> CheckResult:
    whom = "to another client" if shape.credential else "without a certificate"
    return audit.result(
        "ENF-SNI",
        "finding",
        f"{audit.host}{shape.path} is served {whom} with {shape.name}",
        confidence=sure,
        seen=(outcome,),
        control=audit.control(control),
        repeat=audit.repeat(shape),
    )


def _other_trust(audit: Auditor, path: str, client: Credential, seen: list[Outcome]) -> Doing[CheckResult | None]:
    """Does the default server trust a CA that the target does not? With a client that TLS itself turns away at the front door."""
    front = yield from audit.probe(Shape("another client by the front door", path, credential=client))
    if not (front.refused and front.tls_layer):
        return None
    for name, sni in (("no SNI", None), ("unknown SNI", UNKNOWN_NAME)):
        shape = Shape(name, path, sni=sni, credential=client)
        outcome = yield from audit.probe(shape)
        seen.append(outcome)
        sure = yield from _opened(audit, shape, outcome)
        if sure:
            return _by_odd_name(audit, shape, outcome, front, sure)
    return None


def _odd_names(audit: Auditor, path: str) -> list[Shape]:
    """Handshakes that do not name the target as it is written; the request is for the target."""
    own = audit.base.server_name
    shapes = [Shape("no SNI", path, sni=None), Shape("unknown SNI", path, sni=UNKNOWN_NAME)]
    if own:
        shapes += [Shape("SNI in upper case", path, sni=own.upper()), Shape("SNI with a trailing dot", path, sni=own + ".")]
    if audit.address():
        shapes.append(Shape("SNI is the address", path, sni=audit.address()))
    shapes.append(Shape("ClientHello split over two records", path, split=SPLIT_AT))
    return [shape._replace(repeats=0 if audit.silent else 1) for shape in shapes]


def _strangers(audit: Auditor, shape: Shape, outcome: Outcome) -> Shape | None:
    """The same handshake of somebody who does not know the target's name at all; None where no request was read in it.

    A request was read, too, where a certificate was asked for only after it, or never, whatever ended the connection then.
    """
    read = outcome.status is not None or (outcome.protocol is not None and (outcome.late or not outcome.requested))
    if shape.sni == UNKNOWN_NAME and read:
        return shape._replace(name="unknown SNI and Host", host=audit.authority(UNKNOWN_NAME))
    if shape.sni is None and read and audit.address():
        return shape._replace(name="no SNI and the address as Host", host=audit.authority(audit.address() or ""))
    return None
