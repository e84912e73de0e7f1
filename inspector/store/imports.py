"""Client certificates from other programs' files: Postman, Insomnia, Bruno, kubeconfig. Passphrases in them are never taken over.

Each reader takes the parsed file and yields what it found; ``docs/credentials.md`` cites where the formats are described.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from inspector.credentials import yaml_text
from inspector.errors import InputError, UsageError
from inspector.store.pattern import Pattern, parse_pattern
from inspector.store.rules import PassphraseSource, Store, StoredCredential

MAX_FILE = 64 * 1024 * 1024


class Imported(NamedTuple):
    """One client certificate of the file. ``had_passphrase``: it stood there in the clear, and was left there."""

    host: str
    cert: str | None
    key: str | None
    pfx: str | None
    name: str = ""
    had_passphrase: bool = False


class Outcome(NamedTuple):
    """What an import came to: the new store, the names added, and what was left out and why."""

    store: Store
    added: tuple[str, ...]
    notes: tuple[str, ...]


def import_file(store: Store, path: str, data: bytes, format_: str | None = None) -> Outcome:
    """Add the client certificates of an exported file to the store. Relative paths are taken from the file's folder.

    Raises InputError where the file is none of the formats, or holds no client certificate.
    """
    document = _parse(path, data)
    kind = format_ or next((name for name, (fits, _) in FORMATS.items() if fits(document)), None)
    if kind is None:
        raise InputError(
            f"'{path}' is no export that is known here", kind="unknown-format",
            hint=f"known are {', '.join(FORMATS)}; name the one it is with --format",
        )
    try:
        found = list(FORMATS[kind][1](document, path))
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise InputError(f"'{path}' is not what {kind} exports", kind="unknown-format", hint="export it again") from exc
    if not found:
        raise InputError(f"'{path}' holds no client certificate", kind="no-certificate", hint=EMPTY_HINTS.get(kind, ""))
    return _add_all(store, found, os.path.dirname(os.path.abspath(path)), kind)


def _parse(path: str, data: bytes) -> Any:
    """JSON, JSON lines (Insomnia's data files), or YAML (kubeconfig)."""
    if len(data) > MAX_FILE:
        raise InputError(f"'{path}' is {len(data)} bytes long", kind="unknown-format")
    text = data.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        return [json.loads(line) for line in lines]
    except (ValueError, RecursionError):
        pass
    try:
        found = yaml_text.documents(text)
    except ValueError as exc:
        raise InputError(f"'{path}' is neither JSON nor YAML ({exc})", kind="unknown-format", hint="export it again") from exc
    return found[0] if found else None


def _source(value: Any) -> str | None:
    return str(value["src"]) if isinstance(value, dict) and value.get("src") else None


def _postman(document: Any, path: str) -> Iterator[Imported]:
    """A certificate list, as ``newman --ssl-client-cert-list`` and Postman's CLI take it."""
    del path
    rows = document.get("certificates", []) if isinstance(document, dict) else document
    for row in rows:
        for match in row.get("matches") or ():
            yield Imported(
                match, _source(row.get("cert")), _source(row.get("key")), _source(row.get("pfx")), str(row.get("name") or ""),
                bool(row.get("passphrase")),
            )


def _insomnia_rows(document: Any) -> list[dict[str, Any]]:
    rows = document.get("resources", [document]) if isinstance(document, dict) else document
    return [
        row for row in rows
        if isinstance(row, dict) and (row.get("type") == "ClientCertificate" or row.get("_type") == "client_certificate")
    ]


def _insomnia(document: Any, path: str) -> Iterator[Imported]:
    """Insomnia's ClientCertificate objects; the last of one id counts, as in its data files."""
    del path
    latest = {row.get("_id", index): row for index, row in enumerate(_insomnia_rows(document))}
    for row in latest.values():
        if not row.get("disabled") and not row.get("$$deleted"):
            yield Imported(
                row["host"], row.get("cert"), row.get("key"), row.get("pfx"), had_passphrase=bool(row.get("passphrase")),
            )


def _bruno(document: Any, path: str) -> Iterator[Imported]:
    """``clientCertificates`` of a collection's bruno.json."""
    del path
    for row in document["clientCertificates"].get("certs") or ():
        yield Imported(
            row["domain"], row.get("certFilePath"), row.get("keyFilePath"), row.get("pfxFilePath"),
            had_passphrase=bool(row.get("passphrase")),
        )


def _kubeconfig(document: Any, path: str) -> Iterator[Imported]:
    """The current context: its cluster's server, and the kubeconfig itself as the credential."""
    context = next(row["context"] for row in document["contexts"] if row["name"] == document["current-context"])
    cluster = next(row["cluster"] for row in document["clusters"] if row["name"] == context["cluster"])
    user = next(row["user"] for row in document["users"] if row["name"] == context["user"])
    if user.get("client-certificate") or user.get("client-certificate-data"):
        yield Imported(cluster["server"], os.path.abspath(path), None, None, str(document["current-context"]))


def _is_postman(document: Any) -> bool:
    rows = document.get("certificates") if isinstance(document, dict) else document
    return isinstance(rows, list) and any(isinstance(row, dict) and "matches" in row for row in rows)


def _is_insomnia(document: Any) -> bool:
    version5 = isinstance(document, dict) and str(document.get("type", "")).endswith("insomnia.rest/5.0")
    if version5 or (isinstance(document, dict) and "__export_format" in document):
        return True
    return isinstance(document, dict | list) and bool(_insomnia_rows(document))


# format -> (does the parsed file look like it, reader)
FORMATS: dict[str, tuple[Callable[[Any], bool], Callable[[Any, str], Iterator[Imported]]]] = {
    "kubeconfig": (lambda document: isinstance(document, dict) and document.get("kind") == "Config", _kubeconfig),
    "bruno": (lambda document: isinstance(document, dict) and "clientCertificates" in document, _bruno),
    "insomnia": (_is_insomnia, _insomnia),
    "postman": (_is_postman, _postman),
}
EMPTY_HINTS = {
    "insomnia": "Insomnia's exports leave client certificates out: import its data file insomnia.ClientCertificate.db",
    "kubeconfig": "the user of its current context has no client certificate",
}


def _add_all(store: Store, found: list[Imported], folder: str, kind: str) -> Outcome:
    added: list[str] = []
    notes: list[str] = []
    for one in found:
        try:
            pattern = _pattern(one.host)
        except UsageError as exc:
            notes.append(f"left out: {exc.message}")
            continue
        paths = [os.path.abspath(os.path.join(folder, item)) if item else None for item in (one.cert, one.key, one.pfx)]
        if not paths[0] and not paths[2]:
            notes.append(f"left out: {pattern} names no certificate file")
            continue
        cert, key, pfx = (None, None, paths[2]) if paths[2] else (paths[0], paths[1], None)
        kept = next((c for c in store.credentials if (c.pattern, c.cert, c.key, c.pfx) == (pattern, cert, key, pfx)), None)
        if kept is not None:
            notes.append(f"{kept.name}: is kept already")
            continue
        name = _free_name(store, one.name or f"{kind}-{pattern.host.removeprefix('*.')}")
        passphrase = PassphraseSource("prompt") if one.had_passphrase else None
        store = store.with_credential(StoredCredential(name, pattern, cert, key, pfx, passphrase))
        added.append(name)
        if one.had_passphrase:
            notes.append(f"{name}: its passphrase was not taken over; it will be asked for")
    return Outcome(store, tuple(added), tuple(notes))


def _pattern(host: str) -> Pattern:
    """A URL pattern or host of another program. A ``*`` for the whole of a port means any port."""
    return parse_pattern(host.removesuffix("/*"))


def _free_name(store: Store, wanted: str) -> str:
    taken = {credential.name for credential in store.credentials}
    clean = "".join(c if c.isprintable() else "_" for c in wanted).strip() or "imported"
    name, number = clean, 2
    while name in taken:
        name, number = f"{clean}-{number}", number + 1
    return name
