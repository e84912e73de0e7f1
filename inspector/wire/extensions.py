"""Extensions: order and raw bytes are kept, the value is parsed where this tool knows the grammar.

The same number means different things in different messages, so parsers are found by (extension, kind of message).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from inspector.errors import MalformedMessage
from inspector.wire import registry as r
from inspector.wire.cursor import Cursor
from inspector.wire.registry import ExtensionType


class Place(StrEnum):
    """The message an extension stands in (RFC 8446, Section 4.2)."""

    CLIENT_HELLO = "client_hello"
    SERVER_HELLO = "server_hello"
    RETRY = "hello_retry_request"
    ENCRYPTED = "encrypted_extensions"
    CERTIFICATE = "certificate"
    REQUEST = "certificate_request"
    TICKET = "new_session_ticket"


class Extension(NamedTuple):
    """One extension. ``value`` is None where its grammar is not known, a MalformedMessage where the body breaks it."""

    type: ExtensionType
    data: bytes
    value: Any


class KeyShare(NamedTuple):
    """One key share (RFC 8446, Section 4.2.8)."""

    group: r.NamedGroup
    key: bytes


class PskIdentity(NamedTuple):
    identity: bytes
    obfuscated_ticket_age: int


class OfferedPsks(NamedTuple):
    """A client's pre-shared keys (RFC 8446, Section 4.2.11)."""

    identities: tuple[PskIdentity, ...]
    binders: tuple[bytes, ...]


class OcspRequest(NamedTuple):
    """A wish for a stapled status (RFC 6066, Section 8)."""

    type: r.CertificateStatusType
    responder_ids: tuple[bytes, ...]
    request_extensions: bytes


class CertificateStatusBody(NamedTuple):
    """A stapled status. ``responses`` are OCSP responses, DER; one may be empty in ocsp_multi."""

    type: r.CertificateStatusType
    responses: tuple[bytes, ...]


class OidFilter(NamedTuple):
    """A certificate extension that the client's certificate must hold (RFC 8446, Section 4.2.5)."""

    oid: bytes  # DER, with tag and length
    values: bytes


class TrustedAuthority(NamedTuple):
    """One entry of trusted_ca_keys (RFC 6066, Section 6): kind 0 pre_agreed, 1 key SHA-1, 2 name (DER), 3 certificate SHA-1."""

    kind: int
    value: bytes


class EncryptedClientHello(NamedTuple):
    """The outer form of ECH (RFC 9849): what can be seen of it."""

    inner: bool
    kdf: int | None = None
    aead: int | None = None
    config_id: int | None = None
    enc: bytes = b""
    payload: bytes = b""


def _names(cursor: Cursor) -> tuple[tuple[int, bytes], ...]:
    with_names = cursor.sub(2)
    return with_names.each(lambda c: (c.u8(), c.vector(2)))


def _alpn(cursor: Cursor) -> tuple[bytes, ...]:
    return cursor.sub(2).each(lambda c: c.vector(1))


def _ocsp_request(cursor: Cursor) -> OcspRequest:
    kind = r.CertificateStatusType(cursor.u8())
    if kind != 1:
        return OcspRequest(kind, (), cursor.rest())
    return OcspRequest(kind, cursor.sub(2).each(lambda c: c.vector(2)), cursor.vector(2))


def _ocsp_request_v2(cursor: Cursor) -> tuple[OcspRequest, ...]:
    def item(c: Cursor) -> OcspRequest:
        kind = r.CertificateStatusType(c.u8())
        body = c.sub(2)
        if not kind.is_known:
            return OcspRequest(kind, (), body.rest())
        request = OcspRequest(kind, body.sub(2).each(lambda b: b.vector(2)), body.vector(2))
        body.finish()
        return request

    return cursor.sub(2).each(item)


def status_body(cursor: Cursor) -> CertificateStatusBody:
    """A CertificateStatus (RFC 6066, Section 8; RFC 6961, Section 2.2), in a message or in a Certificate's extension."""
    kind = r.CertificateStatusType(cursor.u8())
    if kind == 1:
        return CertificateStatusBody(kind, (cursor.vector(3),))
    if kind == 2:
        return CertificateStatusBody(kind, cursor.sub(3).each(lambda c: c.vector(3)))
    return CertificateStatusBody(kind, (cursor.rest(),))


def _share(cursor: Cursor) -> KeyShare:
    return KeyShare(r.NamedGroup(cursor.u16()), cursor.vector(2))


def _offered_psks(cursor: Cursor) -> OfferedPsks:
    identities = cursor.sub(2).each(lambda c: PskIdentity(c.vector(2), c.u32()))
    return OfferedPsks(identities, cursor.sub(2).each(lambda c: c.vector(1)))


def authorities(cursor: Cursor) -> tuple[bytes, ...]:
    """Distinguished names as DER, in the order sent (RFC 8446, Section 4.2.4; RFC 5246, Section 7.4.4)."""
    return cursor.sub(2).each(lambda c: c.vector(2))


