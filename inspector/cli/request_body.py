"""What a request's body is made of: the values of ``--data`` and its kin, a form, JSON, a file. Flags mean what curl's mean."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote_plus

from inspector.app.http_message import Body, BytesBody
from inspector.cli.request_files import FileBody as FileBody
from inspector.cli.request_files import FromFile, Part, PartsBody, read_input
from inspector.cli.request_files import open_input as open_input
from inspector.errors import UsageError

URLENCODED = "application/x-www-form-urlencoded"
BODIES = ("data", "data_json", "form", "upload_file")
LINE_ENDS = b"\r\n\0"


class Content(NamedTuple):
    """A body before it is read: its parts, one after the other, and its Content-Type (None: none is said)."""

    parts: tuple[Part, ...]
    kind: str | None


def _data(text: str, how: str) -> Part:
    return FromFile(text[1:], how) if text.startswith("@") else os.fsencode(text)


def _urlencode(text: str) -> tuple[Part, ...]:
    """The value of ``--data-urlencode``: content, =content, name=content, @file or name@file."""
    at, equals = text.find("@"), text.find("=")
    if at >= 0 and (equals < 0 or at < equals):
        name: str = text[:at]
        value: Part = FromFile(text[at + 1 :], "urlencode")
    else:
        name, value = (text[:equals], urlencoded(os.fsencode(text[equals + 1 :]))) if equals >= 0 else (
            "", urlencoded(os.fsencode(text)))
    return (os.fsencode(name) + b"=", value) if name else (value,)


def urlencoded(data: bytes) -> bytes:
    """Percent-encoded for a form (a space is ``+``)."""
    return quote_plus(data).encode()


# kind of value -> the parts that it comes to
DATA: dict[str, Callable[[str], tuple[Part, ...]]] = {
    "data": lambda text: (_data(text, "data"),),
    "data_raw": lambda text: (os.fsencode(text),),
    "data_binary": lambda text: (_data(text, "binary"),),
    "data_urlencode": _urlencode,
}


def _joined(values: tuple[tuple[str, str], ...]) -> tuple[Part, ...]:
    """The values in the order of the command line, with ``&`` between them."""
    parts: list[Part] = []
    for number, (kind, text) in enumerate(values):
        parts += [b"&"] if number else []
        parts += DATA[kind](text)
    return tuple(parts)


def content_of(options: dict[str, Any], form_type: str | None = None) -> Content | None:
    """The body that the options come to; None where there is none. Raises UsageError where options exclude each other.

    ``form_type`` is the Content-Type that a header gives to a form.
    """
    kinds = [name for name in BODIES if options[name]]
    if len(kinds) > 1:
        names = " and ".join("--" + name.replace("_", "-") for name in kinds)
        raise UsageError(f"{names} exclude each other", hint="a request has one body")
    if options["upload_file"]:
        path = options["upload_file"]
        return Content((FromFile(path, "stream" if path == "-" else "binary"),), None)
    if options["form"]:
        from inspector.cli.request_form import form

        return Content(*form(options["form"], form_type))
    if options["data_json"]:
        return Content(tuple(_data(text, "binary") for text in options["data_json"]), "application/json")
    return Content(_joined(options["data"]), URLENCODED) if options["data"] else None


# what becomes of a file's content
READ: dict[str, Callable[[bytes], bytes]] = {
    "binary": bytes, "data": lambda data: data.translate(None, LINE_ENDS), "urlencode": urlencoded,
}


def settled(content: Content) -> Content:
    """The content with all that is in memory put together, and stdin read: what several URLs can be sent."""
    parts: list[Part] = []
    for part in content.parts:
        now = part
        if isinstance(part, FromFile) and (part.path == "-" or part.how != "binary") and part.how in READ:
            now = READ[part.how](read_input(part.path))
        before = parts[-1] if parts else None
        if isinstance(now, bytes) and isinstance(before, bytes):
            parts[-1] = before + now
        else:
            parts.append(now)
    return content._replace(parts=tuple(parts))


def whole(content: Content) -> bytes:
    """All of it, in memory."""
    return b"".join(part if isinstance(part, bytes) else READ[part.how](read_input(part.path)) for part in content.parts)


def body_of(content: Content) -> Body:
    """A body to send settled content once. Opens a single file, and looks for those of a form."""
    parts = content.parts
    if len(parts) == 1 and isinstance(parts[0], FromFile):
        return FileBody(open_input(parts[0].path))
    if all(isinstance(part, bytes) for part in parts):
        return BytesBody(b"".join(part for part in parts if isinstance(part, bytes)))
    return PartsBody([part if isinstance(part, bytes) else part.path for part in parts])
