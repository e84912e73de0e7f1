"""The report as text for a terminal. Renders the model and computes nothing: every judgement is already in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from inspector.report.diagnosis_text import diagnosis_section, headline_of
from inspector.report.layout import Page
from inspector.report.model import CertificatePart, HandshakePart, Report
from inspector.report.outcome import alpn_words, headline, where
from inspector.report.steps_text import steps_section

WHEN = {
    "handshake": "yes, in the handshake",
    "renegotiation": "yes, late: in a renegotiation after the first request",
    "post_handshake": "yes, late: after the handshake (post-handshake authentication)",
}
LABEL_COLUMN = 14
MARK = {True: "ok", False: "NO", None: "?"}


def render(
    report: Report, *, verbose: bool = False, explain: bool = False, quiet: bool = False, width: int = 100, color: bool = False,
    only: frozenset[str] = frozenset(),
) -> str:
    """The text of a report, without a line feed at the end.

    ``explain`` adds a sentence to each step, ``verbose`` every field of every message, ``quiet`` leaves only the headline. ``only``
    names the sections that are wanted ("diagnosis", "steps", "server_chain", "verification", "client_auth", "credential",
    "connection"); empty: all.
    """
    page = Page(width, color=color)
    word, sentence, style = headline(report)
    if report.diagnosis:
        sentence = headline_of(report.diagnosis) or sentence
    page.hang(f"{word} ", sentence, 2, lead_style=style)
    if not quiet:
        for section in SECTIONS:
            if not only or section.__name__.removeprefix("_") in only:
                section(page, report, verbose, explain)
    return page.text()


def _diagnosis(page: Page, report: Report, verbose: bool, _: bool) -> None:
    if report.diagnosis:
        diagnosis_section(page, report.diagnosis, verbose=verbose)


def _steps(page: Page, report: Report, verbose: bool, explain: bool) -> None:
    steps_section(page, report, verbose=verbose, explain=explain)


def certificate_lines(page: Page, index: int, certificate: CertificatePart, verbose: bool) -> None:
    """One certificate: subject, issuer, names, key, dates."""
    page.hang(f"  {index}", certificate.subject or "(empty subject)", 5)
    page.line(f"issued by {certificate.issuer or '(empty issuer)'}", indent=5)
    if certificate.subject_alt_names:
        page.hang("     for ", ", ".join(certificate.subject_alt_names), 9, most=0 if verbose else 3)
    key = certificate.key
    what = f"{key.type}{f' {key.bits}' if key.bits else ''}" if key is not None else "unknown key"
    dates = f"valid {_day(certificate.not_before)} to {_day(certificate.not_after)}"
    page.line(f"{what}, {certificate.signature_algorithm or 'unknown signature'}, {dates}", indent=5)
    if certificate.problem:
        page.line(f"problem: {certificate.problem}", indent=5, style="warn")
    if verbose:
        page.line(f"serial {certificate.serial_number}", indent=5)
        page.line(f"sha256 {certificate.sha256}", indent=5)


def _day(moment: str | None) -> str:
    return moment[:10] if moment else "(unknown)"


def _server_chain(page: Page, report: Report, verbose: bool, _: bool) -> None:
    if report.server_chain is UNSET:
        return
    page.heading(f"Server's chain ({len(report.server_chain)})")
    for index, certificate in enumerate(report.server_chain):
        certificate_lines(page, index, certificate, verbose)


def _pair(page: Page, label: str, text: str, **style: Any) -> None:
    page.hang(f"  {label}", text, LABEL_COLUMN, **style)


def _name_asked_for(report: Report) -> str:
    """What the server's certificate is to be for; in a capture, the SNI."""
    if report.target is not UNSET:
        return report.target.server_name or report.target.host
    messages = report.handshake.messages if report.handshake is not UNSET else ()
    return next((message.fields.get("server_name") for message in messages if message.type == "client_hello"), None) or "the name"


def _verification(page: Page, report: Report, verbose: bool, _: bool) -> None:
    part = report.verification
    if part is UNSET:
        return
    page.heading("Verification of the server")
    trusted = {True: "yes", False: "NO", None: "not judged"}[part.trusted]
    by = f", held against {part.trust_source}" if part.trust_source else ""
    _pair(page, "trusted", trusted + by, style=None if part.trusted else "warn")
    name = _name_asked_for(report)
    host = {True: f"matches {name}", False: f"DOES NOT MATCH {name}", None: "not checked"}[part.host_matches]
    _pair(page, "name", host, style="warn" if part.host_matches is False else None)
    if part.host_explained and (verbose or part.host_matches is False):
        _pair(page, "", part.host_explained)
    for error in part.errors:
        subject = f" ({error.subject})" if error.subject else ""
        _pair(page, "error", f"{error.name} [{error.code}] at depth {error.depth}{subject}", style="warn")
        for more in (error.summary, error.remedy):
            if more:
                _pair(page, "", more)
    for store in part.stores:
        said = "would trust it" if store.trusted else f"does not trust it ({', '.join(store.errors) or 'unreadable'})"
        _pair(page, "store", f"{store.source} {said}")
    if part.second_opinion and verbose:
        _pair(page, "also", part.second_opinion)
    findings(page, [finding for finding in part.findings if verbose or finding.severity != "info"])


def findings(page: Page, found: Any) -> None:
    """Findings of a check, each with its remedy."""
    for finding in found:
        _pair(page, finding.severity, f"{finding.summary} [{finding.id}]", style="warn" if finding.severity != "info" else None)
        if finding.remedy:
            _pair(page, "", finding.remedy)


