"""How each protocol gets from plaintext to TLS, as a table. The result's ``accepted`` is True where TLS may begin."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from inspector.app import ldap, line_protocols, mysql, postgres, rdp, xmpp
from inspector.app.talk import Script, Talk
from inspector.errors import UsageError

# protocol -> script; those in NEEDS_HOST are told the server's name
PRELUDES: dict[str, Callable[..., Script]] = {
    **line_protocols.STARTTLS,
    "ldap": ldap.starttls,
    "xmpp": xmpp.starttls,
    "postgres": postgres.starttls,
    "mysql": mysql.starttls,
    "rdp": rdp.starttls,
}
NEEDS_HOST = ("xmpp",)
ALIASES = {"mariadb": "mysql", "postgresql": "postgres", "managesieve": "sieve", "pop": "pop3", "ldaps": "ldap", "jabber": "xmpp"}


def canonical(name: str) -> str:
    """The name by which the tables know a protocol."""
    name = name.lower()
    return ALIASES.get(name, name)


def prelude_for(name: str, host: str = "") -> Callable[[], Talk]:
    """A maker of the conversation that asks for TLS. Raises UsageError for a protocol that is not known.

    Bytes that a server sends after its go-ahead make the result an error (CVE-2011-0411 and its kin).
    """
    protocol = canonical(name)
    if protocol not in PRELUDES:
        raise UsageError(f"'{name}' has no STARTTLS here", hint=f"known are {', '.join(sorted(PRELUDES))}")
    script = PRELUDES[protocol]
    make = partial(script, host or "localhost") if protocol in NEEDS_HOST else script
    return lambda: Talk(protocol, make(), strict_end=True)
