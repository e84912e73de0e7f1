"""Name constraints, kind by kind (RFC 5280, Section 4.2.1.10)."""

from __future__ import annotations

import pytest

from inspector.analysis.name_constraints import violations
from inspector.credentials import mint
from inspector.der.certificate import parse


def outcome(
    names: tuple[str, ...], permitted: tuple[str, ...] = (), excluded: tuple[str, ...] = (), subject: bytes | None = None,
) -> int:
    authority = mint.authority("CA", permitted=permitted, excluded=excluded)
    return len(violations(parse(authority.cert), parse(mint.leaf("alice", authority, names=names, subject=subject).cert)))


@pytest.mark.parametrize(("name", "permitted", "inside"), [
    ("DNS:a.corp.example", "DNS:corp.example", True),
    ("DNS:corp.example", "DNS:corp.example", True),
    ("DNS:A.CORP.example", "DNS:corp.example", True),
    ("DNS:acorp.example", "DNS:corp.example", False),
    ("DNS:a.corp.example", "DNS:.corp.example", True),
    ("DNS:corp.example", "DNS:.corp.example", False),
    ("email:bob@corp.example", "email:corp.example", True),
    ("email:bob@mail.corp.example", "email:corp.example", False),
    ("email:bob@mail.corp.example", "email:.corp.example", True),
    ("email:bob@corp.example", "email:bob@corp.example", True),
    ("email:eve@corp.example", "email:bob@corp.example", False),
    ("URI:spiffe://corp.example/bob", "URI:corp.example", True),
    ("URI:https://u@a.corp.example:8443/x", "URI:.corp.example", True),
    ("URI:spiffe://evil.example/corp.example", "URI:corp.example", False),
    ("IP:10.1.2.3", "IP:10.0.0.0/8", True),
    ("IP:11.1.2.3", "IP:10.0.0.0/8", False),
    ("IP:2001:db8::1", "IP:2001:db8::/32", True),
    ("IP:2001:db9::1", "IP:2001:db8::/32", False),
    ("DNS:other.example", "IP:10.0.0.0/8", True),
])
def test_permitted_tree(name: str, permitted: str, inside: bool) -> None:
    assert outcome((name,), permitted=(permitted,)) == int(not inside)
    if name.partition(":")[0] == permitted.partition(":")[0]:
        assert outcome((name,), excluded=(permitted,)) == int(inside)


def test_subject_is_held_against_directory_names() -> None:
    tree = ("DN:Below",)
    assert outcome((), permitted=tree, subject=mint.name("Below")) == 0
    assert outcome((), permitted=tree, subject=mint.name("Beside")) == 1
    assert outcome((), permitted=tree, subject=mint.name("Below", string="printable")) == 0


def test_address_in_the_subject_counts_where_no_alternative_name_has_one() -> None:
    subject = mint.name("alice", emailAddress="alice@evil.example")
    assert outcome((), permitted=("email:corp.example",), subject=subject) == 1
    assert outcome(("email:alice@corp.example",), permitted=("email:corp.example",), subject=subject) == 0
