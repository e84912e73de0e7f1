"""A non-blocking byte stream: a socket, and around it, where the proxy itself wants TLS, an outer TLS connection."""

from __future__ import annotations

import errno
import os
import socket
from collections import deque
from collections.abc import Callable

from inspector.buffer import Buffer
from inspector.drive.end import Over
from inspector.drive.record import Recorder
from inspector.engine.connection import ClientConnection, Data
from inspector.wire.events import Side

# Larger reads are handed out and back by the kernel page by page (the allocator maps them): four times the system time at 256 KiB.
READ_SIZE = 64 * 1024
# So large ones go into a buffer that is kept; only long transfers need one.
BULK_SIZE = 256 * 1024
BULK_FROM = 1024 * 1024  # bytes received

RESETS = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED})


def error_words(exc: OSError) -> str:
    """The system's words for an error, in lower case."""
    return os.strerror(exc.errno).lower() if exc.errno else str(exc)


class Stream:
    """``queue`` and ``flush`` send, ``receive`` reads once. Raw bytes are shown to the observers as they pass the socket."""

    def __init__(self, sock: socket.socket, record: Recorder) -> None:
        self.sock = sock
        self.outer: ClientConnection | None = None
        self.write_failed: str | None = None
        self._received = 0
        self._bulk: Buffer | None = None
        self._record = record
        self._out: deque[memoryview] = deque()
        self._passing = False  # the last of them is good for now only
        self._backlog = 0

    @property
    def backlog(self) -> int:
        """Bytes that the socket did not take yet."""
        return self._backlog

    def queue(self, data: bytes | memoryview) -> None:
        """Send with the next ``flush``, up to which a memoryview has to be good."""
        if self.outer is not None:
            self.outer.write(data, self._record.at)
            data = self.outer.data_to_send()
        self.queue_raw(data)

    def queue_raw(self, data: bytes | memoryview) -> None:
        if data and self.write_failed is None:
            self._keep()
            self._out.append(memoryview(data))
            self._passing = isinstance(data, memoryview)
            self._backlog += len(data)

    def _keep(self) -> None:
        """Copy what the socket did not take and its owner will write over."""
        if self._passing and self._out:
            self._out[-1] = memoryview(bytes(self._out[-1]))
        self._passing = False

    def flush(self) -> None:
        """Hand the socket what it takes. A connection that is closed for writing is noted in ``write_failed``: reading goes on,
        because an alert may lie in the receive queue.
        """
        self._send_out()
        self._keep()

    def _send_out(self) -> None:
        while self._out and self.write_failed is None:
            piece = self._out[0]
            try:
                sent = self.sock.send(piece)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as exc:
                self.write_failed = error_words(exc)
                self._out.clear()
                self._backlog = 0
                return
            self._record.saw_bytes(Side.CLIENT, piece[:sent], self._record.at)
            self._backlog -= sent
            if sent == len(piece):
                self._out.popleft()
            else:
                self._out[0] = piece[sent:]

    def receive(self) -> bytes | None:
        """What came; ``b""`` where nothing came for us (yet). None at the end of the stream. Raises Over after a reset."""
        data = self._read(self._recv)
        return None if data is None else bytes(data)

    def receive_bulk(self) -> bytes | memoryview | None:
        """As ``receive``, in larger pieces once much has come; a memoryview is good until the next call."""
        return self._read(self._recv if self._received < BULK_FROM else self._recv_bulk)

    def _recv(self) -> bytes:
        return self.sock.recv(READ_SIZE)

    def _recv_bulk(self) -> memoryview:
        if self._bulk is None:
            self._bulk = Buffer(BULK_SIZE)
        room = self._bulk.next()
        return room[:self.sock.recv_into(room)]

    def _read(self, recv: Callable[[], bytes | memoryview]) -> bytes | memoryview | None:
        try:
            data = recv()
        except (BlockingIOError, InterruptedError):
            return b""
        except OSError as exc:
            how = "reset" if exc.errno in RESETS else "error"
            raise Over("server" if how == "reset" else "network", how, error_words(exc)) from exc
        if not data:
            return None
        self._received += len(data)
        self._record.saw_bytes(Side.SERVER, data, self._record.at)
        return data if self.outer is None else self._open(data)

    def _open(self, data: bytes | memoryview) -> bytes | None:
        outer = self.outer
        assert outer is not None
        outer.receive_data(data, self._record.at)
        parts = []
        while (event := outer.next_event()) is not None:
            if isinstance(event, Data):
                parts.append(event.data)
        self.queue_raw(outer.data_to_send())
        if not parts and (outer.peer_closed or outer.failed):
            return None
        return b"".join(parts)
