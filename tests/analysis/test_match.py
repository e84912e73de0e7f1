"""A credential held against a request: each rule with what it rests on."""

from __future__ import annotations

from typing import Any

import pytest

from inspector.analysis.match import Request, match, request_of_report
from inspector.credentials import mint

ROOT = mint.authority("Root")
INTERMEDIATE = mint.authority("Intermediate", ROOT)
OTHER = mint.authority("Other")
LEAF = mint.leaf("client", INTERMEDIATE)
SCHEMES = (0x0403, 0x0804, 0x0401)


def rules(request: Request, minted: mint.Minted = LEAF) -> dict[str, Any]:
    return {rule.rule: rule for rule in match(request, minted.credential())}


def asking(*names: bytes, **more: Any) -> Request:
    return Request(names, SCHEMES, authorities_bytes=sum(len(name) + 2 for name in names))._replace(**more)


def test_issuer_of_the_leaf_is_found() -> None:
    found = rules(asking(OTHER.subject, INTERMEDIATE.subject))
    assert (found["issuer-name"].ok, found["issuer-bytes"].ok) == (True, True)
    assert "our certificate" in found["issuer-name"].detail


def test_link_higher_up_is_named() -> None:
    assert "certificate 1 of our chain" in rules(asking(ROOT.subject))["issuer-name"].detail


def test_no_listed_issuer_is_said_with_both_sides() -> None:
    found = rules(asking(OTHER.subject))
    assert found["issuer-name"].ok is False
    assert "CN=Intermediate,O=mtls-inspector" in found["issuer-name"].detail
    assert "issuer-bytes" not in found


def test_nearest_name_is_shown_with_its_difference() -> None:
    detail = rules(asking(mint.name("Root", organization="Another")))["issuer-name"].detail
    assert "the nearest is CN=Root,O=Another: O is 'mtls-inspector' in the first and 'Another' in the second" in detail


def test_name_that_is_equal_as_text_only_has_a_byte_level_difference() -> None:
    found = rules(asking(mint.name("Root", string="printable")))
    assert (found["issuer-name"].ok, found["issuer-bytes"].ok) == (True, False)
    assert "CN is a UTF8String (0x0c" in found["issuer-bytes"].detail
    assert "PrintableString (0x13" in found["issuer-bytes"].detail


def test_no_list_leaves_the_choice_to_the_client() -> None:
    assert rules(asking())["issuer-name"].ok is True


@pytest.mark.parametrize(("key", "tls13", "schemes", "ok"), [
    ("ec-p256", True, (0x0403,), True), ("ec-p256", True, (0x0503,), False), ("ec-p256", False, (0x0503,), True),
    ("rsa-2048", True, (0x0401,), False), ("rsa-2048", True, (0x0804,), True), ("rsa-2048", False, (0x0401,), True),
    ("ed25519", True, (0x0807,), True), ("ed25519", True, SCHEMES, False), ("rsa-1024", True, (0x0806,), False),
])
def test_key_has_to_fit_a_scheme_of_the_version(key: str, tls13: bool, schemes: tuple[int, ...], ok: bool) -> None:
    leaf = mint.leaf("client", INTERMEDIATE, key=key)
    assert rules(asking(schemes=schemes, tls13=tls13), leaf)["signature-scheme"].ok is ok


def test_signatures_of_the_chain_are_held_against_their_own_list() -> None:
    assert rules(asking(schemes_cert=(0x0401,)))["chain-signatures"].ok is False
    assert rules(asking(schemes_cert=(0x0403,)))["chain-signatures"].ok is True


def test_signature_of_a_root_that_is_sent_does_not_count() -> None:
    root = mint.authority("Root", key="rsa-2048", signature="sha1")
    leaf = mint.leaf("client", root, signature="sha256")
    credential = leaf.credential(chain=(leaf.cert, root.cert))
    assert {rule.rule: rule.ok for rule in match(asking(), credential)}["chain-signatures"] is True


@pytest.mark.parametrize(("types", "ok"), [((64, 1), True), ((1,), False)])
def test_certificate_types_count_up_to_tls_1_2(types: tuple[int, ...], ok: bool) -> None:
    assert rules(asking(types=types, tls13=False))["certificate-type"].ok is ok
    assert "certificate-type" not in rules(asking(types=types, tls13=True))


@pytest.mark.parametrize(("oid", "wanted", "ok"), [
    ("2.5.29.37", bytes.fromhex("300a06082b06010505070302"), True),
    ("2.5.29.37", bytes.fromhex("300a06082b06010505070301"), False),
    ("2.5.29.15", bytes.fromhex("03020780"), True),
    ("2.5.29.15", bytes.fromhex("03020520"), False),
    ("2.5.29.17", b"", False),
    ("1.2.3.4", b"\x05\x00", None),
    ("2.5.29.37", b"\x30\x05\x01", None),
])
def test_filters_are_matched_as_rfc_8446_section_4_2_5_says(oid: str, wanted: bytes, ok: bool | None) -> None:
    assert rules(asking(oid_filters=((oid, wanted),)))["oid-filters"].ok is ok


@pytest.mark.parametrize(("size", "ok", "said"), [
    (100, True, "0 % of the next limit"), (15_000, True, "91 % of the next limit: Schannel"), (20_000, False, "Schannel"),
    (40_000, False, "Java"),
])
def test_size_of_the_list_is_held_against_the_known_limits(size: int, ok: bool, said: str) -> None:
    rule = rules(asking(authorities_bytes=size))["authorities-size"]
    assert rule.ok is ok
    assert said in rule.detail


def test_without_a_credential_only_the_list_is_judged() -> None:
    assert [rule.rule for rule in match(asking(), None)] == ["authorities-size"]


def test_unreadable_credential_does_not_make_it_raise() -> None:
    credential = LEAF.credential(chain=(b"\x30\x03\x02\x01\x01",))
    assert {rule.rule: rule.ok for rule in match(asking(ROOT.subject), credential)}["signature-scheme"] is None


def test_request_can_be_taken_from_a_report() -> None:
    import base64

    part = {
        "certificate_authorities": [{"name": "x", "der": base64.b64encode(ROOT.subject).decode()}],
        "signature_schemes": ["ecdsa_secp256r1_sha256", "0x0abc", "rsa_sha224"], "certificate_types": ["rsa_sign"],
    }
    assert request_of_report(part) == Request((ROOT.subject,), (0x0403, 0x0ABC, 0), (), (1,), (), len(ROOT.subject) + 2, False)


def test_separate_lists_are_taken_from_the_message_in_the_report() -> None:
    part = {"certificate_authorities": [], "signature_schemes": ["ecdsa_secp256r1_sha256"], "certificate_types": []}
    told = {
        "signature_schemes_cert": ["rsa_pkcs1_sha256"],
        "extensions": [{"type": "oid_filters", "value": [{"oid": "2.5.29.15", "values": "03020780"}]}],
    }
    messages = [{"type": "client_hello", "fields": {}}, {"type": "certificate_request", "fields": told}]
    found = request_of_report(part, messages)
    assert (found.schemes_cert, found.oid_filters) == ((0x0401,), (("2.5.29.15", bytes.fromhex("03020780")),))
