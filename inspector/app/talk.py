"""A small machine for protocols that are a few questions and answers: each is a generator, and this feeds it.

A script yields ``Want`` (what to send, and what must come before it goes on) and receives the bytes it wanted; it returns an
``AppResult``. ``Talk`` makes a ``plan.Conversation`` of it, bounded in all it takes: a peer can neither fill memory nor hold
the script in a state in which it has no result.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

from inspector.app.result import AppResult

LINE_LIMIT = 16 * 1024
TOTAL_LIMIT = 256 * 1024
REPLY_LIMIT = 4 * 1024  # kept for the report

LINE = -1
ANY = -2


class Want(NamedTuple):
    """Send ``send``; then go on with ``size`` bytes, with a line without its end (LINE), or with whatever came (ANY)."""

    send: bytes = b""
    size: int = LINE


Script = Generator[Want, bytes, AppResult]
Part = Generator[Want, bytes, bytes]


class PeerEnded(Exception):
    """The peer closed the stream while the script wanted more. A script may catch it."""


class PeerBroke(Exception):
    """The peer broke its protocol, or a limit; the text says how. A script may raise it."""


class Talk:
    """Runs one script as a conversation.

    ``strict_end``: bytes after the script's end are an error (before TLS they may be an injection, as in CVE-2011-0411).
    """

    def __init__(self, name: str, script: Script, *, strict_end: bool = False) -> None:
        self.name = name
        self._script = script
        self._strict_end = strict_end
        self._out = bytearray()
        self._in = bytearray()
        self._reply = bytearray()
        self._taken = 0
        self._want: Want | None = None
        self._result: AppResult | None = None
        self._advance(None)
        self._feed()

    def data_to_send(self) -> bytes:
        """What to send now, once."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def receive_data(self, data: bytes) -> None:
        """Take what the peer sent, and go on as far as it reaches."""
        self._reply += data[: max(0, REPLY_LIMIT - len(self._reply))]
        self._taken += len(data)
        if self._result is not None:
            self._refuse_more(data)
            return
        self._in += data
        if self._taken > TOTAL_LIMIT:
            self._throw(PeerBroke(f"the answer is longer than {TOTAL_LIMIT // 1024} KiB"))
        self._feed()

    def receive_eof(self) -> None:
        """The peer ended the stream."""
        self._feed()
        while self._result is None:
            self._throw(PeerEnded())
            self._feed()

    @property
    def done(self) -> bool:
        return self._result is not None

    @property
    def trailing(self) -> bytes:
        """What the peer sent beyond the end of this conversation."""
        return bytes(self._in)

    @property
    def result(self) -> AppResult:
        """The script's result; before its end, one that says how far it came."""
        if self._result is not None:
            return self._result._replace(reply=bytes(self._reply))
        return AppResult(
            self.name, bool(self._taken), None, None,
            "the answer is incomplete" if self._taken else "no answer", bytes(self._reply),
        )

    def _feed(self) -> None:
        while self._result is None and self._want is not None:
            data = self._maybe_take(self._want.size)
            if data is None:
                return
            self._advance(data)
        if self._in:
            self._refuse_more(bytes(self._in))

    def _maybe_take(self, size: int) -> bytes | None:
        if size == LINE:
            end = self._in.find(b"\n")
            if end < 0 or end > LINE_LIMIT:
                if len(self._in) > LINE_LIMIT:
                    self._throw(PeerBroke(f"a line is longer than {LINE_LIMIT // 1024} KiB"))
                return None
            line = bytes(self._in[:end])
            del self._in[: end + 1]
            return line.removesuffix(b"\r")
        if size == ANY:
            size = len(self._in) or 1
        if len(self._in) < size:
            return None
        data = bytes(self._in[:size])
        del self._in[:size]
        return data

    def _advance(self, data: bytes | None) -> None:
        try:
            self._want = next(self._script) if data is None else self._script.send(data)
            self._out += self._want.send
        except StopIteration as stop:
            self._result = stop.value
        except (PeerBroke, PeerEnded) as exc:
            self._fail(exc)

    def _throw(self, exc: Exception) -> None:
        try:
            self._want = self._script.throw(exc)
            self._out += self._want.send
        except StopIteration as stop:
            self._result = stop.value
        except (PeerBroke, PeerEnded) as broke:
            self._fail(broke)

    def _fail(self, exc: PeerBroke | PeerEnded) -> None:
        if isinstance(exc, PeerEnded):
            summary = "the server closed the connection in the middle of its answer" if self._taken else (
                "the server closed the connection without an answer")
            self._result = AppResult(self.name, bool(self._taken), None, None, summary)
        else:
            self._result = AppResult(self.name, True, None, None, f"not understood: {exc}", error=str(exc))

    def _refuse_more(self, data: bytes) -> None:
        if self._strict_end and self._result is not None and self._result.error is None and self._result.accepted:
            error = f"{len(data)} bytes came in plaintext after the go-ahead for TLS (an injection, or not this protocol)"
            self._result = self._result._replace(accepted=None, summary=error, error=error)


def text_of(data: bytes, limit: int = 200) -> str:
    """What a peer wrote, as text for a summary: one line, bounded (terminals get it escaped by the renderer)."""
    text = " ".join(data.decode("utf-8", "replace").split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
