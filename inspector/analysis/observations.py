"""What a diagnosis rests on: everything observed, as one flat value that a report can carry and a later run can judge again.

Theory of operation. A *signal* is how the server answered, as a short string:

    ``alert:48``       a fatal alert of the server, by its number
    ``close``          it ended the connection without a word (FIN or close_notify)
    ``reset``          it reset the connection
    ``dropped``        it ended the connection in answer to the first step, and not before: its application did, not its TLS
    ``silence``        nothing came until our deadline
    ``page:missing``   the application says that no certificate was sent       (``analysis.http_signatures``)
    ``page:invalid``   the application says that the certificate is no good
    ``page:late``      the application wanted to ask for one later, and could not
    ``denied``         the application says no, and does not say why (HTTP 401 and 403, SQLSTATE 28000...)
    ``misdirected``    HTTP 421
    ``error``          another answer of the application that is no success
    ``accepted``       it served us

A signal before the server asked for a certificate (or could have) bears the prefix ``hello/``: it cannot be about one.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

# how the chain that was sent relates to the names in the CertificateRequest and to the authorities that are known to us
Relation = Literal[
    "linked",  # it ends in a CA that the server lists (or no name is listed, and it ends in a CA that the server itself uses)
    "partial",  # the server lists a CA inside the chain that is no root, and not the root above it
    "cousin",  # the server lists a CA that is no root, and our chain ends in the same root by another way
    "gap",  # certificates that are known lead from its end to a listed CA, and they were not sent
    "torn",  # it ends below a CA that was not sent, while others that were sent, unconnected to it, lead to a listed CA
    "stranger",  # names are listed, and nothing leads there
    "unknown",  # no names are listed and nothing is known, or no chain was sent
]
# whether the key that signed our chain is that of the CA with the listed name, where a certificate of that CA is at hand
KeyCheck = Literal["genuine", "lookalike", "unknown"]

HELLO = "hello/"


class ProbeSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One more handshake, and the signal that ended it. ``differs`` says in words what was different from the first."""

    name: str
    signal: str
    differs: str = ""
    phase: str | None = None
    status: str | None = None  # the application's own word, where it answered


