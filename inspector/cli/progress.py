"""What is going on right now, on one line of a terminal that is wiped at the end: only waits that a person notices are shown."""

from __future__ import annotations

import time
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
    """A context manager and an observer."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._started = time.monotonic()
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._wipe()

    def _wipe(self) -> None:
        if self._shown:
            self._stream.write(WIPE)
            self._stream.flush()
            self._shown = False

    def on_event(self, transcript: Transcript, event: Event) -> None:
        if not isinstance(event, (PhaseEntered, Connected)) or time.monotonic() - self._started < QUIET_SECONDS:
            return
        doing = DOING.get(transcript.phase)
        if doing:
            name = getattr(transcript.plan, "name", "handshake")
            self._stream.write(f"{WIPE}{name}: {doing}...")
            self._stream.flush()
            self._shown = True

    def on_bytes(self, transcript: Transcript, side: Side, data: bytes, at: float) -> None:
        pass

    def on_closed(self, transcript: Transcript) -> None:  # noqa: ARG002 - every observer is called so
        self._wipe()
