"""Who the server may be: its habit of saying no, and how likely it is to be met.

A *family* is a habit, not a product: Apache, HAProxy and PostgreSQL are one family as far as alerts go. The diagnosis never
decides for one: it weighs all of them (``analysis.diagnosis``), and a server that fits none is judged by their mixture, in which
families that follow the RFC's meaning of the alerts (RFC 8446, Section 6.2) weigh most.

``refuses`` is how readily a family refuses for a cause at all (1 where not listed): GnuTLS ignores extendedKeyUsage, Go knows no
CRL (what is built on it may).
"""

from __future__ import annotations

from typing import NamedTuple

from inspector.analysis import answers
from inspector.analysis.answers import BY_THE_APPLICATION, Answers, Row


class Family(NamedTuple):
    """One habit. ``prior`` is how common it is among servers that ask for a client certificate, all adding up to about 1."""

    name: str
    words: str  # for people
    prior: float
    answers: Answers
    missing: dict[str, Row]  # by TLS version: what an empty Certificate is answered with
    refuses: dict[str, float]
    denial: Row = BY_THE_APPLICATION  # how it says that a verified identity is not allowed
    stack: str | None = None  # the TLS library whose CertificateRequest it sends (``stacks``); None: any
    hooks: float = 0.2  # share of these servers that judge an identity while they verify its certificate, and not afterwards
    products: str = r"(?!)"  # pattern of the Server header, or of what a page or a protocol gives away


# Path builders of our time sort what they get; whoever verifies link by link does not. And their limits on a path's length are far
# from what anybody has: nginx and Apache (1 by default), and older Erlang, are the ones whose limit is met.
_SORTS = {"chain-order": 0.01, "ca-as-leaf": 0.1, "server-depth": 0.1}
# CRLs in files that somebody has to renew are the habit of OpenSSL's servers; the others fetch them, or know none.
_OPENSSL = _SORTS | {"signature-algorithm": 0.6, "names-differ": 0.02, "server-depth": 0.4}  # no limit worth the name by default
_NGINX = _OPENSSL | {"server-depth": 1.0}  # 1 by default
_NODE = _OPENSSL | {"weak-key": 0.1, "server-crl": 0.6, "server-depth": 0.02}  # it has no option for a depth
_CLOSER = _SORTS | {"weak-signature": 0.3, "weak-key": 0.3, "server-crl": 0.4}
# Any certificate in the store of these ends a path, a root or not: trusting an intermediate is no mistake.
_ANCHORS = {"server-trust": 0.03}
_GO = _SORTS | _ANCHORS | {"wrong-key-usage": 0.05, "weak-key": 0.1, "revoked": 0.1, "server-crl": 0.02, "server-depth": 0.02}
_JAVA = _SORTS | _ANCHORS | {
    "weak-signature": 0.15, "weak-key": 0.15, "names-differ": 0.1, "server-crl": 0.4, "revoked": 0.6,
}
_GNUTLS = _SORTS | _ANCHORS | {"wrong-eku": 0.1, "weak-key": 0.2, "server-crl": 0.4}
_WOLFSSL = {"server-depth": 0.1, "chain-order": 0.2, "ca-as-leaf": 0.1, "weak-signature": 0.2, "weak-key": 0.2, "server-trust": 0.1}
_ERLANG = _SORTS | {
    "server-depth": 0.5,  # older ones have a default of 1
    "wrong-key-usage": 0.1, "weak-signature": 0.1, "weak-key": 0.1, "server-trust": 0.1, "server-crl": 0.2, "revoked": 0.5,
}
_RUSTLS = _SORTS | _ANCHORS | {"wrong-key-usage": 0.1}

_GO_PRODUCTS = r"caddy|go-http|golang|traefik|vault|consul|etcd|kubernetes"
_JAVA_PRODUCTS = r"jetty|tomcat|coyote|undertow|wildfly|netty|kafka"

