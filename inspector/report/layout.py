"""Lines for a terminal: wrapped to its width, escaped, coloured where wanted. Knows nothing of reports."""

from __future__ import annotations

import unicodedata

from inspector.report.escape import terminal

STYLES = {
    "good": "\x1b[1;32m", "bad": "\x1b[1;31m", "unsure": "\x1b[1;33m", "plain": "\x1b[1m", "heading": "\x1b[1m", "dim": "\x1b[2m",
    "client": "\x1b[36m", "server": "\x1b[35m", "warn": "\x1b[33m",
}
RESET = "\x1b[0m"
# Text that would have fewer columns than this beside its lead stands beneath it.
LEAST_ROOM, BENEATH = 20, 6


def columns(text: str) -> int:
    """How many columns a terminal needs for text that is already escaped."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def _cut(word: str, width: int) -> tuple[str, str]:
    """The longest beginning of ``word`` that fits, and the rest."""
    used = 0
    for i, c in enumerate(word):
        used += columns(c)
        if used > width:
            return word[: max(i, 1)], word[max(i, 1):]
    return word, ""


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most ``width`` columns, broken at blanks, words that are too long anywhere. At least one line."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        candidate = f"{line} {word}" if line else word
        if columns(candidate) <= width:
            line = candidate
            continue
        if line:
            lines.append(line)
        line = word
        while columns(line) > width:
            head, line = _cut(line, width)
            lines.append(head)
    return [*lines, line]


def _wrap_lead(lead: str, width: int) -> list[str]:
    """The lead on lines of its own, none where there is none."""
    start = len(lead) - len(lead.lstrip())
    room = max(width - start, LEAST_ROOM)
    return [" " * start + line.rstrip() for line in wrap(lead.strip(), room)] if lead.strip() else []


class Page:
    """Collects lines. All text goes through ``terminal`` here, so nothing of a peer's can slip past."""

    def __init__(self, width: int = 100, *, color: bool = False) -> None:
        self.width = width
        self.color = color
        self.lines: list[str] = []

    def style(self, text: str, style: str | None) -> str:
        return f"{STYLES[style]}{text}{RESET}" if self.color and style and text else text

    def blank(self) -> None:
        if self.lines and self.lines[-1]:
            self.lines.append("")

    def heading(self, text: str) -> None:
        """A section's name, after an empty line."""
        self.blank()
        self.lines += [self.style(line.rstrip(), "heading") for line in wrap(terminal(text), max(self.width, LEAST_ROOM))]

    def line(self, text: str, *, indent: int = 0, style: str | None = None) -> None:
        """A paragraph, wrapped under its indent."""
        self.hang("", text, indent, style=style)

    def hang(
        self, lead: str, text: str, indent: int, *, style: str | None = None, lead_style: str | None = None, most: int = 0,
    ) -> None:
        """``lead`` and, from column ``indent`` on, the text. ``most`` is the number of lines after which it is cut (0: never)."""
        lead = terminal(lead)
        if self.width - indent < LEAST_ROOM and indent > BENEATH:
            self.lines += [self.style(line, lead_style) for line in _wrap_lead(lead, self.width)]
            lead, indent = "", BENEATH
            if not text:
                return
        if columns(lead) > max(indent - (not lead.endswith(" ")), 0):
            first_indent = columns(lead) + 1
        else:
            lead, first_indent = lead + " " * (indent - columns(lead)), indent
        pad = " " if first_indent != indent else ""
        room = max(self.width - indent, 20)
        lines = wrap(terminal(text), room) if first_indent == indent else self._wrap_after(terminal(text), first_indent, indent)
        if most and len(lines) > most:
            kept = lines[most - 1]
            lines = [*lines[: most - 1], _cut(kept, room - 4)[0].rstrip() + " ..." if columns(kept) > room - 4 else f"{kept} ..."]
        self.lines.append((self.style(lead, lead_style) + pad + self.style(lines[0], style)).rstrip())
        self.lines += [" " * indent + self.style(line, style) for line in lines[1:]]

    def _wrap_after(self, text: str, first_indent: int, indent: int) -> list[str]:
        """Lines where the first has less room than the others."""
        first = wrap(text, max(self.width - first_indent, 10))
        rest = " ".join(first[1:])
        return [first[0], *(wrap(rest, max(self.width - indent, 20)) if rest else [])]

    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines).rstrip("\n")
