"""OCSP responses, field by field (RFC 6960, Section 4.2). ``cryptography`` refuses many old ones for small breaches of DER."""

from __future__ import annotations

from typing import NamedTuple

from inspector.der import reader as der
from inspector.der.oids import HASHES
from inspector.der.reader import DerError, Element, Reader, context
from inspector.der.times import read_time

BASIC = "1.3.6.1.5.5.7.48.1.1"
# RFC 6960, Section 4.2.1
RESPONSE_STATUS = {
    0: "successful", 1: "malformedRequest", 2: "internalError", 3: "tryLater", 5: "sigRequired", 6: "unauthorized",
}  # fmt: skip
CERTIFICATE_STATUS = {0: "good", 1: "revoked", 2: "unknown"}
MAX_RESPONSES = 1000


class Single(NamedTuple):
    """What the responder says of one certificate. Times are epoch seconds; ``hash_algorithm`` as "SHA-1", or an OID."""

    hash_algorithm: str
    issuer_name_hash: bytes
    issuer_key_hash: bytes
    serial_number: int
    status: str
    this_update: float
    next_update: float | None
    revoked_at: float | None


class OcspResponse(NamedTuple):
    """``signed`` are the bytes under ``signature``. Where ``status`` is not "successful", the rest is empty."""

    status: str
    responses: tuple[Single, ...] = ()
    signed: bytes = b""
    signature_oid: str = ""
    signature: bytes = b""
    certificates: tuple[bytes, ...] = ()


def _revoked(body: Reader, element: Element) -> float:
    return read_time(body.inside(element).read("revocationTime", der.GENERALIZED_TIME), "revocationTime", body.faults)


def _single(body: Reader) -> Single:
    entry = body.enter("single response")
    identity = entry.enter("certID")
    algorithm = der.read_oid(identity.enter("hashAlgorithm").read("hashAlgorithm", der.OID))
    name_hash = identity.read("issuerNameHash", der.OCTET_STRING).contents
    key_hash = identity.read("issuerKeyHash", der.OCTET_STRING).contents
    serial = der.read_integer(identity.read("serialNumber", der.INTEGER))
    status = entry.read("certStatus")
    kind = CERTIFICATE_STATUS.get(status.tag & 0x1F)
    if status.tag & 0xC0 != 0x80 or kind is None:
        raise DerError("certStatus", status.start, "not one that RFC 6960 knows")
    this_update = read_time(entry.read("thisUpdate", der.GENERALIZED_TIME), "thisUpdate", body.faults)
    later = entry.maybe(context(0, constructed=True), "nextUpdate")
    next_update = None
    if later is not None:
        next_update = read_time(entry.inside(later).read("nextUpdate", der.GENERALIZED_TIME), "nextUpdate", body.faults)
    return Single(
        HASHES.get(algorithm, algorithm), name_hash, key_hash, serial, kind, this_update, next_update,
        _revoked(entry, status) if kind == "revoked" else None,
    )


def _responses(data: Reader) -> tuple[Single, ...]:
    """ResponseData: version, responder and time of production come first."""
    data.maybe(context(0, constructed=True), "version")
    data.read("responderID", context(1, constructed=True), context(2, constructed=True))
    data.read("producedAt", der.GENERALIZED_TIME)
    listed = data.enter("responses")
    found: list[Single] = []
    while listed.more and len(found) < MAX_RESPONSES:
        found.append(_single(listed))
    return tuple(found)


def _basic(response: bytes) -> OcspResponse:
    basic = Reader(response).enter("basic response")
    signed = basic.read("response data", der.SEQUENCE)
    algorithm = der.read_oid(basic.enter("signature algorithm").read("signature algorithm", der.OID))
    signature, _ = der.read_bit_string(basic.read("signature", der.BIT_STRING))
    certificates: list[bytes] = []
    enclosed = basic.maybe(context(0, constructed=True), "certificates")
    if enclosed is not None:
        listed = basic.inside(enclosed).enter("certificates")
        while listed.more and len(certificates) < 20:
            certificates.append(listed.read("certificate").encoded)
    return OcspResponse(
        "successful", _responses(basic.inside(signed)), signed.encoded, algorithm, signature, tuple(certificates),
    )


def read_response(response: bytes) -> OcspResponse:
    """Read a response (DER). Raises DerError where it is none, or of another type than the basic one."""
    outer = Reader(response).enter("OCSP response")
    code = der.read_integer(outer.read("responseStatus", der.ENUMERATED))
    if code != 0:
        return OcspResponse(RESPONSE_STATUS.get(code, f"status {code}"))
    inner = outer.inside(outer.read("response bytes", context(0, constructed=True))).enter("response bytes")
    kind = der.read_oid(inner.read("response type", der.OID))
    if kind != BASIC:
        raise DerError("response type", 0, f"{kind} is not the basic one")
    return _basic(inner.read("response", der.OCTET_STRING).contents)
