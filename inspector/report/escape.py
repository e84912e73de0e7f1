"""Text of a peer, made safe for a terminal: nothing it sent moves the cursor, colours, hides or reorders what we print."""

from __future__ import annotations

import re

# from U+007F on; the complement says the same and compiles ten times faster, which every command would feel
_NOT_PRINTABLE_ABOVE_ASCII = re.compile(r"[^\x00-\x7e]")


def _spelled(character: str) -> str:
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def terminal(text: str) -> str:
    """``text`` on one line, with every control, format (bidi, zero width), surrogate, private or unassigned character spelled out.

    Letters of all scripts stay as they are. A backslash is not doubled: what is spelled out is for people, not for programs.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _spelled(c) for c in text)


def lines(text: str) -> list[str]:
    """The lines of a text that may have several, each safe for a terminal; tabs become blanks."""
    return [terminal(line.replace("\t", "    ").rstrip("\r")) for line in text.split("\n")]


def _json_escape(match: re.Match[str]) -> str:
    character = match.group()
    if character.isprintable():
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def json_text(document: str) -> str:
    """The same JSON document, with characters that a terminal could act upon written as JSON escapes (RFC 8259, Section 7)."""
    return _NOT_PRINTABLE_ABOVE_ASCII.sub(_json_escape, document)
