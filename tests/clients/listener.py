"""A server of ours on loopback that asks for a client certificate with given names, and keeps what each client did."""

from __future__ import annotations

import socket
import threading
import time
from types import TracebackType
from typing import Self

from inspector.analysis.match import Request, request_of
from inspector.engine.server import ServerConnection, ServerSettings
from inspector.trace.events import SecretLine
from inspector.wire.decoder import Decoder
from inspector.wire.events import Message, Side
from inspector.wire.messages import CertificateRequest, certificate_of
from inspector.wire.registry import HandshakeType

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
SECONDS = 20.0


class Visit:
    """One connection: what was asked, and the chain that came back (empty: withheld; None: the handshake never got there)."""

    def __init__(self) -> None:
        self.request: Request | None = None
        self.chain: tuple[bytes, ...] | None = None

    def read(self, decoder: Decoder) -> None:
        for event in decoder.events():
            if not isinstance(event, Message):
                continue
            if isinstance(event.value, CertificateRequest):
                self.request = request_of(event.value)
            elif event.side is Side.CLIENT and event.type == HandshakeType.CERTIFICATE:
                certificate = certificate_of(event.value)
                self.chain = certificate.chain if certificate is not None else None


class Listener:
    """Serves one connection after another. ``visits`` are those that came to a ClientHello, in order."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.2)
        self.port: int = self._socket.getsockname()[1]
        self.visits: list[Visit] = []
        self._stop = threading.Event()
        self._idle = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(SECONDS)
        self._socket.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                peer, _ = self._socket.accept()
            except TimeoutError:
                continue
            self._idle.clear()
            with peer:
                try:
                    self._one(peer)
                except OSError:
                    pass
            self._idle.set()

    def settled(self) -> list[Visit]:
        """The visits, once the last of them is over."""
        assert self._idle.wait(SECONDS), "a client stays connected"
        return self.visits

    def _one(self, peer: socket.socket) -> None:
        peer.settimeout(0.5)
        engine, decoder, visit = ServerConnection(self._settings), Decoder(), Visit()
        end = time.monotonic() + SECONDS
        answered = listed = False
        while time.monotonic() < end and not self._stop.is_set():
            try:
                data = peer.recv(65536)
            except TimeoutError:
                data = b""
                if engine.handshake_complete:
                    break
                continue
            except OSError:
                break
            if not data:
                break
            if not listed:
                listed = True
                self.visits.append(visit)
            decoder.feed(Side.CLIENT, data, 0.0)
            engine.receive_data(data, 0.0)
            while (event := engine.next_event()) is not None:
                if isinstance(event, SecretLine):
                    decoder.add_secret(event.line)
                elif type(event).__name__ == "Data" and not answered:
                    answered = True
                    engine.write(ANSWER, 0.0)
                    engine.close()
            out = engine.data_to_send()
            decoder.feed(Side.SERVER, out, 0.0)
            if out:
                peer.sendall(out)
            visit.read(decoder)
            if answered or engine.failed:
                break
        decoder.flush()
        visit.read(decoder)
