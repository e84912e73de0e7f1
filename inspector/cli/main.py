"""The ``mtls`` command. Commands are imported when they are used: ``mtls --help`` loads neither OpenSSL nor cryptography."""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import itertools
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from inspector.version import __version__

# name -> (module, attribute, one line for --help), in the order of the help page
COMMANDS: dict[str, tuple[str, str, str]] = {
    "handshake": ("inspector.cli.handshake", "command", "One (mutual) TLS handshake, step by step."),
    "request": ("inspector.cli.request", "command", "Send an HTTP request over a judged channel."),
    "diagnose": ("inspector.cli.diagnose", "command", "Why is my client certificate rejected?"),
    "audit": ("inspector.cli.audit", "command", "Does this server really enforce mutual TLS?"),
    "check": ("inspector.cli.check", "command", "Is this credential fit for use? Offline."),
    "read": ("inspector.cli.read", "command", "The same reports from a packet capture."),
    "serve": ("inspector.cli.serve", "command", "A server that asks for a client certificate and says what it saw."),
    "connect": ("inspector.cli.connect", "command", "The judged channel, interactive or as a pipe."),
    "credentials": ("inspector.cli.credentials", "command", "Credentials kept per host, attached by themselves."),
    "explain": ("inspector.cli.explain", "command", "The reference at hand: alerts, causes, checks, messages."),
    "demo": ("inspector.cli.demo", "command", "Everything at once against a server on loopback, nothing to set up."),
}


def _tell(message: str, hint: str, code: int) -> int:
    click.echo(f"error: {message}" + (f"\nhint: {hint}" if hint else ""), err=True)
    return code


def _wrong_usage(exc: click.ClickException, arguments: Sequence[str]) -> int:
    """Tell click's complaint about the command line as other errors are told: lines, with --json a document, the exit code."""
    message, hint = _in_our_words(exc)
    if "--json" in itertools.takewhile(lambda argument: argument != "--", arguments):
        from inspector.cli.run import write_error

        write_error(_command_of(exc), "usage", message, hint)
    return _tell(message, hint, exc.exit_code)


def interrupted(arguments: Sequence[str]) -> int:
    """Tell an interrupt that came before a command had begun, or when it was over; returns the exit code."""
    if "--json" in itertools.takewhile(lambda argument: argument != "--", arguments):
        from inspector.cli import run

        if not run.has_written():
            command = next((argument for argument in arguments if argument in COMMANDS), "mtls")
            run.write_error(command, "interrupted", "interrupted before there was anything to report", "")
    return _tell("interrupted", "", 130)


def _command_of(exc: click.ClickException) -> str:
    """The command directly below ``mtls`` that was called; ``mtls`` itself where none was recognised."""
    context = exc.ctx if isinstance(exc, click.UsageError) else None
    called = context.command_path.split()[1:2] if context is not None else []
    return called[0] if called else "mtls"


def _cannot_write(exc: OSError) -> int:
    from inspector.cli.run import forget_stdout

    forget_stdout()
    return _tell(f"the answer cannot be written to stdout: {exc.strerror or exc}", "check where stdout goes, and the room there", 4)


def _in_our_words(exc: click.ClickException) -> tuple[str, str]:
    """Message and hint of click's complaint about the command line."""
    message = " ".join(exc.format_message().split()).rstrip(".")
    message = message[:1].lower() + message[1:]
    context = exc.ctx if isinstance(exc, click.UsageError) else None
    command = context.command_path if context is not None else "mtls"
    near = list(getattr(exc, "possibilities", None) or ())
    help_ = f"'{command} --help' lists arguments and options"
    if isinstance(exc, click.NoSuchOption) and (hint := getattr(exc, "hint", None)):
        return f"curl's {exc.option_name} is not known here", hint
    if isinstance(exc, click.NoSuchOption) and near:
        return f"no such option {exc.option_name}", f"did you mean {', '.join(sorted(near))}? {help_}"
    if hasattr(exc, "command_name") and near:  # NoSuchCommand, which click has since 8.4
        return f"no such command '{exc.command_name}'", f"did you mean {' or '.join(near)}? {help_}"
    return message, help_


class NoSuchCommand(click.UsageError):
    """A word that is no command, and the commands that are spelled much like it."""

    def __init__(self, word: str, ctx: click.Context) -> None:
        import difflib

        super().__init__(f"no such command '{word}'", ctx)
        self.command_name, self.possibilities = word, difflib.get_close_matches(word, COMMANDS, n=2)


class LazyGroup(click.Group):
    """Lists its commands from the table and imports only the one that is called."""

    def main(self, args: Sequence[str] | None = None, *, standalone_mode: bool = True, **extra: Any) -> Any:  # type: ignore[override]
        """As click's, but wrong usage is told like every other error: an ``error:`` line and a ``hint:`` line, exit 2."""
        run = super().main
        if not standalone_mode:
            return run(args, standalone_mode=False, **extra)
        try:
            sys.exit(run(args, standalone_mode=False, **extra) or 0)
        except click.Abort:
            sys.exit(interrupted(sys.argv[1:] if args is None else args))
        except click.exceptions.NoArgsIsHelpError as exc:
            exc.show()
            sys.exit(exc.exit_code)
        except click.ClickException as exc:
            sys.exit(_wrong_usage(exc, sys.argv[1:] if args is None else args))
        except BrokenPipeError:
            sys.exit(0)
        except OSError as exc:  # help and version are written by click itself
            sys.exit(_cannot_write(exc))

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            if ctx.resilient_parsing:
                return None
            raise NoSuchCommand(cmd_name, ctx)
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, _, help_line) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="mtls")
def mtls() -> None:
    """See a mutual TLS handshake happen, learn who rejected whom and why, and send requests over the verified channel."""


# commands that go on for long, or start servers: the usual garbage collection and exit
LONG_RUNNING = frozenset({"serve", "audit", "connect", "demo"})
COLLECT_EVERY = 100_000  # allocations between two collections of a one-shot command, which ends before collecting pays


def _exit_at_once(code: int) -> None:
    """Flush and leave without tearing the interpreter down, which costs a tenth of a one-shot command's time."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = code or 1
    os._exit(code)


class _Remarks(io.TextIOWrapper):
    """stderr, where a full disk or a reader that went away is no reason to end differently: the exit code still says how it was."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            super().flush()


def _streams_that_hold() -> None:
    """stdin, stdout and stderr are always there, as Python's are not: what the caller closed leads to nowhere."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - it stays open to the end
    if isinstance(sys.stderr, io.TextIOWrapper):
        encoding, errors = sys.stderr.encoding, sys.stderr.errors
        sys.stderr = _Remarks(sys.stderr.detach(), encoding=encoding, errors=errors, line_buffering=True)


def main() -> None:
    """The entry point of the ``mtls`` script."""
    _streams_that_hold()
    one_shot = "coverage" not in sys.modules and not LONG_RUNNING.intersection(sys.argv[1:2])
    if one_shot:
        gc.set_threshold(COLLECT_EVERY)
    gc.enable()
    try:
        mtls.main(prog_name="mtls")
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else int(exc.code is not None)
        if not one_shot:
            raise
        _exit_at_once(code)
