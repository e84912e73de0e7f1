"""``mtls diagnose``: the first try with your own credential, the probes that can still change the ranking, and the explanation.

At most eight handshakes in all. Probes are polite: one at a time, a second apart where the server is not on this machine, announced
before they are made, ended by HTTP 429 or a refused connection, and by the time that the user gave for the whole run.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Any, NamedTuple

import msgspec

from inspector.analysis import diagnosis, flights, probing
from inspector.analysis.authority import Standing, standing
from inspector.analysis.client_auth import ClientAuth, judge
from inspector.analysis.explanation import Explained, explain, outcome_words
from inspector.analysis.findings import Evidence, Finding
from inspector.analysis.observations import HELLO, Observed, ProbeSeen
from inspector.analysis.observe import observe, phase_of_end, signal_of
from inspector.credentials.model import Credential
from inspector.plan import HandshakePlan, Pause, Step, TlsVersion
from inspector.report.build import build_report
from inspector.report.model import DiagnosisPart, Report
from inspector.session.settings import Settings, handshake_plan
from inspector.trace import events as ev
from inspector.trace.transcript import Transcript

MOST_HANDSHAKES = 8
POLITE_SECONDS = 1.0
LEAST_SECONDS = 1.0  # what must be left of --timeout for another probe
LEAST_HANDSHAKE_SECONDS = 2.0
FIRST_SHARE = 0.4  # of --timeout, for the first try's handshake
READ_ONLY_SECONDS = 1.5
SMALL_GROUPS = "X25519:P-256"
NO_STAPLE = "without asking for a staple"
# ends in the hello phase that name no reason, so that an extension of ours may be to blame
WITHOUT_A_REASON = frozenset({HELLO + signal for signal in ("close", "reset", "alert:40", "alert:47", "alert:50", "alert:80",
    "alert:110")})
LARGE_HELLO = 1200  # bytes; what is smaller fits one packet

Probing = Generator[Step, Any, Observed]


class Options(NamedTuple):
    """What ``mtls diagnose`` is asked beside the settings common to all commands."""

    probes: bool = True
    client_ca: tuple[bytes, ...] = ()  # what the server is believed to trust, DER
    crls: tuple[bytes, ...] = ()  # DER
    announce: Callable[[str], None] = lambda _: None


NOTHING_SPECIAL = Options()


class Probe(NamedTuple):
    """One counterfactual handshake: what differs from the first, and how to make its plan (late: keys are dear)."""

    name: str
    differs: str
    plan: Callable[[], HandshakePlan]


# ---- what is known beside the transcript ----------------------------------------------------------
def known_authorities(transcript: Transcript, anchors: Iterable[bytes]) -> tuple[bytes, ...]:
    """CA certificates at hand: of the server's own chain, of the path that was verified, of ``--cacert``."""
    judged = transcript.last(ev.Judged)
    own = (flights.server_chain(transcript) or ())[1:]
    path = judged.path[1:] if judged is not None else ()
    return tuple(dict.fromkeys((*own, *path, *anchors)))


def _findings(credential: Credential | None, now: float, listed: tuple[bytes, ...], options: Options) -> tuple[Finding, ...]:
    if credential is None:
        return ()
    from inspector.analysis.credential import judge_credential

    return judge_credential(credential, now, anchors=options.client_ca, crls=options.crls, known_names=listed)


def _evidence_of(findings: Iterable[Finding]) -> dict[str, tuple[Evidence, ...]]:
    found: dict[str, tuple[Evidence, ...]] = {}
    for finding in findings:
        said = (Evidence(text=finding.summary), *finding.evidence)
        found[finding.id] = (*found.get(finding.id, ()), *said)
    return found


def _opinion(
    chain: tuple[bytes, ...], options: Options, now: float | None
) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """Causes that OpenSSL finds with the files that the server is believed to use; (None, ()) where none are given."""
    if not options.client_ca or not chain:
        return None, ()
    from inspector.analysis.observations import CODE_CAUSES
    from inspector.engine.verify import verify_client

    judged = verify_client(chain, options.client_ca, options.crls, now=now)
    causes = dict.fromkeys(cause for error in judged.errors for cause in CODE_CAUSES.get(error.code, ()))
    details = tuple(f"OpenSSL here: {error.name} (error {error.code}) at depth {error.depth}" for error in judged.errors)
    if judged.alert is not None:
        details += (f"it would send {outcome_words(ProbeSeen(name='', signal=f'alert:{judged.alert}'))}",)
    return tuple(causes), details


