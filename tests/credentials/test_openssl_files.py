"""Files that the openssl program writes, in the ways that people use it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from inspector.credentials import mint
from inspector.credentials.load import load_credential
from inspector.errors import CredentialError

pytestmark = [
    pytest.mark.client, pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl program is not installed"),
]

ISSUING = mint.authority("OpenSSL Issuing CA", mint.authority("OpenSSL Root CA"))
LEAF = mint.leaf("alice", ISSUING, key="rsa-2048")
SECRET = "pass:correct horse"


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, timeout=60, check=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "leaf.pem").write_bytes(mint.certificates_pem([LEAF.cert]))
    (tmp_path / "ca.pem").write_bytes(mint.certificates_pem([ISSUING.cert]))
    (tmp_path / "key.pem").write_bytes(LEAF.key_pem())
    return tmp_path


def load(*paths: Path, passphrase: bytes | None = b"correct horse") -> Any:
    return load_credential([(path.name, path.read_bytes()) for path in paths], lambda _: passphrase)


def kind_of(*paths: Path, passphrase: bytes | None) -> str:
    with pytest.raises(CredentialError) as caught:
        load(*paths, passphrase=passphrase)
    return caught.value.kind


EXPORTS = {
    "default": (),
    "legacy": ("-legacy",),
    "no mac": ("-nomac",),
    "sha512 mac": ("-macalg", "sha512"),
    "key in the clear": ("-keypbe", "NONE"),
    "certificates in the clear": ("-certpbe", "NONE"),
    "3des": ("-legacy", "-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"),
    "rc2 128": ("-legacy", "-certpbe", "PBE-SHA1-RC2-128"),
    "rc4 40": ("-legacy", "-certpbe", "PBE-SHA1-RC4-40"),
    "rc4 128": ("-legacy", "-certpbe", "PBE-SHA1-RC4-128"),
    "2-key 3des": ("-legacy", "-certpbe", "PBE-SHA1-2DES"),
    "aes 128": ("-keypbe", "AES-128-CBC", "-certpbe", "AES-192-CBC"),
}


@pytest.mark.parametrize("options", EXPORTS.values(), ids=EXPORTS)
def test_export_is_read_and_its_wrong_passphrase_named(options: tuple[str, ...], folder: Path) -> None:
    openssl(
        folder, "pkcs12", "-export", "-in", "leaf.pem", "-inkey", "key.pem", "-certfile", "ca.pem", "-out", "out.p12",
        "-passout", SECRET, *options,
    )
    path = folder / "out.p12"
    assert load(path).chain == LEAF.sent
    assert (kind_of(path, passphrase=b"wrong"), kind_of(path, passphrase=None)) == ("wrong-passphrase", "passphrase-needed")


@pytest.mark.parametrize("options", [
    ("pkcs8", "-topk8", "-v2", "aes-256-cbc"), ("pkcs8", "-topk8", "-v2", "des3"), ("pkcs8", "-topk8", "-scrypt"),
    ("pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES"), ("rsa", "-aes256", "-traditional"), ("rsa", "-des3", "-traditional"),
], ids=" ".join)
def test_encrypted_key_is_read(options: tuple[str, ...], folder: Path) -> None:
    openssl(folder, *options, "-in", "key.pem", "-out", "out.key", "-passout", SECRET)
    files = folder / "leaf.pem", folder / "out.key"
    assert load(*files).leaf == LEAF.cert
    assert (kind_of(*files, passphrase=b"wrong"), kind_of(*files, passphrase=None)) == ("wrong-passphrase", "passphrase-needed")


@pytest.mark.parametrize("options", [("pkcs8", "-topk8", "-v2", "des"), ("pkcs8", "-topk8", "-v1", "PBE-MD5-DES")], ids=" ".join)
def test_key_encrypted_with_des_is_unsupported_by_name(options: tuple[str, ...], folder: Path) -> None:
    providers = ("-provider", "legacy", "-provider", "default")
    openssl(folder, *options, *providers, "-in", "key.pem", "-out", "out.key", "-passout", SECRET)
    assert kind_of(folder / "leaf.pem", folder / "out.key", passphrase=b"correct horse") == "unsupported-encryption"


def test_der_key_and_pkcs7_chain(folder: Path) -> None:
    openssl(folder, "pkey", "-in", "key.pem", "-outform", "DER", "-out", "key.der")
    openssl(folder, "crl2pkcs7", "-nocrl", "-certfile", "leaf.pem", "-certfile", "ca.pem", "-outform", "DER", "-out", "chain.p7b")
    assert load(folder / "chain.p7b", folder / "key.der").chain == LEAF.sent
