"""From a transcript to what a diagnosis rests on (``observations``). Pure; nothing here decides for a cause."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any

from inspector.analysis import flights
from inspector.analysis.authority import Standing
from inspector.analysis.client_auth import ClientAuth, listened
from inspector.analysis.observations import HELLO, Observed, causes_in_words
from inspector.der.names import rfc4514
from inspector.trace import events as ev
from inspector.trace.transcript import Transcript
from inspector.wire import events as wire
from inspector.wire.events import Side
from inspector.wire.registry import HandshakeType, NamedGroup

# meaning of an HTTP signature -> signal
PAGES = {
    "missing": "page:missing", "invalid": "page:invalid", "late_request_failed": "page:late", "not_authorised": "denied",
    "misdirected": "misdirected",
}
BY_STATUS = {401: "denied", 403: "denied", 421: "misdirected", 495: "page:invalid", 496: "page:missing"}
# a protocol's refusal that speaks of the certificate
_MISSING_WORDS = ("requires a valid client certificate", "certificate required", "no certificate", "client certificate is required")
# keys whose signatures not every server takes, beside what the match with the request finds
_UNUSUAL_KEYS = {"Ed25519", "Ed448", "DSA", "RSA-PSS"}
FIRST_BYTES = 32  # shown of a protocol that is not known
NIST_CURVES = {"secp256r1", "secp384r1", "secp521r1"}
_USUAL_CURVES = {"P-256", "P-384", "secp256r1", "prime256v1", "secp384r1"}


def _application_signal(auth: ClientAuth, result: Any) -> str | None:
    """The signal of an application's refusal; None where it has not refused."""
    if auth.rejected_by == "http":
        if auth.signature is not None:
            # a page that misses a certificate which was sent says only that it knows nobody
            lost = auth.signature.meaning == "missing" and auth.sent
            return "denied" if lost else PAGES.get(auth.signature.meaning, "error")
        return BY_STATUS.get(result.http.status, "error")
    if auth.rejected_by == "protocol":
        text = (result.summary + " " + result.reply.decode("utf-8", "replace")).lower()
        return "page:missing" if any(words in text for words in _MISSING_WORDS) else "denied"
    return "error" if auth.verdict == "undecided" and auth.ground == "status" else None


# RFC 6120, 4.9.3: the server answers, and does not serve the name that the stream was opened to
NAME_REFUSED = frozenset({"host-unknown", "host-gone", "improper-addressing"})


def _prelude_signal(transcript: Transcript, ended: ev.Ended) -> str:
    """What became of the conversation before TLS: who answers in the very protocol that was asked has refused us, or the name."""
    done = transcript.last(ev.PreludeDone)
    result = done.result if done is not None else None
    if ended.how == "prelude_refused" and result is not None and getattr(result, "error", None) is None:
        named = result.protocol == "xmpp" and result.status in NAME_REFUSED
        return "prelude:name" if named else "prelude:refused"
    answered = any(e.side is Side.SERVER for e in transcript.all(ev.Plain))
    return "plain" if answered else {"fin": "close", "reset": "reset"}.get(ended.how, "silence")


def _network_signal(transcript: Transcript) -> str | None:
    if transcript.first(ev.Connected) is None:
        return "network"
    prelude = [e for e in transcript.all(ev.Ended) if str(e.phase) in {"resolve", "connect", "prelude"}]
    if prelude:
        return _prelude_signal(transcript, prelude[-1])
    spoke = any(isinstance(e, (wire.Message, wire.Alert)) and e.side is Side.SERVER for e in transcript.events)
    if not spoke and any(e.side is Side.SERVER for e in transcript.all(wire.NotTls)):
        return "plain"
    return None


def _ending(transcript: Transcript, seen: flights.Flights, auth: ClientAuth) -> str:
    if auth.ground == "step" and listened(transcript):
        return "dropped"
    ended = transcript.last(ev.Ended)
    if ended is not None and ended.how == "reset" and ended.by != "client":
        return "reset"
    if seen.closed_by_server is not None:
        return "close"
    return "silence"


def _our_alert(transcript: Transcript, seen: flights.Flights) -> wire.Alert | None:
    """A fatal alert of ours in a handshake that the server did not end: our side could not go on."""
    if seen.handshake_done or seen.fatal_alert is not None:
        return None
    ours = [a for a in transcript.all(wire.Alert) if a.side is Side.CLIENT and a.description not in flights.CLOSING_ALERTS]
    return ours[0] if ours else None


