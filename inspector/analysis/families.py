"""Who the server may be, and what each kind of server answers to each fault of a client certificate.

A *family* is a habit of saying no, not a product: Apache, HAProxy and PostgreSQL are one family as far as alerts go. The
diagnosis never decides for one: it weighs all of them (``analysis.diagnosis``), and a server that fits none is judged by their
mixture, in which families that follow the RFC's meaning of the alerts (RFC 8446, Section 6.2) weigh most.

``answers`` says with which signal a family refuses for a cause, as weights. What is not listed in a row is answered by the row
``*``. ``refuses`` is how readily it refuses for a cause at all (1 where not listed): GnuTLS ignores extendedKeyUsage, Go knows no
CRL.
"""

from __future__ import annotations

from typing import NamedTuple

Row = dict[str, float]  # signal -> weight
Answers = dict[str, Row]  # cause -> row


class Family(NamedTuple):
    """One habit. ``prior`` is how common it is among servers that ask for a client certificate, all adding up to about 1."""

    name: str
    words: str  # for people: "HAProxy, Apache, PostgreSQL... (OpenSSL)"
    prior: float
    answers: Answers
    missing: dict[str, Row]  # by TLS version: what an empty Certificate is answered with
    denial: Row  # how it says that a verified identity is not allowed
    refuses: dict[str, float]
    stack: str | None = None  # the TLS library whose CertificateRequest it sends; None: any
    products: tuple[str, ...] = ()  # patterns of the Server header, or of what a page gives away


def _alerts(**numbers: tuple[int, ...]) -> Answers:
    """Rows from cause_name=(alert, next likely alert...)."""
    weights = (0.86, 0.1, 0.04)
    return {
        cause.replace("_", "-"): {f"alert:{alert}": weights[min(place, 2)] for place, alert in enumerate(alerts)}
        for cause, alerts in numbers.items()
    }


# OpenSSL, ssl/statem/statem_lib.c: x509table. Of each cause the errors that X509_verify_cert finds, and their alerts.
OPENSSL = _alerts(
    self_signed=(48,), unknown_ca=(48,), lookalike_ca=(48, 51), missing_intermediate=(48,), chain_order=(48,),
    expired=(45,), not_yet_valid=(42,), intermediate_expired=(45,), wrong_eku=(43,), wrong_key_usage=(43,), revoked=(44,),
    weak_signature=(42,), weak_key=(42,), signature_algorithm=(47, 43, 40), ca_as_leaf=(43, 46), issuer_not_ca=(48, 46),
    path_length=(48,), name_constraint=(46,), critical_extension=(46,), key_mismatch=(51,), not_authorised=(46, 42, 40),
    server_depth=(48,), server_trust=(48,),
) | {
    "lookalike-ca": {"alert:48": 0.62, "alert:51": 0.36, "alert:42": 0.02},
    "server-crl": {"alert:45": 0.5, "alert:48": 0.45, "alert:42": 0.05},
    "server-clock": {"alert:45": 0.5, "alert:42": 0.5},
    "*": {"alert:46": 0.5, "alert:42": 0.3, "alert:48": 0.2},
}
# BoringSSL, current Go and rustls: as the RFC describes the alerts, one alert for both kinds of wrong dates
MODERN = OPENSSL | _alerts(
    not_yet_valid=(45, 42), weak_signature=(42, 48, 43), weak_key=(42, 48, 43), wrong_eku=(43, 42, 46), wrong_key_usage=(43, 42,
    46),
    issuer_not_ca=(48, 42, 46), path_length=(48, 42, 46), name_constraint=(42, 46, 48), critical_extension=(42, 46, 43),
    lookalike_ca=(48, 51, 42), server_clock=(45, 42), not_authorised=(49, 46, 42), server_crl=(48, 45, 46),
    signature_algorithm=(47, 40, 43),
)
NSS = MODERN | _alerts(wrong_eku=(46, 43), unknown_ca=(48, 49), self_signed=(48, 49), revoked=(44,), intermediate_expired=(48, 45))
MBEDTLS = MODERN | _alerts(
    not_yet_valid=(45,), wrong_eku=(43,), wrong_key_usage=(43,), weak_key=(43,), weak_signature=(43,), not_authorised=(49, 42),
    issuer_not_ca=(48, 42), critical_extension=(42, 46), intermediate_expired=(48, 45), path_length=(48, 42),
)
WOLFSSL = OPENSSL | _alerts(
    not_yet_valid=(42, 45), wrong_eku=(42, 43), wrong_key_usage=(42, 43), issuer_not_ca=(42, 48), path_length=(42, 48),
    name_constraint=(42,), critical_extension=(42,), server_crl=(42, 48), lookalike_ca=(42, 48), missing_intermediate=(48, 42),
)


