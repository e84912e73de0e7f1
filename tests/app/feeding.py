"""Every conversation is fed in three ways: whole answers, byte by byte, and cut off at each point."""

from __future__ import annotations

from collections.abc import Callable

from inspector.app.result import AppResult
from inspector.plan import Conversation

Make = Callable[[], Conversation]


def converse(conversation: Conversation, answers: list[bytes], step: int | None = None) -> tuple[AppResult, bytes]:
    """Feed each answer after what was sent; ``step``: in pieces of so many bytes. Returns the result and all that was sent."""
    sent = conversation.data_to_send()
    for answer in answers:
        for start in range(0, len(answer), step or max(1, len(answer))):
            conversation.receive_data(answer[start : start + (step or len(answer))])
            sent += conversation.data_to_send()
    return conversation.result, sent


def fed_in_three_ways(make: Make, answers: list[bytes]) -> tuple[AppResult, bytes]:
    """The same result for whole answers and single bytes; each proper prefix leaves the conversation open, and EOF ends it."""
    whole = make()
    result, sent = converse(whole, answers)
    assert whole.done
    single = make()
    assert converse(single, answers, 1) == (result, sent)
    stream = b"".join(answers)
    for cut in range(len(stream)):
        partial = make()
        left = cut
        for answer in answers:
            partial.receive_data(answer[:left]) if left > 0 else None
            left -= len(answer)
        assert not partial.done or cut >= _needed(make, answers), f"done after {cut} of {len(stream)} bytes"
        partial.receive_eof()
        assert partial.done
        assert partial.result.protocol == result.protocol
    return result, sent


def _needed(make: Make, answers: list[bytes]) -> int:
    """How many bytes the conversation needs to come to its end."""
    conversation = make()
    count = 0
    for answer in answers:
        for byte in answer:
            if conversation.done:
                return count
            conversation.receive_data(bytes([byte]))
            count += 1
    return count
