"""Password-based encryption of key files: named, bounded, undone.

PKCS#5 v2 (RFC 8018), the schemes of PKCS#12 (RFC 7292, Appendices B and C), PBMAC1 (RFC 9579). Everything is looked up in tables by
OID: what is not there is refused by its name and OID, never mistaken for a wrong passphrase. Key derivation is bounded by a budget,
because a file decides how often its own reader must hash.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, NamedTuple

from inspector.der.reader import INTEGER, OCTET_STRING, OID, SEQUENCE, DerError, Reader, read_integer, read_oid
from inspector.errors import CredentialError

# hashes that may be spent on one file; about ten seconds, and four times what the slowest exporter known asks for
MAX_ITERATIONS = 12_000_000
MAX_SCRYPT_BYTES = 256 * 1024 * 1024

PBES2, PBKDF2, SCRYPT, PBMAC1 = (
    "1.2.840.113549.1.5.13", "1.2.840.113549.1.5.12", "1.3.6.1.4.1.11591.4.11", "1.2.840.113549.1.5.14",
)


class WrongPassphrase(Exception):
    """What came out of the decryption cannot be the plaintext: the passphrase is wrong, or the ciphertext damaged."""


class Pkcs12Cipher(NamedTuple):
    name: str
    cipher: str
    key_bytes: int
    iv_bytes: int
    rc2_bits: int = 0


# RFC 7292, Appendix C
PKCS12_SCHEMES = {
    "1.2.840.113549.1.12.1.1": Pkcs12Cipher("pbeWithSHA1And128BitRC4", "rc4", 16, 0),
    "1.2.840.113549.1.12.1.2": Pkcs12Cipher("pbeWithSHA1And40BitRC4", "rc4", 5, 0),
    "1.2.840.113549.1.12.1.3": Pkcs12Cipher("pbeWithSHA1And3-KeyTripleDES-CBC", "3des", 24, 8),
    "1.2.840.113549.1.12.1.4": Pkcs12Cipher("pbeWithSHA1And2-KeyTripleDES-CBC", "3des", 16, 8),
    "1.2.840.113549.1.12.1.5": Pkcs12Cipher("pbeWithSHA1And128BitRC2-CBC", "rc2", 16, 8, 128),
    "1.2.840.113549.1.12.1.6": Pkcs12Cipher("pbeWithSHA1And40BitRC2-CBC", "rc2", 5, 8, 40),
}
# RFC 8018, Appendices A and B.2; (name, cipher, key bytes)
CIPHERS = {
    "2.16.840.1.101.3.4.1.2": ("aes128-CBC", "aes", 16),
    "2.16.840.1.101.3.4.1.22": ("aes192-CBC", "aes", 24),
    "2.16.840.1.101.3.4.1.42": ("aes256-CBC", "aes", 32),
    "1.2.840.113549.3.7": ("des-EDE3-CBC", "3des", 24),
    "1.2.840.113549.3.2": ("rc2-CBC", "rc2", 16),
}
# known by name only: nothing here undoes them
OTHER_NAMES = {
    "1.2.840.113549.1.5.1": "pbeWithMD2AndDES-CBC", "1.2.840.113549.1.5.3": "pbeWithMD5AndDES-CBC",
    "1.2.840.113549.1.5.4": "pbeWithMD2AndRC2-CBC", "1.2.840.113549.1.5.6": "pbeWithMD5AndRC2-CBC",
    "1.2.840.113549.1.5.10": "pbeWithSHA1AndDES-CBC", "1.2.840.113549.1.5.11": "pbeWithSHA1AndRC2-CBC",
    "1.3.14.3.2.7": "des-CBC",
    "2.16.840.1.101.3.4.1.6": "aes128-GCM", "2.16.840.1.101.3.4.1.26": "aes192-GCM", "2.16.840.1.101.3.4.1.46": "aes256-GCM",
    "1.2.840.113549.1.9.16.3.18": "chacha20-Poly1305", "1.2.156.10197.1.104.2": "sm4-CBC",
    "1.2.392.200011.61.1.1.1.2": "camellia128-CBC", "1.2.392.200011.61.1.1.1.4": "camellia256-CBC",
    "1.3.6.1.4.1.42.2.17.1.1": "JKS key protection", "1.3.6.1.4.1.42.2.19.1": "pbeWithMD5AndTripleDES (JCEKS)",
}
HMACS = {
    "1.2.840.113549.2.7": "sha1", "1.2.840.113549.2.8": "sha224", "1.2.840.113549.2.9": "sha256",
    "1.2.840.113549.2.10": "sha384", "1.2.840.113549.2.11": "sha512",
    "1.2.840.113549.2.12": "sha512_224", "1.2.840.113549.2.13": "sha512_256",
}
DIGESTS = {
    "1.3.14.3.2.26": "sha1", "2.16.840.1.101.3.4.2.4": "sha224", "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384", "2.16.840.1.101.3.4.2.3": "sha512", "1.2.840.113549.2.5": "md5",
    "2.16.840.1.101.3.4.2.8": "sha3_256", "2.16.840.1.101.3.4.2.9": "sha3_384", "2.16.840.1.101.3.4.2.10": "sha3_512",
    "1.3.6.1.4.1.1722.12.2.1.16": "blake2b", "1.3.6.1.4.1.1722.12.2.2.8": "blake2s",
}


class Algorithm(NamedTuple):
    """An AlgorithmIdentifier: its OID, and the encoded parameters (empty where absent)."""

    oid: str
    parameters: bytes


class Budget:
    """How much key derivation one file may still ask for. Results are kept, so that equal bags cost once."""

    def __init__(self, iterations: int = MAX_ITERATIONS) -> None:
        self.left = iterations
        self.derived: dict[tuple[Any, ...], bytes] = {}

    def spend(self, iterations: int) -> None:
        """Raises CredentialError where the file asks for more than is allowed."""
        if iterations < 1 or iterations > self.left:
            raise CredentialError(
                f"the file asks for {iterations} rounds of key derivation", kind="too-expensive",
                hint=f"at most {MAX_ITERATIONS} are done for one file; export the key again with fewer",
            )
        self.left -= iterations


def read_algorithm(reader: Reader, where: str) -> Algorithm:
    """The next AlgorithmIdentifier (RFC 5280, Section 4.1.1.2)."""
    inner = reader.enter(where, SEQUENCE)
    oid = read_oid(inner.read(where, OID))
    return Algorithm(oid, inner.read(where).encoded if inner.more else b"")


def unsupported(oid: str, what: str = "encryption") -> CredentialError:
    """The error for an algorithm that is not undone here."""
    name = OTHER_NAMES.get(oid, "an algorithm unknown here")
    return CredentialError(
        f"unsupported {what}: {name} (OID {oid})", kind="unsupported-encryption",
        hint="the passphrase may well be right; export the key again with AES-256-CBC (PBES2), as openssl does by default",
    )


def names(algorithm: Algorithm) -> tuple[str, ...]:
    """What protects the data, by name: one for the scheme, and for PBES2 the cipher and the hash under it. Never raises."""
    if algorithm.oid in PKCS12_SCHEMES:
        return (PKCS12_SCHEMES[algorithm.oid].name,)
    if algorithm.oid != PBES2:
        return (OTHER_NAMES.get(algorithm.oid, algorithm.oid),)
    try:
        inner = Reader(algorithm.parameters).enter("PBES2 parameters")
        derivation, scheme = read_algorithm(inner, "key derivation"), read_algorithm(inner, "encryption scheme")
        cipher = CIPHERS[scheme.oid][0] if scheme.oid in CIPHERS else OTHER_NAMES.get(scheme.oid, scheme.oid)
        if derivation.oid == SCRYPT:
            return ("PBES2", "scrypt", cipher)
        function = f"PBKDF2-HMAC-{_pbkdf2(derivation.parameters).digest.upper()}" if derivation.oid == PBKDF2 else derivation.oid
    except (DerError, CredentialError):
        return ("PBES2",)
    return ("PBES2", function, cipher)


def decrypt(algorithm: Algorithm, data: bytes, passphrase: bytes, budget: Budget) -> bytes:
    """The plaintext of ``data``.

    Raises CredentialError for what is unsupported or too expensive, DerError for broken parameters, WrongPassphrase where
    the padding shows that the plaintext is none.
    """
    if algorithm.oid == PBES2:
        return _decrypt_pbes2(algorithm.parameters, data, passphrase, budget)
    scheme = PKCS12_SCHEMES.get(algorithm.oid)
    if scheme is None:
        raise unsupported(algorithm.oid)
    inner = Reader(algorithm.parameters).enter("PBE parameters")
    salt = inner.read("salt", OCTET_STRING).contents
    rounds = read_integer(inner.read("iterations", INTEGER))
    *others, last = forms(passphrase)
    for form in others:
        try:
            return _decrypt_pkcs12(scheme, form, salt, rounds, data, budget)
        except WrongPassphrase:
            continue
    return _decrypt_pkcs12(scheme, last, salt, rounds, data, budget)


def _decrypt_pkcs12(scheme: Pkcs12Cipher, text: bytes, salt: bytes, rounds: int, data: bytes, budget: Budget) -> bytes:
    key = pkcs12_derive("sha1", text, salt, rounds, 1, scheme.key_bytes, budget)
    initial = pkcs12_derive("sha1", text, salt, rounds, 2, scheme.iv_bytes, budget) if scheme.iv_bytes else b""
    return _decrypt(scheme.cipher, key, initial, data, scheme.rc2_bits)


def forms(passphrase: bytes) -> tuple[bytes, ...]:
    """What may have been hashed for a passphrase: some exporters hash an absent one as no bytes at all, not as two zero bytes."""
    return (bmp(passphrase),) if passphrase else (bmp(b""), b"")


def bmp(passphrase: bytes) -> bytes:
    """A passphrase as PKCS#12 hashes it: UTF-16 with two zero bytes (RFC 7292, Appendix B.1)."""
    try:
        text = passphrase.decode("utf-8")
    except UnicodeDecodeError:
        text = passphrase.decode("latin-1")
    return text.encode("utf-16-be") + b"\0\0"


