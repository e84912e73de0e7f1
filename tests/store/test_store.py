"""The store: a round trip of each form, precedence, and clear errors for a file that cannot be used."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from inspector.errors import InputError, UsageError
from inspector.store.file import default_path, from_toml, load, save, to_toml
from inspector.store.pattern import parse_pattern
from inspector.store.rules import PassphraseSource, Store, StoredAuthority, StoredCredential


def entry(name: str, host: str, **more: object) -> StoredCredential:
    return StoredCredential(name, parse_pattern(host), **{"cert": "/c.pem", "key": "/k.pem", **more})  # type: ignore[arg-type]


FORMS = [
    entry("pair", "api.bank.example"),
    entry("combined", "*.bank.example:8443", key=None),
    entry("pfx", "[::1]:8443", cert=None, key=None, pfx="/a b/ü.pfx"),
    *(entry(kind, "*:*", passphrase=PassphraseSource(kind, value)) for kind, value in (
        ("env", "NAME"), ("file", "/p"), ("keyring", "pair"), ("prompt", ""),
    )),
]


@pytest.mark.parametrize("one", FORMS, ids=lambda one: one.name)
def test_each_form_survives_a_round_trip(one: StoredCredential, tmp_path: Path) -> None:
    limited = StoredAuthority("root", "/r.pem", (parse_pattern("*.bank.example"),), on=False)
    store = Store((one,), (limited, StoredAuthority("all", "/a.pem")))
    path = str(tmp_path / "deep" / "credentials.toml")
    save(path, store)
    assert load(path) == store
    assert from_toml(to_toml(store), path) == store


def test_file_and_folder_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "config" / "credentials.toml"
    save(str(path), Store())
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)
    assert os.listdir(path.parent) == ["credentials.toml"]


def test_there_being_no_file_is_an_empty_store(tmp_path: Path) -> None:
    assert load(str(tmp_path / "none.toml")) == Store()


def test_place_honours_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/somewhere")
    assert default_path() == "/somewhere/mtls-inspector/credentials.toml"


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o602])
def test_store_that_others_may_use_is_refused(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "credentials.toml"
    save(str(path), Store())
    path.chmod(mode)
    with pytest.raises(InputError) as caught:
        load(str(path))
    assert (caught.value.kind, "chmod 600" in caught.value.hint) == ("store-permissions", True)


@pytest.mark.parametrize("text", [
    "x =", "\xff", "version = 2", "version = 1\nother = 1", "version = 1\ncredential = 5", "version = 1\n[[credential]]\n",
    'version = 1\n[[credential]]\nname = "a"\nhost = "h"\n',
    'version = 1\n[[credential]]\nname = "a"\nhost = "h"\ncert = "c"\npfx = "p"\n',
    'version = 1\n[[credential]]\nname = "a"\nhost = "a b"\ncert = "c"\n',
    'version = 1\n[[credential]]\nname = "a"\nhost = "h"\ncert = "c"\ncolour = "blue"\n',
    'version = 1\n[[credential]]\nname = "a"\nhost = "h"\ncert = "c"\npassphrase = "secret"\n',
    'version = 1\n[[credential]]\nname = "a"\nhost = "h"\ncert = "c"\npassphrase = { value = "secret" }\n',
    'version = 1\n[[credential]]\nname = "a"\nhost = "h"\ncert = "c"\n[[credential]]\nname = "a"\nhost = "i"\ncert = "c"\n',
    'version = 1\n[[authority]]\nname = "a"\n', 'version = 1\n[[authority]]\nname = "a"\nfile = "f"\non = "yes"\n',
])
def test_broken_store_says_what_is_wrong(text: str) -> None:
    with pytest.raises(InputError) as caught:
        from_toml(text.encode("latin-1"), "/x/credentials.toml")
    assert (caught.value.kind, "/x/credentials.toml" in caught.value.message) == ("store-broken", True)
    assert "secret" not in caught.value.message


def test_store_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError) as caught:
        save(str(tmp_path / "file" / "credentials.toml"), Store())
    assert caught.value.kind == "file-unwritable"


def test_the_most_specific_entry_is_chosen_and_the_first_of_equals() -> None:
    store = Store(tuple(entry(name, host) for name, host in (
        ("any", "*:*"), ("domain", "*.bank.example:*"), ("second", "api.bank.example"), ("third", "https://api.bank.example:443"),
    )))
    chosen = [store.choose(host, port) for host, port in (
        ("api.bank.example", 443), ("api.bank.example", 8443), ("bank.example", 443),
    )]
    assert [one.name if one else None for one in chosen] == ["second", "domain", "any"]
    assert Store((entry("a", "x"),)).choose("y", 443) is None


def test_explanation_names_every_rule() -> None:
    store = Store((entry("any", "*"), entry("api", "api.bank.example"), entry("miss", "other.example")))
    rules = store.explain("api.bank.example", 443)
    assert [(rule.credential.name, rule.ruling.hit, rule.chosen) for rule in rules] == [
        ("any", True, False), ("api", True, True), ("miss", False, False),
    ]


def test_names_are_unique_and_must_exist() -> None:
    store = Store((entry("a", "h"),), (StoredAuthority("ca", "/f"),))
    for change in (
        lambda: store.with_credential(entry("a", "i")),
        lambda: store.with_credential(entry("a\nb", "i")),
        lambda: store.without_credential("b"),
        lambda: store.with_authority(StoredAuthority("ca", "/g")),
        lambda: store.without_authority("b"),
        lambda: store.switched("b", on=True),
    ):
        with pytest.raises(UsageError):
            change()
    assert store.switched("ca", on=False).authorities[0].on is False
