"""Files as bodies: how long they are, where they begin, and what cannot be read."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.peers import Pki, mtls_says, peer
from tests.cli.recorder import recorder


@contextlib.contextmanager
def swallower(pki: Pki) -> Iterator[int]:
    """A server that reads on and says nothing. Yields its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.path("server.pem"), pki.path("server.key"))

    def handle(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as tls:
            while tls.recv(65536):
                pass

    with peer(handle) as port:
        yield port


def road(pki: Pki, port: int) -> list[str]:
    return ["--cacert", pki.path("root.pem"), "--no-system-trust", "--proxy", "none", "--http1.1", f"https://localhost:{port}/"]


def ours(pki: Pki, port: int, *words: str) -> Any:
    return mtls_says("request", *words, *road(pki, port))


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="there is no /proc")
@pytest.mark.parametrize("words", [("-T", "/proc/version"), ("--data-binary", "@/proc/version"), ("-F", "f=@/proc/version")])
def test_a_file_that_does_not_say_how_long_it_is_is_sent_whole(pki: Pki, words: tuple[str, ...]) -> None:
    with recorder(pki) as (port, seen):
        said = ours(pki, port, *words)
    assert said.code == 0, said.err
    assert Path("/proc/version").read_bytes() in seen[0].body


@pytest.mark.parametrize("path", ["/dev/null", "empty"])
def test_what_is_empty_is_sent_empty(pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").touch()
    with recorder(pki) as (port, seen):
        assert ours(pki, port, "-T", path).code == 0
    # only of a file on a disk is it known that it holds nothing
    assert (seen[0].body, seen[0].header("content-length")) == (b"", "0" if path == "empty" else None)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no /dev/zero")
def test_a_device_goes_on_until_the_time_is_up(pki: Pki) -> None:
    with swallower(pki) as port:
        said = ours(pki, port, "-T", "/dev/zero", "-m", "1")
    assert said.code == 3
    assert "length" not in said.err


@pytest.mark.parametrize("option", ["-T", "--data-binary"])
def test_stdin_begins_where_it_stands(pki: Pki, tmp_path: Path, option: str) -> None:
    (tmp_path / "list").write_bytes(b"first\nsecond\n")
    with recorder(pki) as (port, seen), open(tmp_path / "list", "rb", buffering=0) as file:
        assert file.read(6) == b"first\n"  # as `read` of a shell does
        words = [option, "-" if option == "-T" else "@-"]
        done = subprocess.run(
            [sys.executable, "-m", "inspector", "request", *words, *road(pki, port)], stdin=file, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert seen[0].body == b"second\n"


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="there is no /proc")
@pytest.mark.parametrize("words", [("-T", "/proc/self/mem"), ("-F", "f=@/proc/self/mem"), ("-T", "/"), ("-F", "f=@/")])
def test_what_cannot_be_read_is_named(pki: Pki, words: tuple[str, ...]) -> None:
    with swallower(pki) as port:
        said = ours(pki, port, *words)
    assert said.code == 4
    assert "error: cannot read '/" in said.err


@pytest.mark.parametrize("length", ["3", "5"])
def test_a_length_that_is_not_the_bodys_is_wrong_usage(pki: Pki, length: str) -> None:
    with recorder(pki) as (port, seen):
        said = ours(pki, port, "--data-raw", "four", "-H", f"Content-Length: {length}")
    assert said.code == 2
    assert "the body has 4 bytes" in said.err
    assert not seen
