"""Observations as a test writes them: what differs from a good credential that a server of the OpenSSL kind refused."""

from __future__ import annotations

from typing import Any

import msgspec

from inspector.analysis import diagnosis
from inspector.analysis.observations import Observed, ProbeSeen
from inspector.analysis.stacks import SCHEME_ORDERS, TYPE_ORDERS

GOOD = Observed(
    verdict="rejected", signal="alert:48", phase="awaiting_verdict", tls="1.3", protocol="http", requested=True, when="handshake",
    listed=("CN=Root A",), has_credential=True, sent=2, scheme_fits=True, issuers=1, relation="linked", key_check="genuine",
)


def seen(signal: str, *findings: str, stack: str = "openssl", tls: str = "1.3", **changes: Any) -> Observed:
    """A refusal with ``signal`` of a credential with ``findings`` by a server whose request looks like ``stack``."""
    schemes = SCHEME_ORDERS[stack][0] if stack else (0x0401, 0x0809, 0x0501)
    types = TYPE_ORDERS[stack] if stack and tls == "1.2" else ()
    return msgspec.structs.replace(
        GOOD, signal=signal, findings=findings, schemes=schemes, types=types, tls=tls, **changes,
    )


def unsent(signal: str, **changes: Any) -> Observed:
    """The same without any certificate."""
    nothing = {"has_credential": False, "sent": 0, "issuers": 0, "relation": "unknown", "key_check": "unknown", "scheme_fits": None}
    return seen(signal, **{**nothing, **changes})


def probed(observed: Observed, **signals: str) -> Observed:
    """With these probes: ``none``, ``throw_away``, ``lookalike``, ``alone``, ``whole``."""
    names = {
        "none": "no certificate", "throw_away": "throw-away self-signed certificate", "alone": "same certificate alone",
        "lookalike": "throw-away CA with the trusted name", "whole": "same certificate with its whole chain",
    }
    made = tuple(ProbeSeen(name=names[short], signal=signal) for short, signal in signals.items())
    return msgspec.structs.replace(observed, probes=(*observed.probes, *made))


def first(observed: Observed) -> str:
    """The likeliest cause."""
    return diagnosis.rank(observed).candidates[0].id


def confidence(observed: Observed, cause: str) -> float:
    return next(c.confidence for c in diagnosis.rank(observed).candidates if c.id == cause)
