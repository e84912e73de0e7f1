"""What people type as a target: ``host``, ``host:port``, ``[v6]:port``, a URL, ``unix:PATH``."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from inspector.errors import UsageError

HTTPS_PORT = 443


class Target(NamedTuple):
    """Where to go, and the URL's path where one was given.

    ``host`` is a DNS name in its A-label form (RFC 5890) or an IP address without brackets; empty for ``unix:``.
    """

    host: str
    port: int
    unix_path: str | None = None
    url_path: str | None = None
    scheme: str | None = None
    userinfo: str | None = None

    @property
    def is_ip(self) -> bool:
        return is_ip_address(self.host)

    @property
    def authority(self) -> str:
        """``host:port`` with brackets around an IPv6 address (RFC 3986, Section 3.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"unix:{self.unix_path}" if self.unix_path else self.authority


@lru_cache(maxsize=4096)
def is_ip_address(text: str) -> bool:
    """True for a textual IPv4 or IPv6 address (a zone such as ``%eth0`` is allowed)."""
    try:
        ipaddress.ip_address(text.split("%", 1)[0])
    except ValueError:
        return False
    return True


def to_ascii_host(host: str) -> str:
    """The host as it goes on the wire: IP addresses as they are, names in A-labels, lower case kept as typed.

    Raises UsageError where a name cannot be encoded (RFC 5891).
    """
    if is_ip_address(host) or host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError as exc:
        raise UsageError(f"'{host}' is not a host name", hint="check the spelling of the name") from exc


def _port(text: str, whole: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) < 65536:
        raise UsageError(f"'{whole}' has no valid port", hint="a port is a number from 1 to 65535")
    return int(text)


def _from_url(text: str, default_port: int) -> Target:
    try:
        parts = urlsplit(text)
        host, port_text = parts.hostname or "", parts.netloc.rpartition("@")[2]
    except ValueError as exc:
        raise UsageError(f"'{text}' is not a URL", hint="write it as https://host:port/path") from exc
    if not host:
        raise UsageError(f"'{text}' names no host", hint="write it as https://host:port/path")
    _, _, port = port_text.rpartition("]")[2].partition(":")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(
        to_ascii_host(host), _port(port, text) if port else default_port, None, path, parts.scheme.lower(),
        parts.netloc.rpartition("@")[0] or None,
    )


def parse_target(text: str, default_port: int = HTTPS_PORT) -> Target:
    """Parse what a person typed. Raises UsageError with a hint where it makes no sense."""
    text = text.strip()
    if text.startswith("unix:"):
        if text == "unix:":
            raise UsageError("'unix:' names no socket", hint="write it as unix:/path/to/socket")
        return Target("", default_port, unix_path=text[5:])
    if "://" in text:
        return _from_url(text, default_port)
    if not text or any(c.isspace() or ord(c) < 32 for c in text):
        raise UsageError(f"{text!r} is not a target", hint="write it as host, host:port, [v6]:port or a URL")
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or not is_ip_address(host) or (rest and not rest.startswith(":")):
            raise UsageError(f"'{text}' is not an IPv6 target", hint="write it as [2001:db8::1]:443")
        return Target(host, _port(rest[1:], text) if rest else default_port)
    if text.count(":") > 1 and is_ip_address(text):
        return Target(text, default_port)
    host, colon, port = text.partition(":")
    if not host or "/" in port or "/" in host:
        raise UsageError(f"'{text}' is not a target", hint="write it as host, host:port, [v6]:port or a URL")
    return Target(to_ascii_host(host), _port(port, text) if colon else default_port)
