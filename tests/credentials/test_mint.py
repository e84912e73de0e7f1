"""What is minted is what was asked for, as OpenSSL's own parser and verifier see it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import verification

from inspector.credentials import mint
from inspector.credentials.signatures import signed_by
from inspector.der.certificate import parse

ROOT = mint.authority("Mint Root CA")
ISSUING = mint.authority("Mint Issuing CA", ROOT, path_length=0)


def loaded(minted: mint.Minted) -> x509.Certificate:
    return x509.load_der_x509_certificate(minted.cert)


def test_a_chain_is_accepted_by_another_verifier() -> None:
    leaf = mint.leaf("alice", ISSUING, names=("DNS:alice.example", "email:alice@example.org"))
    store = verification.Store([loaded(ROOT)])
    verifier = verification.PolicyBuilder().store(store).time(dt.datetime.now(dt.UTC)).build_client_verifier()
    verified = verifier.verify(loaded(leaf), [loaded(ISSUING)])
    assert [c.subject.rfc4514_string() for c in verified.chain] == [
        "CN=alice,O=mtls-inspector", "CN=Mint Issuing CA,O=mtls-inspector", "CN=Mint Root CA,O=mtls-inspector",
    ]


@pytest.mark.parametrize("kind", ["ec-p256", "ec-p384", "ec-p521", "rsa-2048", "ed25519", "ed448", "dsa-2048"])
def test_every_kind_of_key_signs_and_is_certified(kind: str) -> None:
    authority = mint.authority("CA", key=kind)
    leaf = mint.leaf("alice", authority, key=kind)
    loaded(leaf).verify_directly_issued_by(loaded(authority))
    assert (signed_by(leaf.cert, authority.cert), signed_by(leaf.cert, ROOT.cert)) == (True, False)


@pytest.mark.parametrize("signature", ["md5", "sha1", "sha256", "sha384", "sha512", "pss-sha256", "pss-sha512"])
def test_every_signature_holds(signature: str) -> None:
    authority = mint.authority("CA", key="rsa-2048")
    assert signed_by(mint.leaf("alice", authority, signature=signature).cert, authority.cert) is True
    assert signed_by(mint.leaf("alice", authority, signature=signature, wrong_signature=True).cert, authority.cert) is False


def test_listed_name_is_borne_byte_for_byte() -> None:
    listed = mint.name("Bank CA", "Bank", string="printable", C="DE")
    twin = mint.authority("", subject=listed)
    leaf = mint.leaf("alice", twin)
    assert (parse(twin.cert).subject_der, parse(leaf.cert).issuer_der) == (listed, listed)
    assert mint.name("Bank CA", "Bank", C="DE") != listed


def test_key_identifiers_are_left_out_or_copied() -> None:
    bare = mint.leaf("alice", mint.authority("CA", key_identifiers=False), key_identifiers=False)
    assert (parse(bare.cert).ext.subject_key_id, parse(bare.cert).ext.authority_key_id) == (None, None)
    copy = mint.authority("Mint Root CA", key_id=ROOT.key_id)
    assert parse(copy.cert).ext.subject_key_id == parse(ROOT.cert).ext.subject_key_id


@pytest.mark.parametrize(("faults", "seen"), [
    ({"serial": -7}, lambda c: c.serial_number == -7),
    ({"key": "rsa-1024"}, lambda c: isinstance(c.public_key(), rsa.RSAPublicKey) and c.public_key().key_size == 1024),
    ({"key": "ec-p521"}, lambda c: c.public_key().curve.name == "secp521r1"),
    ({"version": 1}, lambda c: c.version is x509.Version.v1 and not list(c.extensions)),
    ({"must_staple": True}, lambda c: c.extensions.get_extension_for_class(x509.TLSFeature) is not None),
    ({"usage": ("decipherOnly", "keyAgreement")},
     lambda c: c.extensions.get_extension_for_class(x509.KeyUsage).value.decipher_only),
    ({"issuers_url": "http://a/"}, lambda c: c.extensions.get_extension_for_class(x509.AuthorityInformationAccess) is not None),
    ({"crl_url": "http://a/"}, lambda c: c.extensions.get_extension_for_class(x509.CRLDistributionPoints) is not None),
], ids=lambda value: str(value)[:30])
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_fault_is_in_the_certificate(faults: dict[str, Any], seen: Any) -> None:
    assert seen(loaded(mint.leaf("alice", ISSUING, **faults)))


def test_revocation_list_is_signed_and_lists_the_certificate() -> None:
    leaf = mint.leaf("alice", ISSUING)
    crl = x509.load_der_x509_crl(mint.revocation_list(ISSUING, [leaf, 42]))
    assert crl.is_signature_valid(ISSUING.key.public_key())
    assert {entry.serial_number for entry in crl} == {leaf.serial, 42}


def test_what_is_sent_leaves_the_root_out() -> None:
    leaf = mint.leaf("alice", ISSUING)
    assert (leaf.sent, ROOT.sent) == ((leaf.cert, ISSUING.cert), (ROOT.cert,))
    assert leaf.credential(chain=[leaf.cert]).chain == (leaf.cert,)
    assert "PRIVATE" not in repr(leaf) + repr(leaf.credential())
