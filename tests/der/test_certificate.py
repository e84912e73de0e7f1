"""Certificates are read field by field: good ones as cryptography reads them, bad ones as far as they go."""

from __future__ import annotations

import time
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.credentials import mint
from inspector.der.certificate import parse

ROOT = mint.authority("Root", path_length=1, permitted=("DNS:example.org", "IP:10.0.0.0/8"))
LEAF = mint.leaf(
    "leaf", ROOT, names=("DNS:a.example.org", "IP:10.1.2.3", "IP:2001:db8::1", "email:a@example.org", "URI:spiffe://x/y"),
    issuers_url="http://ca.example/ca.crt", ocsp_url="http://ocsp.example", crl_url="http://crl.example/x.crl", must_staple=True,
)


@pytest.mark.parametrize("kind", ["ec-p256", "ec-p384", "ec-p521", "rsa-2048", "ed25519", "ed448"])
def test_fields_are_those_that_cryptography_sees(kind: str) -> None:
    der = mint.leaf("somebody", ROOT, key=kind).cert
    ours, theirs = parse(der), x509.load_der_x509_certificate(der)
    assert (
        ours.subject, ours.issuer, ours.serial_number, ours.not_before, ours.not_after, ours.tbs_der, ours.signature, ours.version,
        ours.signature_oid, [(oid, critical) for oid, critical, _ in ours.extensions],
    ) == (
        theirs.subject.rfc4514_string(), theirs.issuer.rfc4514_string(), theirs.serial_number,
        theirs.not_valid_before_utc.timestamp(), theirs.not_valid_after_utc.timestamp(), theirs.tbs_certificate_bytes,
        theirs.signature, 3, theirs.signature_algorithm_oid.dotted_string,
        [(extension.oid.dotted_string, extension.critical) for extension in theirs.extensions],
    )
    assert ours.problem is None


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("ec-p256", ("EC", 256, "secp256r1")), ("ec-p521", ("EC", 521, "secp521r1")), ("rsa-3072", ("RSA", 3072, None)),
        ("ed25519", ("Ed25519", 256, None)), ("ed448", ("Ed448", 456, None)), ("dsa-2048", ("DSA", 2048, None)),
    ],
)
def test_key_has_type_size_and_curve(kind: str, expected: tuple[str, int, str | None]) -> None:
    found = parse(mint.authority("key", key=kind).cert)
    assert (found.key_type, found.key_bits, found.key_curve) == expected


def test_pss_signature_is_named_with_its_hash() -> None:
    issuer = mint.authority("PSS", key="rsa-2048", signature="pss-sha256")
    assert parse(issuer.cert).signature_algorithm == "RSASSA-PSS with SHA-256"


def test_alternative_names_bear_their_kind() -> None:
    assert parse(LEAF.cert).subject_alt_names == (
        "DNS:a.example.org", "IP:10.1.2.3", "IP:2001:db8::1", "email:a@example.org", "URI:spiffe://x/y",
    )


def test_extensions_are_typed() -> None:
    leaf, root = parse(LEAF.cert).ext, parse(ROOT.cert).ext
    assert leaf.purposes == ("clientAuth",)
    assert leaf.key_usage == ("digitalSignature",)
    assert leaf.authority_key_id is not None
    assert leaf.authority_key_id.key_id == root.subject_key_id
    assert (leaf.issuer_urls, leaf.ocsp_urls, leaf.crl_urls) == (
        ("http://ca.example/ca.crt",), ("http://ocsp.example",), ("http://crl.example/x.crl",),
    )
    assert leaf.must_staple
    assert root.basic_constraints == (True, 1)
    assert root.name_constraints is not None
    assert [str(name) for name in root.name_constraints.permitted] == ["DNS:example.org", "IP:10.0.0.0/8"]


@pytest.mark.parametrize(("faults", "said"), [
    ({"serial": -5}, -5), ({"serial": 0}, 0), ({"serial": 1 << 290}, 1 << 290),
])
def test_odd_serial_numbers_are_read(faults: dict[str, Any], said: int) -> None:
    assert parse(mint.leaf("odd", ROOT, **faults).cert).serial_number == said


def test_year_9999_and_1950_are_dates() -> None:
    found = parse(mint.leaf("dates", ROOT, not_before=-631152000.0, not_after=253402300799.0).cert)
    assert (found.not_before, found.not_after) == (-631152000.0, 253402300799.0)


def test_broken_field_hides_no_other() -> None:
    """A notBefore in month 13 leaves names, key and extensions readable."""
    der = LEAF.cert
    at = der.index(b"\x17\x0d") + 2
    broken = parse(der[: at + 2] + b"13" + der[at + 4:])
    assert (broken.not_before, broken.subject, broken.key_type, broken.subject_alt_names) == (
        None, parse(der).subject, "EC", parse(der).subject_alt_names,
    )
    assert broken.problem is not None
    assert "notBefore" in broken.problem


def test_every_prefix_is_read_as_far_as_it_goes() -> None:
    for size in range(len(LEAF.cert)):
        found = parse(LEAF.cert[:size])
        assert found.problem
        assert found.sha256


def test_trailing_bytes_are_a_problem_and_hide_nothing() -> None:
    found = parse(LEAF.cert + b"tail")
    assert found.subject == parse(LEAF.cert).subject
    assert found.problem is not None
    assert "4 bytes too many" in found.problem


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    assert parse(data).problem


@settings(max_examples=400, deadline=None)
@given(st.integers(0, len(LEAF.cert) - 1), st.integers(0, 255), st.integers(0, len(LEAF.cert) - 1), st.integers(0, 255))
def test_no_two_changed_bytes_make_it_raise(first: int, one: int, second: int, other: int) -> None:
    data = bytearray(LEAF.cert)
    data[first], data[second] = one, other
    parse(bytes(data))


def test_deep_nesting_costs_nothing() -> None:
    bomb = b"\x30\x84\x00\x10\x00\x00" * 100_000
    start = time.perf_counter()
    assert parse(bomb).problem
    assert time.perf_counter() - start < 1.0


def test_enormous_certificate_is_read_in_bounded_time() -> None:
    """15 MB of names: the first are read, the limit is said."""
    names = mint.asn1.sequence(*(mint.asn1.tlv(0x82, b"host-%06d.example.org" % i) for i in range(600_000)))
    der = mint.leaf("huge", ROOT, extensions=(("2.5.29.17", False, names),)).cert
    assert len(der) > 14_000_000
    start = time.perf_counter()
    found = parse(der)
    assert time.perf_counter() - start < 3.0
    assert len(found.subject_alt_names) == 50_000
    assert "only the first 50000 are read" in (found.problem or "")


def test_absurdly_long_serial_number_is_no_number() -> None:
    found = parse(mint.leaf("long", ROOT, serial=1 << 40_000).cert)
    assert (found.serial_number, found.subject) == (None, "CN=long,O=mtls-inspector")
    assert "bytes long" in (found.problem or "")
