"""What the application's answer says of the client certificate: an HTTP status and its page, or a protocol's own word."""

from __future__ import annotations

from typing import Any

from inspector.analysis.flights import Flights
from inspector.analysis.http_signatures import REFUSALS, Signature, asks_for_password, challenge, find_signature
from inspector.analysis.judgement import Judgement, accepted, let_in

# protocols whose first step (EHLO, CAPABILITY, FEAT...) is served to whoever asks
ANYBODYS_STEP = frozenset({"smtp", "lmtp", "imap", "pop3", "ftp", "nntp", "sieve", "irc", "xmpp"})
# and answers of others that only ask for a password
ASKS_FOR_PASSWORD = frozenset({("redis", "-NOAUTH")})
# refusals without a reason: what the status says, and how sure it is that the certificate is meant
BY_STATUS: dict[int, tuple[str, float]] = {
    401: ("the server does not take us for anybody it knows, and names no other way to log in", 0.8),
    403: ("the server refuses this identity, or the lack of one", 0.8),
}


def _http_refusal(seen: Flights, status: int) -> Judgement | None:
    """A refusal by status alone, without a signature. Only a server that asked is taken to mean the certificate."""
    if status not in BY_STATUS:
        return None
    said, confidence = BY_STATUS[status]
    if seen.requested is False and not seen.resumed:
        told = f"no CertificateRequest in this connection; HTTP {status} without one"
        return Judgement("not_requested", told, 0.7, ground="status")
    return Judgement("rejected", f"HTTP {status}: {said}", confidence, "http", ground="words")


def _signed_refusal(seen: Flights, reply: Any, signature: Signature) -> Judgement | None:
    """A refusal whose words or shape are known. A page that misses what was sent is not believed in that."""
    certain = signature.about_certificate and signature.meaning in ("missing", "invalid", "late_request_failed")
    if not certain and seen.requested is False:
        return None
    said = f"HTTP {reply.status}: the server says that {signature.summary}"
    if signature.meaning == "missing" and seen.sent:
        said += "; one was sent, and did not reach the application"
    elif certain and seen.requested is False:
        said += "; nobody asked for one in this handshake"
    return Judgement("rejected", said, 0.95 if certain else 0.8, "http", signature=signature, ground="words")


def by_http(seen: Flights) -> Judgement | None:
    result = seen.answer
    reply = getattr(result, "http", None)
    if reply is None:
        return None
    signature = find_signature(reply)
    refused = _signed_refusal(seen, reply, signature) if signature is not None and signature.meaning in REFUSALS else None
    if refused is not None:
        return refused
    scheme = challenge(reply) if reply.status == 401 else None
    if scheme is not None:
        told = f"HTTP 401 asks for another proof of identity ({scheme}), not for a certificate"
        return accepted(seen, told, 0.5, "status")
    if signature is None:
        refusal = _http_refusal(seen, reply.status)
        if refusal is not None:
            return refusal
    return _by_other_status(seen, reply)


def _by_other_status(seen: Flights, reply: Any) -> Judgement:
    """An answer that is no refusal of the certificate. Only a plain success says that we are served."""
    status = reply.status
    if status == 429:
        return Judgement("undecided", "HTTP 429: the server limits our rate and has not judged the request", 0.5, ground="status")
    if status == 400 and seen.requested is not False:
        # our request is minimal and well-formed; but a missing parameter is answered in the same way as a missing certificate
        told = "HTTP 400 without a word about certificates: the certificate or the request may be meant"
        return Judgement("undecided", told, 0.5, ground="status")
    if 200 <= status < 300:
        if asks_for_password(reply):
            return let_in(seen, f"the server answered HTTP {status}, with a page that asks for a password", 0.4)
        if not reply.complete:
            return accepted(seen, f"the server answered HTTP {status}, and its answer was cut off", 0.8, "yes")
        return accepted(seen, f"the server answered HTTP {status}", 0.98, "yes")
    return let_in(seen, f"the server answered HTTP {status}", 0.5)


def by_protocol(seen: Flights) -> Judgement | None:
    result = seen.answer
    if result is None or getattr(result, "http", None) is not None or result.accepted is None:
        return None
    said = f"{result.protocol}: {result.summary}"
    anybodys = result.protocol in ANYBODYS_STEP or (result.protocol, result.status) in ASKS_FOR_PASSWORD
    if result.accepted and anybodys and seen.requested:
        return accepted(seen, f"{said} (which anybody is told: TLS let us in, and no more is said)", 0.5, "anybody")
    if result.accepted:
        return accepted(seen, said, 0.95, "yes")
    if seen.requested is False and not seen.resumed:
        return Judgement("not_requested", f"no CertificateRequest in this connection; {said}", 0.6, ground="words")
    return Judgement("rejected", said, 0.9, "protocol", ground="words")
