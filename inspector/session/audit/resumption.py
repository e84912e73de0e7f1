"""Sessions: what they open, how long they live, and what may be sent before the handshake is over."""

from __future__ import annotations

import re

from inspector.analysis import audit_dates
from inspector.analysis import audit_outcome as oracle
from inspector.analysis.audit_outcome import Outcome
from inspector.analysis.audit_reference import NEEDS
from inspector.analysis.findings import Severity
from inspector.credentials.model import Credential
from inspector.drive.handshake import takes_early_data
from inspector.plan import Channel, Pause, Session
from inspector.session.audit import repeating
from inspector.session.audit.auditor import Auditor, Checking, Doing, Probing, Shape
from inspector.trace import events as ev
from inspector.wire import events as wire
from inspector.wire.events import Side
from inspector.wire.extensions import find
from inspector.wire.registry import ExtensionType, HandshakeType

DAY, HOUR = 86400, 3600
SHORT_LIFE = 4.0  # seconds that a certificate lives which is made to expire
# Go's crypto/tls gives tickets the longest life that the RFC allows, and holds the certificate's dates against the clock again
GO_LIFETIME = 604800


def across_names(audit: Auditor) -> Checking:
    """ENF-RESUME-XVHOST: a session of one name, resumed under another without a certificate."""
    seen: list[Outcome] = []
    offered = False
    for version in audit.versions:
        for begin, end, credential, label in _pairs(audit):
            outcome, control = yield from _carry_over(audit, version, begin, end, credential, label)
            if outcome is None:
                continue
            seen.append(outcome)
            offered = offered or outcome.offered_session
            if outcome.resumed and outcome.accepted and (outcome.status or 200) < 400 and control is not None and control.refused:
                return audit.result(
                    "ENF-RESUME-XVHOST",
                    "finding",
                    f"a TLS {version} session begun as {begin} with {label} opens {end} without a certificate",
                    confidence="confirmed",
                    seen=(outcome,),
                    control=audit.control(control),
                    repeat=_openssl_pair(audit, _shapes_of(audit, begin, end, credential, outcome), version),
                )
    if not offered and not audit.no_sessions and not seen and audit.credential is None:
        why = "without a certificate no session can be begun, and no credential was given"
        return audit.result("ENF-RESUME-XVHOST", "undecided", why, needs=NEEDS["credential"])
    if not offered:
        why = "the server hands out no sessions" if audit.no_sessions else "no name refuses a client that may begin a session"
        return audit.result("ENF-RESUME-XVHOST", "pass", why, seen=tuple(seen[:2]))
    return (yield from audit.passed("ENF-RESUME-XVHOST", "no session opens another name", seen=seen))


def _pairs(audit: Auditor) -> list[tuple[str, str, Credential | None, str]]:
    """(name that the session is begun under, name it is resumed under, credential, label), the most telling first.

    The first needs no second name: a server that lets everybody finish the handshake and judges afterwards may take a resumed
    session for a verified one.
    """
    own = audit.own_name
    found: list[tuple[str, str, Credential | None, str]] = [(own, own, None, "no certificate")]
    for other in audit.other_names():
        found.append((other, own, None, "no certificate"))
        if audit.credential is not None:
            found.append((own, other, audit.credential, "your credential"))
        found += [(other, own, second, "another client") for second in audit.inputs.second_client if audit.credential is not None]
    return found


