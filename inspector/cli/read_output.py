"""What ``mtls read`` prints: lines in the order of the capture's connections, and at last the whole report of one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from inspector.cli import run

if TYPE_CHECKING:
    from inspector.session.read import Connection, Reading

ROWS_AT_ONCE = 64  # of the table, where nobody watches it grow
# Whose report is printed in full where nobody said which: a refusal first, then what could not be told.
TELLING = {1: 0, 5: 1, 3: 2, 0: 3}
Rank = tuple[int, int]


class Lines:
    """Makes the line of each connection. Where several processes read, each makes its own."""

    def __init__(self, reading: Reading, output: run.Output) -> None:
        self._reading, self._output = reading, output
        self._best: Connection | None = None

    @property
    def best(self) -> Rank | None:
        """The rank, lower is better, of the connection whose report tells most; None where none is to be printed."""
        return None if self._best is None else _rank(self._best)

    def of(self, connection: Connection) -> bytes:
        """The connection's JSON document, or the cells of its row."""
        if self._output.json:
            from inspector.report.as_json import dumps

            return dumps(self._reading.report(connection)) + b"\n"
        from inspector.report.connections import cells

        if not self._output.quiet and (self._best is None or _rank(connection) < _rank(self._best)):
            self._best = connection
        return "\t".join(cells(connection.row)).encode("utf-8", "backslashreplace")

    def print_report(self) -> None:
        """Print the whole report of the connection that tells most."""
        if self._best is not None:
            report = self._reading.report(self._best)
            run.write_text(f"\nStream {self._best.captured.stream}\n")
            run.print_report(report, self._output)


def _rank(connection: Connection) -> Rank:
    return TELLING.get(int(connection.row.code), 4), connection.captured.stream


class Printer:
    """Takes lines as connections end, and prints them in the order in which they began."""

    def __init__(self, output: run.Output) -> None:
        from inspector.report.connections import Table
        from inspector.session.ordered import Ordered

        self._table = None if output.json else Table(output.table_width)
        self._ordered = Ordered(run.write if output.json else self._row)
        self._rows: list[str] = []
        self._at_once = 1 if sys.stdout.isatty() else ROWS_AT_ONCE
        self.codes: set[Any] = set()

    def put(self, stream: int, line: bytes, code: int) -> None:
        """The line of a stream, empty for none, and its exit code, negative for none."""
        if code >= 0:
            self.codes.add(code)
        self._ordered.add(stream, line)

    def _row(self, line: bytes) -> None:
        assert self._table is not None
        self._rows += self._table.add(tuple(line.decode().split("\t")))
        if len(self._rows) >= self._at_once:
            self._print()

    def _print(self) -> None:
        if self._rows:
            run.write_text("\n".join(self._rows))
            self._rows.clear()

    def end(self) -> None:
        """Print what is left, whatever is missing in between."""
        self._ordered.close()
        if self._table is not None:
            self._rows += self._table.end()
            self._print()
