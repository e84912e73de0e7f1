"""Rules about algorithms, sizes and encodings."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.analysis.credential_case import Case, Found, found
from inspector.analysis.findings import Severity
from inspector.der.certificate import Certificate

# signature algorithms by a part of their name; what OpenSSL refuses at its default security level is "high"
WEAK_HASHES = ("md2", "md4", "md5", "sha1", "SHA-1", "SHA1")
COMMON_CURVES = frozenset({"secp256r1", "secp384r1"})
# RFC 8446, Section 4.2.3, has schemes for these, but not every server takes them
RARE = {
    "Ed25519": "an Ed25519 key", "Ed448": "an Ed448 key", "RSA-PSS": "a key restricted to RSASSA-PSS", "DSA": "a DSA key",
}
MAX_SERIAL_BITS = 160


def signatures(case: Case) -> Iterator[Found]:
    """No signature on the path is made with SHA-1 or older."""
    for certificate in case.signed_on_path:
        name = certificate.signature_algorithm or ""
        if any(weak in name for weak in WEAK_HASHES):
            yield found(
                "weak-signature", "high", "a signature made with SHA-1 or older", f"'{certificate.title}' is signed with {name}",
            )


def keys(case: Case) -> Iterator[Found]:
    """No key on the path is too short."""
    for certificate in case.path:
        bits, kind = certificate.key_bits, certificate.key_type
        least = {"RSA": 2048, "RSA-PSS": 2048, "DSA": 2048, "EC": 224}.get(kind or "")
        if bits is not None and least is not None and bits < least:
            yield found(
                "weak-key", "critical" if bits < least / 2 else "high", "a key that is too short",
                f"'{certificate.title}' has a {kind} key of {bits} bits; {least} are the least that is accepted today",
            )


def unusual(case: Case) -> Iterator[Found]:
    """A note where the key or the signature is of a kind that not every server takes."""
    leaf = case.leaf
    severity, what = _unusual_key(leaf)
    if what:
        yield found("signature-algorithm", severity, "a key of a kind that not every server takes", f"'{leaf.title}' has {what}")
    for certificate in case.signed_on_path:
        name = certificate.signature_algorithm or ""
        if name.startswith("RSASSA-PSS"):
            yield found(
                "signature-algorithm", "low", "a signature of a kind that not every server takes",
                f"'{certificate.title}' is signed with {name}",
            )


def _unusual_key(leaf: Certificate) -> tuple[Severity, str]:
    kind = leaf.key_type or ""
    if kind == "DSA":
        return "high", "a DSA key, for which TLS 1.3 has no signature scheme"
    if kind in RARE:
        return "low", RARE[kind]
    if kind == "EC" and leaf.key_curve == "explicit parameters":
        return "high", "an EC key with its curve written out, which most verifiers refuse"
    if kind == "EC" and leaf.key_curve == "secp521r1":
        return "low", "an EC key on secp521r1"
    if kind == "EC" and leaf.key_curve not in COMMON_CURVES:
        return "medium", f"an EC key on {leaf.key_curve}, for which TLS 1.3 has no common scheme"
    if kind == "RSA" and (leaf.key_bits or 0) > 8192:
        return "medium", f"an RSA key of {leaf.key_bits} bits; Go's servers refuse more than 8192"
    return "info", ""


def encoding(case: Case) -> Iterator[Found]:
    """Serial numbers, versions, names and the encoding itself are as RFC 5280 wants them."""
    for certificate in dict.fromkeys(case.sent):
        serial = certificate.serial_number
        if serial is not None and (serial <= 0 or serial.bit_length() > MAX_SERIAL_BITS - 1):
            what = "negative" if serial < 0 else "zero" if serial == 0 else f"{serial.bit_length() // 8 + 1} bytes long"
            yield found(
                "serial-number", "medium", "a serial number that RFC 5280 does not allow (Go and others refuse some of them)",
                f"the serial number of '{certificate.title}' is {what}",
            )
        if certificate.problem:
            yield found(
                "malformed-certificate", "medium", "a certificate that strict readers refuse",
                f"'{certificate.title}': {certificate.problem}",
            )
        if certificate.version is not None and certificate.version < 3 and not certificate.is_self_issued:
            yield found(
                "old-version", "medium", "a certificate of an old version, which some verifiers refuse",
                f"'{certificate.title}' is of version {certificate.version}",
            )
    if not case.leaf.subject and not case.leaf.subject_alt_names:
        yield found("no-identity", "low", "the certificate says nothing about whose it is: no subject, no alternative names")
