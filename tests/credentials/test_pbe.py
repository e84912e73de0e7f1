"""Ciphers and key derivations against vectors of their RFCs and against OpenSSL's own, inside cryptography."""

from __future__ import annotations

import os

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import RC2
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from inspector.credentials import asn1, pbe, rc2
from inspector.credentials.ber import to_der
from inspector.der.reader import DerError
from inspector.errors import CredentialError

# RFC 2268, Section 5: key, effective bits, plaintext, ciphertext
RC2_VECTORS = [
    ("0000000000000000", 63, "0000000000000000", "ebb773f993278eff"),
    ("ffffffffffffffff", 64, "ffffffffffffffff", "278b27e42e2f0d49"),
    ("3000000000000000", 64, "1000000000000001", "30649edf9be7d2c2"),
    ("88", 64, "0000000000000000", "61a8a244adacccf0"),
    ("88bca90e90875a", 64, "0000000000000000", "6ccf4308974c267f"),
    ("88bca90e90875a7f0f79c384627bafb2", 64, "0000000000000000", "1a807d272bbe5db1"),
    ("88bca90e90875a7f0f79c384627bafb2", 128, "0000000000000000", "2269552ab0f85ca6"),
    ("88bca90e90875a7f0f79c384627bafb216f80a6f85920584c42fceb0be255daf1e", 129, "0000000000000000", "5b78d3a43dfff1f1"),
]


@pytest.mark.parametrize(("key", "bits", "plain", "cipher"), RC2_VECTORS)
def test_rc2_decrypts_the_vectors_of_its_rfc(key: str, bits: int, plain: str, cipher: str) -> None:
    found = rc2.decrypt_cbc(bytes.fromhex(key), bits, bytes(8), bytes.fromhex(cipher))
    assert found.hex() == plain


def test_rc2_agrees_with_openssl() -> None:
    key, initial, plain = os.urandom(16), os.urandom(8), os.urandom(64)
    encryptor = Cipher(RC2(key), modes.CBC(initial)).encryptor()
    assert rc2.decrypt_cbc(key, 128, initial, encryptor.update(plain) + encryptor.finalize()) == plain


def test_rc4_decrypts_a_known_vector() -> None:
    # RFC 6229, Section 2: 40-bit key 0102030405
    assert pbe._stream(bytes.fromhex("0102030405"), bytes(16)).hex() == "b2396305f03dc027ccc3524a0a1118a8"


def test_rounds_beyond_the_budget_are_refused_at_once() -> None:
    budget = pbe.Budget(1000)
    with pytest.raises(CredentialError) as caught:
        pbe.pkcs12_derive("sha1", b"x", b"salt", 10**9, 1, 24, budget)
    assert caught.value.kind == "too-expensive"


def test_scrypt_that_wants_too_much_memory_is_refused_at_once() -> None:
    parameters = asn1.sequence(asn1.octets(b"salt"), asn1.integer(2**30), asn1.integer(8), asn1.integer(1))
    with pytest.raises(CredentialError) as caught:
        pbe.derive(pbe.Algorithm(pbe.SCRYPT, parameters), b"x", 32, pbe.Budget())
    assert caught.value.kind == "too-expensive"


def test_equal_derivations_are_paid_once() -> None:
    budget = pbe.Budget(1000)
    first = pbe.pkcs12_derive("sha1", b"x", b"salt", 900, 1, 20, budget)
    assert pbe.pkcs12_derive("sha1", b"x", b"salt", 900, 1, 20, budget) == first
    assert budget.left == 100


def test_unknown_scheme_is_named_by_its_oid_and_not_called_a_wrong_passphrase() -> None:
    with pytest.raises(CredentialError) as caught:
        pbe.decrypt(pbe.Algorithm("1.2.3.4", b""), b"data", b"x", pbe.Budget())
    assert (caught.value.kind, "1.2.3.4" in caught.value.message) == ("unsupported-encryption", True)


@pytest.mark.parametrize(("ber", "der"), [
    ("30800201050000", "3003020105"),
    ("24800402aabb0401cc0000", "0403aabbcc"),
    ("30800480", None),
    ("a080308000000000", "a0023000"),
    ("3003020105", "3003020105"),
    ("30820003020105", "3003020105"),
    ("3004020105", None),
    ("3080020105", None),
])
def test_indefinite_lengths_and_strings_in_pieces_become_der(ber: str, der: str | None) -> None:
    if der is None:
        with pytest.raises(DerError):
            to_der(bytes.fromhex(ber))
    else:
        assert to_der(bytes.fromhex(ber)).hex() == der


def test_absurd_nesting_is_refused() -> None:
    data = b"\x05\x00"
    for _ in range(200):
        data = asn1.sequence(data)
    with pytest.raises(DerError):
        to_der(data)
