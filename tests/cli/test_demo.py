"""`mtls demo`: three calls, three verdicts, nothing to set up, and quick."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from inspector.service import pki, server
from inspector.session import demo
from tests.cli.peers import mtls_says


def test_the_three_calls_end_as_they_should_and_soon() -> None:
    began = time.monotonic()
    said = mtls_says("demo")
    assert said.code == 0
    assert time.monotonic() - began < 10  # three seconds of waiting on an idle machine; this one may be busy
    words = [line.split("  ")[0] for line in said.out.splitlines() if line.startswith(("SERVER REJECTED YOU", "ACCEPTED"))]
    assert words == ["SERVER REJECTED YOU", "ACCEPTED", "SERVER REJECTED YOU"]
    assert '"subject": "CN=alice,O=mtls demo"' in said.out
    assert "the client certificate has expired" in said.out
    assert "fatal 116 certificate_required" in said.out


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    for option in ("--no-color", "--explain", "--verbose"):
        said = mtls_says("demo", option, env={"COLUMNS": str(columns)})
        assert [line for line in said.out.splitlines() if len(line) > columns] == []


def test_json_is_one_report_a_line() -> None:
    said = mtls_says("demo", "--json")
    reports = [json.loads(line) for line in said.out.splitlines()]
    assert said.code == 0
    assert [report["client_auth"]["verdict"] for report in reports] == ["rejected", "accepted", "rejected"]
    assert [report["client_auth"]["rejected_by"] for report in reports] == ["tls_alert", None, "tls_alert"]
    assert reports[1]["http"]["status"] == 200
    assert reports[2]["diagnosis"]["causes"][0]["id"] == "expired"


def test_keep_leaves_the_pki_and_uses_it_again(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    assert mtls_says("demo", "--keep", str(kept), "--quiet").code == 0
    before = (kept / "ca.pem").read_bytes()
    again = mtls_says("demo", "--keep", str(kept))
    assert again.code == 0
    assert (kept / "ca.pem").read_bytes() == before
    assert f"--cacert {kept}/ca.pem" in again.out.replace("\n    ", "")
    assert (kept / "client.key").stat().st_mode & 0o777 == 0o600


def test_keep_refuses_a_folder_with_other_things(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    said = mtls_says("demo", "--keep", str(tmp_path))
    assert said.code == 4
    assert "error: " in said.err


def alike(text: str) -> str:
    """Without what differs from call to call: numbers, digests, blanks."""
    return " ".join(re.sub(r"[0-9A-Fa-f]{16,}|[0-9]+(\.[0-9]+)?", "#", text).split())


def kinds(text: str) -> set[str]:
    return {alike(line) for line in text.splitlines() if line.strip()}


@pytest.mark.parametrize("options", [(), ("--explain",)])
def test_each_command_that_is_printed_shows_what_the_demo_shows(options: tuple[str, ...], tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    wide = {"COLUMNS": "160"}
    calls = re.split(r"\n\n(?=[123]  )|\n\nNext\n", mtls_says("demo", "--keep", str(kept), *options, env=wide).out)[1:4]
    with server.InBackground(server.listen(server.Service(), pki.read(kept))) as running:
        for call, known in zip(calls, demo.CALLS, strict=True):
            _, typed, shown = re.split(r"   \$ mtls ((?:.*\n     )*.*)\n\n", call)
            words = re.sub(r"localhost:[0-9]+", f"localhost:{running.port}", typed).split()
            said = mtls_says(*words, env=wide)
            more = {line for line in kinds(shown) - kinds(said.out + said.err) if "close_notify" not in line}  # it may be in time
            assert {line for line in more if line not in alike(known.lesson)} <= {"The API's answer", "..."}


def test_no_private_key_is_printed(tmp_path: Path) -> None:
    said = mtls_says("demo", "--verbose", "--keep", str(tmp_path / "kept"))
    for key in (tmp_path / "kept").glob("*.key"):
        for line in key.read_text().splitlines()[1:-1]:
            assert line not in said.out + said.err