FAMILIES: tuple[Family, ...] = (
    Family(
        "openssl", "an OpenSSL server that sends alerts (Apache, HAProxy, stunnel, Python, PostgreSQL...)", 0.27,
        answers.OPENSSL, answers.MISSING, _OPENSSL, stack="openssl", hooks=0.3,
        products=r"apache|stunnel|python|gunicorn|uvicorn|hypercorn|lighttpd|postgres|haproxy|puma|webrick|redis|mqtt|mosquitto"
                 r"|mysql|mariadb|imap|pop3|dovecot|smtp|postfix|ftp",
    ),
    Family(
        "nginx", "a server that completes the handshake and refuses on a page with status 400 (nginx and its kin)", 0.14,
        answers.PAGES, answers.MISSING_PAGE, _NGINX, stack="openssl", hooks=0.02, products=r"nginx|openresty|tengine|angie",
    ),
    Family(
        "gate", "an application or gateway that judges the certificate after the handshake (HTTP status, protocol error)", 0.1,
        answers.DENIES, answers.MISSING_DENIED, _SORTS | {"server-depth": 0.4}, hooks=0.05,
        products=r"kubernetes|aws-api-gateway|amazon|cloudflare|iis|microsoft|azure|envoy|istio",
    ),
    Family(
        "masked", "a proxy or an application that answers 'forbidden' to every fault of a certificate (pages of its own)", 0.04,
        answers.MASKS, answers.MISSING_MASKED, _SORTS | {"server-depth": 0.4}, hooks=0.05,
        products=r"nginx|openresty|haproxy|envoy|aws|amazon|cloudflare",
    ),
    Family(
        "dropper", "an application that looks at the certificate itself, and drops the connection of whom it does not take", 0.02,
        answers.DROPS, answers.MISSING_DROPPED, _SORTS, {"dropped": 0.97, "denied": 0.03},
    ),
    Family(
        "node", "a server that closes without an alert, unless nothing was sent (as Node.js with rejectUnauthorized)", 0.05,
        answers.CLOSES, answers.MISSING, _NODE, stack="openssl", products=r"node|express",
    ),
    Family(
        "closer", "a server that closes without saying why (as JSSE behind a plain socket, MongoDB, .NET on Linux)", 0.06,
        answers.CLOSES, answers.MISSING_CLOSED, _CLOSER, answers.OR_BY_CLOSING, products=r"mongodb|kestrel",
    ),
    Family(
        "go-classic", "Go before 1.20 or so (alert 42 for everything), as in Caddy 2.6", 0.06,
        answers.GO_CLASSIC, answers.MISSING_42, _GO, answers.OR_BY_42, "go", products=_GO_PRODUCTS,
    ),
    Family(
        "go", "current Go (crypto/tls)", 0.08, answers.GO, answers.MISSING_GO, _GO, answers.OR_BY_42, "go", products=_GO_PRODUCTS,
    ),
    Family(
        "jsse-classic", "Java up to about 17 (46 for any trust failure, 42 for none sent)", 0.04,
        answers.EVERY_46, answers.MISSING_42, _JAVA, stack="jsse", products=_JAVA_PRODUCTS,
    ),
    Family(
        "jsse", "current Java (46 for any trust failure)", 0.05,
        answers.EVERY_46, answers.MISSING, _JAVA, stack="jsse", products=_JAVA_PRODUCTS,
    ),
    Family(
        "boringssl", "BoringSSL (Envoy, gRPC, Istio)", 0.05,
        answers.MODERN, answers.MISSING, _SORTS, stack="boringssl", products=r"envoy|istio|gws|esf",
    ),
    Family(
        "rustls", "rustls (linkerd, many Rust servers)", 0.03,
        answers.RUSTLS, answers.MISSING_RUSTLS, _RUSTLS, stack="rustls", products=r"hyper|actix|linkerd|pingora",
    ),
    Family("gnutls", "GnuTLS", 0.03, answers.EVERY_49, answers.MISSING_GNUTLS, _GNUTLS, stack="gnutls", products=r"gnutls"),
    Family(
        "gnutls-42", "a GnuTLS application that answers 42 or closes (OpenLDAP on Debian, Exim, CUPS)", 0.02,
        answers.GNUTLS_OTHER, answers.MISSING_GNUTLS_OTHER, _GNUTLS, stack="gnutls", products=r"ldap|exim|cups",
    ),
    Family("nss", "NSS", 0.01, answers.NSS, answers.MISSING, _SORTS, stack="nss", products=r"389-directory|dogtag"),
    Family(
        "mbedtls", "Mbed TLS (devices, MQTT brokers)", 0.02,
        answers.MBEDTLS, answers.MISSING_MBEDTLS, _SORTS, answers.OR_BY_CLOSING, "mbedtls",
    ),
    Family(
        "wolfssl", "wolfSSL (devices)", 0.01,
        answers.WOLFSSL, answers.MISSING_WOLFSSL, _WOLFSSL, answers.OR_BY_CLOSING, "wolfssl",
    ),
    Family(
        "erlang", "Erlang/OTP (RabbitMQ, EMQX, CouchDB, ejabberd)", 0.02,
        answers.ERLANG, answers.MISSING, _ERLANG, answers.OR_BY_CLOSING, "erlang",
        products=r"cowboy|rabbitmq|couchdb|mochiweb|inets|xmpp",
    ),
    Family(
        "schannel", "Windows (Schannel, .NET)", 0.02,
        answers.SCHANNEL, answers.MISSING_SCHANNEL, _SORTS, stack="schannel", products=r"microsoft-httpapi|iis",
    ),
    Family(
        "own-check", "a server whose own code judges certificates in the handshake, and says bad_certificate to all", 0.02,
        answers.EVERY_42, answers.MISSING_GO, _SORTS | _ANCHORS | {"server-clock": 0.3, "server-crl": 0.2, "revoked": 0.5},
        {"alert:42": 0.7, "denied": 0.3},
    ),
    Family("every-40", "a server that answers handshake_failure to everything", 0.02, answers.EVERY_40, answers.MISSING_40,
           _SORTS | {"server-depth": 0.4}),
)
