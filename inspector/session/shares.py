"""One capture read by several processes, each of which decodes and judges its share of the connections.

Every process reads the whole file: only so does it know which connection is which. But that is the cheap part; what costs time is
to decode, to judge and to report, and that is shared out. Lines come back through a pipe; the whole report of one connection is
printed by the process that has it, when it is asked to.
"""

from __future__ import annotations

import marshal
import os
import selectors
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from struct import Struct
from typing import Any, NamedTuple

from inspector.errors import InputError, InspectorError, InternalError

BATCH_BYTES, BATCH_SECONDS = 64 * 1024, 0.1
PIECE = 1 << 18
_SIZE = Struct(">I")
# First words of what a worker sends
LINES, PROGRESS, END, FAILED = "lines", "progress", "end", "failed"


class Stopped(Exception):
    """The reader was asked to stop (an interrupt)."""


class Ended(NamedTuple):
    """A worker's last word on the file. ``best`` ranks the connection whose report it would print, None where it has none."""

    number: int
    best: tuple[int, int] | None
    notes: tuple[str, ...]
    packets: int
    streams: int
    sessions: int  # whose secrets were at hand


class Channel:
    """A worker's way to the process that prints."""

    def __init__(self, number: int, out: int, asked: int) -> None:
        self.number = number
        self._out, self._asked = out, asked
        self._lines: list[tuple[int, bytes, int]] = []
        self._size = 0
        self._next = time.monotonic() + BATCH_SECONDS
        self._stop = False
        signal.signal(signal.SIGINT, self._on_interrupt)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _on_interrupt(self, *_: object) -> None:
        self._stop = True

    def line(self, stream: int, line: bytes, code: int) -> None:
        """The line of one stream, empty for none; its exit code, -1 for none."""
        self._lines.append((stream, line, code))
        self._size += len(line) + 32
        if self._size >= BATCH_BYTES:
            self._pass_on()

    def progress(self, taken: int, packets: int) -> None:
        """Bytes and packets read so far. Raises Stopped where nobody wants to go on."""
        if self._stop:
            raise Stopped
        if time.monotonic() >= self._next:
            self._pass_on()
            self._send((PROGRESS, taken, packets))

    def end(self, best: tuple[int, int] | None, notes: tuple[str, ...], packets: int, streams: int, sessions: int) -> bool:
        """The file was read. True where this worker is asked to print its report."""
        self._pass_on()
        self._send((END, best, notes, packets, streams, sessions))
        return os.read(self._asked, 1) == b"1"

    def failed(self, error: InspectorError) -> None:
        self._send((FAILED, isinstance(error, InputError), error.message, error.hint, error.kind))

    def _pass_on(self) -> None:
        self._next = time.monotonic() + BATCH_SECONDS
        if self._lines:
            lines, self._lines, self._size = self._lines, [], 0
            self._send((LINES, lines))

    def _send(self, what: tuple[Any, ...]) -> None:
        data = marshal.dumps(what)
        view = memoryview(_SIZE.pack(len(data)) + data)
        while view:
            view = view[os.write(self._out, view):]


class _Worker:
    """A forked process as its parent sees it."""

    def __init__(self, number: int, pid: int, out: int, asks: int) -> None:
        self.number, self.pid = number, pid
        self.out, self._asks = out, asks
        self.ended: Ended | None = None
        self._buffer = bytearray()

    def received(self) -> tuple[list[tuple[Any, ...]], bool]:
        """What it has sent, as messages, and whether it may send more."""
        data = os.read(self.out, PIECE)
        self._buffer += data
        messages = []
        while len(self._buffer) >= _SIZE.size:
            stop = _SIZE.size + _SIZE.unpack_from(self._buffer)[0]
            if len(self._buffer) < stop:
                break
            messages.append(marshal.loads(self._buffer[_SIZE.size:stop]))  # noqa: S302 - our own child wrote it
            del self._buffer[:stop]
        return messages, bool(data)

    def answer(self, *, print_report: bool) -> None:
        with suppress(OSError):
            os.write(self._asks, b"1" if print_report else b"0")

    def wait(self) -> int:
        """Its exit status, once it is gone."""
        os.close(self._asks)
        os.close(self.out)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def interrupt(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGINT)


def processors() -> int:
    """How many processes can run at once; 1 where processes cannot be forked."""
    if not hasattr(os, "fork"):
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers:
    """Forked readers. ``work`` runs in each: it sends lines through its Channel and says when it is done."""

    def __init__(self, count: int, work: Callable[[Channel], None]) -> None:
        self._workers: list[_Worker] = []
        for number in range(count):
            self._workers.append(self._fork(number, work))

    def _fork(self, number: int, work: Callable[[Channel], None]) -> _Worker:
        out, into = os.pipe()
        asked, asks = os.pipe()
        pid = os.fork()
        if pid:
            os.close(into)
            os.close(asked)
            return _Worker(number, pid, out, asks)
        status = 1
        try:
            for end in (out, asks, *(fd for worker in self._workers for fd in (worker.out, worker._asks))):  # noqa: SLF001
                os.close(end)
            _run(Channel(number, into, asked), work)
            status = 0
        finally:
            os._exit(status)  # nothing of the parent's is flushed or closed twice

    def lines(self, progress: Callable[[int, int], None]) -> Iterator[tuple[int, bytes, int]]:
        """``(stream, line, code)`` as they come. An interrupt stops the workers, hands on what they had, and is raised then."""
        interrupt: KeyboardInterrupt | None = None
        with selectors.DefaultSelector() as selector:
            for worker in self._workers:
                selector.register(worker.out, selectors.EVENT_READ, worker)
            while selector.get_map():
                try:
                    ready = selector.select()
                except KeyboardInterrupt as exc:
                    interrupt = exc
                    for worker in self._workers:
                        worker.interrupt()
                    continue
                for key, _ in ready:
                    messages, more = key.data.received()
                    for message in messages:
                        yield from self._message(key.data, message, progress)
                    if not more or key.data.ended is not None:
                        selector.unregister(key.fd)
        if interrupt is not None:
            raise interrupt

    def _message(
        self, worker: _Worker, message: tuple[Any, ...], progress: Callable[[int, int], None],
    ) -> Iterator[tuple[int, bytes, int]]:
        kind, *rest = message
        if kind == LINES:
            yield from rest[0]
        elif kind == PROGRESS:
            if worker.number == 0:
                progress(*rest)
        elif kind == END:
            worker.ended = Ended(worker.number, *rest)
        else:
            input_error, text, hint, name = rest
            raise (InputError if input_error else InternalError)(text, hint=hint, kind=name)

    def ended(self) -> list[Ended]:
        """The last word of each. Raises InternalError where one left without it."""
        words = [worker.ended for worker in self._workers if worker.ended is not None]
        if len(words) < len(self._workers):
            raise InternalError("a process that read the capture ended early", hint="`--jobs 1` reads in this process")
        return words

    def close(self, printer: int | None = None) -> None:
        """Let them go; the one with this number prints its report first."""
        for worker in self._workers:
            worker.answer(print_report=worker.number == printer)
        for worker in self._workers:
            if worker.ended is None:
                worker.interrupt()
            worker.wait()
        self._workers.clear()


def _run(channel: Channel, work: Callable[[Channel], None]) -> None:
    try:
        work(channel)
    except InspectorError as exc:
        channel.failed(exc)
    except Exception as exc:
        if os.environ.get("MTLS_DEBUG"):
            raise
        channel.failed(InternalError(f"this is a bug in mtls: {type(exc).__name__}: {exc}"))
