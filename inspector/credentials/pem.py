"""PEM: textual encodings (RFC 7468), and the older encrypted keys with headers (RFC 1421, as OpenSSL uses it)."""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from inspector.credentials import keys
from inspector.credentials.contents import Contents, FoundCertificate, FoundKey, damaged, wrong_passphrase
from inspector.der.reader import DerError, Reader
from inspector.errors import CredentialError

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 .#]{1,64})-----[ \t]*\r?\n?(.*?)-----END \1-----", re.DOTALL)
_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 .#]{1,64})-----")

CERTIFICATE_LABELS = frozenset({"CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"})
PLAIN_KEYS = frozenset({"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY"})
# what else people put into such files: told to them where it is all there is
OTHER_LABELS = {
    "CERTIFICATE REQUEST": "a certificate request", "NEW CERTIFICATE REQUEST": "a certificate request",
    "PUBLIC KEY": "a public key", "RSA PUBLIC KEY": "a public key", "X509 CRL": "a revocation list",
    "EC PARAMETERS": "curve parameters", "DH PARAMETERS": "Diffie-Hellman parameters", "PGP PRIVATE KEY BLOCK": "a PGP key",
    "SSH2 ENCRYPTED PRIVATE KEY": "an SSH key", "ATTRIBUTE CERTIFICATE": "an attribute certificate", "PKCS7": "a PKCS#7 message",
}
# DEK-Info ciphers that the library undoes
_LEGACY_CIPHERS = frozenset({"AES-128-CBC", "AES-192-CBC", "AES-256-CBC", "DES-EDE3-CBC"})


class Block(NamedTuple):
    """One block: its label, the headers before its data, the decoded data (None where it is not base64)."""

    label: str
    headers: dict[str, str]
    der: bytes | None
    text: bytes  # as it stands in the file

    def __repr__(self) -> str:
        return f"Block({self.label!r})"


def as_bytes(data: bytes) -> bytes:
    """Text in UTF-16, which is what PowerShell's ``>`` makes of a program's output, as the bytes that it was; all else as it is."""
    if not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data
    return data.decode("utf-16", "replace").encode("utf-8", "replace")


def is_pem(data: bytes) -> bool:
    return _BEGIN.search(data) is not None


def blocks(data: bytes) -> Iterator[Block]:
    """All whole blocks, in order; what stands between them is skipped."""
    for found in _BLOCK.finditer(data):
        headers, body = _split(found[2])
        try:
            der = base64.b64decode(b"".join(body.split()), validate=True)
        except (binascii.Error, ValueError):
            der = None
        yield Block(found[1].decode("ascii"), headers, der, found[0] + b"\n")


def unfinished(data: bytes) -> int:
    """How many blocks begin and do not end."""
    return max(0, len(_BEGIN.findall(data)) - len(_BLOCK.findall(data)))


def _split(body: bytes) -> tuple[dict[str, str], bytes]:
    """Headers (RFC 1421, Section 4.6) and the base64 after the empty line."""
    if b":" not in body[:200]:
        return {}, body
    head, _, rest = body.replace(b"\r\n", b"\n").partition(b"\n\n")
    rows = (line.partition(":") for line in head.decode("latin-1").splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, _, value in rows}, rest


def certificates(data: bytes) -> tuple[bytes, ...]:
    """The certificates of a PEM file (DER), in its order; blocks that are no base64 are left out."""
    return tuple(_first_element(b.der) for b in blocks(data) if b.label in CERTIFICATE_LABELS and b.der)


def _first_element(der: bytes) -> bytes:
    """A "TRUSTED CERTIFICATE" has OpenSSL's settings behind the certificate: they are cut off."""
    try:
        return Reader(der).read("certificate").encoded
    except DerError:
        return der


def read(name: str, data: bytes, contents: Contents) -> None:
    """Add all certificates and keys of a PEM file to ``contents``. Raises CredentialError."""
    broken = unfinished(data)
    if broken:
        contents.notes.append(f"{name}: {broken} PEM block{'s' if broken > 1 else ''} without an end")
    before = len(contents.certificates) + len(contents.keys)
    for block in blocks(data):
        if block.label in CERTIFICATE_LABELS:
            if block.der is None:
                raise damaged(name, "a certificate in it is not base64")
            contents.add_certificate(FoundCertificate(_first_element(block.der), name, ordered=True))
        elif block.label in PLAIN_KEYS or block.label in {"ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY"}:
            contents.add_key(FoundKey(_key(block, name, contents), name))
        elif block.label in {"PKCS7", "CMS"} and block.der:
            from inspector.credentials.pkcs7 import certificates as pkcs7_certificates

            for der in pkcs7_certificates(block.der):
                contents.add_certificate(FoundCertificate(der, name, ordered=False))
        elif block.label in OTHER_LABELS:
            contents.also.append(OTHER_LABELS[block.label])
    if broken and len(contents.certificates) + len(contents.keys) == before:
        raise damaged(name, "a PEM block has no end")


def _key(block: Block, name: str, contents: Contents) -> Any:
    if block.label == "OPENSSH PRIVATE KEY":
        raise CredentialError(
            f"unsupported key type in {name}: a key in OpenSSH's own format", kind="unsupported-key-type",
            hint="convert a copy with: ssh-keygen -p -m PEM -f COPY",
        )
    if "DEK-Info" in block.headers:
        return _legacy_key(block, name, contents)
    if block.der is None:
        raise damaged(name, "a private key in it is not base64")
    if block.label == "ENCRYPTED PRIVATE KEY":
        return keys.load_encrypted(block.der, name, contents)
    return keys.load_plain(block.der, name)


def _legacy_key(block: Block, name: str, contents: Contents) -> Any:
    """A key encrypted the traditional way: the cipher in DEK-Info, the key derived with one round of MD5."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    cipher = block.headers["DEK-Info"].partition(",")[0].strip().upper()
    contents.add_encryption((f"PEM {cipher}",))
    if cipher not in _LEGACY_CIPHERS:
        raise CredentialError(
            f"unsupported encryption in {name}: {cipher} (PEM header DEK-Info)", kind="unsupported-encryption",
            hint="the passphrase may well be right; write the key again with: openssl pkcs8 -topk8 -in KEY",
        )
    given = contents.need_passphrase(name)
    try:
        return load_pem_private_key(block.text, given)
    except UnsupportedAlgorithm as exc:
        raise damaged(name, "its private key is of a kind that cannot be read") from exc
    except (ValueError, TypeError) as exc:
        if block.der is None or len(block.der) % 8:
            raise damaged(name, "its encrypted key is cut off") from exc
        raise wrong_passphrase(name, sure=False) from exc
