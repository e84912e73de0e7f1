"""Commands that repeat what a check saw, for a shell: `openssl s_client`, and the everyday clients of protocols without TLS."""

from __future__ import annotations

import re
import shlex

from inspector.session.audit.knowledge import Knowledge

# protocol -> what its everyday client says first, without TLS
CLIENTS = {
    "redis": "redis-cli -h {host} -p {port} PING",
    "mqtt": "mosquitto_sub -h {host} -p {port} -t $SYS/broker/version -C 1 -W 5",
    "postgres": "psql host={host}|port={port}|user={user}|dbname=postgres|sslmode=disable -c select|current_user",
    "mysql": "mysql --skip-ssl -h {host} -P {port} -u {user} -e select|current_user()",
    "ldap": "ldapwhoami -x -H ldap://{host}:{port}",
    "imap": "curl -sv imap://{host}:{port}/ -X CAPABILITY",
    "smtp": "curl -sv smtp://{host}:{port}/ -X NOOP",
    "pop3": "curl -sv pop3://{host}:{port}/ -X CAPA",
    "ftp": "curl -sv ftp://{host}:{port}/",
}
EXCHANGES = {"ECDHE_ECDSA": "ECDHE-ECDSA-", "ECDHE_RSA": "ECDHE-RSA-", "DHE_RSA": "DHE-RSA-", "DHE_DSS": "DHE-DSS-", "RSA": ""}
SPELLED = {"CCM_8": "CCM8", "3DES_EDE_CBC": "DES-CBC3", "RC4_128": "RC4", "CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305"}
EXCHANGES |= {"DH_anon": "ADH-", "ECDH_anon": "AECDH-"}


def s_client(known: Knowledge, *options: str, then: str = "", sni: str | None = None) -> str:
    """`openssl s_client` to the target under its own name or ``sni``, without a request; ``then`` is a pipe behind it."""
    settings, sni = known.settings, sni or known.base.server_name
    words = ["openssl", "s_client", "-connect", connect(known), *(["-servername", sni] if sni else ["-noservername"])]
    words += ["-starttls", settings.starttls] if settings.starttls else []
    return f"{shlex.join([*words, *options])} </dev/null{then}"


def connect(known: Knowledge, address: str | None = None) -> str:
    """Where the connections of this audit go, or those to one of the target's addresses, as HOST:PORT or unix:PATH."""
    target = known.settings.target
    if address:
        return f"{f'[{address}]' if ':' in address else address}:{target.port}"
    if known.settings.connect_to:
        return "{}:{}".format(*known.settings.connect_to)
    return f"unix:{target.unix_path}" if target.unix_path else target.authority


def in_clear(protocol: str, host: str, port: int, user: str) -> str | None:
    """The protocol's own client on a port without TLS; None where no common one is known here."""
    words = CLIENTS.get(protocol, "").split()
    return shlex.join(word.replace("|", " ").format(host=host, port=port, user=user) for word in words) or None


def openssl_suite(name: str) -> str:
    """OpenSSL's name of a suite of TLS 1.2 and older that has this IANA name."""
    exchange, _, rest = name.removeprefix("TLS_").partition("_WITH_")
    cipher = re.sub(r"^(AES|CAMELLIA|ARIA)_(\d+)_CBC", r"\1\2", rest)
    cipher = re.sub(r"^(AES|CAMELLIA|ARIA)_(\d+)_", r"\1\2-", cipher)
    for theirs, ours in SPELLED.items():
        cipher = cipher.replace(theirs, ours)
    if cipher.startswith("ARIA") and exchange == "ECDHE_RSA":
        return "ECDHE-" + cipher.replace("_", "-")  # the one suite whose signature goes without saying
    return EXCHANGES.get(exchange, exchange.replace("_", "-") + "-") + cipher.replace("_", "-")
