"""Did this key sign that certificate? One link at a time, by the mathematics alone; the rest is judged elsewhere."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from inspector.der.certificate import parse

# signature algorithm -> hash: RFC 3279, RFC 4055, RFC 5758
HASH_OF = {
    "1.2.840.113549.1.1.4": "MD5", "1.2.840.113549.1.1.5": "SHA1", "1.3.14.3.2.29": "SHA1", "1.2.840.113549.1.1.14": "SHA224",
    "1.2.840.113549.1.1.11": "SHA256", "1.2.840.113549.1.1.12": "SHA384", "1.2.840.113549.1.1.13": "SHA512",
    "1.2.840.10045.4.1": "SHA1", "1.2.840.10045.4.3.1": "SHA224", "1.2.840.10045.4.3.2": "SHA256",
    "1.2.840.10045.4.3.3": "SHA384", "1.2.840.10045.4.3.4": "SHA512",
    "1.2.840.10040.4.3": "SHA1", "2.16.840.1.101.3.4.3.1": "SHA224", "2.16.840.1.101.3.4.3.2": "SHA256",
}
RSA_PSS = "1.2.840.113549.1.1.10"
# signature algorithms, or their beginnings, and the kind of key that makes them
KIND_OF = (
    ("1.2.840.113549.1.1.", "rsa"), ("1.3.14.3.2.29", "rsa"), ("1.2.840.10045.4.", "ec"),
    ("1.2.840.10040.4.3", "dsa"), ("2.16.840.1.101.3.4.3.1", "dsa"), ("2.16.840.1.101.3.4.3.2", "dsa"),
    ("1.3.101.112", "edwards"), ("1.3.101.113", "edwards"),
)


@lru_cache(maxsize=512)
def signed_by(certificate: bytes, issuer: bytes) -> bool | None:
    """Whether the key in ``issuer`` made the signature of ``certificate`` (both DER); None where that cannot be computed here."""
    signed, signer = parse(certificate), parse(issuer)
    oid, algorithm = signed.signature_oid or "", signed.signature_algorithm or ""
    return signature_holds(signer.spki_der, oid, algorithm, signed.tbs_der, signed.signature)


def signature_holds(spki: bytes, oid: str, algorithm: str, data: bytes, signature: bytes) -> bool | None:
    """Whether ``signature`` over ``data`` was made by the key of ``spki``; None where the algorithm is not known here."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        _verify(load_der_public_key(spki), oid, algorithm, data, signature)
    except InvalidSignature:
        return False
    except (ValueError, TypeError, KeyError, AttributeError, StopIteration, UnsupportedAlgorithm):
        return None
    return True


def _verify(key: Any, oid: str, algorithm: str, data: bytes, signature: bytes) -> None:
    """Raises InvalidSignature where it does not hold, KeyError or others where it cannot be computed here."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa

    kinds: dict[str, tuple[type[Any], ...]] = {
        "rsa": (rsa.RSAPublicKey,), "ec": (ec.EllipticCurvePublicKey,), "dsa": (dsa.DSAPublicKey,),
        "edwards": (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey),
    }
    kind = next(kind for begin, kind in KIND_OF if oid == begin or (begin.endswith(".") and oid.startswith(begin)))
    if not isinstance(key, kinds[kind]):
        raise InvalidSignature  # a key of one kind, a signature of another
    if kind == "edwards":
        key.verify(signature, data)
        return
    if oid == RSA_PSS:
        digest = getattr(hashes, algorithm.rpartition(" ")[2].replace("-", ""))()
        key.verify(signature, data, padding.PSS(padding.MGF1(digest), padding.PSS.AUTO), digest)
        return
    digest = getattr(hashes, HASH_OF[oid])()
    if kind == "rsa":
        key.verify(signature, data, padding.PKCS1v15(), digest)
    else:
        key.verify(signature, data, ec.ECDSA(digest) if kind == "ec" else digest)
