"""UTCTime and GeneralizedTime (RFC 5280, Section 4.1.2.5)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from inspector.der.reader import GENERALIZED_TIME, UTC_TIME, DerError, Element

STRICT = {UTC_TIME: re.compile(rb"\d{12}Z"), GENERALIZED_TIME: re.compile(rb"\d{14}Z")}
# what BER allows and DER does not: no seconds, a fraction, an offset instead of Z
LOOSE = {
    UTC_TIME: re.compile(rb"(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})?()(Z|[+-]\d{4})?"),
    GENERALIZED_TIME: re.compile(rb"(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})?(?:[.,](\d{1,9}))?(Z|[+-]\d{4})?"),
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _offset(zone: bytes | None) -> timedelta:
    if not zone or zone == b"Z":
        return timedelta()
    minutes = int(zone[1:3]) * 60 + int(zone[3:5])
    return timedelta(minutes=-minutes if zone[:1] == b"-" else minutes)


def read_time(element: Element, where: str, faults: list[str]) -> float:
    """Seconds since the epoch (negative before 1970). BER's looser forms are read too, and noted in ``faults``.

    Raises DerError where it is no date at all, as month 13.
    """
    text = element.contents
    if element.tag not in STRICT:
        raise DerError(where, element.start, "not a time")
    match = LOOSE[element.tag].fullmatch(text)
    if match is None:
        raise DerError(where, element.start, f"'{text[:40].decode('ascii', 'backslashreplace')}' is no time")
    if not STRICT[element.tag].fullmatch(text):
        faults.append(f"{where} at byte {element.start}: '{text.decode()}' is not written as DER asks")
    year, month, day, hour, minute, second = (int(group or 0) for group in match.groups()[:6])
    if element.tag == UTC_TIME:
        year += 1900 if year >= 50 else 2000
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC) - _offset(match[8])
    except (ValueError, OverflowError) as exc:
        raise DerError(where, element.start, f"'{text.decode()}' is no date") from exc
    return (moment - EPOCH).total_seconds()


def to_datetime(seconds: float) -> datetime:
    """The moment in UTC, from year 1 to 9999."""
    return EPOCH + timedelta(seconds=seconds)
