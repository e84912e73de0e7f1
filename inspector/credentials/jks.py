"""Java's own keystores, JKS and JCEKS, as ``keytool`` writes them. Both are big-endian lists of entries with a SHA-1 over it all.

The digest is keyed with the store's passphrase, so it tells a wrong one (or damage) before a key is touched; without a passphrase
the certificates can still be read. Private keys are an EncryptedPrivateKeyInfo with one of two schemes of Sun's.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools

from inspector.credentials import keys, pbe
from inspector.credentials.contents import Contents, FoundCertificate, FoundKey, damaged, wrong_passphrase
from inspector.der.reader import INTEGER, OCTET_STRING, DerError, Reader, read_integer

MAGICS = {b"\xfe\xed\xfe\xed": "JKS", b"\xce\xce\xce\xce": "JCEKS"}
PRIVATE_KEY, TRUSTED, SECRET_KEY = 1, 2, 3
MAX_ENTRIES = 1000
JKS_PROTECTION, JCEKS_PROTECTION = "1.3.6.1.4.1.42.2.17.1.1", "1.3.6.1.4.1.42.2.19.1"
_WHITENER = b"Mighty Aphrodite"
_DIGEST = 20


class _Cursor:
    """Reads Java's DataOutputStream. Every reading method raises DerError where the bytes end too early."""

    def __init__(self, data: bytes, end: int) -> None:
        self.data, self.at, self.end = data, 4, end

    def take(self, size: int, where: str) -> bytes:
        if size > self.end - self.at:
            raise DerError(where, self.at, f"{size} bytes wanted, {self.end - self.at} are there")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size: int, where: str) -> int:
        return int.from_bytes(self.take(size, where), "big")

    def text(self, where: str) -> str:
        return self.take(self.number(2, where), where).decode("utf-8", "replace")


def read(name: str, data: bytes, contents: Contents) -> None:
    """Add the private key entries and certificates of a keystore to ``contents``. Raises CredentialError."""
    kind = MAGICS[data[:4]]
    contents.add_encryption((f"{kind} SHA-1 digest",))
    passphrase = contents.passphrase(name)
    cursor = _Cursor(data, max(len(data) - _DIGEST, 4))
    try:
        shrouded, complete = _entries(cursor, name, contents)
    except DerError as exc:
        raise damaged(name, str(exc)) from exc
    if passphrase is not None and not _digest_matches(data, passphrase):
        raise wrong_passphrase(name, sure=complete and cursor.at == cursor.end)
    for alias, der in shrouded:
        contents.add_key(FoundKey(_key(der, alias, name, passphrase, contents), name, alias))


def _digest_matches(data: bytes, passphrase: bytes) -> bool:
    expected = hashlib.sha1(_utf16(passphrase) + _WHITENER + data[:-_DIGEST], usedforsecurity=False).digest()
    return hmac.compare_digest(expected, data[-_DIGEST:])


def _utf16(passphrase: bytes) -> bytes:
    return pbe.bmp(passphrase)[:-2]


def _entries(cursor: _Cursor, name: str, contents: Contents) -> tuple[list[tuple[str, bytes]], bool]:
    """Encrypted keys by alias, and whether all entries could be read; certificates go to ``contents``."""
    version, count = cursor.number(4, "version"), cursor.number(4, "number of entries")
    if version not in {1, 2}:
        raise DerError("version", 4, f"{version} where 1 or 2 belongs")
    if count > MAX_ENTRIES:
        raise DerError("number of entries", 8, f"{count} are more than {MAX_ENTRIES}")
    shrouded: list[tuple[str, bytes]] = []
    for _ in range(count):
        tag, alias = cursor.number(4, "entry"), cursor.text("alias")
        cursor.take(8, "date")
        if tag == PRIVATE_KEY:
            shrouded.append((alias, cursor.take(cursor.number(4, "key"), "key")))
            for _ in range(cursor.number(4, "length of the chain")):
                _certificate(cursor, version, alias, name, contents, authority=False)
        elif tag == TRUSTED:
            _certificate(cursor, version, alias, name, contents, authority=True)
        elif tag == SECRET_KEY:
            # a serialized Java object without a length: what follows it cannot be found
            contents.also.append("a secret key")
            contents.notes.append(f"{name}: entries from the secret key '{alias}' on were not read")
            return shrouded, False
        else:
            raise DerError("entry", cursor.at, f"of unknown kind {tag}")
    return shrouded, True


