"""Everything that a diagnosis rests on: from a transcript, the credential, and what is known of the server beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from inspector.analysis import flights
from inspector.analysis.authority import Standing, standing
from inspector.analysis.client_auth import ClientAuth, judge
from inspector.analysis.evidence import outcome_words
from inspector.analysis.findings import Evidence, Finding
from inspector.analysis.observations import Observed, ProbeSeen
from inspector.analysis.observe import observe, rare_curve
from inspector.credentials.model import Credential
from inspector.trace import events as ev
from inspector.trace.transcript import Transcript


class Options(NamedTuple):
    """What ``mtls diagnose`` is asked beside the settings common to all commands."""

    probes: bool = True
    client_ca: tuple[bytes, ...] = ()  # what the server is believed to trust, DER
    crls: tuple[bytes, ...] = ()  # DER
    announce: Callable[[str], None] = lambda _: None


NOTHING_SPECIAL = Options()


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


def evidence_of(findings: Iterable[Finding]) -> dict[str, tuple[Evidence, ...]]:
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
        unlisted=bool(unlisted) or (observed.tls == "1.2" and rare_curve(auth.sent_chain)),
        edge=_nearest_edge(chain, now),
        lowered_security=credential is not None and bool(_lowered(credential)),
    )
    return Facts(observed, stand, auth, findings, rules)


def _nearest_edge(chain: tuple[bytes, ...], now: float | None) -> float | None:
    """Seconds by which a clock must be wrong for these certificates to look out of date; None where one of them is."""
    from inspector.der.certificate import parse

    if not chain or not now:
        return None
    dates = [parse(der) for der in chain]
    edges = [edge for cert in dates if cert.not_before is not None and cert.not_after is not None
             for edge in (now - cert.not_before, cert.not_after - now)]
    return min(edges) if edges and min(edges) >= 0 else None


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
