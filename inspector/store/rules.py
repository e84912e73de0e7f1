"""What is stored, and which of it is for a host: values, and the rule of precedence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from inspector.errors import UsageError
from inspector.store.pattern import Pattern, Ruling

PASSPHRASE_KINDS = ("env", "file", "keyring", "prompt")


class PassphraseSource(NamedTuple):
    """Where a passphrase comes from: ``kind`` of PASSPHRASE_KINDS, ``value`` the variable, the file, or the keyring's user name."""

    kind: str
    value: str = ""

    def __str__(self) -> str:
        named = {"env": f"environment variable {self.value}", "file": f"file {self.value}"}
        return named.get(self.kind, self.kind)


class StoredCredential(NamedTuple):
    """A credential for the hosts that ``pattern`` covers: a certificate and its key, or one file with both."""

    name: str
    pattern: Pattern
    cert: str | None = None
    key: str | None = None
    pfx: str | None = None
    passphrase: PassphraseSource | None = None

    @property
    def paths(self) -> list[str]:
        return [path for path in (self.pfx, self.cert, self.key) if path]


class StoredAuthority(NamedTuple):
    """CA certificates to trust beside the others, for the hosts that ``patterns`` cover (none: for all), while ``on``."""

    name: str
    file: str
    patterns: tuple[Pattern, ...] = ()
    on: bool = True

    def covers(self, host: str, port: int) -> bool:
        return not self.patterns or any(pattern.ruling(host, port).hit for pattern in self.patterns)


class Rule(NamedTuple):
    """One stored credential held against a host, for ``explain``. ``chosen``: it is the one that is sent."""

    credential: StoredCredential
    ruling: Ruling
    chosen: bool


class Store(NamedTuple):
    """All that is kept, in the order of the file. Changing it makes a new one."""

    credentials: tuple[StoredCredential, ...] = ()
    authorities: tuple[StoredAuthority, ...] = ()

    def explain(self, host: str, port: int) -> tuple[Rule, ...]:
        """Every rule, hit or miss and why; the most specific hit is chosen, the first of equals."""
        rulings = [(credential, credential.pattern.ruling(host, port)) for credential in self.credentials]
        hits = [credential for credential, ruling in rulings if ruling.hit]
        chosen = max(hits, key=lambda credential: credential.pattern.specificity, default=None)
        return tuple(Rule(credential, ruling, credential is chosen) for credential, ruling in rulings)

    def choose(self, host: str, port: int) -> StoredCredential | None:
        """The credential for a host, None where no rule hits."""
        return next((rule.credential for rule in self.explain(host, port) if rule.chosen), None)

    def with_credential(self, new: StoredCredential, *, replace: bool = False) -> Store:
        """Raises UsageError where the name is taken. ``replace``: then it takes that place, and raises where there is none."""
        if replace:
            _find(new.name, self.credentials, "credential")
            return self._replace(credentials=tuple(new if old.name == new.name else old for old in self.credentials))
        _refuse_taken(new.name, self.credentials, "credential", "--replace puts this one in its place, --name calls it otherwise")
        return self._replace(credentials=(*self.credentials, new))

    def without_credential(self, name: str) -> Store:
        """Raises UsageError where there is none of that name."""
        _find(name, self.credentials, "credential")
        return self._replace(credentials=tuple(c for c in self.credentials if c.name != name))

    def with_authority(self, new: StoredAuthority) -> Store:
        """Raises UsageError where the name is taken."""
        _refuse_taken(new.name, self.authorities, "CA", "choose another name with --name, or remove that one first")
        return self._replace(authorities=(*self.authorities, new))

    def without_authority(self, name: str) -> Store:
        """Raises UsageError where there is none of that name."""
        _find(name, self.authorities, "CA")
        return self._replace(authorities=tuple(a for a in self.authorities if a.name != name))

    def switched(self, name: str, *, on: bool) -> Store:
        """The same with one CA switched on or off. Raises UsageError where there is none of that name."""
        _find(name, self.authorities, "CA")
        return self._replace(authorities=tuple(a._replace(on=on) if a.name == name else a for a in self.authorities))


def _refuse_taken(name: str, entries: Iterable[Any], what: str, hint: str) -> None:
    if not name or any(not c.isprintable() for c in name):
        raise UsageError(f"{name!r} is no name for a {what}", hint="use a short printable word")
    if any(entry.name == name for entry in entries):
        raise UsageError(f"there is already a {what} named '{name}'", hint=hint)


def _find(name: str, entries: Iterable[Any], what: str) -> None:
    names = [entry.name for entry in entries]
    if name not in names:
        known = ", ".join(f"'{other}'" for other in names) or "none"
        raise UsageError(f"there is no {what} named '{name}'", hint=f"known: {known}")
