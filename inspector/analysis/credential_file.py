"""Rules about the files that a credential came from."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.analysis.credential_case import Case, Found, found
from inspector.analysis.findings import Severity

# parts of the names of algorithms that protect files badly, and why
WEAK_PROTECTION = (
    ("40BitRC2", "RC2 with 40 bits; OpenSSL 3 opens it only with its legacy provider"),
    ("40BitRC4", "RC4 with 40 bits"),
    ("RC2", "RC2"),
    ("RC4", "RC4"),
    ("TripleDES", "triple DES"),
    ("EDE3", "triple DES"),
    ("DES", "DES"),
    ("MD5", "MD5"),
    ("MAC HMAC-SHA1", "SHA-1 for the key of its checksum"),
    ("JKS", "Java's own scheme, a single SHA-1 of the passphrase"),
    ("PEM ", "a key derived from the passphrase with one round of MD5"),
)


def permissions(case: Case) -> Iterator[Found]:
    """Only its owner may read a private key. ``origin.modes`` are those bits by which others really reach the file."""
    for file, mode in zip(case.origin.files, case.origin.modes, strict=False):
        if mode & 0o077:
            who = "everybody" if mode & 0o007 else "its group"
            severity: Severity = "info" if case.origin.encryption else "low"
            says = f"{file}: {who} (mode {mode:04o})"
            yield found("file-permissions", severity, "others may read the file of the private key", says)


def protection(case: Case) -> Iterator[Found]:
    """The file is protected by algorithms of today."""
    weak = []
    for name in case.origin.encryption:
        why = next((text for part, text in WEAK_PROTECTION if part in name), None)
        if why:
            weak.append(f"{name}: {why}")
    if weak:
        yield found("weak-file-encryption", "low", "the file is protected by algorithms of long ago", *weak)
