"""Who watches a connection while it runs: the key log file, the capture file, the line of progress on a terminal."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, BinaryIO

import click

from inspector.cli.output import Output
from inspector.errors import InputError
from inspector.trace.events import Event, SecretLine
from inspector.trace.transcript import Transcript
from inspector.wire.events import Side


def open_private(path: str, *, append: bool, tighten: bool = True) -> BinaryIO:
    """Open a file for secrets: made with mode 0600, and put to it where it was more open (``tighten``). Raises InputError."""
    flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC) | getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = os.open(path, flags, 0o600)
        if tighten and stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.fchmod(descriptor, 0o600)
    except OSError as exc:
        hint = "check the path and its permissions"
        raise InputError(f"cannot write '{path}': {exc.strerror}", kind="file-unwritable", hint=hint) from exc
    return os.fdopen(descriptor, "wb", buffering=0)


class KeyLog:
    """Writes each session secret as it becomes known (NSS key log format)."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def on_event(self, transcript: Transcript, event: Event) -> None:  # noqa: ARG002 - every observer is called so
        if not isinstance(event, SecretLine):
            return
        try:
            self._file.write(event.line.rstrip(b"\r\n") + b"\n")
        except OSError as exc:
            raise InputError(
                f"cannot write the key log: {exc.strerror or exc}", kind="file-unwritable", hint="is the disk full?",
            ) from exc

    def on_bytes(self, transcript: Transcript, side: Side, data: bytes, at: float) -> None:
        pass

    def on_closed(self, transcript: Transcript) -> None:
        pass


def _key_logs(output: Output, stack: ExitStack) -> Iterator[Any]:
    if output.keylog:
        yield KeyLog(stack.enter_context(open_private(output.keylog, append=True)))
    path = os.environ.get("SSLKEYLOGFILE")
    if path:
        click.echo(f"session secrets go to {path} (SSLKEYLOGFILE)", err=True)
        yield KeyLog(stack.enter_context(open_private(path, append=True, tighten=False)))


# commands whose answer comes at the end: others write to the terminal while they run
WITH_PROGRESS = frozenset({"handshake", "diagnose", "check"})


def _shows_progress(output: Output) -> bool:
    context = click.get_current_context(silent=True)
    named = context is not None and context.info_name in WITH_PROGRESS
    return named and sys.stderr.isatty() and sys.stdout.isatty() and not output.json and not output.quiet


@contextmanager
def watching(output: Output) -> Iterator[tuple[Any, ...]]:
    """The observers that ``output`` and the environment ask for, closed at the end."""
    with ExitStack() as stack:
        watchers = list(_key_logs(output, stack))
        if output.pcapng:
            from inspector.capture.writer import PcapngWriter

            watchers.append(PcapngWriter(stack.enter_context(open_private(output.pcapng, append=False))))
        if _shows_progress(output):
            from inspector.cli.progress import Progress

            watchers.append(stack.enter_context(Progress(sys.stderr)))
        yield tuple(watchers)
