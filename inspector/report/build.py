"""From a transcript to the report: every part is a pure function of what happened and of what was asked for."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType

from inspector.analysis import client_auth as auth
from inspector.analysis import flights
from inspector.analysis.findings import Cause
from inspector.report import model
from inspector.report.certificates import authorities_part, chain_part
from inspector.report.facts import fact
from inspector.report.judgements import fit_of, verification_of
from inspector.report.network import network_part, report_error, spoke_tls
from inspector.trace import events as ev
from inspector.trace.transcript import Transcript
from inspector.version import __version__
from inspector.wire import events as wire
from inspector.wire.events import Side
from inspector.wire.fields import message_fields
from inspector.wire.messages import EncryptedExtensions, ServerHello, ServerKeyExchange
from inspector.wire.registry import AlertDescription, AlertLevel, ClientCertificateType, HandshakeType, SignatureScheme

# causes that stop a run before it begins
CAUSES_BEFORE_CONNECTING = frozenset({"key-mismatch"})
# an event later than this is on the wall clock, not since the start of the run
WALL_CLOCK = 1e8


def tool_part(*, openssl: bool) -> model.Tool:
    """The versions of this tool and, where it was used, of OpenSSL (loading it only to say so would cost more than all else)."""
    version = None
    if openssl:
        from inspector.engine.version import openssl_version

        version = openssl_version()
    return model.Tool(version=__version__, openssl=version)


def _label(registry: Any, number: int) -> str:
    label: str = registry(number).label
    return label


class _Clock:
    """Milliseconds since the start of the connection, for events of a live run and of a capture."""

    def __init__(self, transcript: Transcript) -> None:
        first = next((event.at for event in transcript.events), 0.0)
        self._start = first if first > WALL_CLOCK else 0.0

    def __call__(self, at: float) -> float:
        return round((at - self._start) * 1000, 3)


def _message_part(index: int, event: Any, clock: _Clock) -> model.MessagePart:
    at, sender = clock(event.at), event.side.value
    if isinstance(event, wire.ChangeCipherSpec):
        return model.MessagePart(
            index=index, at_ms=at, sender=sender, type="change_cipher_spec", length=1, encrypted=False, fields={},
        )
    if isinstance(event, wire.OpaqueRecord):
        return model.MessagePart(
            index=index, at_ms=at, sender=sender, type="encrypted_handshake", length=event.length, encrypted=True, fields={},
        )
    return model.MessagePart(
        index=index, at_ms=at, sender=sender, type=_label(HandshakeType, event.type), length=len(event.body),
        encrypted=event.encrypted, fields=message_fields(event.value), late=event.late, summary=fact(event.value),
    )


def _alert_parts(transcript: Transcript, clock: _Clock) -> tuple[model.AlertPart, ...]:
    parts = []
    for event in transcript.events:
        if isinstance(event, wire.Alert):
            parts.append(model.AlertPart(
                sender=event.side.value, level=_label(AlertLevel, event.level), code=event.description,
                name=_label(AlertDescription, event.description), phase=transcript.phase_of(event).value, at_ms=clock(event.at),
            ))
        elif isinstance(event, wire.OpaqueRecord) and event.alert:
            parts.append(model.AlertPart(
                sender=event.side.value, level="unknown", code=None, name=None,
                phase=transcript.phase_of(event).value, at_ms=clock(event.at),
            ))
    return tuple(parts)


def _opaque_parts(transcript: Transcript) -> tuple[model.OpaquePart, ...]:
    parts = []
    for side in Side:
        records = [r for r in transcript.all(wire.OpaqueRecord) if r.side is side and not r.handshake and not r.alert]
        if records:
            parts.append(model.OpaquePart(
                sender=side.value, count=sum(r.records for r in records), bytes=sum(r.length for r in records),
            ))
    return tuple(parts)


class _Negotiated:
    """What both sides agreed on: from the wire, completed by what the engine says."""

    def __init__(self, transcript: Transcript) -> None:
        done = transcript.last(ev.HandshakeDone)
        values = [m.value for m in transcript.messages(side=Side.SERVER)]
        hello = next((v for v in reversed(values) if isinstance(v, ServerHello) and not v.is_retry), None)
        exchange = next((v for v in reversed(values) if isinstance(v, ServerKeyExchange)), None)
        group = (hello.group if hello is not None else None) or (exchange.group if exchange is not None else None)
        self.protocol = hello.version.label if hello is not None else (done.protocol if done else None)
        self.cipher = hello.cipher_suite.label if hello is not None else None
        self.group = group.label if group is not None else (done.group if done else None)
        # as OpenSSL does: what was chosen stays where a renegotiation is silent about it
        chosen = (v.alpn for v in reversed(values) if isinstance(v, (EncryptedExtensions, ServerHello)) and v.alpn)
        self.alpn = next(chosen, None) or (done.alpn if done else None)


def handshake_part(transcript: Transcript, seen: flights.Flights) -> model.HandshakePart:
    """Messages, alerts and what was negotiated."""
    clock, negotiated = _Clock(transcript), _Negotiated(transcript)
    return model.HandshakePart(
        completed=seen.handshake_done or (None if any(seen.lost) else False),
        protocol=negotiated.protocol,
        cipher=negotiated.cipher,
        group=negotiated.group,
        alpn=negotiated.alpn,
        resumed=seen.resumed if seen.handshake_done else None,
        messages=tuple(_message_part(index, event, clock) for index, event in enumerate(transcript.listed)),
        alerts=_alert_parts(transcript, clock),
        opaque_records=_opaque_parts(transcript),
    )


def client_auth_part(judged: auth.ClientAuth, **more: Any) -> model.ClientAuthPart:
    """The verdict as part of the report; ``more`` are ``match`` and ``would_send``."""
    return model.ClientAuthPart(
        requested=judged.requested,
        when=judged.when,
        certificate_authorities=authorities_part(judged.authorities),
        signature_schemes=tuple(_label(SignatureScheme, scheme) for scheme in judged.schemes),
        certificate_types=tuple(_label(ClientCertificateType, kind) for kind in judged.types),
        sent=judged.sent,
        sent_chain=chain_part(judged.sent_chain),
        verdict=judged.verdict,
        rejected_by=judged.rejected_by,
        rests_on=judged.rests_on,
        confidence=judged.confidence,
        authorities_bytes=judged.authorities_bytes,
        **more,
    )


def credential_part(credential: Any, findings: tuple[Any, ...] = ()) -> model.CredentialPart | UnsetType:
    """The credential that was to be used (never its key); absent where there was none."""
    if credential is None:
        return UNSET
    chain = chain_part(credential.chain)
    return model.CredentialPart(
        source=credential.source, chain=chain, key=chain[0].key if chain else None, findings=findings,
        format=credential.origin.format, encryption=credential.origin.encryption, kept_as=credential.origin.kept_as,
    )


def _http_part(result: Any, at_ms: float | None) -> model.HttpPart | UnsetType:
    reply = getattr(result, "http", None)
    if reply is None:
        return UNSET
    return model.HttpPart(
        status=reply.status, version=reply.version, headers=tuple(reply.headers), body_bytes=reply.body_bytes, at_ms=at_ms,
    )


def _application_part(result: Any, at_ms: float | None) -> model.ApplicationPart | UnsetType:
    if result is None or getattr(result, "http", None) is not None:
        return UNSET
    return model.ApplicationPart(
        protocol=result.protocol, accepted=result.accepted, status=result.status, summary=result.summary, at_ms=at_ms,
    )


def _answered_at(transcript: Transcript, answer: ev.ApplicationResult) -> float:
    """When the server's answer came: the last application data before it was understood."""
    before = transcript.events[: transcript.events.index(answer)]
    data = [event.at for event in before if isinstance(event, wire.ApplicationData) and event.side is Side.SERVER]
    return data[-1] if data else answer.at