def _carry_over(
    audit: Auditor, version: str, begin: str, end: str, credential: Credential | None, label: str
) -> Doing[tuple[Outcome | None, Outcome | None]]:
    """Begin a session, resume it under the other name, and ask the control: what does that name say in a full handshake?"""
    path = audit.refused_path() or audit.path
    full = _shape(audit, f"full handshake as {end} with {label}", path, end)._replace(credential=credential)
    control = yield from audit.probe(full)
    if not control.refused:
        return None, None  # that name lets this client in anyway: nothing to learn
    if end != audit.own_name and not (control.requested or control.status is not None):
        return None, None  # nobody is asked for a certificate under that name, and nobody is answered: it is not served here
    if credential is None and begin != end and not audit.wall:
        door = yield from audit.probe(_shape(audit, f"full handshake as {begin} with {label}", path, begin))
        if door.refused:
            return None, None  # a session of somebody who was turned away: one of the name itself has told that already
    start = _shape(audit, f"session as {begin} with {label}, TLS {version}", path, begin)
    start = start._replace(version=version, credential=credential, keep_session=True, repeats=0)
    begun = yield from audit.probe(start)
    session = _session(begun)
    if session is None and not audit.inputs.dry_run:
        return None, None
    resume = _shape(audit, f"session of {begin} resumed as {end}, TLS {version}", path, end)._replace(version=version)
    outcome = yield from audit.probe(resume._replace(session=session))
    if outcome.resumed and outcome.accepted:
        return (yield from _confirmed(audit, outcome, full._replace(version=version)))
    if begin == end or version != audit.versions[0]:
        return outcome, control  # where TLS 1.2 is spoken: 1.3 takes the name from each hello, so a full handshake tells as much
    # the same session under its own name, the request for the other one
    here = full._replace(name=f"full handshake as {begin}, Host {end}, with {label}", sni=start.sni)
    if not (yield from audit.probe(here)).refused:
        return outcome, control  # a full handshake does as much: that is ENF-HOST
    # tickets of TLS 1.3 may be good for one use only
    again = session if version == "1.2" else _session((yield from audit.probe(start)))
    if again is None and not audit.inputs.dry_run:
        return outcome, control
    own = resume._replace(name=f"session of {begin} resumed as {begin}, Host {end}, TLS {version}", sni=start.sni, session=again)
    other = yield from audit.probe(own)
    if other.resumed and other.accepted:
        return (yield from _confirmed(audit, other, here._replace(version=version)))
    return outcome, control


def _confirmed(audit: Auditor, outcome: Outcome, full: Shape) -> Doing[tuple[Outcome | None, Outcome | None]]:
    """The outcome, if a full handshake of the same version is refused; else that version is open anyway (see ENF-PARITY)."""
    control = yield from audit.probe(full)
    return (outcome, control) if control.refused else (None, None)


def _shape(audit: Auditor, name: str, path: str, server: str) -> Shape:
    """A plain request to one of the server's names; the baselines are those of the audited name alone."""
    if server == audit.own_name:
        return Shape(name, path)
    return Shape(name, path, sni=server, host=audit.authority(server), like=None)


def _shapes_of(
    audit: Auditor, begin: str, end: str, credential: Credential | None, outcome: Outcome
) -> tuple[Shape, Shape]:
    """The two probes of a session that opened something."""
    path = audit.refused_path() or audit.path
    first = _shape(audit, "begin", path, begin)
    second = _shape(audit, "resume", path, end)
    kept_name = f"resumed as {begin}, Host" in outcome.name
    return first._replace(credential=credential), second._replace(sni=first.sni) if kept_name else second


def _session(outcome: Outcome) -> Session | None:
    kept = outcome.transcript.last(ev.SessionKept) if outcome.transcript is not None else None
    return kept.session if kept is not None else None


def _openssl_pair(audit: Auditor, shapes: tuple[Shape, Shape], version: str) -> str | None:
    """Two commands of the openssl program, which knows no HTTP/2: one begins the session, the other resumes it."""
    if "h2" in (audit.base.alpn or ()):
        return None
    lines = []
    for shape, session in zip(shapes, ("-sess_out session.pem", "-sess_in session.pem"), strict=True):
        theirs = (audit.repeat(shape._replace(version=version, session=None)) or "").splitlines()
        # what closes late hands out its tickets before
        lines += [*theirs[:-2], f"{theirs[-1]} {session}"]
    return "\n".join(lines)