class Observed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that the ranking of causes is made from. Pure data: ``mtls diagnose --from`` reads it back from a report."""

    verdict: str  # of client_auth
    signal: str
    phase: str | None = None
    signal_message: int | None = None  # index in handshake.messages of what preceded the signal
    tls: str | None = None  # "1.2", "1.3"
    protocol: str = "none"  # of the application's first step
    requested: bool | None = None
    when: str | None = None
    request_message: int | None = None  # index of the CertificateRequest
    certificate_message: int | None = None  # index of our Certificate
    listed: tuple[str, ...] = ()  # names in the CertificateRequest
    schemes: tuple[int, ...] = ()
    types: tuple[int, ...] = ()
    request_extensions: tuple[int, ...] = ()
    has_credential: bool = False
    sent: int | None = None  # certificates in our Certificate message; None: no such message
    withheld: bool = False  # our side ended the handshake, so that the credential did not leave
    findings: tuple[str, ...] = ()  # ids of what the credential shows
    scheme_fits: bool | None = None  # the key fits a signature scheme that was asked for
    unusual: tuple[str, ...] = ()  # what about key and signatures not every server takes, in words
    unlisted: bool = False  # ... and the server's request names what it takes, and this is not among it
    edge: float | None = None  # seconds from now to the nearest notBefore or notAfter of what was sent
    issuers: int = 0  # certificates above the leaf, without a self-signed root
    relation: Relation = "unknown"
    relation_detail: str = ""
    key_check: KeyCheck = "unknown"
    key_detail: str = ""
    root_listed: bool = False  # the server lists the very root above our chain, by its name
    unsent: int = 0  # known certificates that continue our chain and were not sent, wherever they lead
    end_looks_like: str = ""  # "root" or "intermediate": what issued the last certificate that was sent, by its name
    names_differ: str = ""  # names of our chain that are equal as text only, in words
    said: tuple[str, ...] = ()  # causes that the words of the reply fit
    said_words: str = ""
    status: str | None = None  # the application's own word: "403", "28000"
    page: str | None = None  # id of the HTTP signature
    product: str | None = None  # the Server header, or what the page or the protocol gives away
    clock_skew: float | None = None  # seconds that the server's clock is ahead of ours
    opinion: tuple[str, ...] | None = None  # causes that a verification with --client-ca / --crl found; () none; None: not made
    opinion_detail: tuple[str, ...] = ()
    server_problems: tuple[str, ...] = ()  # why our side did not accept the server, in words
    looks_like: str = ""  # the protocol that spoke where TLS was expected
    network_error: str | None = None
    hello_size: int | None = None  # bytes of our ClientHello
    ours: bool = False  # the alert is one that we sent: our side could not go on
    ground: str = ""  # what the verdict rests on (``client_auth.Ground``)
    told: str = ""  # the same in words
    alert_lost: bool = False  # a write failed or a reset came after we wrote: an alert may be lost
    lowered_security: bool = False
    probes: tuple[ProbeSeen, ...] = ()
    probes_ended: str = ""  # why no more were made
    notes: tuple[str, ...] = ()


# X509_V_ERR numbers (OpenSSL, x509_vfy.h) -> causes that make a server find them. Also what its name or number in a reply means.
CODE_CAUSES: dict[int, tuple[str, ...]] = {
    2: ("missing-intermediate", "unknown-ca", "server-trust", "lookalike-ca"),
    3: ("server-crl", "self-signed", "unknown-ca", "lookalike-ca"),
    7: ("lookalike-ca",),
    8: ("server-crl",),
    9: ("not-yet-valid", "server-clock"),
    10: ("expired", "intermediate-expired", "server-clock"),
    11: ("server-crl", "server-clock"),
    12: ("server-crl",),
    18: ("self-signed",),
    19: ("unknown-ca", "lookalike-ca"),
    20: ("unknown-ca", "missing-intermediate", "lookalike-ca", "self-signed", "server-trust"),
    21: ("missing-intermediate", "unknown-ca", "self-signed", "lookalike-ca"),
    22: ("server-depth", "path-length"),
    23: ("revoked",),
    24: ("issuer-not-ca",),
    25: ("path-length",),
    26: ("wrong-eku", "wrong-key-usage"),
    28: ("wrong-eku", "not-authorised"),
    29: ("lookalike-ca", "unknown-ca"),
    30: ("lookalike-ca", "unknown-ca"),
    32: ("issuer-not-ca",),
    33: ("server-crl",),
    34: ("critical-extension",),
    44: ("server-crl",),
    47: ("name-constraint",),
    48: ("name-constraint",),
    51: ("name-constraint",),
    52: ("name-constraint",),
    53: ("name-constraint",),
    66: ("weak-key",),
    67: ("weak-key",),
    68: ("weak-signature",),
    79: ("issuer-not-ca",),
}

# What replies say in words: OpenSSL's, Node's, Go's, Java's, Windows' and clouds' phrases.
WORDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"crl[^.<]{0,24}expired|unable_to_get_crl|unable to get (certificate )?crl|revocation (status|list)[^.<]{0,24}unknown",
     ("server-crl", "self-signed", "unknown-ca", "lookalike-ca")),
    # Go and IIS have one sentence for both kinds of wrong dates
    (r"expired or (is )?not yet valid", ("expired", "not-yet-valid", "intermediate-expired", "server-clock")),
    (r"not[ _-]?yet[ _-]?valid", ("not-yet-valid", "server-clock")),
    (r"revoked", ("revoked",)),
    (r"(?<!crl )(?<!crl_)(?<!crl_has_)(has |_has_)?expired", ("expired", "intermediate-expired", "server-clock")),
    (r"self[ _-]?signed[ _](cert(ificate)?[ _])?in[ _](cert(ificate)?[ _])?chain", ("unknown-ca", "lookalike-ca")),
    (r"(depth[ _]zero[ _]self|self[ _-]?signed)", ("self-signed",)),
    ((r"unable[ _]to[ _]verify[ _](the[ _])?(first|leaf)|unable[ _]to[ _]get[ _](local[ _])?issuer|could not find issuer"
     r"|unknown[ _]authority|unable to find valid certification path|untrusted|unknown[ _]ca\b|path building failed"),
     ("unknown-ca", "missing-intermediate", "lookalike-ca", "self-signed", "server-trust")),
    (r"invalid[ _]purpose|unsupported (certificate )?purpose|incompatible key usage|extended ?key ?usage|unsuitable",
     ("wrong-eku", "wrong-key-usage")),
    (r"path[ _-]?length", ("path-length",)),
    (r"chain[ _]too[ _]long|too many intermediate", ("server-depth", "path-length")),
    (r"invalid[ _]ca\b", ("issuer-not-ca",)),
    (r"name constraint|(permitted|excluded)[ _]subtree", ("name-constraint",)),
    (r"unhandled critical", ("critical-extension",)),
    (r"insecure signature|md[ _]too[ _]weak|weak (signature|hash)", ("weak-signature",)),
    (r"key[ _]too[ _](small|weak)", ("weak-key",)),
    (r"signature[ _]failure", ("lookalike-ca",)),
)
_NUMBERED = re.compile(r"(?:verif\w*|ssl_c_\w+|x509_v_err|ca)\s*[=:]\s*\(?(\d{1,2})\b", re.IGNORECASE)


def causes_in_words(text: str) -> tuple[tuple[str, ...], str]:
    """The causes that a refusal's own words name, and the words; ``((), "")`` where it names none."""
    for pattern, causes in WORDS:
        found = re.search(pattern, text, re.IGNORECASE)
        if found:
            return causes, found.group(0)
    for found in _NUMBERED.finditer(text):
        causes = CODE_CAUSES.get(int(found.group(1)), ())
        if causes:
            return causes, found.group(0)
    return (), ""