def _oid_filters(cursor: Cursor) -> tuple[OidFilter, ...]:
    return cursor.sub(2).each(lambda c: OidFilter(c.vector(1), c.vector(2)))


def _trusted_authorities(cursor: Cursor) -> tuple[TrustedAuthority, ...]:
    def item(c: Cursor) -> TrustedAuthority:
        kind = c.u8()
        if kind == 2:
            return TrustedAuthority(kind, c.vector(2))
        if kind in (1, 3):
            return TrustedAuthority(kind, c.take(20))
        return TrustedAuthority(kind, b"" if kind == 0 else c.rest())

    return cursor.sub(2).each(item)


def _ech_client(cursor: Cursor) -> EncryptedClientHello:
    if cursor.u8() == 1:
        return EncryptedClientHello(inner=True)
    return EncryptedClientHello(False, cursor.u16(), cursor.u16(), cursor.u8(), cursor.vector(2), cursor.vector(2))


def _timestamps(cursor: Cursor) -> tuple[bytes, ...]:
    return cursor.sub(2).each(lambda c: c.vector(2))


def _empty(cursor: Cursor) -> bool:
    cursor.finish()
    return True


Parser = Callable[[Cursor], Any]
E = ExtensionType
_SCHEMES: Parser = lambda c: c.sub(2).u16s(r.SignatureScheme)  # noqa: E731
_ALL = tuple(Place)

# Parsers by extension: a list of (places, parser), the first that names the place is used. RFC sections beside them.
_GRAMMAR: dict[int, tuple[tuple[tuple[Place, ...], Parser], ...]] = {
    E.SERVER_NAME: (((Place.CLIENT_HELLO,), _names), (_ALL, _empty)),  # RFC 6066, 3
    E.MAX_FRAGMENT_LENGTH: ((_ALL, Cursor.u8),),  # RFC 6066, 4
    E.TRUSTED_CA_KEYS: (((Place.CLIENT_HELLO,), _trusted_authorities), (_ALL, _empty)),  # RFC 6066, 6
    E.STATUS_REQUEST: (  # RFC 6066, 8; RFC 8446, 4.4.2.1
        ((Place.CERTIFICATE,), status_body),
        ((Place.CLIENT_HELLO,), _ocsp_request),
        ((Place.REQUEST,), lambda c: _ocsp_request(c) if len(c) else True),
        (_ALL, _empty),
    ),
    E.SUPPORTED_GROUPS: ((_ALL, lambda c: c.sub(2).u16s(r.NamedGroup)),),  # RFC 8446, 4.2.7
    E.EC_POINT_FORMATS: ((_ALL, lambda c: c.sub(1).u8s(r.EcPointFormat)),),  # RFC 8422, 5.1.2
    E.SIGNATURE_ALGORITHMS: ((_ALL, _SCHEMES),),  # RFC 8446, 4.2.3
    E.HEARTBEAT: ((_ALL, Cursor.u8),),  # RFC 6520, 2
    E.APPLICATION_LAYER_PROTOCOL_NEGOTIATION: ((_ALL, _alpn),),  # RFC 7301, 3.1
    E.STATUS_REQUEST_V2: (((Place.CLIENT_HELLO,), _ocsp_request_v2), (_ALL, _empty)),  # RFC 6961
    E.SIGNED_CERTIFICATE_TIMESTAMP: (  # RFC 6962, 3.3
        ((Place.CLIENT_HELLO, Place.REQUEST), _empty),
        (_ALL, _timestamps),
    ),
    E.CLIENT_CERTIFICATE_TYPE: (  # RFC 7250, 3
        ((Place.CLIENT_HELLO,), lambda c: c.sub(1).u8s(r.CertificateType)),
        (_ALL, lambda c: (r.CertificateType(c.u8()),)),
    ),
    E.SERVER_CERTIFICATE_TYPE: (
        ((Place.CLIENT_HELLO,), lambda c: c.sub(1).u8s(r.CertificateType)),
        (_ALL, lambda c: (r.CertificateType(c.u8()),)),
    ),
    E.PADDING: ((_ALL, lambda c: len(c.rest())),),  # RFC 7685
    E.ENCRYPT_THEN_MAC: ((_ALL, _empty),),  # RFC 7366
    E.EXTENDED_MASTER_SECRET: ((_ALL, _empty),),  # RFC 7627
    E.COMPRESS_CERTIFICATE: ((_ALL, lambda c: c.sub(1).u16s(r.CompressionAlgorithm)),),  # RFC 8879, 3
    E.RECORD_SIZE_LIMIT: ((_ALL, Cursor.u16),),  # RFC 8449
    E.DELEGATED_CREDENTIAL: (((Place.CLIENT_HELLO,), _SCHEMES), (_ALL, Cursor.rest)),  # RFC 9345
    E.SESSION_TICKET: ((_ALL, Cursor.rest),),  # RFC 5077, 3.2
    E.PRE_SHARED_KEY: (((Place.CLIENT_HELLO,), _offered_psks), (_ALL, Cursor.u16)),  # RFC 8446, 4.2.11
    E.EARLY_DATA: (((Place.TICKET,), Cursor.u32), (_ALL, _empty)),  # RFC 8446, 4.2.10
    E.SUPPORTED_VERSIONS: (  # RFC 8446, 4.2.1
        ((Place.CLIENT_HELLO,), lambda c: c.sub(1).u16s(r.ProtocolVersion)),
        (_ALL, lambda c: r.ProtocolVersion(c.u16())),
    ),
    E.COOKIE: ((_ALL, lambda c: c.vector(2)),),  # RFC 8446, 4.2.2
    E.PSK_KEY_EXCHANGE_MODES: ((_ALL, lambda c: c.sub(1).u8s(r.PskKeyExchangeMode)),),  # RFC 8446, 4.2.9
    E.CERTIFICATE_AUTHORITIES: ((_ALL, authorities),),  # RFC 8446, 4.2.4
    E.OID_FILTERS: ((_ALL, _oid_filters),),  # RFC 8446, 4.2.5
    E.POST_HANDSHAKE_AUTH: ((_ALL, _empty),),  # RFC 8446, 4.2.6
    E.SIGNATURE_ALGORITHMS_CERT: ((_ALL, _SCHEMES),),  # RFC 8446, 4.2.3
    E.KEY_SHARE: (  # RFC 8446, 4.2.8
        ((Place.CLIENT_HELLO,), lambda c: c.sub(2).each(_share)),
        ((Place.RETRY,), lambda c: r.NamedGroup(c.u16())),
        (_ALL, _share),
    ),
    E.TICKET_REQUEST: (((Place.CLIENT_HELLO,), lambda c: (c.u8(), c.u8())), (_ALL, Cursor.u8)),  # RFC 9149
    E.ENCRYPTED_CLIENT_HELLO: (((Place.CLIENT_HELLO,), _ech_client), (_ALL, Cursor.rest)),  # RFC 9849
    E.RENEGOTIATION_INFO: ((_ALL, lambda c: c.vector(1)),),  # RFC 5746, 3.2
}

