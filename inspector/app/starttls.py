"""How each protocol gets from plaintext to TLS, as a table. The result's ``accepted`` is True where TLS may begin."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from inspector.app.talk import Script, Talk
from inspector.errors import UsageError

# protocol -> its script, as "module.function" of this package (imported when used); those in NEEDS_HOST are told the server's name
PRELUDES: dict[str, str] = {
    "smtp": "line_protocols.smtp_starttls",
    "lmtp": "line_protocols.lmtp_starttls",
    "imap": "line_protocols.imap_starttls",
    "pop3": "line_protocols.pop3_starttls",
    "ftp": "line_protocols.ftp_starttls",
    "nntp": "line_protocols.nntp_starttls",
    "sieve": "line_protocols.sieve_starttls",
    "irc": "line_protocols.irc_starttls",
    "ldap": "ldap.starttls",
    "xmpp": "xmpp.starttls",
    "postgres": "postgres.starttls",
    "mysql": "mysql.starttls",
    "rdp": "rdp.starttls",
}
NEEDS_HOST = ("xmpp",)
ALIASES = {"mariadb": "mysql", "postgresql": "postgres", "managesieve": "sieve", "pop": "pop3", "ldaps": "ldap", "jabber": "xmpp"}


def canonical(name: str) -> str:
    """The name by which the tables know a protocol."""
    name = name.lower()
    return ALIASES.get(name, name)


def script_of(place: str) -> Callable[..., Script]:
    """The script at "module.function" of this package."""
    module, _, name = place.rpartition(".")
    script: Callable[..., Script] = getattr(import_module(f"inspector.app.{module}"), name)
    return script


def prelude_for(name: str, host: str = "") -> Callable[[], Talk]:
    """A maker of the conversation that asks for TLS. Raises UsageError for a protocol that is not known.

    Bytes that a server sends after its go-ahead make the result an error (CVE-2011-0411 and its kin).
    """
    protocol = canonical(name)
    if protocol not in PRELUDES:
        raise UsageError(f"'{name}' has no STARTTLS here", hint=f"known are {', '.join(sorted(PRELUDES))}")
    script = script_of(PRELUDES[protocol])
    arguments = (host or "localhost",) if protocol in NEEDS_HOST else ()
    return lambda: Talk(protocol, script(*arguments), strict_end=True)
