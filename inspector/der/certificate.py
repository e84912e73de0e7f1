"""One certificate, field by field (RFC 5280, Section 4.1). Reading it never fails: what cannot be read is None or empty, and said.

``cryptography`` and OpenSSL give up on a certificate as a whole, or raise late when an attribute is touched. Here each field is
read for itself, so that a bad date does not hide the names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, TypeVar

from inspector.der import extension_view as ext
from inspector.der import reader as der
from inspector.der.extension_view import Extension, Extensions
from inspector.der.names import comparison_key, encoding_faults, rfc4514
from inspector.der.oids import CURVES, HASHES, KEY_BITS, KEYS, SIGNATURES
from inspector.der.reader import DerError, Element, Reader, context
from inspector.der.times import read_time

T = TypeVar("T")

# more extensions than this are not read: no certificate in use has forty
MAX_EXTENSIONS = 1000
# of one number of a public key; only its size is looked at
MAX_KEY_BYTES = 1 << 24


class Certificate(NamedTuple):
    """What a certificate says. Strings are for people (names in RFC 4514), ``*_der`` the bytes they came from.

    ``problem`` is None for a certificate that was read whole and breaks no rule of its encoding.
    """

    der: bytes
    subject_der: bytes = b""
    issuer_der: bytes = b""
    subject: str = ""
    issuer: str = ""
    serial_number: int | None = None
    not_before: float | None = None  # seconds since the epoch
    not_after: float | None = None
    spki_der: bytes = b""
    key_type: str | None = None  # "RSA", "RSA-PSS", "EC", "Ed25519"...; a dotted OID where it has no name here
    key_bits: int | None = None
    signature_algorithm: str | None = None  # "sha256WithRSAEncryption"; "RSASSA-PSS with SHA-256"
    signature_oid: str | None = None
    extensions: tuple[Extension, ...] = ()
    subject_alt_names: tuple[str, ...] = ()  # "DNS:a.example", "IP:192.0.2.1"
    sha256: str = ""
    spki_sha256: str | None = None
    problem: str | None = None
    version: int | None = None  # 1 to 3
    key_curve: str | None = None
    tbs_der: bytes = b""  # what is signed
    signature: bytes = b""

    @property
    def ext(self) -> Extensions:
        """Typed access to the extensions."""
        return ext.of(self.extensions)

    @property
    def is_self_issued(self) -> bool:
        """Subject and issuer are the same name (RFC 5280, Section 6.1); says nothing about the signature."""
        return bool(self.subject_der) and comparison_key(self.subject_der) == comparison_key(self.issuer_der)

    @property
    def serial_hex(self) -> str | None:
        """The serial number as people compare it: upper-case hex, two digits a byte."""
        if self.serial_number is None:
            return None
        digits = f"{abs(self.serial_number):X}"
        return ("-" if self.serial_number < 0 else "") + digits.zfill(len(digits) + len(digits) % 2)

    @property
    def title(self) -> str:
        """The subject, or what else names a certificate with an empty one."""
        return self.subject or (self.subject_alt_names[0] if self.subject_alt_names else f"certificate {self.sha256[:16]}")

    def valid_at(self, moment: float) -> bool | None:
        """True where ``moment`` lies between both dates; None where a date cannot be read."""
        if self.not_before is None or self.not_after is None:
            return None
        return self.not_before <= moment <= self.not_after


class _Fields:
    """Collects what could be read of one certificate, and what could not."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.faults: list[str] = []
        self.found: dict[str, object] = {}

    def attempt(self, read: Callable[[], T]) -> T | None:
        """What ``read`` returns; None, and a note, where it raises DerError."""
        try:
            return read()
        except DerError as exc:
            self.faults.append(str(exc))
            return None


def _signature_name(fields: _Fields, element: Element) -> tuple[str, str]:
    """OID and name of an AlgorithmIdentifier for signatures."""
    body = Reader(element.data, element.body, element.end, fields.faults)
    oid = der.read_oid(body.read("signature algorithm", der.OID))
    name = SIGNATURES.get(oid, oid)
    if name == "RSASSA-PSS":
        return oid, f"{name} with {fields.attempt(lambda: _pss_hash(body)) or 'an unknown hash'}"
    return oid, name


