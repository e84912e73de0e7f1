"""The one fact that matters in each handshake message, in one line: ``handshake.messages[].summary``. A table by message type."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from inspector.der import certificate as der_certificate
from inspector.der.names import rfc4514
from inspector.errors import MalformedMessage
from inspector.wire import messages as m
from inspector.wire.extensions import has
from inspector.wire.registry import ExtensionType

NAMES_SHOWN = 8


def listed(items: Iterable[str], most: int = NAMES_SHOWN) -> str:
    """The first items, and how many more there are."""
    every = list(items)
    more = len(every) - most
    return ", ".join(every[:most]) + (f" and {more} more" if more > 0 else "")


def _client_hello(hello: m.ClientHello) -> str:
    versions = [v.label for v in hello.supported_versions if not v.is_grease]
    up_to = "" if has(hello.extensions, ExtensionType.SUPPORTED_VERSIONS) else "up to "
    parts = [f"offers {up_to}{listed(versions)}"]
    if hello.server_name:
        parts.append(f"for {hello.server_name}")
    if hello.alpn:
        parts.append(f"ALPN {listed(hello.alpn)}")
    if has(hello.extensions, ExtensionType.PRE_SHARED_KEY):
        parts.append("resumes a session")
    if has(hello.extensions, ExtensionType.EARLY_DATA):
        parts.append("early data follows")
    return ", ".join(parts)


def _server_hello(hello: m.ServerHello) -> str:
    group = hello.group
    if hello.is_retry:
        return f"wants another key share: {group.label}" if group is not None else "wants another ClientHello"
    parts = [hello.version.label, hello.cipher_suite.label]
    if group is not None:
        parts.append(group.label)
    if has(hello.extensions, ExtensionType.PRE_SHARED_KEY):
        parts.append("session resumed")
    if hello.alpn:
        parts.append(f"ALPN {hello.alpn}")
    if hello.downgrade:
        parts.append(f"it could speak more than {hello.downgrade}")
    return ", ".join(parts)


def _encrypted_extensions(message: m.EncryptedExtensions) -> str:
    return f"ALPN {message.alpn}" if message.alpn else "no protocol chosen by ALPN"


def _certificate(message: m.Certificate) -> str:
    chain = message.chain
    if not chain:
        return "empty: no certificate is sent"
    leaf = der_certificate.parse(chain[0])
    count = "1 certificate" if len(chain) == 1 else f"{len(chain)} certificates"
    return f"{leaf.title} ({count})"


def _raw_public_key(message: m.RawPublicKey) -> str:
    return f"a raw public key instead of certificates ({len(message.spki)} bytes)"


def _compressed(message: m.CompressedCertificate) -> str:
    how = f"{message.algorithm.label}, {message.uncompressed_length} bytes unpacked"
    return f"{_certificate(message.certificate)}, {how}" if message.certificate else f"{how}: {message.problem}"


def _certificate_request(message: m.CertificateRequest) -> str:
    if not message.authorities:
        return "asks for a client certificate, of any authority"
    return f"asks for a client certificate from: {listed(map(rfc4514, message.authorities))}"


def _certificate_verify(message: m.CertificateVerify) -> str:
    return f"signed with {message.scheme.label}" if message.scheme is not None else "signed"


def _server_key_exchange(message: m.ServerKeyExchange) -> str:
    parts = [part.label for part in (message.group, message.scheme) if part is not None]
    if message.dh_p:
        parts.insert(0, f"DH {len(message.dh_p.lstrip(bytes(1))) * 8} bits")
    return ", ".join(parts) or message.key_exchange


def _ticket(message: m.NewSessionTicket) -> str:
    hours = message.lifetime / 3600
    lifetime = f"{hours:g} h" if message.lifetime >= 3600 else f"{message.lifetime} s"
    early = ", takes early data" if has(message.extensions, ExtensionType.EARLY_DATA) else ""
    return f"a ticket to resume this session, for {lifetime}{early}"


def _status(message: m.CertificateStatus) -> str:
    size = sum(map(len, message.status.responses))
    return f"stapled {message.status.type.label} response, {size} bytes"


FACTS: dict[type, Callable[[Any], str]] = {
    m.ClientHello: _client_hello,
    m.ServerHello: _server_hello,
    m.EncryptedExtensions: _encrypted_extensions,
    m.Certificate: _certificate,
    m.RawPublicKey: _raw_public_key,
    m.CompressedCertificate: _compressed,
    m.CertificateRequest: _certificate_request,
    m.CertificateVerify: _certificate_verify,
    m.ServerKeyExchange: _server_key_exchange,
    m.ClientKeyExchange: lambda message: message.key_exchange,
    m.NewSessionTicket: _ticket,
    m.CertificateStatus: _status,
    m.Finished: lambda _: "everything so far was received unaltered",
    m.KeyUpdate: lambda message: "and the peer shall change its keys too" if message.request_update else "new keys from here on",
}


def fact(value: Any) -> str:
    """One line about a parsed message; empty where there is nothing to say. Names of peers are in it as they came: escape them."""
    if isinstance(value, MalformedMessage):
        return f"malformed: {value.where} at byte {value.offset}: {value.why}"
    describe = FACTS.get(type(value))
    return describe(value) if describe is not None else ""
