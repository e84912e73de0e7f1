"""PKCS#12 (RFC 7292), read by ourselves.

The library refuses a whole file for one certificate that it cannot parse and calls that a wrong password. Here the MAC tells
whether the passphrase is right; the bags are opened one by one; whatever cannot be opened is named.
"""

from __future__ import annotations

from typing import NamedTuple

from inspector.credentials import keys, pbe
from inspector.credentials.ber import to_der
from inspector.credentials.contents import Contents, FoundCertificate, FoundKey, damaged, wrong_passphrase
from inspector.der.reader import INTEGER, OCTET_STRING, OID, SEQUENCE, SET, DerError, Reader, read_integer, read_oid
from inspector.errors import CredentialError

DATA, ENCRYPTED_DATA = "1.2.840.113549.1.7.1", "1.2.840.113549.1.7.6"
_OTHER_CONTENTS = {"1.2.840.113549.1.7.2": "signed data", "1.2.840.113549.1.7.3": "enveloped data (for a recipient's key)"}
_BAG = "1.2.840.113549.1.12.10.1."
KEY_BAG, SHROUDED_KEY_BAG, CERTIFICATE_BAG, CRL_BAG, SECRET_BAG, NESTED_BAG = (_BAG + str(n) for n in range(1, 7))
X509_CERTIFICATE = "1.2.840.113549.1.9.22.1"
FRIENDLY_NAME = "1.2.840.113549.1.9.20"
# Java marks trust entries so
TRUSTED_KEY_USAGE = "2.16.840.1.113894.746875.1.1"
MAX_NESTING = 4
# a MAC with more rounds is not tried with an empty passphrase first
CHEAP_ROUNDS = 20_000


class Mac(NamedTuple):
    algorithm: pbe.Algorithm
    digest: bytes
    salt: bytes
    rounds: int


class Part(NamedTuple):
    """One ContentInfo of the AuthenticatedSafe; ``algorithm`` None: not encrypted."""

    algorithm: pbe.Algorithm | None
    data: bytes


class Bag(NamedTuple):
    kind: str
    value: bytes  # DER of what the bag holds
    friendly_name: str
    trusted: bool


def is_pkcs12(der: bytes) -> bool:
    """True where the outermost structure is that of a PFX."""
    try:
        inner = Reader(der if der[1:2] != b"\x80" else to_der(der)).enter("file")
        version = read_integer(inner.read("version", INTEGER))
        return version == 3 and read_oid(inner.enter("content").read("type", OID)).startswith("1.2.840.113549.1.7.")
    except DerError:
        return False


def read(name: str, data: bytes, contents: Contents) -> None:
    """Add the certificates and keys of a PKCS#12 file to ``contents``. Raises CredentialError."""
    try:
        safe, mac = _open(to_der(data))
        parts = _parts(safe)
    except DerError as exc:
        raise damaged(name, str(exc)) from exc
    if mac is not None:
        contents.add_encryption((f"MAC {pbe.mac_name(mac.algorithm)}",))
    for part in parts:
        if part.algorithm is not None:
            contents.add_encryption(pbe.names(part.algorithm))
    passphrase = _passphrase(name, safe, mac, parts, contents)
    bags: list[Bag] = []
    for part in parts:
        bags += _bags(_plaintext(name, part, passphrase, mac, contents), name)
    for bag in bags:
        try:
            _take(bag, name, passphrase, mac, contents)
        except DerError as exc:
            contents.notes.append(f"{name}: one of its bags cannot be read ({exc})")


