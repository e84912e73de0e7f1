"""The options that commands share, and what they come to: ``Settings`` for the sessions, ``Output`` for ``cli.run``.

A command takes them as ``**options`` and hands them to ``settings_from`` and ``run.output_from``::

    @click.command()
    @click.argument("target")
    @settings_options
    @output_options
    @run.guarded
    def command(target: str, **options: Any) -> int: ...
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

import click

from inspector.cli import road_options
from inspector.errors import UsageError
from inspector.plan import Timeouts, TlsVersion
from inspector.session import trust
from inspector.session.settings import Settings
from inspector.target import Target, is_ip_address, parse_target, to_ascii_host

F = TypeVar("F", bound=Callable[..., Any])
Option = Callable[[F], F]

VERSIONS = {"1.0": TlsVersion.TLS1_0, "1.1": TlsVersion.TLS1_1, "1.2": TlsVersion.TLS1_2, "1.3": TlsVersion.TLS1_3}
# where a protocol that starts in the clear listens (IANA's port numbers)
STARTTLS_PORTS = {
    "smtp": 587, "lmtp": 24, "imap": 143, "pop3": 110, "ftp": 21, "ldap": 389, "postgres": 5432, "mysql": 3306, "mariadb": 3306,
    "xmpp": 5222, "nntp": 119, "sieve": 4190, "irc": 6667, "rdp": 3389,
}
SCHEMES = frozenset({"https", "wss"})
# who opens a file says what is wrong with it (exit 4): click would call a file that may not be read wrong usage
FILE = click.Path(readable=False)

CREDENTIAL_OPTIONS: tuple[Option[Any], ...] = (
    click.option("--cert", metavar="FILE", type=FILE, help="Client certificate and its chain (PEM, DER, PKCS#12, JKS...)."),
    click.option("--key", metavar="FILE", type=FILE, help="Its private key, where it is not in the same file."),
    click.option("--pfx", metavar="FILE", type=FILE, help="Both in one PKCS#12 file."),
    click.option("--passphrase-env", metavar="NAME", help="Environment variable that holds the passphrase."),
    click.option("--passphrase-file", metavar="FILE", type=FILE, help="File whose first line is the passphrase."),
)
TRUST_OPTIONS: tuple[Option[Any], ...] = (
    click.option("--cacert", metavar="FILE", type=FILE, multiple=True, help="Trust these CAs too. Repeatable."),
    click.option("--no-system-trust", is_flag=True, help="Trust only --cacert and CAs of 'mtls credentials ca'."),
    click.option("--insecure", "-k", is_flag=True, help="Go on, certificate and all, with a server that is not verified."),
)
CONNECTION_OPTIONS: tuple[Option[Any], ...] = (
    click.option("--server-name", metavar="NAME", help="Name for SNI and for verification, instead of the target's host."),
    click.option("--connect-to", metavar="HOST:PORT", help="Connect there instead (also curl's HOST1:PORT1:HOST2:PORT2)."),
    click.option("--tls-min", type=click.Choice(list(VERSIONS)), help="Lowest version; below 1.2 lowers the security level."),
    click.option("--tls-max", type=click.Choice(list(VERSIONS)), help="Highest version to offer."),
    click.option("--alpn", metavar="LIST", help="Protocols to offer, separated by commas; 'none' offers none."),
    click.option("--ciphers", metavar="LIST", help="Cipher suites, in OpenSSL's notation."),
    click.option("--groups", metavar="LIST", help="Key exchange groups, in OpenSSL's notation, as X25519:P-256."),
    click.option("--sigalgs", metavar="LIST", help="Signature schemes, in OpenSSL's notation."),
    click.option("--timeout", metavar="SECONDS", type=float, default=20.0, show_default=True,
                 help="For the whole run. (A request or a session has no limit without it.)"),
    click.option("--starttls", metavar="PROTOCOL", help="Start in the clear: smtp, imap, pop3, ftp, ldap, postgres, mysql..."),
)
APPLICATION_OPTIONS: tuple[Option[Any], ...] = (
    click.option("--app", metavar="PROTOCOL", help="First step after the handshake: http, postgres, redis... or none."),
    click.option("--path", "paths", metavar="/PATH", multiple=True, help="What to GET when the step is HTTP's. Default: /"),
    click.option("--no-http", is_flag=True, help="Take no first step: short for --app none."),
    click.option("--app-user", metavar="NAME", help="User for the first step. Default: the certificate's CN."),
)
OUTPUT_OPTIONS: tuple[Option[Any], ...] = (
    click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, see docs/json-format.md."),
    click.option("--keylog", metavar="FILE", type=FILE, help="Append the session secrets, as SSLKEYLOGFILE does."),
    click.option("--pcapng", metavar="FILE", type=FILE, help="Write the traffic, with its secrets, for Wireshark."),
    click.option("--explain", is_flag=True, help="Say what each step is for, and how one-way TLS differs."),
    click.option("--verbose", "-v", is_flag=True, help="Show every field of every message."),
    click.option("--quiet", "-q", is_flag=True, help="Only the line that says how it ended."),
    click.option("--no-color", is_flag=True, help="No colours (also: NO_COLOR in the environment)."),
)


def _decorate(command: F, options: tuple[Option[Any], ...]) -> F:
    for option in reversed(options):
        command = option(command)
    return command


def credential_options(command: F) -> F:
    """Add the options that name a client credential."""
    return _decorate(command, CREDENTIAL_OPTIONS)


def settings_options(command: F) -> F:
    """Add the options for credential, trust, connection and the application's first step."""
    return _decorate(command, CREDENTIAL_OPTIONS + TRUST_OPTIONS + CONNECTION_OPTIONS + road_options.OPTIONS + APPLICATION_OPTIONS)


