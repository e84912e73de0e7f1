"""The verdict settled by a second look, where the first try does not say: a silent retry, HTTP/2, the same without a certificate.

One transcript is enough where the server said yes (a success), sent an alert, or spoke of certificates. All else may be its answer
to everybody. What is compared, and what follows from it, stands in ``analysis.comparison``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

import msgspec

from inspector.analysis import flights
from inspector.analysis.client_auth import ClientAuth, agreed_protocol, judge
from inspector.analysis.comparison import Settled, answer_of, compare, faults_that_show
from inspector.analysis.judgement import EXPLICIT
from inspector.analysis.observations import Observed, ProbeSeen
from inspector.plan import Channel, Conversation, HandshakePlan, Step, TlsVersion
from inspector.session.gathering import Facts
from inspector.session.probes import Probe, over_http2, over_tls12, privileged, read_only, without_certificate
from inspector.trace import events as ev
from inspector.trace.transcript import Transcript


class Runner:
    """What is needed of a run: its plan, and probes made politely."""

    plan: HandshakePlan

    def may_go_on(self) -> bool:
        """True where another handshake may be made."""
        raise NotImplementedError

    def make(self, probe: Probe) -> Generator[Step, Any, Transcript]:
        """Make one probe."""
        raise NotImplementedError

    @staticmethod
    def seen(probe: Probe, transcript: Transcript) -> ProbeSeen:
        """What came of it."""
        raise NotImplementedError


class Ways(NamedTuple):
    """Other ways to make the first try. ``http2``: it may be tried; ``privileged``: a step that not everybody may take."""

    http2: bool = False
    privileged: Callable[[Channel], Conversation] | None = None


class State(NamedTuple):
    """The try that counts: its transcript, and all that it rests on."""

    transcript: Transcript
    facts: Facts


Settling = Generator[Step, Any, State]
Gathered = Callable[[Transcript], Facts]


def _noted(state: State, probe: ProbeSeen | None, *notes: str, **changes: Any) -> State:
    observed = state.facts.observed
    probes = observed.probes if probe is None else (*observed.probes, probe)
    observed = msgspec.structs.replace(observed, probes=probes, notes=(*observed.notes, *notes), **changes)
    return state._replace(facts=state.facts._replace(observed=observed))


def _taken_over(state: State, other: Transcript, gathered: Gathered, probe: ProbeSeen, note: str) -> State:
    """Another try counts from here on; what was noted so far is kept."""
    before = state.facts.observed
    facts = gathered(other)
    observed = msgspec.structs.replace(facts.observed, probes=before.probes, notes=before.notes)
    return _noted(State(other, facts._replace(observed=observed)), probe, note)


def _decided(state: State, settled: Settled) -> State:
    """The verdict of a comparison in place of the first try's."""
    auth = state.facts.auth._replace(
        verdict=settled.verdict, rests_on=settled.told, confidence=settled.confidence, rejected_by=settled.rejected_by)
    if settled.verdict != "undecided":
        auth = auth._replace(ground="compared")
    state = _noted(state, None, verdict=settled.verdict, told=settled.told, ground=auth.ground)
    return state._replace(facts=state.facts._replace(auth=auth))


def _closed_late(auth: ClientAuth) -> bool:
    return auth.verdict != "accepted" and auth.ground in {"step", "close"}


def _try_http2(run: Runner, state: State, gathered: Gathered) -> Settling:
    """A server that agreed to no protocol, and closed, may speak HTTP/2 only (gRPC, proxies for it)."""
    probe = over_http2(run.plan)
    transcript = yield from run.make(probe)
    seen = run.seen(probe, transcript)
    if agreed_protocol(transcript) != "h2" or _closed_late(judge(transcript)):
        return _noted(state, seen)
    run.plan = probe.plan()
    return _taken_over(state, transcript, gathered, seen, "the server speaks HTTP/2 only: all else was tried with it")


def _listen(run: Runner, state: State) -> Settling:
    """The same once more, without a first step: what refuses in TLS does so by itself.

    An alert that was lost to our writing is heard. A close comes again from servers that refuse without a word, and not from those
    that only did not understand, or did not like, what was asked.
    """
    probe = read_only(run.plan)
    transcript = yield from run.make(probe)
    seen = run.seen(probe, transcript)
    auth = judge(transcript)
    if seen.signal == "accepted":  # nothing was asked, so nothing was accepted
        seen = msgspec.structs.replace(seen, signal="silence")
    if auth.verdict != "rejected":
        return _noted(state, seen, alert_lost=False)
    lost = "the first try lost the server's alert; a second, read-only one heard it"
    notes = (lost,) if seen.signal.startswith("alert:") else ()
    state = _noted(state, seen, *notes, verdict="rejected", signal=seen.signal, phase=seen.phase, told=auth.rests_on,
                   alert_lost=not notes, ground=auth.ground)
    ours = state.facts.auth
    return state._replace(facts=state.facts._replace(auth=ours._replace(
        verdict="rejected", rests_on=f"{auth.rests_on} (when nothing was asked)", confidence=auth.confidence,
        rejected_by=auth.rejected_by, alert=auth.alert, ground=auth.ground)))


