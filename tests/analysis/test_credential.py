"""Credentials with one fault each: the fault is named, by its id, and nothing else. Good ones: nothing at all."""

from __future__ import annotations

from typing import Any

import pytest

from inspector.analysis import lookup
from inspector.analysis.credential import judge_credential
from inspector.analysis.credential_texts import REMEDIES, TITLES
from inspector.analysis.revocation_status import Status
from inspector.credentials import asn1, mint
from inspector.credentials.model import Credential, Origin

NOW = 1_800_000_000.0
DAY = 86400.0


def authority(name: str, issuer: mint.Minted | None = None, **faults: Any) -> mint.Minted:
    return mint.authority(name, issuer, now=NOW, **faults)


def leaf(issuer: mint.Minted | None = None, name: str = "alice", **faults: Any) -> mint.Minted:
    return mint.leaf(name, issuer, now=NOW, **faults)


ROOT = authority("Lab Root CA")
ISSUING = authority("Lab Issuing CA", ROOT)
RSA = mint.new_key("rsa-2048")
RSA_ISSUING = authority("Lab RSA Issuing CA", authority("Lab RSA Root CA", key=RSA), key=RSA)
OTHER = authority("Other Issuing CA", authority("Other Root CA"))
TWIN = authority("Lab Issuing CA", authority("Lab Root CA"))
BARE_TWIN = authority("Lab Issuing CA", authority("Lab Root CA", key_identifiers=False), key_identifiers=False)
GOOD = leaf(ISSUING)


def ids(credential: Credential, **more: Any) -> list[str]:
    return [finding.id for finding in judge_credential(credential, NOW, **more)]


def sent(*chain: bytes, key: Any = None, origin: Origin | None = None) -> Credential:
    return Credential("test", chain, key or GOOD.key, origin or Origin("pem"))


@pytest.mark.parametrize("credential", [
    GOOD.credential(),
    leaf(RSA_ISSUING, key=RSA).credential(),
    leaf(authority("Lab Issuing CA 2", ISSUING)).credential(),
    leaf(ROOT).credential(),
    sent(GOOD.cert, ISSUING.cert, ROOT.cert),
    leaf(ISSUING, purposes=None, usage=None, ca=None).credential(),
    leaf(ISSUING, key="ec-p384").credential(),
    leaf(ISSUING, names=("DNS:alice.example", "email:alice@example.org", "URI:spiffe://example.org/alice")).credential(),
    leaf(authority("Limited CA", ROOT, path_length=0, permitted=("DNS:corp.example",)), names=("DNS:a.corp.example",)).credential(),
    leaf(authority("Any CA", ROOT, purposes=("anyExtendedKeyUsage",))).credential(),
    leaf(authority("Client CA", ROOT, purposes=("clientAuth", "serverAuth"))).credential(),
    leaf(ISSUING, serial=1).credential(),
    leaf(ISSUING, not_before=NOW - 1, not_after=NOW + 3600).credential(),
], ids=range(13))
def test_nothing_is_found_on_a_good_credential(credential: Credential) -> None:
    assert ids(credential) == []


def test_nothing_is_found_on_a_good_credential_that_leads_to_the_anchor() -> None:
    for chain in ((GOOD.cert, ISSUING.cert), (GOOD.cert, ISSUING.cert, ROOT.cert)):
        assert ids(sent(*chain), anchors=[ROOT.cert], crls=[mint.revocation_list(ISSUING, now=NOW)]) == []


