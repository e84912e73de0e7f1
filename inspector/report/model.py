"""The report. These types are the JSON format ``mtls-inspector/1``: field order is key order, UNSET means that the key is absent.

``docs/json-format.md`` documents every field; ``as_json`` writes it; the JSON Schema in the package is made from these types.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from inspector.analysis.findings import (
    Cause,
    CheckResult,
    Finding,
    MatchRule,
    ProbeOutcome,
    WouldSend,
)

SCHEMA = "mtls-inspector/1"

Sender = Literal["client", "server"]


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    version: str
    openssl: str | None


class ReportError(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    message: str
    hint: str


class TargetPart(msgspec.Struct, frozen=True, kw_only=True):
    host: str
    port: int | None
    address: str | None
    server_name: str | None


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    host: str
    port: int


class CapturePart(msgspec.Struct, frozen=True, kw_only=True):
    stream: int
    client: Peer
    server: Peer
    notes: tuple[str, ...] = ()


class NetworkError(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    detail: str


class AddressOutcome(msgspec.Struct, frozen=True, kw_only=True):
    address: str
    port: int
    seconds: float | None
    error: str | None


class NetworkPart(msgspec.Struct, frozen=True, kw_only=True):
    connected: bool
    error: NetworkError | None
    round_trip_ms: float | None
    attempts: tuple[AddressOutcome, ...] = ()
    ended_by: str | None = None
    ended_how: str | None = None


class MessagePart(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    at_ms: float
    sender: Sender = msgspec.field(name="from")
    type: str
    length: int
    encrypted: bool
    fields: dict[str, Any]
    late: bool = False
    summary: str = ""  # the one fact that matters in it, for people


class AlertPart(msgspec.Struct, frozen=True, kw_only=True):
    sender: Sender = msgspec.field(name="from")
    level: str
    code: int | None  # None: encrypted, and could not be opened
    name: str | None
    phase: str
    at_ms: float | None = None


class OpaquePart(msgspec.Struct, frozen=True, kw_only=True):
    sender: Sender = msgspec.field(name="from")
    count: int
    bytes: int


class HandshakePart(msgspec.Struct, frozen=True, kw_only=True):
    completed: bool | None
    protocol: str | None
    cipher: str | None
    group: str | None
    alpn: str | None
    resumed: bool | None
    messages: tuple[MessagePart, ...]
    alerts: tuple[AlertPart, ...]
    opaque_records: tuple[OpaquePart, ...] = ()


class KeyPart(msgspec.Struct, frozen=True, kw_only=True):
    type: str
    bits: int | None


class CertificatePart(msgspec.Struct, frozen=True, kw_only=True):
    subject: str
    issuer: str
    serial_number: str
    not_before: str | None
    not_after: str | None
    subject_alt_names: tuple[str, ...]
    key: KeyPart | None
    signature_algorithm: str | None
    sha256: str
    spki_sha256: str | None
    der: str  # base64
    problem: str | None = None  # why it could not be read whole


class VerificationErrorPart(msgspec.Struct, frozen=True, kw_only=True):
    depth: int
    code: int
    name: str
    subject: str | None
    summary: str = ""
    remedy: str = ""


class StorePart(msgspec.Struct, frozen=True, kw_only=True):
    """What another set of roots makes of the same chain."""

    source: str
    trusted: bool
    errors: tuple[str, ...]


class VerificationPart(msgspec.Struct, frozen=True, kw_only=True):
    trusted: bool | None
    host_matches: bool | None
    errors: tuple[VerificationErrorPart, ...]
    path: tuple[str, ...]  # SHA-256 of each certificate, leaf first
    trust_source: str | None = None
    verified_at: str | None = None  # RFC 3339: the time that dates were held against
    host_explained: str | None = None
    second_opinion: str | None = None
    findings: tuple[Finding, ...] = ()
    stores: tuple[StorePart, ...] = ()  # only where the chain is not trusted, and there are several sets of roots


class AuthorityPart(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    der: str  # base64


Verdict = Literal["not_requested", "accepted", "rejected", "undecided"]


class ClientAuthPart(msgspec.Struct, frozen=True, kw_only=True):
    requested: bool | None
    when: Literal["handshake", "renegotiation", "post_handshake"] | None
    certificate_authorities: tuple[AuthorityPart, ...]
    signature_schemes: tuple[str, ...]
    certificate_types: tuple[str, ...]
    sent: bool | None
    sent_chain: tuple[CertificatePart, ...]
    verdict: Verdict
    rejected_by: Literal["tls_alert", "close", "http", "protocol"] | None
    match: tuple[MatchRule, ...] = ()
    would_send: tuple[WouldSend, ...] = ()
    # what the verdict rests on, in one sentence, and how sure it is (captures without keys)
    rests_on: str | None = None
    confidence: float | None = None
    authorities_bytes: int | None = None


class CredentialPart(msgspec.Struct, frozen=True, kw_only=True):
    source: str
    chain: tuple[CertificatePart, ...]
    key: KeyPart | None
    findings: tuple[Finding, ...] = ()
    format: str | None = None  # "pem", "pkcs12"...
    encryption: tuple[str, ...] = ()  # what protects its files, by name
    kept_as: str | None = None  # the name under which ``mtls credentials`` keeps it; None where it was named


class HttpPart(msgspec.Struct, frozen=True, kw_only=True):
    status: int | None
    version: str | None
    headers: tuple[tuple[str, str], ...]
    body_bytes: int | None
    at_ms: float | None = None


class ApplicationPart(msgspec.Struct, frozen=True, kw_only=True):
    """The first step of an application protocol other than, or beside, HTTP."""

    protocol: str
    accepted: bool | None
    status: str | None
    summary: str
    at_ms: float | None = None


class DiagnosisPart(msgspec.Struct, frozen=True, kw_only=True):
    side: Literal["server_rejected_client", "client_rejected_server", "network", "nobody"]
    causes: tuple[Cause, ...]
    probes: tuple[ProbeOutcome, ...] = ()
    headline: str = ""
    phase: str | None = None
    server_family: str | None = None
    server_family_confidence: float | None = None
    notes: tuple[str, ...] = ()
    # all that the ranking was made from (``analysis.observations.Observed``): ``mtls diagnose --from`` reads it
    observed: dict[str, Any] | None = None


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    run: int
    total: int


class AuditPart(msgspec.Struct, frozen=True, kw_only=True):
    enforcement: Literal["ENFORCED", "BYPASSABLE", "NOT_ENFORCED", "NOT_DETERMINED"]
    grade: str
    coverage: Coverage
    checks: tuple[CheckResult, ...]
    rules_version: str = ""
    audit_id: str = ""
    notes: tuple[str, ...] = ()


class ReferenceSection(msgspec.Struct, frozen=True, kw_only=True):
    label: str
    text: str


class ReferencePart(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the reference that ``mtls explain`` prints."""

    topic: str
    id: str
    title: str
    sections: tuple[ReferenceSection, ...] = ()
    references: tuple[str, ...] = ()


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One report. Parts that do not apply to the command are absent."""

    schema: str = SCHEMA
    command: str
    tool: Tool
    error: ReportError | UnsetType = UNSET
    target: TargetPart | UnsetType = UNSET
    capture: CapturePart | UnsetType = UNSET
    network: NetworkPart | UnsetType = UNSET
    handshake: HandshakePart | UnsetType = UNSET
    server_chain: tuple[CertificatePart, ...] | UnsetType = UNSET
    verification: VerificationPart | UnsetType = UNSET
    client_auth: ClientAuthPart | UnsetType = UNSET
    credential: CredentialPart | UnsetType = UNSET
    http: HttpPart | UnsetType = UNSET
    application: ApplicationPart | UnsetType = UNSET
    diagnosis: DiagnosisPart | UnsetType = UNSET
    audit: AuditPart | UnsetType = UNSET
    reference: tuple[ReferencePart, ...] | UnsetType = UNSET
