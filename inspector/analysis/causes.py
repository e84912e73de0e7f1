"""The causes of a rejection as a table: how likely each is beforehand, what on our side shows it, and what to say about it.

``odds`` are relative odds that a cause is *the* reason, given that a server refused and given what the credential shows of it:

    shown     the credential, or how it meets the request, shows this fault
    likely    much speaks for it
    possible  something hints at it
    unseen    it would not show on our side, or cannot be checked
    refuted   what is known speaks against it

A fault that shows is taken for the reason unless the server's answer speaks clearly for another: hidden causes have low odds, and
those among them are ordered by how often operators meet them. ``server-crl`` stands before ``revoked`` by a hair: a list that
nobody renewed refuses everybody, a revocation one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from inspector.analysis.observations import Observed

State = Literal["shown", "likely", "possible", "unseen", "refuted"]

CLOCK_TOLERANCE = 120.0  # seconds
# by how much clocks are wrong: a time zone, or a date that was never set by more than this is rare
SMALL_ERROR, LARGE_ERROR = 86400.0, 30 * 86400.0


class CauseRow(NamedTuple):
    """One cause. ``see`` tells its state from what was observed."""

    id: str
    odds: dict[str, float]
    see: Callable[[Observed], State]


def _finding(*ids: str, otherwise: State = "refuted") -> Callable[[Observed], State]:
    """Shown where the credential has one of these findings."""

    def see(observed: Observed) -> State:
        return "shown" if any(i in observed.findings for i in ids) else otherwise

    return see


def _no_certificate(o: Observed) -> State:
    if o.sent:
        return "refuted"
    # asked for, and whether one was sent could not be read: a capture without keys
    return "possible" if o.sent is None and o.requested is not False and o.has_credential else "shown"


def _self_signed(o: Observed) -> State:
    return "shown" if "self-signed" in o.findings and o.sent else "refuted"


def _unknown_ca(o: Observed) -> State:
    if not o.sent or "self-signed" in o.findings:
        return "refuted"
    if o.relation in {"gap", "partial", "cousin"}:
        return "refuted"
    if o.key_check == "lookalike":
        return "unseen"
    if o.relation == "linked" and o.names_differ:
        return "possible"
    if o.relation == "unknown" and o.issuers == 0 and o.end_looks_like == "root":
        return "shown"
    if o.relation == "linked" and o.listed and o.key_check == "genuine":
        return "refuted"
    if o.relation == "torn":
        return "possible"
    return {"stranger": "shown", "unknown": "possible"}.get(o.relation, "unseen")  # type: ignore[return-value]


def _lookalike(o: Observed) -> State:
    if not o.sent or "self-signed" in o.findings:
        return "refuted"
    if o.key_check == "lookalike":
        return "shown"
    return "unseen" if o.key_check == "unknown" and o.relation in {"linked", "unknown", "partial"} else "refuted"


def _missing_intermediate(o: Observed) -> State:
    if not o.sent:
        return "refuted"
    if o.relation in {"gap", "torn"}:
        return "shown"
    if "missing-intermediate" in o.findings and o.relation not in {"linked", "partial"}:
        return {"root": "possible", "intermediate": "shown"}.get(o.end_looks_like, "likely")  # type: ignore[return-value]
    if o.unsent and o.relation == "partial":
        return "unseen"  # a server that names our issuer mostly has it; but one may name others than it trusts
    # what continues our chain is at hand and was not sent; whether the server would come to a CA of its own by it is not known
    return "possible" if o.unsent and o.relation != "linked" else "refuted"


def _signature_algorithm(o: Observed) -> State:
    if o.scheme_fits is False:
        return "shown"
    if o.unlisted:
        return "likely"
    return "possible" if o.unusual else "unseen"


def _authorised(o: Observed) -> State:
    return "unseen" if o.sent else "refuted"


def _depth(o: Observed) -> State:
    if o.issuers >= 2:
        return "possible"
    return "unseen" if o.issuers == 1 else "refuted"


def _server_trust(o: Observed) -> State:
    if o.relation in {"partial", "cousin"}:
        return "possible"  # from the list alone: the root may be trusted, and not be named
    if not o.sent or "self-signed" in o.findings or o.relation == "stranger" or o.key_check == "lookalike":
        return "refuted"
    # servers list what they trust: where the root is named, it is not what is lacking
    return "refuted" if o.root_listed and o.relation == "linked" else "unseen"


def _server_crl(o: Observed) -> State:
    leads = o.sent and "self-signed" not in o.findings and o.relation != "stranger" and o.key_check != "lookalike"
    return "unseen" if leads else "refuted"


def _server_clock(o: Observed) -> State:
    if o.clock_skew is None and o.edge is not None and o.sent:
        return "likely" if o.edge < SMALL_ERROR else "possible" if o.edge < LARGE_ERROR else "unseen"
    if o.clock_skew is None:
        return "unseen" if o.sent else "refuted"
    return "shown" if abs(o.clock_skew) > CLOCK_TOLERANCE and o.sent else "refuted"


CAUSES: tuple[CauseRow, ...] = (
    CauseRow("no-certificate", {"shown": 6.0, "possible": 0.1, "refuted": 1e-7}, _no_certificate),
    CauseRow("key-mismatch", {"shown": 2.0, "refuted": 1e-7}, _finding("key-mismatch")),
    CauseRow("self-signed", {"shown": 1.2, "refuted": 1e-6}, _self_signed),
    CauseRow("unknown-ca", {"shown": 0.7, "possible": 0.05, "unseen": 0.004, "refuted": 0.001}, _unknown_ca),
    CauseRow("lookalike-ca", {"shown": 1.0, "unseen": 0.015, "refuted": 1e-5}, _lookalike),
    CauseRow("missing-intermediate", {"shown": 1.0, "likely": 0.6, "possible": 0.1, "unseen": 0.025, "refuted": 1e-5},
             _missing_intermediate),
    CauseRow("chain-order", {"shown": 0.4, "refuted": 1e-6}, _finding("chain-order")),
    CauseRow("expired", {"shown": 1.0, "refuted": 1e-5}, _finding("expired")),
    CauseRow("not-yet-valid", {"shown": 1.0, "refuted": 1e-5}, _finding("not-yet-valid")),
    CauseRow("intermediate-expired", {"shown": 1.0, "refuted": 1e-5}, _finding("intermediate-expired")),
    CauseRow("wrong-eku", {"shown": 1.0, "refuted": 1e-5}, _finding("wrong-eku")),
    CauseRow("wrong-key-usage", {"shown": 0.8, "refuted": 1e-5}, _finding("wrong-key-usage")),
    CauseRow("revoked", {"unseen": 0.028, "shown": 1.5, "refuted": 1e-5},
             lambda o: "shown" if "revoked" in o.findings or "revoked" in (o.opinion or ()) else "unseen" if o.sent else "refuted"),
    CauseRow("weak-signature", {"shown": 0.8, "refuted": 1e-5}, _finding("weak-signature")),
    CauseRow("weak-key", {"shown": 0.6, "refuted": 1e-5}, _finding("weak-key")),
    CauseRow("signature-algorithm", {"shown": 3.0, "likely": 0.15, "possible": 0.02, "unseen": 1e-4}, _signature_algorithm),
    CauseRow("ca-as-leaf", {"shown": 0.1, "refuted": 1e-6}, _finding("ca-as-leaf")),
    CauseRow("issuer-not-ca", {"shown": 1.2, "refuted": 1e-6}, _finding("issuer-not-ca")),
    CauseRow("path-length", {"shown": 1.2, "refuted": 1e-6}, _finding("path-length")),
    CauseRow("name-constraint", {"shown": 1.2, "refuted": 1e-6}, _finding("name-constraint")),
    CauseRow("critical-extension", {"shown": 1.0, "refuted": 1e-6}, _finding("critical-extension")),
    CauseRow("not-authorised", {"unseen": 0.04, "refuted": 1e-6}, _authorised),
    CauseRow("server-depth", {"possible": 0.05, "unseen": 0.012, "refuted": 1e-6}, _depth),
    CauseRow("server-crl", {"unseen": 0.03, "refuted": 0.001}, _server_crl),
    CauseRow("server-trust", {"possible": 0.055, "unseen": 0.008, "refuted": 1e-4}, _server_trust),
    CauseRow("server-name", {"shown": 5.0, "refuted": 1e-6}, lambda o: "shown" if o.signal == "misdirected" else "refuted"),
    CauseRow("server-clock", {"shown": 0.4, "likely": 0.02, "possible": 0.008, "unseen": 0.003, "refuted": 1e-6}, _server_clock),
)

# Faults of the way that is walked to a root: what a verification by --client-ca can find or clear of.
PATH_FAULTS = frozenset({
    "self-signed", "unknown-ca", "lookalike-ca", "missing-intermediate", "chain-order", "expired", "not-yet-valid",
    "intermediate-expired", "wrong-eku", "wrong-key-usage", "weak-signature", "weak-key", "ca-as-leaf", "issuer-not-ca",
    "path-length", "name-constraint", "critical-extension",
})
# The operator's mistakes: a good credential is refused.
SERVER_FAULTS = frozenset({"server-depth", "server-crl", "server-trust", "server-clock"})


# ---- what never came to certificates ------------------------------------------------------------
# cause -> signal in the hello phase -> weight; ``network`` signals are those of a connection that never became TLS
HELLO_CAUSES: dict[str, tuple[float, dict[str, float]]] = {
    "unreachable": (1.0, {"network": 0.97, "close": 0.02, "silence": 0.01}),
    "not-tls": (1.0, {"plain": 0.8, "close": 0.06, "silence": 0.08, "reset": 0.06}),
    "protocol-version": (
        0.5, {"alert:70": 0.75, "alert:40": 0.13, "alert:86": 0.05, "alert:80": 0.02, "close": 0.03, "reset": 0.02},
    ),
    "no-shared-cipher": (0.5, {"alert:40": 0.75, "alert:71": 0.2, "alert:47": 0.03, "close": 0.01, "reset": 0.01}),
    "refused-before-tls": (1.0, {"prelude:refused": 0.97, "prelude:name": 0.03}),
    "server-name": (
        0.4,
        {
            "alert:112": 0.7, "alert:40": 0.1, "alert:80": 0.1, "alert:49": 0.03, "close": 0.03, "reset": 0.04, "prelude:name": 1.0,
            "prelude:refused": 0.05,
        },
    ),
    "no-shared-alpn": (0.3, {"alert:120": 0.97, "alert:40": 0.02, "close": 0.01}),
    "large-client-hello": (0.15, {"silence": 0.4, "reset": 0.4, "close": 0.15, "alert:50": 0.03, "alert:40": 0.02}),
}