def output_options(command: F) -> F:
    """Add the options for what is printed and written."""
    return _decorate(command, OUTPUT_OPTIONS)


def _host_and_port(text: str, whole: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise UsageError(f"--connect-to '{whole}' names no host and port", hint="write it as HOST:PORT or HOST1:PORT1:HOST2:PORT2")
    return to_ascii_host(host.removeprefix("[").removesuffix("]")), int(port)


def _fields(text: str) -> list[str]:
    """The parts between colons, brackets around IPv6 addresses respected."""
    parts, depth, current = [], 0, ""
    for c in text:
        depth += (c == "[") - (c == "]")
        if c == ":" and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += c
    return [*parts, current]


def parse_connect_to(text: str | None, target: Target, *, only_named: bool = False) -> tuple[str, int] | None:
    """Where to connect instead of the target; None where the four-part form is about another host or port.

    In curl's form an empty HOST1 or PORT1 means any, an empty HOST2 or PORT2 the target's own. ``only_named``: the two-part form,
    which is about the target that was typed, does not count.
    """
    if not text:
        return None
    parts = _fields(text)
    if len(parts) == 4:
        host, port, to_host, to_port = parts
        bare = host.removeprefix("[").removesuffix("]")
        if (bare and bare.lower() != target.host.lower()) or (port and port != str(target.port)):
            return None
        return _host_and_port(f"{to_host or target.host}:{to_port or target.port}", text)
    if only_named:
        return None
    if len(parts) != 2 and not is_ip_address(text.rpartition(":")[0].strip("[]")):
        raise UsageError(f"--connect-to '{text}' names no host and port", hint="write it as HOST:PORT or HOST1:PORT1:HOST2:PORT2")
    return _host_and_port(text, text)


def timeouts_from(seconds: float) -> Timeouts:
    """The total, and upper bounds of its parts: those of the default where that is longer than their share."""
    if not 0 < seconds < 86400:
        raise UsageError("--timeout wants a number of seconds above 0", hint="for instance --timeout 10")
    usual = Timeouts()
    share = seconds / usual.total
    return usual._replace(
        total=seconds,
        **{part: max(1.0, share) * getattr(usual, part) for part in ("resolve", "connect", "prelude", "handshake", "response")},
    )


def target_from(text: str, starttls: str | None) -> Target:
    """The target that was typed. Raises UsageError for a scheme that does not begin with TLS."""
    target = parse_target(text, STARTTLS_PORTS.get(starttls or "", 443))
    if target.scheme is not None and target.scheme not in SCHEMES:
        hint = "write the target as https://..." if target.scheme == "http" else "write the target as host:port"
        raise UsageError(f"{target.scheme}:// is not a scheme that begins with TLS", hint=hint)
    return target


def _alpn_from(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if names == ("none",) or not names:
        return ()
    if any(not name.isascii() or len(name) > 255 for name in names):
        raise UsageError("--alpn wants names of at most 255 ASCII characters", hint="for instance --alpn h2,http/1.1")
    return names


def settings_from(target_text: str, options: dict[str, Any], *, with_credential: bool = True) -> Settings:
    """The settings for one target. Opens the files that the options name; raises UsageError, CredentialError or InputError.

    ``with_credential`` False leaves the credential out, a stored one too.
    """
    from inspector.cli import credential_source

    target = target_from(target_text, options.get("starttls"))
    minimum, maximum = VERSIONS.get(options["tls_min"] or ""), VERSIONS.get(options["tls_max"] or "")
    if minimum and maximum and minimum.value > maximum.value:
        raise UsageError("--tls-min is above --tls-max", hint="swap them, or give only one")
    server_name = options["server_name"]
    credential_source.note_files_without_authority(options["cacert"])
    stored = tuple(credential_source.stored_authorities(target))
    url_paths = (target.url_path,) if target.url_path else ()
    if TlsVersion.TLS1_2.value > min(version.value for version in (minimum, maximum, TlsVersion.TLS1_3) if version):
        click.echo("note: TLS below 1.2 needs OpenSSL's security level 0, with all that it allows (SHA-1, short keys)", err=True)
    settings = Settings(
        target=target,
        credential=credential_source.credential_from_options(
            target, options["cert"], options["key"], options["pfx"], options["passphrase_env"], options["passphrase_file"],
        ) if with_credential else None,
        trust=trust.resolve(
            options["cacert"], system=not options["no_system_trust"], environment=os.environ,
            stored=stored,
        ),
        stores=trust.stores(options["cacert"], environment=os.environ, stored=stored),
        insecure=options["insecure"],
        server_name=to_ascii_host(server_name) if server_name else None,
        connect_to=parse_connect_to(options["connect_to"], target),
        starttls=options["starttls"],
        app="none" if options.get("no_http") else options.get("app"),
        app_user=options.get("app_user"),
        paths=tuple(options.get("paths") or url_paths),
        minimum=minimum,
        maximum=maximum,
        alpn=_alpn_from(options["alpn"]),
        ciphers=options["ciphers"],
        groups=options["groups"],
        sigalgs=options["sigalgs"],
        timeouts=timeouts_from(options["timeout"]),
        now=time.time(),
        keep_records=bool(options.get("pcapng")),
    )
    return road_options.with_road(settings, options)
