"""``mtls read``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import click

from inspector.cli import run
from inspector.cli.options import FILE
from inspector.errors import InputError, UsageError

if TYPE_CHECKING:
    from inspector.session.read import Connection, Options, Reading

PROGRESS_FROM = 8 << 20  # bytes of a file that is worth a progress bar
PROGRESS_SECONDS = 0.25
BAR = 30
MAX_LINE = 64 * 1024

# Whose report is printed in full where nobody said which: a refusal first, then what could not be told.
TELLING = {1: 0, 5: 1, 3: 2, 0: 3}


@click.command(epilog="Example: mtls read trace.pcapng --keylog keys.log --stream 3")
@click.argument("capture")
@click.option("--keylog", metavar="FILE", type=FILE, help="Session secrets, as SSLKEYLOGFILE writes them.")
@click.option("--stream", metavar="N", type=click.IntRange(0), help="Only this TCP connection (tshark's tcp.stream).")
@click.option("--port", metavar="P", type=click.IntRange(1, 65535), help="Only connections from or to this port.")
@click.option("--diagnose", is_flag=True, help="Add the likely causes of a rejection.")
@click.option("--cert", metavar="FILE", type=FILE, help="With --diagnose: the certificate that the client is believed to use.")
@click.option("--cacert", metavar="FILE", type=FILE, multiple=True, help="Trust these CAs too. Repeatable.")
@click.option("--no-system-trust", is_flag=True, help="Trust only --cacert.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document a line for each TLS connection, see docs/json-format.md.")
@click.option("--explain", is_flag=True, help="Say what each step is for, and how one-way TLS differs.")
@click.option("--verbose", "-v", is_flag=True, help="Show every field of every message.")
@click.option("--quiet", "-q", is_flag=True, help="Only the table.")
@click.option("--no-color", is_flag=True, help="No colours (also: NO_COLOR in the environment).")
@run.guarded
def command(capture: str, **options: Any) -> int:
    """The same reports from a packet capture: a table of its TLS connections, then the whole report of one (--stream, else the
    first that was rejected).

    CAPTURE is a pcap or pcapng file, also inside gzip, or - for standard input. TLS is found on any port. Session secrets come from
    --keylog or from the capture itself; without them TLS 1.2 is nearly complete, and TLS 1.3 shows what is visible. Chains are
    verified as of the time of the capture. Exit code: the first of 4 the file cannot be used, 3 no TLS came back, 1 rejected,
    5 could not tell, 0 that occurred.
    """
    import gc

    from inspector.session.read import Reading

    # Hardly anything here refers to itself in a circle: looking for such circles often costs a tenth of the time.
    gc.set_threshold(50_000, 20, 50)
    output = run.output_from(options)
    wanted = _options(options)
    with _opened(capture) as (file, bar):
        reading = Reading(file, f"'{capture}'", wanted)
        printer = _Json(reading) if output.json else _Text(reading, output, wanted)
        try:
            for stream, connection in reading.connections():
                printer.take(stream, connection)
                bar.show(reading.packets)
        finally:
            bar.wipe()
            printer.end()
    for note in reading.notes:
        run.say(f"note: {note}")
    if not printer.codes:
        _nothing(capture, reading, wanted, output)
    from inspector.report.outcome import worst

    return int(worst(list(printer.codes)))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _nothing(capture: str, reading: Reading, wanted: Options, output: run.Output) -> None:
    """Say that there was no TLS. Raises UsageError where a stream was asked for that holds none."""
    seen = f"{_count(reading.packets, 'packet')}, {_count(reading.streams, 'TCP connection')}"
    if wanted.stream is not None:
        raise UsageError(f"stream {wanted.stream} of '{capture}' holds no TLS ({seen})", hint="without --stream all are listed")
    line = f"no TLS connection in '{capture}' ({seen})" if wanted.port is None else (
        f"no TLS connection with port {wanted.port} in '{capture}' ({seen})")
    if output.json:
        run.say(line)
    else:
        from inspector.report.escape import terminal

        click.echo(terminal(line))


def _options(options: dict[str, Any]) -> Options:
    from inspector.session import trust
    from inspector.session.read import Options

    if options["cert"] and not options["diagnose"]:
        raise UsageError("--cert without --diagnose", hint="--cert says which certificate the diagnosis shall judge")
    return Options(
        keylog=_keylog(options["keylog"]) if options["keylog"] else (),
        stream=options["stream"],
        port=options["port"],
        trust=trust.resolve(options["cacert"], system=not options["no_system_trust"], environment=os.environ, stored=()),
        credential=_credential(options["cert"]) if options["cert"] else None,
        diagnose=options["diagnose"],
    )


def _unreadable(path: str, exc: OSError) -> InputError:
    hint = "check the path and its permissions"
    return InputError(f"cannot read '{path}': {exc.strerror or exc}", kind="file-unreadable", hint=hint)


def _keylog(path: str) -> Iterator[bytes]:
    """The lines of a key log file; where none holds a secret, that is said. Raises InputError."""
    from inspector.wire.keylog import parse_line

    secrets = 0
    try:
        with open(path, "rb") as file:
            while line := file.readline(MAX_LINE):
                secrets += parse_line(line) is not None
                yield line
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    if not secrets:
        run.say(f"note: '{path}' holds no session secret: it wants lines as SSLKEYLOGFILE writes them")


def _credential(path: str) -> Any:
    """The certificates of a file as a credential without its key: it is judged, not used."""
    from inspector.credentials.load import load_certificates
    from inspector.credentials.model import Credential

    try:
        with open(path, "rb") as file:
            data = file.read(16 << 20)
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    return Credential(path, load_certificates(path, data), None)


# --- the file, and how far it was read ---


class _Counted:
    """A file that counts what was read of it, and turns the system's errors into ours."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file, self._name = file, name
        self.taken = 0

    def read(self, size: int) -> bytes:
        try:
            data = self._file.read(size)
        except OSError as exc:
            raise _unreadable(self._name, exc) from exc
        self.taken += len(data)
        return data


