"""A stapled OCSP response: what it says, who signed it, how fresh it is (RFC 6960, RFC 6066 Section 8)."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, NamedTuple

from inspector.analysis import loading
from inspector.analysis.findings import Evidence, Finding
from inspector.der.certificate import Certificate, parse
from inspector.der.reader import DerError, Reader, read_bit_string

OCSP_SIGNING = "1.3.6.1.5.5.7.3.9"
HASHES = {"sha1": hashlib.sha1, "sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}
# a response without nextUpdate is taken as fresh for this long
UNDATED_SECONDS = 7 * 86400.0


class Staple(NamedTuple):
    """``status`` is "good", "revoked", "unknown", or None where the response holds none. ``genuine`` tells whether the issuer (or
    somebody whom it appointed) signed it for this certificate; None where that cannot be told. Times are epoch seconds.
    """

    status: str | None
    genuine: bool | None
    this_update: float | None = None
    next_update: float | None = None
    revoked_at: float | None = None
    problem: str | None = None

    def fresh_at(self, now: float) -> bool | None:
        """True where ``now`` lies between thisUpdate and nextUpdate; None where there is no date."""
        if self.this_update is None:
            return None
        end = self.next_update if self.next_update is not None else self.this_update + UNDATED_SECONDS
        return self.this_update <= now <= end


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _key_hash(issuer: Certificate, algorithm: str) -> bytes | None:
    """Hash of the issuer's public key as a CertID holds it (RFC 6960, Section 4.1.1)."""
    make = HASHES.get(algorithm)
    if make is None:
        return None
    try:
        body = Reader(issuer.spki_der).enter("key info")
        body.read("algorithm")
        key, _ = read_bit_string(body.read("key"))
    except DerError:
        return None
    return make(key, usedforsecurity=False).digest()


def _verify(key: Any, response: Any) -> bool | None:
    """True where this public key made the response's signature; None where it cannot be tried."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

    try:
        signature, data, digest = response.signature, response.tbs_response_bytes, response.signature_hash_algorithm
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data, ec.ECDSA(digest))
        elif isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
            key.verify(signature, data)
        else:
            return None
    except InvalidSignature:
        return False
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return True


def _signed_by_issuer(response: Any, issuer: Certificate) -> bool | None:
    """The issuer signed it itself, or appointed a responder whose certificate came along (RFC 6960, Section 4.2.2.2)."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        authority = loading.certificate(issuer.der)
        if _verify(authority.public_key(), response):
            return True
        for responder in response.certificates:
            appointed = OCSP_SIGNING in (parse(responder.public_bytes(Encoding.DER)).ext.extended_key_usage or ())
            if appointed and _verify(responder.public_key(), response):
                responder.verify_directly_issued_by(authority)
                return True
    except InvalidSignature:
        return False
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return False


def read(response: bytes, leaf: Certificate, issuer: Certificate | None) -> Staple:
    """Read a stapled OCSP response (DER) about ``leaf``. Never raises."""
    from cryptography.x509 import ocsp

    try:
        parsed = ocsp.load_der_ocsp_response(response)
        if parsed.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            said = parsed.response_status.name.lower()
            return Staple(None, None, problem=f"the responder answered '{said}'")
        mine = [single for single in parsed.responses if single.serial_number == leaf.serial_number]
        if not mine:
            return Staple(None, False, problem="the response is about another certificate")
        single = mine[0]
        status = single.certificate_status.name.lower()
        genuine = None if issuer is None else _signed_by_issuer(parsed, issuer)
        problem = None
        if issuer is not None:
            expected = _key_hash(issuer, single.hash_algorithm.name)
            if expected is not None and expected != single.issuer_key_hash:
                genuine, problem = False, "the response is about a certificate of another issuer"
        return Staple(
            status, genuine, _seconds(single.this_update_utc), _seconds(single.next_update_utc),
            _seconds(single.revocation_time_utc), problem,
        )
    except Exception as exc:  # noqa: BLE001  cryptography raises many types on hostile responses
        return Staple(None, None, problem=f"the response cannot be read ({type(exc).__name__})")


def _finding(id_: str, severity: Any, summary: str, remedy: str, *evidence: str) -> Finding:
    return Finding(id=id_, severity=severity, summary=summary, evidence=tuple(map(Evidence, evidence)), remedy=remedy)


def findings_of(staple: Staple | None, leaf: Certificate, now: float) -> tuple[Finding, ...]:
    """Findings about the staple of a server, or about its absence where the certificate promises one (RFC 7633)."""
    renew = "let the server fetch a fresh response, and check that it can reach the responder"
    if staple is None:
        if not leaf.ext.must_staple:
            return ()
        text = "the certificate promises a stapled OCSP response (must-staple), and none came"
        return (_finding("must-staple", "high", text, "switch stapling on in the server"),)
    found: list[Finding] = []
    if staple.problem:
        found.append(_finding("ocsp-unusable", "medium", f"the stapled OCSP response is of no use: {staple.problem}", renew))
    if staple.genuine is False and not staple.problem:
        found.append(_finding("ocsp-signature", "high", "the stapled OCSP response was not signed by the issuer", renew))
    if staple.status == "revoked" and staple.genuine is not False:
        found.append(_finding("revoked", "critical", "the issuer says that the certificate is revoked", "replace the certificate"))
    if staple.status == "unknown":
        found.append(_finding("ocsp-unknown", "medium", "the issuer's responder does not know the certificate", renew))
    if staple.fresh_at(now) is False:
        found.append(_finding("ocsp-stale", "medium", "the stapled OCSP response is out of date", renew))
    if not found and staple.status == "good":
        found.append(_finding("ocsp-good", "info", "a fresh OCSP response is stapled, and says good", ""))
    return tuple(found)
