"""Every kind of message and extension, from bytes made by hand to the fields of a report."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from inspector.errors import MalformedMessage
from inspector.wire import messages as m
from inspector.wire.extensions import Place, parse_value
from inspector.wire.fields import jsonable, message_fields
from inspector.wire.hello import vector
from inspector.wire.registry import ExtensionType, HandshakeType

T13, T12, T10 = m.Context(0x0304), m.Context(0x0303, "ECDHE_RSA"), m.Context(0x0301, "ECDHE_RSA")
NAME = bytes.fromhex("300c310a300806035504030c0141")  # CN=A
SHOWN_NAME = {"name": "CN=A", "der": base64.b64encode(NAME).decode()}


def extensions(*items: tuple[int, bytes]) -> bytes:
    return vector(2, b"".join(kind.to_bytes(2, "big") + vector(2, body) for kind, body in items))


MESSAGES: list[tuple[str, HandshakeType, m.Context, bytes, dict[str, Any]]] = [
    ("hello_request", HandshakeType.HELLO_REQUEST, T12, b"", {}),
    ("end_of_early_data", HandshakeType.END_OF_EARLY_DATA, T13, b"", {}),
    ("finished", HandshakeType.FINISHED, T13, b"\x01\x02", {"verify_data": "0102"}),
    ("key_update", HandshakeType.KEY_UPDATE, T13, b"\x01", {"request_update": "update_requested"}),
    ("key_update of an unknown kind", HandshakeType.KEY_UPDATE, T13, b"\x07", {"request_update": "0x07"}),
    (
        "ticket 1.2",
        HandshakeType.NEW_SESSION_TICKET,
        T12,
        b"\0\0\x1c\x20" + vector(2, b"\xaa"),
        {"lifetime": 7200, "ticket": "aa"},
    ),
    (
        "ticket 1.3",
        HandshakeType.NEW_SESSION_TICKET,
        T13,
        b"\0\0\x1c\x20\0\0\0\x05" + vector(1, b"\x01") + vector(2, b"\xaa") + extensions((42, b"\0\0\x40\0")),
        {
            "lifetime": 7200,
            "ticket": "aa",
            "age_add": 5,
            "nonce": "01",
            "extensions": [{"type": "early_data", "number": 42, "length": 4, "value": 16384}],
        },
    ),
    (
        "status",
        HandshakeType.CERTIFICATE_STATUS,
        T12,
        b"\x01" + vector(3, b"ocsp"),
        {"status": {"type": "ocsp", "responses": [b"ocsp".hex()]}},
    ),
    (
        "several statuses",
        HandshakeType.CERTIFICATE_STATUS,
        T12,
        b"\x02" + vector(3, vector(3, b"a") + vector(3, b"")),
        {"status": {"type": "ocsp_multi", "responses": ["61", ""]}},
    ),
    (
        "request 1.0",
        HandshakeType.CERTIFICATE_REQUEST,
        T10,
        vector(1, b"\x01\x40") + vector(2, vector(2, NAME)),
        {
            "certificate_types": ["rsa_sign", "ecdsa_sign"],
            "signature_schemes": [],
            "certificate_authorities": [SHOWN_NAME],
            "authorities_bytes": 16,
        },
    ),
    (
        "request 1.2 without names",
        HandshakeType.CERTIFICATE_REQUEST,
        T12,
        vector(1, b"\x01\xee") + vector(2, b"\x04\x03\x99\x99") + b"\0\0",
        {
            "certificate_types": ["rsa_sign", "0xee"],
            "signature_schemes": ["ecdsa_secp256r1_sha256", "0x9999"],
            "certificate_authorities": [],
            "authorities_bytes": 0,
        },
    ),
    (
        "verify 1.0",
        HandshakeType.CERTIFICATE_VERIFY,
        T10,
        vector(2, b"sig"),
        {"signature": b"sig".hex()},
    ),
    (
        "verify 1.3",
        HandshakeType.CERTIFICATE_VERIFY,
        T13,
        b"\x08\x07" + vector(2, b"sig"),
        {"scheme": "ed25519", "signature": b"sig".hex()},
    ),
    (
        "ecdhe parameters",
        HandshakeType.SERVER_KEY_EXCHANGE,
        T12,
        b"\x03\x00\x1d" + vector(1, b"k" * 32) + b"\x08\x04" + vector(2, b"s"),
        {
            "key_exchange": "ECDHE_RSA",
            "group": "x25519",
            "public_key": (b"k" * 32).hex(),
            "dh_p": "",
            "dh_g": "",
            "scheme": "rsa_pss_rsae_sha256",
            "signature": "73",
            "unparsed": "",
        },
    ),
    (
        "dhe parameters 1.0",
        HandshakeType.SERVER_KEY_EXCHANGE,
        m.Context(0x0301, "DHE_RSA"),
        vector(2, b"p") + vector(2, b"g") + vector(2, b"y") + vector(2, b"s"),
        {"key_exchange": "DHE_RSA", "public_key": "79", "dh_p": "70", "dh_g": "67", "signature": "73", "unparsed": ""},
    ),
    (
        "psk hint",
        HandshakeType.SERVER_KEY_EXCHANGE,
        m.Context(0x0303, "PSK"),
        vector(2, b"hint"),
        {
            "key_exchange": "PSK",
            "public_key": "",
            "dh_p": "",
            "dh_g": "",
            "psk_hint": b"hint".hex(),
            "signature": "",
            "unparsed": "",
        },
    ),
    (
        "rsa premaster",
        HandshakeType.CLIENT_KEY_EXCHANGE,
        m.Context(0x0303, "RSA"),
        vector(2, b"e" * 4),
        {"key_exchange": "RSA", "exchange": "65656565"},
    ),
    (
        "psk identity",
        HandshakeType.CLIENT_KEY_EXCHANGE,
        m.Context(0x0303, "ECDHE_PSK"),
        vector(2, b"me") + vector(1, b"k"),
        {"key_exchange": "ECDHE_PSK", "exchange": "6b", "psk_identity": b"me".hex()},
    ),
    ("unknown", HandshakeType(99), T13, b"\x01\x02", {"data": "0102"}),
]


@pytest.mark.parametrize(("kind", "context", "body", "expected"), [row[1:] for row in MESSAGES], ids=[row[0] for row in MESSAGES])
def test_a_message_becomes_these_fields(kind: HandshakeType, context: m.Context, body: bytes, expected: dict[str, Any]) -> None:
    assert message_fields(m.parse(kind, body, context)) == expected


def test_a_certificate_request_of_tls_13_is_decoded_whole() -> None:
    oid = bytes.fromhex("0603551d25")
    body = b"\x02ab" + extensions(
        (13, vector(2, b"\x04\x03")),
        (50, vector(2, b"\x08\x04\x08\x09")),
        (47, vector(2, vector(2, NAME))),
        (48, vector(2, vector(1, oid) + vector(2, b"\x30\x00"))),
        (5, b""),
        (0x6A6A, b""),
    )
    value = m.parse(HandshakeType.CERTIFICATE_REQUEST, body, T13)
    fields = message_fields(value)
    assert fields["context"] == b"ab".hex()
    assert fields["signature_schemes"] == ["ecdsa_secp256r1_sha256"]
    assert fields["signature_schemes_cert"] == ["rsa_pss_rsae_sha256", "rsa_pss_pss_sha256"]
    assert fields["certificate_authorities"] == [SHOWN_NAME]
    assert [extension["type"] for extension in fields["extensions"]] == [
        "signature_algorithms",
        "signature_algorithms_cert",
        "certificate_authorities",
        "oid_filters",
        "status_request",
        "GREASE(0x6a6a)",
    ]
    assert fields["extensions"][3]["value"] == [{"oid": "2.5.29.37", "values": "3000"}]


def test_a_certificate_of_tls_13_shows_its_staple_and_timestamps() -> None:
    entry = vector(3, b"der") + extensions((5, b"\x01" + vector(3, b"ocsp")), (18, vector(2, vector(2, b"sct"))))
    fields = message_fields(m.parse(HandshakeType.CERTIFICATE, b"\0" + vector(3, entry), T13))
    (certificate,) = fields["certificates"]
    assert (certificate["length"], certificate["der"]) == (3, base64.b64encode(b"der").decode())
    assert [extension["value"] for extension in certificate["extensions"]] == [
        {"type": "ocsp", "responses": [b"ocsp".hex()]},
        [b"sct".hex()],
    ]


EXTENSIONS: list[tuple[Place, int, bytes, Any]] = [
    (Place.CLIENT_HELLO, 0, vector(2, b"\0" + vector(2, b"a.test")), [[0, b"a.test".hex()]]),
    (Place.SERVER_HELLO, 0, b"", True),
    (Place.CLIENT_HELLO, 1, b"\x02", 2),
    (
        Place.CLIENT_HELLO,
        3,
        vector(2, b"\x02" + vector(2, NAME) + b"\x01" + b"k" * 20),
        [SHOWN_NAME, {"type": "key_sha1_hash", "value": (b"k" * 20).hex()}],
    ),
    (Place.CLIENT_HELLO, 5, b"\x01\0\0\0\0", {"type": "ocsp", "responder_ids": [], "request_extensions": ""}),
    (Place.CLIENT_HELLO, 10, vector(2, b"\x11\xec\x00\x1d"), ["X25519MLKEM768", "x25519"]),
    (Place.CLIENT_HELLO, 11, b"\x01\x00", ["uncompressed"]),
    (Place.CLIENT_HELLO, 15, b"\x01", 1),
    (
        Place.CLIENT_HELLO,
        17,
        vector(2, b"\x02" + vector(2, b"\0\0\0\0")),
        [{"type": "ocsp_multi", "responder_ids": [], "request_extensions": ""}],
    ),
    (Place.CLIENT_HELLO, 19, vector(1, b"\0\x02"), ["X509", "RawPublicKey"]),
    (Place.ENCRYPTED, 20, b"\x02", ["RawPublicKey"]),
    (Place.CLIENT_HELLO, 21, b"\0" * 9, 9),
    (Place.CLIENT_HELLO, 22, b"", True),
    (Place.CLIENT_HELLO, 27, vector(1, b"\0\x02\0\x03"), ["brotli", "zstd"]),
    (Place.CLIENT_HELLO, 28, b"\x40\x01", 16385),
    (Place.CLIENT_HELLO, 34, vector(2, b"\x04\x03"), ["ecdsa_secp256r1_sha256"]),
    (Place.CLIENT_HELLO, 35, b"\xab", "ab"),
    (
        Place.CLIENT_HELLO,
        41,
        vector(2, vector(2, b"id") + b"\0\0\0\x07") + vector(2, vector(1, b"b" * 32)),
        {"identities": [{"identity": b"id".hex(), "obfuscated_ticket_age": 7}], "binders": [(b"b" * 32).hex()]},
    ),
    (Place.SERVER_HELLO, 41, b"\0\0", 0),
    (Place.CLIENT_HELLO, 43, vector(1, b"\x03\x04\x7f\x1c\x0a\x0a"), ["TLSv1.3", "TLSv1.3-draft-28", "GREASE(0x0a0a)"]),
    (Place.SERVER_HELLO, 43, b"\x03\x04", "TLSv1.3"),
    (Place.RETRY, 44, vector(2, b"cookie"), b"cookie".hex()),
    (Place.CLIENT_HELLO, 45, b"\x01\x01", ["psk_dhe_ke"]),
    (Place.CLIENT_HELLO, 49, b"", True),
    (Place.CLIENT_HELLO, 51, vector(2, b"\0\x1d" + vector(2, b"k")), [{"group": "x25519", "key": "6b"}]),
    (Place.RETRY, 51, b"\0\x17", "secp256r1"),
    (Place.SERVER_HELLO, 51, b"\0\x17" + vector(2, b"k"), {"group": "secp256r1", "key": "6b"}),
    (Place.CLIENT_HELLO, 58, b"\x01\x02", [1, 2]),
    (
        Place.CLIENT_HELLO,
        65037,
        b"\0\0\x01\0\x01\x2a" + vector(2, b"e") + vector(2, b"p"),
        {"inner": False, "kdf": 1, "aead": 1, "config_id": 42, "enc": "65", "payload": "70"},
    ),
    (Place.CLIENT_HELLO, 65281, b"\0", ""),
]


@pytest.mark.parametrize(("place", "kind", "body", "expected"), EXTENSIONS, ids=lambda value: str(value)[:24])
def test_an_extension_becomes_this_value_and_no_prefix_of_it(place: Place, kind: int, body: bytes, expected: Any) -> None:
    assert jsonable(parse_value(ExtensionType(kind), body, place)) == expected
    if kind not in (21, 35):  # these are as long as they are
        for size in range(len(body)):
            assert isinstance(parse_value(ExtensionType(kind), body[:size], place), (MalformedMessage, type(None), bool))
    assert isinstance(parse_value(ExtensionType(kind), body + b"\0", place), MalformedMessage) == (kind not in (21, 35))


def test_hellos_summarise_what_people_look_for() -> None:
    hello = (
        b"\x03\x03" + b"\x11" * 24 + b"DOWNGRD\x01" + b"\0" + b"\xc0\x2f" + b"\0" + extensions((16, vector(2, vector(1, b"h2"))))
    )
    fields = message_fields(m.parse(HandshakeType.SERVER_HELLO, hello))
    assert {name: fields[name] for name in ("version", "cipher_suite", "group", "alpn", "downgrade")} == {
        "version": "TLSv1.2",
        "cipher_suite": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "group": None,
        "alpn": "h2",
        "downgrade": "TLSv1.2",
    }


def test_a_malformed_message_says_where() -> None:
    with pytest.raises(MalformedMessage) as caught:
        m.parse(HandshakeType.CERTIFICATE_REQUEST, b"\x02\x01", T12)
    assert message_fields(caught.value) == {
        "malformed": {"where": "certificate_request", "offset": 1, "why": "length 2, but 1 bytes left"},
    }
