"""A small HTTPS server on loopback whose answers are bytes, whole or broken, and which remembers what it was asked."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.cli.peers import Pki, peer


class Asked(NamedTuple):
    """One request as it came."""

    line: str
    head: bytes
    body: bytes

    @property
    def path(self) -> str:
        return self.line.split(" ")[1]


# the answer to a request and the requests before it; None closes without one, an answer in a tuple is the last over its connection
Answering = Callable[[Asked, list[Asked]], "bytes | tuple[bytes] | None"]


def ok(body: bytes = b"ok", *, head: bytes = b"", status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 " + status + b"\r\nContent-Length: %d\r\n" % len(body) + head + b"\r\n" + body


@contextlib.contextmanager
def web(
    pki: Pki, answering: Answering, *, verify: ssl.VerifyMode = ssl.CERT_OPTIONAL, alpn: tuple[str, ...] = (),
) -> Iterator[tuple[int, list[Asked]]]:
    """The port, and the list of what was asked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.path("server.pem"), pki.path("server.key"))
    context.load_verify_locations(pki.path("root.pem"))
    context.verify_mode = verify
    if alpn:
        context.set_alpn_protocols(list(alpn))
    asked: list[Asked] = []

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as tls:
            while (request := read_request(tls)) is not None:
                answer = answering(request, asked.copy())
                asked.append(request)
                if answer is None:
                    return
                tls.sendall(answer if isinstance(answer, bytes) else answer[0])
                if isinstance(answer, tuple):
                    return

    with peer(handle) as port:
        yield port, asked


def read_request(tls: ssl.SSLSocket) -> Asked | None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = tls.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    found = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    size = 0 if found is None or re.search(rb"(?i)\r\nexpect:", head) else int(found[1])
    while len(body) < size and (piece := tls.recv(65536)):
        body += piece
    return Asked(head.split(b"\r\n")[0].decode("latin-1"), head, body)
