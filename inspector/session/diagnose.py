"""``mtls diagnose``: the first try with your own credential, the probes that can still change the ranking, and the explanation.

At most eight handshakes in all. Probes are polite: one at a time, a second apart where the server is not on this machine,
announced before they are made, ended by HTTP 429 or a refused connection, and by the time that the user gave for the whole run.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import msgspec

from inspector.analysis import diagnosis, flights, probing
from inspector.analysis.client_auth import judge
from inspector.analysis.explanation import Explained, explain
from inspector.analysis.observations import HELLO, Observed, ProbeSeen
from inspector.analysis.observe import clock_skew, phase_of_end, signal_of
from inspector.credentials.model import Credential
from inspector.plan import HandshakePlan, Pause, Step
from inspector.report.build import build_report
from inspector.report.model import DiagnosisPart, Report
from inspector.session.gathering import NOTHING_SPECIAL, Facts, Options, evidence_of, gather
from inspector.session.probes import Probe, Second, certificate_probes, hello_probes, second_try, without_certificate
from inspector.session.settings import Settings, handshake_plan
from inspector.session.settling import Runner, State, Ways, settle
from inspector.trace import events as ev
from inspector.trace.transcript import Transcript

__all__ = ["NOTHING_SPECIAL", "Options", "from_report", "from_transcript", "run"]

MOST_HANDSHAKES = 8
POLITE_SECONDS = 1.0
LEAST_SECONDS = 1.0  # what must be left of --timeout for another probe
LEAST_HANDSHAKE_SECONDS = 2.0
SILENCE_IS_A_YES = 0.7  # how sure
FIRST_SHARE = 0.4  # of --timeout, for the first try's handshake

Probing = Generator[Step, Any, Observed]


class _Run(Runner):
    """Counts handshakes and seconds, and makes probes one after another."""

    def __init__(self, plan: HandshakePlan, options: Options, first: Transcript) -> None:
        self.plan = plan
        self.options = options
        self.handshakes = 1
        self.seconds = _duration(first)
        self.loopback = _is_loopback(first)
        self.ended = ""

    def may_go_on(self) -> bool:
        """False, with the reason in ``ended``, where no further probe may be made."""
        if self.handshakes >= MOST_HANDSHAKES:
            self.ended = self.ended or f"{MOST_HANDSHAKES} handshakes were made"
        elif self.plan.timeouts.total - self.seconds < LEAST_SECONDS + (0.0 if self.loopback else POLITE_SECONDS):
            self.ended = self.ended or "the time given for the run was used up"
        return not self.ended

    def probe(self, probe: Probe, observed: Observed) -> Probing:
        """One probe; returns the observations with it."""
        transcript = yield from self.make(probe)
        skew = observed.clock_skew
        if skew is None:  # an answer to a probe shows the server's clock as well as one to us
            skew = clock_skew(transcript, flights.survey(transcript).answer)
        return msgspec.structs.replace(observed, probes=(*observed.probes, self.seen(probe, transcript)), clock_skew=skew)

    def make(self, probe: Probe) -> Generator[Step, Any, Transcript]:
        """Announce and make one probe, politely."""
        if not self.loopback:
            self.seconds += POLITE_SECONDS
            yield Pause(POLITE_SECONDS)
        self.options.announce(f"probe {self.handshakes + 1} of at most {MOST_HANDSHAKES}: {probe.name} ({probe.differs})")
        plan = probe.plan()
        left = max(LEAST_SECONDS, self.plan.timeouts.total - self.seconds)
        transcript: Transcript = yield plan._replace(timeouts=plan.timeouts._replace(total=left))
        self.handshakes += 1
        self.seconds += _duration(transcript)
        self._look_for_end(transcript)
        return transcript

    @staticmethod
    def seen(probe: Probe, transcript: Transcript) -> ProbeSeen:
        """What came of it."""
        auth = judge(transcript)
        answer = flights.survey(transcript).answer
        return ProbeSeen(
            name=probe.name, signal=signal_of(transcript, auth), differs=probe.differs, phase=phase_of_end(transcript, auth),
            status=None if answer is None else f"HTTP {answer.status}" if answer.http is not None else answer.status,
        )

    def _look_for_end(self, transcript: Transcript) -> None:
        result = transcript.last(ev.ApplicationResult)
        reply = getattr(result.result, "http", None) if result is not None else None
        if _interrupted(transcript):
            self.ended = "the run was interrupted"
        elif reply is not None and reply.status == 429:
            self.ended = "the server asked for fewer requests (HTTP 429)"
        elif transcript.first(ev.Connected) is None:
            self.ended = "the server refused a further connection"


def _interrupted(transcript: Transcript) -> bool:
    ended = transcript.last(ev.Ended)
    return ended is not None and ended.how == "interrupted"


def _duration(transcript: Transcript) -> float:
    return max((float(event.at) for event in transcript.events), default=0.0)


def _is_loopback(transcript: Transcript) -> bool:
    import ipaddress

    connected = transcript.first(ev.Connected)
    if connected is None:
        return False
    try:
        return ipaddress.ip_address(connected.address.split("%", 1)[0]).is_loopback
    except ValueError:
        return True  # a Unix socket


def _probe_certificates(run: _Run, facts: Facts) -> Probing:
    observed = facts.observed
    made = {probe.name for probe in observed.probes}
    left = {probe.name: probe for probe in certificate_probes(run.plan, facts) if probe.name not in made}
    while left and run.may_go_on():
        candidates = diagnosis.rank(observed).candidates
        name = probing.for_the_clock(left, observed, candidates) or probing.most_telling(left, observed, candidates[0])
        if name is None:
            break
        observed = yield from run.probe(left.pop(name), observed)
    return observed


def _try_second(run: _Run, second: Second) -> Generator[Step, Any, tuple[Transcript | None, ProbeSeen]]:
    """The first try in another way: the transcript, where it got further (the rest is tried in the same way), and the probe."""
    transcript = yield from run.make(second.probe)
    seen = run.seen(second.probe, transcript)
    if seen.signal.startswith(HELLO):
        return None, seen
    run.plan = second.probe.plan()
    return transcript, seen


def _with_probe(facts: Facts, probe: ProbeSeen, note: str) -> Facts:
    observed = msgspec.structs.replace(facts.observed, probes=(*facts.observed.probes, probe))
    if not probe.signal.startswith(HELLO):
        observed = msgspec.structs.replace(observed, notes=(*observed.notes, note))
    return facts._replace(observed=observed)


def _is_silent(observed: Observed) -> bool:
    """Our certificate was sent, nothing was asked of the application, and nothing came."""
    return observed.verdict == "undecided" and observed.signal == "silence" and bool(observed.sent) and observed.protocol == "none"


def _compare_silence(run: _Run, facts: Facts) -> Generator[Step, Any, Facts]:
    """A server that says nothing after our certificate, and refuses without one: its silence is a yes.

    TLS 1.3 servers without session tickets are silent until the application speaks; those that refuse do it at once.
    """
    probe = without_certificate(run.plan)
    transcript = yield from run.make(probe)
    seen = run.seen(probe, transcript)
    observed = msgspec.structs.replace(facts.observed, probes=(*facts.observed.probes, seen))
    if judge(transcript).verdict != "rejected":
        return facts._replace(observed=observed)
    told = "the connection stays open after our certificate, and is refused at once without one"
    auth = facts.auth._replace(verdict="accepted", rests_on=told, confidence=SILENCE_IS_A_YES)
    observed = msgspec.structs.replace(observed, verdict="accepted", signal="accepted", notes=(*observed.notes, told))
    return facts._replace(observed=observed, auth=auth)


def _probe(run: _Run, facts: Facts) -> Probing:
    """The probes that this first try leaves open."""
    observed = facts.observed
    if observed.verdict == "rejected":
        return (yield from _probe_certificates(run, facts))
    if observed.verdict == "undecided" and observed.signal.startswith(HELLO) and not observed.withheld:
        return (yield from _probe_hello(run, facts))
    return observed


def _probe_hello(run: _Run, facts: Facts) -> Probing:
    observed = facts.observed
    left = {probe.name: probe for probe in hello_probes(run.plan, observed)}
    while left and run.may_go_on():
        name = probing.most_telling_hello(left, observed)
        if name is None:
            break
        observed = yield from run.probe(left.pop(name), observed)
        if not observed.probes[-1].signal.startswith(HELLO):
            break
    return observed


def diagnosis_part(explained: Explained, observed: Observed) -> DiagnosisPart:
    """The explanation as part of a report, with the observations that it was made from."""
    notes = (*observed.notes, *explained.notes)
    if observed.lowered_security:
        notes += ("OpenSSL's default security level refuses to present this credential: it was lowered for this run",)
    if observed.probes_ended:
        notes += (f"no more probes: {observed.probes_ended}",)
    return DiagnosisPart(
        side=explained.side, causes=explained.causes, probes=explained.probes, headline=explained.headline, phase=explained.phase,
        server_family=explained.family, server_family_confidence=explained.family_confidence, notes=notes,
        observed=msgspec.to_builtins(observed),
    )


def _leaving_time(plan: HandshakePlan, options: Options) -> HandshakePlan:
    """The plan of the first try. A server that says nothing must not use up the time in which a probe could tell why."""
    if not options.probes:
        return plan
    most = max(LEAST_HANDSHAKE_SECONDS, plan.timeouts.total * FIRST_SHARE)
    return plan._replace(timeouts=plan.timeouts._replace(handshake=min(plan.timeouts.handshake, most)))


def run(settings: Settings, options: Options = NOTHING_SPECIAL) -> Generator[Step, Any, Report]:
    """The whole diagnosis of one target. Returns its report, which carries the observations."""
    from inspector.app import privileged, steps

    plan = _leaving_time(handshake_plan(settings), options)
    protocol = steps.resolve_protocol(settings.app, settings.starttls, settings.target.port)
    transcript = yield plan

    def gathered(seen: Transcript) -> Facts:
        return gather(seen, settings.credential, protocol=protocol, anchors=settings.trust.anchors, now=settings.now or None,
                      options=options)

    facts = gathered(transcript)
    if options.probes and not _interrupted(transcript):
        state = _Run(plan, options, transcript)
        second = second_try(plan, facts.observed.signal, http=protocol == "http" and settings.alpn is None)
        if second is not None:
            further, probe = yield from _try_second(state, second)
            if further is not None:
                transcript, facts = further, gathered(further)
            facts = _with_probe(facts, probe, second.note)
        if _is_silent(facts.observed) and state.may_go_on():
            facts = yield from _compare_silence(state, facts)
        else:
            ways = Ways(
                http2=protocol == "http" and settings.alpn is None and "h2" not in state.plan.alpn,
                privileged=privileged.step_of(protocol, greeted=settings.starttls is None),
            )
            transcript, facts = yield from settle(state, State(transcript, facts), gathered, ways)
        observed = yield from _probe(state, facts)
        observed = msgspec.structs.replace(observed, probes_ended=state.ended)
    else:
        observed = facts.observed
    explained = explain(observed, evidence_of(facts.findings))
    if _interrupted(transcript):  # what did not come may have been on its way
        explained = explained._replace(side="nobody", causes=(), headline="the run was interrupted before the server had its say")
    report = build_report("diagnose", transcript, settings, diagnosis=diagnosis_part(explained, observed), judged=facts.auth)
    if not isinstance(report.credential, msgspec.Struct):
        return report
    # those that were judged with what the server is believed to trust
    return msgspec.structs.replace(report, credential=msgspec.structs.replace(report.credential, findings=facts.findings))


# ---- without network -----------------------------------------------------------------------------
def from_transcript(transcript: Transcript, credential: Credential | None = None) -> DiagnosisPart:
    """The diagnosis of a connection that is over, as of a capture. ``credential``: the one that was used, where it is at hand."""
    result = transcript.last(ev.ApplicationResult)
    protocol = result.result.protocol if result is not None else "none"
    facts = gather(transcript, credential, protocol=protocol, now=transcript.started or None)
    return diagnosis_part(explain(facts.observed, evidence_of(facts.findings)), facts.observed)


def from_report(report: Report) -> Report:
    """The same report with its diagnosis made anew from what it carries. Raises ValueError where it is of no connection."""
    from inspector.session.saved import observed_in

    observed = observed_in(report)
    findings = report.credential.findings if report.credential else ()
    part = diagnosis_part(explain(observed, evidence_of(findings)), observed)
    return msgspec.structs.replace(report, command="diagnose", diagnosis=part)
