"""Private keys: PKCS#8 (RFC 5958), PKCS#1 (RFC 8017), SEC 1 (RFC 5915), plain or encrypted; and which certificate is theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inspector.credentials import asn1
from inspector.credentials.contents import Contents, damaged, wrong_passphrase
from inspector.der.reader import INTEGER, OCTET_STRING, OID, SEQUENCE, DerError, Reader, read_integer, read_oid
from inspector.errors import CredentialError

if TYPE_CHECKING:
    from inspector.credentials.pbe import Algorithm

RSASSA_PSS = "1.2.840.113549.1.1.10"
# PKCS#8 algorithms that TLS can sign with here
SIGNING_KEYS = {
    "1.2.840.113549.1.1.1": "RSA", RSASSA_PSS: "RSASSA-PSS", "1.2.840.10045.2.1": "EC", "1.2.840.10040.4.1": "DSA",
    "1.3.101.112": "Ed25519", "1.3.101.113": "Ed448",
}
# known by name, and not usable
OTHER_KEYS = {
    "1.3.101.110": "X25519 (agrees on keys, cannot sign)", "1.3.101.111": "X448 (agrees on keys, cannot sign)",
    "1.2.840.113549.1.3.1": "Diffie-Hellman (cannot sign)", "1.2.112.0.2.0.34.101.45.2.1": "bign (STB 34.101.45)",
    "1.2.643.7.1.1.1.1": "GOST R 34.10-2012, 256 bits", "1.2.643.7.1.1.1.2": "GOST R 34.10-2012, 512 bits",
    "2.16.840.1.101.3.4.3.17": "ML-DSA-44", "2.16.840.1.101.3.4.3.18": "ML-DSA-65", "2.16.840.1.101.3.4.3.19": "ML-DSA-87",
}


def algorithm_of(pkcs8: bytes) -> tuple[str, int]:
    """OID and version of a PKCS#8 key. Raises DerError where it is none."""
    inner = Reader(pkcs8).enter("private key")
    version = read_integer(inner.read("version", INTEGER))
    return read_oid(inner.enter("algorithm").read("algorithm", OID)), version


def is_pkcs8(der: bytes) -> bool:
    """True for a PrivateKeyInfo, whatever its algorithm."""
    try:
        inner = Reader(der).enter("private key")
        read_integer(inner.read("version", INTEGER))
        read_oid(inner.enter("algorithm").read("algorithm", OID))
        inner.read("key", OCTET_STRING)
    except DerError:
        return False
    return True


def is_encrypted_pkcs8(der: bytes) -> bool:
    """True for an EncryptedPrivateKeyInfo, whatever its algorithm."""
    try:
        inner = Reader(der).enter("encrypted private key")
        read_oid(inner.enter("encryption").read("encryption", OID))
        inner.read("data", OCTET_STRING)
    except DerError:
        return False
    return not inner.more


def is_traditional(der: bytes) -> bool:
    """True for what looks like a PKCS#1 or SEC 1 private key."""
    try:
        inner = Reader(der).enter("private key")
        version = read_integer(inner.read("version", INTEGER))
        second = inner.read("key")
    except DerError:
        return False
    return (version in {0, 1} and second.tag == INTEGER) or (version == 1 and second.tag == OCTET_STRING)