class Facts(NamedTuple):
    """The first try, and all that it rests on."""

    observed: Observed
    standing: Standing
    auth: ClientAuth
    findings: tuple[Finding, ...]
    match: tuple[Any, ...] = ()


def gather(
    transcript: Transcript, credential: Credential | None, *, protocol: str, anchors: tuple[bytes, ...] = (),
    now: float | None = None,
    options: Options = NOTHING_SPECIAL,
) -> Facts:
    """Everything that a diagnosis rests on, from one transcript and the credential that was used (None: none, or not known)."""
    auth = judge(transcript)
    chain = auth.sent_chain or (credential.chain if credential is not None else ())
    stand = standing(chain, auth.authorities, known_authorities(transcript, (*anchors, *options.client_ca)))
    now = now or transcript.started
    findings = _findings(credential or _as_credential(auth.sent_chain), now, auth.authorities, options)
    rules = _match(transcript, credential)
    fits = next((rule.ok for rule in rules if rule.rule == "signature-scheme"), None)
    unlisted = tuple(rule.detail for rule in rules if rule.rule == "chain-signatures" and rule.ok is False)
    observed = observe(
        transcript, auth, stand, protocol=protocol, has_credential=credential is not None or bool(auth.sent_chain),
        findings=tuple(dict.fromkeys(f.id for f in findings)), scheme_fits=fits,
    )
    opinion, details = _opinion(chain, options, now)
    observed = msgspec.structs.replace(
        observed, opinion=opinion, opinion_detail=details, unusual=(*observed.unusual, *unlisted),
        lowered_security=credential is not None and bool(_lowered(credential)),
    )
    return Facts(observed, stand, auth, findings, rules)


def _as_credential(chain: tuple[bytes, ...]) -> Credential | None:
    """A chain that was seen on the wire, as a credential without its key, so that it can be judged."""
    return Credential("capture", chain, None) if chain else None


def _match(transcript: Transcript, credential: Credential | None) -> tuple[Any, ...]:
    seen = flights.survey(transcript)
    if seen.request is None or isinstance(seen.request.value, Exception):
        return ()
    from inspector.analysis.match import match, request_of

    return match(request_of(seen.request.value), credential or _as_credential(seen.sent_chain))


def _lowered(credential: Credential) -> bool:
    if credential.key is None:
        return False
    from inspector.engine.context import needs_lower_level

    return needs_lower_level(credential)


# ---- the probes ----------------------------------------------------------------------------------
def _kind_of_key(leaf: bytes) -> str:
    """The kind of key that ``credentials.mint`` makes for a throw-away like this certificate."""
    from inspector.der.certificate import parse

    cert = parse(leaf)
    if cert.key_type == "RSA":
        return "rsa-2048"
    curve = (cert.key_curve or "").replace("-", "").lower().removeprefix("secp").removesuffix("r1")
    kinds = {"EC": f"ec-p{curve.removeprefix('p')}", "Ed25519": "ed25519", "Ed448": "ed448"}
    kind = kinds.get(cert.key_type or "", "ec-p256")
    return kind if kind in {"ec-p256", "ec-p384", "ec-p521", "ed25519", "ed448"} else "ec-p256"


def _self_signed(chain: tuple[bytes, ...]) -> Credential:
    from inspector.credentials import mint

    return mint.leaf("mtls-inspector probe", key=_kind_of_key(chain[0])).credential("throw-away, self-signed")


def _lookalike(chain: tuple[bytes, ...], listed: bytes) -> Credential:
    from inspector.credentials import mint

    twin = mint.authority("probe", subject=listed)
    made = mint.leaf("mtls-inspector probe", twin, key=_kind_of_key(chain[0]), issuer_name=listed)
    return made.credential("throw-away, of a CA with the trusted name")


