"""The certificates of a PKCS#7 / CMS SignedData (RFC 5652, Section 5.1): ``.p7b`` files, AIA answers. No order, no keys."""

from __future__ import annotations

from inspector.credentials.ber import to_der
from inspector.der.reader import OID, SEQUENCE, DerError, Reader, read_oid

SIGNED_DATA = "1.2.840.113549.1.7.2"


def is_pkcs7(der: bytes) -> bool:
    try:
        return read_oid(Reader(der).enter("message").read("type", OID)) == SIGNED_DATA
    except DerError:
        return False


def certificates(data: bytes) -> tuple[bytes, ...]:
    """The certificates, as they stand. Raises DerError where it is no SignedData."""
    outer = Reader(to_der(data)).enter("message")
    if read_oid(outer.read("type", OID)) != SIGNED_DATA:
        raise DerError("message", 0, "no signed data")
    signed = outer.enter("content", 0xA0).enter("signed data")
    for where in ("version", "digests", "content"):
        signed.read(where)
    if signed.peek() != 0xA0:
        return ()
    inner, out = signed.enter("certificates", 0xA0), []
    while inner.more:
        element = inner.read("certificate")
        if element.tag == SEQUENCE:  # the other choices are obsolete forms
            out.append(element.encoded)
    return tuple(out)
