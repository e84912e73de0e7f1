"""Named and versioned expectations of TLS servers, as tables. What a profile leaves open is None.

Mozilla's are those of its Server Side TLS guidelines 5.7, FAPI's that of the FAPI 2.0 Security Profile, which means RFC 9325, 4.2.
"""

from __future__ import annotations

from typing import NamedTuple

_ECDHE = (
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
)
_CHACHA = ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256")
_DHE = (
    "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
)


class Profile(NamedTuple):
    """``versions`` that may be spoken, and must be; ``suites`` of TLS 1.2 that may be agreed to (IANA names)."""

    name: str
    version: str
    versions: tuple[str, ...]
    suites: frozenset[str]
    key_types: tuple[str, ...] | None = None  # of the server's certificate
    rsa_bits: int = 2048
    lifetime_days: int | None = None  # at most, of the server's certificate

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("mozilla-modern", "5.7", ("1.3",), frozenset(), ("EC",), 2048, 90),
        Profile("mozilla-intermediate", "5.7", ("1.2", "1.3"), frozenset((*_ECDHE, *_CHACHA, *_DHE)), ("EC", "RSA"), 2048, 366),
        Profile("fapi", "2.0", ("1.2", "1.3"), frozenset(_ECDHE), None, 2048, None),
    )
}
