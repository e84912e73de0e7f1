"""What every command does alike: drive its session, print the report or the error, and end with the right exit code.

stdout is the answer and nothing else; stderr is progress, ``error:`` and ``hint:`` lines. An interrupt prints the report so far.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import sys
from collections.abc import Callable, Generator, Iterator
from typing import Any, TypeVar

import click

from inspector.cli.output import Output as Output
from inspector.cli.output import output_from as output_from
from inspector.errors import CredentialError, InputError, InspectorError, InternalError, TransportError, UsageError

C = TypeVar("C", bound=Callable[..., Any])
R = TypeVar("R")


# who is at fault -> exit code (report.outcome.ExitCode, spelled here so that errors cost no import)
EXIT_CODES: dict[type[InspectorError], int] = {
    UsageError: 2, TransportError: 3, CredentialError: 4, InputError: 4, InternalError: 70,
}
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
INTERRUPTED, TERMINATED, BUG = 130, 143, 70
ENDED_BY_USER = {"interrupted": INTERRUPTED, "terminated": TERMINATED}  # error.kind -> exit code


class Terminated(KeyboardInterrupt):
    """SIGTERM came: an interrupt like Ctrl-C, with an exit code of its own."""


def say(text: str) -> None:
    """A line on stderr; on a terminal it takes the place of the line that says what is going on."""
    wipe = "\r\x1b[K" if sys.stderr.isatty() else ""
    click.echo(wipe + text, err=True)


def tell_error(message: str, hint: str = "") -> None:
    """The ``error:`` line, and the ``hint:`` line where there is one. Text of peers in them is made safe."""
    from inspector.report.escape import terminal

    say(f"error: {terminal(message)}")
    if hint:
        say(f"hint: {terminal(hint)}")


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Holds Ctrl-C and SIGTERM back, so that no document breaks off in the middle; a second one is not held back."""
    import signal
    import threading

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    handlers: dict[int, Any] = {}

    def note(number: int, frame: Any) -> None:
        came.append(number)
        if len(came) > 1 and callable(handlers[number]):
            handlers[number](number, frame)

    for number in (int(signal.SIGINT), int(signal.SIGTERM)):
        if callable(signal.getsignal(number)):
            handlers[number] = signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if came:
        handlers[came[0]](came[0], None)


_written = False


def has_written() -> bool:
    """True where stdout has got something."""
    return _written


def _so_far() -> str:
    return "before the end: this is what there was so far" if _written else "before there was anything to report"


def write(data: bytes) -> None:
    """Write an answer to stdout, whole; a reader that went away is no error. Raises InputError where it cannot be written."""
    global _written
    _written = True
    try:
        with _undisturbed():
            sys.stdout.flush()
            view = memoryview(data)
            while view:  # an unbuffered stdout may take a part only
                view = view[sys.stdout.buffer.write(view):]
            sys.stdout.buffer.flush()
    except BrokenPipeError:
        forget_stdout()
    except OSError as exc:
        forget_stdout()
        raise InputError(
            f"the answer cannot be written to stdout: {exc.strerror or exc}", kind="file-unwritable",
            hint="check where stdout goes, and the room there",
        ) from exc


def write_text(text: str) -> None:
    """Write text and a line feed to stdout, in its encoding; what that cannot hold is spelled out."""
    write((text + "\n").encode(sys.stdout.encoding or "utf-8", "backslashreplace"))


def forget_stdout() -> None:
    """Point stdout at nothing, so that flushing at exit does not complain about the pipe that is gone."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def print_report(report: Any, output: Output) -> None:
    """Print one report as ``output`` says: JSON on one line (indented on a terminal) or text."""
    if output.json:
        from inspector.report.as_json import dumps

        write(dumps(report, indent=2 if sys.stdout.isatty() else 0) + b"\n")
        return
    from inspector.report.as_text import render

    text = render(
        report, verbose=output.verbose, explain=output.explain, quiet=output.quiet, width=output.width, color=output.color,
    )
    write_text(text)


def finish(report: Any, output: Output, code: int | None = None) -> int:
    """Print the report and its error; returns the exit code, which ``code`` overrides."""
    from inspector.report.outcome import exit_code

    print_report(report, output)
    if report.error:
        tell_error(report.error.message, report.error.hint)
    return int(exit_code(report)) if code is None else code


def error_report(command: str, kind: str, message: str, hint: str) -> Any:
    """The JSON document of a command that came to no report."""
    from inspector.report import build, model

    return model.Report(
        command=command, tool=build.tool_part(openssl=False),
        error=model.ReportError(kind=kind, message=message, hint=hint), **build.cause_of_error(command, kind, message, hint),
    )


def write_error(command: str, kind: str, message: str, hint: str) -> None:
    """Write the JSON document of a command that came to no report. That stdout takes nothing is passed over: the error is told."""
    from inspector.report.as_json import dumps

    with contextlib.suppress(InputError):
        write(dumps(error_report(command, kind, message, hint)) + b"\n")


def _fail(command: str, output: Output, kind: str, message: str, hint: str) -> None:
    if output.json:
        write_error(command, kind, message, hint)
    tell_error(message, hint)


def _bug(command: str, output: Output, exc: Exception) -> int:
    if os.environ.get("MTLS_DEBUG"):
        raise exc
    message = f"this is a bug in mtls: {type(exc).__name__}: {exc}"
    _fail(command, output, "internal", message, "please report it, with what MTLS_DEBUG=1 in the environment prints")
    return BUG


AGAIN_SECONDS = 0.01


def _on_signal(number: int, frame: Any) -> None:
    """Interrupt, but not inside a callback of OpenSSL's: what is raised there is printed and lost, so the signal comes again."""
    import signal

    if _in_callback(frame):
        _send_again(number)
        return
    raise Terminated if number == signal.SIGTERM else KeyboardInterrupt


