"""What ``mtls audit`` is given: its options, and the inputs of an audit made of them. Files are opened here."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inspector.cli.options import settings_from
from inspector.errors import InputError, UsageError

if TYPE_CHECKING:
    from inspector.credentials.model import Credential
    from inspector.session.audit.inputs import Inputs, Waiver
    from inspector.session.settings import Settings

PAIR = "CERT[:KEY]"
SEVERITIES = ("info", "low", "medium", "high", "critical")
PLAIN_PORTS = (80, 8080)  # that are tried beside 443 and 8443 where none is named
CREDENTIALS = ("expired", "revoked", "wrong_eku", "second_client")


def audit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `mtls audit` beside those that all commands know."""
    rows = (
        click.option(
            "--other-name", "other_names", multiple=True, metavar="NAME", help="Another host name of this server. Repeatable."
        ),
        click.option(
            "--plain-port", "plain_ports", multiple=True, type=click.IntRange(1, 65535), help="A port without TLS. Repeatable."
        ),
        click.option("--expired", multiple=True, metavar=PAIR, help="An expired credential of the same CA. Repeatable."),
        click.option("--revoked", multiple=True, metavar=PAIR, help="A revoked credential. Repeatable."),
        click.option("--wrong-eku", multiple=True, metavar=PAIR, help="A credential without clientAuth. Repeatable."),
        click.option(
            "--second-client", multiple=True, metavar=PAIR, help="Another client, that must not reach this resource. Repeatable."
        ),
        click.option(
            "--issue", metavar="CA:KEY", help="Your client CA: expired, weak and other faulty credentials are made in memory."
        ),
        click.option("--token-file", metavar="FILE", help="An access token that is bound to the good credential."),
        click.option("--policy", metavar="FILE", help="Expectations as TOML; exit 1 on a breach. See docs/audit.md."),
        click.option("--waivers", metavar="FILE", help="Accepted findings as TOML: id, host, reason, until."),
        click.option(
            "--fail-on", type=click.Choice(SEVERITIES), default="medium", show_default=True, help="Exit 1 from this severity on."
        ),
        click.option(
            "--profile",
            type=click.Choice(("mozilla-modern", "mozilla-intermediate", "fapi")),
            default="mozilla-intermediate",
            show_default=True,
            help="What the protocol group is held against.",
        ),
        click.option("--sarif", metavar="FILE", help="Also write SARIF 2.1.0."),
        click.option("--junit", metavar="FILE", help="Also write JUnit XML."),
        click.option(
            "--max-connections", type=click.IntRange(1, 10000), default=80, show_default=True, help="Hard cap for a target."
        ),
        click.option(
            "--max-time", type=click.FloatRange(1, 86400), default=600, show_default=True, help="Seconds that a target may take."
        ),
        click.option("--i-own-this", is_flag=True, help="You may test this public address."),
        click.option("--dry-run", is_flag=True, help="Print every probe and send nothing."),
    )
    for option in reversed(rows):
        command = option(command)
    return command


def inputs_of(target: str, options: dict[str, Any], shared: dict[str, Any], waivers: tuple[Waiver, ...]) -> Inputs:
    """The inputs for one target. Raises UsageError for a public address that nobody said is theirs."""
    from inspector.session.audit.inputs import PER_SECOND, Inputs

    settings = settings_from(target, options)
    private, loopback = _nearness(settings)
    if not (private or options["i_own_this"] or options["dry_run"]):
        raise UsageError(
            f"{settings.target.host} is not known to be a private address",
            hint="an audit looks like an attack: say --i-own-this where it is yours to test",
        )
    return Inputs(
        settings=settings,
        paths=settings.paths or ("/",),
        other_names=options["other_names"],
        plain_ports=options["plain_ports"] or (PLAIN_PORTS if settings.target.port in (443, 8443) else ()),
        consent=private or options["i_own_this"],
        max_connections=options["max_connections"],
        per_second=0.0 if loopback else PER_SECOND,
        total_seconds=options["max_time"],
        dry_run=options["dry_run"],
        audit_id=os.urandom(6).hex(),
        profile=options["profile"],
        waivers=waivers,
        **shared,
    )


def shared_inputs(options: dict[str, Any]) -> dict[str, Any]:
    """The credentials, the CA and the token, which all targets share."""
    found: dict[str, Any] = {kind: tuple(_pair(text, kind) for text in options[kind]) for kind in CREDENTIALS}
    found["issuer"] = _issuer(options["issue"]) if options["issue"] else None
    found["issuer_files"] = tuple(filter(None, options["issue"].partition(":")[::2])) if options["issue"] else ()
    token = read_bytes(options["token_file"]).decode("ascii", "replace").strip() if options["token_file"] else None
    return {**found, "token": token, "token_file": options["token_file"] or ""}


def read_bytes(path: str) -> bytes:
    """A file of the user's. Raises InputError."""
    try:
        return Path(path).read_bytes()
    except OSError as exc:
        raise InputError(
            f"{path} cannot be read: {exc.strerror}", hint="check the path and its permissions", kind="file-unreadable"
        ) from exc


def save(path: str, data: bytes) -> None:
    """Write a file that the user asked for. Raises InputError."""
    try:
        Path(path).write_bytes(data)
    except OSError as exc:
        raise InputError(
            f"{path} cannot be written: {exc.strerror}", hint="check the folder and its permissions", kind="file-unwritable"
        ) from exc


def _pair(text: str, what: str) -> Credential:
    """A credential from ``CERT.pem:KEY.pem`` or one combined file."""
    from inspector.cli.credential_source import credential_from_options

    cert, colon, key = text.partition(":")
    credential = credential_from_options(None, cert, key if colon else None, None)
    assert credential is not None
    return credential._replace(source=f"{what.replace('_', '-')} {cert}")


def _issuer(text: str) -> Any:
    """The user's CA as an issuer. Its key stays in memory."""
    from inspector.credentials.mint import Minted
    from inspector.der import certificate

    ca = _pair(text, "issue")
    cert = certificate.parse(ca.leaf)
    if not cert.ext.is_ca:
        raise InputError(
            f"{text.partition(':')[0]} holds no CA certificate", hint="--issue wants the CA that issues your clients' certificates"
        )
    return Minted(ca.leaf, ca.key, tuple(ca.chain[1:]), cert.subject_der, cert.ext.subject_key_id)


def _nearness(settings: Settings) -> tuple[bool, bool]:
    """(private, loopback) of where the probes will go, as far as can be said without a resolver."""
    if settings.target.unix_path:
        return True, True
    host = settings.connect_to[0] if settings.connect_to else settings.addresses[0] if settings.addresses else settings.target.host
    if host == "localhost" or host.endswith(".localhost"):
        return True, True
    try:
        address = ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        return False, False
    return address.is_private or address.is_loopback or address.is_link_local, address.is_loopback
