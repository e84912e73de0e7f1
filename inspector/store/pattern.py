"""Host patterns of stored credentials: ``api.bank.example``, ``*.bank.example:8443``, ``[::1]:443``, ``*``.

A pattern without a port means 443, and so does a target without one: implicit and explicit 443 are the same. ``:*`` is any port.
``*.`` stands for one or more labels, so ``*.bank.example`` covers ``a.b.bank.example`` but not ``bank.example``.
"""

from __future__ import annotations

from typing import NamedTuple

from inspector.errors import UsageError
from inspector.target import HTTPS_PORT, is_ip_address, to_ascii_host


class Ruling(NamedTuple):
    """Whether a pattern covers a host, and why, or why not."""

    hit: bool
    why: str


class Pattern(NamedTuple):
    """``host``: a name, an address without brackets, ``*.suffix`` or ``*``; ``port`` None means any."""

    host: str
    port: int | None = HTTPS_PORT

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == HTTPS_PORT else f"{host}:{'*' if self.port is None else self.port}"

    @property
    def specificity(self) -> tuple[int, int, int]:
        """What compares higher is more specific: an exact host, then a longer suffix, then a port rather than any."""
        exact = not self.host.startswith("*")
        return int(exact), 0 if exact else self.host.count("."), int(self.port is not None)

    def ruling(self, host: str, port: int) -> Ruling:
        """Hold the pattern against a host (A-labels or address, any case, a trailing dot allowed) and port."""
        name = host.lower().rstrip(".")
        matched, why = self._host(name)
        if not matched:
            return Ruling(False, why)
        if self.port is not None and self.port != port:
            return Ruling(False, f"{why}, but port {port} is not {self.port}{' (the default)' if self.port == HTTPS_PORT else ''}")
        return Ruling(True, f"{why}, {'any port' if self.port is None else f'port {port}'}")

    def _host(self, name: str) -> tuple[bool, str]:
        if self.host == "*":
            return True, "any host"
        if not self.host.startswith("*."):
            return (True, "the host is the same") if name == self.host else (False, f"'{name}' is not '{self.host}'")
        suffix = self.host[1:]
        if is_ip_address(name):
            return False, "an address has no subdomains"
        if name.endswith(suffix) and name != suffix:
            return True, f"'{name}' is below '{suffix[1:]}'"
        if name == suffix[1:]:
            return False, f"'{name}' is the domain itself: '*.' stands for at least one label"
        return False, f"'{name}' is not below '{suffix[1:]}'"


def parse_pattern(text: str) -> Pattern:
    """Parse what people type or other programs export; a URL counts as its host and port. Raises UsageError."""
    given = text.strip()
    default = HTTPS_PORT
    if "://" in given:
        scheme, _, rest = given.partition("://")
        if scheme.lower() == "http":
            default = 80
        given = rest.partition("/")[0].rpartition("@")[2]
    host, port = _split(given.partition("/")[0], text)
    host = host.lower().rstrip(".") if host != "*." else ""
    if not host or any(c.isspace() or not c.isprintable() for c in host):
        raise _bad(text)
    if host != "*" and not is_ip_address(host):
        wild, bare = host.startswith("*."), host.removeprefix("*.")
        if "*" in bare or not bare or ":" in bare or bare.startswith("."):
            raise _bad(text)
        host = ("*." if wild else "") + to_ascii_host(bare, suffix=wild).lower()
    return Pattern(host, _port(port, text, default))


def _split(given: str, text: str) -> tuple[str, str]:
    if given.startswith("["):
        host, bracket, rest = given[1:].partition("]")
        if not bracket or not is_ip_address(host) or (rest and not rest.startswith(":")):
            raise _bad(text)
        return host, rest[1:]
    if given.count(":") > 1 and is_ip_address(given):
        return given, ""
    host, _, port = given.partition(":")
    return host, port


def _port(port: str, text: str, default: int) -> int | None:
    if port == "*":
        return None
    if not port:
        return default
    if not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise _bad(text)
    return int(port)


def _bad(text: str) -> UsageError:
    return UsageError(
        f"{text!r} is no host pattern", hint="write api.bank.example, *.bank.example:8443, [::1]:8443, host:* for any port, or *",
    )
