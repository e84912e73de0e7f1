"""The PKI for trying things out: made once, used again, keys kept private."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from inspector.der.certificate import parse
from inspector.errors import InputError
from inspector.service import pki


def test_an_empty_folder_is_filled_and_then_used_again(tmp_path: Path) -> None:
    first, was_made = pki.open_or_make(tmp_path / "new", time.time())
    second, made_again = pki.open_or_make(tmp_path / "new", time.time())
    assert (was_made, made_again) == (True, False)
    assert (first.anchors, first.server.chain, set(first.clients)) == (second.anchors, second.server.chain, {"client", "expired"})


def test_keys_and_the_folder_are_for_their_owner_only(tmp_path: Path) -> None:
    pki.open_or_make(tmp_path / "new", time.time())
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "new").iterdir()}
    assert {name: mode for name, mode in modes.items() if name.endswith(".key")} == {f"{name}.key": 0o600 for name in pki.NAMES}
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError) as caught:
        pki.open_or_make(tmp_path, time.time())
    assert "lacks ca.pem, server.pem, server.key" in caught.value.message
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_folder_that_cannot_be_made_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError):
        pki.open_or_make(tmp_path / "file" / "below", time.time())


def test_the_server_answers_to_the_names_asked_for() -> None:
    made = pki.make(time.time(), ("localhost", "api.test"))
    assert parse(made["server"].cert).subject_alt_names == ("DNS:localhost", "DNS:api.test")


def test_one_client_is_good_and_one_has_expired() -> None:
    now = time.time()
    made = pki.make(now)
    dates = {name: parse(made[name].cert) for name in ("client", "expired")}
    assert (dates["client"].not_after or 0) > now
    assert (dates["expired"].not_after or now) < now
