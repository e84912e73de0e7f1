"""The passphrase prompt: on a terminal only, and without an echo."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from inspector.credentials import mint

LEAF = mint.leaf("alice", mint.authority("Prompt Root CA"))
TIMEOUT = 60.0


def encrypted(folder: Path) -> str:
    key = LEAF.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"s3cret-word"))
    (folder / "alice.pem").write_bytes(LEAF.pem() + key)
    return str(folder / "alice.pem")


def until(master: int, text: bytes, deadline: float) -> bytes:
    """What the terminal shows, up to ``text``."""
    seen = b""
    while text not in seen and time.monotonic() < deadline:
        try:
            seen += os.read(master, 1024)
        except OSError:
            break
    return seen


def test_passphrase_is_asked_for_on_the_terminal_without_an_echo(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "inspector", "check", encrypted(tmp_path), "--quiet"], stdin=slave, stderr=slave,
            stdout=subprocess.PIPE, start_new_session=True,
        ) as process:
            shown = until(master, b": ", time.monotonic() + TIMEOUT)
            # the echo is switched off before the prompt appears
            os.write(master, b"s3cret-word\n")
            out, _ = process.communicate(timeout=TIMEOUT)
        os.set_blocking(master, False)
        shown += until(master, b"never there", time.monotonic() + 0.2)
    finally:
        os.close(master)
        os.close(slave)
    assert (process.returncode, out.startswith(b"FIT ")) == (0, True)
    assert (b"Passphrase for" in shown, b"s3cret" in shown) == (True, False)


def test_nobody_is_asked_through_a_pipe(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "inspector", "check", encrypted(tmp_path)]
    done = subprocess.run(command, input=b"s3cret-word\n", capture_output=True, timeout=TIMEOUT)
    assert (done.returncode, b"no passphrase was given" in done.stderr) == (4, True)
