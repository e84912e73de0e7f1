"""OCSP responses: as cryptography reads them, and old ones that it refuses."""

from __future__ import annotations

import pytest
from cryptography.x509 import ocsp
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.der.ocsp import read_response
from inspector.der.reader import DerError
from tests.analysis.test_verification import RESPONDER, response

GOOD = response()


@pytest.mark.parametrize("status", list(ocsp.OCSPCertStatus))
def test_fields_are_those_that_cryptography_sees(status: ocsp.OCSPCertStatus) -> None:
    data = response(status=status)
    ours, theirs = read_response(data), ocsp.load_der_ocsp_response(data)
    (single,) = ours.responses
    assert (
        single.status, single.serial_number, single.issuer_key_hash, single.issuer_name_hash, single.this_update,
        single.next_update, ours.signed, ours.signature, ours.signature_oid,
    ) == (
        status.name.lower(), theirs.serial_number, theirs.issuer_key_hash, theirs.issuer_name_hash,
        theirs.this_update_utc.timestamp(), theirs.next_update_utc.timestamp() if theirs.next_update_utc else None,
        theirs.tbs_response_bytes, theirs.signature, theirs.signature_algorithm_oid.dotted_string,
    )
    assert (single.revoked_at is not None) is (status is ocsp.OCSPCertStatus.REVOKED)


def test_responders_certificate_comes_along() -> None:
    assert read_response(response(signer=RESPONDER)).certificates == (RESPONDER.cert,)


def test_refusal_of_the_responder_is_a_status() -> None:
    made = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    from cryptography.hazmat.primitives.serialization import Encoding

    assert read_response(made.public_bytes(Encoding.DER)).status == "tryLater"


def test_version_that_is_written_out_is_no_reason_to_refuse() -> None:
    """VeriSign's responses of 2014 did so."""
    for _ in range(100):  # signatures differ in length, and with a few of them no length around has room for more
        good = response()
        at = good.index(b"\xa2\x16\x04\x14")
        try:
            older = _lengthened(good, at, b"\xa0\x03\x02\x01\x00")
        except OverflowError:
            continue
        break
    with pytest.raises(ValueError, match="EncodedDefault"):
        ocsp.load_der_ocsp_response(older)
    assert read_response(older).responses == read_response(GOOD).responses


def _lengthened(data: bytes, at: int, extra: bytes) -> bytes:
    """``extra`` put in at ``at``; the lengths of all elements around it grow (each is in the long form or has room)."""
    from inspector.der.reader import Reader

    grown = bytearray(data)
    reader, where = Reader(data), []
    while True:
        element = reader.read("any")
        if element.end <= at:
            continue
        if element.start >= at:
            break
        where.append(element)
        reader = reader.inside(element)
    for element in where:
        size = element.end - element.body + len(extra)
        digits = data[element.start + 1] & 0x7F if data[element.start + 1] & 0x80 else 0
        if digits:
            grown[element.start + 2 : element.start + 2 + digits] = size.to_bytes(digits, "big")
        else:
            assert size < 0x80
            grown[element.start + 1] = size
    return bytes(grown[:at] + extra + grown[at:])


def test_every_prefix_is_refused() -> None:
    for size in range(len(GOOD)):
        with pytest.raises(DerError):
            read_response(GOOD[:size])


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_changed_bytes_are_read_or_refused(at: int, value: int) -> None:
    data = bytearray(GOOD)
    data[at] = value
    try:
        read_response(bytes(data))
    except DerError:
        pass
