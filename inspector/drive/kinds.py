"""Which kind of connection does which kind of plan."""

from __future__ import annotations

from collections.abc import Callable

from inspector.drive.connection import Connection
from inspector.drive.handshake import HandshakeConnection
from inspector.drive.loop import Loop
from inspector.drive.raw import HelloConnection, PlaintextConnection
from inspector.plan import HandshakePlan, HelloPlan, PlaintextPlan, Plan


def connection_for(plan: Plan, loop: Loop) -> Connection:
    """The connection that does this plan. Raises CredentialError and the like where the plan cannot be done at all."""
    if isinstance(plan, HandshakePlan):
        return HandshakeConnection(plan, loop)
    kinds: dict[type, Callable[..., Connection]] = {HelloPlan: HelloConnection, PlaintextPlan: PlaintextConnection}
    return kinds[type(plan)](plan, loop)
