"""``mtls handshake``."""

from __future__ import annotations

from typing import Any

import click

from inspector.cli import run
from inspector.cli.options import output_options, settings_from, settings_options


@click.command(epilog="Example: mtls handshake api.example.com --cert me.pem --key me.key --explain")
@click.argument("target")
@settings_options
@output_options
@run.guarded
def command(target: str, **options: Any) -> int:
    """One (mutual) TLS handshake with TARGET, step by step: every message of both sides, the server's chain and its verification,
    what the server asked for, and what became of our certificate.

    TARGET is host, host:port, [v6]:port, a URL or unix:PATH. Exit code: 0 accepted or not asked for, 1 rejected (by either side),
    3 could not talk, 4 the credential cannot be used, 5 could not tell.
    """
    from inspector.session import handshake

    output = run.output_from(options)
    return run.finish(run.conduct(handshake.run(settings_from(target, options)), output), output)