FAULTS: list[tuple[str, Credential]] = [
    ("self-signed", leaf().credential()),
    ("self-signed", leaf(ca=True, usage=None, purposes=None).credential()),
    ("missing-intermediate", sent(GOOD.cert)),
    ("missing-intermediate", sent(GOOD.cert, OTHER.cert)),
    ("missing-intermediate", sent(GOOD.cert, origin=Origin("pem", others=(ISSUING.cert, ROOT.cert)))),
    ("chain-order", sent(GOOD.cert, ROOT.cert, ISSUING.cert)),
    ("unrelated-certificate", sent(GOOD.cert, ISSUING.cert, OTHER.cert)),
    ("unrelated-certificate", sent(GOOD.cert, ISSUING.cert, ISSUING.cert)),
    ("expired", leaf(ISSUING, not_before=NOW - 400 * DAY, not_after=NOW - 2 * DAY).credential()),
    ("not-yet-valid", leaf(ISSUING, not_before=NOW + 7 * DAY).credential()),
    ("not-yet-valid", leaf(authority("Early CA", ROOT, not_before=NOW + DAY)).credential()),
    ("intermediate-expired", leaf(authority("Old CA", ROOT, not_after=NOW - 2 * DAY)).credential()),
    ("expires-soon", leaf(ISSUING, not_before=NOW - 300 * DAY, not_after=NOW + 5 * DAY).credential()),
    ("wrong-eku", leaf(ISSUING, purposes=("serverAuth",)).credential()),
    ("wrong-eku", leaf(ISSUING, purposes=("anyExtendedKeyUsage",)).credential()),
    ("wrong-eku", leaf(authority("Server CA", ROOT, purposes=("serverAuth",))).credential()),
    ("wrong-key-usage", leaf(ISSUING, usage=("keyEncipherment",)).credential()),
    ("weak-signature", leaf(RSA_ISSUING, signature="sha1").credential()),
    ("weak-signature", leaf(RSA_ISSUING, signature="md5").credential()),
    ("weak-key", leaf(ISSUING, key="rsa-1024").credential()),
    ("signature-algorithm", leaf(RSA_ISSUING, signature="pss-sha256").credential()),
    ("signature-algorithm", leaf(ISSUING, key="ed25519").credential()),
    ("signature-algorithm", leaf(ISSUING, key="ec-p521").credential()),
    ("signature-algorithm", leaf(ISSUING, key=RSA, pss_key=True).credential()),
    ("ca-as-leaf", leaf(ISSUING, ca=True, usage=("digitalSignature", "keyCertSign")).credential()),
    ("issuer-not-ca", leaf(authority("No CA", ROOT, ca=False, usage=("digitalSignature",))).credential()),
    ("issuer-not-ca", leaf(authority("Unsigning CA", ROOT, usage=("digitalSignature",))).credential()),
    ("path-length", leaf(authority("Low CA", authority("Regional CA", ROOT, path_length=0))).credential()),
    ("name-constraint", leaf(authority("Corp CA", ROOT, permitted=("DNS:corp.example",)), names=("DNS:a.example",)).credential()),
    ("name-constraint", leaf(authority("Corp CA", ROOT, excluded=("IP:10.0.0.0/8",)), names=("IP:10.1.2.3",)).credential()),
    ("critical-extension", leaf(ISSUING, critical_unknown=True).credential()),
    ("critical-extension", leaf(authority("Odd CA", ROOT, critical_unknown=True)).credential()),
    ("key-mismatch", sent(GOOD.cert, ISSUING.cert, key=mint.new_key())),
    ("bad-signature", leaf(ISSUING, wrong_signature=True).credential()),
    ("serial-number", leaf(ISSUING, serial=-7).credential()),
    ("serial-number", leaf(ISSUING, serial=0).credential()),
    ("serial-number", leaf(ISSUING, serial=1 << 170).credential()),
    ("old-version", leaf(ISSUING, version=1).credential()),
    ("no-identity", leaf(ISSUING, "", organization=None).credential()),
    ("both-ekus", leaf(ISSUING, purposes=("serverAuth", "clientAuth")).credential()),
    ("public-ca-client-auth", leaf(authority("R3", ROOT, organization="Let's Encrypt")).credential()),
    ("weak-file-encryption", GOOD.credential()._replace(origin=Origin("pkcs12", ("a.p12",), ("pbeWithSHA1And40BitRC2-CBC",)))),
    ("file-permissions", GOOD.credential()._replace(origin=Origin("pem", ("a.key",), modes=(0o644,)))),
    ("malformed-certificate", leaf(ISSUING, extensions=(("2.5.29.17", False, asn1.sequence(b"\x82\x05a")),)).credential()),
]


@pytest.mark.parametrize(("fault", "credential"), FAULTS, ids=[f"{fault}-{n}" for n, (fault, _) in enumerate(FAULTS)])
def test_exactly_the_one_fault_is_named(fault: str, credential: Credential) -> None:
    findings = judge_credential(credential, NOW)
    assert [finding.id for finding in findings] == [fault]
    assert findings[0].evidence or fault == "no-identity" or credential.chain.count(ISSUING.cert) == 2
    assert findings[0].remedy


