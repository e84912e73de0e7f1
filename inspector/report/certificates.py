"""Certificates and names as parts of the report."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Iterable
from functools import lru_cache

from inspector.der import certificate as der_certificate
from inspector.der.names import rfc4514
from inspector.report.model import AuthorityPart, CertificatePart, KeyPart


def rfc3339(moment: float | None) -> str | None:
    """A time as RFC 3339 in UTC, to the second; None where unknown or out of the calendar's range."""
    if moment is None:
        return None
    try:
        return dt.datetime.fromtimestamp(moment, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return None


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


@lru_cache(maxsize=1024)
def certificate_part(der: bytes) -> CertificatePart:
    """One certificate, as far as it can be read. Never raises."""
    certificate = der_certificate.parse(der)
    key = KeyPart(type=certificate.key_type, bits=certificate.key_bits) if certificate.key_type else None
    return CertificatePart(
        subject=certificate.subject,
        issuer=certificate.issuer,
        serial_number=certificate.serial_hex or "",
        not_before=rfc3339(certificate.not_before),
        not_after=rfc3339(certificate.not_after),
        subject_alt_names=certificate.subject_alt_names,
        key=key,
        signature_algorithm=certificate.signature_algorithm,
        sha256=certificate.sha256,
        spki_sha256=certificate.spki_sha256,
        der=base64_of(der),
        problem=certificate.problem,
    )


def chain_part(chain: Iterable[bytes]) -> tuple[CertificatePart, ...]:
    """A chain, in the order given."""
    return tuple(map(certificate_part, chain))


def authorities_part(names: Iterable[bytes]) -> tuple[AuthorityPart, ...]:
    """Distinguished names, in the order sent."""
    return tuple(AuthorityPart(name=rfc4514(name), der=base64_of(name)) for name in names)