def lifetime(outcome: Outcome) -> int | None:
    """The longest ticket lifetime in seconds that the server announced in this connection."""
    tickets = outcome.transcript.messages(HandshakeType.NEW_SESSION_TICKET, Side.SERVER) if outcome.transcript is not None else []
    hints = [m.value.lifetime for m in tickets if hasattr(m.value, "lifetime")]
    return max(hints, default=None)


def stale(audit: Auditor) -> Checking:
    """ENF-RESUME-STALE: resumption after the certificate's end, and the lifetime of tickets."""
    lifetimes = [value for value in (lifetime(o) for o in audit.own_outcomes) if value is not None]
    longest = max(lifetimes, default=None)
    if audit.inputs.issuer is not None:
        return (yield from _outlive(audit, longest))
    words = "no ticket was handed out" if longest is None else f"tickets live for {longest} s"
    if longest is None or longest <= HOUR:
        return audit.result(
            "ENF-RESUME-STALE", "pass", f"{words}: that is how long a session may outlive its certificate", severity="info"
        )
    if longest <= DAY or longest == GO_LIFETIME:
        return audit.result(
            "ENF-RESUME-STALE",
            "undecided",
            f"{words}; whether the certificate is judged again was not tried",
            severity="low",
            needs="--issue CA.pem:CA.key, which makes a certificate that expires within seconds",
        )
    return audit.result(
        "ENF-RESUME-STALE",
        "finding",
        f"{words}: a session may open the door that long after its certificate was revoked",
        severity="medium",
        confidence="likely",
        facts=(words,),
        control="NewSessionTicket in the server's flight",
        repeat=_ticket_again(audit),
    )


def _outlive(audit: Auditor, longest: int | None) -> Checking:
    short = audit.kit.issued("short-lived", seconds=SHORT_LIFE)
    first = yield from audit.probe(Shape("a certificate that expires in seconds", audit.path, credential=short, keep_session=True))
    session = _session(first)
    if not first.accepted or (session is None and not audit.inputs.dry_run):
        return audit.result(
            "ENF-RESUME-STALE",
            "pass" if first.accepted else "undecided",
            "no session was handed out" if first.accepted else f"the short-lived certificate got in: {first.how}",
            seen=(first,),
        )
    yield Pause(SHORT_LIFE + 1.0)
    control = yield from audit.probe(Shape("the same certificate after its end", audit.path, credential=short))
    outcome = yield from audit.probe(Shape("its session after its end", audit.path, session=session))
    if control.refused and outcome.accepted and outcome.resumed:
        seconds = longest or 0
        # nearly every server does this by design: up to a day it is worth knowing, beyond a day it is worth mending
        severity: Severity = "medium" if seconds > DAY else "low" if seconds > HOUR else "info"
        status = "finding" if severity == "medium" else "pass"
        return audit.result(
            "ENF-RESUME-STALE",
            status,
            f"a session outlives its certificate, for at most {seconds} s" if longest else "a session outlives its certificate",
            severity=severity,
            confidence="confirmed",
            seen=(outcome,),
            control=audit.control(control),
            repeat=_outlive_again(audit, short, outcome.protocol),
        )
    if not outcome.offered_session and not audit.inputs.dry_run:
        return audit.result("ENF-RESUME-STALE", "undecided", "the session could not be offered again", seen=(outcome,))
    return audit.result(
        "ENF-RESUME-STALE", "pass", f"the session ended with its certificate: {outcome.how}", seen=(outcome, control)
    )


def _outlive_again(audit: Auditor, short: Credential, protocol: str | None) -> str | None:
    """A certificate that ends in a moment begins a session, which is resumed after its end."""
    shape = Shape("short-lived", audit.path, credential=short)
    pair = _openssl_pair(audit, (shape, shape._replace(credential=None)), "1.2" if protocol == "TLSv1.2" else "1.3")
    if pair is None:
        return None
    *first, second = pair.splitlines()
    soon = f"$(date -u -d '{SHORT_LIFE + 2:.0f} seconds' +%Y%m%d%H%M%SZ)"
    made = [re.sub(r"-enddate \d+Z", lambda _: f"-enddate {soon}", line) for line in first]
    return "\n".join([*made, f"sleep {SHORT_LIFE + 4:.0f}", second])


