"""The table of a capture's connections: one line each, printed as they come, so that a capture of any size has one."""

from __future__ import annotations

from typing import Any

from inspector.report.escape import terminal
from inspector.report.layout import columns, wrap

HEAD = ("stream", "client", "server", "SNI", "version", "verdict", "alert")
# So many rows are looked at to make the columns fit; later ones that are wider push the rest of their line aside.
LOOKED_AT = 500
NAME_SHOWN = 48


def cells(row: Any) -> tuple[str, ...]:
    """The texts of one row, made safe for a terminal."""
    name = terminal(row.server_name)
    name = name if len(name) <= NAME_SHOWN else name[: NAME_SHOWN - 1] + "…"
    return (str(row.stream), row.client, row.server, name or "-", row.version or "-", row.verdict, row.alert or "-")


# Where a line has no room for a row, what it came to stands on a second one.
FIRST_LINE = 3
INDENT = "    "


class Table:
    """Give it rows in order; it gives lines back, some calls late. ``width``: columns of the terminal, None where there is none."""

    def __init__(self, width: int | None = None) -> None:
        self._width = width
        self._folded = False
        self._widths: list[int] | None = None
        self._held: list[tuple[str, ...]] = []

    def add(self, texts: tuple[str, ...]) -> list[str]:
        """One row in; the lines that can be printed now."""
        if self._widths is not None:
            return [self._line(texts)]
        self._held.append(texts)
        return self.end() if len(self._held) >= LOOKED_AT else []

    def end(self) -> list[str]:
        """The lines that are left."""
        if not self._held:
            return []
        every = [HEAD, *self._held]
        self._widths = [max(columns(texts[i]) for texts in every) for i in range(len(HEAD))]
        self._folded = self._width is not None and sum(self._widths) + 2 * (len(HEAD) - 1) > self._width
        self._held.clear()
        return [self._line(texts) for texts in every]

    def _line(self, texts: tuple[str, ...]) -> str:
        assert self._widths is not None
        padded = [text + " " * (width - columns(text)) for text, width in zip(texts, self._widths, strict=True)]
        if not self._folded:
            return "  ".join(padded).rstrip()
        said = [text for text in texts[FIRST_LINE:] if text != "-"]
        assert self._width is not None
        rest = wrap("  ".join(said), self._width - len(INDENT))
        return "\n".join(("  ".join(padded[:FIRST_LINE]).rstrip(), *(INDENT + line.rstrip() for line in rest)))
