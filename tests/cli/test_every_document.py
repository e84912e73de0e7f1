"""Every command's JSON is one document a line, valid against the schema in the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from inspector.report import schema
from tests.cli.peers import Pki, Said, https, mtls_says, peer

VALIDATOR = jsonschema.Draft202012Validator(json.loads(schema.FILE.read_text()))


def documents(said: Said) -> list[Any]:
    """The documents on stdout, each valid."""
    found = [json.loads(line) for line in said.out.splitlines()]
    for document in found:
        VALIDATOR.validate(document)
        assert "Traceback" not in said.err
    return found


def options(pki: Pki, who: str = "alice") -> list[str]:
    return ["--cacert", pki.path("root.pem"), "--cert", pki.path(f"{who}.pem"), "--key", pki.path(f"{who}.key"), "--json"]


@pytest.mark.parametrize(
    ("command", "more"),
    [("handshake", []), ("diagnose", ["--no-probes"]), ("diagnose", []), ("audit", [])],
    ids=["handshake", "diagnose without probes", "diagnose", "audit"],
)
@pytest.mark.parametrize("who", ["alice", "mallory"])
def test_commands_for_a_target(pki: Pki, command: str, more: list[str], who: str) -> None:
    with peer(https(pki)) as port:
        [document] = documents(mtls_says(command, f"localhost:{port}", *options(pki, who), *more))
    assert document["command"] == command
    if command != "audit":  # whose report shows the handshake that fits its verdict
        assert document["client_auth"]["verdict"] == ("accepted" if who == "alice" else "rejected")


@pytest.mark.parametrize("who", ["alice", "mallory"])
def test_a_request(pki: Pki, tmp_path: Path, who: str) -> None:
    body = tmp_path / "body"
    with peer(https(pki)) as port:
        [document] = documents(mtls_says("request", f"https://localhost:{port}/", *options(pki, who), "-o", str(body)))
    assert document["command"] == "request"
    assert (document.get("http") or {}).get("status") == (200 if who == "alice" else None)


def test_a_check(pki: Pki) -> None:
    [document] = documents(mtls_says("check", pki.path("alice.pem"), pki.path("alice.key"), "--json"))
    assert (document["command"], "findings" in document["credential"]) == ("check", True)


def test_the_demonstration() -> None:
    found = documents(mtls_says("demo", "--json"))
    assert [document["client_auth"]["verdict"] for document in found] == ["rejected", "accepted", "rejected"]


def test_a_capture_of_a_handshake_says_what_the_handshake_said(pki: Pki, tmp_path: Path) -> None:
    capture = tmp_path / "live.pcapng"
    with peer(https(pki)) as port:
        [live] = documents(mtls_says("handshake", f"localhost:{port}", *options(pki), "--pcapng", str(capture)))
    [read] = documents(mtls_says("read", str(capture), "--json"))
    assert read["command"] == "read"
    assert read["client_auth"]["verdict"] == live["client_auth"]["verdict"] == "accepted"
    kinds = [[(m["from"], m["type"], m["length"]) for m in document["handshake"]["messages"]] for document in (live, read)]
    assert kinds[0] == kinds[1]


def test_the_reference() -> None:
    assert len(documents(mtls_says("explain", "--json"))[0]["reference"]) > 100


@pytest.mark.parametrize("command", [["list"], ["explain", "https://api.test/"], ["ca", "list"]])
def test_what_is_stored(command: list[str]) -> None:
    [document] = documents(mtls_says("credentials", *command, "--json"))
    assert document["command"] == "credentials"


def test_an_error_names_the_command(pki: Pki) -> None:
    [document] = documents(mtls_says("check", pki.path("nobody.pem"), "--json"))
    assert (document["command"], document["error"]["kind"]) == ("check", "file-unreadable")
