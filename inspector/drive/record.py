"""What the driver writes down: transcript, decoder and observers of one connection, kept in step."""

from __future__ import annotations

from time import monotonic, time
from typing import Any

from inspector.drive.loop import Loop
from inspector.trace.events import Event, PhaseEntered, Plain, SecretLine
from inspector.trace.observer import Observer
from inspector.trace.phase import Happening, Phase, advance
from inspector.trace.transcript import Transcript
from inspector.wire.decoder import Decoder
from inspector.wire.events import ApplicationData, Side, WireEvent

KEPT_DATA = 4096  # bytes of application data a side that stay in the transcript; the conversation has what it needs
BULK = 64 * 1024  # bytes of application data after which long records are counted and no longer opened
# bytes of application data after which records are skimmed: even to note each of them costs a third of a long transfer
ENOUGH = 16 * 1024 * 1024
ONCE_MORE = 1024 * 1024  # bytes that are read again after something was said meanwhile


class Recorder:
    """Appends to one transcript, and tells the observers. Times are seconds since the connection was begun."""

    def __init__(self, plan: Any, loop: Loop) -> None:
        self.transcript = Transcript(plan, started=time())
        self.decoder = Decoder(keep_data_limit=KEPT_DATA)
        self._observers: tuple[Observer, ...] = loop.observers
        self._zero = monotonic()
        self._data_seen = 0
        self._resting = self._awake = False
        self._row: ApplicationData | None = None  # application data that is counted, not noted yet

    @property
    def at(self) -> float:
        return monotonic() - self._zero

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

    def saw_bytes(self, side: Side, data: bytes | memoryview, at: float) -> None:
        """Bytes passed the socket."""
        for observer in self._observers:
            observer.on_bytes(self.transcript, side, bytes(data), at)

    def saw_plain(self, side: Side, data: bytes, at: float) -> None:
        self.note(Plain(at, side, data))

    def saw_tls(self, side: Side, data: bytes | memoryview, at: float) -> None:
        """Bytes of the TLS connection; what they came to is appended by ``decode``."""
        if not self._resting and self._data_seen > ENOUGH:
            self._resting = self.decoder.skim()
        if self._resting:
            if self.decoder.pass_over(side, data):
                self.something_was_said()
        else:
            self.decoder.feed(side, bytes(data), at)

    def something_was_said(self) -> None:
        """TLS itself has spoken (a late request, a key update, an alert, a new handshake): while records are skimmed, the last
        bytes of both sides are read after all, and so is what follows for a while.
        """
        if self._resting:
            self._resting, self._awake = False, True
            self.decoder.read_on(self.at)

    def saw_secret(self, event: SecretLine) -> None:
        self.decoder.add_secret(event.line)
        self.note(event)

    def decode(self) -> list[WireEvent]:
        """Append what the decoder can read by now, and return it.

        OpenSSL has decrypted application data once already. Once a body streams (64 KiB came or went), the decoder opens only short
        records, among which tickets, key updates, late requests and alerts are; long ones are counted by their length, and rows of
        them become one event, so that a transcript does not grow with the body.
        """
        events = self.decoder.events()
        for event in events:
            if isinstance(event, ApplicationData):
                self._count(event)
            else:
                self._tell_counted()
                self.note(event)
        if self._awake:
            self._data_seen, self._awake = ENOUGH - ONCE_MORE, False
        return events

    def _count(self, event: ApplicationData) -> None:
        self._data_seen += event.size
        if not self.decoder.skip_data:
            self.decoder.skip_data = self._data_seen > BULK
            self.note(event)
            return
        row = self._row
        if row is not None and row.side is not event.side:
            self._tell_counted()
            row = None
        self._row = event._replace(data=None) if row is None else row._replace(size=row.size + event.size)

    def _tell_counted(self) -> None:
        row, self._row = self._row, None
        if row is not None:
            self.note(row)

    def flush(self) -> None:
        """Give up on what cannot be read, and append the rest."""
        self.something_was_said()
        self.decoder.flush()
        self.decode()
        self._tell_counted()

    def over(self) -> None:
        """Nothing more comes."""
        for observer in self._observers:
            observer.on_closed(self.transcript)