def signal_of(transcript: Transcript, auth: ClientAuth) -> str:
    """How the server answered, as ``observations`` lists the signals."""
    if auth.verdict in {"accepted", "not_requested"}:
        return "accepted"
    network = _network_signal(transcript)
    if network is not None:
        return HELLO + network
    seen = flights.survey(transcript)
    application = _application_signal(auth, seen.answer)
    if application is not None:
        return application
    alert = auth.alert or seen.fatal_alert or _our_alert(transcript, seen)
    signal = f"alert:{int(alert.description)}" if alert is not None else _ending(transcript, seen, auth)
    about_certificates = auth.verdict == "rejected" or auth.requested or seen.handshake_done
    return signal if about_certificates else HELLO + signal


def phase_of_end(transcript: Transcript, auth: ClientAuth) -> str | None:
    """The phase in which the decisive thing came."""
    alert = auth.alert or flights.survey(transcript).fatal_alert
    if alert is not None:
        return str(transcript.phase_of(alert))
    if auth.rejected_by in {"http", "protocol"}:
        return "application"
    ended = transcript.last(ev.Ended)
    return str(ended.phase) if ended is not None else None


def unusual_in(chain: tuple[bytes, ...]) -> tuple[str, ...]:
    """What about the key and the signatures of this chain not every server takes, in words."""
    from inspector.der.certificate import parse

    if not chain:
        return ()
    leaf = parse(chain[0])
    found = []
    if leaf.key_type in _UNUSUAL_KEYS:
        found.append(f"its key is {leaf.key_type}")
    elif leaf.key_type == "EC" and leaf.key_curve not in _USUAL_CURVES:
        found.append(f"its key is on the curve {leaf.key_curve}")
    elif leaf.key_type == "RSA" and (leaf.key_bits or 0) > 8192:
        found.append(f"its RSA key has {leaf.key_bits} bits")
    for cert in map(parse, chain):
        if (cert.signature_algorithm or "").startswith(("RSASSA-PSS", "Ed", "dsa")):
            found.append(f"'{cert.title}' is signed with {cert.signature_algorithm}")
            break
    return tuple(found)


def other_curve(transcript: Transcript, chain: tuple[bytes, ...]) -> tuple[str, ...]:
    """Up to TLS 1.2 a server checks the curve of the client's key against those that it allows (RFC 8422, Section 5.1.1). One that
    chose another NIST curve, although we prefer X25519, may allow no other: what speaks for that, in words.
    """
    from inspector.der.certificate import parse

    exchange = next(iter(transcript.messages(HandshakeType.SERVER_KEY_EXCHANGE, Side.SERVER)), None)
    group = getattr(exchange.value, "group", None) if exchange is not None else None
    if group is None or not chain or parse(chain[0]).key_type != "EC":
        return ()
    chosen, own = NamedGroup(int(group)).label, parse(chain[0]).key_curve
    if chosen not in NIST_CURVES or own in {None, chosen}:
        return ()
    words = f"its key is on the curve {own}, and the server chose {chosen} for the key exchange"
    return (f"{words}: one that allows only that curve refuses other keys over TLS 1.2",)


def rare_curve(chain: tuple[bytes, ...]) -> bool:
    """True for an EC key on a curve that no TLS library allows by default; servers of TLS 1.2 refuse it only when they see it."""
    from inspector.der.certificate import parse

    return bool(chain) and parse(chain[0]).key_type == "EC" and parse(chain[0]).key_curve not in NIST_CURVES


def clock_skew(transcript: Transcript, result: Any) -> float | None:
    """Seconds that the server's clock is ahead of ours, by the Date of its HTTP answer (RFC 9110, Section 6.6.1)."""
    reply = getattr(result, "http", None)
    if reply is None or not transcript.started:
        return None
    value = next((value for name, value in reply.headers if name.lower() == "date"), None)
    answered = transcript.last(ev.ApplicationResult)
    if value is None or answered is None:
        return None
    try:
        return parsedate_to_datetime(value).timestamp() - (transcript.started + answered.at)
    except (ValueError, TypeError, OverflowError):
        return None


def _product(auth: ClientAuth, result: Any, protocol: str) -> str | None:
    if auth.signature is not None and auth.signature.family:
        return auth.signature.family
    reply = getattr(result, "http", None)
    if reply is not None:
        return next((value for name, value in reply.headers if name.lower() == "server"), None)
    return protocol if protocol not in {"http", "none"} else None


def _words(auth: ClientAuth, result: Any) -> tuple[tuple[str, ...], str]:
    """What the words of a refusal name."""
    if result is None or auth.rejected_by not in {"http", "protocol"}:
        return (), ""
    reply = getattr(result, "http", None)
    text = reply.body[:4096].decode("utf-8", "replace") if reply is not None else ""
    if reply is not None:
        text += " " + " ".join(value for name, value in reply.headers if "verif" in name.lower() or "cert" in name.lower())
    else:
        text = result.reply.decode("utf-8", "replace") + " " + result.summary
    return causes_in_words(text)


