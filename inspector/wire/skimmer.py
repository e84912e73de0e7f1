"""Records passed over: counted by their headers and not read, so that the keys fit again where reading goes on.

Even to note every record costs a good part of a long transfer. What matters in one is rare (a key update, a late request for a
certificate, an alert), and who drives the connection knows when it has come: then the last piece is read after all.
"""

from __future__ import annotations

from typing import NamedTuple

from inspector.wire.records import HEADER

KEY_UPDATE = 22  # bytes of a record that holds one (RFC 8446, Section 4.6.3); unread, it would cost the keys of all that follows
KEPT_BELOW = 4096  # bytes: a record cut in two by the pieces that come is kept, up to this size, so that it can be read
ROW = 64  # records that are looked at together


def _alike(piece: bytes | memoryview, at: int, length: int) -> int:
    """How many records with payloads of ``length`` begin at ``at``, one behind the other: a long body is a row of full ones.

    1 at least. Of the last one the header is enough, if it is not to be kept.
    """
    step = HEADER + length
    count = min((len(piece) - at - (HEADER if length >= KEPT_BELOW else step)) // step + 1, ROW)
    if count == 1:
        return 1
    high, low = bytes(piece[at + 3 : at + count * step : step]), bytes(piece[at + 4 : at + count * step : step])
    return min(count - len(high.lstrip(high[:1])), count - len(low.lstrip(low[:1])))


class Passed(NamedTuple):
    """Whole records that were not read, and the bytes of their payloads."""

    records: int
    size: int


class Skimmer:
    """One side's bytes. ``begun``: what has come already of the next record."""

    def __init__(self, begun: bytes) -> None:
        self._begun = begun
        self.key_update = False  # there may be one in the last piece
        self._skip = 0  # bytes that are still to come of a record that was counted
        self._records = self._size = 0  # before the last piece
        self._piece: bytes | memoryview = begun  # nothing else to read where no bytes come
        self._first = 0  # where the first record begins in the last piece
        self._inside = Passed(0, 0)  # what begins in it

    def feed(self, data: bytes | memoryview) -> None:
        """The next bytes. They may change after the next call, or after ``stop``."""
        piece = self._begun + bytes(data) if self._begun else data
        self._records += self._inside.records
        self._size += self._inside.size
        at = self._first = min(self._skip, len(piece))
        self._skip -= at
        end, records, size = len(piece), 0, 0
        self.key_update = False
        while end - at >= HEADER:
            length = piece[at + 3] << 8 | piece[at + 4]
            if at + HEADER + length > end and length < KEPT_BELOW:
                break
            self.key_update = self.key_update or length == KEY_UPDATE
            row = _alike(piece, at, length)
            at += row * (HEADER + length)
            records += row
            size += row * length
        self._begun = bytes(piece[at:])
        self._skip += max(0, at - end)
        self._piece, self._inside = piece, Passed(records, size)

    @property
    def rest(self) -> int:
        """Bytes that are still to come of a record that began before the last piece: reading goes on behind them."""
        return self._skip if self._first == len(self._piece) else 0

    def stop(self) -> tuple[Passed, bytes]:
        """What was passed before the last piece, and the last piece from its first record on."""
        return Passed(self._records, self._size), bytes(self._piece[self._first :])
