"""Which signature schemes a key can sign with, and which scheme signed a certificate (RFC 8446, Section 4.2.3)."""

from __future__ import annotations

from inspector.der.certificate import Certificate
from inspector.wire.registry import SignatureScheme

RSA_PKCS1 = (0x0401, 0x0501, 0x0601, 0x0301, 0x0201)
RSA_PSS_RSAE = (0x0804, 0x0805, 0x0806)
RSA_PSS_PSS = (0x0809, 0x080A, 0x080B)
ECDSA = (0x0403, 0x0503, 0x0603, 0x0303, 0x0203)
DSA = (0x0402, 0x0502, 0x0602, 0x0302, 0x0202)

# TLS 1.3 binds the curve to the scheme
CURVE_SCHEMES: dict[str, tuple[int, ...]] = {
    "secp256r1": (0x0403,),
    "secp384r1": (0x0503,),
    "secp521r1": (0x0603,),
    "brainpoolP256r1": (0x081A,),
    "brainpoolP384r1": (0x081B,),
    "brainpoolP512r1": (0x081C,),
    "SM2": (0x0708,),
}
TLS13: dict[str, tuple[int, ...]] = {
    "RSA": RSA_PSS_RSAE,
    "RSA-PSS": RSA_PSS_PSS,
    "Ed25519": (0x0807,),
    "Ed448": (0x0808,),
    "ML-DSA-44": (0x0904,),
    "ML-DSA-65": (0x0905,),
    "ML-DSA-87": (0x0906,),
}
TLS12: dict[str, tuple[int, ...]] = {
    "RSA": RSA_PSS_RSAE + RSA_PKCS1,
    "RSA-PSS": RSA_PSS_PSS,
    "EC": ECDSA,
    "DSA": DSA,
    "Ed25519": (0x0807,),
    "Ed448": (0x0808,),
}
# PSS with a salt as long as the hash needs a modulus of this many bits (RFC 8017, Section 9.1.1)
PSS_BITS = {0x0804: 528, 0x0805: 784, 0x0806: 1040, 0x0809: 528, 0x080A: 784, 0x080B: 1040}

# RFC 5246, Section 7.4.4; Edwards curves ride on ecdsa_sign (RFC 8422, Section 5.5)
RSA_SIGN, DSS_SIGN, ECDSA_SIGN = 1, 2, 64
TYPES: dict[str, int] = {
    "RSA": RSA_SIGN, "RSA-PSS": RSA_SIGN, "DSA": DSS_SIGN, "EC": ECDSA_SIGN, "Ed25519": ECDSA_SIGN, "Ed448": ECDSA_SIGN,
}  # fmt: skip

SIGNED_WITH: dict[str, tuple[int, ...]] = {
    "sha1WithRSAEncryption": (0x0201,),
    "sha1WithRSA": (0x0201,),
    "sha224WithRSAEncryption": (0x0301,),
    "sha256WithRSAEncryption": (0x0401,),
    "sha384WithRSAEncryption": (0x0501,),
    "sha512WithRSAEncryption": (0x0601,),
    "RSASSA-PSS with SHA-256": (0x0804, 0x0809),
    "RSASSA-PSS with SHA-384": (0x0805, 0x080A),
    "RSASSA-PSS with SHA-512": (0x0806, 0x080B),
    "ecdsa-with-SHA1": (0x0203,),
    "ecdsa-with-SHA224": (0x0303,),
    "ecdsa-with-SHA256": (0x0403, 0x081A),
    "ecdsa-with-SHA384": (0x0503, 0x081B),
    "ecdsa-with-SHA512": (0x0603, 0x081C),
    "dsa-with-SHA1": (0x0202,),
    "dsa-with-SHA256": (0x0402,),
    "md5WithRSAEncryption": (0x0101,),
    "Ed25519": (0x0807,),
    "Ed448": (0x0808,),
    "ML-DSA-44": (0x0904,),
    "ML-DSA-65": (0x0905,),
    "ML-DSA-87": (0x0906,),
}


def of_key(leaf: Certificate, *, tls13: bool) -> tuple[int, ...]:
    """The schemes that the certificate's key can sign CertificateVerify with in this version, best first; () for none."""
    if leaf.key_type == "EC" and tls13:
        return CURVE_SCHEMES.get(leaf.key_curve or "", ())
    found = (TLS13 if tls13 else TLS12).get(leaf.key_type or "", ())
    bits = leaf.key_bits
    return found if bits is None else tuple(scheme for scheme in found if bits >= PSS_BITS.get(scheme, 0))


def of_signature(certificate: Certificate) -> tuple[int, ...]:
    """The schemes by which the certificate's own signature may be listed; () where it has none."""
    return SIGNED_WITH.get(certificate.signature_algorithm or "", ())


def labels(numbers: tuple[int, ...]) -> str:
    """Registry names, comma-separated."""
    return ", ".join(SignatureScheme(number).label for number in numbers) or "none"