def _early_again(audit: Auditor) -> str | None:
    """A session of the good credential, and a request as early data of one that resumes it, with no certificate."""
    shape = Shape("early data", audit.path, credential=audit.credential)
    pair = _openssl_pair(audit, (shape, shape._replace(credential=None)), "1.3")
    if pair is None:
        return None
    *first, second = pair.splitlines()
    request, _, client = second.partition(" | ")
    return "\n".join([*first, f"{request} > early.txt", f"{client.replace(' -quiet', '')} -early_data early.txt -ign_eof"])


def _ticket_again(audit: Auditor) -> str:
    """TLS 1.2 and 1.3 each print their tickets; those of 1.3 come a moment after the handshake."""
    line = repeating.s_client(audit, "-ign_eof", then=" 2>&1 | grep -i lifetime")
    return "timeout 5 " + line


def tickets(audit: Auditor) -> Checking:
    """PROTO-TICKET: the announced lifetime."""
    yield from ()
    lifetimes = [value for value in (lifetime(o) for o in audit.own_outcomes) if value is not None]
    if not lifetimes:
        return audit.result("PROTO-TICKET", "pass", "no tickets are handed out")
    longest = max(lifetimes)
    if longest > GO_LIFETIME:
        return audit.result(
            "PROTO-TICKET",
            "finding",
            f"tickets live for {longest} s, beyond RFC 8446's seven days",
            severity="medium",
            confidence="confirmed",
            facts=(f"lifetime {longest} s",),
            repeat=_ticket_again(audit),
            control="RFC 8446, 4.6.1",
        )
    if longest > DAY:
        return audit.result(
            "PROTO-TICKET",
            "finding",
            f"tickets live for {longest} s",
            severity="low",
            confidence="confirmed",
            facts=(f"lifetime {longest} s",),
            repeat=_ticket_again(audit),
            control="RFC 9325, 3.4",
        )
    return audit.result("PROTO-TICKET", "pass", f"tickets live for {longest} s")


def early_data(audit: Auditor) -> Checking:
    """PROTO-EARLY: is a request answered from 0-RTT data alone, before our side has proved that it is no replay?"""
    allowed = [value for value in (_early_limit(o) for o in audit.own_outcomes) if value]
    if not audit.inputs.dry_run and (not allowed or "1.3" not in audit.versions):
        return audit.result("PROTO-EARLY", "pass", "the server's tickets allow no early data")
    most = max(allowed, default=0)
    first = yield from audit.probe(
        Shape("session for early data", audit.path, credential=audit.credential, version="1.3", keep_session=True)
    )
    session = _session(first)
    if session is None and not audit.inputs.dry_run:
        return audit.result(
            "PROTO-EARLY", "undecided", f"early data of {most} bytes is allowed, and no session was had", seen=(first,)
        )
    outcome = yield from _early_probe(audit, session)
    finished = _finished_after_early_data(outcome)
    if outcome.status == 425 or (finished is None and not _spoke_early(outcome)):
        return audit.result("PROTO-EARLY", "pass", "early data is not taken: " + outcome.how, seen=(outcome,))
    if not outcome.accepted:
        how = f"early data was taken, and the answer was {outcome.how}"
        return audit.result("PROTO-EARLY", "undecided", how, seen=(outcome,))
    early = _acted_on_early(audit, outcome, finished)
    if early is None:
        how = "early data was taken and answered once the handshake was over; without a Date nobody can tell when it was acted upon"
        return audit.result("PROTO-EARLY", "undecided", how, seen=(outcome,))
    if not early:
        how = f"early data waits until the handshake is over (RFC 8470, 3): {outcome.how}"
        return audit.result("PROTO-EARLY", "pass", how, seen=(outcome,))
    return audit.result(
        "PROTO-EARLY",
        "finding",
        f"GET {audit.path} is served from 0-RTT data, which anybody can replay: {early}",
        severity="high",
        confidence="confirmed",
        seen=(outcome,),
        control=f"tickets allow {most} bytes of early data; our Finished, which no replay has, was held back",
        repeat=_early_again(audit),
    )