def _certificate(cursor: _Cursor, version: int, alias: str, name: str, contents: Contents, *, authority: bool) -> None:
    kind = cursor.text("type of certificate") if version == 2 else "X.509"
    der = cursor.take(cursor.number(4, "certificate"), "certificate")
    if kind in {"X.509", "X509"}:
        contents.add_certificate(FoundCertificate(der, name, ordered=False, label=alias, authority=authority))


def _key(der: bytes, alias: str, name: str, passphrase: bytes | None, contents: Contents) -> object:
    """The private key of one entry, which may have a passphrase of its own."""
    try:
        inner = Reader(der).enter("protected key")
        algorithm = pbe.read_algorithm(inner, "protection")
        protected = inner.read("key", OCTET_STRING).contents
        contents.add_encryption(pbe.names(algorithm))
        if algorithm.oid not in _UNDO:
            raise pbe.unsupported(algorithm.oid)
        given = passphrase if passphrase is not None else contents.need_passphrase(name)
        plain = _UNDO[algorithm.oid](algorithm, protected, given, contents.budget)
        if plain is None:
            label = f"the key '{alias}' in {name}"
            own = contents.passphrase(label)
            plain = _UNDO[algorithm.oid](algorithm, protected, own, contents.budget) if own is not None else None
            if plain is None:
                raise wrong_passphrase(label)
    except DerError as exc:
        raise damaged(name, f"the key '{alias}': {exc}") from exc
    return keys.load_plain(plain, name)


def _undo_jks(algorithm: pbe.Algorithm, protected: bytes, passphrase: bytes, budget: pbe.Budget) -> bytes | None:
    """Salt, key XOR a chain of SHA-1, check value. None where the check value does not fit."""
    del algorithm, budget
    if len(protected) < 2 * _DIGEST:
        raise DerError("protected key", 0, f"{len(protected)} bytes long")
    secret, salt = _utf16(passphrase), protected[:_DIGEST]
    body, check = protected[_DIGEST:-_DIGEST], protected[-_DIGEST:]
    stream, link = b"", salt
    while len(stream) < len(body):
        link = hashlib.sha1(secret + link, usedforsecurity=False).digest()
        stream += link
    plain = bytes(a ^ b for a, b in zip(body, stream, strict=False))
    return plain if hmac.compare_digest(hashlib.sha1(secret + plain, usedforsecurity=False).digest(), check) else None


def _undo_jceks(algorithm: pbe.Algorithm, protected: bytes, passphrase: bytes, budget: pbe.Budget) -> bytes | None:
    """PBEWithMD5AndTripleDES: each half of the salt is hashed with the passphrase for itself. None where the padding is wrong."""
    inner = Reader(algorithm.parameters).enter("parameters")
    salt = inner.read("salt", OCTET_STRING).contents
    rounds = read_integer(inner.read("iterations", INTEGER))
    if len(salt) != 8:
        raise DerError("salt", 0, f"{len(salt)} bytes where 8 belong")
    budget.spend(2 * max(rounds, 1))
    halves = [salt[:4], salt[4:]]
    if halves[0] == halves[1]:
        # so does Java: it means to reverse the first half, and changes three of its bytes
        first = halves[0]
        halves[0] = bytes((first[3], first[0], first[1], first[3]))
    derived = b""
    for half in halves:
        value = half
        for _ in itertools.repeat(None, rounds):
            value = hashlib.md5(value + passphrase, usedforsecurity=False).digest()
        derived += value
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher, modes

    if not protected or len(protected) % 8:
        raise DerError("protected key", 0, f"{len(protected)} bytes are no whole number of blocks")
    decryptor = Cipher(TripleDES(derived[:24]), modes.CBC(derived[24:])).decryptor()
    plain = bytes(decryptor.update(protected) + decryptor.finalize())
    if not 1 <= plain[-1] <= 8 or plain[-plain[-1] :] != plain[-1:] * plain[-1]:
        return None
    plain = plain[: -plain[-1]]
    return plain if keys.is_pkcs8(plain) else None


_UNDO = {JKS_PROTECTION: _undo_jks, JCEKS_PROTECTION: _undo_jceks}
