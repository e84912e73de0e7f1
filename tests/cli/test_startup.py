"""What commands do not need is not loaded."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from inspector.cli.main import COMMANDS, mtls

README = Path(__file__).parents[2] / "README.md"


def modules_after(*arguments: str) -> set[str]:
    """Names of the modules that are loaded when this command line is done."""
    code = (
        "import sys\nfrom inspector.cli.main import mtls\n"
        f"try:\n    mtls.main({list(arguments)!r}, prog_name='mtls')\nexcept SystemExit:\n    pass\n"
        "print('\\n' + 'MODULES ' + ' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.rpartition("MODULES ")[2].split())


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("explain", "alert", "48")])
def test_help_loads_neither_openssl_nor_cryptography(arguments: tuple[str, ...]) -> None:
    loaded = modules_after(*arguments)
    assert "inspector.cli.main" in loaded
    assert loaded.isdisjoint({"OpenSSL", "OpenSSL.SSL", "cryptography", "h2", "tabulate", "asyncio", "service_identity"})


def test_a_handshake_that_meets_nobody_loads_no_more_than_it_needs() -> None:
    loaded = modules_after("handshake", "127.0.0.1:1", "--quiet", "--timeout", "2")
    assert "inspector.drive" in loaded
    assert loaded.isdisjoint({"h2", "tabulate", "asyncio", "service_identity", "dataclasses", "yaml"})


def resolved(name: str) -> click.Command:
    command = mtls.get_command(click.Context(mtls), name)
    assert command is not None
    return command


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_an_example(name: str) -> None:
    command = resolved(name)
    assert command.help
    shown = f"{command.help} {command.epilog or ''}"
    commands = command.commands.values() if isinstance(command, click.Group) else ()
    shown += " ".join(f"{sub.help} {sub.epilog or ''}" for sub in commands)
    assert re.search(rf"Examples?:.*mtls {name}", shown, re.DOTALL)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_help(name: str) -> None:
    command = resolved(name)
    commands = [command, *(command.commands.values() if isinstance(command, click.Group) else ())]
    for each in commands:
        for parameter in each.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name}: {parameter.name}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_mentioned_in_the_readme(name: str) -> None:
    assert f"mtls {name}" in README.read_text()
