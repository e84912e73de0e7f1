"""The first handshake of a command, and another one where the server cannot bear what our ClientHello asks for."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from inspector.plan import HandshakePlan, Step
from inspector.trace import events as ev
from inspector.trace.transcript import Transcript
from inspector.wire import events as wire
from inspector.wire.events import Side


def first_try(plan: HandshakePlan) -> Generator[Step, Any, Transcript]:
    """The handshake of this plan; where the server hangs up on our ClientHello without a word, one that asks for no stapled OCSP
    response: wolfSSL's servers fail on the wish. Nothing of ours but the hello was sent by then, so nothing is done twice.

    Returns the transcript of whichever got further.
    """
    transcript: Transcript = yield plan
    if not plan.staple or not _hung_up_on_our_hello(transcript):
        return transcript
    again: Transcript = yield plan._replace(staple=False)
    return again if _spoke(again) else transcript


def _spoke(transcript: Transcript) -> bool:
    """True where the server said anything, in TLS or not."""
    return any(e.side is Side.SERVER for e in transcript.events if isinstance(e, (wire.Message, wire.Alert, wire.NotTls)))


def _hung_up_on_our_hello(transcript: Transcript) -> bool:
    """True where the server accepted the connection, got our ClientHello, and ended it without an answer."""
    ended = transcript.last(ev.Ended)
    asked = any(e.side is Side.CLIENT for e in transcript.all(wire.Message))
    return asked and not _spoke(transcript) and ended is not None and ended.by != "client" and ended.how in {"fin", "reset"}
