"""The phases of a captured connection, told from what is seen: the driver's own view is not in a capture."""

from __future__ import annotations

from inspector.trace.events import PhaseEntered
from inspector.trace.phase import Phase
from inspector.trace.transcript import Transcript
from inspector.wire import events as wire
from inspector.wire.events import Side
from inspector.wire.registry import HandshakeType

_ORDER = {phase: number for number, phase in enumerate(Phase)}
_FLIGHT = frozenset((
    HandshakeType.CERTIFICATE, HandshakeType.COMPRESSED_CERTIFICATE, HandshakeType.CLIENT_KEY_EXCHANGE,
    HandshakeType.CERTIFICATE_VERIFY,
))


class Phases:
    """Appends PhaseEntered as the connection moves on; never back."""

    def __init__(self, transcript: Transcript) -> None:
        self._transcript = transcript
        self._finished: set[Side] = set()

    def enter(self, phase: Phase, at: float) -> None:
        if _ORDER[phase] > _ORDER[self._transcript.phase]:
            self._transcript.append(PhaseEntered(at, phase))

    def before(self, event: wire.WireEvent, *, server_left: bool) -> None:
        """Move on because of an event that is about to be appended: a first word, a goodbye."""
        phase = self._transcript.phase
        if event.side is Side.SERVER and phase is Phase.HELLO:
            self.enter(Phase.SERVER_FLIGHT, event.at)
        elif phase is Phase.VERDICT and event.side is Side.CLIENT and isinstance(event, wire.Alert) and not server_left:
            self.enter(Phase.APPLICATION, event.at)  # the client is done listening

    def after(self, event: wire.WireEvent) -> None:
        """Move on because of an event that was appended."""
        phase = self._next(event)
        if phase is not None and phase is not self._transcript.phase:
            self.enter(phase, event.at)

    def _next(self, event: wire.WireEvent) -> Phase | None:
        kind = type(event)
        if kind is wire.Message:
            return self._message(event)  # type: ignore[arg-type]
        if kind is wire.OpaqueRecord:
            return self._opaque(event)  # type: ignore[arg-type]
        if kind is wire.ApplicationData and len(self._finished) == 2:
            return Phase.APPLICATION
        return None

    def _message(self, message: wire.Message) -> Phase | None:
        if message.type == HandshakeType.FINISHED:
            self._finished.add(message.side)
            return Phase.VERDICT if len(self._finished) == 2 else None
        if message.side is Side.CLIENT and message.type in _FLIGHT:
            return Phase.CLIENT_FLIGHT
        return None

    def _opaque(self, record: wire.OpaqueRecord) -> Phase | None:
        if record.handshake:  # up to TLS 1.2 the first one is this side's Finished
            self._finished.add(record.side)
            return Phase.VERDICT if len(self._finished) == 2 else None
        if record.side is Side.CLIENT and self._transcript.phase is Phase.SERVER_FLIGHT:
            return Phase.VERDICT  # TLS 1.3, unread: its first protected record ends the client's flight
        return None
