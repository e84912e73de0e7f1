"""A small PKI for trying things out: an authority, a server, and clients of whom one is good and one has expired.

In memory for the demonstration, in a folder for ``mtls serve --pki``. Keys are written 0600. What the folder holds already is used,
so a server can just as well be given files of one's own.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from inspector.credentials import mint
from inspector.credentials.load import load_certificates, load_credential
from inspector.credentials.mint import DAY, Minted
from inspector.credentials.model import Credential
from inspector.errors import InputError

ORGANIZATION = "mtls demo"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
AUTHORITY, SERVER, CLIENT, EXPIRED = "ca", "server", "client", "expired"
NAMES = (AUTHORITY, SERVER, CLIENT, EXPIRED)


class Pki(NamedTuple):
    """``anchors`` is what the server trusts, and what a client is told to trust: DER. ``directory`` is None in memory."""

    anchors: tuple[bytes, ...]
    server: Credential
    clients: dict[str, Credential]  # "client", "expired"; those of them that exist
    directory: Path | None = None


def make(now: float, host_names: Sequence[str] = LOOPBACK) -> dict[str, Minted]:
    """Everything anew, by its file's name: "ca", "server" (for these names), "client" (alice), "expired" (bob, since yesterday)."""
    root = mint.authority("Demo CA", organization=ORGANIZATION, now=now)
    return {
        AUTHORITY: root,
        SERVER: mint.server_leaf(host_names, root, organization=ORGANIZATION, now=now),
        CLIENT: mint.leaf("alice", root, organization=ORGANIZATION, now=now, names=("email:alice@demo.example",)),
        EXPIRED: mint.leaf("bob", root, organization=ORGANIZATION, not_before=now - 365 * DAY, not_after=now - DAY),
    }


def in_memory(made: dict[str, Minted]) -> Pki:
    """The PKI without files."""
    clients = {name: made[name].credential(f"{name}.pem") for name in (CLIENT, EXPIRED)}
    return Pki((made[AUTHORITY].cert,), made[SERVER].credential("server.pem"), clients)


def write(directory: Path, made: dict[str, Minted]) -> None:
    """Write NAME.pem and NAME.key for each; the folder is 0700 where it is made here, keys are 0600.

    Raises InputError where that cannot be done, or where one of the files exists.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, minted in made.items():
            certificates = mint.certificates_pem((minted.cert,)) if name == AUTHORITY else minted.pem()
            _create(directory / f"{name}.pem", certificates, 0o644)
            _create(directory / f"{name}.key", minted.key_pem(), 0o600)
    except OSError as exc:
        raise InputError(f"{exc.filename or directory} cannot be written: {exc.strerror}", hint="choose another folder") from exc


def _create(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def read(directory: Path) -> Pki:
    """The PKI in a folder: ca.pem, server.pem, server.key; clients where they exist. Raises InputError or CredentialError."""
    anchors = load_certificates(str(directory / "ca.pem"), _bytes(directory / "ca.pem"))
    clients = {
        name: _credential(directory, name)
        for name in (CLIENT, EXPIRED)
        if (directory / f"{name}.pem").exists() and (directory / f"{name}.key").exists()
    }
    return Pki(anchors, _credential(directory, SERVER), clients, directory)


def open_or_make(directory: Path, now: float, host_names: Sequence[str] = LOOPBACK) -> tuple[Pki, bool]:
    """The PKI in ``directory``, made there first where the folder is empty or missing; True where it was made.

    Raises InputError where the folder holds something else.
    """
    try:
        found = {path.name for path in directory.iterdir()} if directory.exists() else set()
    except OSError as exc:
        raise InputError(f"{directory} cannot be read: {exc.strerror}", hint="name a folder") from exc
    if not found:
        write(directory, make(now, host_names))
        return read(directory), True
    missing = [name for name in ("ca.pem", "server.pem", "server.key") if name not in found]
    if missing:
        raise InputError(
            f"{directory} is not empty and lacks {', '.join(missing)}",
            hint="name an empty folder, or one with ca.pem, server.pem and server.key",
        )
    return read(directory), False


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        hint = "check the folder's permissions"
        raise InputError(f"{path} cannot be read: {exc.strerror}", hint=hint, kind="file-unreadable") from exc


def _credential(directory: Path, name: str) -> Credential:
    files = [(str(directory / part), _bytes(directory / part)) for part in (f"{name}.pem", f"{name}.key")]
    return load_credential(files, lambda _label: None)
