"""Small peers on loopback for the command line's tests: real sockets, real TLS of the standard library, one thread each."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from click.testing import CliRunner

from inspector.cli.main import mtls
from inspector.credentials import mint

Handler = Callable[[socket.socket], None]
SECONDS = 10.0
STDIN = b""  # what commands read, of which a test may make something else


@contextlib.contextmanager
def peer(handle: Handler) -> Iterator[int]:
    """Listens on a free loopback port, which it yields, and gives each connection to ``handle``."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                connection.settimeout(SECONDS)
                with connection, contextlib.suppress(OSError):
                    handle(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            thread.join(SECONDS)


def says(greeting: bytes) -> Handler:
    """A server that greets, reads a little and hangs up."""

    def handle(connection: socket.socket) -> None:
        connection.sendall(greeting)
        connection.recv(4096)

    return handle


def answers(reply: bytes) -> Handler:
    """A server that waits for the client's first bytes before it says anything."""

    def handle(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(reply)

    return handle


def silent(connection: socket.socket) -> None:
    """Takes what comes, and says nothing until the client leaves."""
    while connection.recv(4096):
        pass


class Pki(NamedTuple):
    """Files of one throw-away PKI in a folder."""

    folder: Path

    def path(self, name: str) -> str:
        return str(self.folder / name)


def make_pki(folder: Path) -> Pki:
    """root.pem, server.pem/.key, alice.pem/.key (good), mallory.pem/.key (of another CA)."""
    root = mint.authority("Test Root")
    write(folder, "root", mint.certificates_pem([root.cert]))
    put(folder, "server", mint.server_leaf(["localhost", "127.0.0.1"], root))
    put(folder, "alice", mint.leaf("alice", root))
    put(folder, "mallory", mint.leaf("mallory", mint.authority("Other Root")))
    return Pki(folder)


def write(folder: Path, name: str, data: bytes) -> None:
    (folder / f"{name}.pem").write_bytes(data)


def put(folder: Path, name: str, minted: mint.Minted) -> None:
    write(folder, name, minted.pem())
    key = folder / f"{name}.key"
    key.touch(mode=0o600)
    key.write_bytes(minted.key_pem())


def https(pki: Pki, *, verify: ssl.VerifyMode = ssl.CERT_REQUIRED, status: str = "200 OK", tls13: bool = True) -> Handler:
    """An HTTPS server of the standard library that answers every request alike."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.path("server.pem"), pki.path("server.key"))
    context.load_verify_locations(pki.path("root.pem"))
    context.verify_mode = verify
    if not tls13:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    head = f"HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".encode()

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as tls:
            if tls.recv(4096):
                tls.sendall(head)

    return handle


class Said(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


def mtls_says(*arguments: str, env: dict[str, str] | None = None) -> Said:
    """Run ``mtls`` in this process, without what the environment may hold of proxies and key logs."""
    clean = {"SSLKEYLOGFILE": None, "NO_COLOR": None, "COLUMNS": "100", **(env or {})}
    result = CliRunner().invoke(mtls, list(arguments), env=clean, input=STDIN)
    return Said(result.exit_code, result.stdout, result.stderr)