def _open(der: bytes) -> tuple[bytes, Mac | None]:
    """The authenticated bytes and the MAC (RFC 7292, Section 4). Raises DerError or CredentialError."""
    pfx = Reader(der).enter("PFX")
    version = read_integer(pfx.read("version", INTEGER))
    if version != 3:
        raise DerError("PFX", 0, f"version {version} where 3 belongs")
    content = pfx.enter("content")
    kind = read_oid(content.read("content type", OID))
    if kind != DATA:
        raise CredentialError(
            f"unsupported PKCS#12: {_OTHER_CONTENTS.get(kind, 'an unknown content')} (OID {kind}), not protected by a passphrase",
            kind="unsupported-encryption", hint="export the file again, protected by a passphrase",
        )
    safe = content.enter("content", 0xA0).read("authenticated safe", OCTET_STRING).contents
    if not pfx.more:
        return safe, None
    given = pfx.enter("MAC")
    info = given.enter("MAC digest")
    algorithm = pbe.read_algorithm(info, "MAC algorithm")
    digest = info.read("MAC value", OCTET_STRING).contents
    salt = given.read("MAC salt", OCTET_STRING).contents
    rounds = given.maybe(INTEGER, "MAC iterations")
    return safe, Mac(algorithm, digest, salt, read_integer(rounds) if rounds else 1)


def _parts(safe: bytes) -> list[Part]:
    """The ContentInfos. Raises DerError or CredentialError."""
    listed, parts = Reader(to_der(safe)).enter("authenticated safe"), []
    while listed.more:
        info = listed.enter("content")
        kind = read_oid(info.read("content type", OID))
        content = info.enter("content", 0xA0)
        if kind == DATA:
            parts.append(Part(None, content.read("contents", OCTET_STRING).contents))
        elif kind == ENCRYPTED_DATA:
            encrypted = content.enter("encrypted data")
            encrypted.read("version", INTEGER)
            inner = encrypted.enter("encrypted contents")
            inner.read("content type", OID)
            algorithm = pbe.read_algorithm(inner, "encryption")
            parts.append(Part(algorithm, _octets(inner)))
        else:
            raise CredentialError(
                f"unsupported encryption: {_OTHER_CONTENTS.get(kind, 'an unknown content')} (OID {kind})",
                kind="unsupported-encryption", hint="export the file again, protected by a passphrase",
            )
    return parts


def _octets(reader: Reader) -> bytes:
    """An OCTET STRING under [0], whole or in pieces."""
    element = reader.read("ciphertext", 0x80, 0xA0)
    if element.tag == 0x80:
        return element.contents
    inner, out = reader.inside(element), b""
    while inner.more:
        out += inner.read("ciphertext", OCTET_STRING).contents
    return out


def _passphrase(name: str, safe: bytes, mac: Mac | None, parts: list[Part], contents: Contents) -> bytes:
    """The passphrase that opens the file, empty where it needs none. Raises CredentialError."""
    _check_supported(name, parts)
    if mac is None:
        encrypted = any(part.algorithm is not None for part in parts)
        return contents.need_passphrase(name) if encrypted else contents.passphrase(name) or b""
    if not contents.ask_first and mac.rounds <= CHEAP_ROUNDS and _mac_matches(name, mac, b"", safe, contents):
        return b""
    given = contents.passphrase(name)
    if _mac_matches(name, mac, given or b"", safe, contents):
        return given or b""
    if given is None:
        contents.need_passphrase(name)
    given = given or b""
    if _opens(parts, given, contents):
        raise damaged(name, "the passphrase opens it, but its checksum (MAC) does not fit its contents")
    raise wrong_passphrase(name)


def _check_supported(name: str, parts: list[Part]) -> None:
    for part in parts:
        if part.algorithm is not None:
            try:
                keys.check_supported(part.algorithm)
            except DerError as exc:
                raise damaged(name, str(exc)) from exc


def _mac_matches(name: str, mac: Mac, passphrase: bytes, safe: bytes, contents: Contents) -> bool:
    try:
        return pbe.mac_matches(mac.algorithm, mac.digest, mac.salt, mac.rounds, passphrase, safe, contents.budget)
    except DerError as exc:
        raise damaged(name, str(exc)) from exc


