"""Where a response goes: to stdout or a file as it comes, with or without its head."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import IO, BinaryIO

from inspector.app.http_message import Headers, Request
from inspector.app.result import HttpReply
from inspector.cli import run
from inspector.errors import InputError

HELD_IN_MEMORY = 1 << 20
REDIRECTS = range(300, 400)
HTTP_ERRORS = 400  # and above


def stdout_is_closed() -> bool:
    """True where the caller closed it: then Python has none, and what is written leads to nowhere."""
    return sys.__stdout__ is None and getattr(sys.stdout, "name", None) == os.devnull


def _unwritable(path: str | None, exc: OSError) -> InputError:
    if path in (None, "-"):
        return InputError(f"the answer cannot be written to stdout: {exc.strerror}", kind="file-unwritable",
                          hint="check where stdout goes, and the room there")
    return InputError(f"cannot write '{path}': {exc.strerror}", kind="file-unwritable",
                      hint="check the path, its permissions, and the room there")


def _reason(status: int) -> str:
    from http.client import responses

    return responses.get(status, "")


class Heads:
    """``--dump-header``: the heads of all answers of a command, in one file or on stdout."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    def write(self, data: bytes) -> None:
        try:
            if self._file is None:
                self._file = sys.stdout.buffer if self._path == "-" else open(self._path, "wb")  # noqa: SIM115 - see ``close``
            self._file.write(data)
            self._file.flush()
        except BrokenPipeError:
            raise
        except OSError as exc:
            raise _unwritable(self._path, exc) from exc

    def close(self) -> None:
        if self._file is not None and self._path != "-":
            with contextlib.suppress(OSError):  # each write was flushed, and has told
                self._file.close()


class Output:
    """One errand's sink. The file is made when the first byte comes; a terminal gets binary content only if it was asked to.

    ``held``: what is for stdout waits for ``release``, because something else is to be written before it. ``heads`` takes a copy of
    all heads.
    """

    def __init__(
        self, path: str | None, *, include: bool, head_only: bool, nothing: bool = False, heads: Heads | None = None,
        make_folders: bool = False, held: bool = False, hide_errors: bool = False,
    ) -> None:
        self._path = path
        self.path = path
        self.head_bytes = 0
        # these in seconds since the first: the answer's head, the last redirect's, the answer's end
        self.began, self.answered_at, self.redirected_at, self.ended = time.monotonic(), 0.0, 0.0, 0.0
        self._status = 0
        self._heads = heads
        self._make_folders = make_folders
        self._interims: list[tuple[int, Headers]] = []
        self._held: IO[bytes] | None = None
        if held and path in (None, "-"):
            import tempfile

            self._held = tempfile.SpooledTemporaryFile(HELD_IN_MEMORY)  # noqa: SIM115 - closed in ``release``
        folder = os.path.dirname(path or "") or "."
        if path not in (None, "-") and not os.path.isdir(folder) and not make_folders:
            raise InputError(f"cannot write '{path}': there is no folder '{folder}'", kind="file-unwritable", hint="check the path")
        self._include = include or head_only
        self._head_only = head_only  # also where the method is another one (-I -X GET)
        self._hide_errors = hide_errors
        self._nothing = nothing  # the report has stdout
        self._answered = self._broken = False
        self._binary = False  # it was, on a terminal, and the rest is kept from it
        self._file: BinaryIO | None = None
        self.error: str | None = None

    def interim(self, status: int, headers: Headers) -> None:
        self._interims.append((status, headers))  # shown with the head, which knows the version

    def head(self, request: Request, reply: HttpReply) -> None:  # noqa: ARG002 - every sink is called so
        # a file that was there before is no worse for an error whose body is not wanted
        self._answered = not (self._hide_errors and reply.status >= HTTP_ERRORS)
        if self._status in REDIRECTS:
            self.redirected_at = self.answered_at
        self._status = reply.status
        self.answered_at = self.ended = time.monotonic() - self.began
        interims, self._interims = self._interims, []
        for status, headers in interims:
            self._head(f"HTTP/{reply.version} {status} {_reason(status) if reply.version != '2' else ''}", headers)
        self._head(f"HTTP/{reply.version} {reply.status} {reply.reason}", reply.headers)

    def _head(self, line: str, headers: Headers) -> None:
        lines = [line.rstrip(), *(f"{name}: {value}" for name, value in headers), "", ""]
        data = "\r\n".join(lines).encode("latin-1", "replace")
        self.head_bytes += len(data)
        if self._heads is not None:
            self._heads.write(data)
        if self._include:
            self._write(data)

    def data(self, data: bytes | memoryview) -> None:
        self.ended = time.monotonic() - self.began
        if not self._head_only:
            self._write(data)

    def trailers(self, headers: Headers) -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers).encode("latin-1", "replace")
        if self._heads is not None:
            self._heads.write(lines)
        if self._include:
            self._write(lines)

    def flush(self) -> None:
        """Let what was written be seen."""
        try:
            if self._file is not None:
                self._file.flush()
        except BrokenPipeError:
            raise
        except OSError as exc:
            self._give_up(exc)

    def release(self) -> None:
        """Write what was held, and hold no more."""
        held, self._held = self._held, None
        if held is None:
            return
        with held:
            held.seek(0)
            while piece := held.read(HELD_IN_MEMORY):
                self._write(piece)
        self.flush()

    def close(self) -> None:
        """Flush what was written. An empty answer makes an empty file; without an answer a file stays what it was."""
        self.release()
        if self._path in (None, "-"):
            self.flush()
        elif self._answered or (self._file is not None and not self._broken):
            try:
                self._open().close()
            except OSError as exc:
                raise _unwritable(self._path, exc) from exc

    def _write(self, data: bytes | memoryview) -> None:
        if self._nothing and self._path in (None, "-"):
            return
        if self._held is not None:
            self._held.write(data)
            return
        if data and self._path in (None, "-") and stdout_is_closed():
            raise InputError("the answer cannot be written: stdout is closed", kind="file-unwritable", hint="-o FILE saves it")
        try:
            self._open().write(self._for_terminal(data))
        except BrokenPipeError:
            raise
        except OSError as exc:
            self._give_up(exc)

    def _give_up(self, exc: OSError) -> None:
        """Nothing more goes there, not even when the process ends and flushes what is left."""
        if self._path in (None, "-"):
            run.forget_stdout()
        else:
            self._answered, self._broken = False, True
        raise _unwritable(self._path, exc) from exc

    def _open(self) -> BinaryIO:
        if self._file is None:
            if self._path is None or self._path == "-":
                self._file = sys.stdout.buffer
            else:
                if self._make_folders and (folder := os.path.dirname(self._path)):
                    os.makedirs(folder, mode=0o750, exist_ok=True)
                self._file = open(self._path, "wb")  # noqa: SIM115 - closed in ``close``
        return self._file

    def _for_terminal(self, data: bytes | memoryview) -> bytes | memoryview:
        """On a terminal, control characters of a server are shown and not obeyed; everywhere else bytes stay as they are."""
        if self._path is not None or not sys.stdout.isatty():
            return data
        data = bytes(data)
        if self._binary or b"\0" in data:
            return self._keep_back()
        from inspector.report.escape import terminal

        text = data.decode("utf-8", "replace").replace("\r\n", "\n")
        return "\n".join(terminal(line) for line in text.split("\n")).encode()

    def _keep_back(self) -> bytes:
        """Nothing for the terminal; says so the first time."""
        if not self._binary:
            self._binary = True
            run.say("note: the answer is binary, and not shown on a terminal: -o FILE saves it, -o - prints it as it is")
        return b""