def _request_extensions(seen: flights.Flights) -> tuple[int, ...]:
    if seen.request is None or isinstance(seen.request.value, Exception):
        return ()
    return tuple(int(e.type) for e in getattr(seen.request.value, "extensions", ()) or ())


def _hello_size(transcript: Transcript) -> int | None:
    hellos = transcript.messages(HandshakeType.CLIENT_HELLO, Side.CLIENT)
    return len(hellos[0].body) + 4 if hellos else None


def _network_words(transcript: Transcript) -> str | None:
    resolved = transcript.last(ev.Resolved)
    if resolved is not None and resolved.error:
        return resolved.error
    failed = [a for a in transcript.all(ev.Attempt) if a.error]
    if failed and transcript.first(ev.Connected) is None:
        return "; ".join(f"{a.address} port {a.port}: {a.error}" for a in failed[:4])
    ended = transcript.last(ev.Ended)
    early = ended is not None and (ended.how == "prelude_refused" or transcript.first(ev.Connected) is None)
    return ended.detail or None if ended is not None and early else None


def problems_of_server(transcript: Transcript) -> tuple[str, ...]:
    """Why our side did not accept the server, in words; empty where it did."""
    judged = transcript.last(ev.Judged)
    if judged is None or (judged.trusted and judged.host_matches is not False):
        return ()
    found = [f"{e.name} at depth {e.depth}" for e in transcript.all(ev.CertificateError)]
    if judged.host_matches is False:
        found.append("the certificate is not for the name that was asked for")
    return tuple(dict.fromkeys(found)) or ("the chain does not verify",)


def _alien(spoken: wire.NotTls | None) -> str:
    """The protocol that spoke where TLS was expected, or its first bytes, where they are of none that is known."""
    if spoken is None:
        return ""
    return spoken.looks_like or f"unknown; its first bytes are {spoken.data[:FIRST_BYTES].decode('latin-1')!a}"


def _alert_lost(transcript: Transcript, auth: ClientAuth) -> bool:
    """True where the connection ended without an alert after we wrote: the alert may have been dropped with it."""
    if auth.alert is not None or auth.rejected_by not in {"close", None} or not auth.requested:
        return False
    ended = transcript.last(ev.Ended)
    broken = transcript.first(ev.WriteFailed) is not None or (ended is not None and ended.how == "reset")
    return broken or auth.ground == "step"


def observe(
    transcript: Transcript, auth: ClientAuth, standing: Standing, *, protocol: str, has_credential: bool, findings: tuple[str, ...],
    scheme_fits: bool | None,
) -> Observed:
    """Everything about this connection that a diagnosis rests on. ``findings`` are the ids of what the credential shows."""
    seen = flights.survey(transcript)
    judged = transcript.last(ev.Judged)
    signal = signal_of(transcript, auth)
    said, words = _words(auth, seen.answer)
    reply = getattr(seen.answer, "http", None)
    not_tls = next((e for e in transcript.all(wire.NotTls) if e.side is Side.SERVER), None)
    done = transcript.last(ev.HandshakeDone)
    tls = None if not seen.server_spoke else "1.3" if seen.tls13 else (done.protocol.removeprefix("TLSv") if done else "1.2")
    out = seen.our_certificate_out and not (judged is not None and judged.withheld)
    return Observed(
        verdict=auth.verdict, signal=signal, phase=phase_of_end(transcript, auth), signal_message=auth.certificate_index,
        tls=tls, protocol=protocol, requested=auth.requested, when=auth.when, request_message=auth.request_index,
        certificate_message=auth.certificate_index, listed=tuple(rfc4514(name) for name in auth.authorities),
        schemes=tuple(map(int, auth.schemes)), types=tuple(map(int, auth.types)), request_extensions=_request_extensions(seen),
        has_credential=has_credential, sent=len(auth.sent_chain) if out else None,
        withheld=judged is not None and judged.withheld, findings=findings, scheme_fits=scheme_fits,
        unusual=(*unusual_in(auth.sent_chain), *other_curve(transcript, auth.sent_chain)), issuers=standing.issuers,
        relation=standing.relation,
        relation_detail=standing.detail, key_check=standing.key_check, key_detail=standing.key_detail, said=said, said_words=words,
        status=seen.answer.status if seen.answer is not None else None,
        page=auth.signature.id if auth.signature is not None else None, product=_product(auth, seen.answer, protocol),
        clock_skew=clock_skew(transcript, seen.answer) if reply is not None else None,
        server_problems=problems_of_server(transcript), looks_like=_alien(not_tls),
        network_error=_network_words(transcript), hello_size=_hello_size(transcript),
        alert_lost=_alert_lost(transcript, auth), ours=_our_alert(transcript, seen) is not None,
        ground=auth.ground, told=auth.rests_on, names_differ=standing.names_differ, end_looks_like=standing.end_looks_like,
        root_listed=standing.root_listed, unsent=len(standing.missing),
    )