def load_plain(der: bytes, label: str) -> Any:
    """The key of an unencrypted PKCS#8, PKCS#1 or SEC 1 structure.

    Raises CredentialError: ``unsupported-key-type`` with the OID, or ``file-damaged``.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    oid, version = algorithm_of(der) if is_pkcs8(der) else ("", 0)
    if oid and oid not in SIGNING_KEYS:
        raise _unsupported_key(oid, OTHER_KEYS.get(oid, "an algorithm unknown here"), label)
    try:
        return load_der_private_key(der, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        if version == 1:
            raise _unsupported_key(oid, f"{SIGNING_KEYS[oid]} in PKCS#8 version 2, with its public key", label) from exc
        if isinstance(exc, UnsupportedAlgorithm):
            raise _unsupported_key(oid, f"{SIGNING_KEYS.get(oid, 'a key')} with unknown parameters", label) from exc
        raise damaged(label, "its private key cannot be read") from exc


def _unsupported_key(oid: str, name: str, label: str) -> CredentialError:
    return CredentialError(
        f"unsupported key type in {label}: {name}{f' (OID {oid})' if oid else ''}", kind="unsupported-key-type",
        hint="RSA, EC (NIST curves), Ed25519 and Ed448 keys in PKCS#8 version 1, PKCS#1 or SEC 1 can be used",
    )


def load_encrypted(der: bytes, label: str, contents: Contents, passphrase: bytes | None = None) -> Any:
    """The key of an EncryptedPrivateKeyInfo. The passphrase is asked for where none is given.

    Raises CredentialError: unsupported encryption or key, wrong passphrase, too expensive, damaged.
    """
    from inspector.credentials import pbe

    try:
        inner = Reader(der).enter("encrypted private key", SEQUENCE)
        algorithm = pbe.read_algorithm(inner, "encryption")
        data = inner.read("data", OCTET_STRING).contents
        contents.add_encryption(pbe.names(algorithm))
        check_supported(algorithm)
        given = contents.need_passphrase(label) if passphrase is None else passphrase
        plain = pbe.decrypt(algorithm, data, given, contents.budget)
    except DerError as exc:
        raise damaged(label, str(exc)) from exc
    except pbe.WrongPassphrase as exc:
        raise wrong_passphrase(label, sure=False) from exc
    if not is_pkcs8(plain):
        raise wrong_passphrase(label, sure=False)
    return load_plain(plain, label)


def check_supported(algorithm: Algorithm) -> None:
    """Refuse what cannot be undone before anybody is asked for a passphrase. Raises CredentialError."""
    from inspector.credentials import pbe

    if algorithm.oid == pbe.PBES2:
        inner = Reader(algorithm.parameters).enter("PBES2 parameters")
        derivation, scheme = pbe.read_algorithm(inner, "key derivation"), pbe.read_algorithm(inner, "encryption scheme")
        if derivation.oid not in {pbe.PBKDF2, pbe.SCRYPT}:
            raise pbe.unsupported(derivation.oid, "key derivation")
        if scheme.oid not in pbe.CIPHERS:
            raise pbe.unsupported(scheme.oid)
    elif algorithm.oid not in pbe.PKCS12_SCHEMES:
        raise pbe.unsupported(algorithm.oid)


def public_bits(spki: bytes) -> tuple[str, bytes]:
    """What tells one public key from another: its kind, and its key bits. RSA and RSASSA-PSS count as one kind.

    Raises DerError where it is no SubjectPublicKeyInfo.
    """
    inner = Reader(spki).enter("public key")
    oid = read_oid(inner.enter("algorithm").read("algorithm", OID))
    return SIGNING_KEYS.get(oid, oid).removesuffix("SSA-PSS"), inner.read("key bits", 0x03).contents


def key_matches(key: Any, spki: bytes) -> bool:
    """Whether ``key`` is the private half of the public key in ``spki`` (DER of a SubjectPublicKeyInfo)."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

    own = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if own == spki:
        return True
    try:
        if public_bits(own) == public_bits(spki):
            return True
        # the same point may be written compressed, the same curve by its parameters
        theirs = load_der_public_key(spki)
        return bool(theirs.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == own)
    except Exception:  # noqa: BLE001 - a certificate whose key cannot be read is not this key's, whatever the library says
        return False


def pkcs8_of(key: Any, spki: bytes) -> bytes:
    """The key as OpenSSL has to get it for a certificate with this public key: unencrypted PKCS#8, DER. For the engine only.

    ``cryptography`` does not tell an RSASSA-PSS key from an RSA one; OpenSSL refuses the one for a certificate of the other. So
    the algorithm is taken from the certificate.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    plain = bytes(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    try:
        algorithm = Reader(spki).enter("public key").read("algorithm", SEQUENCE)
        if read_oid(Reader(algorithm.encoded).enter("algorithm").read("algorithm", OID)) != RSASSA_PSS:
            return plain
        inner = Reader(plain).enter("private key")
        version = inner.read("version", INTEGER).encoded
        inner.read("algorithm", SEQUENCE)
        return asn1.sequence(version, algorithm.encoded, inner.read("key", OCTET_STRING).encoded)
    except DerError:
        return plain