def pkcs12_derive(digest: str, passphrase: bytes, salt: bytes, rounds: int, purpose: int, size: int, budget: Budget) -> bytes:
    """RFC 7292, Appendix B.2. ``purpose`` is 1 for keys, 2 for initial vectors, 3 for MAC keys."""
    asked = (digest, passphrase, salt, rounds, purpose, size)
    if asked in budget.derived:
        return budget.derived[asked]
    make = getattr(hashlib, digest)
    width, block = make().digest_size, make().block_size
    budget.spend(rounds * -(-size // width))

    def stretch(value: bytes) -> bytes:
        length = block * -(-len(value) // block)
        return (value * (length // len(value) + 1))[:length] if value else b""

    mixed, out = bytearray(stretch(salt) + stretch(passphrase)), b""
    while len(out) < size:
        value = make(bytes((purpose,)) * block + mixed).digest()
        for _ in range(rounds - 1):
            value = make(value).digest()
        out += value
        addend = int.from_bytes(stretch(value)[:block], "big") + 1
        for at in range(0, len(mixed), block):
            total = int.from_bytes(mixed[at : at + block], "big") + addend
            mixed[at : at + block] = (total % (1 << 8 * block)).to_bytes(block, "big")
    budget.derived[asked] = out[:size]
    return out[:size]


class _Pbkdf2(NamedTuple):
    salt: bytes
    rounds: int
    size: int | None
    digest: str


def _pbkdf2(parameters: bytes) -> _Pbkdf2:
    """PBKDF2-params (RFC 8018, Appendix A.2)."""
    inner = Reader(parameters).enter("PBKDF2 parameters")
    salt = inner.read("salt", OCTET_STRING).contents
    rounds = read_integer(inner.read("iterations", INTEGER))
    length = inner.maybe(INTEGER, "key length")
    function = read_algorithm(inner, "pseudo-random function").oid if inner.more else "1.2.840.113549.2.7"
    if function not in HMACS:
        raise unsupported(function, "key derivation")
    return _Pbkdf2(salt, rounds, read_integer(length) if length else None, HMACS[function])


def derive(derivation: Algorithm, passphrase: bytes, size: int, budget: Budget) -> bytes:
    """A key of ``size`` bytes by PBKDF2 or scrypt (RFC 7914)."""
    asked = (derivation, passphrase, size)
    if asked not in budget.derived:
        budget.derived[asked] = _derive(derivation, passphrase, size, budget)
    return budget.derived[asked]


def _derive(derivation: Algorithm, passphrase: bytes, size: int, budget: Budget) -> bytes:
    if derivation.oid == PBKDF2:
        given = _pbkdf2(derivation.parameters)
        budget.spend(given.rounds * -(-size // hashlib.new(given.digest).digest_size))
        return hashlib.pbkdf2_hmac(given.digest, passphrase, given.salt, given.rounds, size)
    if derivation.oid != SCRYPT:
        raise unsupported(derivation.oid, "key derivation")
    inner = Reader(derivation.parameters).enter("scrypt parameters")
    salt = inner.read("salt", OCTET_STRING).contents
    cost, block, parallel = (read_integer(inner.read(name, INTEGER)) for name in ("cost", "block size", "parallelization"))
    memory = 128 * cost * block + 128 * block * parallel
    if min(cost, block, parallel) < 1 or parallel > 64 or memory > MAX_SCRYPT_BYTES:
        raise CredentialError(
            f"the file asks for scrypt with N={cost}, r={block}, p={parallel}", kind="too-expensive",
            hint=f"at most {MAX_SCRYPT_BYTES >> 20} MiB are spent; export the key again with smaller parameters",
        )
    budget.spend(min(cost * block * parallel // 4 + 1, MAX_ITERATIONS))
    try:
        return hashlib.scrypt(passphrase, salt=salt, n=cost, r=block, p=parallel, maxmem=2 * MAX_SCRYPT_BYTES, dklen=size)
    except ValueError as exc:
        raise DerError("scrypt parameters", 0, "values that scrypt does not allow") from exc


def _decrypt_pbes2(parameters: bytes, data: bytes, passphrase: bytes, budget: Budget) -> bytes:
    inner = Reader(parameters).enter("PBES2 parameters")
    derivation, scheme = read_algorithm(inner, "key derivation"), read_algorithm(inner, "encryption scheme")
    if scheme.oid not in CIPHERS:
        raise unsupported(scheme.oid)
    _, cipher, size = CIPHERS[scheme.oid]
    fields, effective = Reader(scheme.parameters), 128
    if cipher == "rc2":
        fields = fields.enter("RC2 parameters")
        version = fields.maybe(INTEGER, "RC2 version")
        # RFC 8018, Appendix B.2.3
        effective = {160: 40, 120: 64, 58: 128}.get(read_integer(version) if version else 0, 32)
        given = _pbkdf2(derivation.parameters).size if derivation.oid == PBKDF2 else None
        size = min(max(given or size, 1), 16)
    initial = fields.read("initial vector", OCTET_STRING).contents
    return _decrypt(cipher, derive(derivation, passphrase, size, budget), initial, data, effective)


def _decrypt(cipher: str, key: bytes, initial: bytes, data: bytes, rc2_bits: int) -> bytes:
    if cipher == "rc4":
        return _stream(key, data)
    block = 16 if cipher == "aes" else 8
    if not data or len(data) % block or len(initial) != block:
        raise DerError("encrypted data", 0, f"{len(data)} bytes are no whole number of blocks")
    plain = _rc2(key, rc2_bits, initial, data) if cipher == "rc2" else _block(cipher, key, initial, data)
    padding = plain[-1]
    if not 1 <= padding <= block or plain[-padding:] != bytes((padding,)) * padding:
        raise WrongPassphrase
    return plain[:-padding]


def _rc2(key: bytes, effective_bits: int, initial: bytes, data: bytes) -> bytes:
    from inspector.credentials.rc2 import decrypt_cbc

    return decrypt_cbc(key, effective_bits, initial, data)


def _block(cipher: str, key: bytes, initial: bytes, data: bytes) -> bytes:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    if cipher == "3des":
        algorithm: Any = TripleDES(key + key[:8] if len(key) == 16 else key)
    else:
        algorithm = algorithms.AES(key)
    decryptor = Cipher(algorithm, modes.CBC(initial)).decryptor()
    return bytes(decryptor.update(data) + decryptor.finalize())


def _stream(key: bytes, data: bytes) -> bytes:
    """RC4. Written out, because the libraries no longer take keys of 40 bits."""
    state, j = list(range(256)), 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) & 0xFF
        state[i], state[j] = state[j], state[i]
    i, j, out = 0, 0, bytearray()
    for byte in data:
        i = (i + 1) & 0xFF
        j = (j + state[i]) & 0xFF
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) & 0xFF])
    return bytes(out)


def mac_name(algorithm: Algorithm) -> str:
    """The algorithm of a PKCS#12 MAC by name, as "HMAC-SHA256" or "PBMAC1". Never raises."""
    if algorithm.oid == PBMAC1:
        return "PBMAC1"
    return f"HMAC-{DIGESTS[algorithm.oid].upper()}" if algorithm.oid in DIGESTS else algorithm.oid


def mac_matches(
    algorithm: Algorithm, digest: bytes, salt: bytes, rounds: int, passphrase: bytes, data: bytes, budget: Budget,
) -> bool:
    """Whether the MAC of a PKCS#12 file was made with this passphrase (the BMP form for the classical one, see ``bmp``)."""
    if algorithm.oid == PBMAC1:
        inner = Reader(algorithm.parameters).enter("PBMAC1 parameters")
        derivation, mac = read_algorithm(inner, "key derivation"), read_algorithm(inner, "MAC scheme")
        if mac.oid not in HMACS or derivation.oid != PBKDF2:
            raise unsupported(mac.oid, "MAC")
        name = HMACS[mac.oid]
        key = derive(derivation, passphrase, _pbkdf2(derivation.parameters).size or hashlib.new(name).digest_size, budget)
        return hmac.compare_digest(hmac.digest(key, data, name), digest)
    if algorithm.oid not in DIGESTS:
        raise unsupported(algorithm.oid, "MAC")
    name = DIGESTS[algorithm.oid]
    for form in forms(passphrase):
        key = pkcs12_derive(name, form, salt, rounds, 3, getattr(hashlib, name)().digest_size, budget)
        if hmac.compare_digest(hmac.new(key, data, getattr(hashlib, name)).digest(), digest):
            return True
    return False
