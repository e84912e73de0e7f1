"""Why was it refused? A small inference, the same for every server: causes, weighed by what was observed.

Theory of operation. Two things are unknown: the *cause* and the *family* of the server (``families``). For each pair

    weight(cause, family) = odds of the cause, given what the credential shows     (``causes``)
                          x how likely this family is, by its CertificateRequest and what it says of itself
                          x how readily this family refuses for the cause at all
                          x how likely it then answers as it did                   (its ``answers``)
                          x the same for each probe, for which the cause and the family predict an answer, too

and a cause's confidence is its share of the sum over all families. So an alert 42 means 'not yet valid' from a server that looks
like OpenSSL, and 'anything' from one that looks like an older Go; a server that looks like nothing known is judged by the mixture
of all. Every factor has a floor: no single observation can rule anything out.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from inspector.analysis import stacks
from inspector.analysis.answers import Row
from inspector.analysis.causes import CAUSES, HELLO_CAUSES, PATH_FAULTS, State
from inspector.analysis.families import FAMILIES, Family
from inspector.analysis.observations import HELLO, Observed, ProbeSeen

# What any server may answer to anything, and the share of it in each prediction.
ANYTHING: Row = {
    "alert:40": 0.08, "alert:42": 0.1, "alert:43": 0.04, "alert:44": 0.02, "alert:45": 0.04, "alert:46": 0.1, "alert:47": 0.02,
    "alert:48": 0.08, "alert:49": 0.04, "alert:50": 0.02, "alert:51": 0.03, "alert:80": 0.04, "alert:116": 0.03, "close": 0.1,
    "reset": 0.06, "dropped": 0.02, "silence": 0.02, "page:missing": 0.02, "page:invalid": 0.06, "denied": 0.06, "error": 0.04,
}
OTHER_ANSWERS = sum(ANYTHING.values())
FLOOR = 0.01
HELLO_FLOOR = 0.0005
FAMILIAR = 0.3  # likelihood of a CertificateRequest from which on a library counts as recognised
UNHEARD_OF = 0.01  # of a signal that stands in no table

# A server answers the same fault as it did before, but for this share: two answers to one credential are one observation.
OTHERWISE = 0.1

# Of a reply whose words name causes: what a cause that they do not name keeps.
NOT_NAMED = 0.03
# Of a verification with the operator's own CA file: what a fault that it did not find keeps, and a hidden one that it cannot see.
NOT_FOUND = 0.05

# The reason for which a family takes a CA for unknown although its name is listed: it compares names byte for byte.
NAMES_DIFFER = "names-differ"
# A key that fits no scheme cannot be used, so TLS sends an empty Certificate: the server sees that nothing came.
NOTHING = "no-certificate"

Weights = dict[tuple[str, str], float]  # (cause, family) -> weight


class Candidate(NamedTuple):
    """A cause, how sure, and its state."""

    id: str
    confidence: float
    state: State


class Ranking(NamedTuple):
    """The outcome of the inference: candidates, most likely first, and the families likewise."""

    candidates: tuple[Candidate, ...]
    families: tuple[tuple[Family, float], ...]
    weights: Weights


# ---- who the server is ---------------------------------------------------------------------------
def _resemblance(seen: tuple[int, ...], order: tuple[int, ...]) -> float:
    """How much ``seen`` begins like ``order``, 0 to 1. Schemes that ``order`` does not know cost little; in front, where newer
    versions of a library put new ones, nothing.
    """
    start = next((place for place, number in enumerate(seen) if number in order), len(seen))
    same = strangers = 0
    for number in seen[start:]:
        if same == len(order):
            break
        if number == order[same]:
            same += 1
        elif number in order:
            break
        else:
            strangers += 1
    return same / len(order) * 0.9**strangers


def stack_likelihoods(observed: Observed) -> dict[str, float]:
    """For each TLS library, how well the CertificateRequest fits it (1: as it writes them; small: it does not)."""
    found: dict[str, float] = {}
    for stack, orders in stacks.SCHEME_ORDERS.items():
        likelihood = 1.0
        if observed.schemes:
            best = max(_resemblance(observed.schemes, order) for order in orders)
            likelihood *= 0.03 + 0.97 * best**3
        if observed.types:
            likelihood *= 1.0 if observed.types == stacks.TYPE_ORDERS.get(stack) else 0.25
        found[stack] = likelihood
    return found


def _known_product(product: str | None) -> bool:
    return bool(product) and any(re.search(f.products, product or "", re.IGNORECASE) for f in FAMILIES)


def _product_factor(family: Family, product: str | None) -> float:
    """What the Server header, the page or the protocol says for or against a family; an unknown product says nothing."""
    if not product or not _known_product(product):
        return 1.0
    return 3.0 if re.search(family.products, product, re.IGNORECASE) else 0.35


def familiarity(observed: Observed) -> float:
    """How much this server looks like any that is known here, 0 to 1: a family can be the likeliest and still be a stranger."""
    if not observed.schemes or _known_product(observed.product):
        return 1.0
    return min(1.0, max(stack_likelihoods(observed).values()) / FAMILIAR)


# families that speak HTTP and nothing else
HTTP_ONLY = frozenset({"nginx"})


def family_priors(observed: Observed) -> dict[str, float]:
    """How likely each family is before its answers are looked at; they add up to 1."""
    likely = stack_likelihoods(observed)
    best = max(likely.values(), default=1.0)
    found = {}
    for family in FAMILIES:
        fits = 0.4 * max(best, 0.1) if family.stack is None else likely[family.stack]
        found[family.name] = family.prior * max(fits, 0.005) * _product_factor(family, observed.product)
        if family.name in HTTP_ONLY and observed.protocol not in {"http", "none"}:
            found[family.name] *= 0.02
    total = sum(found.values())
    return {name: weight / total for name, weight in found.items()}


# ---- what a cause predicts -----------------------------------------------------------------------
def _mixed(row: Row, signal: str) -> float:
    return (1 - FLOOR) * row.get(signal, 0.0) / (sum(row.values()) or 1.0) + FLOOR * ANYTHING.get(signal, UNHEARD_OF)


def predict(cause: str, family: Family, signal: str, tls: str | None) -> float:
    """How likely ``family`` refuses with ``signal`` when ``cause`` is the reason."""
    if cause == NOTHING:
        rows = [family.missing[tls]] if tls in family.missing else list(family.missing.values())
        value = sum(_mixed(row, signal) for row in rows) / len(rows)
        return 0.93 * value + 0.07 * {"denied": 0.5, "page:missing": 0.4, "page:late": 0.1}.get(signal, 0.0)
    row = family.answers.get(cause) or family.answers["*"]
    if cause == "not-authorised":
        return (1 - family.hooks) * _mixed(family.denial, signal) + family.hooks * _mixed(row, signal)
    return _mixed(row, signal)


def _opinion_factor(cause: str, observed: Observed) -> float:
    """What a verification with the operator's own files says for or against a cause."""
    if observed.opinion is None:
        return 1.0
    if cause in observed.opinion:
        return 1.0
    if cause in PATH_FAULTS:
        return NOT_FOUND
    # it found a fault, so a hidden one is less needed
    return 0.3 if observed.opinion else 1.0


