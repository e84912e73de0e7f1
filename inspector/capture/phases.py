"""The phases of a captured connection, told from what is seen: the driver's own view is not in a capture."""

from __future__ import annotations

from inspector.trace.events import PhaseEntered
from inspector.trace.phase import Phase
from inspector.trace.transcript import Transcript
from inspector.wire import events as wire
from inspector.wire.events import Side
from inspector.wire.registry import HandshakeType

_ORDER = {phase: number for number, phase in enumerate(Phase)}
_FINISHED = int(HandshakeType.FINISHED)
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

    def append(self, event: wire.WireEvent, *, server_left: bool) -> None:
        """Append an event of the wire, in the phase to which it belongs, and move on where it ends that phase."""
        phase = self._transcript.phase
        if phase is Phase.HELLO:
            if event.side is Side.SERVER:  # its first word
                self.enter(Phase.SERVER_FLIGHT, event.at)
        elif phase is Phase.VERDICT and type(event) is wire.Alert and event.side is Side.CLIENT and not server_left:
            self.enter(Phase.APPLICATION, event.at)  # a goodbye: the client is done listening
        self._transcript.append(event)
        if phase is Phase.APPLICATION:
            return
        kind, following = type(event), None
        if kind is wire.Message:
            following = self._message(event)  # type: ignore[arg-type]
        elif kind is wire.OpaqueRecord:
            following = self._opaque(event)  # type: ignore[arg-type]
        elif kind is wire.ApplicationData and len(self._finished) == 2:
            following = Phase.APPLICATION
        if following is not None:
            self.enter(following, event.at)

    def _message(self, message: wire.Message) -> Phase | None:
        kind = message.type
        if kind == _FINISHED:
            self._finished.add(message.side)
            return Phase.VERDICT if len(self._finished) == 2 else None
        if kind in _FLIGHT and message.side is Side.CLIENT:
            return Phase.CLIENT_FLIGHT
        return None

    def _opaque(self, record: wire.OpaqueRecord) -> Phase | None:
        if record.handshake:  # up to TLS 1.2 the first one is this side's Finished
            self._finished.add(record.side)
            return Phase.VERDICT if len(self._finished) == 2 else None
        if record.side is Side.CLIENT and self._transcript.phase is Phase.SERVER_FLIGHT:
            return Phase.VERDICT  # TLS 1.3, unread: its first protected record ends the client's flight
        return None
