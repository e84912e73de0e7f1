"""A stapled OCSP response: what it says, who signed it, how fresh it is (RFC 6960, RFC 6066 Section 8)."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from inspector.analysis import loading
from inspector.analysis.findings import Evidence, Finding
from inspector.der.certificate import Certificate, parse
from inspector.der.ocsp import OcspResponse, read_response
from inspector.der.oids import SIGNATURES
from inspector.der.reader import DerError, Reader, read_bit_string

OCSP_SIGNING = "1.3.6.1.5.5.7.3.9"
KEY_HASHES = {"SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
SIGNATURE_HASHES = (("SHA1", "SHA1"), ("SHA224", "SHA224"), ("SHA256", "SHA256"), ("SHA384", "SHA384"), ("SHA512", "SHA512"))
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


def _key_hash(issuer: Certificate, algorithm: str) -> bytes | None:
    """Hash of the issuer's public key as a CertID holds it (RFC 6960, Section 4.1.1)."""
    name = KEY_HASHES.get(algorithm)
    if name is None:
        return None
    try:
        body = Reader(issuer.spki_der).enter("key info")
        body.read("algorithm")
        key, _ = read_bit_string(body.read("key"))
    except DerError:
        return None
    return hashlib.new(name, key, usedforsecurity=False).digest()


def _digest(signature_oid: str) -> Any:
    """The hash of a signature algorithm as cryptography's object; None for those that have none of their own."""
    from cryptography.hazmat.primitives import hashes

    name = SIGNATURES.get(signature_oid, "").upper()
    found = next((attribute for word, attribute in SIGNATURE_HASHES if word in name), None)
    return getattr(hashes, found)() if found else None


def _verify(key: Any, response: OcspResponse) -> bool | None:
    """True where this public key made the response's signature; None where it cannot be tried."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

    signature, data, digest = response.signature, response.signed, _digest(response.signature_oid)
    try:
        if isinstance(key, rsa.RSAPublicKey) and digest is not None:
            key.verify(signature, data, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey) and digest is not None:
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


def _signed_by_issuer(response: OcspResponse, issuer: Certificate) -> bool | None:
    """The issuer signed it itself, or appointed a responder whose certificate came along (RFC 6960, Section 4.2.2.2)."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        authority = loading.certificate(issuer.der)
        own = _verify(authority.public_key(), response)
        if own:
            return True
        for enclosed in response.certificates:
            appointed = OCSP_SIGNING in (parse(enclosed).ext.extended_key_usage or ())
            responder = loading.certificate(enclosed)
            if appointed and _verify(responder.public_key(), response):
                responder.verify_directly_issued_by(authority)
                return True
    except InvalidSignature:
        return False
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return own


def read(response: bytes, leaf: Certificate, issuer: Certificate | None) -> Staple:
    """Read a stapled OCSP response (DER) about ``leaf``. Never raises."""
    try:
        parsed = read_response(response)
    except DerError as exc:
        return Staple(None, None, problem=f"the response cannot be read ({exc})")
    if parsed.status != "successful":
        return Staple(None, None, problem=f"the responder answered '{parsed.status}'")
    single = next((one for one in parsed.responses if one.serial_number == leaf.serial_number), None)
    if single is None:
        return Staple(None, False, problem="the response is about another certificate")
    genuine = None if issuer is None else _signed_by_issuer(parsed, issuer)
    problem = None
    if issuer is not None and _key_hash(issuer, single.hash_algorithm) not in {None, single.issuer_key_hash}:
        genuine, problem = False, "the response is about a certificate of another issuer"
    return Staple(single.status, genuine, single.this_update, single.next_update, single.revoked_at, problem)


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
