"""What ``mtls connect`` and ``mtls request --raw`` have in common: bytes in, bytes out, over a judged channel."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from inspector.app.raw import Raw
from inspector.cli import run
from inspector.cli.request_body import FileBody, open_input
from inspector.cli.request_output import Output
from inspector.session.settings import Settings
from inspector.trace import events as ev
from inspector.trace.transcript import Transcript

HEX_LINE = 16


class HexDump:
    """Writes bytes as lines of offset, hexadecimal numbers and printable characters."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._offset = 0

    def __call__(self, data: bytes) -> None:
        for start in range(0, len(data), HEX_LINE):
            line = data[start : start + HEX_LINE]
            shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in line)
            self._write(f"{self._offset + start:08x}  {line.hex(' '):<47}  {shown}\n".encode())
        self._offset += len(data)


def writer(output: Output, *, as_hex: bool) -> Callable[[bytes], None]:
    """Where received bytes go. They appear at once: somebody may be waiting to answer."""

    def write(data: bytes) -> None:
        output.data(data)
        output.flush()

    return HexDump(write) if as_hex else write


def from_file(path: str, write: Callable[[bytes], None]) -> Raw:
    """A conversation that sends a file's bytes, or those of stdin."""
    return Raw(write, body=FileBody(open_input(path)))


def from_stdin(write: Callable[[bytes], None], *, half_close: bool = False) -> Raw:
    """A conversation with whoever is at stdin. What cannot be waited for (a file, a test's buffer) is sent as a whole.

    ``half_close``: at the end of stdin the server is told that no more will come.
    """
    source: BinaryIO = sys.stdin.buffer
    try:
        kind = os.fstat(source.fileno()).st_mode
    except (OSError, ValueError):
        return Raw(write, body=FileBody(source), half_close=half_close)
    if stat.S_ISREG(kind) or (stat.S_ISCHR(kind) and not source.isatty()):  # select knows neither files nor /dev/null
        return Raw(write, body=FileBody(source), half_close=half_close)
    return Raw(write, source=source, read=lambda: os.read(source.fileno(), 64 * 1024), half_close=half_close)


def opened(transcript: Transcript) -> None:
    """One line about the channel, before the first byte."""
    done, judged = transcript.last(ev.HandshakeDone), transcript.last(ev.Judged)
    verified = "verified" if judged is not None and judged.trusted and judged.host_matches is not False else "NOT VERIFIED"
    if done is not None:
        alpn = f", {done.alpn}" if done.alpn else ""
        run.say(f"connected to {transcript.plan.road.target}: {done.protocol}{alpn}, server {verified}")


def speak(
    settings: Settings, options: dict[str, Any], make: Callable[[Callable[[bytes], None]], Raw], *, command: str,
    quiet_after: float, announce: bool,
) -> int:
    """Drive the channel; returns the exit code. stdout is what the server sends, or with --json the report."""
    from inspector.session import connect, gate

    output = run.output_from(options)
    path = (options.get("output") or (None,))[0]
    sink = Output(path, include=False, head_only=False, nothing=output.json)
    requirements = gate.parse(options["require"], insecure=settings.insecure)
    if settings.insecure:
        run.say("warning: the server is not verified, and gets the certificate and the data anyway (--insecure)")
    write = writer(sink, as_hex=bool(options.get("hex")))
    begun: list[Raw] = []

    def begin() -> Raw:
        begun.append(make(write))
        return begun[-1]

    job = connect.run(settings, requirements, begin, quiet_after=quiet_after, command=command,
                      opened=opened if announce and not output.quiet else None)
    try:
        result = run.conduct(job, output)
    finally:
        sink.close()
        for conversation in begun:
            conversation.close()
    if output.json:
        run.print_report(result.report, output)
    if result.report.error:
        run.tell_error(result.report.error.message, result.report.error.hint)
    elif result.code and not output.json and not output.quiet:
        from inspector.report.as_text import render

        run.say(render(result.report, quiet=True, width=output.width, color=False))
    return {"interrupted": run.INTERRUPTED, "terminated": run.TERMINATED}.get(result.interrupted or "", int(result.code))
