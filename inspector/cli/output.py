"""What the output options come to."""

from __future__ import annotations

import os
import sys
from typing import Any, NamedTuple

WIDTH_WITHOUT_TERMINAL = 100
NARROWEST, WIDEST = 40, 160


class Output(NamedTuple):
    """How to print, and what to write beside it."""

    json: bool = False
    verbose: bool = False
    explain: bool = False
    quiet: bool = False
    color: bool = False
    width: int = WIDTH_WITHOUT_TERMINAL
    table_width: int | None = None  # None: a row of a table is one line, however long
    keylog: str | None = None
    pcapng: str | None = None


def _terminal_width() -> int:
    import shutil

    return max(NARROWEST, min(WIDEST, shutil.get_terminal_size((WIDTH_WITHOUT_TERMINAL, 24)).columns))


def table_width() -> int | None:
    """Columns that a table must fit into; None where nobody looks at it: then a row is a line, as programs want it."""
    return _terminal_width() if sys.stdout.isatty() or os.environ.get("COLUMNS") else None


def output_from(options: dict[str, Any]) -> Output:
    """What the output options, the environment (NO_COLOR, TERM, COLUMNS) and the terminal come to."""
    plain = options.get("no_color") or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return Output(
        json=bool(options.get("as_json")),
        verbose=bool(options.get("verbose")),
        explain=bool(options.get("explain")),
        quiet=bool(options.get("quiet")),
        color=not plain and sys.stdout.isatty(),
        width=_terminal_width(),
        table_width=table_width(),
        keylog=options.get("keylog"),
        pcapng=options.get("pcapng"),
    )
