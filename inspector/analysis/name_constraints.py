"""Name constraints of CAs held against the names below them (RFC 5280, Sections 4.2.1.10 and 6.1.4)."""

from __future__ import annotations

from collections.abc import Callable

from inspector.der.certificate import Certificate
from inspector.der.extensions import GeneralName
from inspector.der.names import comparison_key, read_name
from inspector.der.reader import DerError

EMAIL_ATTRIBUTE = "1.2.840.113549.1.9.1"


def violations(authority: Certificate, below: Certificate) -> tuple[str, ...]:
    """Which names of ``below`` the constraints of ``authority`` do not allow, in words; empty where all is well."""
    constraints = authority.ext.name_constraints
    if constraints is None:
        return ()
    found: list[str] = []
    for name in _names(below):
        excluded = [tree for tree in constraints.excluded if tree.kind == name.kind and _within(name, tree)]
        if excluded:
            found.append(f"{name} lies within the excluded {excluded[0]}")
        permitted = [tree for tree in constraints.permitted if tree.kind == name.kind]
        if permitted and not any(_within(name, tree) for tree in permitted):
            allowed = ", ".join(map(str, permitted))
            found.append(f"{name} lies outside the permitted {allowed}")
    return tuple(found)


def _names(certificate: Certificate) -> list[GeneralName]:
    """The subject alternative names, the subject itself, and its e-mail addresses where no alternative name has one."""
    names = list(certificate.ext.subject_alt_names)
    if certificate.subject:
        names.append(GeneralName("dirName", certificate.subject, certificate.subject_der))
    if not any(name.kind == "email" for name in names):
        names += [GeneralName("email", address, address.encode()) for address in _subject_addresses(certificate.subject_der)]
    return names


def _subject_addresses(subject: bytes) -> list[str]:
    try:
        return [item.text for rdn in read_name(subject) for item in rdn if item.oid == EMAIL_ATTRIBUTE and item.text]
    except DerError:
        return []


def _dns(name: str, tree: str) -> bool:
    name, tree = name.lower().rstrip("."), tree.lower().rstrip(".")
    if tree.startswith("."):  # not RFC 5280, but common: subdomains only
        return name.endswith(tree)
    return not tree or name == tree or name.endswith("." + tree)


def _host(host: str, tree: str) -> bool:
    """For e-mail and URI a plain host means that host, a leading dot its subdomains."""
    return host.lower().endswith(tree.lower()) if tree.startswith(".") else host.lower() == tree.lower()


def _email(name: str, tree: str) -> bool:
    if "@" in tree:
        local, _, host = name.rpartition("@")
        wanted, _, wanted_host = tree.rpartition("@")
        return local == wanted and host.lower() == wanted_host.lower()
    return not tree or _host(name.rpartition("@")[2], tree)


def _uri(name: str, tree: str) -> bool:
    authority = name.partition("://")[2].partition("/")[0].rpartition("@")[2]
    host = authority.partition("]")[0] + "]" if authority.startswith("[") else authority.partition(":")[0]
    return not tree or _host(host, tree)


def _ip(name: bytes, tree: bytes) -> bool:
    if len(tree) != 2 * len(name):
        return False
    network, mask = tree[: len(name)], tree[len(name) :]
    return all(a & m == b & m for a, b, m in zip(name, network, mask, strict=True))


def _directory(name: bytes, tree: bytes) -> bool:
    """Whether the name begins with all relative names of the tree."""
    try:
        below, above = read_name(name), read_name(tree)
    except DerError:
        return comparison_key(name) == comparison_key(tree)

    def key(rdn: object) -> list[tuple[str, str | bytes]]:
        return sorted((a.oid, a.text.casefold() if a.text is not None else a.value.hex()) for a in rdn)  # type: ignore[attr-defined]

    return len(above) <= len(below) and all(key(a) == key(b) for a, b in zip(above, below, strict=False))


_BY_TEXT: dict[str, Callable[[str, str], bool]] = {"DNS": _dns, "email": _email, "URI": _uri}
_BY_BYTES: dict[str, Callable[[bytes, bytes], bool]] = {"IP": _ip, "dirName": _directory}


def _within(name: GeneralName, tree: GeneralName) -> bool:
    if name.kind in _BY_TEXT:
        return _BY_TEXT[name.kind](name.value, tree.value)
    if name.kind in _BY_BYTES:
        return _BY_BYTES[name.kind](name.raw, tree.raw)
    return name.raw == tree.raw
