"""What people type as a target: ``host``, ``host:port``, ``[v6]:port``, a URL, ``unix:PATH``."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from inspector.errors import UsageError

HTTPS_PORT = 443
HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*)")
NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
CONTROL = re.compile(r"[\x00-\x20\x7f]")
BEGIN_OF_PATH = re.compile(r"[/?]")


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
def without_zone(host: str) -> str:
    """An address without the zone, which means something on this machine only (RFC 4007, Section 11.2)."""
    return host.partition("%")[0] if ":" in host else host


def is_ip_address(text: str) -> bool:
    """True for a textual IPv4 or IPv6 address (a zone such as ``%eth0`` is allowed)."""
    try:
        ipaddress.ip_address(text.split("%", 1)[0])
    except ValueError:
        return False
    return True


def to_ascii_host(host: str, *, suffix: bool = False) -> str:
    """The host as it goes on the wire: IP addresses as they are, names in A-labels, lower case kept as typed.

    ``suffix``: it is the end of names, not one of its own. Raises UsageError for what is neither an address nor a name.
    """
    if is_ip_address(host):
        return host
    name = host if host.isascii() else _a_labels(host)
    if not HOST.fullmatch(name):
        raise UsageError(f"{_shown(host)} is not a host name", hint="check the spelling of the name")
    if not suffix and NUMBER.fullmatch(name.rstrip(".").rpartition(".")[2]):
        # no top-level domain is a number; some programs read this as an address, each its own way (WHATWG URL, Section 3.5)
        raise UsageError(f"{_shown(host)} is neither a name nor an address", hint="write an IPv4 address as 127.0.0.1")
    return name


def _a_labels(host: str) -> str:
    """IDNA 2008 with the non-transitional mapping of UTS #46, as browsers and curl have it (RFC 5891)."""
    import idna

    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as exc:
        raise UsageError(f"{_shown(host)} is not a host name", hint="check the spelling of the name") from exc


def _shown(text: str) -> str:
    """In quotes, and free of what cannot be encoded or could act on a terminal."""
    return repr(text).encode("utf-8", "backslashreplace").decode()


def quoted(text: str) -> str:
    """Characters beyond ASCII percent-encoded as UTF-8 (RFC 3987, Section 3.1); everything else as it is."""
    return NOT_ASCII.sub(lambda found: quote(found[0], safe="", errors="surrogateescape"), text)


def _port(text: str, whole: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) < 65536:
        raise UsageError(f"{_shown(whole)} has no valid port", hint="a port is a number from 1 to 65535")
    return int(text)


def _from_url(text: str, default_port: int) -> Target:
    hint = "write it as https://host:port/path"
    try:
        parts = urlsplit(text)
        host, netloc = parts.hostname or "", parts.netloc
    except ValueError as exc:
        raise UsageError(f"{_shown(text)} is not a URL", hint=hint) from exc
    userinfo, _, place = netloc.rpartition("@")
    scheme = parts.scheme.lower()
    if userinfo and (scheme == "https" or ":" in userinfo):
        raise UsageError("a URL takes no user and no password: the command line can be read by everybody on this machine",
                         hint="leave them out of the URL: mtls request has --user NAME with --user-file FILE or --user-env NAME")
    if not host:
        raise UsageError(f"{_shown(text)} names no host", hint=hint)
    if not scheme or CONTROL.search(netloc) or netloc not in text:  # urlsplit drops line ends and tabs
        raise UsageError(f"{_shown(text)} is not a URL", hint=hint)
    _, _, port = place.rpartition("]")[2].partition(":")
    if ":" in host and "%25" in host:  # a zone as RFC 6874 writes it in a URL
        host = host.replace("%25", "%", 1)
    return Target(
        to_ascii_host(host), _port(port, text) if port else default_port, None, _url_path(text), scheme, userinfo or None)


def _url_path(url: str) -> str:
    """Path and query as they were written, an empty query too."""
    rest = url.partition("://")[2].partition("#")[0]
    begin = BEGIN_OF_PATH.search(rest)
    path = rest[begin.start() :] if begin else ""
    return quoted(path if path.startswith("/") else "/" + path)


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
        is_url = "/" in text and not text.startswith(("/", ".", ":"))
        hint = f"a URL begins with its scheme: https://{text}" if is_url else "write it as host, host:port, [v6]:port or a URL"
        raise UsageError(f"'{text}' is not a target", hint=hint)
    return Target(to_ascii_host(host), _port(port, text) if colon else default_port)
