"""How a report ended: one word for who, and the exit code."""

from __future__ import annotations

from enum import IntEnum

from msgspec import UNSET

from inspector.report.model import AlertPart, HandshakePart, Report


class ExitCode(IntEnum):
    """What a process says with its exit code."""

    YES = 0
    NO = 1
    USAGE = 2
    NO_TALK = 3
    UNUSABLE = 4
    UNDECIDED = 5
    BUG = 70
    INTERRUPTED = 130
    TERMINATED = 143


# which of several targets' codes the process ends with: the first of these that occurred
PRECEDENCE = (
    ExitCode.INTERRUPTED, ExitCode.TERMINATED, ExitCode.BUG, ExitCode.USAGE,
    ExitCode.UNUSABLE, ExitCode.NO_TALK, ExitCode.NO, ExitCode.UNDECIDED, ExitCode.YES,
)

# alerts of an orderly end (RFC 8446, Section 6.1): close_notify, user_canceled
ORDERLY = (0, 90)

OF_VERDICT = {
    "accepted": ExitCode.YES,
    "not_requested": ExitCode.YES,
    "rejected": ExitCode.NO,
    "undecided": ExitCode.UNDECIDED,
}

# error.kind -> exit code, for kinds that come with a report; others are TransportError's (3)
OF_ERROR = {
    "usage": ExitCode.USAGE,
    "interrupted": ExitCode.INTERRUPTED,
    "terminated": ExitCode.TERMINATED,
    "internal": ExitCode.BUG,
}


def rejected_server(report: Report) -> bool:
    """True where it was our side that ended it, because the server's chain or name did not hold.

    In a capture the client judged by its own trust, which nobody here knows: only its alert says that it refused.
    """
    verification, auth = report.verification, report.client_auth
    if report.capture is not UNSET:
        return auth is not UNSET and auth.verdict == "undecided" and _client_alert(report) is not None
    if verification is UNSET or auth is UNSET or auth.verdict != "undecided":
        return False
    if report.network is not UNSET and report.network.ended_how != "refused_to_send":
        return False  # with --insecure we went on, and what came of that decides
    return verification.trusted is False or verification.host_matches is False


def _client_alert(report: Report) -> AlertPart | None:
    """The client's alert that ended a captured connection."""
    alerts = report.handshake.alerts if report.handshake is not UNSET else ()
    return next(
        (a for a in alerts if a.sender == "client" and a.code not in (None, *ORDERLY) and a.level != "warning"), None,
    )


def exit_code(report: Report) -> ExitCode:
    """The exit code of a handshake, a request or a diagnosis: who said no, if anybody did."""
    if report.error is not UNSET and report.error.kind in OF_ERROR:
        return OF_ERROR[report.error.kind]
    if report.client_auth is UNSET:
        return ExitCode.NO_TALK
    if rejected_server(report):
        return ExitCode.NO
    return OF_VERDICT[report.client_auth.verdict]


def worst(codes: list[ExitCode]) -> ExitCode:
    """The code of several targets or streams: the first of 4, 3, 1, 5, 0 that occurred; 0 for none."""
    return next((code for code in PRECEDENCE if code in codes), ExitCode.YES)


def where(report: Report) -> str:
    """The server, as host:port."""
    peer = report.target if report.target is not UNSET else (report.capture.server if report.capture is not UNSET else None)
    if peer is None:
        return "the server"
    host = f"[{peer.host}]" if ":" in peer.host else peer.host
    return f"{host}:{peer.port}" if peer.port is not None else f"unix:{host}"


def _ours(report: Report) -> str:
    auth, captured = report.client_auth, report.capture is not UNSET
    if auth is UNSET or not auth.sent_chain:
        if auth is not UNSET and auth.sent:
            return "the client's raw public key"  # nothing here sends one, so it was captured
        unread = captured and auth is not UNSET and auth.sent is None
        return "the client" if unread else f"{'the client' if captured else 'you'} without a certificate"
    whose = "the client's" if captured else "your"
    return f"{whose} certificate {auth.sent_chain[0].subject}"


def _why_we_refused(report: Report) -> str:
    verification = report.verification
    alert = _client_alert(report)
    if report.capture is not UNSET and alert is not None:
        return f"the client refused {where(report)} with alert {alert.code} {alert.name}"
    assert verification is not UNSET
    faults = [error.summary or error.name for error in verification.errors if error.summary or error.name]
    if verification.host_matches is False and not faults:
        faults = ["its certificate is for another name"]
    reason = "; ".join(dict.fromkeys(faults)) or "its chain does not end in a trusted root"
    return f"{where(report)} is not verified: {reason}; nothing of yours was sent"


def _rejection(report: Report) -> str:
    auth = report.client_auth
    assert auth is not UNSET
    if auth.sent is False and auth.requested:
        return f"{where(report)} wants a client certificate, and got none: {auth.rests_on}"
    return f"{where(report)} refused {_ours(report)}: {auth.rests_on}"


def _late(report: Report) -> str:
    auth = report.client_auth
    return ", late," if auth is not UNSET and auth.when in ("renegotiation", "post_handshake") else ""


# what came in the way, in few words: the error on stderr has more
IN_THE_WAY = {
    "dns": "no address is known for {where}",
    "refused": "{where} refused the connection",
    "timeout": "no answer from {where}",
    "unreachable": "{where} cannot be reached",
    "silent": "{where} takes the connection and stays silent",
    "closed": "{where} hung up on our ClientHello",
    "reset": "{where} reset the connection on our ClientHello",
    "prelude": "the way to TLS with {where} was not opened",
    "not-tls": "{where} speaks something else",
}


def _without_tls(report: Report) -> tuple[str, str, str]:
    kind = report.error.kind if report.error is not UNSET else ""
    told = IN_THE_WAY.get(kind, "nothing of TLS came from {where}").format(where=where(report))
    return ("NOT TLS" if kind == "not-tls" else "NETWORK"), told, "unsure"


def headline(report: Report) -> tuple[str, str, str]:
    """How it ended: who or what, in capitals; a sentence; and how that is meant: "good", "bad", "unsure" or "plain"."""
    error = report.error
    if error is not UNSET and error.kind in ("interrupted", "terminated"):
        return error.kind.upper(), error.message.removeprefix(f"{error.kind}: "), "unsure"
    auth = report.client_auth
    if auth is UNSET:
        return _without_tls(report)
    us = "YOU" if report.capture is UNSET else "CLIENT"
    if rejected_server(report):
        return f"{us} REJECTED THE SERVER", _why_we_refused(report), "bad"
    if auth.verdict == "rejected":
        return f"SERVER REJECTED {us}", _rejection(report), "bad"
    if auth.verdict == "accepted":
        asked = f"{where(report)} asked{_late(report)} for a client certificate"
        return "ACCEPTED", f"{asked} and accepted {_ours(report)}: {auth.rests_on}", "good"
    if auth.verdict == "not_requested":
        return "NOT REQUESTED", f"{where(report)} did not ask for a client certificate: {auth.rests_on}", "plain"
    return "UNDECIDED", f"{where(report)}: {auth.rests_on}", "unsure"


def alpn_words(handshake: HandshakePart) -> str:
    """In TLS 1.3 the protocol is agreed in EncryptedExtensions, which a capture without keys does not show."""
    if handshake.alpn:
        return f"ALPN {handshake.alpn}"
    if handshake.protocol == "TLSv1.3" and not any(message.type == "encrypted_extensions" for message in handshake.messages):
        return "ALPN not visible"
    return "no ALPN"
