"""Opening of protected records: RFC 8446, Sections 5.2 and 7; RFC 5246, Sections 5 and 6.3 (and RFC 2246 for the older PRF).

An opener holds the keys of one side and one epoch, and counts the records. ``open`` raises CannotOpen where the record is not
authentic under these keys; it never returns bytes that were not authenticated.
"""

from __future__ import annotations

import hmac
from typing import Any, Protocol

from inspector.wire.suites import CipherKind, Suite


class CannotOpen(Exception):
    """The record is not authentic under these keys."""


class Opener(Protocol):
    """Keys of one side and epoch. ``sequence`` is the number of the next record."""

    sequence: int

    def open(self, content_type: int, version: int, header: bytes, payload: bytes) -> bytes:
        """The plaintext. ``sequence`` moves on only where the record could be opened."""

    def pass_over(self, payload: bytes) -> None:
        """A record with this payload was not opened: keep what chaining needs."""


def expand_label(hash_: str, secret: bytes, label: bytes, length: int) -> bytes:
    """HKDF-Expand-Label with an empty context (RFC 8446, Section 7.1): one HMAC, as no TLS secret is longer than a hash."""
    info = length.to_bytes(2, "big") + bytes((len(label) + 6,)) + b"tls13 " + label + b"\x00"
    return hmac.digest(secret, info + b"\x01", hash_)[:length]


def next_traffic_secret(hash_: str, secret: bytes) -> bytes:
    """The secret after a KeyUpdate (RFC 8446, Section 7.2)."""
    return expand_label(hash_, secret, b"traffic upd", len(secret))


def _p_hash(hash_: str, secret: bytes, seed: bytes, length: int) -> bytes:
    out, a = b"", seed
    while len(out) < length:
        a = hmac.digest(secret, a, hash_)
        out += hmac.digest(secret, a + seed, hash_)
    return out[:length]


def prf(version: int, hash_: str, secret: bytes, seed: bytes, length: int) -> bytes:
    """The PRF of RFC 5246, Section 5; before TLS 1.2 that of RFC 2246, Section 5. ``seed`` begins with the label."""
    if version >= 0x0303:
        return _p_hash(hash_, secret, seed, length)
    half = (len(secret) + 1) // 2
    md5, sha1 = _p_hash("md5", secret[:half], seed, length), _p_hash("sha1", secret[-half:], seed, length)
    return bytes(a ^ b for a, b in zip(md5, sha1, strict=True))


def _aead(cipher: CipherKind, key: bytes) -> tuple[Any, int]:
    """A cipher object and the length of its tag."""
    from cryptography.hazmat.primitives.ciphers import aead

    if cipher.mode == "gcm":
        return aead.AESGCM(key), 16
    if cipher.mode == "chacha":
        return aead.ChaCha20Poly1305(key), 16
    tag = 8 if cipher.mode == "ccm8" else 16
    return aead.AESCCM(key, tag_length=tag), tag


def _decrypt(aead: Any, nonce: bytes, sealed: bytes, additional: bytes) -> bytes:
    from cryptography.exceptions import InvalidTag

    try:
        plain: bytes = aead.decrypt(nonce, sealed, additional)
    except (InvalidTag, ValueError) as exc:
        raise CannotOpen from exc
    return plain


class Aead13:
    """TLS 1.3 (RFC 8446, Section 5.2). The plaintext still ends in content type and padding."""

    def __init__(self, suite: Suite, secret: bytes) -> None:
        assert suite.cipher is not None
        self.sequence = 0
        self._aead, self.overhead = _aead(suite.cipher, expand_label(suite.hash, secret, b"key", suite.cipher.key))
        self._iv = int.from_bytes(expand_label(suite.hash, secret, b"iv", 12), "big")

    def open(self, content_type: int, version: int, header: bytes, payload: bytes) -> bytes:  # noqa: ARG002
        nonce = (self._iv ^ self.sequence).to_bytes(12, "big")
        plain = _decrypt(self._aead, nonce, payload, header)
        self.sequence += 1
        return plain

    def pass_over(self, payload: bytes) -> None:
        pass