def _target_part(transcript: Transcript) -> model.TargetPart | UnsetType:
    plan = transcript.plan
    if plan is None:
        return UNSET
    target, connected = plan.road.target, transcript.first(ev.Connected)
    return model.TargetPart(
        host=target.host or (target.unix_path or ""),
        port=target.port if target.host else None,
        address=connected.address if connected is not None else None,
        server_name=getattr(plan, "server_name", None),
    )


def build_report(
    command: str,
    transcript: Transcript,
    settings: Any = None,
    *,
    error: model.ReportError | UnsetType = UNSET,
    capture: model.CapturePart | UnsetType = UNSET,
    diagnosis: model.DiagnosisPart | UnsetType = UNSET,
    audit: model.AuditPart | UnsetType = UNSET,
    judged: auth.ClientAuth | None = None,
    credential: Any = None,
) -> model.Report:
    """The report on one connection.

    ``settings`` (``session.settings.Settings``) gives the credential and the time of the run; ``judged`` saves judging again;
    ``credential`` is for captures, which have no settings. Parts that the connection did not come to are absent: without a word of
    TLS from the server there is a network part and an error, and no verdict.
    """
    live = transcript.plan is not None
    network = network_part(transcript) if live else UNSET
    if error is UNSET and network is not UNSET:
        where = str(transcript.plan.road.target)
        error = report_error(where, network, transcript) or UNSET
    credential = credential if credential is not None else getattr(settings, "credential", None)
    last = transcript.last(ev.ApplicationResult)
    result = last.result if last is not None else None
    at_ms = _Clock(transcript)(_answered_at(transcript, last)) if last is not None else None
    now = getattr(settings, "now", None) or transcript.started or None
    seen = flights.survey(transcript)
    fit = fit_of(seen, credential, now)
    common: dict[str, Any] = {
        "command": command, "tool": tool_part(openssl=live), "error": error, "target": _target_part(transcript), "capture": capture,
        "network": network, "credential": credential_part(credential, fit.findings), "diagnosis": diagnosis, "audit": audit,
        "http": _http_part(result, at_ms), "application": _application_part(result, at_ms),
    }
    if not spoke_tls(transcript):
        return model.Report(**common)
    judged = judged if judged is not None else auth.judge(transcript)
    chain = flights.server_chain(transcript)
    return model.Report(
        **common,
        handshake=handshake_part(transcript, seen),
        server_chain=chain_part(chain) if chain is not None else UNSET,
        verification=verification_of(transcript, now or 0.0) or UNSET,
        client_auth=client_auth_part(judged, match=fit.match, would_send=fit.would_send),
    )


def cause_of_error(command: str, kind: str, message: str, hint: str) -> dict[str, Any]:
    """The diagnosis part of a diagnosis that ended before connecting: the error as a cause, where it is one of the contract's."""
    if command != "diagnose" or kind not in CAUSES_BEFORE_CONNECTING:
        return {}
    cause = Cause(id=kind, confidence=1.0, summary=message, remedy=hint)
    return {"diagnosis": model.DiagnosisPart(side="nobody", causes=(cause,), headline=message)}
