"""``mtls diagnose``."""

from __future__ import annotations

from typing import Any

import click

from inspector.cli import run
from inspector.cli.options import FILE, output_options, settings_from, settings_options

EXAMPLE = "Example: mtls diagnose api.example.com --cert me.pem --key me.key"


@click.command(epilog=EXAMPLE)
@click.argument("target", required=False)
@settings_options
@click.option("--client-ca", metavar="FILE", type=FILE, multiple=True, help="What the server is believed to trust. Repeatable.")
@click.option("--crl", "crls", metavar="FILE", type=FILE, multiple=True,
    help="Revocation list that it is believed to use. Repeatable.")
@click.option("--no-probes", is_flag=True, help="One handshake with your own credential, nothing more.")
@click.option("--from", "report_file", metavar="REPORT.json", type=FILE, help="Diagnose a saved report, without network.")
@output_options
@run.guarded
def command(target: str | None, **options: Any) -> int:
    """Why does TARGET reject my client certificate? Who rejected whom, in which phase, the likeliest causes and what they rest on,
    what to change, and what to ask the server's operator.

    After your own credential up to seven more handshakes are made, one at a time (without a certificate, with throw-away
    ones...), and only those that can still change the answer. Exit code: 0 accepted, 1 rejected (by either side), 3 could not
    talk, 4 the credential cannot be used, 5 could not tell.
    """
    from inspector.errors import UsageError
    from inspector.session import diagnose

    output = run.output_from(options)
    if options["report_file"]:
        return run.finish(_from_file(options["report_file"]), output)
    if not target:
        raise UsageError("nothing to diagnose", hint="give a TARGET, or --from REPORT.json")
    more = diagnose.Options(
        probes=not options["no_probes"],
        client_ca=_certificates(options["client_ca"]),
        crls=_revocation_lists(options["crls"]),
        announce=(lambda _: None) if output.quiet else run.say,
    )
    return run.finish(run.conduct(diagnose.run(settings_from(target, options), more), output), output)


def _from_file(path: str) -> Any:
    import msgspec

    from inspector.errors import InputError
    from inspector.report.model import Report
    from inspector.session import diagnose

    try:
        return diagnose.from_report(msgspec.json.decode(_read(path), type=Report))
    except (msgspec.DecodeError, msgspec.ValidationError) as exc:
        raise InputError(f"'{path}' is not a report of mtls", hint="make one with: mtls diagnose ... --json > REPORT.json") from exc
    except ValueError as exc:
        raise InputError(f"'{path}' is a report of no connection", hint="diagnose, handshake and read make such as can") from exc


def _read(path: str) -> bytes:
    from inspector.errors import InputError

    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as exc:
        raise InputError(f"'{path}' cannot be read: {exc.strerror}", hint="check the path and its permissions") from exc


def _certificates(paths: tuple[str, ...]) -> tuple[bytes, ...]:
    from inspector.credentials.load import load_certificates

    return tuple(der for path in paths for der in load_certificates(path, _read(path)))


def _revocation_lists(paths: tuple[str, ...]) -> tuple[bytes, ...]:
    from inspector.credentials import pem

    found: list[bytes] = []
    for path in paths:
        data = _read(path)
        lists = [block.der for block in pem.blocks(data) if block.label == "X509 CRL" and block.der]
        found += lists if pem.is_pem(data) else [data]
    return tuple(found)
