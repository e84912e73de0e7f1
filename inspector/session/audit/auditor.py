"""The auditor: sends probes within the limits, keeps the baselines, and makes check results of what it saw.

A check is a generator: it yields from ``Auditor.probe`` and returns a ``CheckResult``. Nothing here does I/O.
"""

from __future__ import annotations

import random
import shlex
from collections.abc import Callable, Generator
from typing import Any, NamedTuple, TypeVar

from inspector.analysis import audit_outcome as oracle
from inspector.analysis.audit_outcome import Outcome
from inspector.analysis.audit_reference import BY_ID, remedy
from inspector.analysis.findings import CheckResult, Evidence, Severity
from inspector.app import steps
from inspector.app.http_message import Limits, Request, one
from inspector.credentials.model import Credential
from inspector.plan import Channel, Conversation, HandshakePlan, Pause, PlaintextPlan, Session, Step, TlsVersion
from inspector.session.audit.inputs import Inputs
from inspector.session.settings import handshake_plan
from inspector.trace import events as ev
from inspector.trace.transcript import Transcript
from inspector.wire import messages
from inspector.wire.events import Side
from inspector.wire.registry import HandshakeType

T = TypeVar("T")
Doing = Generator[Step, Any, T]  # yields plans, receives transcripts, returns T
Probing = Doing[Outcome]
Checking = Doing[CheckResult]
LIMITS = Limits(body=1024 * 1024)

SILENT_REPEATS = 1  # more tries after a refusal without a word, where the check wants no more
REFUSED_CONNECTIONS = 3  # that end the audit
TLS_VERSIONS = {"1.2": TlsVersion.TLS1_2, "1.3": TlsVersion.TLS1_3}
KEEP = "\0keep"
OTHER_NAMES = 2


class Shape(NamedTuple):
    """One probe: what differs from a plain request to the target. ``KEEP`` stands for the target's own."""

    name: str
    path: str = "/"
    sni: str | None = KEEP
    host: str = KEEP
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    credential: Credential | None = None
    version: str | None = None  # "1.2" or "1.3"
    session: Session | None = None
    keep_session: bool = False
    alpn: tuple[str, ...] | None = None
    address: str | None = None
    split: int = 0
    repeats: int = SILENT_REPEATS


class Stop(Exception):
    """The audit ends here: a limit was reached, or the server asked us to stop. The text says which."""


