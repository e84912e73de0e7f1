"""The store's file: TOML in the platform's config folder, readable by its owner only.

It says where credentials are and where a passphrase comes from; it never holds a key or a passphrase. It is refused when others may
read or write it: whoever can write it decides which certificate is shown to whom.
"""

from __future__ import annotations

import os
import stat
from typing import Any

from inspector.errors import InputError, UsageError
from inspector.store.pattern import parse_pattern
from inspector.store.rules import PASSPHRASE_KINDS, PassphraseSource, Store, StoredAuthority, StoredCredential

FILE_NAME = "credentials.toml"
VERSION = 1
_CREDENTIAL_KEYS = {"name", "host", "cert", "key", "pfx", "passphrase"}
_AUTHORITY_KEYS = {"name", "file", "hosts", "on"}


def default_path() -> str:
    """Where the store is: the platform's config folder (on Linux under XDG_CONFIG_HOME, or ~/.config)."""
    import platformdirs

    return os.path.join(platformdirs.user_config_dir("mtls-inspector", appauthor=False), FILE_NAME)


def load(path: str) -> Store:
    """The store in a file, an empty one where there is no such file. Raises InputError where it cannot be used."""
    try:
        with open(path, "rb") as file:
            _check_permissions(path, os.fstat(file.fileno()).st_mode)
            return from_toml(file.read(), path)
    except FileNotFoundError:
        return Store()
    except OSError as exc:
        raise InputError(
            f"cannot read the credential store '{path}': {exc.strerror or 'input/output error'}", kind="file-unreadable",
            hint="check the permissions of the file and its folder",
        ) from exc


def _check_permissions(path: str, mode: int) -> None:
    if os.name == "posix" and mode & 0o077:
        raise InputError(
            f"others may use the credential store '{path}' (mode {stat.S_IMODE(mode):04o})", kind="store-permissions",
            hint=f"make it yours alone: chmod 600 '{path}'",
        )


def save(path: str, store: Store) -> None:
    """Write the store, readable by its owner only, at once or not at all. Raises InputError where that cannot be done."""
    try:
        data = to_toml(store)
    except UnicodeEncodeError as exc:
        odd = exc.object[exc.start:exc.end]
        raise InputError(
            f"the credential store '{path}' is UTF-8, and cannot hold '{odd}' of a name", kind="file-unwritable",
            hint="give the file a name in UTF-8",
        ) from exc
    temporary = f"{path}.{os.getpid()}.new"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as exc:
        raise InputError(
            f"cannot write the credential store '{path}': {exc.strerror or 'input/output error'}", kind="file-unwritable",
            hint="check the permissions of its folder",
        ) from exc


def to_toml(store: Store) -> bytes:
    """The store as it stands in its file."""
    import tomli_w

    credentials = []
    for entry in store.credentials:
        row: dict[str, Any] = {"name": entry.name, "host": str(entry.pattern)}
        row |= {key: value for key, value in (("cert", entry.cert), ("key", entry.key), ("pfx", entry.pfx)) if value}
        if entry.passphrase:
            row["passphrase"] = {entry.passphrase.kind: entry.passphrase.value or True}
        credentials.append(row)
    authorities: list[dict[str, Any]] = [
        {"name": ca.name, "file": ca.file, "on": ca.on} | ({"hosts": list(map(str, ca.patterns))} if ca.patterns else {})
        for ca in store.authorities
    ]
    return tomli_w.dumps({"version": VERSION, "credential": credentials, "authority": authorities}).encode()


def from_toml(data: bytes, path: str) -> Store:
    """The store in the text of its file. Raises InputError that says what is wrong and where."""
    import tomllib

    try:
        document = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise _broken(path, f"it is no TOML ({exc})") from exc
    if document.get("version") != VERSION:
        raise _broken(path, f"its version is {document.get('version')!r}, this tool knows {VERSION}")
    for key in document:
        if key not in {"version", "credential", "authority"}:
            raise _broken(path, f"it has an unknown key '{key}'")
    store = Store()
    try:
        for row in _rows(path, document, "credential"):
            store = store.with_credential(_credential(path, row))
        for row in _rows(path, document, "authority"):
            store = store.with_authority(_authority(path, row))
    except UsageError as exc:
        raise _broken(path, exc.message) from exc
    return store


def _broken(path: str, why: str) -> InputError:
    return InputError(
        f"the credential store '{path}' cannot be used: {why}", kind="store-broken", hint="correct the file, or move it away",
    )


def _rows(path: str, document: dict[str, Any], section: str) -> list[dict[str, Any]]:
    rows = document.get(section, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _broken(path, f"'{section}' is no list of tables: write [[{section}]]")
    return rows


def _text(path: str, row: dict[str, Any], key: str, *, needed: bool = False) -> str | None:
    value = row.get(key)
    if value is None and not needed:
        return None
    if not isinstance(value, str) or not value:
        raise _broken(path, f"'{key}' is missing or no text in the entry {row.get('name', '')!r}")
    return value


def _known(path: str, row: dict[str, Any], keys: set[str]) -> None:
    for key in row:
        if key not in keys:
            raise _broken(path, f"the entry {row.get('name', '')!r} has an unknown key '{key}'")


def _credential(path: str, row: dict[str, Any]) -> StoredCredential:
    _known(path, row, _CREDENTIAL_KEYS)
    cert, pfx = _text(path, row, "cert"), _text(path, row, "pfx")
    if bool(cert) == bool(pfx):
        raise _broken(path, f"the entry {row.get('name', '')!r} needs either 'cert' or 'pfx'")
    return StoredCredential(
        _text(path, row, "name", needed=True) or "", parse_pattern(_text(path, row, "host", needed=True) or ""), cert,
        _text(path, row, "key"), pfx, _passphrase(path, row),
    )


def _passphrase(path: str, row: dict[str, Any]) -> PassphraseSource | None:
    given = row.get("passphrase")
    if given is None:
        return None
    if not isinstance(given, dict) or len(given) != 1:
        raise _broken(
            path, f"'passphrase' of the entry {row.get('name', '')!r} must say where it comes from, as {{ env = \"NAME\" }}: "
            "a passphrase itself is never written here",
        )
    kind, value = next(iter(given.items()))
    if kind not in PASSPHRASE_KINDS or not isinstance(value, str | bool):
        raise _broken(path, f"'passphrase' of the entry {row.get('name', '')!r} is one of {', '.join(PASSPHRASE_KINDS)}")
    return PassphraseSource(kind, value if isinstance(value, str) else "")


def _authority(path: str, row: dict[str, Any]) -> StoredAuthority:
    _known(path, row, _AUTHORITY_KEYS)
    hosts, on = row.get("hosts", []), row.get("on", True)
    if not isinstance(hosts, list) or not all(isinstance(host, str) for host in hosts) or not isinstance(on, bool):
        raise _broken(path, f"'hosts' is a list of patterns and 'on' true or false in the entry {row.get('name', '')!r}")
    name, file = _text(path, row, "name", needed=True) or "", _text(path, row, "file", needed=True) or ""
    return StoredAuthority(name, file, tuple(map(parse_pattern, hosts)), on)
