"""The report as JSON: one line, keys in the order of the model, absent where they do not apply."""

from __future__ import annotations

from typing import Any

import msgspec

from inspector.report.escape import json_text
from inspector.report.model import Report


def _without_surrogates(value: Any) -> Any:
    """Plain values with lone surrogates replaced: JSON in UTF-8 cannot hold them."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_surrogates(item) for item in value]
    return value


def dumps(report: Report, *, indent: int = 0) -> bytes:
    """The document in UTF-8, without a line feed at the end; on one line, or indented where ``indent`` is given.

    Characters that could act upon a terminal are written as JSON escapes, so that the document may be printed as it is.
    """
    try:
        encoded = msgspec.json.encode(report)
    except UnicodeEncodeError:
        encoded = msgspec.json.encode(_without_surrogates(msgspec.to_builtins(report, str_keys=True)))
    if indent:
        encoded = msgspec.json.format(encoded, indent=indent)
    if encoded.isascii() and b"\x7f" not in encoded:
        return encoded
    return json_text(encoded.decode("utf-8")).encode("ascii" if encoded.isascii() else "utf-8")


def loads(data: bytes) -> Report:
    """The report that a document holds. Raises ``msgspec.ValidationError`` or ``msgspec.DecodeError`` where it holds none."""
    return msgspec.json.decode(data, type=Report)
