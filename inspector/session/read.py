"""``mtls read``: reports on the TLS connections of a capture, in the order of their first packets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from inspector.analysis import encrypted, flights, hostname
from inspector.analysis.client_auth import ClientAuth, judge
from inspector.analysis.lost import lost
from inspector.app.overheard import FirstAnswer
from inspector.capture.captured import Captured
from inspector.capture.container import Readable
from inspector.capture.reader import Reader, Share
from inspector.capture.secrets import Secrets
from inspector.credentials.model import Credential
from inspector.plan import Trust
from inspector.report import build
from inspector.report.certificates import rfc3339
from inspector.report.model import (
    CapturePart,
    CredentialPart,
    DiagnosisPart,
    HandshakePart,
    NetworkPart,
    Peer,
    Report,
    VerificationPart,
)
from inspector.report.network import network_part, report_error, spoke_tls
from inspector.report.outcome import OF_VERDICT, ExitCode
from inspector.trace import events as ev
from inspector.trace.transcript import Transcript
from inspector.wire import events as wire
from inspector.wire.events import Side
from inspector.wire.messages import ClientHello, EncryptedExtensions, ServerHello
from inspector.wire.registry import AlertDescription, AlertLevel

MAX_VERIFIED = 4096
# Clocks of captures may say anything; certificates know the years 1 to 9999, and OpenSSL takes 64 bits.
EARLIEST, LATEST = -62_135_596_800, 253_402_300_799
MAX_JUDGEMENTS = 4096
IN_CAPTURE = "the capture"


class Options(NamedTuple):
    """What to read of a capture, and what to hold it against."""

    keylog: Iterable[bytes] | Secrets = ()
    stream: int | None = None
    port: int | None = None
    trust: Trust | None = None  # None: chains are not verified
    credential: Credential | None = None  # what the client is believed to use
    diagnose: bool = False


class Row(NamedTuple):
    """One line of the table of connections. Text of peers is in it as it came: escape it."""

    stream: int
    client: str
    server: str
    server_name: str
    version: str
    verdict: str
    alert: str
    code: ExitCode


class Connection(NamedTuple):
    """One TLS connection of the capture, judged. Its report is made when it is asked for."""

    captured: Captured
    row: Row
    auth: ClientAuth | None = None  # None as well where its outline told enough


class Reading:
    """Reads a capture once, or a share of its connections. ``connections`` gives them in the order in which they end."""

    def __init__(self, file: Readable, name: str, options: Options, share: Share | None = None) -> None:
        self._options = options
        self._reader = Reader(
            file, name, keylog=options.keylog, stream=options.stream, port=options.port, overhear=_first_answer,
            share=share,
        )
        self._verifier = Verifier(options.trust) if options.trust is not None else None
        self._judgements = Judgements()

    @property
    def notes(self) -> tuple[str, ...]:
        """What was wrong with the capture as a whole; complete once it was read."""
        return self._reader.notes

    @property
    def packets(self) -> int:
        return self._reader.packets

    @property
    def streams(self) -> int:
        return self._reader.streams

    def connections(self) -> Iterator[tuple[int, Connection | None]]:
        """``(stream, Connection)`` as they end; None for TCP connections without TLS, so that nobody waits for them."""
        for stream, captured in self._reader:
            yield stream, self._judgements.of(captured) if captured is not None else None

    def report(self, connection: Connection) -> Report:
        """The report on one connection: the same as of a live run, with what only a capture has."""
        captured, transcript = connection.captured, connection.captured.transcript
        auth = connection.auth or _auth(transcript)
        if self._verifier is not None:
            self._verifier.verify(transcript)
        network = _network(transcript)
        error: Any = msgspec.UNSET
        if not spoke_tls(transcript):
            error = report_error(_text(captured.server), network, transcript) or msgspec.UNSET
        report = build.build_report(
            "read", transcript, error=error, judged=auth, credential=self._credential(auth),
            capture=CapturePart(
                stream=captured.stream, client=_peer(captured.client), server=_peer(captured.server), notes=captured.notes,
            ),
            diagnosis=self._diagnosis(transcript, auth) if auth is not None else msgspec.UNSET,
        )
        return self._completed(report, transcript, network)

    def _credential(self, auth: ClientAuth | None) -> Credential | None:
        """What the client is believed to use, else what it was seen to send: judged as a live run judges its own."""
        sent = auth.sent_chain if auth is not None else ()
        return self._options.credential or (Credential(IN_CAPTURE, sent, None) if sent else None)

    def _diagnosis(self, transcript: Transcript, auth: ClientAuth) -> Any:
        if not self._options.diagnose:
            return msgspec.UNSET
        missing, unknown = lost(transcript), ""  # causes are about the certificate that was sent, or about none
        if auth.sent is None and any(missing):
            unknown = f"{missing.words}: whether a certificate was sent, and which, is not known, so no cause is ranked"
        elif auth.sent and not auth.sent_chain:
            unknown = "the client sent a raw public key (RFC 7250), which no certificate vouches for, so no cause is ranked"
        if unknown:
            rejected = auth.verdict == "rejected"
            return DiagnosisPart(
                side="server_rejected_client" if rejected else "nobody", causes=(),
                headline=f"{'The server rejected the client' if rejected else 'No cause can be told'}: {auth.rests_on}",
                notes=(unknown,),
            )
        from inspector.session import diagnose

        return diagnose.from_transcript(transcript, self._options.credential)

    def _completed(self, report: Report, transcript: Transcript, network: NetworkPart) -> Report:
        """With the network as the capture shows it, and the verification's time and trust."""
        changes: dict[str, Any] = {"network": network}
        shape = encrypted.shape(transcript)
        if not isinstance(report.handshake, HandshakePart) and transcript.listed:  # what the client said is there to be seen
            changes["handshake"] = build.handshake_part(transcript, flights.survey(transcript))
        elif shape is not None and isinstance(report.handshake, HandshakePart):
            completed = shape.completed or (None if any(lost(transcript)) else False)
            changes["handshake"] = msgspec.structs.replace(report.handshake, completed=completed, resumed=shape.resumed)
        shown = report.credential
        if isinstance(shown, CredentialPart) and shown.source == IN_CAPTURE:
            changes["credential"] = msgspec.structs.replace(shown, format=None)  # it is of no file
        part = report.verification
        if isinstance(part, VerificationPart) and self._verifier is not None:
            changes["verification"] = msgspec.structs.replace(
                part, trust_source=self._verifier.source, verified_at=rfc3339(transcript.started),
                host_explained=_host_explained(transcript),
            )
            changes["tool"] = build.tool_part(openssl=True)
        return msgspec.structs.replace(report, **changes)