@pytest.mark.parametrize(("fault", "credential"), [
    ("unknown-ca", leaf(OTHER).credential()),
    ("unknown-ca", sent(leaf(OTHER).cert, OTHER.cert, OTHER.chain[0])),
    ("lookalike-ca", leaf(TWIN).credential()),
    ("lookalike-ca", leaf(BARE_TWIN, key_identifiers=False).credential()),
    ("lookalike-ca", sent(leaf(TWIN).cert, TWIN.cert, TWIN.chain[0])),
    ("missing-intermediate", sent(GOOD.cert)),
    ("self-signed", leaf().credential()),
])
def test_held_against_an_anchor(fault: str, credential: Credential) -> None:
    found = ids(credential._replace(key=None), anchors=[ROOT.cert])
    assert found == [fault]


def test_gap_that_cannot_be_told_from_a_root_of_ones_own_is_only_advice() -> None:
    plain = leaf(authority("Plain CA")).credential()
    levels = [judge_credential(credential, NOW)[0].severity for credential in (plain, sent(GOOD.cert))]
    assert levels == ["low", "medium"]
    assert judge_credential(sent(GOOD.cert), NOW, anchors=[ROOT.cert])[0].severity == "high"


def test_leaf_directly_below_a_listed_name_has_no_gap() -> None:
    plain = authority("Plain CA")
    credential = leaf(plain).credential()
    assert ids(credential) == ["missing-intermediate"]
    assert ids(credential, known_names=[plain.subject]) == []


def test_gap_names_the_address_that_would_fill_it() -> None:
    made = leaf(ISSUING, issuers_url="http://ca.example/issuing.crt")
    (finding,) = judge_credential(sent(made.cert, key=made.key), NOW)
    assert any("http://ca.example/issuing.crt" in evidence.text for evidence in finding.evidence)


def test_revoked_leaf_and_revoked_intermediate() -> None:
    lists = [mint.revocation_list(ISSUING, [GOOD], now=NOW)]
    assert ids(GOOD.credential(), crls=lists) == ["revoked"]
    assert ids(GOOD.credential(), crls=[mint.revocation_list(ROOT, [ISSUING], now=NOW)], anchors=[ROOT.cert]) == ["revoked"]


@pytest.mark.parametrize("crl", [
    b"\x30\x00", b"nonsense",
    mint.revocation_list(ISSUING, now=NOW, next_update=NOW - 5),
    mint.revocation_list(OTHER, now=NOW),
    mint.revocation_list(TWIN, [GOOD], now=NOW),
])
def test_crl_that_proves_nothing_is_said_to(crl: bytes) -> None:
    assert ids(GOOD.credential(), crls=[crl]) == ["crl-unusable"]


def test_answers_of_responders() -> None:
    def status(state: str) -> Status:
        return Status(GOOD.cert, state, "said so", "http://ocsp.example")

    assert ids(GOOD.credential(), statuses=[status("good")]) == []
    assert ids(GOOD.credential(), statuses=[status("revoked")]) == ["revoked"]
    assert ids(GOOD.credential(), statuses=[status("unknown")]) == ["ocsp-unusable"]


def test_all_findings_at_once_the_gravest_first() -> None:
    made = leaf(
        RSA_ISSUING, signature="sha1", not_after=NOW - DAY, purposes=("serverAuth",), usage=("keyEncipherment",), serial=-1,
    )
    found = judge_credential(made.credential(), NOW)
    assert [finding.id for finding in found] == ["expired", "wrong-eku", "wrong-key-usage", "weak-signature", "serial-number"]
    assert [finding.severity for finding in found] == ["critical", "high", "high", "high", "medium"]


def test_certificate_without_its_key_is_judged_too() -> None:
    assert ids(leaf(ISSUING, not_after=NOW - DAY).credential()._replace(key=None)) == ["expired"]


def test_small_distance_to_a_date_is_told_as_a_matter_of_clocks() -> None:
    (finding,) = judge_credential(leaf(ISSUING, not_before=NOW + 60).credential(), NOW)
    assert (finding.id, any("clock" in evidence.text for evidence in finding.evidence)) == ("not-yet-valid", True)


def test_every_finding_has_a_remedy_and_an_entry_in_the_reference() -> None:
    others = {"unknown-ca", "lookalike-ca", "revoked", "crl-unusable", "ocsp-unusable", "root-expired"}
    found = {fault for fault, _ in FAULTS} | others
    assert found - REMEDIES.keys() == set()
    assert {id_ for id_ in found if not lookup.find(id_)} == set()
    assert TITLES.keys() <= REMEDIES.keys()
