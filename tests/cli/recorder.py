"""An HTTPS server on loopback that remembers requests byte by byte, and what curl sends it."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.peers import Pki, peer

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-Two: a\r\nX-Two: b\r\n\r\nok\n"


class Seen(NamedTuple):
    """One request."""

    line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)

    def comparable(self) -> tuple[str, dict[str, str], bytes]:
        """Without what two programs may do differently: their names, the order of headers, and random boundaries."""
        ours = {name.lower(): value for name, value in self.headers if name.lower() not in ("user-agent", "host")}
        ours.pop("expect", None)
        body, kind = self.body, ours.get("content-type", "")
        if "boundary=" in kind:
            ours.pop("content-length")
            ours["content-type"] = kind.partition("boundary=")[0]
            for number, boundary in enumerate(re.findall(rb"boundary=(\S+)", kind.encode() + b"\r\n" + body)):
                body = body.replace(boundary, b"BOUNDARY%d" % number)
        return self.line, ours, body


def _read(stream: ssl.SSLSocket) -> Seen | None:
    file = stream.makefile("rb")
    line = file.readline().decode("latin-1").strip()
    if not line:
        return None
    headers = []
    while (text := file.readline().decode("latin-1").strip()):
        name, _, value = text.partition(":")
        headers.append((name, value.strip()))
    seen = Seen(line, tuple(headers), b"")
    if (seen.header("expect") or "").lower() == "100-continue":
        stream.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    if seen.header("transfer-encoding"):
        body = b""
        while size := int(file.readline(), 16):
            body += file.read(size)
            file.readline()
        file.readline()
        return seen._replace(body=body)
    return seen._replace(body=file.read(int(seen.header("content-length") or 0)))


@contextlib.contextmanager
def recorder(pki: Pki, answer: bytes = ANSWER) -> Iterator[tuple[int, list[Seen]]]:
    """Yields the port and the list that requests are added to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.path("server.pem"), pki.path("server.key"))
    seen: list[Seen] = []

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as tls:
            while (request := _read(tls)) is not None:
                seen.append(request)
                closes = (request.header("connection") or "").lower() == "close"
                tls.sendall(answer if not request.line.startswith("HEAD") else answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
                if closes:
                    tls.unwrap()
                    return

    with peer(handle) as port:
        yield port, seen


def by_curl(pki: Pki, *words: str, stdin: bytes = b"", folder: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run curl; the test is skipped where there is none."""
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is missing")
    return subprocess.run(
        [curl, "-q", "-sS", "--noproxy", "*", "--http1.1", "--cacert", pki.path("root.pem"), *words], input=stdin,
        capture_output=True, timeout=30, check=False, cwd=folder)