def _always(row: Row) -> Answers:
    """One answer to everything."""
    return {"*": row}


_AT_SIGNATURE = {"signature-algorithm": {"alert:47": 0.4, "alert:40": 0.3, "alert:43": 0.15, "alert:51": 0.15}}
EVERY_42 = _always({"alert:42": 1.0}) | _AT_SIGNATURE
EVERY_46 = _always({"alert:46": 0.96, "alert:42": 0.04}) | _AT_SIGNATURE
EVERY_49 = _always({"alert:49": 0.95, "alert:80": 0.03, "alert:42": 0.02}) | {"wrong-key-usage": {"alert:80": 0.7, "alert:49": 0.3}}
CLOSES = _always({"close": 0.8, "reset": 0.18, "alert:46": 0.02})
PAGES = _always({"page:invalid": 0.9, "error": 0.08, "denied": 0.02})
DENIES = _always({"page:invalid": 0.45, "denied": 0.4, "error": 0.1, "alert:46": 0.05})

_STANDARD_MISSING = {"1.2": {"alert:40": 1.0}, "1.3": {"alert:116": 1.0}}
_MISSING_42 = {"1.2": {"alert:42": 1.0}, "1.3": {"alert:42": 0.9, "alert:116": 0.1}}
_MISSING_CLOSED = {"1.2": {"close": 0.8, "reset": 0.2}, "1.3": {"close": 0.8, "reset": 0.2}}
_MISSING_PAGE = {"1.2": {"page:missing": 0.95, "denied": 0.05}, "1.3": {"page:missing": 0.95, "denied": 0.05}}
_MISSING_DENIED = {
    "1.2": {"denied": 0.5, "page:missing": 0.4, "page:invalid": 0.08, "error": 0.02},
    "1.3": {"denied": 0.5, "page:missing": 0.4, "page:invalid": 0.08, "error": 0.02},
}
_BY_THE_APPLICATION = {"denied": 0.9, "page:invalid": 0.03, "error": 0.04, "alert:49": 0.01, "alert:46": 0.01, "close": 0.01}
_OR_BY_CLOSING = {"denied": 0.75, "close": 0.2, "error": 0.04, "reset": 0.01}

# Path builders of our time sort what they get; whoever verifies link by link does not.
_SORTS = {"chain-order": 0.03, "ca-as-leaf": 0.1}
_OPENSSL_REFUSES = _SORTS | {"signature-algorithm": 0.6}
_GO_REFUSES = _SORTS | {"wrong-key-usage": 0.05, "weak-key": 0.1, "revoked": 0.02, "server-crl": 0.02, "server-trust": 0.03,
    "server-depth": 0.02}
_JAVA_REFUSES = _SORTS | {
    "weak-signature": 0.15, "weak-key": 0.15, "server-crl": 0.4, "revoked": 0.6, "server-trust": 0.03, "server-depth": 0.2,
}
_GNUTLS_REFUSES = _SORTS | {"wrong-eku": 0.1, "weak-key": 0.2, "server-trust": 0.03, "server-crl": 0.4}
_RUSTLS_REFUSES = _SORTS | {"server-trust": 0.03, "server-depth": 0.2, "wrong-key-usage": 0.1}

