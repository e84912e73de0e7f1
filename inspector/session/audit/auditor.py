"""The auditor: sends probes within the limits and judges them by the baselines.

A check is a generator: it yields from ``Auditor.probe`` and returns a ``CheckResult``. Nothing here does I/O.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from inspector.analysis import audit_outcome as oracle
from inspector.analysis.audit_outcome import Outcome
from inspector.app import privileged, steps
from inspector.app.http_message import Limits, Request, one
from inspector.plan import Channel, Conversation, HandshakePlan, Pause, PlaintextPlan, TlsVersion
from inspector.report.network import spoke_tls
from inspector.session.audit.inputs import Inputs
from inspector.session.audit.shape import KEEP, Checking, Doing, Probing, Shape
from inspector.session.audit.telling import Telling
from inspector.trace import events as ev

__all__ = ["KEEP", "Auditor", "Checking", "Doing", "Probing", "Shape", "Stop"]

LIMITS = Limits(body=1024 * 1024)
HUSHED = 4  # so many silent refusals of certificates show that this is the server's way; fewer prove little
REFUSED_CONNECTIONS = 3  # that end the audit
DEAF = 3  # connections in a row on which nothing came: then a plain one tells whether anybody is still there
TLS_VERSIONS = {"1.2": TlsVersion.TLS1_2, "1.3": TlsVersion.TLS1_3}


class Stop(Exception):
    """The audit ends here: a limit was reached, or the server asked us to stop. The text says which."""


class Auditor(Telling):
    """One audit: what is known, and the probes that are sent to know more."""

    def __init__(self, inputs: Inputs, rng: random.Random) -> None:
        super().__init__(inputs, rng)
        self.listing: list[str] = []  # every probe in words, for --dry-run and the report
        self.connections = 0
        self.refusals = 0
        self.deaf = 0  # connections in a row on which the server said nothing at all
        self.reserved = 0  # connections that are kept for the end
        self.capped = False
        self.shut_out: int | None = None  # the last probe before the server answered us otherwise than in the beginning
        self.hushed = 0  # certificates that were refused without a word so far, none of which got in later
        self.stopped: str | None = None
        self.interrupted = False
        self.deadline = inputs.clock() + inputs.total_seconds
        self._sent: dict[Any, Outcome] = {}

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

    def application(self, shape: Shape, *, in_clear: bool = False) -> Callable[[Channel], Conversation] | None:
        """What the probe says: a request, or the protocol's first step that not everybody may take."""
        if not self.http:
            credential = shape.credential or self.settings.credential
            settings = self.settings._replace(credential=credential, app_user=self.user(shape.credential))
            settings = settings._replace(starttls=None) if in_clear else settings  # it greets us there
            deeper = privileged.step_of(self.protocol, greeted=in_clear or self.settings.starttls is None)
            return deeper or steps.first_step(self.protocol, settings)
        host = self.host if shape.host == KEEP else shape.host
        # the good credential is let in with its token alone, whatever else a probe has
        missing = shape.credential is not None and shape.credential is self.credential and not _names_authorization(shape.headers)
        headers = (("X-Mtls-Audit", self.inputs.audit_id), *(self.token if missing else ()), *shape.headers)

        def speak(channel: Channel) -> Conversation:
            request = Request(shape.method, host or self.host, shape.path)
            if not host:  # a Host of no name is a header like any other
                request = request._replace(headers=(("Host", ""), *request.headers))
            if channel.alpn == "h2":
                from inspector.app.http2 import Http2

                return Http2(one(request._replace(headers=(*request.headers, *headers))), limits=LIMITS)
            from inspector.app.http1 import Http1

            return Http1(one(request._replace(headers=(*request.headers, *headers, ("Connection", "close")))), limits=LIMITS)

        return speak

    def listen_only(self) -> Callable[[Channel], Conversation]:
        """A conversation that says nothing and reads one HTTP answer: its request went as early data."""

        def listen(_channel: Channel) -> Conversation:
            from inspector.app.http1 import Http1

            conversation = Http1(one(Request("GET", self.host, self.path)), limits=LIMITS)
            while conversation.data_to_send():
                pass  # taken and thrown away: these bytes were sent before
            return conversation

        return listen

    def send(self, plan: Any, words: str) -> Probing:
        """One connection within the limits, judged by itself. Raises Stop where a limit ends the audit."""
        if self.inputs.dry_run:
            self.listing.append(words)
            return self._pretend(plan, words)
        if self.stopped:
            raise Stop(self.stopped)
        if self.connections >= self.inputs.max_connections - self.reserved:
            self.capped = True
            raise Stop(f"the cap of {self.inputs.max_connections} connections was reached (--max-connections)")
        if self.connections and self.inputs.per_second:
            yield Pause(1.0 / self.inputs.per_second)
        left = self.deadline - self.inputs.clock()
        if left <= 0:
            raise Stop(f"the time limit of {self.inputs.total_seconds:g} s was reached (--max-time)")
        self.connections += 1
        self.listing.append(words)
        timeouts = plan.timeouts._replace(total=min(plan.timeouts.total, max(left, 0.1)))
        transcript = yield plan._replace(timeouts=timeouts)
        outcome = oracle.classify(transcript)._replace(name=plan.name, number=self.connections, what=words)
        self.outcomes.append(outcome)
        self._watch(outcome)
        if self.deaf == DEAF:
            yield from self.send(self.plan(Shape("anybody?", self.path)), "a plain request, to see whether anybody is there")
        credential = getattr(plan, "credential", None)
        if credential is not None and outcome.silent:
            self.hushed += 1
        elif credential is not None and credential.throw_away and outcome.accepted:
            self.hushed = 0
        return outcome

    def _pretend(self, plan: Any, words: str) -> Outcome:
        """In a dry run the good credential is let in and everything else refused, so that each check shows all its probes."""
        credential = getattr(plan, "credential", None)
        kind = oracle.ACCEPTED if credential is not None and not credential.throw_away else oracle.REFUSED
        status = 200 if kind == oracle.ACCEPTED else 403
        return Outcome(
            kind, "dry run", plan.name, what=words, status=status, requested=True, protocol="TLSv1.3", offered_session=True
        )

    def _watch(self, outcome: Outcome) -> None:
        ended = outcome.transcript.last(ev.Ended) if outcome.transcript is not None else None
        if ended is not None and ended.how == oracle.INTERRUPTED:
            self.interrupted = True
            raise Stop(oracle.INTERRUPTED)
        if outcome.status == oracle.TOO_MANY_REQUESTS:
            raise Stop("the server answered 429: it asks us to stop")
        transcript = outcome.transcript
        if transcript is None or isinstance(transcript.plan, PlaintextPlan):
            return  # a plain port may well be closed
        self.deaf = self.deaf + 1 if outcome.how == "timeout" and not spoke_tls(transcript) else 0
        if self.deaf > DEAF:
            raise Stop(f"the server says nothing any more, {self.deaf} times in a row")
        refused = outcome.kind == oracle.UNREACHABLE and any(attempt.kind == "refused" for attempt in transcript.all(ev.Attempt))
        self.refusals = self.refusals + 1 if refused else 0
        if self.refusals >= REFUSED_CONNECTIONS:
            raise Stop(f"{REFUSED_CONNECTIONS} connections in a row were refused")

    def probe(self, shape: Shape, *, anew: bool = False) -> Probing:
        """One probe, held against the baselines; what was sent before is not sent again, unless ``anew``.

        A refusal without a word is repeated, because one such refusal proves little where the server speaks otherwise; so is a
        timeout, once.
        """
        key = None if anew else shape.key
        if key is not None and key in self._sent:
            return self.held(self._sent[key], shape)
        outcome = yield from self.send(self.plan(shape), self.words(shape))
        for number in range(self._repeats(shape, outcome)):
            name = f"{shape.name} (again {number + 1})"
            again = yield from self.send(self.plan(shape._replace(name=name)), self.words(shape))
            if again.kind != outcome.kind or not again.silent:
                outcome = again
                break
        if shape.key is not None:
            self._sent[shape.key] = outcome
        return self.held(outcome, shape)

    def _repeats(self, shape: Shape, outcome: Outcome) -> int:
        if outcome.silent:
            usual = self.silent if shape.credential is None else self.hushed >= HUSHED
            return 0 if usual and shape.repeats < HUSHED else shape.repeats
        return 1 if outcome.how == "timeout" else 0

    def passed(self, check: str, summary: str, *, seen: Sequence[Outcome], show: int = 3) -> Checking:
        """The check holds if each of its probes was heard. A server that seems overloaded may merely say so to what it does not
        serve: then a plain request is still answered as before.
        """
        lost = self.unheard(seen)
        path = self.refused_path()
        if lost is not None and lost.status is not None and path is not None:
            again = yield from self.probe(Shape("no certificate, is the server overloaded?", path), anew=True)
            lost = None if again.refused and again.status == self.none[path].status else lost
        if lost is not None:
            return self.result(check, "undecided", f"no clear answer: {lost.how} ({lost.name})", seen=(lost, *seen[: show - 1]))
        return self.result(check, "pass", summary, seen=tuple(seen[:show]))

    def plaintext(self, shape: Shape, port: int) -> Probing:
        """A request without TLS."""
        road = self.base.road._replace(target=self.settings.target._replace(port=port), starttls=None, prelude=None)
        application = self.application(shape, in_clear=True)
        assert application is not None
        plan = PlaintextPlan(road, application, name=shape.name, timeouts=self.settings.timeouts)
        step = f"{shape.method} {shape.path}" if self.http else self.protocol
        outcome = yield from self.send(plan, f"{shape.name}, plaintext on port {port}, {step}")
        # the Host of a plain port differs in its port alone
        return self.held(outcome, shape._replace(host=KEEP))


def _names_authorization(headers: tuple[tuple[str, str], ...]) -> bool:
    return any(name.lower() == "authorization" for name, _ in headers)
