"""Parsed messages as JSON-able dicts: ``handshake.messages[].fields`` of a report.

Numbers of registries become their names, bytes hex, DER base64 beside what can be read in it. Nothing is escaped here: renderers
do that.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

from inspector.der.names import rfc4514
from inspector.errors import MalformedMessage
from inspector.wire import extensions as x
from inspector.wire import messages as m
from inspector.wire.registry import ExtensionType as E
from inspector.wire.registry import Registered


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def jsonable(value: Any) -> Any:
    """Any value of ``wire.messages`` or ``wire.extensions``, by its type."""
    special = _SPECIAL.get(type(value))
    if special is not None:
        return special(value)
    if isinstance(value, Registered):
        return value.label
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        if hasattr(value, "_fields"):
            return {name: jsonable(getattr(value, name)) for name in value._fields}
        return [jsonable(item) for item in value]
    return value


def message_fields(value: Any) -> dict[str, Any]:
    """The fields of a message; where it is malformed, what is wrong and where."""
    result = jsonable(value)
    assert isinstance(result, dict)
    duplicates = x.duplicates(getattr(value, "extensions", ()))
    if duplicates:
        result["duplicate_extensions"] = [kind.label for kind in duplicates]
    return result


def authority(der: bytes) -> dict[str, str]:
    """A distinguished name: RFC 4514 text and the DER."""
    return {"name": rfc4514(der), "der": base64_of(der)}


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _malformed(problem: MalformedMessage) -> dict[str, Any]:
    return {"malformed": {"where": problem.where, "offset": problem.offset, "why": problem.why}}


def _certificate_entry(entry: m.CertificateEntry) -> dict[str, Any]:
    from inspector.der.certificate import parse

    certificate = parse(entry.der)
    shown: dict[str, Any] = {
        "subject": certificate.subject,
        "length": len(entry.der),
        "sha256": hashlib.sha256(entry.der).hexdigest(),
        "der": base64_of(entry.der),
    }
    if entry.extensions:
        shown["extensions"] = jsonable(entry.extensions)
    return shown


def _certificate(certificate: m.Certificate) -> dict[str, Any]:
    shown: dict[str, Any] = {} if certificate.context is None else {"context": certificate.context.hex()}
    return shown | {"certificates": [jsonable(entry) for entry in certificate.entries]}


def _raw_public_key(message: m.RawPublicKey) -> dict[str, Any]:
    shown: dict[str, Any] = {} if message.context is None else {"context": message.context.hex()}
    sha256 = hashlib.sha256(message.spki).hexdigest()
    return shown | {"raw_public_key": {"length": len(message.spki), "spki_sha256": sha256, "der": base64_of(message.spki)}}


def _certificate_request(request: m.CertificateRequest) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if request.context is None:
        shown["certificate_types"] = jsonable(request.certificate_types)
    else:
        shown["context"] = request.context.hex()
    shown["signature_schemes"] = jsonable(request.signature_schemes)
    if request.signature_schemes_cert:
        shown["signature_schemes_cert"] = jsonable(request.signature_schemes_cert)
    shown["certificate_authorities"] = [authority(der) for der in request.authorities]
    shown["authorities_bytes"] = request.authorities_bytes
    if request.context is not None:
        shown["extensions"] = jsonable(request.extensions)
    return shown


def _client_hello(hello: m.ClientHello) -> dict[str, Any]:
    summary = {
        "server_name": hello.server_name,
        "alpn": list(hello.alpn),
        "supported_versions": jsonable(hello.supported_versions),
    }
    return summary | {name: jsonable(value) for name, value in zip(hello._fields, hello, strict=True)}


def _server_hello(hello: m.ServerHello) -> dict[str, Any]:
    summary = {
        "version": hello.version.label,
        "cipher_suite": hello.cipher_suite.label,
        "group": jsonable(hello.group),
        "alpn": hello.alpn,
        "downgrade": hello.downgrade,
    }
    return summary | {name: jsonable(value) for name, value in zip(hello._fields, hello, strict=True)}


def _encrypted_extensions(message: m.EncryptedExtensions) -> dict[str, Any]:
    return {"alpn": message.alpn, "extensions": jsonable(message.extensions)}


def _without_none(value: Any) -> dict[str, Any]:
    return {name: jsonable(item) for name, item in zip(value._fields, value, strict=True) if item is not None}


def _ticket(message: m.NewSessionTicket) -> dict[str, Any]:
    shown = _without_none(message)
    if message.nonce is None:  # up to TLS 1.2 there is nothing else in it
        del shown["extensions"]
    return shown


def _key_update(message: m.KeyUpdate) -> dict[str, Any]:
    names = {0: "update_not_requested", 1: "update_requested"}
    return {"request_update": names.get(message.request_update, f"0x{message.request_update:02x}")}


def _server_names(names: tuple[tuple[int, bytes], ...] | bool) -> Any:
    if isinstance(names, bool):
        return names
    return [_text(name) if kind == 0 else {"type": kind, "name": name.hex()} for kind, name in names]


def _trusted_authority(entry: x.TrustedAuthority) -> dict[str, Any]:
    if entry.kind == 2:
        return authority(entry.value)
    kinds = {0: "pre_agreed", 1: "key_sha1_hash", 3: "cert_sha1_hash"}
    return {"type": kinds.get(entry.kind, f"0x{entry.kind:02x}"), "value": entry.value.hex()}


def _oid_filter(entry: x.OidFilter) -> dict[str, Any]:
    return {"oid": _dotted(entry.oid), "values": entry.values.hex()}


def _dotted(der: bytes) -> str:
    """An object identifier in dots; what is none as ``#hex``."""
    if len(der) < 3 or der[0] != 6 or der[1] != len(der) - 2 or der[-1] & 0x80:
        return f"#{der.hex()}"
    numbers, number = [], 0
    for byte in der[2:]:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))


_EXTENSIONS: dict[int, Callable[[Any], Any]] = {
    E.SERVER_NAME: _server_names,
    E.APPLICATION_LAYER_PROTOCOL_NEGOTIATION: lambda names: [_text(name) for name in names],
    E.CERTIFICATE_AUTHORITIES: lambda names: [authority(der) for der in names],
}


def _extension(extension: x.Extension) -> dict[str, Any]:
    shown: dict[str, Any] = {"type": extension.type.label, "number": int(extension.type), "length": len(extension.data)}
    if isinstance(extension.value, MalformedMessage):
        shown |= _malformed(extension.value)
    elif extension.value is not None:
        shown["value"] = _EXTENSIONS.get(extension.type, jsonable)(extension.value)
    if extension.value is None or isinstance(extension.value, MalformedMessage):
        shown["data"] = extension.data.hex()
    return shown


_SPECIAL: dict[type, Callable[[Any], Any]] = {
    MalformedMessage: _malformed,
    x.Extension: _extension,
    x.TrustedAuthority: _trusted_authority,
    x.OidFilter: _oid_filter,
    m.ClientHello: _client_hello,
    m.ServerHello: _server_hello,
    m.EncryptedExtensions: _encrypted_extensions,
    m.Certificate: _certificate,
    m.CertificateEntry: _certificate_entry,
    m.RawPublicKey: _raw_public_key,
    m.CertificateRequest: _certificate_request,
    m.CertificateVerify: _without_none,
    m.ServerKeyExchange: _without_none,
    m.ClientKeyExchange: _without_none,
    m.NewSessionTicket: _ticket,
    m.KeyUpdate: _key_update,
}
