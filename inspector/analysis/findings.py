"""The values that judgements are made of. They are part of the report model, and so of the JSON format, as they stand."""

from __future__ import annotations

from typing import Literal

import msgspec

Severity = Literal["critical", "high", "medium", "low", "info"]


class Evidence(msgspec.Struct, frozen=True):
    """One observation that a judgement rests on."""

    text: str
    message: int | None = None  # index in handshake.messages
    probe: str | None = None  # name in diagnosis.probes


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing about a credential, a chain or a server that somebody should know. ``id`` is stable, a cause id where it is one."""

    id: str
    severity: Severity
    summary: str
    evidence: tuple[Evidence, ...] = ()
    remedy: str = ""


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """One possible reason for a rejection. ``confidence`` runs from 0 to 1; those of all causes add up to at most 1."""

    id: str
    confidence: float
    summary: str
    evidence: tuple[Evidence, ...] = ()
    refuted_by: str = ""
    remedy: str = ""
    ask_operator: str = ""  # the log line or field to look for on the server, by family


class ProbeOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """One counterfactual handshake: what was tried and how the server answered."""

    name: str
    outcome: str  # as "accepted", "alert 48 unknown_ca", "http 400", "closed"
    changed: str = ""  # what was different from the first handshake, in words


class MatchRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule by which a credential meets, or fails, what the server asked for. ``ok`` None: cannot be told."""

    rule: str
    ok: bool | None
    detail: str


class WouldSend(msgspec.Struct, frozen=True, kw_only=True):
    """Whether another TLS client would send this credential in answer to this request. ``sends`` None: cannot be told."""

    client: str
    sends: bool | None
    why: str


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """One check of an audit."""

    id: str
    status: Literal["pass", "finding", "undecided", "not_run"]
    severity: Severity
    confidence: str | None  # "confirmed", "likely", "handshake only"
    summary: str
    evidence: tuple[Evidence, ...] = ()
    control: str | None = None
    repeat: str | None = None
    remedy: str = ""
    references: tuple[str, ...] = ()
    needs: str | None = None  # what would let a check run that could not
    waived: str | None = None  # reason of the waiver that covers it