def _opens(parts: list[Part], passphrase: bytes, contents: Contents) -> bool:
    """Whether some encrypted part becomes a list of bags with this passphrase."""
    for part in parts:
        if part.algorithm is None:
            continue
        try:
            plain = to_der(pbe.decrypt(part.algorithm, part.data, passphrase, contents.budget))
            if Reader(plain).enter("bags").enter("bag").read("kind", OID):
                return True
        except (DerError, CredentialError, pbe.WrongPassphrase):
            continue
    return False


def _plaintext(name: str, part: Part, passphrase: bytes, mac: Mac | None, contents: Contents) -> bytes:
    if part.algorithm is None:
        return part.data
    try:
        return pbe.decrypt(part.algorithm, part.data, passphrase, contents.budget)
    except DerError as exc:
        raise damaged(name, str(exc)) from exc
    except pbe.WrongPassphrase as exc:
        if mac is None:
            raise wrong_passphrase(name, sure=False) from exc
        raise damaged(name, "its checksum fits the passphrase, but a part of it does not decrypt") from exc


def _bags(plain: bytes, name: str, depth: int = 0) -> list[Bag]:
    """The bags of SafeContents, nested ones too (RFC 7292, Section 4.2)."""
    out: list[Bag] = []
    try:
        listed = Reader(to_der(plain)).enter("bags")
        while listed.more:
            inner = listed.enter("bag")
            kind = read_oid(inner.read("bag type", OID))
            value = inner.enter("bag value", 0xA0).read("bag value").encoded
            friendly, trusted = _attributes(inner.read("attributes", SET).contents) if inner.more else ("", False)
            if kind == NESTED_BAG and depth < MAX_NESTING:
                out += _bags(value, name, depth + 1)
            else:
                out.append(Bag(kind, value, friendly, trusted))
    except DerError as exc:
        raise damaged(name, str(exc)) from exc
    return out


def _attributes(encoded: bytes) -> tuple[str, bool]:
    """The friendly name (empty where there is none), and whether it is one of Java's trust entries."""
    friendly, trusted, listed = "", False, Reader(encoded)
    while listed.more:
        inner = listed.enter("attribute")
        kind = read_oid(inner.read("attribute type", OID))
        trusted = trusted or kind == TRUSTED_KEY_USAGE
        values = inner.enter("attribute values", SET)
        if kind == FRIENDLY_NAME and values.more:
            friendly = values.read("friendly name").contents.decode("utf-16-be", "replace")
    return friendly, trusted


def _take(bag: Bag, name: str, passphrase: bytes, mac: Mac | None, contents: Contents) -> None:
    if bag.kind == KEY_BAG:
        contents.add_key(FoundKey(keys.load_plain(bag.value, name), name, bag.friendly_name))
    elif bag.kind == SHROUDED_KEY_BAG:
        contents.add_key(FoundKey(_shrouded(bag, name, passphrase, mac, contents), name, bag.friendly_name))
    elif bag.kind == CERTIFICATE_BAG:
        inner = Reader(bag.value).enter("certificate bag", SEQUENCE)
        if read_oid(inner.read("certificate type", OID)) == X509_CERTIFICATE:
            der = inner.enter("certificate", 0xA0).read("certificate", OCTET_STRING).contents
            contents.add_certificate(FoundCertificate(der, name, ordered=False, label=bag.friendly_name, authority=bag.trusted))
    elif bag.kind == CRL_BAG:
        contents.also.append("a revocation list")
    elif bag.kind == SECRET_BAG:
        contents.also.append("a secret key")


def _shrouded(bag: Bag, name: str, passphrase: bytes, mac: Mac | None, contents: Contents) -> object:
    try:
        return keys.load_encrypted(bag.value, name, contents, passphrase)
    except CredentialError as exc:
        if exc.kind == "wrong-passphrase" and mac is None and not passphrase:
            contents.need_passphrase(name)
        if exc.kind == "wrong-passphrase" and mac is not None:
            raise CredentialError(
                f"the passphrase opens {name}, but not the private key in it", kind="wrong-passphrase",
                hint="the key has a passphrase of its own: export it again with the same one for both",
            ) from exc
        raise
