"""Peers on loopback for the driver's tests: threads that are joined, sockets that are closed, everything bounded in time."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, Self

from inspector import drive
from inspector.app.result import AppResult
from inspector.plan import HandshakePlan, Road, Timeouts, TlsVersion, Trust
from inspector.target import Target
from inspector.trace.transcript import Transcript
from tests.engine.pairs import CLIENT, ROOT, SERVER

PATIENCE = 5.0  # no peer waits longer for anything
QUICK = Timeouts(total=3.0, resolve=1.0, connect=1.0, prelude=1.0, handshake=1.0, verdict=0.35, response=1.0)

Behaviour = Callable[[socket.socket], None]


class Peer:
    """Accepts connections one after another and does the same with each."""

    def __init__(self, behaviour: Behaviour, sock: socket.socket | None = None) -> None:
        self._behaviour = behaviour
        self._sock = sock or socket.create_server(("127.0.0.1", 0))
        self._sock.settimeout(0.05)
        self._port = self._sock.getsockname()[1] if self._sock.family == socket.AF_INET else 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.served = 0

    @property
    def target(self) -> Target:
        return Target("localhost", self._port)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE)
        self._sock.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                client, _ = self._sock.accept()
            except TimeoutError:
                continue
            client.settimeout(PATIENCE)
            with client, contextlib.suppress(OSError):
                self.served += 1
                self._behaviour(client)


def reset(sock: socket.socket) -> None:
    """Close with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def read_until_closed(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while sock.recv(65536):
            pass


@contextlib.contextmanager
def server_context(version: TlsVersion | None = None, *, require: bool = True) -> Iterator[ssl.SSLContext]:
    """The standard library's server context, which trusts ROOT."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "server.pem").write_bytes(SERVER.pem())
        (folder / "server.key").write_bytes(SERVER.key_pem())
        (folder / "root.pem").write_bytes(ROOT.pem())
        context.load_cert_chain(folder / "server.pem", folder / "server.key")
        context.load_verify_locations(folder / "root.pem")
    context.verify_mode = ssl.CERT_REQUIRED if require else ssl.CERT_NONE
    if version is not None:
        context.minimum_version = context.maximum_version = ssl.TLSVersion(version.value)
    yield context


def tls_server(version: TlsVersion | None = None, *, require: bool = True, answer: bytes = b"world") -> Peer:
    """A TLS server that answers the first line with ``answer``."""
    with server_context(version, require=require) as context:
        return Peer(lambda sock: _answer(context, sock, answer))


def _answer(context: ssl.SSLContext, sock: socket.socket, answer: bytes) -> None:
    with context.wrap_socket(sock, server_side=True) as tls:
        if tls.recv(1000):
            tls.sendall(answer)
            read_until_closed(tls)


class Ask:
    """Says one thing and is done with so many bytes of answer."""

    name = "ask"

    def __init__(self, say: bytes = b"hello", want: int = 5) -> None:
        self._out, self._want = say, want
        self.got = b""
        self.ended = False

    def data_to_send(self) -> bytes:
        out, self._out = self._out, b""
        return out

    def receive_data(self, data: bytes) -> None:
        self.got += data

    def receive_eof(self) -> None:
        self.ended = True

    @property
    def done(self) -> bool:
        return len(self.got) >= self._want

    @property
    def result(self) -> AppResult:
        return AppResult("ask", bool(self.got), None, None, f"{len(self.got)} bytes", self.got)


def plan_for(target: Target, **changes: Any) -> HandshakePlan:
    values: dict[str, Any] = {
        "road": Road(target), "server_name": "localhost", "verify_name": "localhost", "trust": Trust((ROOT.cert,)),
        "credential": CLIENT.credential(), "application": lambda channel: Ask(), "timeouts": QUICK,
    }
    return HandshakePlan(**{**values, **changes})


def one(plan: Any, **more: Any) -> Transcript:
    """Drive one plan, return its transcript."""

    def job() -> Generator[Any, Any, Transcript]:
        return (yield plan)

    return drive.run(job(), **more)


def end_of(transcript: Transcript) -> tuple[str, str, str]:
    from inspector.trace.events import Ended

    ended = transcript.all(Ended)
    assert len(ended) == 1
    return ended[0].by, ended[0].how, ended[0].phase.value