class Auditor:
    """State of one audit: the baselines N (no certificate), G (good credential), X (random path), and the count of connections."""

    def __init__(self, inputs: Inputs, rng: random.Random) -> None:
        self.inputs = inputs
        self.settings = inputs.settings
        self.rng = rng
        self.protocol = steps.resolve_protocol(self.settings.app, self.settings.starttls, self.settings.target.port)
        self.outcomes: list[Outcome] = []
        self.listing: list[str] = []  # every probe in words, for --dry-run and the report
        self.connections = 0
        self.refusals = 0
        self.stopped: str | None = None
        self.base: HandshakePlan = handshake_plan(self.settings)
        self.none: dict[str, Outcome] = {}  # baseline N by path
        self.good: dict[str, Outcome] = {}  # baseline G by path
        self.random: Outcome | None = None
        self.verified: bool | None = None
        self.family = ""
        self.versions: tuple[str, ...] = ()
        self.session: Session | None = None
        self.kit: Any = None
        self.results: list[CheckResult] = []

    # -- what the checks ask for --------------------------------------------------------------------

    @property
    def http(self) -> bool:
        return self.protocol == "http"

    @property
    def path(self) -> str:
        return self.inputs.paths[0]

    @property
    def host(self) -> str:
        """The Host of a plain request: the name that is audited, with the port where it is not HTTPS's own."""
        return self.authority(self.settings.server_name or self.settings.target.host)

    def authority(self, name: str) -> str:
        name = f"[{name}]" if ":" in name else name
        return name if self.settings.target.port == 443 else f"{name}:{self.settings.target.port}"

    @property
    def credential(self) -> Credential | None:
        """The good credential, where it may be shown to this server."""
        return self.settings.credential if self.verified or self.settings.insecure else None

    @property
    def served(self) -> bool:
        """The good credential is really let in on the first path."""
        return self.path in self.good and self.good[self.path].accepted

    def refused_path(self) -> str | None:
        """A path that is refused without a certificate."""
        return next((path for path, outcome in self.none.items() if outcome.refused), None)

    def good_print(self, path: str) -> oracle.Fingerprint | None:
        outcome = self.good.get(path)
        return outcome.fingerprint if outcome is not None and outcome.accepted else None

    def got_in(self, outcome: Outcome, path: str) -> str | None:
        """How sure it is that this probe got what only a certificate should get: "confirmed", "likely", or None.

        Confirmed is the very page that the good credential gets, where nobody else gets it; without a good credential a 2xx that
        is neither the answer to no certificate nor to a random path is likely.
        """
        if not outcome.accepted or (outcome.status is not None and outcome.status >= 300 and not self.good_print(path)):
            return None
        good, none = self.good_print(path), self.none.get(path)
        if good is not None:
            return "confirmed" if oracle.alike(outcome, self.good[path]) else self._looks_served(outcome, none)
        if outcome.fingerprint is None:
            return "confirmed" if path in self.good and self.good[path].accepted else "likely"
        return self._looks_served(outcome, none)

    def _looks_served(self, outcome: Outcome, none: Outcome | None) -> str | None:
        if none is not None and oracle.same_page(outcome, none):
            return None
        if self.random is not None and oracle.same_page(outcome, self.random):
            return None
        good = self.good_print(self.path)
        if (
            good is not None
            and outcome.status == good.status
            and outcome.fingerprint
            and outcome.fingerprint.media_type == good.media_type
        ):
            return "likely"
        return "likely" if good is None else None

    def other_names(self) -> tuple[str, ...]:
        """Other names of this server: those given, then DNS names of its certificate."""
        own = self.base.server_name or self.settings.target.host
        found = list(self.inputs.other_names)
        for outcome in self.outcomes[:1]:
            if outcome.transcript is not None and not found:
                found += names_of_server(outcome.transcript)
        return tuple(dict.fromkeys(name for name in found if name.lower() != own.lower()))[:OTHER_NAMES]

    @property
    def names_known(self) -> bool:
        return bool(self.other_names())

    def addresses(self) -> tuple[str, ...]:
        """All addresses that the resolver gave for the target, the one in use first."""
        for outcome in self.outcomes:
            resolved = outcome.transcript.first(ev.Resolved) if outcome.transcript is not None else None
            if resolved is not None:
                return resolved.addresses
        return ()

    def first_attempts(self) -> list[ev.Attempt]:
        transcript = self.outcomes[0].transcript if self.outcomes else None
        return transcript.all(ev.Attempt) if transcript is not None else []

    def ca_names(self) -> tuple[bytes, ...]:
        """The CA names (DER) of the first CertificateRequest that was seen."""
        for outcome in self.outcomes:
            if outcome.transcript is not None:
                for message in outcome.transcript.messages(HandshakeType.CERTIFICATE_REQUEST, Side.SERVER):
                    names: tuple[bytes, ...] = getattr(message.value, "authorities", ())
                    return names
        return ()

    @property
    def requested(self) -> bool:
        return any(outcome.requested for outcome in self.outcomes)

    @property
    def alpn_seen(self) -> tuple[str, ...]:
        """The application protocols that the server agreed to so far."""
        found = []
        for outcome in self.outcomes:
            done = outcome.transcript.first(ev.HandshakeDone) if outcome.transcript is not None else None
            found += [done.alpn] if done is not None and done.alpn else []
        return tuple(dict.fromkeys(found))

    @property
    def no_sessions(self) -> bool:
        """No server flight so far held a ticket or a session id that could be offered again."""
        return not any(outcome.transcript is not None and outcome.transcript.last(ev.SessionKept) for outcome in self.outcomes)

    def status_of(self, check: str) -> str | None:
        """What a check that ran before came to."""
        return next((result.status for result in self.results if result.id == check), None)

    def random_path(self) -> str:
        return f"/{self.rng.getrandbits(48):012x}"

    def listen_only(self) -> Callable[[Channel], Conversation] | None:
        """A conversation that says nothing and reads one HTTP answer: its request went as early data."""

        def listen(_channel: Channel) -> Conversation:
            from inspector.app.http1 import Http1

            conversation = Http1(one(Request("GET", self.host, self.path)), limits=LIMITS)
            while conversation.data_to_send():
                pass  # taken and thrown away: these bytes were sent before
            return conversation

        return listen

    # -- probes -------------------------------------------------------------------------------------

    def plan(self, shape: Shape) -> HandshakePlan:
        """The plan of one probe. Only your own credentials wait for a verified server; all else is made to be shown."""
        own = shape.credential is not None and not shape.credential.throw_away
        version = TLS_VERSIONS.get(shape.version or "")
        sni = self.base.server_name if shape.sni == KEEP else shape.sni
        road = self.base.road._replace(addresses=(shape.address,)) if shape.address else self.base.road
        return self.base._replace(
            road=road,
            name=shape.name,
            server_name=sni,
            credential=shape.credential,
            insecure=self.settings.insecure if own else True,
            minimum=version or self.base.minimum,
            maximum=version or self.base.maximum,
            alpn=self.base.alpn if shape.alpn is None else shape.alpn,
            session=shape.session,
            keep_session=shape.keep_session,
            hello_split=shape.split,
            application=self.application(shape),
            security_level=0 if shape.credential is not None else self.base.security_level,
        )

    def application(self, shape: Shape) -> Callable[[Channel], Conversation] | None:
        if not self.http:
            return steps.first_step(self.protocol, self.settings._replace(credential=shape.credential or self.settings.credential))
        host = self.host if shape.host == KEEP else shape.host
        headers = (("X-Mtls-Audit", self.inputs.audit_id), *shape.headers)

        def speak(channel: Channel) -> Conversation:
            request = Request(shape.method, host, shape.path)
            if channel.alpn == "h2":
                from inspector.app.http2 import Http2

                return Http2(one(request._replace(headers=(*request.headers, *headers))), limits=LIMITS)
            from inspector.app.http1 import Http1

            return Http1(one(request._replace(headers=(*request.headers, *headers, ("Connection", "close")))), limits=LIMITS)

        return speak

    def words(self, shape: Shape) -> str:
        """The probe in words, for people and for --dry-run."""
        sni = self.base.server_name if shape.sni == KEEP else shape.sni
        parts = [shape.name, f"SNI {sni or 'none'}"]
        if self.http:
            parts.append(f"{shape.method} {shape.path} Host {self.host if shape.host == KEEP else shape.host}")
        parts.append(shape.credential.source if shape.credential else "no certificate")
        parts += [f"TLS {shape.version}"] if shape.version else []
        parts += ["resumed session"] if shape.session is not None else []
        parts += [f"{name}: {_shown(name, value)[:40]}" for name, value in shape.headers[:3]]
        return ", ".join(parts)

    def send(self, plan: Any, words: str, good: oracle.Fingerprint | None = None) -> Probing:
        """One connection within the limits, judged. Raises Stop where a limit ends the audit."""
        if self.inputs.dry_run:
            self.listing.append(words)
            return self._pretend(plan, words)
        if self.connections >= self.inputs.max_connections:
            raise Stop(f"the cap of {self.inputs.max_connections} connections was reached (--max-connections)")
        if self.connections and self.inputs.per_second:
            yield Pause(1.0 / self.inputs.per_second)
        self.connections += 1
        self.listing.append(words)
        transcript = yield plan
        outcome = oracle.classify(transcript, good)._replace(name=plan.name, number=self.connections, what=words)
        self.outcomes.append(outcome)
        self._watch(outcome)
        return outcome

    def _pretend(self, plan: Any, words: str) -> Outcome:
        """In a dry run the good credential is let in and everything else refused, so that each check shows all its probes."""
        credential = getattr(plan, "credential", None)
        kind = oracle.ACCEPTED if credential is not None and not credential.throw_away else oracle.REFUSED
        return Outcome(kind, "dry run", plan.name, what=words, requested=True, protocol="TLSv1.3", offered_session=True)

    def _watch(self, outcome: Outcome) -> None:
        if outcome.status == oracle.TOO_MANY_REQUESTS:
            raise Stop("the server answered 429: it asks us to stop")
        refused = (
            outcome.transcript is not None
            and any(attempt.kind == "refused" for attempt in outcome.transcript.all(ev.Attempt))
            and outcome.kind == oracle.UNREACHABLE
        )
        self.refusals = self.refusals + 1 if refused else 0
        if self.refusals >= REFUSED_CONNECTIONS:
            raise Stop(f"{REFUSED_CONNECTIONS} connections in a row were refused")

    def probe(self, shape: Shape) -> Probing:
        """One probe; a refusal without a word is repeated, because one such refusal proves little, and so is a timeout once."""
        good = self.good_print(shape.path)
        outcome = yield from self.send(self.plan(shape), self.words(shape), good)
        repeats = shape.repeats if outcome.silent else 1 if outcome.how == "timeout" else 0
        for number in range(repeats):
            again = yield from self.send(
                self.plan(shape._replace(name=f"{shape.name} (again {number + 1})")), self.words(shape), good
            )
            if again.kind != outcome.kind or not again.silent:
                return again
        return outcome

    def plaintext(self, shape: Shape, port: int) -> Probing:
        """A request without TLS."""
        road = self.base.road._replace(target=self.settings.target._replace(port=port), starttls=None, prelude=None)
        application = self.application(shape)
        assert application is not None
        plan = PlaintextPlan(road, application, name=shape.name, timeouts=self.settings.timeouts)
        return self.send(plan, f"{shape.name}, plaintext on port {port}, {shape.method} {shape.path}", self.good_print(shape.path))

    # -- results ------------------------------------------------------------------------------------

    def result(
        self,
        check: str,
        status: Any,
        summary: str,
        *,
        severity: Severity | None = None,
        confidence: str | None = None,
        seen: tuple[Outcome, ...] = (),
        control: str | None = None,
        repeat: str | None = None,
        needs: str | None = None,
        facts: tuple[str, ...] = (),
    ) -> CheckResult:
        """A check's result with its evidence, remedy and references."""
        row = BY_ID[check]
        evidence = tuple(self.evidence(outcome) for outcome in seen) + tuple(Evidence(fact) for fact in facts)
        return CheckResult(
            id=check,
            status=status,
            severity=severity or row.severity,
            confidence=confidence,
            summary=summary,
            evidence=evidence,
            control=control,
            repeat=repeat,
            remedy=remedy(check, self.family) if status == "finding" else "",
            references=row.references if status == "finding" else (),
            needs=needs,
        )

    def evidence(self, outcome: Outcome) -> Evidence:
        """What one probe saw, with what the document of an audit must carry: number, names, credential, answer."""
        parts = [f"probe {outcome.number}: {outcome.what}: {outcome.how}"]
        if outcome.protocol:
            parts.append(outcome.protocol + (", resumed" if outcome.resumed else ""))
        if outcome.body:
            parts.append("answer begins " + repr(_mask(outcome.body[:80].decode("utf-8", "replace"))))
        return Evidence("; ".join(parts), probe=outcome.name)

    def control(self, outcome: Outcome | None) -> str | None:
        """The control probe that makes something a finding, in words."""
        return f"probe {outcome.number} ({outcome.what}): {outcome.how}" if outcome is not None else None

    def repeat(self, shape: Shape) -> str:
        """Two commands that repeat the probe: ours, and `openssl s_client`."""
        target = self.settings.target
        connect = f"{target.authority}" if not target.unix_path else f"unix:{target.unix_path}"
        sni = self.base.server_name if shape.sni == KEEP else shape.sni
        host = self.host if shape.host == KEEP else shape.host
        ours = ["mtls", "request", f"https://{connect}{shape.path}", "-i", "--insecure", "-H", f"Host: {host}"]
        theirs = ["openssl", "s_client", "-quiet", "-connect", connect, *(["-servername", sni] if sni else ["-noservername"])]
        ours += ["--server-name", sni] if sni else []
        for header, value in shape.headers:
            ours += ["-H", f"{header}: {_shown(header, value)}"]
        if shape.credential is not None and not shape.credential.throw_away:
            ours += ["--cert", "CERT.pem", "--key", "KEY.pem"]
            theirs += ["-cert", "CERT.pem", "-key", "KEY.pem", "-cert_chain", "CERT.pem"]
        if shape.version:
            ours += ["--tls-min", shape.version, "--tls-max", shape.version]
            theirs.append("-tls1_3" if shape.version == "1.3" else "-tls1_2")
        lines = [
            f"{shape.method} {shape.path} HTTP/1.1",
            f"Host: {host}",
            *(f"{n}: {_shown(n, v)}" for n, v in shape.headers),
            "Connection: close",
            "",
            "",
        ]
        request = "\\r\\n".join(line.replace("%", "%%").replace("'", "'\\''") for line in lines)
        return f"{shlex.join(ours)}\nprintf '{request}' | {shlex.join(theirs)}"


def _shown(header: str, value: str) -> str:
    """A header's value as it may be printed: tokens are the user's secrets."""
    return "..." if header.lower() == "authorization" else value


def names_of_server(transcript: Transcript) -> list[str]:
    """DNS names in the server's certificate, without wildcards."""
    from inspector.der import certificate

    for message in transcript.messages(None, Side.SERVER):
        sent = messages.certificate_of(message.value)
        if sent is not None and sent.chain:
            names = certificate.parse(sent.chain[0]).subject_alt_names
            return [name[4:] for name in names if name.startswith("DNS:") and "*" not in name]
    return []


def _mask(text: str) -> str:
    """Long opaque words may be secrets: only their beginning is shown."""
    return " ".join(word if len(word) <= 40 else word[:12] + "..." for word in text.split())
