"""From the bytes of files to a credential: what each file holds, which key is whose, which chain is sent.

Nothing is opened here: the callers read the files (``cli``), ask for passphrases and hand both in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from inspector.credentials import keys, pem, pkcs7
from inspector.credentials.contents import Contents, FoundCertificate, FoundKey, damaged
from inspector.credentials.model import Credential, Origin
from inspector.der.certificate import parse
from inspector.der.names import comparison_key
from inspector.der.reader import SEQUENCE, DerError, Reader
from inspector.errors import CredentialError, InputError

MAX_FILE = 32 * 1024 * 1024
MAX_CHAIN = 20

JKS_MAGIC, JCEKS_MAGIC = b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce"


class IncompleteCredential(CredentialError):
    """The files could be read, and still hold no usable credential. ``contents`` is what they hold."""

    def __init__(self, message: str, contents: Contents, *, kind: str, hint: str = "") -> None:
        super().__init__(message, kind=kind, hint=hint)
        self.contents = contents


class Input(NamedTuple):
    """The bytes of files by name. ``authorities`` are files whose certificates are never sent (a folder's ``ca.crt``).

    ``format`` is the folder's layout where the files come from one.
    """

    files: Sequence[tuple[str, bytes]]
    authorities: Sequence[tuple[str, bytes]] = ()
    format: str | None = None
    modes: tuple[int, ...] = ()  # permission bits of ``files``


def load_credential(
    files: Sequence[tuple[str, bytes]] | Input, passphrase: Callable[[str], bytes | None],
    read_beside: Callable[[str], bytes] | None = None, *, ask_first: bool = True,
) -> Credential:
    """The credential that ``files`` (name, bytes) hold together.

    ``passphrase`` is called with what it is for, and returns None where there is none; with ``ask_first`` False only after a
    container has not opened without one. ``read_beside`` opens the files that a kubeconfig refers to.

    The chain of PEM input keeps the order of the file, with the certificate of the key moved to the front only where it is not
    there; containers without an order get their chain put together, without the root.

    Raises CredentialError; its ``kind`` is one of key-mismatch, no-private-key, no-certificate, wrong-passphrase,
    passphrase-needed, unsupported-encryption, unsupported-key-type, too-expensive, file-damaged, file-unreadable,
    not-a-credential.
    """
    given = files if isinstance(files, Input) else Input(files)
    return assemble(read_contents(given, passphrase, read_beside, ask_first=ask_first))


def load_certificates(name: str, data: bytes) -> tuple[bytes, ...]:
    """The certificates of a CA file (DER): PEM, DER, PKCS#7. Raises InputError where it holds none."""
    data = pem.as_bytes(data)
    try:
        found = _certificates_only(data)
    except DerError as exc:
        raise InputError(f"'{name}' is damaged: {exc}", kind="no-certificate", hint="copy or export it again") from exc
    if not found:
        if pem.unfinished(data):
            raise InputError(f"'{name}' is damaged: a PEM block has no end", kind="no-certificate", hint="copy or export it again")
        hint = "PEM, DER and PKCS#7 are understood"
        if _is_pkcs12(data):
            hint = "it looks like PKCS#12; take its certificates out first"
        raise InputError(f"'{name}' holds no certificate", kind="no-certificate", hint=hint)
    return found


def _certificates_only(data: bytes) -> tuple[bytes, ...]:
    if pem.is_pem(data):
        messages = [block.der for block in pem.blocks(data) if block.label in {"PKCS7", "CMS"} and block.der]
        return pem.certificates(data) + tuple(der for message in messages for der in pkcs7.certificates(message))
    if is_certificate(data):
        return (data,)
    return pkcs7.certificates(data) if pkcs7.is_pkcs7(data) else ()


def is_certificate(der: bytes) -> bool:
    """True where the outermost structure is that of a certificate; its fields may still be broken."""
    try:
        outer = Reader(der)
        inner = outer.enter("certificate")
        tbs = inner.inside(inner.read("tbsCertificate", SEQUENCE))
        inner.read("signatureAlgorithm", SEQUENCE)
        inner.read("signature", 0x03)
        tbs.read("version or serial number", 0xA0, 0x02)
    except DerError:
        return False
    return not outer.more


def read_contents(
    given: Input, passphrase: Callable[[str], bytes | None], read_beside: Callable[[str], bytes] | None = None, *,
    ask_first: bool = True,
) -> Contents:
    """Everything that the files hold. Raises CredentialError where one of them cannot be read."""
    contents = Contents(passphrase, read_beside, ask_first=ask_first)
    for name, data in given.files:
        read_one(name, data, contents)
    for name, data in given.authorities:
        for der in pem.certificates(data):
            contents.add_certificate(FoundCertificate(der, name, ordered=False, authority=True))
    if given.format:
        contents.formats = [given.format]
    contents.modes = given.modes
    return contents


def read_one(name: str, data: bytes, contents: Contents) -> None:
    """Add what one file holds. Raises CredentialError."""
    if len(data) > MAX_FILE:
        raise CredentialError(f"{name} has more than {MAX_FILE} bytes", kind="not-a-credential", hint="no credential is that large")
    contents.files.append(name)
    data = pem.as_bytes(data)
    for format_, looks_like, read in FORMATS:
        if looks_like(data):
            contents.formats.append(format_)
            try:
                read(name, data, contents)
            except DerError as exc:
                raise damaged(name, str(exc)) from exc
            return
    what = "is empty" if not data.strip() else "is not in a format that is understood"
    raise CredentialError(
        f"{name} {what}", kind="not-a-credential",
        hint="PEM, DER, PKCS#12, JKS, JCEKS, a kubeconfig or a Kubernetes TLS secret can be read",
    )


def _read_der(name: str, data: bytes, contents: Contents) -> None:
    """A single DER structure: certificate, key, or PKCS#7."""
    if is_certificate(data):
        contents.add_certificate(FoundCertificate(data, name, ordered=False))
    elif pkcs7.is_pkcs7(data):
        for der in pkcs7.certificates(data):
            contents.add_certificate(FoundCertificate(der, name, ordered=False))
    elif keys.is_pkcs8(data) or keys.is_traditional(data):
        contents.add_key(FoundKey(keys.load_plain(data, name), name))
    elif keys.is_encrypted_pkcs8(data):
        contents.add_key(FoundKey(keys.load_encrypted(data, name, contents), name))
    else:
        _refuse_der(name, data)


def _refuse_der(name: str, data: bytes) -> None:
    try:
        outer = Reader(data)
        outer.read("structure")
    except DerError as exc:
        raise damaged(name, str(exc)) from exc
    if outer.more:
        raise damaged(name, f"{len(data) - outer.at} bytes follow its end")
    raise CredentialError(
        f"{name} is DER, but neither a certificate nor a private key", kind="not-a-credential",
        hint="a public key, a request or a revocation list is no credential",
    )


def _read_keystore(name: str, data: bytes, contents: Contents) -> None:
    from inspector.credentials import jks

    jks.read(name, data, contents)


def _read_kubernetes(name: str, data: bytes, contents: Contents) -> None:
    from inspector.credentials import kubernetes

    contents.formats[-1] = kubernetes.read(name, data, contents)


def _read_pkcs12(name: str, data: bytes, contents: Contents) -> None:
    from inspector.credentials import pkcs12

    pkcs12.read(name, data, contents)


def _is_pkcs12(data: bytes) -> bool:
    from inspector.credentials import pkcs12

    return data[:1] == b"\x30" and pkcs12.is_pkcs12(data)


def _is_kubernetes(data: bytes) -> bool:
    return b"apiVersion" in data and b"kind" in data


# in the order in which they are tried: a kubeconfig may hold PEM text, and everything may start with 0x30
FORMATS: tuple[tuple[str, Callable[[bytes], bool], Callable[[str, bytes, Contents], None]], ...] = (
    ("jks", lambda data: data[:4] == JKS_MAGIC, _read_keystore),
    ("jceks", lambda data: data[:4] == JCEKS_MAGIC, _read_keystore),
    ("kubernetes", _is_kubernetes, _read_kubernetes),
    ("pem", pem.is_pem, pem.read),
    ("pkcs12", _is_pkcs12, _read_pkcs12),
    ("der", lambda data: data[:1] == b"\x30", _read_der),
)


def assemble(contents: Contents) -> Credential:
    """Choose leaf, key and chain. Raises CredentialError where they do not make a credential."""
    names = source_of(contents).replace(" + ", " and ") or "the input"
    if not contents.keys:
        raise _without_key(names, contents)
    if not contents.certificates:
        raise _without_certificate(names, contents)
    pair = _match(contents)
    if pair is None:
        raise _mismatch(names, contents)
    key, leaf = pair
    chain = _ordered_chain(leaf, contents) if leaf.ordered else _built_chain(leaf, contents)
    others = tuple(dict.fromkeys(c.der for c in contents.certificates if c.der not in chain))
    origin = Origin(
        contents.formats[0] if len(set(contents.formats)) == 1 else "+".join(dict.fromkeys(contents.formats)),
        tuple(contents.files), tuple(contents.encryption), key_file_modes(contents), others, tuple(contents.notes),
    )
    return Credential(source_of(contents), chain, key.key, origin)


def certificates_alone(contents: Contents) -> Credential | None:
    """The certificates as a credential without a key, for judging only; None where there are none."""
    candidates = [found for found in contents.certificates if not found.authority] or contents.certificates
    if not candidates:
        return None
    leaf = next((found for found in candidates if not _is_authority(found.der)), candidates[0])
    chain = _ordered_chain(leaf, contents) if leaf.ordered else _built_chain(leaf, contents)
    others = tuple(dict.fromkeys(c.der for c in contents.certificates if c.der not in chain))
    origin = Origin("+".join(dict.fromkeys(contents.formats)), tuple(contents.files), tuple(contents.encryption), others=others)
    return Credential(source_of(contents), chain, None, origin)


def key_file_modes(contents: Contents) -> tuple[int, ...]:
    """The permission bits of each file, 0 for those without a private key."""
    holders = {found.file for found in contents.keys}
    return tuple(mode if file in holders else 0 for file, mode in zip(contents.files, contents.modes, strict=False))


def source_of(contents: Contents) -> str:
    """Where it came from, for people: the file names."""
    return " + ".join(dict.fromkeys(contents.files))


def _match(contents: Contents) -> tuple[FoundKey, FoundCertificate] | None:
    """The first certificate that has its key here; one that is no authority before one that is."""
    ranked = sorted(contents.certificates, key=lambda found: (found.authority, _is_authority(found.der)))
    for found in ranked:
        spki = parse(found.der).spki_der
        for key in contents.keys:
            if spki and keys.key_matches(key.key, spki):
                return key, found
    return None


def _is_authority(der: bytes) -> bool:
    constraints = parse(der).ext.basic_constraints
    return bool(constraints and constraints.ca)


def _ordered_chain(leaf: FoundCertificate, contents: Contents) -> tuple[bytes, ...]:
    """The certificates of PEM files as they stand, the leaf moved to the front where it is not there."""
    listed = [found.der for found in contents.certificates if not found.authority]
    listed.remove(leaf.der)
    return (leaf.der, *listed)


def _built_chain(leaf: FoundCertificate, contents: Contents) -> tuple[bytes, ...]:
    """Leaf and the certificates above it as far as they are here, without a self-signed root."""
    from inspector.credentials.signatures import signed_by

    chain, pool = [leaf.der], [found.der for found in contents.certificates if found.der != leaf.der]
    while len(chain) < MAX_CHAIN:
        child = parse(chain[-1])
        if child.is_self_issued:
            break
        wanted = comparison_key(child.issuer_der)
        named = [der for der in pool if der not in chain and comparison_key(parse(der).subject_der) == wanted]
        if not named:
            break
        # among several with the name, the one that really signed
        named.sort(key=lambda der: signed_by(child.der, der) is not True)
        if parse(named[0]).is_self_issued:
            break
        chain.append(named[0])
    return tuple(chain)


def _holds(contents: Contents) -> str:
    return "hold" if len(contents.files) > 1 else "holds"


def _without_key(names: str, contents: Contents) -> CredentialError:
    if not contents.certificates:
        also = f", but {contents.also[0]}" if contents.also else ""
        return IncompleteCredential(
            f"{names} {_holds(contents)} neither a certificate nor a private key{also}", contents, kind="not-a-credential",
            hint="give the certificate with --cert and its private key with --key",
        )
    return IncompleteCredential(
        f"{names} {_holds(contents)} no private key", contents, kind="no-private-key",
        hint="name the file of the private key with --key; a file of certificates only is for --cacert",
    )


def _without_certificate(names: str, contents: Contents) -> CredentialError:
    also = f" (it holds {contents.also[0]})" if contents.also else ""
    return IncompleteCredential(
        f"{names} {_holds(contents)} a private key, but no certificate{also}", contents, kind="no-certificate",
        hint="name the file of the certificate with --cert",
    )


def _mismatch(names: str, contents: Contents) -> CredentialError:
    subjects = ", ".join(f"'{parse(found.der).title}'" for found in contents.certificates[:3])
    return IncompleteCredential(
        f"the private key does not belong to any certificate in {names} ({subjects})", contents, kind="key-mismatch",
        hint="the certificate may have been renewed with a new key: find the key that its request was made with",
    )