FAMILIES: tuple[Family, ...] = (
    Family("openssl", "an OpenSSL server that sends alerts (Apache, HAProxy, stunnel, Python, PostgreSQL...)", 0.27,
           OPENSSL, _STANDARD_MISSING, _BY_THE_APPLICATION, _OPENSSL_REFUSES, "openssl",
           (r"apache", r"stunnel", r"python|gunicorn|uvicorn|hypercorn", r"lighttpd", r"postgres", r"haproxy", r"puma|webrick",
            r"redis", r"mosquitto", r"mariadb|mysql", r"dovecot", r"postfix")),
    Family("nginx", "nginx, or what is built on it (handshake completes, then HTTP 400)", 0.14, PAGES | {
        "signature-algorithm": {"page:invalid": 0.5, "alert:47": 0.25, "alert:43": 0.15, "alert:40": 0.1}},
           _MISSING_PAGE, _BY_THE_APPLICATION, _OPENSSL_REFUSES, "openssl", (r"nginx|openresty|tengine|angie",)),
    Family("gate", "an application or gateway that judges the certificate after the handshake (HTTP status, protocol error)", 0.1,
           DENIES, _MISSING_DENIED, _BY_THE_APPLICATION, _SORTS, None,
           (r"kubernetes", r"aws-api-gateway|amazon", r"cloudflare", r"iis|microsoft", r"azure-application-gateway",
           r"envoy|istio")),
    Family("node", "Node.js with rejectUnauthorized (closes without an alert)", 0.05,
           CLOSES, _STANDARD_MISSING, _BY_THE_APPLICATION, _OPENSSL_REFUSES | {"weak-key": 0.1, "server-crl": 0.6}, "openssl",
           (r"node|express",)),
    Family("closer", "a server that closes without saying why (JSSE behind a plain socket, MongoDB, .NET on Linux...)", 0.06,
           CLOSES, _MISSING_CLOSED, _OR_BY_CLOSING,
           _SORTS | {"weak-signature": 0.3, "weak-key": 0.3, "server-crl": 0.4, "server-depth": 0.3}, None, (r"mongodb",
               r"kestrel")),
    Family("go-classic", "Go before 1.20 or so (alert 42 for everything), as in Caddy 2.6", 0.06,
           EVERY_42, _MISSING_42, _BY_THE_APPLICATION, _GO_REFUSES, "go", (r"caddy", r"go-http|golang", r"traefik",
           r"vault|consul|etcd")),
    Family("go", "current Go (crypto/tls)", 0.08, MODERN | _alerts(
        wrong_eku=(42, 43), wrong_key_usage=(42, 43), issuer_not_ca=(42, 48), path_length=(42, 48), name_constraint=(42, 48),
        critical_extension=(42, 48), weak_signature=(48, 42), weak_key=(42, 48), signature_algorithm=(42, 47, 43),
            not_authorised=(42, 46)),
           {"1.2": {"alert:40": 0.5, "alert:42": 0.5}, "1.3": {"alert:116": 1.0}}, _BY_THE_APPLICATION, _GO_REFUSES, "go",
           (r"caddy", r"go-http|golang", r"traefik", r"vault|consul|etcd|kubernetes")),
    Family("jsse-classic", "Java up to about 17 (46 for any trust failure, 42 for none sent)", 0.04,
           EVERY_46, _MISSING_42, _BY_THE_APPLICATION, _JAVA_REFUSES, "jsse",
           (r"jetty|tomcat|coyote|undertow|wildfly|netty|kafka",)),
    Family("jsse", "current Java (46 for any trust failure)", 0.05,
           EVERY_46, _STANDARD_MISSING, _BY_THE_APPLICATION, _JAVA_REFUSES, "jsse",
           (r"jetty|tomcat|coyote|undertow|wildfly|netty|kafka",)),
    Family("boringssl", "BoringSSL (Envoy, gRPC, Istio)", 0.05,
           MODERN, _STANDARD_MISSING, _BY_THE_APPLICATION, _SORTS, "boringssl", (r"envoy|istio|gws|esf",)),
    Family("rustls", "rustls (linkerd, many Rust servers)", 0.03,
           MODERN | _alerts(not_yet_valid=(45,), wrong_eku=(43,), critical_extension=(42,), not_authorised=(49,)),
           {"1.2": {"alert:116": 0.9, "alert:40": 0.1}, "1.3": {"alert:116": 1.0}}, _BY_THE_APPLICATION, _RUSTLS_REFUSES, "rustls",
           (r"hyper|actix|linkerd|pingora",)),
    Family("gnutls", "GnuTLS", 0.03, EVERY_49, {"1.2": {"alert:50": 0.6, "alert:40": 0.3, "alert:49": 0.1},
        "1.3": {"alert:116": 1.0}},
           _BY_THE_APPLICATION, _GNUTLS_REFUSES, "gnutls", (r"gnutls",)),
    Family("gnutls-42", "a GnuTLS application that answers 42 or closes (OpenLDAP on Debian, Exim, CUPS)", 0.02,
           _always({"alert:42": 0.45, "close": 0.25, "alert:40": 0.1, "alert:48": 0.2}),
           {"1.2": {"alert:50": 0.4, "alert:40": 0.3, "close": 0.3}, "1.3": {"alert:116": 0.7, "close": 0.3}}, _BY_THE_APPLICATION,
           _GNUTLS_REFUSES, "gnutls", (r"openldap|slapd|exim|cups",)),
    Family("nss", "NSS", 0.01, NSS, _STANDARD_MISSING, _BY_THE_APPLICATION, _SORTS, "nss", (r"389-directory|dogtag",)),
    Family("mbedtls", "Mbed TLS (devices, MQTT brokers)", 0.02, MBEDTLS,
           {"1.2": {"alert:40": 0.6, "alert:41": 0.4}, "1.3": {"alert:41": 0.6, "alert:116": 0.4}}, _OR_BY_CLOSING,
           {"chain-order": 0.5, "ca-as-leaf": 0.1}, "mbedtls"),
    Family("wolfssl", "wolfSSL (devices)", 0.01, WOLFSSL, _STANDARD_MISSING, _OR_BY_CLOSING,
           {"chain-order": 0.9, "ca-as-leaf": 0.1}, "wolfssl"),
    Family("schannel", "Windows (Schannel, .NET)", 0.02, MODERN | _alerts(wrong_eku=(43, 46), not_authorised=(49, 42)),
           {"1.2": {"close": 0.5, "reset": 0.3, "alert:40": 0.2}, "1.3": {"alert:116": 0.5, "close": 0.3, "reset": 0.2}},
           _BY_THE_APPLICATION, _SORTS, "schannel", (r"microsoft-httpapi|iis",)),
    Family("every-40", "a server that answers handshake_failure to everything", 0.02,
           _always({"alert:40": 0.97, "alert:80": 0.03}), {"1.2": {"alert:40": 1.0}, "1.3": {"alert:116": 0.5, "alert:40": 0.5}},
           _BY_THE_APPLICATION, _SORTS),
)

