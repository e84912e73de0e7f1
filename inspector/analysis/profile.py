"""Rules for certificates that verifiers leave out: RFC 5280's fine print and the profile of the public web.

OpenSSL and cryptography accept what these find. They are findings, not errors: a private authority may have its reasons. Each row
of ``RULES`` looks at one certificate in its place on the path.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from inspector.analysis.findings import Evidence, Finding, Severity
from inspector.der.certificate import Certificate, parse
from inspector.der.extensions import AUTHORITY_KEY_ID, NAME_CONSTRAINTS

ANY_PURPOSE = "2.5.29.37.0"
MAX_SERIAL_BITS = 159  # twenty octets, the first bit being the sign (RFC 5280, Section 4.1.2.2)
WEB_CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})
WEB_SIGNATURES = frozenset({
    "sha256WithRSAEncryption", "sha384WithRSAEncryption", "sha512WithRSAEncryption",
    "RSASSA-PSS with SHA-256", "RSASSA-PSS with SHA-384", "RSASSA-PSS with SHA-512",
    "ecdsa-with-SHA256", "ecdsa-with-SHA384", "ecdsa-with-SHA512",
})  # fmt: skip


class Place(NamedTuple):
    """One certificate on the path. ``leaf`` and ``root`` tell where it stands."""

    certificate: Certificate
    leaf: bool
    root: bool


def _serial(place: Place) -> str | None:
    number = place.certificate.serial_number
    if number is None:
        return None
    if number <= 0:
        return f"its serial number is {'zero' if number == 0 else 'negative'}"
    return "its serial number is longer than 20 octets" if number.bit_length() > MAX_SERIAL_BITS else None


def _purposes(place: Place) -> str | None:
    found = place.certificate.ext.extended_key_usage
    if place.leaf:
        if found is None:
            return "it has no extendedKeyUsage: any purpose goes"
        return "extendedKeyUsage says that any purpose goes" if ANY_PURPOSE in found else None
    return "it is a root and has an extendedKeyUsage" if place.root and found is not None else None


def _constraints(place: Place) -> str | None:
    extensions = place.certificate.ext
    if extensions.value(NAME_CONSTRAINTS) is None or extensions.critical(NAME_CONSTRAINTS):
        return None
    return "its nameConstraints are not critical: software that does not know them ignores them"


def _key_ids(place: Place) -> str | None:
    extensions = place.certificate.ext
    authority = extensions.authority_key_id
    if authority is None:
        missing = not place.root and extensions.value(AUTHORITY_KEY_ID) is None
        return "it has no authorityKeyIdentifier" if missing else None
    if not place.root:
        return None
    if authority.issuer or authority.serial_number is not None:
        return "it is a root whose authorityKeyIdentifier names an issuer or serial number"
    own = extensions.subject_key_id
    if authority.key_id is not None and own is not None and authority.key_id != own:
        return "it is a root whose authorityKeyIdentifier names another key than its own"
    return None


def _key_type(place: Place) -> str | None:
    certificate = place.certificate
    kind, curve = certificate.key_type, certificate.key_curve
    if kind in {None, "RSA"} or (kind == "EC" and curve in WEB_CURVES):
        return None
    return f"its key is of type {kind}{f' ({curve})' if curve else ''}, which the public web does not use"


def _signature_type(place: Place) -> str | None:
    name = place.certificate.signature_algorithm
    if place.root or name is None or name in WEB_SIGNATURES:
        return None
    return f"it is signed with {name}, which the public web does not use"


RULES: tuple[tuple[str, Severity, Callable[[Place], str | None]], ...] = (
    ("profile-serial-number", "info", _serial),
    ("profile-extended-key-usage", "info", _purposes),
    ("profile-name-constraints", "low", _constraints),
    ("profile-key-identifier", "info", _key_ids),
    ("profile-key-type", "info", _key_type),
    ("profile-signature", "info", _signature_type),
)


def findings_of(path: Sequence[bytes]) -> tuple[Finding, ...]:
    """What is unusual about the certificates of a path (DER, leaf first, its trust anchor last). One finding a rule."""
    last = len(path) - 1
    places = []
    for depth, der in enumerate(path):
        certificate = parse(der)
        places.append(Place(certificate, depth == 0, depth == last and certificate.is_self_issued))
    found: list[Finding] = []
    for id_, severity, rule in RULES:
        said = [(place, text) for place in places if (text := rule(place)) is not None]
        if said:
            evidence = tuple(Evidence(f"{place.certificate.title}: {text}") for place, text in said)
            found.append(Finding(
                id=id_, severity=severity, evidence=evidence, summary=said[0][1],
                remedy="have it issued as RFC 5280 and the profile of the public web ask" if severity != "info" else "",
            ))
    return tuple(found)
