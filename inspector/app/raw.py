"""Exactly these bytes, and whatever comes back: no protocol at all. Also what is typed, or comes through a pipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inspector.app.http_message import Body
from inspector.app.result import AppResult
from inspector.app.talk import text_of

PIECE = 64 * 1024
KEPT = 4096


class Raw:
    """Sends a body, or what a source brings as it comes, and hands on what is received until the end of the stream.

    ``source`` can be waited for (a terminal, a pipe); ``read`` takes from it what there is, ``b""`` at its end. The conversation is
    over when the server ends the stream; silence is for the driver to end. ``half_close``: the server is told when all is sent.
    """

    name = "raw"

    def __init__(
        self, write: Callable[[bytes], Any], *, body: Body | None = None, source: Any = None,
        read: Callable[[], bytes] | None = None, limit: int | None = None, half_close: bool = False,
    ) -> None:
        self._write = write
        self._body = self._opened = body
        self.source = source
        self._read = read
        self._limit = limit
        self._half_close = half_close
        self._waiting = b""
        self._raw = bytearray()
        self._done = False
        self.sent = self.received = 0

    def data_to_send(self) -> bytes:
        data, self._waiting = self._waiting, b""
        if not data and self._body is not None:
            data = self._body.read(PIECE)
            if not data:
                self._body = None
        self.sent += len(data)
        return data

    def close(self) -> None:
        """Let go of the file that was sent."""
        getattr(self._opened, "close", lambda: None)()

    def source_ready(self) -> None:
        """Take what the source has; at its end there is nothing more to wait for but the server."""
        assert self._read is not None
        data = self._read()
        if data:
            self._waiting += data
        else:
            self.source = None

    @property
    def finished(self) -> bool:
        """True where nothing more will be sent, and the server is to know it."""
        return self._half_close and self._body is None and self.source is None and not self._waiting

    def receive_data(self, data: bytes) -> None:
        if self._limit is not None and self.received + len(data) >= self._limit:
            data = data[: self._limit - self.received]
            self._done = True
        self.received += len(data)
        self._raw += data[: max(0, KEPT - len(self._raw))]
        self._write(data)

    def receive_eof(self) -> None:
        self.source = None
        self._done = True

    @property
    def done(self) -> bool:
        return self._done

    @property
    def result(self) -> AppResult:
        summary = f"{self.sent} bytes sent, {self.received} bytes received"
        return AppResult("raw", bool(self.received), None, None, f"{summary}: {text_of(bytes(self._raw), 60)}", bytes(self._raw))
