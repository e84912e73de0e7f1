"""What ``mtls credentials`` attaches by itself, as the options that would name it: other tools do not look there."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from inspector.cli.credential_source import KEYRING_SERVICE, may_be_used
from inspector.credentials.folders import layout_of
from inspector.store.rules import StoredCredential
from inspector.target import Target

PEM = b"-----BEGIN "
LOOKED_AT = 64 * 1024  # bytes of a file in which its first PEM line is looked for

Options = dict[str, Any]
Given = tuple[tuple[str, Any], ...]
Note = Callable[[str], None]


def with_kept(options: Options, given: Given, target: Target, note: Note) -> tuple[Options, Given]:
    """The options, and their order, with the files of what is kept for the target. ``note`` takes what they cannot say."""
    from inspector.store.file import default_path, load

    if not may_be_used(default_path()):
        return options, given
    store = load(default_path())
    added: dict[str, Any] = {}
    if not (options["cert"] or options["pfx"] or target.unix_path or not target.host):
        entry = store.choose(target.host, target.port)
        added = _credential(entry, options, note) if entry is not None else {}
    authorities = [known.file for known in store.authorities if known.on and known.covers(target.host, target.port)]
    order = (*given, *added.items(), *(("cacert", path) for path in authorities))
    return options | added | {"cacert": (*options["cacert"], *authorities)}, order


def _credential(entry: StoredCredential, options: Options, note: Note) -> dict[str, Any]:
    """Its files, and where its passphrase comes from."""
    note(f"the credential {entry.name} is kept by mtls credentials for this host; its files are named here")
    found: dict[str, Any] = {"pfx": entry.pfx} if entry.pfx else _pair(entry, note)
    source = entry.passphrase
    if options["passphrase_env"] or options["passphrase_file"] or source is None:
        return found
    if source.kind in ("env", "file"):
        found[f"passphrase_{source.kind}"] = source.value
    elif source.kind == "keyring":
        note(f"its passphrase is in the keyring, and asked for here: keyring get {KEYRING_SERVICE} {source.value or entry.name}")
    return found


def _pair(entry: StoredCredential, note: Note) -> dict[str, Any]:
    cert, key = entry.cert, entry.key
    if cert is not None and os.path.isdir(cert):
        try:
            layout = layout_of(set(os.listdir(cert)))
        except OSError:
            layout = None
        if layout is None:
            note(f"not expressed: the credential's folder {cert}")
            return {}
        cert, key = os.path.join(cert, layout.certificate), os.path.join(cert, layout.key)
    note_form(cert, note)
    return {name: path for name, path in (("cert", cert), ("key", key)) if path}


def note_form(path: str | None, note: Note) -> None:
    """Say what is to be done with a credential that is not in PEM, where that can be seen."""
    try:
        if path is None or not os.path.isfile(path):
            return
        with open(path, "rb") as file:
            if PEM in file.read(LOOKED_AT):
                return
    except OSError:
        return
    note(f"{path} is not in PEM, which other tools want: openssl x509, openssl pkcs12 or keytool -importkeystore make it so")
