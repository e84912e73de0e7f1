"""The extensions of certificates, read when they are asked for (RFC 5280, Section 4.2; RFC 6962; RFC 7633).

Each ``read_`` function takes the DER inside the extension's OCTET STRING and raises DerError where it is not what it should be.
Breaches that do not hide the contents go to ``faults``. ``extension_view`` wraps the extensions of one certificate.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, NamedTuple

from inspector.der import reader as der
from inspector.der.names import rfc4514
from inspector.der.reader import DerError, Element, Reader, context

BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_KEY_USAGE = "2.5.29.19", "2.5.29.15", "2.5.29.37"
SUBJECT_KEY_ID, AUTHORITY_KEY_ID = "2.5.29.14", "2.5.29.35"
SUBJECT_ALT_NAME, ISSUER_ALT_NAME, NAME_CONSTRAINTS = "2.5.29.17", "2.5.29.18", "2.5.29.30"
CRL_DISTRIBUTION_POINTS, CERTIFICATE_POLICIES = "2.5.29.31", "2.5.29.32"
POLICY_CONSTRAINTS, INHIBIT_ANY_POLICY, POLICY_MAPPINGS = "2.5.29.36", "2.5.29.54", "2.5.29.33"
AUTHORITY_INFO_ACCESS, TLS_FEATURE = "1.3.6.1.5.5.7.1.1", "1.3.6.1.5.5.7.1.24"
SCT_LIST, OCSP_NO_CHECK = "1.3.6.1.4.1.11129.2.4.2", "1.3.6.1.5.5.7.48.1.5"
PRECERTIFICATE_POISON = "1.3.6.1.4.1.11129.2.4.3"

# RFC 5280, Section 4.2.1.3, in bit order
KEY_USAGES = (
    "digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement", "keyCertSign", "cRLSign",
    "encipherOnly", "decipherOnly",
)  # fmt: skip

# RFC 5280, Section 4.2.1.6: context tag -> how it is called in front of the value
GENERAL_NAME_KINDS = {
    0: "otherName", 1: "email", 2: "DNS", 3: "x400Address", 4: "dirName", 5: "ediPartyName", 6: "URI", 7: "IP", 8: "RID",
}  # fmt: skip

OCSP_METHOD, CA_ISSUERS_METHOD = "1.3.6.1.5.5.7.48.1", "1.3.6.1.5.5.7.48.2"
STATUS_REQUEST = 5  # RFC 7633, with the numbers of TLS extensions: "must staple"


# names of one certificate that are read; 10,000 have been seen
MAX_NAMES = 50_000


class GeneralName(NamedTuple):
    """One GeneralName: ``kind`` of GENERAL_NAME_KINDS, ``value`` for people, ``raw`` its contents (a Name's DER for dirName)."""

    kind: str
    value: str
    raw: bytes

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"


class BasicConstraints(NamedTuple):
    ca: bool
    path_length: int | None


class AuthorityKeyId(NamedTuple):
    key_id: bytes | None
    issuer: tuple[GeneralName, ...]
    serial_number: int | None


class NameConstraints(NamedTuple):
    permitted: tuple[GeneralName, ...]
    excluded: tuple[GeneralName, ...]


class Access(NamedTuple):
    """Where to find something of the issuer: ``method`` is the OID, ``location`` usually a URI."""

    method: str
    location: GeneralName


class Timestamp(NamedTuple):
    """A signed certificate timestamp (RFC 6962, Section 3.2). ``at`` is in seconds since the epoch."""

    version: int
    log_id: bytes
    at: float


def _address(raw: bytes, subtree: bool) -> str:
    """An IP address, or in name constraints (``subtree``) an address and its mask."""
    if len(raw) in {4, 16} and not subtree:
        return str(ipaddress.ip_address(raw))
    if len(raw) in {8, 32} and subtree:
        half = len(raw) // 2
        address, mask = ipaddress.ip_address(raw[:half]), int.from_bytes(raw[half:], "big")
        bits = mask.bit_count()
        contiguous = mask == ((1 << bits) - 1) << (half * 8 - bits)
        return f"{address}/{bits}" if contiguous else f"{address}/{ipaddress.ip_address(raw[half:])}"
    raise DerError("IP address", 0, f"{len(raw)} bytes long")


def _other_name(element: Element, reader: Reader) -> str:
    inner = reader.inside(element)
    oid = der.read_oid(inner.read("otherName type", der.OID))
    return f"{oid}=#{inner.read('otherName value').contents.hex()}"


def read_general_name(reader: Reader, where: str, *, subtree: bool = False) -> GeneralName:
    """The next GeneralName. Raises DerError where it is none. In a ``subtree`` an IP address has a mask."""
    element = reader.read(where)
    kind = GENERAL_NAME_KINDS.get(element.tag & 0x1F) if element.tag & 0xC0 == 0x80 else None
    if kind is None:
        raise DerError(where, element.start, "not a GeneralName")
    raw = element.contents
    if kind in {"DNS", "email", "URI"}:
        if not raw.isascii():
            reader.faults.append(f"{where} at byte {element.start}: {kind} with bytes that are not ASCII")
        return GeneralName(kind, raw.decode("ascii", "backslashreplace"), raw)
    if kind == "IP":
        return GeneralName(kind, _address(raw, subtree), raw)
    if kind == "dirName":
        return GeneralName(kind, rfc4514(raw), raw)
    if kind == "RID":
        return GeneralName(kind, der.read_oid(element), raw)
    if kind == "otherName":
        return GeneralName(kind, _other_name(element, reader), raw)
    return GeneralName(kind, "#" + raw.hex(), raw)


def _whole(value: bytes, where: str, faults: list[str] | None, tag: int = der.SEQUENCE) -> Reader:
    outer = Reader(value, faults=faults)
    inner = outer.enter(where, tag)
    outer.finish(where)
    return inner


def read_general_names(value: bytes, faults: list[str] | None = None) -> tuple[GeneralName, ...]:
    """GeneralNames, as in subjectAltName. A name that cannot be read is noted in ``faults`` and shown as hex."""
    names = _whole(value, "names", faults)
    if not names.more:
        names.faults.append("names: an empty list")
    found: list[GeneralName] = []
    while names.more:
        start = names.at
        if len(found) == MAX_NAMES:
            names.faults.append(f"names: only the first {MAX_NAMES} are read")
            break
        try:
            found.append(read_general_name(names, "name"))
        except DerError as exc:
            if names.at == start:
                raise
            names.faults.append(str(exc))
            found.append(GeneralName("unreadable", "#" + value[start : names.at].hex(), value[start : names.at]))
    return tuple(found)


def read_basic_constraints(value: bytes, faults: list[str] | None = None) -> BasicConstraints:
    """RFC 5280, Section 4.2.1.9."""
    body = _whole(value, "basicConstraints", faults)
    flag = body.maybe(der.BOOLEAN, "cA")
    ca = der.read_boolean(flag) if flag else False
    length = body.maybe(der.INTEGER, "pathLenConstraint")
    path_length = der.read_integer(length) if length else None
    if path_length is not None and path_length < 0:
        raise DerError("pathLenConstraint", 0, "negative")
    body.finish("basicConstraints")
    return BasicConstraints(ca, path_length)


def _bits(value: bytes, names: tuple[str, ...], where: str, faults: list[str] | None) -> tuple[str, ...]:
    outer = Reader(value, faults=faults)
    bits, unused = der.read_bit_string(outer.read(where, der.BIT_STRING))
    outer.finish(where)
    total = len(bits) * 8 - unused
    return tuple(name for i, name in enumerate(names) if i < total and bits[i // 8] & (0x80 >> i % 8))


def read_key_usage(value: bytes, faults: list[str] | None = None) -> tuple[str, ...]:
    """The usages that are set, in bit order (RFC 5280, Section 4.2.1.3)."""
    found = _bits(value, KEY_USAGES, "keyUsage", faults)
    if not found and faults is not None:
        faults.append("keyUsage: no bit is set")
    return found


def read_extended_key_usage(value: bytes, faults: list[str] | None = None) -> tuple[str, ...]:
    """OIDs of the purposes (RFC 5280, Section 4.2.1.12)."""
    body = _whole(value, "extKeyUsage", faults)
    found: list[str] = []
    while body.more:
        found.append(der.read_oid(body.read("purpose", der.OID)))
    if not found:
        body.faults.append("extKeyUsage: an empty list")
    return tuple(found)


def read_key_id(value: bytes, faults: list[str] | None = None) -> bytes:
    """RFC 5280, Section 4.2.1.2."""
    outer = Reader(value, faults=faults)
    key_id = outer.read("subjectKeyIdentifier", der.OCTET_STRING).contents
    outer.finish("subjectKeyIdentifier")
    return key_id


def read_authority_key_id(value: bytes, faults: list[str] | None = None) -> AuthorityKeyId:
    """RFC 5280, Section 4.2.1.1."""
    body = _whole(value, "authorityKeyIdentifier", faults)
    key_id = body.maybe(context(0), "keyIdentifier")
    issuer = body.maybe(context(1, constructed=True), "authorityCertIssuer")
    serial = body.maybe(context(2), "authorityCertSerialNumber")
    body.finish("authorityKeyIdentifier")
    names: list[GeneralName] = []
    if issuer:
        inner = body.inside(issuer)
        while inner.more:
            names.append(read_general_name(inner, "authorityCertIssuer"))
    if bool(issuer) != bool(serial):
        body.faults.append("authorityKeyIdentifier: issuer and serial number belong together")
    return AuthorityKeyId(key_id.contents if key_id else None, tuple(names), der.read_integer(serial) if serial else None)


def _subtrees(body: Reader, tag: int, where: str) -> tuple[GeneralName, ...]:
    element = body.maybe(tag, where)
    found: list[GeneralName] = []
    if element is None:
        return ()
    inner = body.inside(element)
    if not inner.more:
        inner.faults.append(f"nameConstraints: {where} is an empty list")
    while inner.more:
        found.append(read_general_name(inner.enter(where), where, subtree=True))
    return tuple(found)


def read_name_constraints(value: bytes, faults: list[str] | None = None) -> NameConstraints:
    """RFC 5280, Section 4.2.1.10. A base of any kind is kept, ``IP`` as address and mask."""
    body = _whole(value, "nameConstraints", faults)
    permitted = _subtrees(body, context(0, constructed=True), "permittedSubtrees")
    excluded = _subtrees(body, context(1, constructed=True), "excludedSubtrees")
    body.finish("nameConstraints")
    if not permitted and not excluded:
        body.faults.append("nameConstraints: nothing is permitted or excluded")
    return NameConstraints(permitted, excluded)


def read_authority_info_access(value: bytes, faults: list[str] | None = None) -> tuple[Access, ...]:
    """RFC 5280, Section 4.2.2.1."""
    body = _whole(value, "authorityInfoAccess", faults)
    found: list[Access] = []
    if not body.more:
        body.faults.append("authorityInfoAccess: an empty list")
    while body.more:
        entry = body.enter("access description")
        method = der.read_oid(entry.read("access method", der.OID))
        found.append(Access(method, read_general_name(entry, "access location")))
        entry.finish("access description")
    return tuple(found)


def read_crl_distribution_points(value: bytes, faults: list[str] | None = None) -> tuple[GeneralName, ...]:
    """The full names of all distribution points (RFC 5280, Section 4.2.1.13); names relative to the issuer are left out."""
    body = _whole(value, "cRLDistributionPoints", faults)
    found: list[GeneralName] = []
    while body.more:
        point = body.enter("distribution point")
        name = point.maybe(context(0, constructed=True), "distributionPoint")
        if name is None:
            continue
        full = point.inside(name).maybe(context(0, constructed=True), "fullName")
        if full is not None:
            names = point.inside(full)
            while names.more:
                found.append(read_general_name(names, "fullName"))
    return tuple(found)


def _policy(body: Reader) -> str:
    oid = der.read_oid(body.read("policy", der.OID))
    if body.more:
        qualifiers = body.enter("policy qualifiers")
        if not qualifiers.more:
            body.faults.append("policy qualifiers: an empty list")
        while qualifiers.more:
            qualifier = qualifiers.enter("policy qualifier")
            qualifier.read("policy qualifier", der.OID)
            qualifier.read("policy qualifier's value")
            qualifier.finish("policy qualifier")
    body.finish("policy")
    return oid


def read_policies(value: bytes, faults: list[str] | None = None) -> tuple[str, ...]:
    """OIDs of the policies (RFC 5280, Section 4.2.1.4)."""
    body = _whole(value, "certificatePolicies", faults)
    found: list[str] = []
    while body.more:
        found.append(_policy(body.enter("policy")))
    if not found:
        body.faults.append("certificatePolicies: an empty list")
    if len(set(found)) != len(found):
        body.faults.append("certificatePolicies: a policy stands there twice")
    return tuple(found)


def read_policy_constraints(value: bytes, faults: list[str] | None = None) -> tuple[int | None, int | None]:
    """The numbers requireExplicitPolicy and inhibitPolicyMapping (RFC 5280, Section 4.2.1.11)."""
    body = _whole(value, "policyConstraints", faults)
    require = body.maybe(context(0), "requireExplicitPolicy")
    inhibit = body.maybe(context(1), "inhibitPolicyMapping")
    body.finish("policyConstraints")
    if require is None and inhibit is None:
        body.faults.append("policyConstraints: empty")
    return der.read_integer(require) if require else None, der.read_integer(inhibit) if inhibit else None


def read_inhibit_any_policy(value: bytes, faults: list[str] | None = None) -> int:
    """RFC 5280, Section 4.2.1.14."""
    outer = Reader(value, faults=faults)
    skip = der.read_integer(outer.read("inhibitAnyPolicy", der.INTEGER))
    outer.finish("inhibitAnyPolicy")
    if skip < 0:
        raise DerError("inhibitAnyPolicy", 0, "negative")
    return skip


def read_tls_feature(value: bytes, faults: list[str] | None = None) -> tuple[int, ...]:
    """Numbers of TLS extensions that the server promises (RFC 7633)."""
    body = _whole(value, "tlsFeature", faults)
    found: list[int] = []
    while body.more:
        found.append(der.read_integer(body.read("feature", der.INTEGER)))
    return tuple(found)


def read_timestamps(data: bytes) -> tuple[Timestamp, ...]:
    """A SignedCertificateTimestampList as it stands in the TLS extension (RFC 6962, Section 3.3). Raises DerError."""
    if len(data) < 2 or int.from_bytes(data[:2], "big") != len(data) - 2:
        raise DerError("SCT list", 0, "its length is wrong")
    found: list[Timestamp] = []
    at = 2
    while at < len(data):
        size = int.from_bytes(data[at : at + 2], "big")
        entry = data[at + 2 : at + 2 + size]
        if len(entry) < size or size < 41:
            raise DerError("SCT", at, "cut off")
        found.append(Timestamp(entry[0], entry[1:33], int.from_bytes(entry[33:41], "big") / 1000))
        at += 2 + size
    return tuple(found)


def read_sct_list(value: bytes, faults: list[str] | None = None) -> tuple[Timestamp, ...]:
    """The certificate extension: an OCTET STRING around the list (RFC 6962, Section 3.3)."""
    outer = Reader(value, faults=faults)
    return read_timestamps(outer.read("SCT list", der.OCTET_STRING).contents)


READERS: dict[str, Callable[[bytes, list[str] | None], Any]] = {
    SUBJECT_KEY_ID: read_key_id,
    KEY_USAGE: read_key_usage,
    SUBJECT_ALT_NAME: read_general_names,
    ISSUER_ALT_NAME: read_general_names,
    BASIC_CONSTRAINTS: read_basic_constraints,
    NAME_CONSTRAINTS: read_name_constraints,
    CRL_DISTRIBUTION_POINTS: read_crl_distribution_points,
    CERTIFICATE_POLICIES: read_policies,
    AUTHORITY_KEY_ID: read_authority_key_id,
    POLICY_CONSTRAINTS: read_policy_constraints,
    EXTENDED_KEY_USAGE: read_extended_key_usage,
    INHIBIT_ANY_POLICY: read_inhibit_any_policy,
    AUTHORITY_INFO_ACCESS: read_authority_info_access,
    TLS_FEATURE: read_tls_feature,
    SCT_LIST: read_sct_list,
}
