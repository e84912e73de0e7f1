"""Certificates as ``cryptography`` sees them, for what only it can do: signatures and its own verifier."""

from __future__ import annotations

import warnings
from typing import Any


def certificate(der: bytes) -> Any:
    """Parse with cryptography. Raises ValueError, TypeError and others where it cannot; its warnings are left to our own reader."""
    from cryptography import x509

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return x509.load_der_x509_certificate(der)
