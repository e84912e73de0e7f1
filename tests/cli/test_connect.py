"""``mtls connect`` in a process of its own, with a pipe for stdin."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from tests.cli.peers import Handler, Pki, peer


def tls_peer(pki: Pki, speak: Callable[[ssl.SSLSocket], None], version: ssl.TLSVersion) -> Handler:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.path("server.pem"), pki.path("server.key"))
    context.maximum_version = version

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True, suppress_ragged_eofs=False) as tls:
            speak(tls)

    return handle


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2])
def test_at_the_end_of_a_pipe_the_server_is_told_and_has_the_last_word(pki: Pki, version: ssl.TLSVersion) -> None:
    """The server answers when it knows that all has come, as `wc` would."""

    def count(tls: ssl.SSLSocket) -> None:
        size = 0
        while data := tls.recv(65536):  # ends with close_notify alone: a bare FIN raises
            size += len(data)
        tls.sendall(b"%d bytes" % size)
        tls.unwrap().close()

    with peer(tls_peer(pki, count, version)) as port:
        command = [sys.executable, "-m", "inspector", "connect", f"localhost:{port}", "--cacert", pki.path("root.pem"), "--pipe"]
        began = time.monotonic()
        done = subprocess.run(command, input=b"x" * 100_000, capture_output=True, timeout=30)
    assert [done.returncode, done.stdout, done.stderr] == [0, b"100000 bytes", b""]
    assert time.monotonic() - began < 8


def test_a_server_that_says_no_last_word_is_not_waited_for_without_end(pki: Pki) -> None:
    heard = threading.Event()

    def mute(tls: ssl.SSLSocket) -> None:
        tls.sendall(b"hello")
        while tls.recv(65536):
            pass
        heard.wait(25)

    with peer(tls_peer(pki, mute, ssl.TLSVersion.TLSv1_3)) as port:
        command = [sys.executable, "-m", "inspector", "connect", f"localhost:{port}", "--cacert", pki.path("root.pem"), "--pipe",
                   "--wait", "0.5"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=20)  # it ends while the server waits
        heard.set()
    assert [done.returncode, done.stdout] == [0, b"hello"]


def idle(pki: Pki, port: int, *more: str) -> tuple[int, bytes, bytes]:
    """``mtls connect`` with alice's certificate, and somebody at stdin who says nothing: exit code, stdout, stderr."""
    with subprocess.Popen(
        [sys.executable, "-m", "inspector", "connect", f"localhost:{port}", "--cacert", pki.path("root.pem"),
         "--cert", pki.path("alice.pem"), "--key", pki.path("alice.key"), *more],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:
        code = process.wait(30)
        assert process.stdout is not None
        assert process.stderr is not None
        return code, process.stdout.read(), process.stderr.read()


def asking(pki: Pki, speak: Callable[[ssl.SSLSocket], None]) -> Handler:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.path("server.pem"), pki.path("server.key"))
    context.load_verify_locations(pki.path("root.pem"))
    context.verify_mode = ssl.CERT_REQUIRED

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as tls:
            speak(tls)

    return handle


def test_a_server_that_ends_an_idle_channel_has_refused_nobody(pki: Pki) -> None:
    with peer(asking(pki, lambda _: time.sleep(2))) as port:
        code, out, err = idle(pki, port, "--json")
    assert (code, json.loads(out)["client_auth"]["verdict"]) == (0, "accepted"), err


def test_a_session_that_timeout_ends_says_so(pki: Pki) -> None:
    with peer(asking(pki, lambda _: time.sleep(6))) as port:
        code, _, err = idle(pki, port, "--timeout", "2")
    assert code == 3
    assert b"the time that --timeout gives was over after 2 s" in err