# First signature schemes that each library asks for in a CertificateRequest, in its order (measured, or read in its source).
# A newer version may put new schemes in front: they are skipped where the library's own list does not know them.
SCHEME_ORDERS: dict[str, tuple[tuple[int, ...], ...]] = {
    "openssl": ((0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0809, 0x080A, 0x080B, 0x0804, 0x0805, 0x0806, 0x0401),
                (0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x081A, 0x081B, 0x081C, 0x0809, 0x080A, 0x080B, 0x0804)),
    "go": ((0x0804, 0x0403, 0x0807, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0503, 0x0603),),
    "jsse": ((0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809),),
    "gnutls": ((0x0401, 0x0809, 0x0804, 0x0403, 0x0807, 0x0501, 0x080A, 0x0805, 0x0503),),
    "boringssl": ((0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601),
                  (0x0807, 0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601)),
    "rustls": ((0x0503, 0x0403, 0x0807, 0x0806, 0x0805, 0x0804, 0x0601, 0x0501, 0x0401),
               (0x0503, 0x0403, 0x0603, 0x0807, 0x0806, 0x0805, 0x0804, 0x0601, 0x0501, 0x0401)),
    "nss": ((0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601),),
    "mbedtls": ((0x0603, 0x0503, 0x0403, 0x0806, 0x0805, 0x0804, 0x0601, 0x0501, 0x0401),
                (0x0403, 0x0503, 0x0603, 0x0806, 0x0805, 0x0804, 0x0601, 0x0501, 0x0401)),
    "wolfssl": ((0x0603, 0x0503, 0x0403, 0x0203, 0x0807, 0x0806, 0x0805, 0x0804, 0x0601, 0x0501, 0x0401),),
    "schannel": ((0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0201, 0x0403, 0x0503, 0x0203),),
}
# certificate_types of a TLS 1.2 CertificateRequest, in order
TYPE_ORDERS: dict[str, tuple[int, ...]] = {
    "openssl": (1, 2, 64), "go": (1, 64), "gnutls": (1, 64), "jsse": (64, 1, 2), "boringssl": (1, 64), "rustls": (1, 64),
    "nss": (1, 64, 2), "schannel": (1, 2, 64), "mbedtls": (1, 64), "wolfssl": (1, 64),
}
# for people
STACK_NAMES = {
    "openssl": "OpenSSL", "go": "Go crypto/tls", "jsse": "Java (JSSE)", "gnutls": "GnuTLS", "boringssl": "BoringSSL",
    "rustls": "rustls", "nss": "NSS", "mbedtls": "Mbed TLS", "wolfssl": "wolfSSL", "schannel": "Windows (Schannel)",
}
