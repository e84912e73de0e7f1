"""``mtls connect``."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from inspector.cli import run
from inspector.cli.options import output_options, settings_options
from inspector.cli.request import channel_settings

LAST_WORD = 60.0  # seconds that a server may be silent after the end of a pipe


@click.command(epilog="Example: mtls connect smtp.example.com:587 --starttls smtp --cert me.pem --key me.key")
@click.argument("target")
@click.option("--require", metavar="LIST", default="", help="What must hold before anything is sent (see mtls request --help).")
@click.option("--pipe", is_flag=True, help="For scripts and ProxyCommand: nothing on stderr but errors; the end of stdin is "
              "told to the server, which has the last word.")
@click.option("--hex", is_flag=True, help="Show what comes as hexadecimal numbers.")
@click.option("--wait", metavar="SECONDS", type=float, default=5.0, show_default=True,
              help="After the end of stdin, end after so much silence (with --pipe: 60).")
@settings_options
@output_options
@run.guarded
def command(target: str, **options: Any) -> int:
    """The judged channel, interactive or as a pipe: what comes on stdin is sent, what the server sends goes to stdout.

    Nothing is sent before the gate (--require) holds. Exit code: 0 the channel was open, 1 rejected or not verified, 3 could not
    talk, 4 the credential cannot be used, 5 the gate could not tell.
    """
    from inspector.cli.channel import from_stdin, speak

    settings = channel_settings(target, options)
    pipe, wait = options["pipe"], options["wait"]
    if pipe and click.get_current_context().get_parameter_source("wait") is click.core.ParameterSource.DEFAULT:
        wait = LAST_WORD
    return speak(settings, options, partial(from_stdin, half_close=pipe), command="connect", quiet_after=wait, announce=not pipe)
