"""What became of each client, in one line of text or one JSON object: who came, with which certificate, and why it was refused."""

from __future__ import annotations

from typing import Any, NamedTuple

from inspector.analysis import flights
from inspector.analysis.x509_errors import meaning
from inspector.drive.listener import Visitor
from inspector.service.echo import Seen, describe, describe_certificate, offered_names
from inspector.trace import events as ev
from inspector.wire import events as wire
from inspector.wire.events import Side
from inspector.wire.registry import AlertDescription


def request_line(visitor: Visitor, seen: Seen) -> str:
    """A request that was answered."""
    certificate = describe(visitor)["client_certificate"]
    who = certificate["subject"] if certificate else "no client certificate"
    return f"{_peer(visitor)} accepted {who}: {seen.method} {seen.target} -> {seen.status}"


def request_entry(visitor: Visitor, seen: Seen) -> dict[str, Any]:
    return {
        "event": "request", "client": _client(visitor), "status": seen.status, "method": seen.method, "target": seen.target,
        **describe(visitor),
    }  # fmt: skip


def _client(visitor: Visitor) -> dict[str, Any]:
    return {"host": visitor.address, "port": visitor.port}


def _peer(visitor: Visitor) -> str:
    host = f"[{visitor.address}]" if ":" in visitor.address else visitor.address
    return f"{host}:{visitor.port}"


def _alert(visitor: Visitor, side: Side) -> str | None:
    """The alert with which a side ended it, as ``48 unknown_ca``; None where it sent none but close_notify."""
    alerts = [a for a in visitor.transcript.all(wire.Alert) if a.side is side and a.description != AlertDescription.CLOSE_NOTIFY]
    return f"{alerts[-1].description} {AlertDescription(alerts[-1].description).label}" if alerts else None


class Refusal(NamedTuple):
    """Why a client got no answer. ``who`` ended it, "server" or "client"; ``alert`` is the alert that said so."""

    who: str
    reason: str
    certificate: dict[str, Any] | None = None
    errors: tuple[dict[str, Any], ...] = ()
    alert: str | None = None


def refusal(visitor: Visitor) -> Refusal | None:
    """What went wrong with a client that has gone; None where nothing did."""
    transcript, engine = visitor.transcript, visitor.engine
    errors = tuple({"depth": error.depth, "code": error.code, "name": error.name} for error in transcript.all(ev.CertificateError))
    chain = next(map(flights.chain_of, reversed(flights.certificate_messages(transcript, Side.CLIENT))), ())
    certificate = describe_certificate(chain[0]) if chain else None
    ours, theirs = _alert(visitor, Side.SERVER), _alert(visitor, Side.CLIENT)
    if ours:
        return Refusal("server", _our_reason(visitor, errors), certificate, errors, ours)
    if theirs:
        return Refusal("client", "the client refused this server", alert=theirs)
    strange = next((event for event in transcript.all(wire.NotTls) if event.side is Side.CLIENT), None)
    if strange is not None:
        return Refusal("server", strange.reason)
    if engine.handshake_complete:
        return None
    ended = transcript.last(ev.Ended)
    how = "no byte in time" if ended is not None and ended.how == "deadline" else "it left before the handshake was complete"
    return Refusal("client", how)


def _our_reason(visitor: Visitor, errors: tuple[dict[str, Any], ...]) -> str:
    if errors:
        first = errors[0]
        where = "" if first["depth"] == 0 else f"at depth {first['depth']} of its chain: "
        return where + meaning(first["code"]).summary
    sent = [m for m in visitor.transcript.messages(11, Side.CLIENT) if getattr(m.value, "entries", None) == ()]
    if sent:
        return "it sent no certificate, and one is required"
    failed = visitor.transcript.last(ev.EngineError)
    return failed.reasons[0] if failed is not None and failed.reasons else "the handshake failed"


def refusal_line(visitor: Visitor, found: Refusal) -> str:
    """One line for people."""
    who = f" {found.certificate['subject']}" if found.certificate else ""
    alert = f" (alert {found.alert})" if found.alert else ""
    word = "rejected" if found.who == "server" else "lost"
    return f"{_peer(visitor)} {word}{who}: {found.reason}{alert}"


def refusal_entry(visitor: Visitor, found: Refusal) -> dict[str, Any]:
    return {
        "event": "refusal", "client": _client(visitor), "by": found.who, "reason": found.reason, "alert": found.alert,
        "errors": found.errors, "client_certificate": found.certificate, "server_name": offered_names(visitor),
    }  # fmt: skip
