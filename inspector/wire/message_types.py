"""What handshake messages say: one immutable type each. ``wire.messages`` reads them from bytes, ``wire.fields`` gives JSON."""

from __future__ import annotations

from typing import NamedTuple

from inspector.wire import extensions as x
from inspector.wire import registry as r
from inspector.wire.extensions import Extension
from inspector.wire.registry import ExtensionType as E

# RFC 8446, Section 4.1.3: SHA-256 of "HelloRetryRequest"
HELLO_RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
DOWNGRADE_TO_TLS12 = b"DOWNGRD\x01"
DOWNGRADE_BELOW_TLS12 = b"DOWNGRD\x00"


class ClientHello(NamedTuple):
    """RFC 8446, Section 4.1.2; RFC 5246, Section 7.4.1.2."""

    legacy_version: r.ProtocolVersion
    random: bytes
    session_id: bytes
    cipher_suites: tuple[r.CipherSuite, ...]
    compression_methods: tuple[r.CompressionMethod, ...]
    extensions: tuple[Extension, ...] = ()

    @property
    def server_name(self) -> str | None:
        """SNI as text, undecodable bytes as backslash escapes."""
        for kind, name in x.find(self.extensions, E.SERVER_NAME) or ():
            if kind == 0:
                return _text(name)
        return None

    @property
    def alpn(self) -> tuple[str, ...]:
        return tuple(map(_text, x.find(self.extensions, E.APPLICATION_LAYER_PROTOCOL_NEGOTIATION) or ()))

    @property
    def supported_versions(self) -> tuple[r.ProtocolVersion, ...]:
        """The versions of the extension; without it, the one of the hello."""
        versions: tuple[r.ProtocolVersion, ...] | None = x.find(self.extensions, E.SUPPORTED_VERSIONS)
        return versions if versions is not None else (self.legacy_version,)

    @property
    def offers_early_data(self) -> bool:
        return x.has(self.extensions, E.EARLY_DATA)


class ServerHello(NamedTuple):
    """RFC 8446, Section 4.1.3. A HelloRetryRequest has the same form."""

    legacy_version: r.ProtocolVersion
    random: bytes
    session_id: bytes
    cipher_suite: r.CipherSuite
    compression_method: r.CompressionMethod
    extensions: tuple[Extension, ...] = ()

    @property
    def is_retry(self) -> bool:
        return self.random == HELLO_RETRY_RANDOM

    @property
    def version(self) -> r.ProtocolVersion:
        """The negotiated version."""
        selected = x.find(self.extensions, E.SUPPORTED_VERSIONS)
        return selected if isinstance(selected, r.ProtocolVersion) else self.legacy_version

    @property
    def group(self) -> r.NamedGroup | None:
        """The group of the key share (TLS 1.3), or that which a HelloRetryRequest asks for."""
        share = x.find(self.extensions, E.KEY_SHARE)
        return share.group if isinstance(share, x.KeyShare) else share

    @property
    def alpn(self) -> str | None:
        return _selected_alpn(self.extensions)

    @property
    def downgrade(self) -> str | None:
        """The version that a server capable of more says it fell back to (RFC 8446, Section 4.1.3)."""
        return {DOWNGRADE_TO_TLS12: "TLSv1.2", DOWNGRADE_BELOW_TLS12: "TLSv1.1 or below"}.get(self.random[-8:])


class EncryptedExtensions(NamedTuple):
    """RFC 8446, Section 4.3.1."""

    extensions: tuple[Extension, ...]

    @property
    def alpn(self) -> str | None:
        return _selected_alpn(self.extensions)


class CertificateEntry(NamedTuple):
    """One certificate of a Certificate message, with its extensions in TLS 1.3."""

    der: bytes
    extensions: tuple[Extension, ...] = ()


class Certificate(NamedTuple):
    """RFC 8446, Section 4.4.2; RFC 5246, Section 7.4.2. ``context`` is None up to TLS 1.2."""

    context: bytes | None
    entries: tuple[CertificateEntry, ...]

    @property
    def chain(self) -> tuple[bytes, ...]:
        """The certificates, DER, in the order sent."""
        return tuple(entry.der for entry in self.entries)


class RawPublicKey(NamedTuple):
    """A Certificate message with a bare SubjectPublicKeyInfo instead of certificates (RFC 7250, Section 3)."""

    context: bytes | None
    spki: bytes


class CompressedCertificate(NamedTuple):
    """RFC 8879, Section 4. ``certificate`` is None where it could not be unpacked; ``problem`` then says why."""

    algorithm: r.CompressionAlgorithm
    uncompressed_length: int
    compressed_length: int
    certificate: Certificate | None
    problem: str | None = None


class CertificateRequest(NamedTuple):
    """RFC 8446, Section 4.3.2; RFC 5246, Section 7.4.4. What a version lacks is empty, or None for ``context``."""

    context: bytes | None
    certificate_types: tuple[r.ClientCertificateType, ...]
    signature_schemes: tuple[r.SignatureScheme, ...]
    authorities: tuple[bytes, ...]  # DER names, in the order sent
    extensions: tuple[Extension, ...] = ()
    authorities_bytes: int = 0  # length of the list on the wire

    @property
    def signature_schemes_cert(self) -> tuple[r.SignatureScheme, ...]:
        """Schemes for the certificates' own signatures, where the server names them apart."""
        return x.find(self.extensions, E.SIGNATURE_ALGORITHMS_CERT) or ()

    @property
    def oid_filters(self) -> tuple[x.OidFilter, ...]:
        return x.find(self.extensions, E.OID_FILTERS) or ()


class CertificateVerify(NamedTuple):
    """RFC 8446, Section 4.4.3. ``scheme`` is None before TLS 1.2."""

    scheme: r.SignatureScheme | None
    signature: bytes


class Finished(NamedTuple):
    """RFC 8446, Section 4.4.4."""

    verify_data: bytes


class ServerKeyExchange(NamedTuple):
    """RFC 5246, Section 7.4.3; RFC 8422, Section 5.4. What the key exchange does not have is None or empty."""

    key_exchange: str
    group: r.NamedGroup | None = None
    public_key: bytes = b""
    dh_p: bytes = b""
    dh_g: bytes = b""
    psk_hint: bytes | None = None
    scheme: r.SignatureScheme | None = None
    signature: bytes = b""
    unparsed: bytes = b""


class ClientKeyExchange(NamedTuple):
    """RFC 5246, Section 7.4.7. ``exchange`` is the public key or the encrypted premaster secret."""

    key_exchange: str
    exchange: bytes
    psk_identity: bytes | None = None


class NewSessionTicket(NamedTuple):
    """RFC 8446, Section 4.6.1; RFC 5077, Section 3.3 (without age_add, nonce, extensions). ``lifetime`` is in seconds."""

    lifetime: int
    ticket: bytes
    age_add: int | None = None
    nonce: bytes | None = None
    extensions: tuple[Extension, ...] = ()


class CertificateStatus(NamedTuple):
    """RFC 6066, Section 8."""

    status: x.CertificateStatusBody


class KeyUpdate(NamedTuple):
    """RFC 8446, Section 4.6.3."""

    request_update: int


class Empty(NamedTuple):
    """A message without a body: HelloRequest, ServerHelloDone, EndOfEarlyData."""


class Opaque(NamedTuple):
    """A message whose grammar this tool does not know, or that needs knowledge it does not have."""

    data: bytes


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _selected_alpn(extensions: tuple[Extension, ...]) -> str | None:
    protocols = x.find(extensions, E.APPLICATION_LAYER_PROTOCOL_NEGOTIATION)
    return _text(protocols[0]) if protocols else None
