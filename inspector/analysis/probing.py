"""Which probe would tell most: the value of a counterfactual handshake, computed from the same model that judges its outcome."""

from __future__ import annotations

import math
from collections.abc import Iterable

from inspector.analysis.causes import HELLO_CAUSES
from inspector.analysis.diagnosis import (
    ANYTHING,
    HELLO_PROBES,
    PROBES,
    Candidate,
    predict_probe,
    rank_hello,
    weigh,
)
from inspector.analysis.families import FAMILIES
from inspector.analysis.observations import Observed

OUTCOMES = ("accepted", *ANYTHING)
NEGLIGIBLE = 0.004  # share of a pair (cause, family) that is not looked at
ENOUGH_INFORMATION = 0.06  # bits
ENOUGH_GAIN = 0.004  # of the chance to name the right cause
SURE = 0.985
IN_QUESTION = 0.1


def _entropy(shares: Iterable[float]) -> float:
    return -sum(p * math.log2(p) for p in shares if p > 0)


def value(name: str, observed: Observed) -> tuple[float, float]:
    """(expected gain of the chance that the first cause is right, expected information in bits) of one probe."""
    by_family = {family.name: family for family in FAMILIES}
    weights = weigh(observed)
    total = sum(weights.values()) or 1.0
    pairs = [(cause, by_family[family], w / total) for (cause, family), w in weights.items() if w / total > NEGLIGIBLE]
    now: dict[str, float] = {}
    for cause, _, share in pairs:
        now[cause] = now.get(cause, 0.0) + share
    mass = sum(now.values())
    best = certain = left = 0.0
    for outcome in OUTCOMES:
        then: dict[str, float] = {}
        for cause, family, share in pairs:
            then[cause] = then.get(cause, 0.0) + share * predict_probe(name, outcome, cause, family, observed)
        chance = sum(then.values())
        if chance <= 0:
            continue
        certain += chance
        best += max(then.values())
        left += chance * _entropy(share / chance for share in then.values())
    gain = best - max(now.values()) * certain / mass
    return gain, max(0.0, _entropy(share / mass for share in now.values()) - left / (certain or 1.0))


def most_telling(names: Iterable[str], observed: Observed, first: Candidate) -> str | None:
    """The probe among ``names`` that is worth a handshake, or None where none can still change the ranking."""
    if first.confidence > SURE:
        return None
    scored = []
    for name in names:
        if name not in PROBES:
            continue
        gain, information = value(name, observed)
        if gain > ENOUGH_GAIN or information > ENOUGH_INFORMATION:
            scored.append((gain * 4 + information, name))
    return max(scored)[1] if scored else None


# who is let in without a certificate is answered, and the answer bears the server's clock (Date)
SHOWS_THE_CLOCK = "no certificate"


def for_the_clock(names: Iterable[str], observed: Observed, candidates: Iterable[Candidate]) -> str | None:
    """The probe that may show the server's clock, where that is in question and was not seen; None where it is not."""
    if observed.protocol != "http" or observed.clock_skew is not None or SHOWS_THE_CLOCK not in names:
        return None
    return SHOWS_THE_CLOCK if any(c.id == "server-clock" and c.confidence > IN_QUESTION for c in candidates) else None


def most_telling_hello(names: Iterable[str], observed: Observed) -> str | None:
    """The same before certificates: the probe that takes away the likeliest cause."""
    candidates = rank_hello(observed)
    if not candidates or candidates[0].confidence > SURE:
        return None
    by_cause = {HELLO_PROBES[name]: name for name in names}
    return next((by_cause[c.id] for c in candidates if c.id in by_cause and c.confidence > 0.03), None)


assert set(HELLO_PROBES.values()) <= set(HELLO_CAUSES)  # a probe takes away a cause that exists
