"""The words of one command as a shell would read it, of text that somebody pasted. Nothing is run, and nothing is looked up.

A POSIX shell's quotes, bash's ``$'...'`` (browsers copy commands so), and what cmd.exe makes of ``^``. What a shell would do beyond
that - pipes, redirections, variables, a second command - is refused: as words they would mean something else.
"""

from __future__ import annotations

import os
import re

from inspector.errors import UsageError

OPERATORS = "|&;<>()`"
WINDOWS = re.compile(r"\s*\S+\s+\^\"|.*[ \t]\^\r?\n", re.DOTALL)
ANSI = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "v": "\v"}
LINE_JOIN = re.compile(r"\\\r?\n")
HEX = "[0-9A-Fa-f]"
ESCAPE = re.compile(
    rf"\\u([Dd][89ABab]{HEX}{HEX})\\u([Dd][C-Fc-f]{HEX}{HEX})|"  # two halves of a character beyond the first 65536
    rf"\\(?:x({HEX}{{1,2}})|u({HEX}{{1,4}})|U({HEX}{{1,8}})|([0-7]{{1,3}})|c(.)|(.))", re.DOTALL)
EXPANDED = re.compile(r"\$[A-Za-z0-9_{(@*#?!$-]")


def split(text: str) -> list[str]:
    """The words. Raises UsageError for what is not one simple command."""
    if WINDOWS.match(text):
        return _argv(_without_carets(text))
    return _Posix(text).words()


def _refuse(what: str) -> UsageError:
    return UsageError(f"the command has an unquoted {what}, which only a shell knows how to follow",
                      hint="paste one curl command by itself; quote what belongs to a word (a URL with & stands in quotes)")


def _unclosed() -> UsageError:
    return UsageError("the curl command cannot be read: no closing quotation", hint="check its quotes")


class _Posix:
    """Reads words one after the other."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def words(self) -> list[str]:
        found: list[str] = []
        while self._at < len(self._text):
            c = self._text[self._at]
            if c in " \t":
                self._at += 1
            elif self._joined():
                continue
            elif c in "\r\n":
                if self._text[self._at :].strip():
                    raise _refuse("line end")
                break
            elif c == "#":
                self._at = (self._text + "\n").index("\n", self._at)
            else:
                found.append(self._word())
        return found

    def _joined(self) -> bool:
        """Skips a backslash and the line end that it takes away; False where there is none."""
        found = LINE_JOIN.match(self._text, self._at)
        self._at = self._at if found is None else found.end()
        return found is not None

    def _word(self) -> str:
        out, start = "", self._at
        while self._at < len(self._text) and (c := self._text[self._at]) not in " \t\r\n":
            if c == "'":
                out += self._until("'")
            elif c == '"':
                out += self._double()
            elif self._text.startswith("$'", self._at):
                out += self._ansi()
            elif self._joined():
                continue
            elif c == "\\":
                out += self._text[self._at + 1 : self._at + 2]
                self._at += 2
            else:
                self._check()
                out += c
                self._at += 1
        home = self._text[start : start + 2] in ("~", "~/")
        return os.path.expanduser(out) if home else out

    def _check(self) -> None:
        c = self._text[self._at]
        if c in OPERATORS:
            raise _refuse(f"'{c}'")
        if (found := EXPANDED.match(self._text, self._at)) is not None:
            raise UsageError(f"the command has a variable or a command in it ('{found[0]}...'), which is not looked up here",
                             hint="put the value in its place, or quote it with ' where it means itself")

    def _until(self, quote: str) -> str:
        end = self._text.find(quote, self._at + 1)
        if end < 0:
            raise _unclosed()
        start, self._at = self._at + 1, end + 1
        return self._text[start:end]

    def _double(self) -> str:
        out = ""
        self._at += 1
        while self._at < len(self._text) and (c := self._text[self._at]) != '"':
            if self._joined():
                continue
            if c == "\\" and self._text[self._at + 1 : self._at + 2] in ("\\", '"', "$", "`"):
                self._at += 1
                c = self._text[self._at]
            elif c in "$`":
                if c == "`":
                    raise _refuse("'`'")
                self._check()
            out += c
            self._at += 1
        if self._at >= len(self._text):
            raise _unclosed()
        self._at += 1
        return out

    def _ansi(self) -> str:
        """Bash's ``$'...'``: escapes as in C."""
        match = re.compile(r"((?:[^\\']|\\.)*)'", re.DOTALL).match(self._text, self._at + 2)
        if match is None:
            raise _unclosed()
        self._at = match.end()
        raw = ESCAPE.sub(_meant, match[1])
        # \xHH are bytes, which may be parts of one character
        return os.fsdecode(raw.encode("utf-8", "surrogateescape"))


def _meant(found: re.Match[str]) -> str:
    high, low, hexadecimal, short, long, octal, control, other = found.groups()
    if high:  # as browsers write it
        return (chr(int(high, 16)) + chr(int(low, 16))).encode("utf-16", "surrogatepass").decode("utf-16")
    if hexadecimal or octal:
        byte = int(hexadecimal, 16) if hexadecimal else int(octal, 8) & 0xFF
        return chr(byte) if byte < 0x80 else chr(0xDC00 + byte)  # as surrogateescape spells a byte
    if short or long:
        number = int(short or long, 16)
        if number > 0x10FFFF or 0xD800 <= number < 0xE000:
            raise UsageError(f"the curl command cannot be read: {found[0]} is no character", hint="check its quotes")
        return chr(number)
    if control:
        return chr(ord(control.upper()) & 0x1F)
    return ANSI.get(other, other if other in "\\'\"?" else found[0])


def _without_carets(text: str) -> str:
    """What cmd.exe hands to the program: outside quotes a caret takes the meaning from what follows, and joins lines."""
    out, quoted, at = "", False, 0
    text = text.replace("\r\n", "\n").strip()
    while at < len(text):
        c, following = text[at], text[at + 1 : at + 2]
        at += 1
        if c == "^" and not quoted:
            at += 1
            if following == "\n":  # the lines are one; another line end after it is the character
                following = text[at : at + 1] if text[at : at + 1] == "\n" else ""
                at += len(following)
            out += following
        elif not quoted and c in "|&<>\n":
            raise _refuse("line end" if c == "\n" else f"'{c}'")
        else:
            quoted ^= c == '"'
            out += c
    return out


def _argv(line: str) -> list[str]:
    """Words as a Windows program reads its command line: backslashes count before a quote only."""
    words: list[str] = []
    word: str | None = None
    quoted, at = False, 0
    while at < len(line):
        slashes = len(line) - at - len(line[at:].lstrip("\\"))
        at += slashes
        c, following = line[at : at + 1], line[at + 1 : at + 2]
        before_quote = c == '"' and slashes > 0
        word = (word or "") + "\\" * (slashes // 2 if before_quote else slashes) if slashes else word
        at += 1
        if (before_quote and slashes % 2) or (c == '"' == following and quoted):
            word = (word or "") + '"'
            at += not (before_quote and slashes % 2)
        elif c == '"':
            quoted, word = not quoted, word or ""
        elif c in " \t" and not quoted:
            words += [word] if word is not None else []
            word = None
        else:
            word = (word or "") + c
    if quoted:
        raise _unclosed()
    return words + ([word] if word is not None else [])
