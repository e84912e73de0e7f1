"""One PKI for all real-server tests of a run; servers live as long as the test module that starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from tests.servers.pki import Pki
from tests.servers.programs import Lab, laboratory


@pytest.fixture(scope="session")
def session_lab() -> Iterator[Lab]:
    with laboratory() as lab:
        yield lab


@pytest.fixture(scope="session")
def pki(session_lab: Lab) -> Pki:
    return session_lab.pki


@pytest.fixture(scope="module")
def lab(session_lab: Lab) -> Iterator[Lab]:
    """Servers started through this one are stopped when the module's tests are over; the PKI is the session's."""
    with Lab(session_lab.pki) as own:
        yield own


class Called(NamedTuple):
    """One run of the tool: exit code, the JSON document if there is one, and both streams."""

    code: int
    report: Any
    out: str
    err: str


Mtls = Callable[..., Called]


@pytest.fixture(scope="session")
def mtls(tmp_path_factory: pytest.TempPathFactory) -> Mtls:
    """Run the tool as a process of its own with an empty configuration folder."""
    home = tmp_path_factory.mktemp("home")
    env = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy") and name != "SSLKEYLOGFILE"}
    env |= {f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "STATE", "CACHE")}

    def call(*words: str, stdin: str | None = None, timeout: float = 60) -> Called:
        done = subprocess.run(
            [sys.executable, "-m", "inspector", *map(str, words)],
            input=stdin,
            capture_output=True,
            text=True,
            env=env,
            timeout=timeout,
        )
        assert "Traceback (most recent call last)" not in done.stderr, done.stderr
        report = json.loads(done.stdout) if "--json" in words and done.stdout.count("\n") <= 1 else None
        return Called(done.returncode, report, done.stdout, done.stderr)

    return call
