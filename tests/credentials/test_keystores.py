"""JKS and JCEKS files that keytool made: the ones checked in, and fresh ones where Java is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from inspector.credentials.load import load_credential
from inspector.der.certificate import parse
from inspector.errors import CredentialError

FOLDER = Path(__file__).parent.parent.parent / "fixtures" / "keystores"


def load(path: Path, passphrase: Any) -> Any:
    ask = passphrase if callable(passphrase) else lambda _: passphrase
    return load_credential([(path.name, path.read_bytes())], ask)


def kind_of(path: Path, passphrase: Any) -> str:
    with pytest.raises(CredentialError) as caught:
        load(path, passphrase)
    return caught.value.kind


@pytest.mark.parametrize("name", ["client.jks", "client.jceks", "secret.jceks"])
def test_private_key_entry_becomes_a_credential(name: str) -> None:
    credential = load(FOLDER / name, b"changeit")
    titles = [parse(der).title for der in credential.chain], [parse(der).title for der in credential.origin.others]
    assert titles == (["CN=alice,O=mtls-inspector"], ["CN=Keystore Root CA,O=mtls-inspector"])
    assert credential.origin.format == Path(name).suffix[1:]


@pytest.mark.parametrize("name", ["client.jks", "client.jceks"])
def test_wrong_passphrase_of_a_keystore_is_named(name: str) -> None:
    assert kind_of(FOLDER / name, b"changeit2") == "wrong-passphrase"
    assert kind_of(FOLDER / name, None) == "passphrase-needed"


def test_key_with_a_passphrase_of_its_own_is_asked_for_by_its_alias() -> None:
    asked: list[str] = []

    def ask(label: str) -> bytes:
        asked.append(label)
        return b"another1" if "key 'client'" in label else b"changeit"

    assert parse(load(FOLDER / "own-key-passphrase.jks", ask).leaf).title == "CN=own passphrase"
    assert asked == ["own-key-passphrase.jks", "the key 'client' in own-key-passphrase.jks"]


def test_keystore_of_trust_entries_has_no_private_key() -> None:
    assert kind_of(FOLDER / "trust-only.jks", b"changeit") == "no-private-key"


@pytest.mark.parametrize("name", ["client.jks", "client.jceks", "secret.jceks"])
def test_every_cut_keystore_ends_in_a_typed_error(name: str) -> None:
    data = (FOLDER / name).read_bytes()
    for size in range(4, len(data), 97):
        with pytest.raises(CredentialError):
            load_credential([(name, data[:size])], lambda _: b"changeit")


@pytest.mark.client
@pytest.mark.skipif(shutil.which("keytool") is None, reason="keytool (Java) is not installed")
@pytest.mark.parametrize("kind", ["JKS", "JCEKS", "PKCS12"])
def test_keystore_fresh_from_keytool_is_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"fresh.{kind.lower()}"
    secret = ["-storepass", "changeit", "-keypass", "changeit"]
    subprocess.run(
        ["keytool", "-genkeypair", "-alias", "me", "-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=fresh",
         "-storetype", kind, "-keystore", str(path), *secret],
        check=True, capture_output=True, timeout=60,
    )
    assert parse(load(path, b"changeit").leaf).title == "CN=fresh"
    assert kind_of(path, b"changeit2") == "wrong-passphrase"
