"""Who wants to watch a connection while it runs: live text, key log files, packet captures."""

from __future__ import annotations

from typing import Protocol

from inspector.trace.events import Event
from inspector.trace.transcript import Transcript
from inspector.wire.events import Side


class Observer(Protocol):
    """Called by the driver, in order. An observer must not change the transcript."""

    def on_event(self, transcript: Transcript, event: Event) -> None:
        """An event was appended to ``transcript``."""

    def on_bytes(self, transcript: Transcript, side: Side, data: bytes, at: float) -> None:
        """``side`` sent these bytes over TCP (before TLS, too), at ``at`` seconds since ``transcript.started``."""

    def on_closed(self, transcript: Transcript) -> None:
        """The connection is over; nothing more comes."""
