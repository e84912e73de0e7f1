"""Real OpenSSL against itself in memory, every byte of both sides handed to a decoder, secrets when OpenSSL logs them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import cache
from typing import Any

from OpenSSL import SSL

from inspector.credentials import mint
from inspector.wire.decoder import Decoder
from inspector.wire.events import Side, WireEvent

NO_ENCRYPT_THEN_MAC = 1 << 19
NO_EXTENDED_MASTER_SECRET = 1
LEGACY = b":@SECLEVEL=0"


@cache
def credentials(kind: str) -> tuple[Any, Any]:
    """(certificate, key) of a server and, the same, of a client."""
    minted = mint.leaf("localhost", mint.authority("Live CA"), key=kind)
    return minted.cert, minted.key


def context(method: int, kind: str, *, version: int, suite: str, options: int = 0) -> SSL.Context:
    made = SSL.Context(method)
    made.set_min_proto_version(version)
    made.set_max_proto_version(version)
    made.set_options(options)
    if version == SSL.TLS1_3_VERSION:
        made.set_tls13_ciphersuites(suite.encode())
        made.set_cipher_list(b"ALL" + LEGACY)
    else:
        made.set_cipher_list(suite.encode() + LEGACY)
    certificate, key = credentials(kind)
    from cryptography import x509

    made.use_certificate(x509.load_der_x509_certificate(certificate))
    made.use_privatekey(key)
    made.set_verify(SSL.VERIFY_PEER, lambda *_: True)
    made.set_session_id(b"live")
    made.set_keylog_callback(_on_secret)
    return made


def _on_secret(connection: SSL.Connection, line: bytes) -> None:
    pair = connection.get_app_data()
    if pair is not None:
        pair.secret(line)


class Pair:
    """A client and a server joined by memory; what passes is decoded. ``late_keys``: secrets reach the decoder at ``finish``."""

    def __init__(self, client: SSL.Context, server: SSL.Context, *, late_keys: bool = False) -> None:
        self.decoder = Decoder()
        self.lines: list[bytes] = []
        self.late_keys = late_keys
        self.client, self.server = SSL.Connection(client), SSL.Connection(server)
        self.client.set_app_data(self)
        self.client.set_connect_state()
        self.server.set_accept_state()
        self.transcript: list[tuple[Side, bytes]] = []

    def secret(self, line: bytes) -> None:
        self.lines.append(line)
        if not self.late_keys:
            self.decoder.add_secret(line)

    def move(self) -> bool:
        """Carry what both sides have to say. True where something moved."""
        moved = False
        for side, source, sink in ((Side.CLIENT, self.client, self.server), (Side.SERVER, self.server, self.client)):
            try:
                data = source.bio_read(1 << 20)
            except SSL.WantReadError:
                continue
            self.transcript.append((side, data))
            self.decoder.feed(side, data, 0.0)
            sink.bio_write(data)
            moved = True
        return moved

    def until_quiet(self) -> None:
        for _ in range(20):
            for end in (self.client, self.server):
                self._step(end.do_handshake)
                self._step(lambda end=end: end.recv(1, socket.MSG_PEEK))  # a late handshake is driven by reading
            if not self.move():
                return

    def _step(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except SSL.WantReadError:
            return None

    def say(self, side: Side, data: bytes) -> bytes:
        """Application data of one side; returns what the other read."""
        source, sink = (self.client, self.server) if side is Side.CLIENT else (self.server, self.client)
        source.send(data)
        self.move()
        return bytes(sink.recv(1 << 16))

    def close(self) -> None:
        self._step(self.client.shutdown)
        self.move()

    def finish(self) -> list[WireEvent]:
        for line in self.lines if self.late_keys else ():
            self.decoder.add_secret(line)
        self.decoder.flush()
        return self.decoder.events()