def cause_odds(observed: Observed) -> dict[str, tuple[float, State]]:
    """Odds and state of each cause before any answer of the server is looked at."""
    found: dict[str, tuple[float, State]] = {}
    for row in CAUSES:
        state = row.see(observed)
        odds = row.odds[state] * _opinion_factor(row.id, observed)
        if observed.said and row.id != "no-certificate" and observed.sent:
            odds *= 1.0 if row.id in observed.said else NOT_NAMED
        found[row.id] = odds, state
    return found


# ---- what probes predict -------------------------------------------------------------------------
class Expected(NamedTuple):
    """What a probe is expected to come to: as if the credential had this fault, unless the server would accept it."""

    as_cause: str | None  # None: as the cause under judgement
    accepted_if: tuple[str, ...] = ()  # causes that this probe takes away
    accepted_else: float = 0.03  # the server accepts it although it should not
    accepted_then: float = 0.9  # with the cause taken away
    tls: str | None = None


PROBES: dict[str, Expected] = {
    "no certificate": Expected("no-certificate", accepted_else=0.12),
    "throw-away self-signed certificate": Expected("self-signed", accepted_else=0.04),
    "throw-away CA with the trusted name": Expected("lookalike-ca", accepted_else=0.02),
    "same certificate alone": Expected("missing-intermediate", ("chain-order", "intermediate-expired"), 0.1, 0.5),
    "same certificate with its whole chain": Expected(None, ("missing-intermediate", "chain-order"), 0.02, 0.93),
    "over TLS 1.2": Expected(None, ("signature-algorithm",), 0.02, 0.5, "1.2"),
    "over TLS 1.3": Expected(None, ("signature-algorithm",), 0.02, 0.6, "1.3"),
}


