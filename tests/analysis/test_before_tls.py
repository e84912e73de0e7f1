"""Refusals before TLS: of the name, of us, and what is not of the protocol that was asked for."""

from __future__ import annotations

import pytest

from inspector.analysis.observe import _network_signal, _network_words
from inspector.app.result import AppResult
from inspector.trace import events as ev
from inspector.trace.phase import Phase
from inspector.trace.transcript import Transcript
from inspector.wire.events import Side

GREETING = b"554 5.7.1 not you\r\n"


def ended(result: AppResult | None, how: str, detail: str = "") -> Transcript:
    found = Transcript()
    found.append(ev.Connected(0.0, "127.0.0.1", 25, "127.0.0.1", 5, 0.001))
    if result is not None:
        found.append(ev.Plain(0.1, Side.SERVER, GREETING))
        found.append(ev.PreludeDone(0.2, result.protocol, result))
    found.append(ev.Ended(0.3, "server", how, Phase.PRELUDE, detail))
    return found


@pytest.mark.parametrize(
    ("result", "how", "expected"),
    [
        (AppResult("smtp", True, False, "554", "not you"), "prelude_refused", "prelude:refused"),
        (AppResult("xmpp", True, False, "host-unknown", "stream error"), "prelude_refused", "prelude:name"),
        (AppResult("xmpp", True, False, "policy-violation", "stream error"), "prelude_refused", "prelude:refused"),
        (AppResult("smtp", True, None, None, "", error="no answer code"), "prelude_refused", "plain"),
        (None, "fin", "close"),
        (None, "reset", "reset"),
    ],
)
def test_who_answers_in_the_protocol_has_refused_us_or_the_name(result: AppResult | None, how: str, expected: str) -> None:
    assert _network_signal(ended(result, how)) == expected


def test_its_words_are_the_evidence() -> None:
    refused = ended(AppResult("smtp", True, False, "554", "not you"), "prelude_refused", "the server refused STARTTLS: 554 not you")
    assert _network_words(refused) == "the server refused STARTTLS: 554 not you"
