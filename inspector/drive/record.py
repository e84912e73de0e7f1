"""What the driver writes down: transcript, decoder and observers of one connection, kept in step."""

from __future__ import annotations

import time
from typing import Any

from inspector.drive.loop import Loop
from inspector.trace.events import Event, PhaseEntered, Plain, SecretLine
from inspector.trace.observer import Observer
from inspector.trace.phase import Happening, Phase, advance
from inspector.trace.transcript import Transcript
from inspector.wire.events import Side


class Recorder:
    """Appends to one transcript, and tells the observers. Times are seconds since the connection was begun."""

    def __init__(self, plan: Any, loop: Loop) -> None:
        self.transcript = Transcript(plan, started=time.time())
        from inspector.wire.decoder import Decoder

        self.decoder = Decoder()
        self._observers: tuple[Observer, ...] = loop.observers
        self._zero = loop.now()
        self._now = loop.now

    @property
    def at(self) -> float:
        return self._now() - self._zero

    def note(self, event: Event) -> None:
        """Append one event."""
        self.transcript.append(event)
        for observer in self._observers:
            observer.on_event(self.transcript, event)

    def enter(self, happening: Happening, at: float | None = None) -> None:
        """Move on in the table of phases."""
        phase = advance(self.transcript.phase, happening)
        if phase is not self.transcript.phase:
            self.note(PhaseEntered(self.at if at is None else at, phase))

    @property
    def phase(self) -> Phase:
        return self.transcript.phase

    def saw_bytes(self, side: Side, data: bytes, at: float) -> None:
        """Bytes passed the socket."""
        for observer in self._observers:
            observer.on_bytes(self.transcript, side, data, at)

    def saw_plain(self, side: Side, data: bytes, at: float) -> None:
        self.note(Plain(at, side, data))

    def saw_tls(self, side: Side, data: bytes, at: float) -> None:
        """Bytes of the TLS connection; what they came to is appended by ``decode``."""
        self.decoder.feed(side, data, at)

    def saw_secret(self, event: SecretLine) -> None:
        self.decoder.add_secret(event.line)
        self.note(event)

    def decode(self) -> None:
        """Append what the decoder can read by now."""
        for event in self.decoder.events():
            self.note(event)

    def over(self) -> None:
        """Nothing more comes."""
        for observer in self._observers:
            observer.on_closed(self.transcript)
