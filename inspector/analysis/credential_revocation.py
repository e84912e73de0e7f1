"""Rules about revocation: CRLs that were given (RFC 5280, Section 5), and what OCSP responders said (RFC 6960)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from inspector.analysis.credential_case import Case, Found, found
from inspector.analysis.credential_dates import moment
from inspector.credentials.signatures import signature_holds
from inspector.der.certificate import Certificate
from inspector.der.names import comparison_key, rfc4514
from inspector.der.oids import SIGNATURES

STALE_AFTER = 0.0


class _List(NamedTuple):
    parsed: Any
    issuer: bytes
    problem: str | None


def _lists(case: Case) -> list[_List]:
    """The CRLs with the DER of their issuer's name; those that cannot be read have a ``problem``."""
    from cryptography import x509

    out = []
    for der in case.crls:
        try:
            parsed = x509.load_der_x509_crl(der)
            out.append(_List(parsed, parsed.issuer.public_bytes(), None))
        except (ValueError, TypeError) as exc:
            out.append(_List(None, b"", f"a revocation list of {len(der)} bytes cannot be read ({type(exc).__name__})"))
    return out


def revoked(case: Case) -> Iterator[Found]:
    """No certificate of the path below the root is revoked."""
    yield from _by_status(case)
    if not case.crls:
        return
    lists = _lists(case)
    for broken in lists:
        if broken.problem:
            yield found("crl-unusable", "medium", "a revocation list cannot be used", broken.problem)
    subjects = [c for c in case.path if not c.is_self_issued or c is case.leaf]
    used = False
    for certificate in subjects:
        issuer_key = comparison_key(certificate.issuer_der)
        for given in lists:
            if given.parsed is None or comparison_key(given.issuer) != issuer_key:
                continue
            used = True
            yield from _judge(case, certificate, given)
    if not used and any(given.parsed is not None for given in lists):
        names = ", ".join(f"'{rfc4514(given.issuer)}'" for given in lists if given.parsed is not None)
        yield found(
            "crl-unusable", "low", "no revocation list is from the issuer of a certificate in the path", f"they are from {names}",
        )


def _judge(case: Case, certificate: Certificate, given: _List) -> Iterator[Found]:
    issuer = next((c for c in case.above if comparison_key(c.subject_der) == comparison_key(certificate.issuer_der)), None)
    if issuer is not None and not _signed(given.parsed, issuer):
        yield found(
            "crl-unusable", "medium", "a revocation list is not signed by the CA whose name it bears",
            f"CRL of '{rfc4514(given.issuer)}'",
        )
        return
    following = given.parsed.next_update_utc
    if following is not None and following.timestamp() < case.now + STALE_AFTER:
        yield found(
            "crl-unusable", "low", "a revocation list is out of date",
            f"CRL of '{rfc4514(given.issuer)}': its next update was due {moment(following.timestamp())}",
        )
    entry = given.parsed.get_revoked_certificate_by_serial_number(certificate.serial_number or 0)
    if entry is not None:
        yield found(
            "revoked", "critical", "a certificate has been revoked by its issuer",
            f"'{certificate.title}', serial number {certificate.serial_hex}, is in the CRL of '{rfc4514(given.issuer)}' "
            f"since {moment(entry.revocation_date_utc.timestamp())}",
        )


def _signed(parsed: Any, issuer: Certificate) -> bool:
    oid = parsed.signature_algorithm_oid.dotted_string
    name = SIGNATURES.get(oid, oid)
    if name == "RSASSA-PSS":
        digest = parsed.signature_hash_algorithm
        name = f"{name} with {digest.name.upper() if digest else ''}"
    return signature_holds(issuer.spki_der, oid, name, parsed.tbs_certlist_bytes, parsed.signature) is not False


def _by_status(case: Case) -> Iterator[Found]:
    from inspector.der.certificate import parse

    for status in case.statuses:
        title = parse(status.certificate).title
        if status.state == "revoked":
            yield found(
                "revoked", "critical", "a certificate has been revoked by its issuer",
                f"'{title}': {status.responder} says {status.detail}",
            )
        elif status.state != "good":
            yield found(
                "ocsp-unusable", "low", "an OCSP responder gave no answer that helps",
                f"'{title}': {status.responder}: {status.detail}",
            )
