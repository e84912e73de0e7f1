"""The phases of one connection, as a table. Rule: whatever moves a connection from phase to phase stands in ``NEXT``."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """Where a connection is. The values appear in reports (``alerts[].phase``, diagnosis)."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    PRELUDE = "prelude"  # proxy, PROXY protocol, STARTTLS
    HELLO = "hello"  # our ClientHello is out, nothing of TLS came back
    SERVER_FLIGHT = "server_flight"  # the server's hello came
    CLIENT_FLIGHT = "client_flight"  # our second flight (Certificate...) is out, the handshake is not complete (TLS 1.2)
    VERDICT = "awaiting_verdict"  # our side is done; the server may still say no
    APPLICATION = "application"
    CLOSED = "closed"


class Happening(StrEnum):
    """What moves a connection on."""

    ADDRESS = "address"
    CONNECTED = "connected"
    READY = "ready"  # the road is open: TLS begins
    SERVER_SPOKE = "server_spoke"
    FLIGHT_SENT = "flight_sent"
    HANDSHAKE_DONE = "handshake_done"
    VERDICT_OVER = "verdict_over"
    CLOSED = "closed"


NEXT: dict[tuple[Phase, Happening], Phase] = {
    (Phase.RESOLVE, Happening.ADDRESS): Phase.CONNECT,
    (Phase.CONNECT, Happening.CONNECTED): Phase.PRELUDE,
    (Phase.PRELUDE, Happening.READY): Phase.HELLO,
    (Phase.HELLO, Happening.SERVER_SPOKE): Phase.SERVER_FLIGHT,
    (Phase.SERVER_FLIGHT, Happening.FLIGHT_SENT): Phase.CLIENT_FLIGHT,
    (Phase.SERVER_FLIGHT, Happening.HANDSHAKE_DONE): Phase.VERDICT,
    (Phase.CLIENT_FLIGHT, Happening.HANDSHAKE_DONE): Phase.VERDICT,
    (Phase.VERDICT, Happening.VERDICT_OVER): Phase.APPLICATION,
}


def advance(phase: Phase, happening: Happening) -> Phase:
    """The phase after ``happening``; what does not apply in this phase leaves it as it is."""
    if happening is Happening.CLOSED:
        return Phase.CLOSED
    return NEXT.get((phase, happening), phase)
