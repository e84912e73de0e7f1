"""Whether a TLS 1.3 handshake that was overheard went on with an earlier session."""

from __future__ import annotations

from inspector.trace.transcript import Transcript
from inspector.wire.events import Side
from inspector.wire.extensions import OfferedPsks, find
from inspector.wire.messages import ClientHello, ServerHello
from inspector.wire.registry import ExtensionType


def is_resumed(transcript: Transcript, hello: ServerHello) -> bool:
    """True where the server chose a pre-shared key, but for one that both sides were given beforehand: nobody had shown a
    certificate for that.

    Such a key is offered with an age of 0; a ticket's age is obscured by a random number (RFC 8446, Section 4.2.11).
    """
    if not any(extension.type == ExtensionType.PRE_SHARED_KEY for extension in hello.extensions):
        return False
    chosen = find(hello.extensions, ExtensionType.PRE_SHARED_KEY)
    hellos = [m.value for m in transcript.messages(side=Side.CLIENT) if isinstance(m.value, ClientHello)]
    offered = find(hellos[-1].extensions, ExtensionType.PRE_SHARED_KEY) if hellos else None
    if not isinstance(offered, OfferedPsks) or not isinstance(chosen, int) or chosen >= len(offered.identities):
        return True
    return offered.identities[chosen].obfuscated_ticket_age != 0
