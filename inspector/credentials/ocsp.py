"""OCSP (RFC 6960): the question for one certificate, and what an answer is worth."""

from __future__ import annotations

from typing import Any, NamedTuple

from inspector.credentials.signatures import signature_holds, signed_by
from inspector.der.certificate import parse

OCSP_SIGNING = "1.3.6.1.5.5.7.3.9"
# how far clocks may differ
SKEW = 300.0


class Answer(NamedTuple):
    """``state``: "good", "revoked", "unknown", or "unusable" where the answer proves nothing. ``detail`` in words."""

    state: str
    detail: str


def question(certificate: bytes, issuer: bytes) -> bytes | None:
    """The DER of an OCSP request for ``certificate``; None where the library cannot read one of the two."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509 import ocsp

    try:
        builder = ocsp.OCSPRequestBuilder().add_certificate(
            # responders know certificates by SHA-1 of issuer's name and key (RFC 5019, Section 2.1.1)
            x509.load_der_x509_certificate(certificate), x509.load_der_x509_certificate(issuer), hashes.SHA1(),  # noqa: S303
        )
        return builder.build().public_bytes(serialization.Encoding.DER)
    except (ValueError, TypeError):
        return None


def answer(der: bytes, certificate: bytes, issuer: bytes, now: float) -> Answer:
    """What a response says about ``certificate``, verified: signed by the issuer or one it allows, about this serial, and fresh."""
    from cryptography.x509 import ocsp

    try:
        response = ocsp.load_der_ocsp_response(der)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return Answer("unusable", f"it answered {response.response_status.name.lower()}")
        return _judge(response, certificate, issuer, now)
    except (ValueError, TypeError):
        return Answer("unusable", "its answer cannot be read")


def _judge(response: Any, certificate: bytes, issuer: bytes, now: float) -> Answer:
    single = next((one for one in response.responses if one.serial_number == parse(certificate).serial_number), None)
    if single is None:
        return Answer("unusable", "its answer is about another certificate")
    problem = _signature_problem(response, issuer, now)
    if problem:
        return Answer("unusable", problem)
    following = single.next_update_utc
    if single.this_update_utc.timestamp() > now + SKEW:
        return Answer("unusable", "its answer is from the future")
    if following is not None and following.timestamp() < now - SKEW:
        return Answer("unusable", f"its answer is stale: the next was due {following:%Y-%m-%d %H:%M} UTC")
    state = single.certificate_status.name.lower()
    if state == "revoked":
        since, reason = single.revocation_time_utc, single.revocation_reason
        return Answer("revoked", f"revoked since {since:%Y-%m-%d %H:%M} UTC{f' ({reason.value})' if reason else ''}")
    return Answer(state, {"good": "good", "unknown": "it does not know the certificate"}[state])


def _signature_problem(response: Any, issuer: bytes, now: float) -> str | None:
    """Why the signature proves nothing; None where it does."""
    from inspector.der.oids import SIGNATURES

    oid = response.signature_algorithm_oid.dotted_string
    algorithm = SIGNATURES.get(oid, oid)
    if algorithm == "RSASSA-PSS":
        digest = response.signature_hash_algorithm
        algorithm = f"{algorithm} with {digest.name.upper() if digest else ''}"
    signers = [issuer, *(_encoded(extra) for extra in response.certificates)]
    for signer in signers:
        if not signature_holds(parse(signer).spki_der, oid, algorithm, response.tbs_response_bytes, response.signature):
            continue
        if parse(signer).spki_der == parse(issuer).spki_der:
            return None
        if not signed_by(signer, issuer):
            return "its answer is signed by somebody whom the issuer did not certify"
        if OCSP_SIGNING not in (parse(signer).ext.extended_key_usage or ()):
            return "its answer is signed by a certificate that is not for OCSP"
        return None if parse(signer).valid_at(now) else "its answer is signed by a certificate that is not valid now"
    return "the signature of its answer does not hold"


def _encoded(certificate: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return bytes(certificate.public_bytes(Encoding.DER))