class Aead12:
    """AEAD in TLS 1.2: GCM and CCM carry eight bytes of nonce in the record (RFC 5288, RFC 6655), ChaCha20 none (RFC 7905)."""

    def __init__(self, suite: Suite, key: bytes, iv: bytes) -> None:
        assert suite.cipher is not None
        self.sequence = 0
        self._aead, self._tag = _aead(suite.cipher, key)
        self._iv = iv
        self._explicit = 0 if suite.cipher.mode == "chacha" else 8

    def open(self, content_type: int, version: int, header: bytes, payload: bytes) -> bytes:  # noqa: ARG002
        size = len(payload) - self._explicit - self._tag
        if size < 0:
            raise CannotOpen
        counted = self._iv if self._explicit else (int.from_bytes(self._iv, "big") ^ self.sequence).to_bytes(12, "big")
        nonce = counted + payload[: self._explicit]
        additional = _mac_header(self.sequence, content_type, version, size)
        plain = _decrypt(self._aead, nonce, payload[self._explicit:], additional)
        self.sequence += 1
        return plain

    def pass_over(self, payload: bytes) -> None:
        pass


def _mac_header(sequence: int, content_type: int, version: int, size: int) -> bytes:
    """What is authenticated beside the content (RFC 5246, Section 6.2.3)."""
    return sequence.to_bytes(8, "big") + bytes((content_type,)) + version.to_bytes(2, "big") + size.to_bytes(2, "big")


def _block_algorithm(cipher: CipherKind, key: bytes) -> Any:
    from cryptography.hazmat.decrepit.ciphers import algorithms as old
    from cryptography.hazmat.primitives.ciphers import algorithms

    if cipher.algorithm == "aes":
        return algorithms.AES(key)
    if cipher.algorithm == "des":  # three times with the same key is once
        return old.TripleDES(key * 3)
    kinds: dict[str, Any] = {"camellia": old.Camellia, "3des": old.TripleDES, "seed": old.SEED, "idea": old.IDEA}
    return kinds[cipher.algorithm](key)


class Cbc:
    """Block ciphers (RFC 5246, Section 6.2.3.2), with the MAC inside, or outside by encrypt-then-mac (RFC 7366)."""

    def __init__(self, suite: Suite, mac_key: bytes, key: bytes, iv: bytes | None, *, etm: bool) -> None:
        assert suite.cipher is not None
        self.sequence = 0
        self._mac_key, self._hash = mac_key, suite.mac
        self._mac_size = len(mac_key)
        self._block = suite.cipher.block
        self._algorithm = _block_algorithm(suite.cipher, key)
        self._chained = iv  # TLS 1.0: the last block of the record before; None from TLS 1.1 on
        self._etm = etm

    def open(self, content_type: int, version: int, header: bytes, payload: bytes) -> bytes:  # noqa: ARG002
        sealed = payload
        if self._etm:
            sealed = payload[: -self._mac_size]
            self._check(content_type, version, sealed, payload[-self._mac_size:])
        plain = self._unpad(self._decrypt(sealed))
        if not self._etm:
            if len(plain) < self._mac_size:
                raise CannotOpen
            plain, mac = plain[: -self._mac_size], plain[-self._mac_size:]
            self._check(content_type, version, plain, mac)
        if self._chained is not None:
            self._chained = sealed[-self._block:]
        self.sequence += 1
        return plain

    def pass_over(self, payload: bytes) -> None:
        if self._chained is not None:
            sealed = payload[: -self._mac_size] if self._etm else payload
            self._chained = sealed[-self._block:]

    def _check(self, content_type: int, version: int, covered: bytes, mac: bytes) -> None:
        head = _mac_header(self.sequence, content_type, version, len(covered))
        if not hmac.compare_digest(hmac.digest(self._mac_key, head + covered, self._hash), mac):
            raise CannotOpen

    def _decrypt(self, sealed: bytes) -> bytes:
        from cryptography.hazmat.primitives.ciphers import Cipher, modes

        iv = self._chained
        if iv is None:
            iv, sealed = sealed[: self._block], sealed[self._block:]
        if not sealed or len(sealed) % self._block or len(iv) != self._block:
            raise CannotOpen
        decryptor = Cipher(self._algorithm, modes.CBC(iv)).decryptor()
        return decryptor.update(sealed) + decryptor.finalize()

    def _unpad(self, padded: bytes) -> bytes:
        size = padded[-1] + 1
        if size > len(padded) or padded[-size:] != bytes((size - 1,)) * size:
            raise CannotOpen
        return padded[:-size]


