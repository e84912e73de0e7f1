"""The structs that a report is made of, and their fields in words: what documentation and tests go by."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import inspect

from inspector.report.model import Report

PLAIN = {
    inspect.StrType: "string", inspect.IntType: "integer", inspect.FloatType: "number", inspect.BoolType: "boolean",
    inspect.NoneType: "null", inspect.AnyType: "any", inspect.DictType: "object",
}


def title(name: str) -> str:
    """A struct's name in words, as the documentation calls it: "client auth" for ClientAuthPart."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.removesuffix("Part")).lower()


def type_text(kind: Any) -> str:
    """A field's type in words, as the documentation writes it: "string or null", "list of integers"..."""
    if isinstance(kind, inspect.UnionType):
        return " or ".join(sorted((type_text(t) for t in kind.types), key=lambda text: text == "null"))
    if isinstance(kind, inspect.LiteralType):
        return " / ".join(f'"{value}"' for value in kind.values)
    if isinstance(kind, (inspect.VarTupleType, inspect.ListType)):
        return f"list of {type_text(kind.item_type)}"
    if isinstance(kind, inspect.TupleType):
        return f"[{', '.join(map(type_text, kind.item_types))}]"
    if isinstance(kind, inspect.StructType):
        return title(kind.cls.__name__)
    return PLAIN[type(kind)]


def _structs_in(kind: Any) -> list[inspect.StructType]:
    if isinstance(kind, inspect.StructType):
        return [kind]
    found = []
    for inner in (*getattr(kind, "types", ()), *getattr(kind, "item_types", ()), getattr(kind, "item_type", None)):
        if inner is not None:
            found += _structs_in(inner)
    return found


def all_structs() -> dict[str, inspect.StructType]:
    """Every struct reachable from a report, by its name, in the order of the model."""
    found: dict[str, inspect.StructType] = {}
    waiting = [inspect.type_info(Report)]
    while waiting:
        struct = waiting.pop(0)
        assert isinstance(struct, inspect.StructType)
        if struct.cls.__name__ not in found:
            found[struct.cls.__name__] = struct
            for field in struct.fields:
                waiting += _structs_in(field.type)
    return found


def rows_of(struct: inspect.StructType) -> list[tuple[str, str]]:
    """(key, type in words) of each field; keys that may be absent are marked."""
    rows = []
    for field in struct.fields:
        absent = not field.required and field.default is msgspec.NODEFAULT
        rows.append((field.encode_name, type_text(field.type) + (", or absent" if absent else "")))
    return rows
