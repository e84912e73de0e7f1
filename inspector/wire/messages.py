"""Handshake messages: ``parse`` from bytes to the types of ``wire.message_types``, which are all to be had here.

A body that breaks the grammar raises MalformedMessage; the decoder keeps that as the message's value.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from inspector.wire import extensions as x
from inspector.wire import registry as r
from inspector.wire.compression import decompress
from inspector.wire.cursor import Cursor
from inspector.wire.extensions import Extension, Place
from inspector.wire.message_types import (
    HELLO_RETRY_RANDOM,
    Certificate,
    CertificateEntry,
    CertificateRequest,
    CertificateStatus,
    CertificateVerify,
    ClientHello,
    ClientKeyExchange,
    CompressedCertificate,
    Empty,
    EncryptedExtensions,
    Finished,
    KeyUpdate,
    NewSessionTicket,
    Opaque,
    RawPublicKey,
    ServerHello,
    ServerKeyExchange,
)
from inspector.wire.registry import ExtensionType as E
from inspector.wire.registry import HandshakeType as H

__all__ = [
    "HELLO_RETRY_RANDOM", "Certificate", "CertificateEntry", "CertificateRequest", "CertificateStatus", "CertificateVerify",
    "ClientHello", "ClientKeyExchange", "CompressedCertificate", "Context", "Empty", "EncryptedExtensions", "Finished", "KeyUpdate",
    "NewSessionTicket", "Opaque", "RawPublicKey", "ServerHello", "ServerKeyExchange", "certificate_of",
    "is_tls13", "parse",
]

def is_tls13(version: int) -> bool:
    """True for TLS 1.3 and its drafts."""
    return version == 0x0304 or version >> 8 == 0x7F


class Context(NamedTuple):
    """What a parser must know: ``version`` as negotiated, or supposed; ``key_exchange`` such as "ECDHE_RSA" up to TLS 1.2;
    ``raw_public_key`` where both agreed that the sender's Certificate holds one (RFC 7250).
    """

    version: int = 0x0303
    key_exchange: str = ""
    raw_public_key: bool = False

    @property
    def tls13(self) -> bool:
        return is_tls13(self.version)


DEFAULT_CONTEXT = Context()


def _optional_extensions(cursor: Cursor, place: Place) -> tuple[Extension, ...]:
    return x.read_extensions(cursor, place) if len(cursor) else ()


_known_suites: dict[bytes, tuple[r.CipherSuite, ...]] = {}
MAX_KNOWN_SUITES = 256  # lists of cipher suites that are kept: clients of one kind send the same one


def _cipher_suites(cursor: Cursor) -> tuple[r.CipherSuite, ...]:
    raw = cursor.data[cursor.pos : cursor.end]
    suites = _known_suites.get(raw)
    if suites is None:
        suites = cursor.u16s(r.CipherSuite)
        if len(raw) <= x.REMEMBERED_BYTES * 4 and len(_known_suites) < MAX_KNOWN_SUITES:
            _known_suites[raw] = suites
    return suites


def _client_hello(cursor: Cursor, _: Context) -> ClientHello:
    return ClientHello(
        r.ProtocolVersion(cursor.u16()),
        cursor.take(32),
        cursor.vector(1),
        _cipher_suites(cursor.sub(2, "cipher_suites")),
        cursor.sub(1, "compression_methods").u8s(r.CompressionMethod),
        _optional_extensions(cursor, Place.CLIENT_HELLO),
    )


def _server_hello(cursor: Cursor, _: Context) -> ServerHello:
    version, random = r.ProtocolVersion(cursor.u16()), cursor.take(32)
    place = Place.RETRY if random == HELLO_RETRY_RANDOM else Place.SERVER_HELLO
    return ServerHello(
        version, random, cursor.vector(1), r.CipherSuite(cursor.u16()), r.CompressionMethod(cursor.u8()),
        _optional_extensions(cursor, place),
    )


def _encrypted_extensions(cursor: Cursor, _: Context) -> EncryptedExtensions:
    return EncryptedExtensions(x.read_extensions(cursor, Place.ENCRYPTED))


def _certificate_message(cursor: Cursor, context: Context) -> Certificate | RawPublicKey:
    if context.raw_public_key and not context.tls13:
        key = cursor.vector(3)
        return RawPublicKey(None, key) if key else Certificate(None, ())
    certificate = _certificate(cursor, context)
    if context.raw_public_key and len(certificate.entries) == 1:
        return RawPublicKey(certificate.context, certificate.entries[0].der)
    return certificate


def _certificate(cursor: Cursor, context: Context) -> Certificate:
    if not context.tls13:
        return Certificate(None, cursor.sub(3, "certificate_list").each(lambda c: CertificateEntry(c.vector(3))))
    request_context = cursor.vector(1)
    entries = cursor.sub(3, "certificate_list").each(
        lambda c: CertificateEntry(c.vector(3), x.read_extensions(c, Place.CERTIFICATE))
    )
    return Certificate(request_context, entries)


def _compressed_certificate(cursor: Cursor, context: Context) -> CompressedCertificate:
    algorithm, length = r.CompressionAlgorithm(cursor.u16()), cursor.u24()
    packed = cursor.vector(3)
    body, problem = decompress(algorithm, packed, length)
    certificate = None
    if body is not None:
        inner = Cursor(body, "compressed_certificate.certificate")
        certificate = _certificate(inner, context)
        inner.finish()
    return CompressedCertificate(algorithm, length, len(packed), certificate, problem)


def _certificate_request(cursor: Cursor, context: Context) -> CertificateRequest:
    if context.tls13:
        return _certificate_request_13(cursor)
    types = cursor.sub(1, "certificate_types").u8s(r.ClientCertificateType)
    schemes: tuple[r.SignatureScheme, ...] = ()
    if context.version >= 0x0303:
        schemes = cursor.sub(2, "supported_signature_algorithms").u16s(r.SignatureScheme)
    size = len(cursor)
    names = x.authorities(cursor)
    return CertificateRequest(None, types, schemes, names, (), size - 2)


def _certificate_request_13(cursor: Cursor) -> CertificateRequest:
    request_context = cursor.vector(1)
    extensions = x.read_extensions(cursor, Place.REQUEST)
    size = next((len(e.data) - 2 for e in extensions if e.type == E.CERTIFICATE_AUTHORITIES), 0)
    return CertificateRequest(
        request_context,
        (),
        x.find(extensions, E.SIGNATURE_ALGORITHMS) or (),
        x.find(extensions, E.CERTIFICATE_AUTHORITIES) or (),
        extensions,
        max(size, 0),
    )


def _certificate_verify(cursor: Cursor, context: Context) -> CertificateVerify:
    scheme = r.SignatureScheme(cursor.u16()) if context.version >= 0x0303 else None
    return CertificateVerify(scheme, cursor.vector(2))


def _finished(cursor: Cursor, _: Context) -> Finished:
    return Finished(cursor.rest())


def _signature(cursor: Cursor, context: Context) -> tuple[r.SignatureScheme | None, bytes]:
    if "anon" in context.key_exchange or "PSK" in context.key_exchange:
        return None, b""
    scheme = r.SignatureScheme(cursor.u16()) if context.version >= 0x0303 else None
    return scheme, cursor.vector(2)


def _ecdhe_parameters(cursor: Cursor, context: Context, hint: bytes | None) -> ServerKeyExchange:
    if cursor.u8() != 3:  # explicit curves (RFC 8422 removed them)
        return ServerKeyExchange(context.key_exchange, psk_hint=hint, unparsed=cursor.rest())
    group, key = r.NamedGroup(cursor.u16()), cursor.vector(1)
    scheme, signature = _signature(cursor, context)
    return ServerKeyExchange(context.key_exchange, group, key, psk_hint=hint, scheme=scheme, signature=signature)


def _dhe_parameters(cursor: Cursor, context: Context, hint: bytes | None) -> ServerKeyExchange:
    p, g, key = cursor.vector(2), cursor.vector(2), cursor.vector(2)
    scheme, signature = _signature(cursor, context)
    return ServerKeyExchange(context.key_exchange, None, key, p, g, hint, scheme, signature)


def _server_key_exchange(cursor: Cursor, context: Context) -> ServerKeyExchange:
    kind = context.key_exchange
    hint = cursor.vector(2) if "PSK" in kind else None
    if kind.startswith("ECDH"):
        return _ecdhe_parameters(cursor, context, hint)
    if kind.startswith("DH"):
        return _dhe_parameters(cursor, context, hint)
    return ServerKeyExchange(kind, psk_hint=hint, unparsed=cursor.rest())


def _client_key_exchange(cursor: Cursor, context: Context) -> ClientKeyExchange:
    kind = context.key_exchange
    identity = cursor.vector(2) if "PSK" in kind else None
    if not len(cursor) and kind.startswith(("DH_", "ECDH_")):  # the public key is in the certificate
        return ClientKeyExchange(kind, b"", identity)
    if context.version <= 0x0300:  # SSLv3 knew no length here (RFC 6101, Section 5.6.7)
        return ClientKeyExchange(kind, cursor.rest(), identity)
    if kind.startswith("ECDH"):
        return ClientKeyExchange(kind, cursor.vector(1), identity)
    if kind.startswith(("DH", "RSA")):
        return ClientKeyExchange(kind, cursor.vector(2), identity)
    return ClientKeyExchange(kind, cursor.rest(), identity)


def _new_session_ticket(cursor: Cursor, context: Context) -> NewSessionTicket:
    lifetime = cursor.u32()
    if not context.tls13:
        return NewSessionTicket(lifetime, cursor.vector(2))
    age_add, nonce, ticket = cursor.u32(), cursor.vector(1), cursor.vector(2)
    return NewSessionTicket(lifetime, ticket, age_add, nonce, x.read_extensions(cursor, Place.TICKET))


def _certificate_status(cursor: Cursor, _: Context) -> CertificateStatus:
    return CertificateStatus(x.status_body(cursor))


def _key_update(cursor: Cursor, _: Context) -> KeyUpdate:
    return KeyUpdate(cursor.u8())


def _empty(_cursor: Cursor, _: Context) -> Empty:
    return Empty()


PARSERS: dict[int, Callable[[Cursor, Context], Any]] = {
    H.HELLO_REQUEST: _empty,
    H.CLIENT_HELLO: _client_hello,
    H.SERVER_HELLO: _server_hello,
    H.NEW_SESSION_TICKET: _new_session_ticket,
    H.END_OF_EARLY_DATA: _empty,
    H.ENCRYPTED_EXTENSIONS: _encrypted_extensions,
    H.CERTIFICATE: _certificate_message,
    H.SERVER_KEY_EXCHANGE: _server_key_exchange,
    H.CERTIFICATE_REQUEST: _certificate_request,
    H.SERVER_HELLO_DONE: _empty,
    H.CERTIFICATE_VERIFY: _certificate_verify,
    H.CLIENT_KEY_EXCHANGE: _client_key_exchange,
    H.FINISHED: _finished,
    H.CERTIFICATE_STATUS: _certificate_status,
    H.KEY_UPDATE: _key_update,
    H.COMPRESSED_CERTIFICATE: _compressed_certificate,
}


_LABELS = {kind: r.HandshakeType(kind).label for kind in PARSERS}


def parse(kind: int, body: bytes, context: Context = DEFAULT_CONTEXT) -> Any:
    """The message in ``body`` (without its header). Raises MalformedMessage; unknown types come back as Opaque."""
    parser = PARSERS.get(kind)
    if parser is None:
        return Opaque(body)
    cursor = Cursor(body, _LABELS[kind])
    value = parser(cursor, context)
    cursor.finish()
    return value


# Messages that one peer sends again in the same words on every connection, as long as they are of a usual size.
REPEATED = frozenset((H.CERTIFICATE, H.CERTIFICATE_REQUEST, H.ENCRYPTED_EXTENSIONS, H.SERVER_HELLO_DONE, H.HELLO_REQUEST))
REMEMBERED_BYTES = 8192
parse_again = lru_cache(maxsize=256)(parse)  # values are immutable


def certificate_of(value: Any) -> Certificate | None:
    """The Certificate that a message carries, compressed or not; None for other messages and where it could not be unpacked."""
    if isinstance(value, CompressedCertificate):
        return value.certificate
    return value if isinstance(value, Certificate) else None