class Stream:
    """RC4 and the suites without encryption (RFC 5246, Section 6.2.3.1): a keystream that cannot go back: keys are tried once."""

    def __init__(self, suite: Suite, mac_key: bytes, key: bytes) -> None:
        self.sequence = 0
        self._mac_key, self._hash = mac_key, suite.mac
        self._cipher: Any = None
        if key:
            from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
            from cryptography.hazmat.primitives.ciphers import Cipher

            self._cipher = Cipher(ARC4(key), None).decryptor()

    def open(self, content_type: int, version: int, header: bytes, payload: bytes) -> bytes:  # noqa: ARG002
        plain = self._cipher.update(payload) if self._cipher is not None else payload
        size = len(plain) - len(self._mac_key)
        if size < 0:
            raise CannotOpen
        content, mac = plain[:size], plain[size:]
        head = _mac_header(self.sequence, content_type, version, size)
        if not hmac.compare_digest(hmac.digest(self._mac_key, head + content, self._hash), mac):
            raise CannotOpen
        self.sequence += 1
        return content

    def pass_over(self, payload: bytes) -> None:
        pass  # a failed trial has used up the keystream already


class Unencrypted:
    """The suites without encryption, of which the keys are not known: the content stands before a MAC that cannot be checked."""

    def __init__(self, mac_size: int) -> None:
        self.sequence = 0
        self._mac_size = mac_size

    def open(self, content_type: int, version: int, header: bytes, payload: bytes) -> bytes:  # noqa: ARG002
        size = len(payload) - self._mac_size
        if size < 0:
            raise CannotOpen
        self.sequence += 1
        return payload[:size]

    def pass_over(self, payload: bytes) -> None:
        pass


MAC_SIZES = {"md5": 16, "sha1": 20, "sha256": 32, "sha384": 48}


def opener_12(
    version: int, suite: Suite, master: bytes, client_random: bytes, server_random: bytes, *, from_client: bool, etm: bool
) -> Opener | None:
    """Keys of one side up to TLS 1.2 (RFC 5246, Section 6.3); None for ciphers that this tool cannot decrypt."""
    cipher = suite.cipher
    if cipher is None:
        return None
    aead_iv = 12 if cipher.mode == "chacha" else 4
    is_aead = cipher.mode in ("gcm", "ccm", "ccm8", "chacha")
    if not is_aead and suite.mac not in MAC_SIZES:
        return None
    mac_size = 0 if is_aead else MAC_SIZES[suite.mac]
    iv_size = aead_iv if is_aead else cipher.block if version < 0x0302 else 0
    sizes = (mac_size, mac_size, cipher.key, cipher.key, iv_size, iv_size)
    block = prf(version, suite.hash, master, b"key expansion" + server_random + client_random, sum(sizes))
    parts, at = [], 0
    for size in sizes:
        parts.append(block[at : at + size])
        at += size
    mac_key, key, iv = parts[0 if from_client else 1], parts[2 if from_client else 3], parts[4 if from_client else 5]
    if is_aead:
        return Aead12(suite, key, iv)
    if cipher.mode == "cbc":
        return Cbc(suite, mac_key, key, iv if version < 0x0302 else None, etm=etm)
    return Stream(suite, mac_key, key)