def predict_probe(name: str, signal: str, cause: str, family: Family, observed: Observed) -> float:
    """How likely the probe comes to ``signal`` when ``cause`` is the reason of the first refusal."""
    expected = PROBES.get(name)
    if expected is None:
        return 1.0
    accepted = expected.accepted_then if cause in expected.accepted_if else expected.accepted_else
    if signal == "accepted":
        return accepted
    answer = predict(expected.as_cause or cause, family, signal, expected.tls or observed.tls)
    if expected.as_cause is None and cause in expected.accepted_if:
        # mended, and refused all the same: if in another way, for another fault, that any server may answer in any way
        answer = 0.25 * ANYTHING.get(signal, UNHEARD_OF) / OTHER_ANSWERS + 0.75 * (signal == observed.signal)
    elif expected.as_cause in {None, cause} and cause != NOTHING:  # nothing that was sent has an alert of its own in each version
        answer = OTHERWISE * answer + (1 - OTHERWISE) * (signal == observed.signal)
    return (1 - accepted) * answer


def _probe_factor(probe: ProbeSeen, cause: str, family: Family, observed: Observed) -> float:
    if probe.signal.startswith(HELLO):
        return 1.0  # it never came to certificates: says nothing
    return predict_probe(probe.name, probe.signal, cause, family, observed)


# ---- the inference -------------------------------------------------------------------------------
def weigh(observed: Observed) -> Weights:
    """The weight of each pair of cause and family."""
    odds = cause_odds(observed)
    priors = family_priors(observed)
    weights: Weights = {}
    for family in FAMILIES:
        for cause, (odd, _) in odds.items():
            reason = NAMES_DIFFER if cause == "unknown-ca" and observed.names_differ else cause
            answered_as = NOTHING if cause == "signature-algorithm" and observed.sent == 0 else cause
            weight = odd * priors[family.name] * family.refuses.get(reason, 1.0)
            weight *= predict(answered_as, family, observed.signal, observed.tls)
            for probe in observed.probes:
                weight *= _probe_factor(probe, cause, family, observed)
            weights[cause, family.name] = weight
    return weights


def rank(observed: Observed) -> Ranking:
    """The causes of a refusal that came after the server asked for a certificate, or because it had none."""
    weights = weigh(observed)
    total = sum(weights.values()) or 1.0
    states = {cause: state for cause, (_, state) in cause_odds(observed).items()}
    by_cause: dict[str, float] = {}
    by_family: dict[str, float] = {}
    for (cause, family), weight in weights.items():
        by_cause[cause] = by_cause.get(cause, 0.0) + weight / total
        by_family[family] = by_family.get(family, 0.0) + weight / total
    ranked = sorted(by_cause.items(), key=lambda item: -item[1])
    return Ranking(
        tuple(Candidate(cause, share, states[cause]) for cause, share in ranked),
        tuple(sorted(((f, by_family[f.name]) for f in FAMILIES), key=lambda item: -item[1])),
        weights,
    )


ENDS_WITHOUT_A_WORD = frozenset({"close", "reset", "silence"})


def rank_hello(observed: Observed) -> tuple[Candidate, ...]:
    """The causes of a failure that came before certificates."""
    signal = observed.signal.removeprefix(HELLO)
    if signal in ENDS_WITHOUT_A_WORD and observed.tls is not None and not observed.looks_like:
        return ()  # it took our hello and answered in TLS: none of these causes is left
    shares = {
        cause: prior * (row.get(signal, 0.0) + HELLO_FLOOR) * _hello_factor(cause, observed)
        for cause, (prior, row) in HELLO_CAUSES.items()
    }
    total = sum(shares.values())
    ranked = sorted(shares.items(), key=lambda item: -item[1])
    return tuple(Candidate(cause, share / total, "unseen") for cause, share in ranked)


# Probes in the hello phase, the cause that each takes away, and what the other causes keep where it succeeds.
HELLO_PROBES: dict[str, str] = {
    "small ClientHello": "large-client-hello",
    "without a server name": "server-name",
    "without ALPN": "no-shared-alpn",
    "over TLS 1.2": "protocol-version",
    "over TLS 1.3": "protocol-version",
    "all versions": "protocol-version",
    "all ciphers": "no-shared-cipher",
}


def _hello_factor(cause: str, observed: Observed) -> float:
    factor = 1.0
    for probe in observed.probes:
        takes_away = HELLO_PROBES.get(probe.name)
        if takes_away is None:
            continue
        better = not probe.signal.startswith(HELLO)
        if takes_away == cause:
            factor *= 0.95 if better else 0.08
        else:
            factor *= 0.03 if better else 0.9
    return factor
