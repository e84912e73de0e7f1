"""The table of a capture's connections: one line each, printed as they come, so that a capture of any size has one."""

from __future__ import annotations

from typing import Any

from inspector.report import table
from inspector.report.escape import terminal

HEAD = ("stream", "client", "server", "SNI", "version", "verdict", "alert")
FIRST_LINE = 3  # the columns that tell connections apart
NAME_SHOWN = 48


def cells(row: Any) -> tuple[str, ...]:
    """The texts of one row, made safe for a terminal."""
    name = terminal(row.server_name)
    name = name if len(name) <= NAME_SHOWN else name[: NAME_SHOWN - 1] + "…"
    return (str(row.stream), row.client, row.server, name or "-", row.version or "-", row.verdict, row.alert or "-")


class Table(table.Table):
    """Takes the cells of connections. ``width``: columns of the terminal, None where there is none."""

    def __init__(self, width: int | None = None) -> None:
        super().__init__(HEAD, FIRST_LINE, width)