def _send_again(number: int) -> None:
    import threading

    again = threading.Timer(AGAIN_SECONDS, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()


def _on_lost(lost: Any) -> None:
    """What was raised where nobody can catch it (a finalizer, a weak reference's callback): an interrupt comes again."""
    import signal

    if issubclass(lost.exc_type, KeyboardInterrupt):
        _send_again(int(signal.SIGTERM if issubclass(lost.exc_type, Terminated) else signal.SIGINT))
    else:
        sys.__unraisablehook__(lost)


def _in_callback(frame: Any) -> bool:
    while frame is not None:
        if frame.f_code.co_name == "wrapper" and frame.f_globals.get("__name__") == "OpenSSL.SSL":
            return True
        frame = frame.f_back
    return False


def catch_signals() -> None:
    """Let SIGINT and SIGTERM interrupt, where nobody else wants them."""
    import signal
    import threading

    if threading.current_thread() is not threading.main_thread():
        return
    for number, usual in ((signal.SIGTERM, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
        if signal.getsignal(number) == usual:
            signal.signal(number, _on_signal)
            sys.unraisablehook = _on_lost


def _command_name(context: click.Context) -> str:
    """The command directly below ``mtls``: "credentials" for ``mtls credentials ca add``."""
    while context.parent is not None and context.parent.parent is not None:
        context = context.parent
    return context.info_name or "mtls"


def guarded(function: C) -> C:
    """A command's function that returns an exit code: maps errors, interrupts and bugs to messages, JSON documents and codes."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        context = click.get_current_context()
        command, output = _command_name(context), output_from(kwargs)
        catch_signals()
        try:
            code = function(*args, **kwargs) or 0
        except InspectorError as exc:
            _fail(command, output, exc.kind, exc.message, exc.hint)
            code = next(number for kind, number in {**EXIT_CODES, InspectorError: BUG}.items() if isinstance(exc, kind))
        except Terminated:
            _fail(command, output, "terminated", f"terminated {_so_far()}", "")
            code = TERMINATED
        except (KeyboardInterrupt, click.Abort):
            _fail(command, output, "interrupted", f"interrupted {_so_far()}", "")
            code = INTERRUPTED
        except BrokenPipeError:
            forget_stdout()
            code = 0
        except (click.ClickException, click.exceptions.Exit):
            raise
        except OSError as exc:
            if exc.errno not in NO_ROOM:
                code = _bug(command, output, exc)
            else:
                forget_stdout()
                hint = "check where stdout goes, and the room there"
                _fail(command, output, "file-unwritable", f"the answer cannot be written: {exc.strerror}", hint)
                code = EXIT_CODES[InputError]
        except Exception as exc:  # noqa: BLE001 - the last resort: no traceback reaches a person who did not ask for it
            code = _bug(command, output, exc)
        context.exit(code)

    return run  # type: ignore[return-value]


def interrupted_report(result: Any, interrupt: KeyboardInterrupt) -> Any:
    """The report so far, with the error that says why it is not complete.

    What is no report has a field ``interrupted`` for the word, or a field ``report``.
    """
    import msgspec

    from inspector.report.model import ReportError

    terminated = isinstance(interrupt, Terminated) or isinstance(interrupt.__cause__, Terminated)
    kind = "terminated" if terminated else "interrupted"
    if not isinstance(result, msgspec.Struct):
        if "interrupted" in result._fields:
            return result._replace(interrupted=kind)
        return result._replace(report=interrupted_report(result.report, interrupt))
    report = result
    return msgspec.structs.replace(report, error=ReportError(kind=kind, message=f"{kind}: this is the report so far", hint=""))


def conduct(job: Generator[Any, Any, R], output: Output) -> R:
    """Drive a session's generator to its report. Observers write key log and capture; an interrupt yields the report so far."""
    from inspector import drive
    from inspector.cli import observers

    with observers.watching(output) as watchers:
        try:
            return drive.run(job, observers=watchers)
        except drive.Interrupted as interrupt:
            if interrupt.result is None:
                raise
            report: R = interrupted_report(interrupt.result, interrupt)
            return report
