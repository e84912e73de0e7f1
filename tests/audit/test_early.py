"""When was an answer to early data made? By its Date, and by what left before it came."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from inspector.analysis import audit_dates
from inspector.analysis import audit_outcome as oracle
from inspector.analysis.audit_outcome import Outcome
from inspector.drive.handshake import before_last_record
from tests.audit.test_outcome import http, transcript

AHEAD = 100.0  # of the server's clock


def answer(at: float, made: float | None = None, *more: tuple[str, str]) -> Outcome:
    """An answer that came at this moment of our clock, and says the moment that it was made at."""
    found = transcript(http(200, b"page", ("Date", formatdate((at if made is None else made) + AHEAD, usegmt=True)), *more))
    found.started = at - 1.0
    return oracle.classify(found)


SEVERAL = [answer(1_800_000_000 + number * 0.73) for number in range(12)]


def test_many_answers_tell_how_far_the_clocks_differ() -> None:
    skew = audit_dates.ahead(SEVERAL)
    assert skew is not None
    assert skew.low <= AHEAD <= skew.high
    assert skew.high - skew.low < 2.1


@pytest.mark.parametrize("offset", [0.0, 0.3, 0.6, 0.9])
def test_a_date_tells_an_answer_that_waited_from_one_that_was_made_late(offset: float) -> None:
    skew = audit_dates.ahead(SEVERAL)
    assert skew is not None
    held = 1_800_000_100 + offset
    waited, late = (audit_dates.made(answer(held + 3.0, made), skew) for made in (held, held + 3.0))
    assert waited is not None
    assert late is not None
    assert waited.high < held + 3.0
    assert late.low > held


def test_no_date_and_the_date_of_a_cache_tell_nothing() -> None:
    assert audit_dates.date_of(oracle.classify(transcript(http(200)))) is None
    assert audit_dates.date_of(answer(1_800_000_000, None, ("Age", "7"))) is None
    assert audit_dates.ahead([answer(1_800_000_000), answer(1_800_000_010, 1_800_000_100)]) is None


def test_the_last_record_is_parted_from_those_before_it() -> None:
    one, two = b"\x17\x03\x03\x00\x02ab", b"\x17\x03\x03\x00\x01c"
    assert before_last_record(one + two) == (one, two)
    assert before_last_record(two) == (b"", two)
    assert before_last_record(b"") == (b"", b"")
