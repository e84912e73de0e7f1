"""Names as text, compared, and told apart byte by byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from inspector.credentials import mint
from inspector.der.names import comparison_key, explain_difference, rfc4514, same_name

FIXTURES = Path(__file__).parents[2] / "fixtures"


def recorded_names() -> list[bytes]:
    document: Any = json.loads((FIXTURES / "generated-ca-names" / "tls13-ca-names.expected.json").read_text())
    return [
        bytes.fromhex(name["der"])
        for stream in document["streams"] for event in stream["events"] for name in event.get("ca_names", [])
    ]


def test_recorded_authorities_have_their_known_text() -> None:
    assert [rfc4514(name) for name in recorded_names()] == [
        "CN=Plain Root 1,O=Plain Test CA,C=NL",
        'CN=Root 2 — 日本語,O=Ünïcode\\, \\"quoted\\" \\+ plus\\\\back',
        "DC=example,CN=Multi+OU=Valued",
        "CN=\\1B[2J\\1B]0\\;owned\\07evil\\0D\\0AX-Injected: 1\\00\\E2\\80\\AEtxt.exe",
    ]


@pytest.mark.parametrize("value", ["plain", " lead", "trail ", "#hash", 'a,b+c"d\\e<f>g;h', "ünï — 日本", " ", "a#b", "  "])
def test_text_equals_that_of_cryptography(value: str) -> None:
    name = x509.Name([
        x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "NL"),
        x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Org"),
        x509.NameAttribute(x509.NameOID.COMMON_NAME, value),
    ])
    assert rfc4514(name.public_bytes()) == name.rfc4514_string()


def test_unknown_attribute_is_dotted_and_hex() -> None:
    name = x509.Name([x509.NameAttribute(x509.ObjectIdentifier("1.2.3.4"), "hi")])
    assert rfc4514(name.public_bytes()) == "1.2.3.4=#0c026869"


def test_empty_name_is_empty_text() -> None:
    assert rfc4514(b"\x30\x00") == ""


def test_what_is_no_name_is_hex() -> None:
    assert rfc4514(b"\x30\x05\x01") == "#300501"
    assert rfc4514(b"") == "#"


@given(st.binary(max_size=80))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    rfc4514(data)
    comparison_key(data)
    explain_difference(data, mint.name("x"))


def test_every_prefix_of_a_name_is_shown_as_hex() -> None:
    whole = mint.name("Root A", C="DE")
    for size in range(len(whole)):
        assert rfc4514(whole[:size]).startswith("#")


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (mint.name("Root A"), mint.name("Root A", string="printable"), True),
        (mint.name("Root A"), mint.name("root  a "), True),
        (mint.name("Root A"), mint.name("Root A", string="bmp"), True),
        (mint.name("STRASSE"), mint.name("straße"), True),
        (mint.name("Root A"), mint.name("Root B"), False),
        (mint.name("Root A"), mint.name("Root A", organization=None), False),
        (mint.name("Root A"), mint.name("RootA"), False),
    ],
)
def test_names_compare_as_rfc_5280_section_7_1_says(one: bytes, other: bytes, equal: bool) -> None:
    assert same_name(one, other) is equal


def test_names_that_cannot_be_read_equal_only_themselves() -> None:
    assert same_name(b"\x30\x05\x01", b"\x30\x05\x01")
    assert not same_name(b"\x30\x05\x01", b"\x30\x05\x02")


def test_difference_names_attribute_type_and_byte() -> None:
    one, other = mint.name("Root A", organization=None), mint.name("Root A", organization=None, string="printable")
    assert explain_difference(one, other) == (
        "CN is a UTF8String (0x0c, byte 11) in the first and a PrintableString (0x13, byte 11) in the second",
    )


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (
            mint.name("root a", organization=None),
            "CN differs in upper and lower case: 'Root A' in the first and 'root a' in the second",
        ),
        (mint.name("Root  A", organization=None), "CN differs in spaces: 'Root A' in the first and 'Root  A' in the second"),
        (mint.name("Root B", organization=None), "CN is 'Root A' in the first and 'Root B' in the second"),
        (mint.name("Root A", organization="x"), "the first has 1 parts, the second 2"),
    ],
)
def test_difference_is_said_in_words(other: bytes, said: str) -> None:
    assert explain_difference(mint.name("Root A", organization=None), other) == (said,)


def test_same_bytes_differ_in_nothing() -> None:
    assert explain_difference(mint.name("Root A"), mint.name("Root A")) == ()
