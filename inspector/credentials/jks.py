"""Java's own keystores, JKS and JCEKS, as ``keytool`` writes them. Both are big-endian lists of entries with a SHA-1 over it all.

The digest is keyed with the store's passphrase, so it tells a wrong one (or damage) before a key is touched; without a passphrase
the certificates can still be read. Private keys are an EncryptedPrivateKeyInfo with one of two schemes of Sun's.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
from typing import NamedTuple

from inspector.credentials import keys, pbe
from inspector.credentials.contents import Contents, FoundCertificate, FoundKey, damaged, wrong_passphrase
from inspector.der.reader import INTEGER, OCTET_STRING, DerError, Reader, read_integer

MAGICS = {b"\xfe\xed\xfe\xed": "JKS", b"\xce\xce\xce\xce": "JCEKS"}
PRIVATE_KEY, TRUSTED, SECRET_KEY = 1, 2, 3
MAX_ENTRIES = 1000
MAX_SECRETS = 8
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
        entries = _read(cursor, name, contents)
    except DerError as exc:
        raise damaged(name, str(exc)) from exc
    if passphrase is not None and not _digest_matches(data, passphrase):
        raise wrong_passphrase(name, sure=cursor.at == cursor.end)
    for entry in entries:
        for der in entry.certificates:
            contents.add_certificate(FoundCertificate(der, name, ordered=False, label=entry.alias, authority=not entry.key))
    for entry in entries:
        if entry.key:
            contents.add_key(FoundKey(_key(entry.key, entry.alias, name, passphrase, contents), name, entry.alias))


def _digest_matches(data: bytes, passphrase: bytes) -> bool:
    expected = hashlib.sha1(_utf16(passphrase) + _WHITENER + data[:-_DIGEST], usedforsecurity=False).digest()
    return hmac.compare_digest(expected, data[-_DIGEST:])


def _utf16(passphrase: bytes) -> bytes:
    return pbe.bmp(passphrase)[:-2]


class _Entry(NamedTuple):
    """``key`` is the protected private key, empty for a trust entry."""

    alias: str
    key: bytes
    certificates: tuple[bytes, ...]


def _read(cursor: _Cursor, name: str, contents: Contents) -> list[_Entry]:
    version, count = cursor.number(4, "version"), cursor.number(4, "number of entries")
    if version not in {1, 2}:
        raise DerError("version", 4, f"{version} where 1 or 2 belongs")
    if count > MAX_ENTRIES:
        raise DerError("number of entries", 8, f"{count} are more than {MAX_ENTRIES}")
    entries: list[_Entry] = []
    _entries(cursor, version, count, entries, 0)
    secrets = count - len(entries)
    if secrets:
        contents.also.append("a secret key")
        contents.notes.append(f"{name}: {secrets} secret key{'s' if secrets != 1 else ''} passed over")
    return entries


def _entries(cursor: _Cursor, version: int, count: int, entries: list[_Entry], secrets: int) -> None:
    """Append ``count`` entries; secret keys are passed over. Raises DerError."""
    for position in range(count):
        tag, alias = cursor.number(4, "entry"), cursor.text("alias")
        cursor.take(8, "date")
        if tag == PRIVATE_KEY:
            key = cursor.take(cursor.number(4, "key"), "key")
            chain = [_certificate(cursor, version) for _ in range(cursor.number(4, "length of the chain"))]
            entries.append(_Entry(alias, key, tuple(chain)))
        elif tag == TRUSTED:
            entries.append(_Entry(alias, b"", (_certificate(cursor, version),)))
        elif tag == SECRET_KEY and secrets < MAX_SECRETS:
            _pass_over(cursor, version, count - position - 1, entries, secrets + 1)
            return
        else:
            raise DerError("entry", cursor.at, f"of unknown kind {tag}")
    if cursor.at != cursor.end and secrets:
        raise DerError("entry", cursor.at, "followed by other bytes")


def _pass_over(cursor: _Cursor, version: int, count: int, entries: list[_Entry], secrets: int) -> None:
    """Go on behind a secret key: a serialized Java object without a length. The next entry is where the rest can be read."""
    if count == 0:
        cursor.at = cursor.end
        return
    before, begin = len(entries), cursor.at
    for start in range(begin, cursor.end - 4):
        if cursor.data[start : start + 3] != b"\0\0\0" or cursor.data[start + 3] not in {PRIVATE_KEY, TRUSTED, SECRET_KEY}:
            continue
        cursor.at = start
        try:
            _entries(cursor, version, count, entries, secrets)
        except DerError:
            del entries[before:]
            continue
        return
    raise DerError("entry", begin, "nothing that can be read follows a secret key")


def _certificate(cursor: _Cursor, version: int) -> bytes:
    if version == 2:
        cursor.text("type of certificate")
    return cursor.take(cursor.number(4, "certificate"), "certificate")


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
