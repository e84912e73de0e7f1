"""Where a command's client credential comes from: its options, else what is stored for the host. Files are opened here.

A passphrase comes from an environment variable, the first line of a file, a keyring (stored credentials only) or a prompt on the
terminal; never from the command line, and never from a pipe that somebody else fills.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from inspector.errors import CredentialError, UsageError

if TYPE_CHECKING:
    from types import ModuleType

    from inspector.credentials.contents import Contents
    from inspector.credentials.load import Input
    from inspector.credentials.model import Credential
    from inspector.store.rules import StoredCredential
    from inspector.target import Target

KEYRING_SERVICE = "mtls-inspector"
MAX_PASSPHRASE_FILE = 64 * 1024


class Passphrase(NamedTuple):
    """``ask`` answers with the passphrase for a label, None where there is none. ``given``: it costs nobody's time to ask."""

    ask: Callable[[str], bytes | None]
    given: bool


def credential_from_options(
    target: Target | None, cert: str | None, key: str | None, pfx: str | None,
    passphrase_env: str | None = None, passphrase_file: str | None = None,
) -> Credential | None:
    """The credential that the options name, else the one stored for ``target``, else None.

    Raises UsageError where the options do not fit together, CredentialError where the files hold no usable credential.
    """
    for option, value in (("--cert", cert), ("--key", key), ("--pfx", pfx), ("--passphrase-file", passphrase_file)):
        if value == "":
            raise UsageError(f"the value of {option} is empty", hint="is it made of a variable that is not set?")
    if pfx and (cert or key):
        raise UsageError("--pfx and --cert/--key name two credentials", hint="give one or the other")
    if key and not cert:
        raise UsageError("--key without --cert", hint="name the file of the certificate with --cert")
    passphrase = passphrase_from(passphrase_env, passphrase_file)
    paths = [path for path in (pfx, cert, key) if path]
    if paths:
        return load_paths(paths, passphrase)
    return _stored(target, passphrase if passphrase.given else None) if target is not None else None


def load_paths(paths: list[str], passphrase: Passphrase) -> Credential:
    """The credential in these files, or in one folder. Raises CredentialError."""
    from inspector.credentials.load import assemble

    return assemble(contents_of(paths, passphrase))


def contents_of(paths: list[str], passphrase: Passphrase) -> Contents:
    """Everything that the files, or one folder, hold. Raises CredentialError."""
    from inspector.credentials.load import read_contents

    beside = os.path.dirname(os.path.normpath(paths[0]))
    return read_contents(
        read_input(paths), passphrase.ask, lambda path: read_file(os.path.join(beside, path)), ask_first=passphrase.given,
    )


def read_input(paths: list[str]) -> Input:
    """The bytes of the files; of a folder, those that its layout names. Raises CredentialError."""
    from inspector.credentials.load import Input

    files: list[str] = []
    authorities: list[str] = []
    format_: str | None = None
    for path in paths:
        if os.path.isdir(path):
            found, others, format_ = _folder(path)
            files += found
            authorities += others
        else:
            files.append(path)
    files = list(dict.fromkeys(files))
    contents = [(path, read_file(path)) for path in files]
    return Input(contents, [(path, read_file(path)) for path in authorities], format_, tuple(map(_mode, files)))


def _folder(path: str) -> tuple[list[str], list[str], str]:
    from inspector.credentials.folders import layout_of

    try:
        names = set(os.listdir(path))
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    layout = layout_of(names)
    if layout is None:
        raise CredentialError(
            f"the folder '{path}' holds no pair of certificate and key whose names are known here", kind="not-a-credential",
            hint="for instance tls.crt and tls.key, svid.pem and svid_key.pem; else name the files with --cert and --key",
        )
    beside = [os.path.join(path, name) for name in layout.authorities if name in names]
    return [os.path.join(path, layout.certificate), os.path.join(path, layout.key)], beside, layout.format


def _mode(path: str) -> int:
    """The permission bits of a file, without those that a folder above it keeps others from using."""
    try:
        whole = os.path.realpath(path)
        mode = stat.S_IMODE(os.stat(whole).st_mode)
        while (above := os.path.dirname(whole)) != whole:
            whole = above
            bits = os.stat(whole).st_mode
            mode &= ~(0o070 if not bits & 0o010 else 0) & ~(0o007 if not bits & 0o001 else 0)
    except OSError:
        return 0
    return mode


def read_file(path: str) -> bytes:
    """The bytes of a credential's file, at most one more than the largest allowed. Raises CredentialError."""
    from inspector.credentials.load import MAX_FILE

    try:
        with open(path, "rb") as file:
            return file.read(MAX_FILE + 1)
    except OSError as exc:
        raise _unreadable(path, exc) from exc


def _unreadable(path: str, exc: OSError) -> CredentialError:
    return CredentialError(
        f"cannot read '{path}': {exc.strerror or 'input/output error'}", kind="file-unreadable",
        hint="check the path and the permissions of the file",
    )