def _pss_hash(body: Reader) -> str:
    """The hash of RSASSA-PSS-params (RFC 4055, Section 3.1), whose default is SHA-1."""
    if not body.more:
        return "SHA-1"
    parameters = body.enter("RSASSA-PSS parameters")
    hashed = parameters.maybe(context(0, constructed=True), "hashAlgorithm")
    if hashed is None:
        return "SHA-1"
    oid = der.read_oid(parameters.inside(hashed).enter("hashAlgorithm").read("hashAlgorithm", der.OID))
    return HASHES.get(oid, oid)


def _rsa_bits(key: bytes) -> int:
    modulus = der.read_integer(Reader(key).enter("RSA public key").read("modulus", der.INTEGER), MAX_KEY_BYTES)
    return abs(modulus).bit_length()


def _ec_parameters(parameters: Reader) -> tuple[str | None, int | None]:
    """Curve and size; explicit parameters (RFC 3279, Section 2.3.5) have a size and no name."""
    element = parameters.read("curve", der.OID, der.SEQUENCE)
    if element.tag == der.OID:
        oid = der.read_oid(element)
        return CURVES.get(oid, (oid, None))
    explicit = parameters.inside(element)
    explicit.read("version", der.INTEGER)
    field = explicit.enter("field")
    field.read("field type", der.OID)
    return "explicit parameters", der.read_integer(field.read("prime", der.INTEGER), MAX_KEY_BYTES).bit_length()


def _key(fields: _Fields, element: Element) -> None:
    """SubjectPublicKeyInfo (RFC 5280, Section 4.1.2.7)."""
    found = fields.found
    found["spki_der"] = element.encoded
    found["spki_sha256"] = hashlib.sha256(element.encoded).hexdigest()
    body = Reader(element.data, element.body, element.end, fields.faults)
    algorithm = body.enter("key algorithm")
    oid = der.read_oid(algorithm.read("key algorithm", der.OID))
    kind = KEYS.get(oid, oid)
    found["key_type"], found["key_bits"] = kind, KEY_BITS.get(kind)
    bits, _ = der.read_bit_string(body.read("public key", der.BIT_STRING))
    body.finish("public key info")
    if kind in {"RSA", "RSA-PSS"}:
        found["key_bits"] = _rsa_bits(bits)
    elif kind == "EC":
        found["key_curve"], found["key_bits"] = _ec_parameters(algorithm)
    elif kind == "DSA" and algorithm.more:
        prime = algorithm.enter("DSA parameters").read("p", der.INTEGER)
        found["key_bits"] = der.read_integer(prime, MAX_KEY_BYTES).bit_length()


def _validity(fields: _Fields, element: Element) -> None:
    body = Reader(element.data, element.body, element.end, fields.faults)
    for name, where in (("not_before", "notBefore"), ("not_after", "notAfter")):
        moment = body.read(where)
        fields.found[name] = fields.attempt(lambda moment=moment, where=where: read_time(moment, where, fields.faults))  # type: ignore[misc]
    body.finish("validity")


def _name(fields: _Fields, key: str, element: Element) -> None:
    fields.found[f"{key}_der"] = element.encoded
    fields.found[key] = rfc4514(element.encoded)
    # raises DerError where the name had to be shown as hex
    fields.faults.extend(f"{key}: {fault}" for fault in encoding_faults(element.encoded))


def _extension(body: Reader) -> Extension:
    entry = body.enter("extension")
    oid = der.read_oid(entry.read("extension", der.OID))
    flag = entry.maybe(der.BOOLEAN, "critical")
    critical = der.read_boolean(flag) if flag else False
    if flag and (not critical or flag.contents != b"\xff"):
        body.faults.append(f"extension {oid}: its critical flag is not written as DER asks")
    value = entry.read("extension value", der.OCTET_STRING).contents
    entry.finish("extension")
    return oid, critical, value


