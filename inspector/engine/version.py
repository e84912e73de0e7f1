"""Which OpenSSL this is."""

from __future__ import annotations

from OpenSSL import SSL


def openssl_version() -> str:
    """The library's own words, as "OpenSSL 3.5.0 8 Apr 2025"."""
    return SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode("ascii", "replace")