def certificate_probes(plan: HandshakePlan, facts: Facts) -> tuple[Probe, ...]:
    """What can be tried to tell the causes of a refusal apart. Only throw-away credentials and your own are presented."""
    observed, credential = facts.observed, plan.credential
    chain = credential.chain if credential is not None else ()
    if credential is None or not observed.sent:
        return ()

    def presenting(name: str, make: Callable[[], Credential | None]) -> Callable[[], HandshakePlan]:
        return lambda: plan._replace(name=name, credential=make())

    found = [
        Probe("no certificate", "no certificate is sent", presenting("no certificate", lambda: None)),
        Probe("throw-away self-signed certificate", "a self-signed certificate with the same type of key",
              presenting("throw-away self-signed certificate", lambda: _self_signed(chain))),
    ]
    if facts.auth.authorities:
        listed = facts.auth.authorities[0]
        found.append(Probe("throw-away CA with the trusted name", f"a certificate of a made-up CA named '{observed.listed[0]}'",
                           presenting("throw-away CA with the trusted name", lambda: _lookalike(chain, listed))))
    if len(chain) > 1:
        alone = credential._replace(chain=chain[:1])
        found.append(Probe("same certificate alone", "your certificate without the others in its file",
                           presenting("same certificate alone", lambda: alone)))
    whole = (*facts.standing.sorted_chain, *facts.standing.missing)
    if whole[:1] == chain[:1] and whole != chain and set(whole) != set(chain) - _roots(chain):
        complete = credential._replace(chain=whole)
        found.append(Probe("same certificate with its whole chain", f"{len(whole)} certificates, completed from CAs known here",
                           presenting("same certificate with its whole chain", lambda: complete)))
    elif "chain-order" in observed.findings and whole[:1] == chain[:1]:
        ordered = credential._replace(chain=whole)
        found.append(Probe("same certificate with its whole chain", "the same certificates in order",
                           presenting("same certificate with its whole chain", lambda: ordered)))
    found += _version_probes(plan, observed)
    return tuple(found)


def _roots(chain: tuple[bytes, ...]) -> set[bytes]:
    from inspector.der.certificate import parse

    return {der for der in chain[1:] if parse(der).is_self_issued}


def _version_probes(plan: HandshakePlan, observed: Observed) -> list[Probe]:
    """The other TLS version, where the user's limits allow it."""
    found = []
    for text, version in (("1.2", TlsVersion.TLS1_2), ("1.3", TlsVersion.TLS1_3)):
        low = plan.minimum.value if plan.minimum else 0
        high = plan.maximum.value if plan.maximum else 0xFFFF
        if observed.tls == text or not low <= version.value <= high:
            continue
        name = f"over TLS {text}"
        found.append(Probe(name, f"TLS {text} only", lambda name=name, version=version: plan._replace(  # type: ignore[misc]
            name=name, minimum=version, maximum=version)))
    return found


def hello_probes(plan: HandshakePlan, observed: Observed) -> tuple[Probe, ...]:
    """What can be tried where it never came to certificates. None of them presents a credential."""
    bare = plan._replace(credential=None)
    found: list[Probe] = []
    signal = observed.signal.removeprefix(HELLO)
    if (observed.hello_size or 0) > LARGE_HELLO and signal in {"silence", "reset", "close"} and plan.groups is None:
        found.append(Probe("small ClientHello", "small key shares only, so that the ClientHello fits one packet",
                           lambda: bare._replace(name="small ClientHello", groups=SMALL_GROUPS)))
    if plan.server_name is not None and signal not in {"network", "plain"}:
        found.append(Probe("without a server name", "no SNI", lambda: bare._replace(name="without a server name",
            server_name=None)))
    if plan.alpn and signal not in {"network", "plain"}:
        found.append(Probe("without ALPN", "no ALPN", lambda: bare._replace(name="without ALPN", alpn=())))
    if signal not in {"network", "plain"} and plan.minimum is None:
        found.append(Probe("all versions", "TLS 1.0 and 1.1, too, up to your limit", lambda: bare._replace(
            name="all versions", minimum=TlsVersion.TLS1_0, security_level=0)))
    if plan.ciphers is None and signal not in {"network", "plain"}:
        found.append(Probe("all ciphers", "every cipher suite that OpenSSL has", lambda: bare._replace(
            name="all ciphers", ciphers="ALL:COMPLEMENTOFALL", security_level=0)))
    return tuple(found)


# ---- the run -------------------------------------------------------------------------------------
class _Run:
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
        return msgspec.structs.replace(observed, probes=(*observed.probes, self.seen(probe, transcript)))

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
        return ProbeSeen(
            name=probe.name, signal=signal_of(transcript, auth), differs=probe.differs, phase=phase_of_end(transcript, auth),
        )

    def _look_for_end(self, transcript: Transcript) -> None:
        result = transcript.last(ev.ApplicationResult)
        reply = getattr(result.result, "http", None) if result is not None else None
        if reply is not None and reply.status == 429:
            self.ended = "the server asked for fewer requests (HTTP 429)"
        elif transcript.first(ev.Connected) is None:
            self.ended = "the server refused a further connection"


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


