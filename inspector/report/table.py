"""Tables for a terminal: a row is a line where its width allows, else the columns that tell rows apart, and the rest beneath."""

from __future__ import annotations

from inspector.report.layout import columns, wrap

# So many rows are looked at to make the columns fit; later ones that are wider push the rest of their line aside.
LOOKED_AT = 500
INDENT = "    "
BETWEEN = "  "
NOTHING = "-"


class Table:
    """Give it rows in order; it gives lines back, some calls late, so that a table of any size has one.

    ``first``: so many columns stay on the first line where a row is too long for one. ``width``: columns of the terminal, None
    where there is none, and rows are as long as they are.
    """

    def __init__(self, head: tuple[str, ...], first: int, width: int | None = None) -> None:
        self._head, self._first, self._width = head, first, width
        self._folded = False
        self._widths: list[int] | None = None
        self._held: list[tuple[str, ...]] = []

    def add(self, texts: tuple[str, ...]) -> list[str]:
        """One row in, safe for a terminal; the lines that can be printed now."""
        if self._widths is not None:
            return self._lines(texts)
        self._held.append(texts)
        return self.end() if len(self._held) >= LOOKED_AT else []

    def end(self) -> list[str]:
        """The lines that are left."""
        if not self._held:
            return []
        every = [self._head, *self._held]
        self._widths = [max(columns(texts[i]) for texts in every) for i in range(len(self._head))]
        self._folded = self._width is not None and self._room(len(self._head)) > self._width
        self._held.clear()
        return [line for texts in every for line in self._lines(texts)]

    def _room(self, count: int) -> int:
        assert self._widths is not None
        return sum(self._widths[:count]) + len(BETWEEN) * (count - 1)

    def _lines(self, texts: tuple[str, ...]) -> list[str]:
        assert self._widths is not None
        padded = [text + " " * (width - columns(text)) for text, width in zip(texts, self._widths, strict=True)]
        whole = BETWEEN.join(padded).rstrip()
        if self._width is None or not (self._folded or columns(whole) > self._width):
            return [whole]
        aligned = self._room(self._first) <= self._width
        first = BETWEEN.join((padded if aligned else texts)[: self._first]).rstrip()
        rest = BETWEEN.join(text for text in texts[self._first:] if text != NOTHING)
        begun, *more = _filled(first, self._width)
        room = self._width - len(INDENT)
        return [begun, *(INDENT + line for text in (*more, rest) if text for line in _filled(text, room))]


def _filled(text: str, width: int) -> list[str]:
    return [text] if columns(text) <= width else [line.strip() for line in wrap(text, width)]