def _first_answer(transcript: Transcript, port: int) -> FirstAnswer:
    plain = b"".join(event.data for event in transcript.all(ev.Plain) if event.side is Side.SERVER)
    alpn = None
    for message in transcript.messages(side=Side.SERVER):
        if isinstance(message.value, (ServerHello, EncryptedExtensions)):
            alpn = message.value.alpn or alpn
    return FirstAnswer(port, alpn=alpn, plain=plain)


# --- judging ---


class Judgements:
    """Judges connections; of those of the same outline the first alone is decoded for it."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], Row] = {}

    def of(self, captured: Captured) -> Connection:
        """The connection with its row."""
        outline = captured.outline
        if outline is None:
            return decode(captured)
        known = self._known.get(outline.key)
        if known is not None:
            return Connection(captured, Row(
                captured.stream, _text(captured.client), _text(captured.server), outline.server_name or "", *known[4:],
            ))
        connection = decode(captured)
        if len(self._known) < MAX_JUDGEMENTS:
            self._known[outline.key] = connection.row
        return connection


def decode(captured: Captured) -> Connection:
    """Decode a connection and judge it."""
    transcript = captured.transcript
    auth = _auth(transcript)
    code = _code(auth, transcript)
    hello = next((m.value for m in transcript.messages(side=Side.CLIENT) if isinstance(m.value, ClientHello)), None)
    answer = next((m.value for m in transcript.messages(side=Side.SERVER) if isinstance(m.value, ServerHello)), None)
    return Connection(captured, auth=auth, row=Row(
        stream=captured.stream,
        client=_text(captured.client),
        server=_text(captured.server),
        server_name=(hello.server_name if hello is not None else None) or _tunnel(transcript) or "",
        version=answer.version.label if answer is not None else "",
        verdict=_verdict(auth, transcript, code),
        alert=_alert(transcript),
        code=code,
    ))


def _auth(transcript: Transcript) -> ClientAuth | None:
    return judge(transcript) if spoke_tls(transcript) else None


def _code(auth: ClientAuth | None, transcript: Transcript) -> ExitCode:
    if auth is None:
        return ExitCode.NO_TALK
    if auth.verdict == "undecided" and _client_refused(transcript):
        return ExitCode.NO
    return OF_VERDICT[auth.verdict]


def _client_refused(transcript: Transcript) -> bool:
    """The client ended it with an alert: it was the client that rejected the server."""
    return encrypted.client_refused(transcript) or flights.client_alert(transcript) is not None


def _verdict(auth: ClientAuth | None, transcript: Transcript, code: ExitCode) -> str:
    if auth is None:
        alien = transcript.first(wire.NotTls)
        return f"not TLS ({alien.looks_like or 'unknown'})" if alien is not None else "no answer"
    if auth.verdict == "undecided" and code is ExitCode.NO:
        return "client rejected server"
    word = auth.verdict.replace("_", " ")
    if auth.verdict == "accepted" and auth.confidence <= encrypted.TLS_ONLY:
        word = "accepted (TLS only)"  # what the application said could not be read
    return f"{word} ({auth.rejected_by.replace('tls_', '')})" if auth.rejected_by else word


def _alert(transcript: Transcript) -> str:
    """The alert that tells most: the first that is no warning and no orderly end, else the first encrypted one."""
    for alert in transcript.all(wire.Alert):
        if alert.description not in flights.CLOSING_ALERTS and AlertLevel(alert.level).label != "warning":
            return f"{alert.side.value}: {alert.description} {AlertDescription(alert.description).label}"
    return ""


def _tunnel(transcript: Transcript) -> str | None:
    """The host that the client asked a proxy for, by an HTTP CONNECT before TLS (RFC 9110, 9.3.6)."""
    plain = transcript.first(ev.Plain)
    if plain is None or plain.side is not Side.CLIENT or not plain.data.startswith(b"CONNECT "):
        return None
    return plain.data.split(b" ", 2)[1].rpartition(b":")[0].decode("latin-1") or None


def _peer(end: tuple[str, int]) -> Peer:
    return Peer(host=end[0], port=end[1])


def _text(end: tuple[str, int]) -> str:
    return f"[{end[0]}]:{end[1]}" if ":" in end[0] else f"{end[0]}:{end[1]}"


def _network(transcript: Transcript) -> NetworkPart:
    """TCP was open, or there would be no bytes; the round trip only where its opening was captured."""
    return msgspec.structs.replace(network_part(transcript), connected=True)


def _asked_name(transcript: Transcript) -> str | None:
    """The name that the client asked for (SNI), which the certificate should hold."""
    hello = next((m.value for m in transcript.messages(side=Side.CLIENT) if isinstance(m.value, ClientHello)), None)
    return hello.server_name if hello is not None else None


def _host_explained(transcript: Transcript) -> str | None:
    from inspector.der.certificate import parse

    chain, name = flights.server_chain(transcript), _asked_name(transcript)
    return hostname.explain(parse(chain[0]), name).text if chain and name else None


# --- verification at the time of the capture ---


class _Known(NamedTuple):
    """An opinion, and the time within which it holds: no date of a certificate involved lies inside."""

    opinion: Any
    since: float
    until: float


class Verifier:
    """Verifies servers' chains as of the time of their connection; equal chains are verified once."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._known: dict[tuple[tuple[bytes, ...], str | None], _Known] = {}

    @property
    def source(self) -> str:
        return self._trust.source

    def verify(self, transcript: Transcript) -> None:
        """Append OpenSSL's verdict to the transcript, where a chain of the server can be read."""
        chain = flights.server_chain(transcript)
        if not chain or transcript.last(ev.Judged) is not None:
            return
        name = _asked_name(transcript)
        opinion = self._opinion(chain, name, transcript.started)
        if not opinion.judged:
            return
        errors = [error for error in opinion.errors if error.code not in ev.NAME_MISMATCHES]
        at = max((event.at for event in transcript.events), default=0.0)
        for error in opinion.errors:
            transcript.append(ev.CertificateError(at, error.depth, error.code, error.name, error.certificate))
        matches = None if name is None else len(errors) == len(opinion.errors)
        transcript.append(ev.Judged(at, not errors, matches, opinion.path))

    def _opinion(self, chain: tuple[bytes, ...], name: str | None, now: float) -> Any:
        known = self._known.get((chain, name))
        if known is not None and known.since <= now < known.until:
            return known.opinion
        from inspector.engine.verify import verify_server

        opinion = verify_server(chain, self._trust, host=name, now=min(max(now, EARLIEST), LATEST))
        dates = _dates((*chain, *opinion.path))
        if len(self._known) >= MAX_VERIFIED:
            self._known.clear()
        self._known[chain, name] = _Known(
            opinion, max((date for date in dates if date <= now), default=float("-inf")),
            min((date for date in dates if date > now), default=float("inf")),
        )
        return opinion


def _dates(certificates: Iterable[bytes]) -> list[float]:
    from inspector.der.certificate import parse

    read = [parse(der) for der in certificates]
    return [date for cert in read for date in (cert.not_before, cert.not_after) if date is not None]
