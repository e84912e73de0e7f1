"""The PKCS#12 and PKCS#8 files of other programs: each gives its known answer or an error of the right kind."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from inspector.credentials.load import load_credential
from inspector.errors import CredentialError

FOLDER = Path(__file__).parent.parent.parent / "fixtures" / "credentials"
EXPECTED: dict[str, dict[str, Any]] = json.loads((FOLDER / "expected.json").read_text())["results"]
CONTAINERS = {name: answer for name, answer in EXPECTED.items() if name.startswith("pkcs12/")}
KEYS = {name: answer for name, answer in EXPECTED.items() if name.startswith("pkcs8/")}
# a million rounds for each derived key
SLOW = "pkcs12/ValidCertificatePathTest1EE_firefox.p12"

# what the library refuses, and why we say so: kind and OID
REFUSED = {
    "bign256-priv": ("unsupported-key-type", "1.2.112.0.2.0.34.101.45.2.1"),
    "ed25519-priv-pkcs8v2": ("unsupported-key-type", "1.3.101.112"),
    "ed25519-encpriv-aes128-gcm-scrypt": ("unsupported-encryption", "2.16.840.1.101.3.4.1.6"),
    "ed25519-encpriv-aes256-gcm-scrypt": ("unsupported-encryption", "2.16.840.1.101.3.4.1.46"),
    "ed25519-encpriv-des-pbkdf2-sha256": ("unsupported-encryption", "1.3.14.3.2.7"),
    "x25519-priv": ("unsupported-key-type", "1.3.101.110"),
}


def load(name: str, passphrase: bytes | None) -> Any:
    return load_credential([(name, (FOLDER / name).read_bytes())], lambda _: passphrase)


def kind_of(name: str, passphrase: bytes | None) -> tuple[str, str]:
    with pytest.raises(CredentialError) as caught:
        load(name, passphrase)
    return caught.value.kind, caught.value.message


@pytest.mark.parametrize("name", CONTAINERS)
def test_pkcs12_file_gives_its_known_answer(name: str) -> None:
    answer = CONTAINERS[name]
    passphrase = answer["password"].encode() or None
    if answer["key"] is None or answer["cert_sha256"] is None:
        missing = "no-private-key" if answer["key"] is None else "no-certificate"
        assert kind_of(name, passphrase)[0] == missing
        return
    credential = load(name, passphrase)
    found = type(credential.key).__name__, credential.key.key_size, hashlib.sha256(credential.leaf).hexdigest()
    assert found == (answer["key"], answer["key_bits"], answer["cert_sha256"])
    assert len(credential.chain) + len(credential.origin.others) == 1 + answer["additional_certs"]


@pytest.mark.parametrize("name", CONTAINERS)
def test_wrong_passphrase_is_told_apart_from_a_damaged_file(name: str) -> None:
    assert kind_of(name, b"not the passphrase")[0] == "wrong-passphrase"


@pytest.mark.parametrize("name", [name for name in CONTAINERS if name != SLOW])
def test_cut_file_is_damaged_whatever_the_passphrase(name: str) -> None:
    data = (FOLDER / name).read_bytes()
    with pytest.raises(CredentialError) as caught:
        load_credential([(name, data[: len(data) // 2])], lambda _: CONTAINERS[name]["password"].encode())
    assert caught.value.kind == "file-damaged"


@pytest.mark.parametrize("name", KEYS)
def test_pkcs8_key_is_read_or_refused_by_name_and_oid(name: str) -> None:
    passphrase = (KEYS[name]["password"] or "").encode() or None
    refused = REFUSED.get(Path(name).stem)
    kind, message = kind_of(name, passphrase)
    if refused:
        assert (kind, refused[1] in message) == (refused[0], True)
    else:
        assert kind == "no-certificate"


@pytest.mark.parametrize("name", [name for name, answer in KEYS.items() if answer["password"] and Path(name).stem not in REFUSED])
def test_wrong_passphrase_of_a_pkcs8_key_is_named(name: str) -> None:
    assert kind_of(name, b"not the passphrase")[0] == "wrong-passphrase"
    assert kind_of(name, None)[0] == "passphrase-needed"


@pytest.mark.parametrize("name", [name for name in EXPECTED if name not in {SLOW, "pkcs12/example10.pfx"}])
def test_no_error_holds_a_passphrase(name: str) -> None:
    try:
        told = repr(load(name, b"hunter42"))
    except CredentialError as exc:
        told = f"{exc} {exc.hint} {exc!r}"
    assert "hunter42" not in told


def test_names_of_the_algorithms_that_protect_a_file() -> None:
    credential = load("pkcs12/ValidCertificatePathTest1EE_macos.p12", b"password")
    assert credential.origin.encryption == (
        "MAC HMAC-SHA1", "pbeWithSHA1And40BitRC2-CBC", "pbeWithSHA1And3-KeyTripleDES-CBC",
    )
