"""What a cipher suite is made of, read from its IANA name: key exchange, cipher, and the hashes of PRF and MAC."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from inspector.wire.cipher_suites import CIPHER_SUITES


class CipherKind(NamedTuple):
    """One cipher. ``mode`` is "gcm", "ccm", "ccm8", "chacha", "cbc", "stream" or "null"; ``block`` is 0 for stream ciphers."""

    algorithm: str
    mode: str
    key: int
    block: int = 0


CIPHERS: dict[str, CipherKind] = {
    "AES_128_GCM": CipherKind("aes", "gcm", 16),
    "AES_256_GCM": CipherKind("aes", "gcm", 32),
    "AES_128_CCM": CipherKind("aes", "ccm", 16),
    "AES_256_CCM": CipherKind("aes", "ccm", 32),
    "AES_128_CCM_8": CipherKind("aes", "ccm8", 16),
    "AES_256_CCM_8": CipherKind("aes", "ccm8", 32),
    "CHACHA20_POLY1305": CipherKind("chacha", "chacha", 32),
    "AES_128_CBC": CipherKind("aes", "cbc", 16, 16),
    "AES_256_CBC": CipherKind("aes", "cbc", 32, 16),
    "CAMELLIA_128_CBC": CipherKind("camellia", "cbc", 16, 16),
    "CAMELLIA_256_CBC": CipherKind("camellia", "cbc", 32, 16),
    "3DES_EDE_CBC": CipherKind("3des", "cbc", 24, 8),
    "DES_CBC": CipherKind("des", "cbc", 8, 8),
    "SEED_CBC": CipherKind("seed", "cbc", 16, 16),
    "IDEA_CBC": CipherKind("idea", "cbc", 16, 8),
    "RC4_128": CipherKind("rc4", "stream", 16),
    "NULL": CipherKind("null", "null", 0),
}
MACS = {"MD5": "md5", "SHA": "sha1", "SHA256": "sha256", "SHA384": "sha384"}


class Suite(NamedTuple):
    """A cipher suite in parts. ``cipher`` is None where this tool cannot decrypt it."""

    key_exchange: str  # "ECDHE_RSA"; empty for TLS 1.3
    cipher: CipherKind | None
    hash: str  # of the key schedule or PRF (from TLS 1.2 on)
    mac: str  # of the records; empty for AEAD


@lru_cache(maxsize=64)
def suite_parts(number: int) -> Suite:
    """The parts of a suite by its IANA number; unknown suites have no cipher."""
    name = CIPHER_SUITES.get(number, "").removeprefix("TLS_")
    key_exchange, with_, rest = name.rpartition("_WITH_")
    if not with_ and not 0x1301 <= number <= 0x1305:
        return Suite("", None, "sha256", "")
    kind = CIPHERS.get(rest)  # the CCM suites of TLS 1.2 name no hash
    if kind is not None:
        return Suite(key_exchange, kind, "sha256", "")
    cipher, _, hash_ = rest.rpartition("_")
    kind = CIPHERS.get(cipher)
    is_mac = kind is not None and kind.mode in ("cbc", "stream", "null")
    return Suite(key_exchange, kind, "sha384" if hash_ == "SHA384" else "sha256", MACS.get(hash_, "") if is_mac else "")
