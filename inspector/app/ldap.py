"""LDAP in the few BER bytes that are needed: StartTLS (RFC 4511, 4.14), SASL EXTERNAL (RFC 4513, 5.2.3), "Who am I?" (RFC 4532)."""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

from inspector.app.result import AppResult
from inspector.app.talk import PeerBroke, Script, Want, text_of

START_TLS = b"1.3.6.1.4.1.1466.20037"
WHO_AM_I = b"1.3.6.1.4.1.4203.1.11.3"
MESSAGE_LIMIT = 64 * 1024

BIND_REQUEST, BIND_RESPONSE, EXTENDED_REQUEST, EXTENDED_RESPONSE = 0x60, 0x61, 0x77, 0x78

# RFC 4511, Appendix A.2
RESULT_CODES = {
    0: "success", 1: "operationsError", 2: "protocolError", 7: "authMethodNotSupported", 8: "strongerAuthRequired",
    13: "confidentialityRequired", 14: "saslBindInProgress", 48: "inappropriateAuthentication", 49: "invalidCredentials",
    50: "insufficientAccessRights", 51: "busy", 52: "unavailable", 53: "unwillingToPerform", 80: "other",
}
REFUSED = (48, 49, 50)


class Answer(NamedTuple):
    tag: int
    code: int
    diagnostic: bytes
    value: bytes  # responseValue of an extended operation


def _tlv(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = len(body)
    length = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + length + body


def _message(number: int, operation: bytes) -> bytes:
    return _tlv(0x30, _tlv(0x02, bytes([number])), operation)


def _extended(number: int, oid: bytes) -> bytes:
    return _message(number, _tlv(EXTENDED_REQUEST, _tlv(0x80, oid)))


def _bind_external(number: int) -> bytes:
    """A bind with SASL EXTERNAL: "I am whom my certificate says"."""
    return _message(number, _tlv(BIND_REQUEST, _tlv(0x02, b"\x03"), _tlv(0x04), _tlv(0xA3, _tlv(0x04, b"EXTERNAL"), _tlv(0x04))))


def _split(data: bytes) -> tuple[int, bytes, bytes]:
    """Tag, contents and the rest of one element. Raises PeerBroke where the length does not fit."""
    if len(data) < 2:
        raise PeerBroke("a BER element is cut short")
    size, start = data[1], 2
    if size >= 0x80:
        start = 2 + (size & 0x7F)
        size = int.from_bytes(data[2:start], "big")
    if len(data) < start + size or start > 6:
        raise PeerBroke("a BER element is longer than its message")
    return data[0], data[start : start + size], data[start + size :]


def _answer(send: bytes) -> Generator[Want, bytes, Answer]:
    head = yield Want(send, 2)
    if head[0] != 0x30:
        raise PeerBroke("the answer is not an LDAP message")
    size = head[1]
    if size >= 0x80:
        if not 1 <= size & 0x7F <= 4:
            raise PeerBroke("an LDAP message of unknown length")
        size = int.from_bytes((yield Want(b"", size & 0x7F)), "big")
    if size > MESSAGE_LIMIT:
        raise PeerBroke(f"an LDAP message of {size} bytes")
    body = yield Want(b"", size)
    _, _, rest = _split(body)  # messageID
    tag, operation, _ = _split(rest)
    if tag not in (BIND_RESPONSE, EXTENDED_RESPONSE):
        raise PeerBroke(f"LDAP operation {tag:#x} in answer")
    _, code, rest = _split(operation)
    _, _, rest = _split(rest)  # matchedDN
    _, diagnostic, rest = _split(rest)
    value = b""
    while rest:
        inner, contents, rest = _split(rest)
        value = contents if inner == 0x8B else value
    return Answer(tag, int.from_bytes(code, "big"), diagnostic, value)


def _said(answer: Answer) -> str:
    name = RESULT_CODES.get(answer.code, f"result {answer.code}")
    return f"{name}: {text_of(answer.diagnostic)}" if answer.diagnostic else name


def starttls() -> Script:
    answer = yield from _answer(_extended(1, START_TLS))
    summary = "the server agreed to TLS" if answer.code == 0 else f"the server refused StartTLS: {_said(answer)}"
    return AppResult("ldap", True, answer.code == 0, str(answer.code), summary)


def heard(question: bytes) -> Script:
    """The answer to another client's first request, ``question``: no more is said of who it is than the server said."""
    answer = yield from _answer(b"")
    if answer.code == 0 and answer.tag == EXTENDED_RESPONSE and WHO_AM_I in question:
        return AppResult("ldap", True, True, "0", f"the client is known as {text_of(answer.value) or 'anonymous'}")
    accepted = False if answer.code in REFUSED else True if answer.code == 0 else None
    what = "bind" if answer.tag == BIND_RESPONSE else "extended operation"
    return AppResult("ldap", True, accepted, str(answer.code), f"{what}: {_said(answer)}")


def whoami(with_certificate: bool) -> Script:
    """Ask who the server takes us for; with a certificate bind as its subject first, where the server knows how."""
    bound = ""
    if with_certificate:
        answer = yield from _answer(_bind_external(2))
        if answer.code in REFUSED:
            return AppResult("ldap", True, False, str(answer.code), f"bind with the certificate (EXTERNAL): {_said(answer)}")
        bound = "" if answer.code == 0 else f"; EXTERNAL: {_said(answer)}"
    answer = yield from _answer(_extended(3, WHO_AM_I))
    if answer.code == 0:
        who = text_of(answer.value) or "anonymous"
        return AppResult("ldap", True, True, "0", f"known as {who}{bound}", who=who)
    return AppResult("ldap", True, False if answer.code in REFUSED else None, str(answer.code), _said(answer) + bound)
