"""What happened beside the wire: the network, OpenSSL's verification, the application. Times as in ``wire.events``."""

from __future__ import annotations

from typing import Any, NamedTuple

from inspector.trace.phase import Phase
from inspector.wire.events import Side, WireEvent


class Resolved(NamedTuple):
    """The resolver's answer; ``error`` holds its failure in words."""

    at: float
    host: str
    addresses: tuple[str, ...]
    error: str | None = None


class Attempt(NamedTuple):
    """One address that was tried. ``error`` is None for the one that is used.

    ``kind`` is one of "refused", "timeout", "unreachable", "reset", "other"; "abandoned" where another address was faster.
    """

    at: float
    address: str
    port: int
    seconds: float
    error: str | None = None
    kind: str | None = None


class Connected(NamedTuple):
    """TCP is open. ``seconds`` is the time that connect took: the round trip."""

    at: float
    address: str
    port: int
    local_address: str
    local_port: int
    seconds: float


class Plain(NamedTuple):
    """Bytes before TLS (proxy, STARTTLS), or of a conversation without TLS."""

    at: float
    side: Side
    data: bytes


class PhaseEntered(NamedTuple):
    at: float
    phase: Phase


# codes of errors about the name and not the chain: X509_V_ERR_HOSTNAME_MISMATCH, _EMAIL_MISMATCH, _IP_ADDRESS_MISMATCH
NAME_MISMATCHES = frozenset({62, 63, 64})


class CertificateError(NamedTuple):
    """One error of OpenSSL's verification of the server: X509_V_ERR number, depth (0: the server's own certificate)."""

    at: float
    depth: int
    code: int
    name: str  # OpenSSL's symbolic name in lower case, as "certificate_expired"
    certificate: bytes | None = None  # DER


class Judged(NamedTuple):
    """Our judgement of the server, before our second flight left. ``path`` is the verified chain, DER, leaf first."""

    at: float
    trusted: bool
    host_matches: bool | None  # None: no name was asked for
    path: tuple[bytes, ...] = ()
    withheld: bool = False  # our second flight was not sent because of it


class HandshakeDone(NamedTuple):
    """Our side's handshake is complete (which in TLS 1.3 says nothing about the server's opinion of us)."""

    at: float
    protocol: str  # "TLSv1.3"
    cipher: int  # IANA number
    group: str | None
    alpn: str | None
    resumed: bool


class EngineError(NamedTuple):
    """OpenSSL stopped. ``reasons`` is its text: evidence for people, never to be branched on."""

    at: float
    reasons: tuple[str, ...]


class PreludeDone(NamedTuple):
    """What came of a conversation before TLS: a proxy's tunnel, STARTTLS. ``result`` is its ``app.result.AppResult``."""

    at: float
    name: str
    result: Any


class Ended(NamedTuple):
    """The connection's end, in ``phase``: ``by`` whom, and ``how``.

    By "server": "fin", "reset", "alert" (a fatal one), "close_notify", "prelude_refused" (a proxy or STARTTLS said no).
    By "client": "done", "refused_to_send" (the server is not verified, or the gate did not hold), "error" (OpenSSL stopped; see
    EngineError), "deadline" (a phase, or all of it, took too long), "interrupted".
    By "network": "unresolved", "deadline", and the kinds of ``Attempt``: "refused", "timeout", "unreachable", "reset", "other".
    """

    at: float
    by: str  # "server", "client", "network"
    how: str
    phase: Phase
    detail: str = ""


class WriteFailed(NamedTuple):
    """A write met a closed connection: an alert that was on its way may be lost."""

    at: float
    detail: str


class ApplicationResult(NamedTuple):
    """What the application's first step came to: the conversation's result (``app.result.AppResult``)."""

    at: float
    result: Any


class GateClosed(NamedTuple):
    """Nothing was sent because the gate did not hold."""

    at: float
    reason: str


class SessionKept(NamedTuple):
    """A session that can be resumed (``plan.Session``)."""

    at: float
    session: Any


class SecretLine(NamedTuple):
    """A line of key log (NSS format). Never printed unless asked for by name."""

    at: float
    line: bytes

    def __repr__(self) -> str:
        return "SecretLine(...)"


TraceEvent = (
    Resolved | Attempt | Connected | Plain | PhaseEntered | CertificateError | Judged | HandshakeDone | EngineError | Ended
    | WriteFailed | PreludeDone | ApplicationResult | GateClosed | SessionKept | SecretLine
)
Event = WireEvent | TraceEvent