# (place, extension) -> parser
PARSERS: dict[tuple[Place, int], Parser] = {
    (place, number): next(parser for places, parser in rows if place in places)
    for number, rows in _GRAMMAR.items() for place in Place
}


def parse_value(kind: ExtensionType, data: bytes, place: Place) -> Any:
    """The value of an extension's body; None where no grammar is known; a MalformedMessage (not raised) where it is broken."""
    parser = PARSERS.get((place, kind))
    if parser is None:
        return None
    cursor = Cursor(data, f"{place.value}.{kind.label}")
    try:
        value = parser(cursor)
        cursor.finish()
    except MalformedMessage as exc:
        return exc.with_traceback(None)
    return value


REMEMBERED_BYTES = 128


@lru_cache(maxsize=1024)
def _remembered(number: int, data: bytes, place: Place) -> Extension:
    kind = ExtensionType(number)
    return Extension(kind, data, parse_value(kind, data, place))



def read_extensions(cursor: Cursor, place: Place) -> tuple[Extension, ...]:
    """An extension block with its two-byte length (RFC 8446, Section 4.2)."""
    block = cursor.sub(2, "extensions")
    data, at, end = block.data, block.pos, block.end
    found = []
    # the busiest loop of a handshake: numbers are read in place, faults are left to the cursor
    while at < end:
        stop = at + 4 + (data[at + 2] << 8 | data[at + 3]) if at + 4 <= end else end + 1
        if stop > end:
            block.pos = at
            block.u16()
            block.vector(2)
        number = data[at] << 8 | data[at + 1]
        if stop - at <= REMEMBERED_BYTES:  # peers of one kind send the same short extensions over and over
            found.append(_remembered(number, data[at + 4 : stop], place))
        else:
            kind, body = ExtensionType(number), data[at + 4 : stop]
            found.append(Extension(kind, body, parse_value(kind, body, place)))
        at = stop
    return tuple(found)


def find(extensions: tuple[Extension, ...], kind: int) -> Any:
    """The parsed value of the first extension of this type; None where there is none or where it is malformed."""
    for extension in extensions:
        if extension.type == kind:
            return None if isinstance(extension.value, MalformedMessage) else extension.value
    return None


def has(extensions: tuple[Extension, ...], kind: int) -> bool:
    return any(extension.type == kind for extension in extensions)


def duplicates(extensions: tuple[Extension, ...]) -> tuple[ExtensionType, ...]:
    """Types that stand more than once, which RFC 8446, Section 4.2 forbids."""
    seen: set[int] = set()
    twice = []
    for extension in extensions:
        if extension.type in seen:
            twice.append(extension.type)
        seen.add(extension.type)
    return tuple(twice)
