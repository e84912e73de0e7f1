"""``mtls`` as a process: Ctrl-C while it is loaded and while it waits, and a stdout that takes nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.cli.peers import Pki, https, mtls_says, peer, silent

FULL = Path("/dev/full")
INTERRUPTED_WHILE_LOADING = """
import sys
class CtrlC:
    def find_spec(self, name, *_):
        if name == "inspector.cli.main":
            raise KeyboardInterrupt
sys.meta_path.insert(0, CtrlC())
from inspector.__main__ import main
main()
"""


def test_ctrl_c_while_it_is_loaded_leaves_no_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED_WHILE_LOADING], capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


@pytest.mark.parametrize("name", ["inspector.cli.main", "inspector.cli.handshake", "inspector.session.settings"])
def test_ctrl_c_while_it_is_loaded_leaves_a_document_where_one_is_wanted(name: str) -> None:
    code = INTERRUPTED_WHILE_LOADING.replace("inspector.cli.main", name, 1).replace("raise", "sys.meta_path.remove(self); raise")
    done = subprocess.run(
        [sys.executable, "-c", code, "handshake", "127.0.0.1:9", "--json"], capture_output=True, timeout=30, check=False)
    document = json.loads(done.stdout)
    assert (done.returncode, document["command"], document["error"]["kind"]) == (130, "handshake", "interrupted")
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(("number", "code", "kind"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")])
def test_a_check_that_is_ended_while_the_server_is_asked_says_so(
    pki: Pki, number: signal.Signals, code: int, kind: str,
) -> None:
    connected = threading.Event()

    def handle(connection: object) -> None:
        connected.set()
        silent(connection)  # type: ignore[arg-type]

    with peer(handle) as port:
        process = subprocess.Popen(
            [sys.executable, "-m", "inspector", "check", pki.path("alice.pem"), pki.path("alice.key"), "--against",
             f"127.0.0.1:{port}", "--json"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        assert connected.wait(20)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, json.loads(out)["error"]["kind"]) == (code, kind), err
    assert b"Traceback" not in err


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", [("alert", "48"), ("alert", "48", "--json"), ("alert", "999", "--json")])
def test_a_full_disk_is_told_and_is_no_bug(arguments: tuple[str, ...]) -> None:
    with FULL.open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "inspector", "explain", *arguments], stdout=full, stderr=subprocess.PIPE, timeout=30,
            check=False,
        )
    assert done.returncode == (2 if "999" in arguments else 4)
    assert done.stderr.startswith(b"error: ")
    assert b"bug" not in done.stderr


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
@pytest.mark.parametrize(("arguments", "code"), [(("no-such",), 2), (("read", "no-such-file"), 4), (("explain", "alert", "48"), 0)])
def test_a_stderr_that_takes_nothing_changes_no_exit_code(arguments: tuple[str, ...], code: int) -> None:
    with FULL.open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "inspector", *arguments], stdout=subprocess.DEVNULL, stderr=full, timeout=30, check=False,
        )
    assert done.returncode == code


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_that_cannot_be_written_is_told(option: str) -> None:
    with FULL.open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "inspector", option], stdout=full, stderr=subprocess.PIPE, timeout=30, check=False,
        )
    assert done.returncode == 4
    assert done.stderr.startswith(b"error: the answer cannot be written to stdout: ")


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
def test_a_key_log_that_cannot_be_written_is_named(pki: Pki) -> None:
    with peer(https(pki)) as port:
        said = mtls_says("handshake", f"localhost:{port}", "--cacert", pki.path("root.pem"), "--keylog", str(FULL))
    assert (said.code, "cannot write the key log" in said.err) == (4, True)


def test_closed_streams_are_no_bug() -> None:
    program = "import os, sys; [os.close(n) for n in (0, 1, 2)]; os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    command = [sys.executable, "-c", program, "-m", "inspector", "explain", "alert", "48"]
    done = subprocess.run(command, capture_output=True, timeout=30, check=False, env=dict(os.environ))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
def test_a_full_disk_is_no_bug_whoever_writes(pki: Pki) -> None:
    with peer(https(pki)) as port, FULL.open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "inspector", "request", f"https://localhost:{port}/", "--connect-to", f"127.0.0.1:{port}",
             "--cacert", pki.path("root.pem"), "--cert", pki.path("alice.pem"), "--key", pki.path("alice.key")],
            stdout=full, stderr=subprocess.PIPE, timeout=30, check=False,
        )
    assert done.returncode == 4, done.stderr
    assert b"bug" not in done.stderr


def test_ctrl_c_inside_a_callback_of_openssl_is_not_lost() -> None:
    """What is raised in such a callback goes nowhere: the signal has to come again."""
    program = """
import signal, time
from inspector.cli import run
run.catch_signals()
space = {"__name__": "OpenSSL.SSL", "signal": signal}
exec("def wrapper():\\n signal.raise_signal(signal.SIGINT)\\n return 'whole'", space)
print(space["wrapper"](), flush=True)
try:
    time.sleep(20)
except KeyboardInterrupt:
    print("interrupted")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=30, check=False)
    assert done.stdout.split() == [b"whole", b"interrupted"], done.stderr


def test_ctrl_c_where_nobody_can_catch_it_is_not_lost() -> None:
    """The callback of a weak reference is such a place, and pyOpenSSL keeps its connections by those."""
    program = """
import signal, time, weakref
from inspector.cli import run
run.catch_signals()
class Kept: pass
kept = Kept()
reference = weakref.ref(kept, lambda _: signal.raise_signal(signal.SIGINT))
try:
    del kept
    print("on", flush=True)
    time.sleep(20)
except KeyboardInterrupt:
    print("interrupted")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=30, check=False)
    assert (done.stdout.split(), done.stderr) == ([b"on", b"interrupted"], b"")


AUDIT_INTERRUPTED_WHILE_LOADING = INTERRUPTED_WHILE_LOADING.replace("inspector.cli.main", "inspector.session.audit.run", 1)


def test_ctrl_c_before_an_audit_has_begun_leaves_a_document() -> None:
    command = [sys.executable, "-c", AUDIT_INTERRUPTED_WHILE_LOADING, "audit", "127.0.0.1:9", "--json"]
    done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    assert (done.returncode, json.loads(done.stdout)["error"]["kind"]) == (130, "interrupted")
    assert b"Traceback" not in done.stderr
