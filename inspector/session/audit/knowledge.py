"""What an audit knows so far: its inputs, the baselines, and what the probes told about the server. Nothing here sends."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from inspector.analysis import audit_outcome as oracle
from inspector.analysis.audit_outcome import Outcome
from inspector.analysis.findings import CheckResult
from inspector.analysis.tls_profiles import PROFILES, Profile
from inspector.app import steps
from inspector.credentials.model import Credential
from inspector.plan import HandshakePlan, Session
from inspector.session.audit.inputs import Inputs
from inspector.session.audit.shape import KEEP, Shape
from inspector.session.settings import handshake_plan
from inspector.trace import events as ev
from inspector.trace.transcript import Transcript
from inspector.wire import messages
from inspector.wire.events import Side
from inspector.wire.registry import HandshakeType

OTHER_NAMES = 2
BUSY = frozenset({502, 503, 504})


class Knowledge:
    """The baselines N (no certificate), G (good credential) and X (random path), and what follows from all outcomes."""

    def __init__(self, inputs: Inputs, rng: random.Random) -> None:
        self.inputs = inputs
        self.settings = inputs.settings
        self.rng = rng
        self.protocol = steps.resolve_protocol(self.settings.app, self.settings.starttls, self.settings.target.port)
        self.outcomes: list[Outcome] = []
        self.base: HandshakePlan = handshake_plan(self.settings)
        self.none: dict[str, Outcome] = {}  # baseline N by path
        self.good: dict[str, Outcome] = {}  # baseline G by path
        self.random: Outcome | None = None
        self.identity: frozenset[bytes] = frozenset()  # words by which a page may name the good credential's bearer
        self.strangers: set[str] = set()  # paths on which the good credential gets what everybody gets, and that is no page
        self.varies = False  # two answers to the good credential were not alike
        self.verified: bool | None = None
        self.family = ""
        self.versions: tuple[str, ...] = ()
        self.session: Session | None = None
        self.kit: Any = None
        self.results: list[CheckResult] = []

    @property
    def http(self) -> bool:
        return self.protocol == "http"

    @property
    def path(self) -> str:
        return self.inputs.paths[0]

    @property
    def profile(self) -> Profile:
        """What the protocol and the server's certificate are held against."""
        return PROFILES[self.inputs.profile]

    @property
    def token(self) -> tuple[tuple[str, str], ...]:
        """The header with the access token, which belongs to the good credential."""
        return (("Authorization", f"Bearer {self.inputs.token}"),) if self.inputs.token is not None else ()

    @property
    def own_name(self) -> str:
        return self.base.server_name or self.settings.target.host

    @property
    def host(self) -> str:
        """The Host of a plain request: the name that is audited, with the port where it is not HTTPS's own."""
        return self.authority(self.settings.server_name or self.settings.target.host or "localhost")

    def authority(self, name: str) -> str:
        name = f"[{name}]" if ":" in name else name
        target = self.settings.target
        return name if target.port == 443 or target.unix_path else f"{name}:{target.port}"

    @property
    def credential(self) -> Credential | None:
        """The good credential, where it may be shown to this server."""
        return self.settings.credential if self.verified or self.settings.insecure else None

    # -- the baselines ------------------------------------------------------------------------------

    @property
    def reached(self) -> bool:
        """The good credential gets an answer of the application on the first path, whatever it says."""
        return self.path in self.good and self.good[self.path].accepted

    @property
    def served(self) -> bool:
        """The good credential is let in on the first path: its answer is no error."""
        return self.reached and (self.good[self.path].status or 200) < 400 and not self.good[self.path].furthest

    def settle(self) -> None:
        """Drop the good credential's answer where it is no oracle: everybody gets the same, and that is no page.

        Then the door is open, or this credential is a stranger as well, and nothing here can tell which.
        """
        for path, good in self.good.items():
            none = self.none.get(path)
            if none is None or not good.accepted or not oracle.tells_nobody_apart(good):
                continue
            if oracle.alike(none, good, self.identity):
                self.strangers.add(path)
                self.good[path] = good._replace(kind=oracle.UNDECIDED, how=f"{good.how}, as without a certificate")
                self.none[path] = none._replace(kind=oracle.UNDECIDED)

    @cached_property
    def faulty(self) -> bool:
        """The credential shows by itself that a server should refuse it: what it gets proves little."""
        from inspector.analysis.credential import judge_credential

        credential = self.settings.credential
        findings = judge_credential(credential, self.settings.now) if credential is not None else ()
        return any(finding.severity == "critical" for finding in findings)

    def baseline(self, path: str | None) -> Outcome | None:
        """The usable answer to the good credential on a path."""
        outcome = self.good.get(path or "")
        return outcome if outcome is not None and outcome.accepted else None

    def refused_path(self) -> str | None:
        """A path that is refused without a certificate."""
        return next((path for path, outcome in self.none.items() if outcome.refused), None)

    @property
    def wall(self) -> bool:
        """Without a certificate no request is read at all, whatever its path: TLS refuses before there is one."""
        seen = [*self.none.values(), *([self.random] if self.random is not None else [])]
        return bool(seen) and all(o.refused and o.status is None and not o.late for o in seen)

    @property
    def front(self) -> bool:
        """Without a certificate each path gets one and the same page of the TLS layer: it hardly depends on what else is asked."""
        anything = self.random
        if anything is None or not (anything.refused and anything.tls_layer):
            return False
        return bool(self.none) and all(o.refused and o.tls_layer and oracle.same_page(o, anything) for o in self.none.values())

    @property
    def silent(self) -> bool:
        """The server refuses by closing without a word, always: then one such refusal says as much as several."""
        return bool(self.none) and all(o.silent for o in self.none.values())

    def held(self, outcome: Outcome, shape: Shape) -> Outcome:
        """The outcome of a probe, held against the baselines of its path."""
        path = shape.path if shape.like == KEEP else shape.like
        if path is None or (shape.host not in (KEEP, self.host)):
            return outcome
        found = oracle.relate(outcome, self.baseline(path), self.identity, varies=self.varies)
        none = self.none.get(path)
        if found.kind == oracle.UNDECIDED and none is not None and none.refused and oracle.same_page(found, none):
            return found._replace(kind=oracle.REFUSED)
        return found

    def got_in(self, outcome: Outcome, path: str) -> str | None:
        """How sure it is that this probe got what only a certificate should get: "confirmed", "likely", or None.

        Confirmed is the very page that the good credential gets, where nobody else gets it; without a good credential a 2xx that
        is neither the answer to no certificate nor to a random path is likely.
        """
        good, none = self.baseline(path), self.none.get(path)
        if good is not None:
            if not outcome.accepted:
                return None
            same = outcome.fingerprint is None or oracle.alike(outcome, good, self.identity)
            return "confirmed" if same and not self.varies else "likely"
        if not outcome.accepted or (outcome.status is not None and outcome.status >= 300):
            return None
        known = [other for other in (none, self.random) if other is not None]
        return None if any(oracle.same_page(outcome, other) for other in known) else "likely"

    def got_further(self, outcome: Outcome, path: str) -> str | None:
        """Like ``got_in``; without a good credential it is also likely where TLS refuses those without a certificate and the
        application itself answered this one.
        """
        sure = self.got_in(outcome, path)
        if sure or self.baseline(path) is not None or not self.wall:
            return sure
        return "likely" if outcome.status is not None and not outcome.refused and outcome.status < 500 else None

    @staticmethod
    def unheard(seen: Sequence[Outcome]) -> Outcome | None:
        """A probe of these that came to nothing: no connection, no answer in time, or, where that is half of them, an answer of the
        kind that a server gives which is overloaded or limits us. What was not heard was not refused.
        """
        lost = next((o for o in seen if o.kind == oracle.UNREACHABLE or o.how == "timeout"), None)
        busy = [o for o in seen if o.kind == oracle.UNDECIDED and o.status in BUSY]
        return lost or (busy[0] if busy and 2 * len(busy) >= len(seen) else None)

    # -- the server ---------------------------------------------------------------------------------

    def other_names(self) -> tuple[str, ...]:
        """Other names of this server: those given, else the first DNS name of its certificate."""
        own = self.own_name
        found = list(self.inputs.other_names)
        for outcome in self.outcomes[:1]:
            if outcome.transcript is not None and not found:
                found += names_of_server(outcome.transcript)
        others = tuple(dict.fromkeys(name for name in found if name.lower() != own.lower()))
        return others[: OTHER_NAMES if self.inputs.other_names else 1]

    def addresses(self) -> tuple[str, ...]:
        """All addresses that the resolver gave for the target, the one in use first."""
        for outcome in self.outcomes:
            resolved = outcome.transcript.first(ev.Resolved) if outcome.transcript is not None else None
            if resolved is not None:
                return resolved.addresses
        return self.base.road.addresses  # given by the user

    def address(self) -> str | None:
        """The address that the first probe reached."""
        transcript = self.outcomes[0].transcript if self.outcomes else None
        attempts = transcript.all(ev.Attempt) if transcript is not None else []
        given = self.settings.target.host if self.settings.target.is_ip else None
        return next((attempt.address for attempt in attempts if attempt.error is None), given)

    def ca_names(self) -> tuple[bytes, ...]:
        """The CA names (DER) of the first CertificateRequest that was seen."""
        for outcome in self.outcomes:
            if outcome.transcript is not None:
                for message in outcome.transcript.messages(HandshakeType.CERTIFICATE_REQUEST, Side.SERVER):
                    names: tuple[bytes, ...] = getattr(message.value, "authorities", ())
                    return names
        return ()

    @property
    def own_outcomes(self) -> list[Outcome]:
        """What handshakes under the audited name came to; another name's server may ask for other things."""
        return [
            outcome
            for outcome in self.outcomes
            if outcome.transcript is not None
            and isinstance(outcome.transcript.plan, HandshakePlan)
            and outcome.transcript.plan.server_name == self.base.server_name
        ]

    @property
    def requested(self) -> bool:
        return any(outcome.requested for outcome in self.own_outcomes)

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


def names_of_server(transcript: Transcript) -> list[str]:
    """DNS names in the server's certificate, without wildcards."""
    from inspector.der import certificate

    for message in transcript.messages(None, Side.SERVER):
        sent = messages.certificate_of(message.value)
        if sent is not None and sent.chain:
            names = certificate.parse(sent.chain[0]).subject_alt_names
            return [name[4:] for name in names if name.startswith("DNS:") and "*" not in name]
    return []


def words_of_bearer(credential: Credential) -> frozenset[bytes]:
    """The words by which a page may name a credential: those of its names, its serial number and its digests."""
    from inspector.der import certificate

    words: set[bytes] = set()
    for der in credential.chain:
        cert = certificate.parse(der)
        texts = (cert.subject, cert.issuer, *cert.subject_alt_names, cert.serial_hex or "", cert.sha256)
        for text in texts:
            for form in (text, text.upper(), text.lower()):
                words |= oracle.words_of(form.encode())
    return frozenset(words)
