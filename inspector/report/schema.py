"""The JSON Schema of a report, made from the model. ``python -m inspector.report.schema`` writes ``schema.json`` anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from inspector.report.model import SCHEMA, Report

FILE = Path(__file__).with_name("schema.json")


def _require_what_is_always_written(definition: dict[str, Any]) -> None:
    """A key with a default is always in the document; only parts that do not apply (UNSET) are left out."""
    always = definition.get("required", [])
    properties = definition.get("properties", {})
    definition["required"] = [name for name, value in properties.items() if name in always or "default" in value]


def schema() -> dict[str, Any]:
    """The schema as a dict: JSON Schema 2020-12, every type of the model under ``$defs``."""
    made = msgspec.json.schema(Report)
    for definition in made["$defs"].values():
        _require_what_is_always_written(definition)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{SCHEMA.replace('/', ':')}",
        "title": SCHEMA,
        **made,
    }


def text() -> str:
    """The file's contents."""
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode() + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
