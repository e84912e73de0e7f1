"""HTTP-SPOOF: claims of a certificate, of a name and password made of one, of another place and another path."""

from __future__ import annotations

import base64

import pytest

from inspector.analysis import identity_headers as dialects
from tests.audit.bench import Asked, Serve, audited, checks, connections, good

PAGE = (200, b"<h1>Orders</h1> 4711 widgets")
BASIC = (401, b"who are you?", {"WWW-Authenticate": 'Basic realm="certificates"'})


def basic(user: str) -> Serve:
    """A server that turns each certificate into a user with one password for all."""
    word = "Basic " + base64.b64encode(f"{user}:password".encode()).decode()
    return lambda asked: PAGE if asked.who == "good" or asked.headers.get("authorization") == word else BASIC


@pytest.mark.parametrize("user", ["CN=alice,O=mtls-inspector", "/O=mtls-inspector/CN=alice"])
def test_a_certificate_that_becomes_a_user_of_basic_is_claimed_by_its_name(user: str) -> None:
    found = checks(audited(basic(user), good()))["HTTP-SPOOF"]
    assert (found.status, found.confidence) == ("finding", "confirmed")
    assert "HTTP 401" in found.control
    assert "Authorization: Basic" in found.repeat


def test_a_password_of_its_own_is_not_guessed() -> None:
    assert checks(audited(basic("somebody"), good()))["HTTP-SPOOF"].status == "pass"


@pytest.mark.parametrize("inside", ["127.0.0.1", "10.0.0.1"])
def test_a_server_that_lets_in_whoever_says_to_come_from_within_is_found(inside: str) -> None:
    def serve(asked: Asked) -> tuple[int, bytes]:
        return PAGE if asked.who == "good" or asked.headers.get("x-forwarded-for") == inside else (403, b"no")

    assert checks(audited(serve, good()))["HTTP-SPOOF"].confidence == "confirmed"


def test_a_path_that_a_header_rewrites_behind_the_gate_is_found() -> None:
    def serve(asked: Asked) -> tuple[int, bytes]:
        if asked.path == "/orders" and asked.who != "good":
            return 403, b"no"
        return PAGE if asked.headers.get("x-original-url", asked.path) == "/orders" else (404, b"nothing")

    assert checks(audited(serve, good()))["HTTP-SPOOF"].confidence == "confirmed"


def test_a_page_that_every_other_path_has_was_opened_by_no_header() -> None:
    def serve(asked: Asked) -> tuple[int, bytes]:
        return (403, b"no") if asked.path == "/orders" and asked.who != "good" else PAGE

    assert checks(audited(serve, good()))["HTTP-SPOOF"].status == "pass"


@pytest.mark.parametrize("size", [400, 900, 2500])
def test_each_group_of_headers_fits_a_servers_limits_and_none_is_lost(size: int) -> None:
    groups = dialects.groups(dialects.Bearer(bytes(size), "CN=a,O=b", "a", "01", "ff"))
    assert all(len({name for name, _ in group}) == len(group) <= dialects.HEADERS for group in groups)
    assert all(len(group) == 1 or sum(len(n) + len(v) + 4 for n, v in group) <= dialects.ROOM for group in groups)
    assert {name for group in groups for name, _ in group} >= set(dialects.CERT)


def test_beside_a_certificate_only_names_are_claimed_and_each_once() -> None:
    who = dialects.Bearer(b"der", "CN=a,O=b", "a", "01", "ff")
    every, names = dialects.groups(who), dialects.identities(dialects.groups(who))
    assert 1 < len(names) < len(every)
    beside = {name.replace("-", "_") for name in (*dialects.VERIFY, *dialects.PRESENT)}
    told = {(name.replace("_", "-"), value) for group in every for name, value in group if name.replace("-", "_") not in beside}
    assert told <= {header for group in names for header in group}


def test_a_second_client_and_a_second_name_fit_the_cap_where_all_is_refused_by_http() -> None:
    result = audited(
        lambda asked: PAGE if asked.who == "good" else (403, b"no"), good(), second_client=(good(),), other_names=("b.test",),
        revoked=(good(),), plain_ports=(80,), consent=True,
    )  # fmt: skip
    assert not [note for note in result.part.notes if "ended early" in note]
    assert connections(result) <= 80
