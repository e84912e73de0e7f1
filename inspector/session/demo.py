"""The three calls of ``mtls demo``: without a client certificate, with a good one, with an expired one."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

import msgspec
from msgspec import UnsetType

from inspector.app.result import AppResult
from inspector.credentials.model import Credential
from inspector.plan import Step, Trust
from inspector.report.build import build_report
from inspector.report.model import Report
from inspector.session import diagnose
from inspector.session.settings import Settings, handshake_plan
from inspector.target import Target
from inspector.trace import events as ev


class Call(NamedTuple):
    """One call: ``command`` is what it would be on the command line, ``expected`` the verdict that must come of it."""

    title: str
    command: str
    client: str | None  # whose certificate is sent
    expected: str
    lesson: str


CALLS = (
    Call(
        "without a client certificate", "handshake", None, "rejected",
        "The server asked (certificate_request), got an empty certificate, and said no with an alert. In TLS 1.3 that alert comes "
        "after the client's handshake is complete: many tools only show a broken connection here.",
    ),
    Call(
        "with a good certificate", "request", "client", "accepted",
        "Two messages make the difference: the certificate, and the signature (certificate_verify) that proves that the client "
        "holds its key. The API knows by them who calls.",
    ),
    Call(
        "with an expired certificate", "diagnose", "expired", "rejected",
        "The certificate is of the right authority, and its key is the right one: only its date has passed.",
    ),
)  # fmt: skip


class Answered(NamedTuple):
    """One call's report, and the body of the API's answer where there was one."""

    report: Report
    body: bytes


def settings_of(target: Target, anchors: tuple[bytes, ...], credential: Credential | None, source: str, now: float) -> Settings:
    """The settings of one call: this server, this authority and nobody else's."""
    return Settings(target=target, credential=credential, trust=Trust(anchors=anchors, source=source), app="http", now=now)


def run(call: Call, settings: Settings) -> Generator[Step, Any, Answered]:
    """Make one call."""
    if call.command == "diagnose":
        return Answered((yield from diagnose.run(settings, diagnose.Options(probes=False))), b"")
    transcript = yield handshake_plan(settings)
    told = transcript.last(ev.ApplicationResult)
    reply = told.result.http if told is not None and isinstance(told.result, AppResult) else None
    return Answered(build_report(call.command, transcript, settings), reply.body if reply is not None else b"")


def as_expected(call: Call, report: Report) -> bool:
    """True where the call came to what it is there to show."""
    part = report.client_auth
    return not isinstance(part, UnsetType) and part.verdict == call.expected


def interrupted(report: Report) -> bool:
    """True where somebody ended the call."""
    return not isinstance(report.network, UnsetType) and report.network.ended_how == "interrupted"


def second_flight(report: Report) -> Report:
    """The report with the steps from the client's second flight on: what comes before is the same in every call."""
    handshake = report.handshake
    if isinstance(handshake, UnsetType):
        return report
    ours = (m.index for m in handshake.messages if m.sender == "client" and m.type in ("certificate", "compressed_certificate"))
    first = next(ours, 0)
    kept = tuple(message for message in handshake.messages if message.index >= first)
    return msgspec.structs.replace(report, handshake=msgspec.structs.replace(handshake, messages=kept))
