"""YAML from files of others, within limits: no aliases (they make small files huge), no deep nesting (the parser takes forever)."""

from __future__ import annotations

from typing import Any

MAX_YAML = 1024 * 1024
MAX_DEPTH = 64


def documents(data: bytes | str) -> list[Any]:
    """All documents of a YAML text. Raises ValueError, with a reason in words, where it is none or beyond the limits."""
    import yaml

    if len(data) > MAX_YAML:
        raise ValueError(f"{len(data)} bytes of YAML")
    depth = 0
    try:
        for event in yaml.parse(data, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise ValueError("YAML with aliases, which is not read")  # noqa: TRY004 - the type is right, the text is not
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise ValueError("YAML that is nested too deeply")
        return list(yaml.safe_load_all(data))
    except (yaml.YAMLError, RecursionError) as exc:
        raise ValueError("not well-formed YAML") from exc
