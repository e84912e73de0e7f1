"""What a capture lacks of a conversation: where bytes are missing, that something was not seen does not say that it was not sent.

The order of one side's bytes is certain, so a hole lies within that side's first flight of the handshake, or behind it.
"""

from __future__ import annotations

from typing import NamedTuple

from inspector.trace import events as ev
from inspector.trace.transcript import Transcript
from inspector.wire import events as wire
from inspector.wire.events import Side
from inspector.wire.registry import HandshakeType


class Lost(NamedTuple):
    """Whose bytes are missing: of the first flight, up to its last message, or behind that. Where that message was not seen either
    it may be both. All False: nothing is known to be missing.
    """

    server_flight: bool = False
    server_later: bool = False
    client_flight: bool = False
    client_later: bool = False

    @property
    def server(self) -> bool:
        return self.server_flight or self.server_later

    @property
    def client(self) -> bool:
        return self.client_flight or self.client_later

    @property
    def words(self) -> str:
        """Whose bytes are missing, in a sentence."""
        sides = [side for side, lost in (("client", self.client), ("server", self.server)) if lost]
        return f"bytes that the {' and the '.join(sides)} sent are not in the capture"


NOTHING = Lost()


def lost(transcript: Transcript) -> Lost:
    """What is missing of this conversation; of a live one nothing ever is."""
    if transcript.first(wire.Gap) is None:
        return NOTHING
    return Lost(*_of(transcript, Side.SERVER), *_of(transcript, Side.CLIENT))


def answer_lost(transcript: Transcript) -> bool:
    """True where bytes of the server are missing before any application data of it, so that its answer may be among them."""
    for event in transcript.events:
        if type(event) is wire.ApplicationData and event.side is Side.SERVER and event.size > 0:
            return False
        if type(event) is wire.Gap and event.side is Side.SERVER:
            return True
    return False


def open_ended(transcript: Transcript) -> bool:
    """True for a capture that ends before the connection does: what came after is not known."""
    return transcript.plan is None and transcript.first(ev.Ended) is None


def _of(transcript: Transcript, side: Side) -> tuple[bool, bool]:
    within = behind = ended = False
    for event in transcript.events:
        if type(event) is wire.Gap:
            if event.side is side:
                within, behind = within or not ended, behind or ended
        elif not ended and _ends_flight(event, side):
            ended = True
    return within, behind or (within and not ended)


def _ends_flight(event: ev.Event, side: Side) -> bool:
    if type(event) is wire.Message:
        return event.side is side and event.type in (HandshakeType.FINISHED, HandshakeType.SERVER_HELLO_DONE)
    return type(event) is wire.OpaqueRecord and event.handshake and event.side is side
