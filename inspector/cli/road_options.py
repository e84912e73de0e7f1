"""The options for the road to the server: proxies, addresses, interface. For every command that connects.

``road_options`` adds them to a command, ``with_road`` puts what they say into its settings.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import click

from inspector.errors import UsageError
from inspector.plan import Proxy
from inspector.session.settings import Settings
from inspector.target import Target, is_ip_address, to_ascii_host

F = TypeVar("F", bound=Callable[..., Any])

# scheme of a proxy's URL -> (kind, default port). socks5h is curl's word for what is done anyway: the proxy resolves the name
PROXY_KINDS = {"http": ("http", 3128), "https": ("https", 443), "socks5": ("socks5", 1080), "socks5h": ("socks5", 1080)}

OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("--proxy", "-x", metavar="URL",
                 help="http://, https:// or socks5://HOST:PORT; 'none' ignores HTTPS_PROXY."),
    click.option("--proxy-user", metavar="NAME", help="User for the proxy; the password is read from the environment variable "
                 "MTLS_PROXY_PASSWORD."),
    click.option("--resolve", metavar="HOST:PORT:ADDRESS", multiple=True, help="Use this address instead of asking the resolver. "
                 "Repeatable; ADDRESS may be several, separated by commas."),
    click.option("--interface", metavar="NAME", help="Go out through this network interface or local address."),
    click.option("--proxy-protocol", type=click.Choice(["1", "2"]), help="Send a PROXY protocol header of this version first."),
    click.option("--ipv4", "-4", "family", flag_value="4", default=None, help="Use IPv4 addresses only."),
    click.option("--ipv6", "-6", "family", flag_value="6", default=None, help="Use IPv6 addresses only."),
)


def road_options(command: F) -> F:
    """Add the options for the road."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def with_road(settings: Settings, options: dict[str, Any], environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings with what the options and HTTPS_PROXY / ALL_PROXY / NO_PROXY say. Raises UsageError."""
    target = settings.target
    if options.get("unix_socket"):
        target = target._replace(unix_path=options["unix_socket"])
    return settings._replace(
        target=target,
        family=int(options.get("family") or 0),
        interface=options.get("interface"),
        proxy_protocol=int(options.get("proxy_protocol") or 0),
        addresses=addresses_for(target, options.get("resolve") or ()),
        proxy=proxy_for(target, options, environment),
    )


def addresses_for(target: Target, given: tuple[str, ...]) -> tuple[str, ...]:
    """The addresses of the last ``--resolve`` that is about this target (``*`` is every host). Raises UsageError."""
    found: tuple[str, ...] = ()
    for text in given:
        # curl's + says how long the entry is kept, which is one command's time here
        host, port, addresses = ([*text.removeprefix("+").split(":", 2), "", ""])[:3]
        parts = tuple(part.strip().strip("[]") for part in addresses.split(",") if part.strip())
        if not host or not (port.isascii() and port.isdigit()) or not parts or not all(is_ip_address(part) for part in parts):
            raise UsageError(f"--resolve '{text}' is not HOST:PORT:ADDRESS", hint="for instance --resolve api.test:443:127.0.0.1")
        if host.lower() in ("*", target.host.lower()) and int(port) == target.port:
            found = parts
    return found


def proxy_for(target: Target, options: dict[str, Any], environment: Mapping[str, str]) -> Proxy | None:
    """The proxy for a target: ``--proxy``, else HTTPS_PROXY or ALL_PROXY unless NO_PROXY covers the target.

    The environment's proxy is never asked for this very machine, which to it is another one.
    """
    given = options.get("proxy")
    if given in ("none", "") or bypassed(target, options.get("noproxy") or ""):
        return None
    if given is not None:
        if "@" in given and ":" in given.rpartition("@")[0].rpartition("//")[2]:
            raise UsageError("--proxy takes no password: the command line can be read by everybody on this machine",
                             hint="use --proxy-user NAME and the environment variable MTLS_PROXY_PASSWORD")
        return _with_user(parse_proxy(given), options.get("proxy_user"), environment)
    if target.unix_path or is_loopback(target.host):
        return None
    names = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    found = next((environment[name] for name in names if environment.get(name)), None)
    if not found or bypassed(target, environment.get("no_proxy") or environment.get("NO_PROXY") or ""):
        return None
    return _with_user(parse_proxy(found), options.get("proxy_user"), environment)


def _with_user(proxy: Proxy, user: str | None, environment: Mapping[str, str]) -> Proxy:
    if user is None:
        return proxy
    if ":" in user:
        raise UsageError("--proxy-user takes a name only: the command line can be read by everybody on this machine",
                         hint="put the password into the environment variable MTLS_PROXY_PASSWORD")
    return proxy._replace(user=user, password=environment.get("MTLS_PROXY_PASSWORD", ""))


def parse_proxy(text: str) -> Proxy:
    """A proxy's URL. Raises UsageError where it makes no sense."""
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        kind, default = PROXY_KINDS[parts.scheme.lower()]
        host, port = parts.hostname or "", parts.port or default
    except (KeyError, ValueError) as exc:
        raise UsageError(f"the proxy '{_without_secret(text)}' is not understood",
                         hint="write it as http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT") from exc
    if not host:
        raise UsageError(f"the proxy '{_without_secret(text)}' names no host", hint="write it as http://HOST:PORT")
    user = unquote(parts.username) if parts.username is not None else None
    return Proxy(kind, to_ascii_host(host), port, user, unquote(parts.password or "") if user is not None else None)


def _without_secret(text: str) -> str:
    scheme, separator, rest = text.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def is_loopback(host: str) -> bool:
    """True for localhost, names below it (RFC 6761, Section 6.3), and loopback addresses."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def bypassed(target: Target, no_proxy: str) -> bool:
    """True where NO_PROXY covers the target: ``*``, a name and what is below it, an address, a network; with or without port."""
    for entry in no_proxy.replace(",", " ").split():
        name, _, port = entry.rpartition(":") if entry.count(":") == 1 else (entry, "", "")
        if port and port != str(target.port):
            continue
        name = (name or entry).strip("[]").lower().removeprefix("*").lstrip(".")
        host = target.host.lower()
        if not name or host == name or host.endswith("." + name) or _in_network(host, name):
            return True
    return False


def _in_network(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
