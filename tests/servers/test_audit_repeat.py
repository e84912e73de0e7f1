"""Findings of sessions, tokens, early data and weak certificates: their commands, pasted as they stand, show them again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.servers.audit_pairs import PAIRS
from tests.servers.conftest import Mtls
from tests.servers.programs import Lab
from tests.servers.test_audit_run import opened, replayed

pytestmark = pytest.mark.server


def sure_of(*words: str) -> Callable[[list[str]], bool]:
    return lambda said: all(word in said[-1] for word in words)


@pytest.mark.parametrize(
    ("check", "server", "holds"),
    [
        ("ENF-RESUME-STALE", "nginx", sure_of("200 OK", "ok")),
        ("HTTP-BOUND", "node", lambda said: all("secret" in answer for answer in said[-2:])),
        ("PROTO-EARLY", "nginx", sure_of("Early data was accepted")),
        ("TRUST-WEAKSIG", "s_server", sure_of("200 ok")),
        ("ENF-LATE", "apache", sure_of("CertificateRequest")),
    ],
)
def test_the_commands_show_it_again(lab: Lab, mtls: Mtls, check: str, server: str, holds: Callable[[list[str]], bool]) -> None:
    pair = next(pair for pair in PAIRS if (pair.check, pair.server) == (check, server))
    running = pair.vulnerable(lab)
    lines = opened(lab, mtls, running, check, *(pair.options(lab.pki, running) or ["--path", "/"]))
    assert holds(replayed(lines, lab.place("repeat")))


def test_the_token_stands_in_no_command(lab: Lab, mtls: Mtls) -> None:
    pair = next(pair for pair in PAIRS if (pair.check, pair.server) == ("HTTP-BOUND", "node"))
    running = pair.vulnerable(lab)
    given = pair.options(lab.pki, running)
    assert not [line for line in opened(lab, mtls, running, "HTTP-BOUND", *given) if "Bearer tok" in line]
