"""Registries, cursor, key log, compression, the writer of hellos: the small parts, each by its promise."""

from __future__ import annotations

import zlib

import pytest

from inspector.errors import MalformedMessage
from inspector.wire import hello, registry
from inspector.wire import messages as m
from inspector.wire.compression import MAX_UNPACKED, decompress
from inspector.wire.cursor import Cursor
from inspector.wire.events import Message, Side
from inspector.wire.keylog import KeyLog, parse_line
from inspector.wire.registry import AlertDescription, CipherSuite, ExtensionType, HandshakeType, NamedGroup, SignatureScheme
from inspector.wire.suites import suite_parts
from tests.wire.traces import decode

RANDOM, SECRET = b"11" * 32, b"22" * 48


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (CipherSuite(0x1301), "TLS_AES_128_GCM_SHA256"),
        (CipherSuite(0xFAFA), "GREASE(0xfafa)"),
        (CipherSuite(0x4321), "0x4321"),
        (HandshakeType(11), "certificate"),
        (HandshakeType(99), "0x63"),
        (AlertDescription(116), "certificate_required"),
        (AlertDescription(250), "0xfa"),
        (ExtensionType(65037), "encrypted_client_hello"),
        (SignatureScheme(0x0403), "ecdsa_secp256r1_sha256"),
        (SignatureScheme(0x0402), "dsa_sha256"),
        (NamedGroup(4588), "X25519MLKEM768"),
        (registry.ProtocolVersion(0x7F1C), "TLSv1.3-draft-28"),
    ],
)
def test_values_of_registries_know_their_names_and_keep_unknown_numbers(value: registry.Registered, label: str) -> None:
    assert (str(value), value.label, type(value)(int(value))) == (label, label, value)


def test_constants_and_names_agree() -> None:
    for kind in registry.Registered.__subclasses__():
        for constant in getattr(kind, "__annotations__", {}):
            if constant.isupper() and constant not in ("NAMES", "DIGITS", "HASHES", "SIGNATURES"):
                assert getattr(kind, constant).label == constant.lower()
    assert CipherSuite.named("TLS_CHACHA20_POLY1305_SHA256") == 0x1303


def test_names_of_a_registry_are_unique() -> None:
    for kind in registry.Registered.__subclasses__():
        assert len(set(kind.NAMES.values())) == len(kind.NAMES)


def test_a_suite_that_can_be_named_but_not_opened_has_no_cipher() -> None:
    assert suite_parts(CipherSuite.named("TLS_RSA_WITH_ARIA_128_GCM_SHA256")).cipher is None
    assert suite_parts(0xFFFF).cipher is None
    assert suite_parts(CipherSuite.named("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"))[2:] == ("sha384", "sha384")


def test_a_cursor_tells_where_bytes_are_missing_or_too_many() -> None:
    cursor = Cursor(b"\x00\x05abc", "field")
    with pytest.raises(MalformedMessage) as caught:
        cursor.vector(2)
    assert (caught.value.where, caught.value.offset) == ("field", 2)
    with pytest.raises(MalformedMessage, match="1 bytes too many"):
        Cursor(b"x", "field").finish()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"# comment",
        b"CLIENT_RANDOM",
        b"CLIENT_RANDOM zz 00",
        b"CLIENT_RANDOM " + RANDOM + b" 00",
        b"NEW_LABEL " + RANDOM + b" " + SECRET,
        b"CLIENT_RANDOM " + RANDOM + b" " + SECRET + b" more",
        b"CLIENT_RANDOM " + b"1" * 5000,
    ],
)
def test_lines_without_a_usable_secret_are_passed_over(line: bytes) -> None:
    assert parse_line(line) is None
    assert len(KeyLog([line])) == 0


def test_key_log_lines_survive_bom_carriage_return_and_repetition() -> None:
    line = b"CLIENT_RANDOM " + RANDOM + b" " + SECRET
    log = KeyLog([b"\xef\xbb\xbf" + line + b"\r\n", line, b"  " + line])
    assert len(log) == 1


def test_a_secret_shows_nothing_in_its_repr() -> None:
    secret = parse_line(b"CLIENT_RANDOM " + RANDOM + b" " + SECRET)
    assert "22" not in repr(secret)


def compressed(algorithm: int, packed: bytes, length: int) -> m.CompressedCertificate:
    body = algorithm.to_bytes(2, "big") + length.to_bytes(3, "big") + hello.vector(3, packed)
    value = m.parse(HandshakeType.COMPRESSED_CERTIFICATE, body, m.Context(0x0304))
    assert isinstance(value, m.CompressedCertificate)
    return value


CERTIFICATE = b"\x00" + hello.vector(3, hello.vector(3, b"der" * 100) + b"\x00\x00")


def test_compressed_certificates_of_all_three_algorithms_are_unpacked() -> None:
    brotli, zstandard = pytest.importorskip("brotli"), pytest.importorskip("zstandard")
    packed = {1: zlib.compress(CERTIFICATE), 2: brotli.compress(CERTIFICATE), 3: zstandard.compress(CERTIFICATE)}
    for algorithm, data in packed.items():
        value = compressed(algorithm, data, len(CERTIFICATE))
        assert value.problem is None
        assert m.certificate_of(value) == m.Certificate(b"", (m.CertificateEntry(b"der" * 100),))


def test_a_compressed_certificate_of_another_length_is_not_believed() -> None:
    packed = zlib.compress(CERTIFICATE)
    assert compressed(1, packed, len(CERTIFICATE) - 1).problem == f"declares {len(CERTIFICATE) - 1} bytes, unpacks to more"
    assert compressed(1, packed, len(CERTIFICATE) + 1).certificate is None
    assert compressed(1, packed, MAX_UNPACKED + 1).certificate is None
    assert compressed(9, packed, 10).problem == "unknown compression algorithm"


@pytest.mark.parametrize("algorithm", [1, 2, 3])
def test_broken_streams_and_bombs_cannot_be_unpacked(algorithm: int) -> None:
    assert decompress(algorithm, b"\x00" * 20, 100)[0] is None
    bomb = zlib.compress(b"\0" * (64 << 20), 9)
    assert decompress(1, bomb, 1000) == (None, "declares 1000 bytes, unpacks to more")


@pytest.mark.parametrize("version", [0x0300, 0x0301, 0x0302, 0x0303, 0x0304])
def test_a_written_hello_reads_back(version: int) -> None:
    data = hello.client_hello(version, server_name="a.example", alpn=("h2", "http/1.1"), random=b"r" * 32)
    (message,) = (e for e in decode([(Side.CLIENT, data)]) if isinstance(e, Message))
    value = message.value
    offered = max(value.supported_versions)
    assert (offered, value.random) == (version, b"r" * 32)
    assert (value.server_name, value.alpn) == ((None, ()) if version == 0x0300 else ("a.example", ("h2", "http/1.1")))


def test_a_hello_cut_over_records_is_the_same_hello() -> None:
    message = hello.message(hello.Hello(versions=(0x0304, 0x0303)))
    pieces = hello.into_records(message, (1, 3, 7))
    (event,) = decode([(Side.CLIENT, piece) for piece in pieces])
    assert len(pieces) == 4
    assert isinstance(event, Message)
    assert event.body == message[4:]
