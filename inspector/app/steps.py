"""The application's first step after the handshake: which protocol, which ALPN, which conversation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from inspector.app.starttls import canonical, script_of
from inspector.app.talk import Script, Talk
from inspector.credentials.model import Credential
from inspector.errors import UsageError
from inspector.plan import Channel, Conversation
from inspector.target import Target, without_zone


class StepSettings(Protocol):
    """What a first step wants to know (``session.settings.Settings`` has it)."""

    @property
    def target(self) -> Target: ...
    @property
    def server_name(self) -> str | None: ...
    @property
    def starttls(self) -> str | None: ...
    @property
    def credential(self) -> Credential | None: ...
    @property
    def app_user(self) -> str | None: ...
    @property
    def paths(self) -> tuple[str, ...]: ...


# ports that IANA has registered for a protocol other than HTTP; "none": one of which no first step is known here
PORTS: dict[int, str] = {
    21: "ftp", 22: "none", 25: "smtp", 110: "pop3", 119: "nntp", 143: "imap", 194: "irc", 389: "ldap", 465: "smtp", 563: "nntp",
    587: "smtp", 636: "ldap", 853: "none", 989: "none", 990: "ftp", 992: "none", 993: "imap", 994: "irc", 995: "pop3",
    1433: "none", 1883: "mqtt", 3268: "ldap", 3269: "ldap", 3306: "mysql", 3389: "none", 4190: "sieve", 5061: "none",
    5222: "xmpp", 5223: "xmpp", 5269: "none", 5270: "none", 5432: "postgres", 5671: "none", 5672: "none", 6379: "redis",
    6380: "redis", 6514: "none", 6697: "irc", 8883: "mqtt", 27017: "none",
}
# RFC 7301's registry; where nothing is offered the protocol has no name there, or servers fail on it
ALPN: dict[str, tuple[str, ...]] = {
    "http": ("http/1.1",),
    "mqtt": ("mqtt",),
    "postgres": ("postgresql",),
}


def resolve_protocol(app: str | None, starttls: str | None, port: int) -> str:
    """The protocol of the first step: what ``--app`` says, else what follows STARTTLS, else by port, else "http".

    "none" means that no step is taken. Raises UsageError for a name that is not known.
    """
    if app is not None:
        name = canonical(app)
        if name not in ("http", "none") and name not in STEPS:
            raise UsageError(f"'{app}' is no protocol of --app", hint=f"known are http, none, {', '.join(sorted(STEPS))}")
        return name
    if starttls is not None:
        name = canonical(starttls)
        return name if name in STEPS else "none"
    return PORTS.get(port, "http")


def alpn_of(protocol: str) -> tuple[str, ...]:
    """The ALPN names to offer for a protocol, in order of preference.

    HTTP offers "http/1.1" alone: only there can a server ask for the certificate after it has seen the path (RFC 8740).
    """
    return ALPN.get(protocol, ())


def first_step(protocol: str, settings: StepSettings) -> Callable[[Channel], Conversation] | None:
    """A maker of the protocol's first conversation, or None for "none"."""
    if protocol == "none":
        return None
    if protocol == "http":
        return partial(_http, settings)
    return lambda _channel: Talk(protocol, STEPS[protocol](settings))


def user_of(settings: StepSettings, default: str = "mtls-inspector") -> str:
    """The name to log in with: ``--app-user``, else the common name of our certificate, else ``default``."""
    if settings.app_user:
        return settings.app_user
    return common_name(settings.credential.leaf) or default if settings.credential else default


def common_name(certificate: bytes) -> str | None:
    """The most specific CN of a certificate's subject, or None."""
    from inspector.der import certificate as der

    return rdn_value(der.parse(certificate).subject, "CN")


def rdn_value(name: str, attribute: str) -> str | None:
    """The first value of ``attribute`` in an RFC 4514 string (which begins with the most specific name), unescaped."""
    for part in _split_unescaped(name):
        key, equals, value = part.partition("=")
        if equals and key.strip().upper() == attribute:
            return _unescape(value)
    return None


def _split_unescaped(name: str) -> list[str]:
    parts, current, escaped = [], "", False
    for c in name:
        if c in ",+" and not escaped:
            parts.append(current)
            current = ""
        else:
            current += c
        escaped = c == "\\" and not escaped
    return [*parts, current]


def _unescape(value: str) -> str:
    """RFC 4514, Section 2.4: a backslash before a character, or before two hexadecimal digits of UTF-8."""
    out = bytearray()
    position = 0
    while position < len(value):
        c = value[position]
        if c != "\\":
            out += c.encode()
            position += 1
            continue
        pair = value[position + 1 : position + 3]
        if len(pair) == 2 and all(digit in "0123456789abcdefABCDEF" for digit in pair):
            out.append(int(pair, 16))
            position += 3
        else:
            out += pair[:1].encode()
            position += 2
    return out.decode("utf-8", "replace")


def _http(settings: StepSettings, channel: Channel) -> Conversation:
    path = settings.paths[0] if settings.paths else settings.target.url_path or "/"
    host = http_authority(settings)
    if channel.alpn == "h2":
        from inspector.app.http2 import http_get2

        return http_get2(host, path)
    from inspector.app.http1 import http_get

    return http_get(host, path)


def http_authority(settings: Any) -> str:
    """The Host header's value: the server name where one was given, else the target's host; the port unless it is 443."""
    target = settings.target
    host = getattr(settings, "server_name", None) or target.host or "localhost"
    bracketed = f"[{without_zone(host)}]" if ":" in host else host
    return bracketed if target.port == 443 or not target.host else f"{bracketed}:{target.port}"


def _greeted(settings: StepSettings) -> bool:
    """True where the server speaks first within TLS: there was no STARTTLS."""
    return settings.starttls is None


def _lines(name: str) -> Callable[[StepSettings], Script]:
    return lambda settings: script_of(f"line_protocols.{name}")(_greeted(settings))


# protocol -> maker of its script; the modules are imported when they are used
STEPS: dict[str, Callable[[StepSettings], Script]] = {
    **{name: _lines(name) for name in ("smtp", "lmtp", "imap", "pop3", "ftp", "nntp", "sieve", "irc", "redis")},
    "postgres": lambda settings: script_of("postgres.startup")(user_of(settings)),
    "mysql": lambda settings: script_of("mysql.login")(user_of(settings), _greeted(settings)),
    "ldap": lambda settings: script_of("ldap.whoami")(settings.credential is not None),
    "mqtt": lambda settings: script_of("mqtt.connect")(settings.app_user),
    "xmpp": lambda settings: script_of("xmpp.features")(settings.server_name or settings.target.host or "localhost"),
}