def _extensions(fields: _Fields, element: Element) -> None:
    outer = Reader(element.data, element.body, element.end, fields.faults)
    body = outer.enter("extensions")
    outer.finish("extensions")
    if not body.more:
        fields.faults.append("extensions: an empty list")
    found: list[Extension] = []
    while body.more:
        start = body.at
        if len(found) == MAX_EXTENSIONS:
            fields.faults.append(f"extensions: only the first {MAX_EXTENSIONS} are read")
            break
        one = fields.attempt(lambda: _extension(body))
        if one is not None:
            found.append(one)
        elif body.at == start:
            break
    fields.found["extensions"] = tuple(found)
    typed = ext.of(tuple(found))
    fields.found["subject_alt_names"] = tuple(map(str, typed.subject_alt_names))
    fields.faults.extend(typed.problems)


def _version(fields: _Fields, body: Reader) -> None:
    tagged = body.maybe(context(0, constructed=True), "version")
    number = 0 if tagged is None else der.read_integer(body.inside(tagged).read("version", der.INTEGER))
    fields.found["version"] = number + 1
    if not 0 <= number <= 2 or (tagged is not None and number == 0):
        fields.faults.append(f"version: {number} is not one that DER would write")


def _serial(fields: _Fields, element: Element) -> None:
    if element.tag != der.INTEGER:
        raise DerError("serialNumber", element.start, f"{der.tag_name(element.tag)} where INTEGER belongs")
    fields.found["serial_number"] = der.read_integer(element)
    body = element.contents
    if len(body) > 1 and ((body[0] == 0 and body[1] < 0x80) or (body[0] == 0xFF and body[1] >= 0x80)):
        fields.faults.append("serialNumber: not in the shortest form")


def _rest(fields: _Fields, body: Reader) -> None:
    """What follows the key: two unique identifiers that nobody uses, and the extensions."""
    while body.more:
        element = body.read("end of the certificate")
        if element.tag == context(3, constructed=True):
            fields.attempt(lambda element=element: _extensions(fields, element))  # type: ignore[misc]
            if fields.found.get("version") != 3:
                fields.faults.append("extensions: only version 3 may have them")
        elif element.tag not in {context(1), context(2)}:
            fields.faults.append(f"certificate at byte {element.start}: an element that does not belong there")


def _signed_part(fields: _Fields, body: Reader) -> str | None:
    """TBSCertificate. Returns the OID of the signature algorithm that it names."""
    fields.attempt(lambda: _version(fields, body))
    serial = body.read("serialNumber")
    fields.attempt(lambda: _serial(fields, serial))
    algorithm = body.read("signature")
    inner = fields.attempt(lambda: _signature_name(fields, algorithm))
    issuer = body.read("issuer")
    fields.attempt(lambda: _name(fields, "issuer", issuer))
    validity = body.read("validity")
    fields.attempt(lambda: _validity(fields, validity))
    subject = body.read("subject")
    fields.attempt(lambda: _name(fields, "subject", subject))
    key = body.read("subjectPublicKeyInfo")
    fields.attempt(lambda: _key(fields, key))
    _rest(fields, body)
    return inner[0] if inner else None


def _certificate(fields: _Fields) -> None:
    outer = Reader(fields.data, faults=fields.faults)
    body = outer.enter("certificate")
    outer.finish("certificate")
    tbs = body.read("tbsCertificate", der.SEQUENCE)
    fields.found["tbs_der"] = tbs.encoded
    inner = fields.attempt(lambda: _signed_part(fields, body.inside(tbs)))
    algorithm = body.read("signatureAlgorithm", der.SEQUENCE)
    named = fields.attempt(lambda: _signature_name(fields, algorithm))
    if named:
        fields.found["signature_oid"], fields.found["signature_algorithm"] = named
        if inner and inner != named[0]:
            fields.faults.append("signatureAlgorithm: not the one that is signed")
    signature, unused = der.read_bit_string(body.read("signature", der.BIT_STRING))
    fields.found["signature"] = signature
    if unused:
        fields.faults.append("signature: not a whole number of bytes")
    body.finish("certificate")


@lru_cache(maxsize=1024)
def parse(data: bytes) -> Certificate:
    """Read a certificate's DER. Never raises; remembers what it has read."""
    fields = _Fields(data)
    fields.found["sha256"] = hashlib.sha256(data).hexdigest()
    if data:
        fields.attempt(lambda: _certificate(fields))
    else:
        fields.faults.append("certificate: no bytes at all")
    problem = "; ".join(dict.fromkeys(fields.faults)) or None
    return Certificate(data, problem=problem, **fields.found)  # type: ignore[arg-type]