class _Bar:
    """A progress bar on stderr, for a long file and a terminal only."""

    def __init__(self, file: _Counted, size: int) -> None:
        self._file, self._size = file, size
        self._on = sys.stderr.isatty() and (size == 0 or size >= PROGRESS_FROM)
        self._next = time.monotonic() + 2 * PROGRESS_SECONDS
        self._shown = False

    def show(self, packets: int) -> None:
        if not self._on or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + PROGRESS_SECONDS
        self._shown = True
        if self._size:
            share = min(1.0, self._file.taken / self._size)
            done = round(share * BAR)
            text = f"[{'#' * done}{'.' * (BAR - done)}] {share:4.0%}  {packets} packets"
        else:
            text = f"{self._file.taken >> 20} MiB, {packets} packets"
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()

    def wipe(self) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


@contextmanager
def _opened(path: str) -> Iterator[tuple[BinaryIO, _Bar]]:
    if path == "-":
        counted = _Counted(sys.stdin.buffer, "standard input")
        yield cast("BinaryIO", counted), _Bar(counted, 0)
        return
    try:
        file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed below
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    with file:
        counted = _Counted(cast("BinaryIO", file), path)
        yield cast("BinaryIO", counted), _Bar(counted, os.fstat(file.fileno()).st_size)


# --- printing ---


class _Json:
    """One report a line, in the order of first packets."""

    def __init__(self, reading: Reading) -> None:
        from inspector.session.read import Ordered

        self._reading = reading
        self._ordered = Ordered(run.write)
        self.codes: set[Any] = set()

    def take(self, stream: int, connection: Connection | None) -> None:
        if connection is None:
            self._ordered.add(stream, b"")
            return
        from inspector.report.as_json import dumps

        self.codes.add(connection.row.code)
        self._ordered.add(stream, dumps(self._reading.report(connection)) + b"\n")

    def end(self) -> None:
        self._ordered.close()


class _Text:
    """The table, row by row, then the whole report of the connection that tells most."""

    def __init__(self, reading: Reading, output: run.Output, wanted: Options) -> None:
        from inspector.report.connections import Table
        from inspector.session.read import Ordered

        self._reading, self._output, self._wanted = reading, output, wanted
        self._table = Table()
        self._ordered = Ordered(self._row)
        self._best: Connection | None = None
        self.codes: set[Any] = set()

    def take(self, stream: int, connection: Connection | None) -> None:
        if connection is None:
            self._ordered.add(stream, b"")
            return
        from inspector.report.connections import cells

        self.codes.add(connection.row.code)
        if self._best is None or _rank(connection) < _rank(self._best):
            self._best = connection
        self._ordered.add(stream, "\t".join(cells(connection.row)).encode("utf-8", "backslashreplace"))

    def _row(self, line: bytes) -> None:
        self._print(self._table.add(tuple(line.decode().split("\t"))))

    def _print(self, lines: list[str]) -> None:
        if lines:
            run.write(("\n".join(lines) + "\n").encode(sys.stdout.encoding or "utf-8", "backslashreplace"))

    def end(self) -> None:
        self._ordered.close()
        self._print(self._table.end())
        if self._best is None or self._output.quiet:
            return
        report = self._reading.report(self._best)
        self._print(["", f"Stream {self._best.captured.stream}", ""])
        run.print_report(report, self._output)


def _rank(connection: Connection) -> tuple[int, int]:
    return TELLING.get(int(connection.row.code), 4), connection.captured.stream
