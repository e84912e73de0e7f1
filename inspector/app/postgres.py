"""PostgreSQL's frontend/backend protocol 3.0: SSLRequest, and the StartupMessage as first step (its manual, 53.2 and 53.7)."""

from __future__ import annotations

import struct
from collections.abc import Generator

from inspector.app.result import AppResult
from inspector.app.talk import PeerBroke, PeerEnded, Script, Want, text_of

PROTOCOL_3_0 = 196608
SSL_REQUEST = struct.pack("!II", 8, 80877103)
MESSAGE_LIMIT = 64 * 1024
AUTHENTICATED = "AuthenticationOk"

# Authentication requests, by their number: what each says of the certificate (they all come after TLS and pg_hba took us in)
AUTHENTICATION = {
    0: "logged in", 2: "asks for Kerberos V5", 3: "asks for a clear-text password", 5: "asks for an MD5 password",
    6: "asks for SCM credentials", 7: "asks for GSSAPI", 9: "asks for SSPI", 10: "asks for a SASL (SCRAM) password",
}
# SQLSTATE classes and codes that are a verdict on who we are (PostgreSQL manual, Appendix A); others say nothing of it
VERDICTS: dict[str, tuple[bool, str]] = {
    "28000": (False, "not authorised: no such user, no matching pg_hba.conf line, or the certificate is another user's"),
    "28P01": (False, "password authentication failed"),
    "3D000": (True, "logged in, but the database does not exist"),
    "42501": (True, "logged in, but without the right to connect to the database"),
}


def starttls() -> Script:
    """Ask for TLS. ``S`` is yes, ``N`` no; an old server answers with an error message."""
    answer = yield Want(SSL_REQUEST, 1)
    if answer == b"S":
        return AppResult("postgres", True, True, "S", "the server agreed to TLS")
    if answer == b"N":
        return AppResult("postgres", True, False, "N", "the server has TLS switched off")
    raise PeerBroke(f"the answer to SSLRequest begins with '{text_of(answer)}', where S or N is due: this is no PostgreSQL")


def startup(user: str, database: str | None = None) -> Script:
    """Log in as ``user`` as far as it goes without a password.

    AuthenticationOk is not the last word: only then the server looks whether such a user and database exist.
    """
    pairs = ["user", user, "database", database or user, "application_name", "mtls-inspector"]
    body = struct.pack("!I", PROTOCOL_3_0) + b"".join(text.encode() + b"\0" for text in pairs) + b"\0"
    send = struct.pack("!I", len(body) + 4) + body
    logged_in: AppResult | None = None
    while True:
        try:
            kind, message = yield from _message(send)
        except PeerEnded:
            if logged_in is None:
                raise
            return logged_in
        send = b""
        if kind == b"E":
            return _error(message)
        if kind == b"Z":  # ReadyForQuery
            yield Want(b"X\0\0\0\4", 0)  # Terminate
            return logged_in or AppResult("postgres", True, True, "ReadyForQuery", "logged in")
        if kind == b"R":
            result = _authentication(message)
            if result.status != AUTHENTICATED:
                return result
            logged_in = result
        elif kind not in (b"N", b"v", b"S", b"K"):  # NoticeResponse, NegotiateProtocolVersion, ParameterStatus, BackendKeyData
            raise PeerBroke(f"a message of type '{text_of(kind)}' in answer to StartupMessage")


def _message(send: bytes) -> Generator[Want, bytes, tuple[bytes, bytes]]:
    """The type and the body of the next message, after sending ``send``."""
    head = yield Want(send, 5)
    kind, length = head[:1], struct.unpack("!I", head[1:])[0]
    if not 4 <= length <= MESSAGE_LIMIT:
        raise PeerBroke(f"a message of {length} bytes")
    return kind, (yield Want(b"", length - 4))


def _authentication(message: bytes) -> AppResult:
    if len(message) < 4:
        raise PeerBroke("an authentication request without a number")
    number = struct.unpack("!I", message[:4])[0]
    what = AUTHENTICATION.get(number, f"asks for authentication method {number}")
    return AppResult("postgres", True, True, AUTHENTICATED if number == 0 else f"Authentication {number}", what)


def _error(message: bytes) -> AppResult:
    fields = {part[:1]: part[1:] for part in message.split(b"\0") if part}
    state = fields.get(b"C", b"").decode("ascii", "replace")
    accepted, meaning = VERDICTS.get(state, (None, ""))
    said = text_of(fields.get(b"M", b""))
    return AppResult("postgres", True, accepted, state or None, f"{meaning}: {said}" if meaning else said)