def _client_auth(page: Page, report: Report, verbose: bool, _: bool) -> None:
    part = report.client_auth
    if part is UNSET:
        return
    page.heading("Client certificate")
    asked = WHEN[part.when] if part.when else {False: "no", None: "cannot be told", True: "yes"}[part.requested]
    _pair(page, "requested", asked)
    if part.requested:
        _authorities(page, part)
        _pair(page, "signatures", ", ".join(part.signature_schemes) or "(none named)", most=0 if verbose else 2)
        if part.certificate_types:
            _pair(page, "types", ", ".join(part.certificate_types))
        _pair(page, "sent", _sent(part), style=None if part.sent else "warn")
    _pair(page, "verdict", f"{part.verdict.replace('_', ' ')}: {part.rests_on}" if part.rests_on else part.verdict)
    for rule in part.match:
        if verbose or rule.ok is not True:
            _pair(page, "match" if rule is part.match[0] else "", f"{MARK[rule.ok]}: {rule.rule}: {rule.detail}")
    if verbose:
        for other in part.would_send:
            _pair(page, "others", f"{other.client} {'sends it' if other.sends else 'does not send it'}: {other.why}")


def _authorities(page: Page, part: Any) -> None:
    names = part.certificate_authorities
    if not names:
        _pair(page, "from", "any authority: the server names none")
        return
    for index, authority in enumerate(names):
        if index == NAMES_SHOWN and len(names) > NAMES_SHOWN + 1:
            _pair(page, "", f"and {len(names) - NAMES_SHOWN} more (all in --json)")
            break
        _pair(page, "" if index else "from", authority.name or "(empty name)")


NAMES_SHOWN = 20


def _sent(part: Any) -> str:
    if not part.sent:
        return "nothing" if part.sent is False else "cannot be told"
    if not part.sent_chain:
        return "a raw public key, no certificate"
    leaf, more = part.sent_chain[0], len(part.sent_chain) - 1
    with_chain = "alone, without intermediates" if not more else f"with {more} more certificate{'s' if more > 1 else ''}"
    return f"{leaf.subject}, issued by {leaf.issuer}, {with_chain}"


def _credential(page: Page, report: Report, verbose: bool, _: bool) -> None:
    part = report.credential
    if part is UNSET:
        return
    shown = [finding for finding in part.findings if verbose or finding.severity != "info"]
    if report.client_auth is UNSET or not report.client_auth.sent or shown or part.kept_as:
        page.heading("Your credential" if report.capture is UNSET else "The client's credential")
        _pair(page, "source", part.source)
        if part.kept_as:
            _pair(page, "attached", f"by itself: mtls credentials keeps it for this host as {part.kept_as}")
        if part.chain:
            _pair(page, "subject", part.chain[0].subject)
        findings(page, shown)


def _course(handshake: HandshakePart) -> str:
    if handshake.resumed is not None:
        return "session resumed" if handshake.resumed else "full handshake"
    if handshake.completed is None:
        return "whether the handshake was completed is not in the capture"
    return "whether the session was resumed is not in the capture" if handshake.completed else "handshake not completed"


def _connection(page: Page, report: Report, verbose: bool, _: bool) -> None:
    handshake, network = report.handshake, report.network
    if handshake is UNSET and (network is UNSET or not network.attempts):
        return
    page.heading("Connection")
    if handshake is not UNSET:
        parts = [handshake.protocol, handshake.cipher, handshake.group, alpn_words(handshake), _course(handshake)]
        _pair(page, "agreed", ", ".join(part for part in parts if part))
    if network is not UNSET:
        if report.target is not UNSET and report.target.address:
            trip = f", round trip {network.round_trip_ms:.1f} ms" if network.round_trip_ms is not None else ""
            _pair(page, "network", f"{report.target.address}{trip}")
        for attempt in network.attempts:
            if attempt.error and (verbose or not network.connected):
                port = "" if attempt.address.startswith("unix:") else f" port {attempt.port}"
                _pair(page, "tried", f"{attempt.address}{port}: {attempt.error}")


def _capture(page: Page, report: Report, _verbose: bool, _explain: bool) -> None:
    """Where in the capture this is, and what the capture lacks."""
    part = report.capture
    if part is UNSET:
        return
    page.heading("Capture")
    ends = [f"[{end.host}]:{end.port}" if ":" in end.host else f"{end.host}:{end.port}" for end in (part.client, part.server)]
    _pair(page, "stream", f"{part.stream}: client {ends[0]}, server {ends[1]}")
    network = report.network
    if network is not UNSET and network.ended_by:
        _pair(page, "ended", f"first by the {network.ended_by} ({network.ended_how})")
    verified = report.verification.verified_at if report.verification is not UNSET else None
    if verified:
        _pair(page, "verified", f"as of {verified}, the time of the capture")
    for note in part.notes:
        _pair(page, "note", note, style="warn")


def _next_step(page: Page, report: Report, _verbose: bool, _explain: bool) -> None:
    """Where to go from a rejection that nobody has explained yet."""
    if report.command == "handshake" and report.client_auth is not UNSET and report.client_auth.verdict == "rejected":
        page.blank()
        page.line(f"Why? 'mtls diagnose {where(report)}' with the same options says what is most likely.", style="dim")


Section = Callable[[Page, Report, bool, bool], None]
SECTIONS: tuple[Section, ...] = (
    _diagnosis, _steps, _server_chain, _verification, _client_auth, _credential, _connection, _capture, _next_step,
)