def _acted_on_early(audit: Auditor, outcome: Outcome, finished: float | None) -> str | None:
    """How it shows that the request was acted upon before our Finished came; "": it was not; None: nobody can tell.

    Some servers act at once and cannot write before the handshake is over: then the answer's Date tells.
    """
    if finished is None or _spoke_early(outcome):
        return "the answer came before the handshake was over"
    skew = audit_dates.ahead(other for other in audit.outcomes if other.number != outcome.number)
    when = audit_dates.made(outcome, skew) if skew is not None else None
    if when is None or outcome.transcript is None:
        return None
    done = outcome.transcript.first(ev.HandshakeDone)
    held = outcome.transcript.started + (done.at if done is not None else 0.0)
    if when.high < finished:
        return "its Date is before the end of the handshake, for which the answer waited"
    return "" if when.low > held else None


def _finished_after_early_data(outcome: Outcome) -> float | None:
    """When our Finished left, seconds since the epoch, where the server had taken early data; else None."""
    if outcome.transcript is None:
        return None
    if not any(map(takes_early_data, outcome.transcript.messages(HandshakeType.ENCRYPTED_EXTENSIONS))):
        return None
    sent = outcome.transcript.messages(HandshakeType.FINISHED, Side.CLIENT)
    return outcome.transcript.started + sent[0].at if sent else None


def _spoke_early(outcome: Outcome) -> bool:
    """True if the server spoke before our Finished left: a replay has none, and would have been answered alike."""
    for event in outcome.transcript.events if outcome.transcript is not None else ():
        if isinstance(event, wire.Message) and event.side is Side.CLIENT and event.type == HandshakeType.FINISHED:
            return False
        if isinstance(event, wire.ApplicationData) and event.side is Side.SERVER:
            return True
    return False


def _early_probe(audit: Auditor, session: Session | None) -> Probing:
    shape = Shape("request as early data", audit.path, version="1.3", session=session)
    request = (
        f"GET {audit.path} HTTP/1.1\r\nHost: {audit.host}\r\nX-Mtls-Audit: {audit.inputs.audit_id}\r\nConnection: close\r\n\r\n"
    )
    plan = audit.plan(shape)._replace(early_data=request.encode("ascii", "replace"), application=audit.listen_only())
    outcome = yield from audit.send(plan, audit.words(shape) + ", as early data")
    return audit.held(_heard(audit, outcome), shape)


def _heard(audit: Auditor, outcome: Outcome) -> Outcome:
    """The outcome with the answer that came, where the server said it and closed before our side had begun to listen."""
    said = outcome.transcript.all(wire.ApplicationData) if outcome.transcript is not None else []
    data = b"".join(piece.data for piece in said if piece.side is Side.SERVER and piece.data)
    if outcome.status is not None or not data:
        return outcome
    conversation = audit.listen_only()(Channel("http/1.1", outcome.protocol))
    conversation.receive_data(data)
    conversation.receive_eof()
    http = conversation.result.http
    return oracle.with_answer(outcome._replace(tls_layer=False), http) if http is not None else outcome


def _early_limit(outcome: Outcome) -> int:
    """The most bytes of early data that a ticket of this connection allows (RFC 8446, Section 4.6.1)."""
    sent = outcome.transcript.messages(HandshakeType.NEW_SESSION_TICKET, Side.SERVER) if outcome.transcript is not None else []
    limits = [find(m.value.extensions, ExtensionType.EARLY_DATA) for m in sent if hasattr(m.value, "extensions")]
    return max((limit for limit in limits if isinstance(limit, int)), default=0)
