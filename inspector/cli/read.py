"""``mtls read``."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

import click

from inspector.cli import run
from inspector.cli.options import FILE
from inspector.errors import InputError, UsageError

if TYPE_CHECKING:
    from inspector.capture.secrets import Secrets
    from inspector.session.read import Options
    from inspector.session.shares import Channel

PROGRESS_FROM = 8 << 20  # bytes of a file that is worth a progress bar
PROGRESS_SECONDS = 0.25
BAR = 30
MAX_LINE = 64 * 1024
SHARED_FROM = 4 << 20  # bytes of a file that is worth a second process
MAX_JOBS = 64


@click.command(epilog="Example: mtls read trace.pcapng --keylog keys.log --stream 3")
@click.argument("capture")
@click.option("--keylog", metavar="FILE", type=FILE, help="Session secrets, as SSLKEYLOGFILE writes them.")
@click.option("--stream", metavar="N", type=click.IntRange(0), help="Only this TCP connection (tshark's tcp.stream).")
@click.option("--port", metavar="P", type=click.IntRange(1, 65535), help="Only connections from or to this port.")
@click.option("--diagnose", is_flag=True, help="Add the likely causes of a rejection.")
@click.option("--cert", metavar="FILE", type=FILE, help="With --diagnose: the certificate that the client is believed to use.")
@click.option("--cacert", metavar="FILE", type=FILE, multiple=True, help="Trust these CAs too. Repeatable.")
@click.option("--no-system-trust", is_flag=True, help="Trust only --cacert.")
@click.option("--jobs", metavar="N", type=click.IntRange(1, MAX_JOBS),
              help="Processes that read together. Default: one a processor, for a large file.")
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

    from inspector.report.outcome import worst

    # Hardly anything here refers to itself in a circle: looking for such circles often costs a tenth of the time.
    gc.set_threshold(50_000, 20, 50)
    output = run.output_from(options)
    wanted = _options(capture, options)
    jobs = _jobs(capture, options["jobs"], wanted)
    seen = _alone(capture, wanted, output) if jobs == 1 else _together(jobs, capture, wanted, output)
    for note in seen.notes:
        run.say(f"note: {note}")
    if options["keylog"] and seen.codes and len(_secrets_of(wanted)) and not seen.sessions:
        run.say(f"note: '{options['keylog']}' has no secret of a connection in this capture: it is of other sessions")
    if not seen.codes:
        _nothing(capture, seen, wanted, output)
    return int(worst(list(seen.codes)))


class _Seen(NamedTuple):
    """What the file held beside the lines that were printed."""

    codes: set[Any]
    notes: tuple[str, ...]
    packets: int
    streams: int
    sessions: int  # whose secrets were at hand


def _secrets_of(wanted: Options) -> Secrets:
    return cast("Secrets", wanted.keylog)  # as ``_options`` made it


def _jobs(path: str, asked: int | None, wanted: Options) -> int:
    """How many processes read: more than one only of a file that can be opened again, and not for one connection."""
    from inspector.session.shares import processors

    if path == "-" or wanted.stream is not None or not hasattr(os, "fork"):
        return 1
    try:
        info = os.stat(path)
    except OSError:
        return 1
    if not stat.S_ISREG(info.st_mode):
        return 1
    return asked or (processors() if info.st_size >= SHARED_FROM else 1)


def _alone(path: str, wanted: Options, output: run.Output) -> _Seen:
    """Read the capture in this process."""
    from inspector.cli.read_output import Lines, Printer
    from inspector.session.read import Reading

    with _opened(path) as file:
        bar = _Bar(file.size)
        reading = Reading(file, f"'{path}'", wanted)
        file.watch(lambda taken: bar.show(taken, reading.packets))
        lines, printer = Lines(reading, output), Printer(output)
        try:
            for stream, connection in reading.connections():
                if connection is None:
                    printer.put(stream, b"", -1)
                else:
                    printer.put(stream, lines.of(connection), int(connection.row.code))
        finally:
            bar.wipe()
            printer.end()
            lines.print_report()
    return _Seen(printer.codes, reading.notes, reading.packets, reading.streams, _secrets_of(wanted).found)


def _together(jobs: int, path: str, wanted: Options, output: run.Output) -> _Seen:
    """Read the capture in several processes, and print what they find."""
    from inspector.cli.read_output import Printer
    from inspector.session.shares import Workers

    bar, printer = _Bar(os.stat(path).st_size), Printer(output)
    sys.stdout.flush()
    workers = Workers(jobs, lambda channel: _share(channel, jobs, path, wanted, output))
    best = None
    try:
        try:
            for stream, line, code in workers.lines(bar.show):
                printer.put(stream, line, code)
        finally:
            bar.wipe()
            printer.end()
        words = workers.ended()
        best = min(((word.best, word.number) for word in words if word.best is not None), default=None)
        sessions = sum(word.sessions for word in words)
        return _Seen(printer.codes, words[0].notes, words[0].packets, words[0].streams, sessions)
    finally:
        workers.close(None if best is None else best[1])


def _share(channel: Channel, jobs: int, path: str, wanted: Options, output: run.Output) -> None:
    """What one of several processes does."""
    from inspector.capture.reader import Share
    from inspector.cli.read_output import Lines
    from inspector.session.read import Reading
    from inspector.session.shares import Stopped

    with _opened(path) as file:
        reading = Reading(file, f"'{path}'", wanted, Share(channel.number, jobs))
        file.watch(lambda taken: channel.progress(taken, reading.packets))
        lines = Lines(reading, output)
        with suppress(Stopped):
            for stream, connection in reading.connections():
                if connection is None:
                    channel.line(stream, b"", -1)
                else:
                    channel.line(stream, lines.of(connection), int(connection.row.code))
        if channel.end(lines.best, reading.notes, reading.packets, reading.streams, _secrets_of(wanted).found):
            lines.print_report()


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _nothing(capture: str, held: _Seen, wanted: Options, output: run.Output) -> None:
    """Say that there was no TLS: an answer like others (exit 0). Raises UsageError where the choice left nothing."""
    seen = f"{_count(held.packets, 'packet')}, {_count(held.streams, 'TCP connection')}"
    if wanted.stream is not None:
        raise UsageError(f"stream {wanted.stream} of '{capture}' holds no TLS ({seen})", hint="without --stream all are listed")
    if wanted.port is not None:
        words = f"no TLS connection with port {wanted.port} in '{capture}' ({seen})"
        raise UsageError(words, hint="without --port all are listed")
    line = f"no TLS connection in '{capture}' ({seen})"
    if output.json:  # a document for each connection: none
        run.say(line)
    else:
        from inspector.report.escape import terminal

        click.echo(terminal(line))


def _options(capture: str, options: dict[str, Any]) -> Options:
    from inspector.cli.credential_source import note_files_without_authority
    from inspector.session import trust
    from inspector.session.read import Options

    if options["cert"] and not options["diagnose"]:
        raise UsageError("--cert without --diagnose", hint="--cert says which certificate the diagnosis shall judge")
    note_files_without_authority(options["cacert"])
    return Options(
        keylog=_with_own(_secrets(options["keylog"]), capture),
        stream=options["stream"],
        port=options["port"],
        trust=trust.resolve(options["cacert"], system=not options["no_system_trust"], environment=os.environ, stored=()),
        credential=_credential(options["cert"]) if options["cert"] else None,
        diagnose=options["diagnose"],
    )


def _unreadable(path: str, exc: OSError) -> InputError:
    hint = "check the path and its permissions"
    return InputError(f"cannot read '{path}': {exc.strerror or exc}", kind="file-unreadable", hint=hint)


def _secrets(path: str | None) -> Secrets:
    """What a key log file holds; where that is nothing, it is said. Raises InputError."""
    from inspector.capture.secrets import Secrets

    secrets = Secrets()
    if path is None:
        return secrets
    try:
        with open(path, "rb") as file:
            secrets.add(iter(lambda: file.readline(MAX_LINE), b""))
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    if not len(secrets):
        run.say(f"note: '{path}' holds no session secret: it wants lines as SSLKEYLOGFILE writes them")
    return secrets


def _with_own(secrets: Secrets, capture: str) -> Secrets:
    """With what the capture itself holds, wherever in it, where it is a file that can be read twice."""
    from inspector.capture.beforehand import secrets_of

    with suppress(OSError):  # reading it says what is wrong
        if capture != "-" and stat.S_ISREG(os.stat(capture).st_mode):
            with open(capture, "rb", buffering=0) as file:
                for lines in secrets_of(file):
                    secrets.add(lines.splitlines())
    return secrets


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


class _Watched:
    """A file that counts what was read of it, and turns the system's errors into ours. ``size`` is 0 where it is not known."""

    def __init__(self, file: BinaryIO, name: str, size: int) -> None:
        self._file, self._name = file, name
        self.size = size
        self._taken = 0
        self._watch: Callable[[int], None] = lambda _: None

    def watch(self, watch: Callable[[int], None]) -> None:
        """Be told, with each piece, how many bytes were read so far."""
        self._watch = watch

    def read(self, size: int) -> bytes:
        try:
            data = self._file.read(size)
        except OSError as exc:
            raise _unreadable(self._name, exc) from exc
        self._taken += len(data)
        self._watch(self._taken)
        return data


class _Bar:
    """A progress bar on stderr, for a long file and a terminal only."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._on = sys.stderr.isatty() and (size == 0 or size >= PROGRESS_FROM)
        self._next = time.monotonic() + 2 * PROGRESS_SECONDS
        self._shown = False

    def show(self, taken: int, packets: int) -> None:
        if not self._on or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + PROGRESS_SECONDS
        self._shown = True
        if self._size:
            share = min(1.0, taken / self._size)
            done = round(share * BAR)
            text = f"[{'#' * done}{'.' * (BAR - done)}] {share:4.0%}  {packets} packets"
        else:
            text = f"{taken >> 20} MiB, {packets} packets"
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()

    def wipe(self) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


@contextmanager
def _opened(path: str) -> Iterator[_Watched]:
    if path == "-":
        yield _Watched(sys.stdin.buffer, "standard input", 0)
        return
    try:
        file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed below
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    with file:
        yield _Watched(cast("BinaryIO", file), path, os.fstat(file.fileno()).st_size)
