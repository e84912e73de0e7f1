"""How a connection ends."""

from __future__ import annotations


class Over(Exception):
    """The connection is over: ``by`` whom, ``how`` (the words of ``trace.events.Ended``), and a detail for people.

    Raised from wherever in the driver's generators the end is found, and turned into the transcript's Ended event in one place.
    """

    def __init__(self, by: str, how: str, detail: str = "") -> None:
        super().__init__(f"{by}: {how}")
        self.by = by
        self.how = how
        self.detail = detail
