"""``--form``: multipart/form-data (RFC 7578), with the words of curl's: files, types, file names, headers of a part."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from typing import NamedTuple

from inspector.cli import run
from inspector.cli.request_files import FromFile, Part, read_input
from inspector.errors import UsageError

SPACE = " \t\r\n\v\f"
# curl's table; other files are application/octet-stream
TYPES = {
    ".gif": "image/gif", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".svg": "image/svg+xml",
    ".txt": "text/plain", ".htm": "text/html", ".html": "text/html", ".pdf": "application/pdf", ".xml": "application/xml",
}
FORM_DATA = "multipart/form-data"


class Field(NamedTuple):
    """One part as it was written: what it holds, and what was said about it."""

    value: str
    type: str | None = None
    filename: str | None = None
    headers: tuple[str, ...] = ()


class _Reader:
    """Reads ``VALUE;type=...;filename=...;headers=...``; a word in double quotes may hold what would end it."""

    def __init__(self, text: str, end: str) -> None:
        self.text, self._stops = text, ";" + end
        self.at = 0

    @property
    def next(self) -> str:
        return self.text[self.at : self.at + 1]

    def skip_space(self) -> None:
        while self.next and self.next in SPACE:
            self.at += 1

    def word(self) -> str:
        """Up to a separator, or what stands between quotes (where a backslash protects a quote and itself)."""
        self.skip_space()
        if self.next == '"' and (quoted := self._quoted()) is not None:
            return quoted
        return self.plain().rstrip(SPACE)

    def plain(self) -> str:
        start = self.at
        while self.next and self.next not in self._stops:
            self.at += 1
        return self.text[start : self.at]

    def _quoted(self) -> str | None:
        out, at = "", self.at + 1
        while at < len(self.text) and self.text[at] != '"':
            at += self.text[at] == "\\" and self.text[at + 1 : at + 2] in ("\\", '"')
            out += self.text[at : at + 1]
            at += 1
        if at >= len(self.text):
            return None  # no closing quote: then it is a character like others
        self.at = at + 1
        if self.plain().strip(SPACE):
            run.say("warning: --form: what stands behind a quoted word is left out")
        return out

    def field(self) -> Field:
        """One value with its extras, up to the end or a separator of values."""
        found = Field(self.word())
        in_type = False
        while self.next == ";":
            self.at += 1
            self.skip_space()
            found, in_type = self._extra(found, in_type=in_type)
        return found

    def _extra(self, found: Field, *, in_type: bool) -> tuple[Field, bool]:
        rest = self.text[self.at :].lower()
        if rest.startswith("type=") and not in_type:
            self.at += 5
            kind = self.plain().strip(SPACE)
            if not all(kind.partition("/")[::2]):
                raise UsageError(f"--form: '{kind}' is no content type", hint="write it as ;type=text/plain")
            return found._replace(type=kind), True
        if rest.startswith("filename="):
            self.at += 9
            return found._replace(filename=self.word()), False
        if rest.startswith("headers="):
            self.at += 8
            return found._replace(headers=(*found.headers, *_headers(self.word()))), False
        if rest.startswith("encoder="):
            raise UsageError("--form: ;encoder= is not known here", hint="encode the value before, and say so with ;headers=")
        if in_type:  # as in ;type=text/plain; charset=utf-8
            return found._replace(type=f"{found.type}; {self.plain().strip(SPACE)}"), True
        if unknown := self.word():
            run.say(f"warning: --form: '{unknown}' is no property of a part, and left out (quote a value that has a ;)")
        return found, False


def _headers(text: str) -> Iterator[str]:
    """One header, or the lines of ``@FILE`` (where ``#`` begins a comment)."""
    if text[:1] not in "@<" or not text:
        yield text
        return
    for line in read_input(text[1:].strip('"')).decode("utf-8", "surrogateescape").splitlines():
        if line.strip() and not line.startswith("#"):
            yield line


def form(fields: tuple[tuple[str, str], ...], given_type: str | None = None) -> tuple[tuple[Part, ...], str]:
    """Parts and Content-Type of fields (kind "form" or "literal", text). ``given_type`` is a Content-Type to use instead."""
    kind = given_type or FORM_DATA
    disposition = "form-data" if kind.partition(";")[0].strip().lower() == FORM_DATA else "attachment"
    boundary = _boundary()
    parts: list[Part] = []
    for how, text in fields:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--form '{text}' is not NAME=VALUE", hint="write it as name=value or name=@file")
        parts += [f"--{boundary}\r\n".encode(), *_part(name, Field(value) if how == "literal" else value, disposition), b"\r\n"]
    parts.append(f"--{boundary}--\r\n".encode())
    return tuple(parts), f"{kind}; boundary={boundary}"


def _boundary() -> str:
    return "-" * 24 + secrets.token_hex(11)


def _part(name: str, value: str | Field, disposition: str) -> list[Part]:
    """Head and content of one part. A string is still to be read as curl reads it."""
    if isinstance(value, Field):
        return [_head(name, value, disposition, None), os.fsencode(value.value)]
    if value.startswith("@"):
        return _files(name, value[1:], disposition)
    if value[:1] in ("(", ")"):
        raise UsageError("--form: parts within parts are not known here", hint="write such a body into a file: --data-binary @FILE")
    from_file = value.startswith("<")
    field = _Reader(value[from_file:], "").field()
    content: Part = FromFile(field.value, "binary") if from_file else os.fsencode(field.value)
    return [_head(name, field, disposition, field.type or _type_of(field.filename)), content]


def _files(name: str, text: str, disposition: str) -> list[Part]:
    """One file, or several in a multipart/mixed of their own."""
    reader = _Reader(text, ",")
    files = [reader.field()]
    while reader.next == ",":
        reader.at += 1
        files.append(reader.field())
    if len(files) == 1:
        return _file(name, files[0], disposition)
    boundary = _boundary()
    parts: list[Part] = [_head(name, Field(""), disposition, f"multipart/mixed; boundary={boundary}")]
    for file in files:
        parts += [f"--{boundary}\r\n".encode(), *_file("", file, "attachment"), b"\r\n"]
    return [*parts, f"--{boundary}--\r\n".encode()]


def _file(name: str, file: Field, disposition: str) -> list[Part]:
    filename = file.filename if file.filename is not None else os.path.basename(file.value)
    kind = file.type or _type_of(filename) or _type_of(file.value) or ("" if file.value == "-" else "application/octet-stream")
    return [_head(name, file._replace(filename=filename), disposition, kind or None), FromFile(file.value, "binary")]


def _type_of(filename: str | None) -> str | None:
    return TYPES.get(os.path.splitext(filename)[1].lower()) if filename else None


def _head(name: str, field: Field, disposition: str, kind: str | None) -> bytes:
    own = {line.partition(":")[0].strip().lower() for line in field.headers}
    lines = []
    if "content-disposition" not in own:
        line = f"Content-Disposition: {disposition}" + (f'; name="{_quoted(name)}"' if name else "")
        lines.append(line + (f'; filename="{_quoted(field.filename)}"' if field.filename is not None else ""))
    if kind and "content-type" not in own:
        lines.append(f"Content-Type: {kind}")
    if any("\n" in line or "\r" in line for line in (*field.headers, kind or "")):
        raise UsageError("--form: a header has a line end in it", hint="give ;headers= once for each header")
    return os.fsencode("\r\n".join([*lines, *field.headers, "", ""]))


def _quoted(text: str) -> str:
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