def _read_only(run: _Run, observed: Observed) -> Probing:
    """Once more, only listening: an alert that was lost to our writing is heard then."""
    quiet = run.plan.timeouts._replace(verdict=READ_ONLY_SECONDS)
    probe = Probe("again, without writing", "nothing is sent after the handshake, to hear an alert that may have been lost",
                  lambda: run.plan._replace(name="again, without writing", application=None, timeouts=quiet))
    listened = yield from run.probe(probe, observed)
    heard = listened.probes[-1]
    if heard.signal == "accepted":  # nothing was asked, so nothing was accepted
        heard = msgspec.structs.replace(heard, signal="silence")
    observed = msgspec.structs.replace(observed, probes=(*observed.probes, heard))
    if heard.signal.startswith("alert:"):
        return msgspec.structs.replace(
            observed, signal=heard.signal, phase=heard.phase,
            notes=(*observed.notes, "the first try lost the server's alert; a second, read-only one heard it"),
        )
    return observed


def _probe_certificates(run: _Run, facts: Facts) -> Probing:
    observed = facts.observed
    if observed.alert_lost and run.may_go_on():
        observed = yield from _read_only(run, observed)
    left = {probe.name: probe for probe in certificate_probes(run.plan, facts)}
    while left and run.may_go_on():
        first = diagnosis.rank(observed).candidates[0]
        name = probing.most_telling(left, observed, first)
        if name is None:
            break
        observed = yield from run.probe(left.pop(name), observed)
    return observed


def _without_staple(run: _Run) -> Generator[Step, Any, tuple[Transcript | None, ProbeSeen]]:
    """The first try once more, without asking for a stapled OCSP response: some servers fail on that extension alone.

    Returns the transcript where it got further (what follows is then tried in the same way), and the probe.
    """
    plan = run.plan._replace(staple=False)
    probe = Probe(NO_STAPLE, "the ClientHello does not ask for a stapled OCSP response", lambda: plan)
    transcript = yield from run.make(probe)
    seen = run.seen(probe, transcript)
    if seen.signal.startswith(HELLO):
        return None, seen
    run.plan = plan
    return transcript, seen


def _with_probe(facts: Facts, probe: ProbeSeen) -> Facts:
    observed = msgspec.structs.replace(facts.observed, probes=(*facts.observed.probes, probe))
    if not probe.signal.startswith(HELLO):
        note = "the server fails on a ClientHello that asks for a stapled OCSP response; all else was tried without asking"
        observed = msgspec.structs.replace(observed, notes=(*observed.notes, note))
    return facts._replace(observed=observed)


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
    from inspector.app import steps

    plan = _leaving_time(handshake_plan(settings), options)
    protocol = steps.resolve_protocol(settings.app, settings.starttls, settings.target.port)
    transcript = yield plan

    def gathered(seen: Transcript) -> Facts:
        return gather(seen, settings.credential, protocol=protocol, anchors=settings.trust.anchors, now=settings.now or None,
                      options=options)

    facts = gathered(transcript)
    if options.probes:
        state = _Run(plan, options, transcript)
        if facts.observed.signal in WITHOUT_A_REASON:
            second, probe = yield from _without_staple(state)
            if second is not None:
                transcript, facts = second, gathered(second)
            facts = _with_probe(facts, probe)
        observed = yield from _probe(state, facts)
        observed = msgspec.structs.replace(observed, probes_ended=state.ended)
    else:
        observed = facts.observed
    explained = explain(observed, _evidence_of(facts.findings))
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
    return diagnosis_part(explain(facts.observed, _evidence_of(facts.findings)), facts.observed)


def from_report(report: Report) -> Report:
    """The same report with its diagnosis made anew from what it carries. Raises ValueError where it is of no connection."""
    from inspector.session.saved import observed_in

    observed = observed_in(report)
    findings = report.credential.findings if report.credential else ()
    part = diagnosis_part(explain(observed, _evidence_of(findings)), observed)
    return msgspec.structs.replace(report, command="diagnose", diagnosis=part)
