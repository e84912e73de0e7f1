"""A server's chain judged without a connection: OpenSSL, a second verifier, and the rules that both leave out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from inspector.analysis import profile
from inspector.analysis.findings import Finding
from inspector.analysis.second_opinion import SecondOpinion, ask
from inspector.analysis.x509_errors import meaning
from inspector.engine.verify import Opinion, verify_server
from inspector.errors import InputError
from inspector.plan import Trust


class ChainVerdict(NamedTuple):
    """``accepted``: both verifiers accept. ``clean``: and no rule of ``analysis.profile`` has anything to say. ``why`` in words."""

    accepted: bool
    clean: bool
    openssl: Opinion
    second: SecondOpinion
    findings: tuple[Finding, ...]
    why: tuple[str, ...]


def _openssl(chain: Sequence[bytes], anchors: Sequence[bytes], host: str | None, now: float, max_depth: int | None) -> Opinion:
    try:
        return verify_server(chain, Trust(tuple(anchors)), host=host, now=now, strict=True, depth=max_depth)
    except InputError:  # a trust anchor that OpenSSL cannot read trusts nothing
        return Opinion((), None, accepted=False, judged=False)


def verify_chain(
    chain: Sequence[bytes], anchors: Sequence[bytes], host: str | None, now: float, max_depth: int | None = None,
) -> ChainVerdict:
    """Judge a server's chain (DER, leaf first) as of ``now`` by RFC 5280's strict reading. ``max_depth`` counts intermediates."""
    openssl = _openssl(chain, anchors, host, now, max_depth)
    second = ask(chain, anchors, host, now, max_depth)
    findings = profile.findings_of(openssl.path or chain)
    why = [f"OpenSSL, depth {error.depth}: {meaning(error.code).summary}" for error in openssl.errors]
    if not openssl.judged:
        why.append("OpenSSL cannot read the certificates")
    if not second.accepts:
        why.append(f"cryptography: {second.reason}")
    why += [f"profile: {evidence.text}" for finding in findings for evidence in finding.evidence]
    accepted = openssl.accepted and bool(second.accepts)
    return ChainVerdict(accepted, accepted and not findings, openssl, second, findings, tuple(why))