def passphrase_from(env: str | None = None, file: str | None = None) -> Passphrase:
    """The passphrase that the options name, else a prompt on the terminal, else none. Raises UsageError or CredentialError."""
    if env and file:
        raise UsageError("--passphrase-env and --passphrase-file are two sources", hint="give one or the other")
    if env:
        value = os.environ.get(env)
        if value is None:
            raise CredentialError(
                f"the environment variable {env} is not set", kind="passphrase-needed", hint=f"export {env} before the call",
            )
        return _known(os.fsencode(value))
    if file:
        return _known(_first_line(file))
    return Passphrase(prompt, given=False)


def _known(value: bytes) -> Passphrase:
    return Passphrase(lambda _label: value, given=True)


def _first_line(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.readline(MAX_PASSPHRASE_FILE).rstrip(b"\r\n")
    except OSError as exc:
        raise _unreadable(path, exc) from exc


def prompt(label: str) -> bytes | None:
    """Ask on the terminal; None where there is none to ask on."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    import getpass

    from inspector.report.escape import terminal

    return getpass.getpass(f"Passphrase for {terminal(label)}: ", stream=sys.stderr).encode()


def _stored(target: Target, passphrase: Passphrase | None) -> Credential | None:
    """What is stored for this host, None where nothing is. Raises CredentialError or InputError that names the entry."""
    from inspector.store.file import default_path, load

    if target.unix_path is not None or not target.host:
        return None
    path = default_path()
    if not may_be_used(path):
        return None
    entry = load(path).choose(target.host, target.port)
    if entry is None:
        return None
    try:
        credential = load_paths(entry.paths, passphrase or passphrase_of(entry))
        return credential._replace(origin=credential.origin._replace(kept_as=entry.name))
    except CredentialError as exc:
        exc.message = f"the stored credential '{entry.name}': {exc.message}"
        exc.args = (exc.message,)
        raise


def may_be_used(path: str, *, say: bool = False) -> bool:
    """Whether there is a store. Where a folder above it is closed to us that cannot be known, which is said where wanted."""
    try:
        os.stat(path)
    except PermissionError as exc:
        if say:
            from inspector.cli import run

            run.say(f"note: the credential store '{path}' is out of reach ({exc.strerror}): nothing is attached from it")
        return False
    except OSError:
        return False
    return True


def passphrase_of(entry: StoredCredential) -> Passphrase:
    """The passphrase of a stored credential, from where its entry says. Raises CredentialError."""
    source = entry.passphrase
    if source is None or source.kind == "prompt":
        return Passphrase(prompt, given=False)
    if source.kind == "keyring":
        return _known(_from_keyring(source.value or entry.name))
    return passphrase_from(source.value if source.kind == "env" else None, source.value if source.kind == "file" else None)


def keyring() -> ModuleType:
    """The keyring library. Raises UsageError where it is not installed."""
    try:
        import keyring
    except ImportError as exc:
        raise UsageError("the keyring library is not installed", hint="pip install 'mtls-inspector[keyring]'") from exc
    return keyring


def _from_keyring(user: str) -> bytes:
    library = keyring()
    try:
        value = library.get_password(KEYRING_SERVICE, user)
    except library.errors.KeyringError as exc:
        raise CredentialError("the keyring cannot be read", kind="passphrase-needed", hint="unlock it and try again") from exc
    if value is None:
        raise CredentialError(
            f"the keyring holds no passphrase for '{user}'", kind="passphrase-needed",
            hint=f"store it with: keyring set {KEYRING_SERVICE} '{user}'",
        )
    return str(value).encode()


def stored_authorities(target: Target) -> tuple[tuple[str, bytes], ...]:
    """The CA certificates that are stored and switched on for this host: (name, DER). Raises InputError."""
    from inspector.store.file import default_path, load

    path = default_path()
    if target.unix_path is not None or not may_be_used(path, say=True):
        return ()
    found: list[tuple[str, bytes]] = []
    for authority in load(path).authorities:
        if authority.on and authority.covers(target.host, target.port):
            found += [(authority.name, der) for der in read_authorities(authority.file)]
    return tuple(found)


def read_authorities(path: str) -> tuple[bytes, ...]:
    """The certificates of a stored CA's file, DER. Raises InputError."""
    from inspector.session.trust import read_authorities as read

    return read(path)


def note_files_without_authority(paths: Iterable[str]) -> None:
    """Say on stderr which of these CA files hold no CA: that is legal, and rarely meant. Raises InputError."""
    from inspector.cli.run import say
    from inspector.report.escape import terminal
    from inspector.session.trust import without_authority

    for path in paths:
        subject = without_authority(read_authorities(path))
        if subject is not None:
            say(terminal(f"note: '{path}' holds no CA certificate: {subject} vouches for itself and for nobody else"))
