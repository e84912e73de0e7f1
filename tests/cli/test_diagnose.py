"""``mtls diagnose`` from the outside: streams, exit codes, the schema, and reports that are diagnosed again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

from inspector.report import schema
from tests.cli.peers import Pki, Said, https, mtls_says, peer, silent


def diagnose(pki: Pki, port: int, *more: str, who: str | None = "alice") -> Said:
    files = ["--cert", pki.path(f"{who}.pem"), "--key", pki.path(f"{who}.key")] if who else []
    trust = ["--cacert", pki.path("root.pem"), "--no-system-trust"]
    return mtls_says("diagnose", f"localhost:{port}", "--connect-to", f"127.0.0.1:{port}", *trust, *files, *more)


def test_nothing_wrong_is_exit_0_and_one_handshake(pki: Pki) -> None:
    with peer(https(pki)) as port:
        said = diagnose(pki, port, "--json")
    report = json.loads(said.out)
    assert said.code == 0
    assert (report["diagnosis"]["side"], report["diagnosis"]["causes"], report["diagnosis"]["probes"]) == ("nobody", [], [])


def test_missing_certificate_is_exit_1_and_named_first(pki: Pki) -> None:
    with peer(https(pki)) as port:
        said = diagnose(pki, port, who=None)
    assert said.code == 1
    assert said.out.startswith("SERVER REJECTED YOU")
    assert "[no-certificate]" in said.out


def test_document_keeps_to_the_schema(pki: Pki) -> None:
    with peer(https(pki)) as port:
        report = json.loads(diagnose(pki, port, "--json", who=None).out)
    jsonschema.Draft202012Validator(schema.schema()).validate(report)


def test_answer_is_on_stdout_and_quiet_is_one_paragraph(pki: Pki) -> None:
    with peer(https(pki)) as port:
        said = diagnose(pki, port, "--quiet", who=None)
    assert "\n\n" not in said.out
    assert said.err == ""


def test_saved_report_is_diagnosed_with_the_same_exit_code(pki: Pki, tmp_path: Path) -> None:
    with peer(https(pki)) as port:
        first = diagnose(pki, port, "--json", who=None)
    saved = tmp_path / "report.json"
    saved.write_text(first.out)
    again = mtls_says("diagnose", "--from", str(saved), "--json")
    assert again.code == first.code == 1
    assert json.loads(again.out)["diagnosis"] == json.loads(first.out)["diagnosis"]


@pytest.mark.parametrize("content", ["", "{}", "not json", '{"schema": "mtls-inspector/1", "command": "check"}'])
def test_file_that_is_no_report_of_a_connection_is_exit_4(tmp_path: Path, content: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(content)
    said = mtls_says("diagnose", "--from", str(path))
    assert said.code == 4
    assert said.err.startswith("error: ")
    assert "hint: " in said.err


def test_no_target_is_wrong_usage() -> None:
    said = mtls_says("diagnose")
    assert (said.code, said.out) == (2, "")
    assert "nothing to diagnose" in said.err


def test_nobody_listening_is_exit_3_with_the_cause(pki: Pki) -> None:
    said = mtls_says("diagnose", "127.0.0.1:1", "--json")
    report = json.loads(said.out)
    assert said.code == 3
    assert report["diagnosis"]["causes"][0]["id"] == "unreachable"
    assert report["error"]["kind"] == "refused"


def test_an_interrupt_makes_no_further_probe_and_blames_nobody() -> None:
    connections: list[int] = []

    def handle(connection: object) -> None:
        connections.append(1)
        silent(connection)  # type: ignore[arg-type]

    with peer(handle) as port, subprocess.Popen(
        [sys.executable, "-m", "inspector", "diagnose", f"127.0.0.1:{port}", "--json"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:
        deadline = time.monotonic() + 15
        while not connections and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    report = json.loads(out)
    assert (process.returncode, report["error"]["kind"], len(connections)) == (130, "interrupted", 1), err
    assert (report["diagnosis"]["side"], report["diagnosis"]["causes"], report["diagnosis"]["probes"]) == ("nobody", [], [])
