"""What a request may hold, the same for both versions of HTTP (RFC 9110, Section 5; RFC 9113, Section 8.2.1), and its bytes."""

from __future__ import annotations

import re

from inspector.app.http_message import Request
from inspector.errors import UsageError

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# line ends and NUL are never part of a value; h11 and strict servers refuse the other control characters too
NOT_IN_VALUES = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
TARGET = re.compile(r"[!-~]+")
HINT = "--raw FILE sends any bytes as they are"


def to_bytes(text: str) -> bytes:
    """The bytes that were typed: UTF-8, and what is not UTF-8 as it was (PEP 383)."""
    return text.encode("utf-8", "surrogateescape")


def check(request: Request) -> None:
    """Raises UsageError for a method, path or header that HTTP cannot carry."""
    if not TOKEN.fullmatch(request.method):
        raise UsageError(f"{request.method!r} is not a method", hint=HINT)
    if not TARGET.fullmatch(request.target):
        raise UsageError(f"the path {request.target!r} has a character that HTTP cannot carry", hint="percent-encode it")
    if not TARGET.fullmatch(request.authority):
        raise UsageError(f"{request.authority!r} names no host", hint="check the host's spelling")
    for name, value in request.headers:
        if not TOKEN.fullmatch(name):
            raise UsageError(f"{name!r} is not a header's name", hint="a name has no blanks, colons or control characters")
        if NOT_IN_VALUES.search(value):
            raise UsageError(f"the header {name} has a line end or control character in its value", hint=HINT)
        if value != value.strip(" \t"):
            raise UsageError(f"the header {name} begins or ends with a blank", hint="take the blank away")
