"""`mtls serve`, as a program of its own, and our own commands as its clients."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.peers import mtls_says

SECONDS = 20


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "inspector", "serve", "--pki", str(folder), "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        try:
            yield program
        finally:
            program.send_signal(signal.SIGINT)
            program.communicate(timeout=SECONDS)


def first_line(program: subprocess.Popen[str]) -> str:
    assert program.stdout is not None
    return program.stdout.readline()


def with_credential(folder: Path, name: str) -> list[str]:
    return ["--cacert", str(folder / "ca.pem"), "--cert", str(folder / f"{name}.pem"), "--key", str(folder / f"{name}.key")]


def test_it_tells_of_requests_and_refusals_as_json(tmp_path: Path) -> None:
    folder = tmp_path / "pki"
    with serving(folder, "--json", "--count", "2") as program:
        listening = json.loads(first_line(program))
        url = listening["url"]
        good = mtls_says("request", url, *with_credential(folder, "client"))
        bad = mtls_says("handshake", url, *with_credential(folder, "expired"))
        out, _ = program.communicate(timeout=SECONDS)
    events = [json.loads(line) for line in out.splitlines()]
    assert listening["pki_made"] is True
    assert (good.code, json.loads(good.out)["client_certificate"]["subject"]) == (0, "CN=alice,O=mtls demo")
    assert bad.code == 1
    assert [event["event"] for event in events] == ["request", "refusal"]
    assert events[0]["client_certificate"]["subject"] == "CN=alice,O=mtls demo"
    assert (events[1]["reason"], events[1]["alert"]) == ("the certificate has expired", "45 certificate_expired")
    assert program.returncode == 0
    reference = (Path(__file__).parents[2] / "docs" / "json-format.md").read_text()
    keys = {key for event in (listening, *events, json.loads(good.out)) for key in event}
    assert [key for key in keys if f"`{key}`" not in reference] == []


def test_it_says_on_stderr_whom_it_refused_and_why(tmp_path: Path) -> None:
    folder = tmp_path / "pki"
    with serving(folder, "--count", "1") as program:
        line = first_line(program)
        authority = line.split("https://")[1].split("/")[0]
        assert mtls_says("handshake", authority, "--cacert", str(folder / "ca.pem")).code == 1
        _, err = program.communicate(timeout=SECONDS)
    assert line.startswith("listening on https://localhost:")
    assert "rejected: it sent no certificate, and one is required (alert 116 certificate_required)" in err


def test_an_interrupt_ends_it(tmp_path: Path) -> None:
    with serving(tmp_path / "pki") as program:
        assert "requires a client certificate" in first_line(program)
        program.send_signal(signal.SIGINT)
        _, err = program.communicate(timeout=SECONDS)
    assert (program.returncode, err.splitlines()[-1]) == (130, "stopped")


def test_versions_that_exclude_each_other_are_wrong_usage(tmp_path: Path) -> None:
    said = mtls_says("serve", "--pki", str(tmp_path / "pki"), "--tls-min", "1.3", "--tls-max", "1.2")
    assert (said.code, said.err.splitlines()[0]) == (2, "error: --tls-min is above --tls-max")
