"""What is going on right now, on one line of a terminal that is wiped at the end: only waits that a person notices are shown."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, Self

from inspector.trace.events import Connected, Event, PhaseEntered
from inspector.trace.phase import Phase
from inspector.trace.transcript import Transcript
from inspector.wire.events import Side

QUIET_SECONDS = 0.3
WIPE = "\r\x1b[K"

DOING = {
    Phase.RESOLVE: "looking up the address",
    Phase.CONNECT: "connecting",
    Phase.PRELUDE: "asking for TLS",
    Phase.HELLO: "waiting for the server's hello",
    Phase.SERVER_FLIGHT: "reading the server's flight",
    Phase.CLIENT_FLIGHT: "our certificate is out: waiting for the server to finish",
    Phase.VERDICT: "our side is done: listening whether the server objects",
    Phase.APPLICATION: "waiting for the application's answer",
}


class Progress:
    """A context manager and an observer. A timer shows the line where nothing happens for a while; events then keep it true."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._doing = ""
        self._late = self._over = self._shown = False
        self._timer = threading.Timer(QUIET_SECONDS, self._show_what_takes_so_long)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._timer.cancel()
        with self._lock:
            self._over = True
            self._write("")

    def _show_what_takes_so_long(self) -> None:
        with self._lock:
            self._late = True
            self._write(self._doing)

    def _write(self, doing: str) -> None:
        """Put ``doing`` on the line; nothing wipes it."""
        if doing and not self._over:
            self._stream.write(f"{WIPE}{doing}...")
        elif self._shown:
            self._stream.write(WIPE)
        self._stream.flush()
        self._shown = bool(doing) and not self._over

    def on_event(self, transcript: Transcript, event: Event) -> None:
        if not isinstance(event, (PhaseEntered, Connected)):
            return
        doing = DOING.get(transcript.phase)
        with self._lock:
            self._doing = f"{getattr(transcript.plan, 'name', 'handshake')}: {doing}" if doing else ""
            if self._late:
                self._write(self._doing)

    def on_bytes(self, transcript: Transcript, side: Side, data: bytes, at: float) -> None:
        pass

    def on_closed(self, transcript: Transcript) -> None:
        pass