def _compare(run: Runner, state: State) -> Settling:
    """The same without a certificate, and what follows."""
    probe = without_certificate(run.plan)
    transcript = yield from run.make(probe)
    seen = run.seen(probe, transcript)
    settled = compare(answer_of(state.transcript, state.facts.auth), answer_of(transcript, judge(transcript)))
    state = _noted(state, seen)
    return state if settled is None else _decided(state, settled)


def _after_close(run: Runner, state: State, gathered: Gathered, *, http: bool) -> Settling:
    """The connection was closed where no answer had come."""
    if state.facts.auth.ground == "step":
        state = yield from _listen(run, state)
        if state.facts.auth.verdict == "rejected" and state.facts.observed.signal.startswith("alert:"):
            return state
    unknown = http and agreed_protocol(state.transcript) is None and state.transcript.first(ev.HandshakeDone) is not None
    if unknown and run.may_go_on():
        state = yield from _try_http2(run, state, gathered)
    if state.facts.auth.ground != "step":
        return state
    if state.facts.auth.sent and run.may_go_on():
        state = yield from _compare(run, state)
    agreed = agreed_protocol(state.transcript)
    if state.facts.auth.verdict == "undecided" and agreed is not None:
        told = (f"{state.facts.auth.rests_on.rstrip('.')}. The server agreed to speak {agreed}, and closed the connection when we "
                "did: its application refuses")
        return _decided(state, Settled("rejected", told, 0.6, "close"))
    return state


def _ask_again_over_tls12(run: Runner, state: State, gathered: Gathered) -> Settling:
    """A server that did not ask, and does not serve us: up to TLS 1.2 it can still ask when it knows what is wanted."""
    probe = over_tls12(run.plan)
    transcript = yield from run.make(probe)
    seen = run.seen(probe, transcript)
    if not judge(transcript).requested:
        return _noted(state, seen, "the server asks for no certificate over TLS 1.2 either")
    run.plan = probe.plan()
    note = "the server asks for a certificate over TLS 1.2 only, after it has seen the request: all else was tried over it"
    return _taken_over(state, transcript, gathered, seen, note)


def _allows_tls12(plan: HandshakePlan, observed: Observed) -> bool:
    low = plan.minimum.value if plan.minimum is not None else 0
    return observed.tls == "1.3" and low <= TlsVersion.TLS1_2.value


def _without_sending(state: State) -> State:
    """Nothing was sent, so there is nothing that an answer without a verdict could be about."""
    auth = state.facts.auth
    if auth.ground not in {"status", "no-answer"} or auth.verdict == "rejected":
        return state
    told = f"{auth.rests_on}. Nothing was sent that this could be about"
    return _decided(state, Settled("undecided", told, 0.6))


def _needs_comparison(facts: Facts) -> bool:
    auth = facts.auth
    if auth.verdict == "rejected" or not auth.requested:
        return False
    asked = auth.ground in {"anybody", "status", "no-answer"} or (auth.ground == "sign" and facts.observed.protocol != "none")
    return asked or (auth.ground in EXPLICIT and bool(faults_that_show(facts.observed)))


def settle(run: Runner, state: State, gathered: Gathered, ways: Ways) -> Settling:
    """The state in which the verdict is as sure as a client can make it."""
    auth = state.facts.auth
    if not run.may_go_on() or state.facts.observed.withheld:
        return state
    if auth.requested is False:
        served = auth.ground == "yes" or flights.survey(state.transcript).answer is None
        if served or not state.facts.observed.has_credential or not _allows_tls12(run.plan, state.facts.observed):
            return state
        return (yield from _ask_again_over_tls12(run, state, gathered))
    if auth.requested and auth.ground in {"step", "close"}:
        state = yield from _after_close(run, state, gathered, http=ways.http2)
    if not state.facts.auth.sent:
        return _without_sending(state)
    compared_already = any(probe.name == "no certificate" for probe in state.facts.observed.probes)
    if _needs_comparison(state.facts) and not compared_already and run.may_go_on():
        compared = yield from _compare(run, state)
        if compared.facts.auth.ground == "anybody" and compared.facts.auth.verdict == "undecided":
            return (yield from _beyond_anybody(run, compared, ways))
        return compared
    return state


def _beyond_anybody(run: Runner, state: State, ways: Ways) -> Settling:
    """A first step that anybody may take is answered alike. One that not everybody may take is compared, where there is one."""
    if ways.privileged is not None and run.may_go_on():
        ours, theirs = privileged(run.plan, ways.privileged)
        transcript = yield from run.make(ours)
        mine = answer_of(transcript, judge(transcript))
        state = _noted(state, run.seen(ours, transcript))
        if run.may_go_on():
            other = yield from run.make(theirs)
            state = _noted(state, run.seen(theirs, other))
            settled = compare(mine, answer_of(other, judge(other)))
            if settled is not None and not (settled.verdict == "undecided" and mine.kind == "served"):
                return _decided(state, settled)
    return _only_tls(state)


def _only_tls(state: State) -> State:
    """That the server took us through TLS stays said, and nothing else."""
    told = "the first step is anybody's, and is answered alike without a certificate: TLS let us in, and no more is known"
    state = _decided(state, Settled("accepted", told, 0.5))
    auth = state.facts.auth._replace(ground="anybody")
    return _noted(state._replace(facts=state.facts._replace(auth=auth)), None, ground="anybody")
