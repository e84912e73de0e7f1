"""The checks of an audit as a table: what each asks, how bad its worst is, what it needs, what it rests on, and how to mend it.

``RULES_VERSION`` of ``audit_grade`` names this table's state. Remedies are by server family, ``""`` is the general one.
"""

from __future__ import annotations

from typing import NamedTuple

from inspector.analysis.findings import Severity


class Row(NamedTuple):
    """One check. ``needs`` are keys of ``NEEDS``; without them the check is not run and says so."""

    id: str
    severity: Severity
    title: str
    needs: tuple[str, ...] = ()
    references: tuple[str, ...] = ()


# what a check may need -> how the user supplies it
NEEDS = {
    "credential": "a good client credential (--cert/--key or --pfx)",
    "verified": "a server that verifies (--cacert), or --insecure, before your credential is shown to it",
    "served": "a good credential that the server really lets in",
    "refusal": "a path that is refused without a certificate",
    "name": "a second host name of this server (--other-name)",
    "http": "a target that speaks HTTP",
    "plain": "a target that speaks HTTP, or a port without TLS (--plain-port)",
    "starttls": "a target that begins in plaintext (--starttls)",
    "expired": "--expired CERT:KEY, or --issue CA.pem:CA.key",
    "wrong-eku": "--wrong-eku CERT:KEY, or --issue CA.pem:CA.key",
    "revoked": "--revoked CERT:KEY",
    "issue": "--issue CA.pem:CA.key",
    "second-client": "--second-client CERT:KEY, another client of the same CA that must not reach this resource",
    "token": "--token-file FILE, an access token bound to the good credential",
    "consent": "--i-own-this: your key signs a throw-away certificate in memory",
    "request": "a server that asks for a client certificate",
    "ca-names": "a list of CA names in the server's request, or a good credential",
}

TABLE: tuple[Row, ...] = (
    Row("ENF-NONE", "critical", "the resource cannot be had without a certificate", (), ("NIST SP 800-52r2 3.5",)),
    Row("TRUST-ANY", "critical", "a certificate of nobody in particular is refused", (), ("CWE-295",)),
    Row(
        "TRUST-DN", "critical", "a CA that merely bears a trusted CA's name is refused", ("ca-names",), ("CWE-295", "RFC 5280 6.1")
    ),
    Row(
        "HTTP-SPOOF",
        "critical",
        "a header that claims a certificate is not believed",
        ("http", "refusal"),
        ("RFC 9440 4", "CWE-290"),
    ),
    Row(
        "ENF-HOST",
        "critical",
        "neither another Host nor another name's handshake opens this name",
        ("http",),
        ("CVE-2025-23048", "RFC 9113 9.1.1"),
    ),
    Row(
        "ENF-SNI",
        "critical",
        "an absent, unknown or oddly written SNI does not open this name",
        ("http",),
        ("CVE-2026-48928", "CVE-2026-32305", "RFC 6066 3"),
    ),
    Row("ENF-PATH", "critical", "each protected path is protected in every spelling", ("http",), ("CWE-647", "CWE-288")),
    Row("ENF-PLAINTEXT", "critical", "the resource is not served without TLS", ("plain",), ("RFC 9325 3.2",)),
    Row(
        "ENF-RESUME-XVHOST",
        "critical",
        "a session opens no name that its beginning did not",
        ("http", "refusal"),
        ("CVE-2025-23419", "CVE-2025-68121", "RFC 8446 4.6.1"),
    ),
    Row(
        "TRUST-CHAIN",
        "critical",
        "a leaf is no CA, and what lies beside the chain is not believed",
        ("served", "consent"),
        ("RFC 5280 6.1", "CVE-2023-2422"),
    ),
    Row("ENF-PARITY", "high", "every address, version and ALPN asks alike", (), ("GHSA-9cr8-q42q-g8m7",)),
    Row(
        "ENF-STARTTLS",
        "high",
        "nothing is served before STARTTLS, nor after it without a certificate",
        ("starttls",),
        ("RFC 3207", "RFC 8314"),
    ),
    Row("TRUST-EXPIRED", "high", "certificates outside their dates are refused", ("expired",), ("RFC 5280 6.1.3",)),
    Row("TRUST-REVOKED", "high", "revoked certificates are refused", ("revoked",), ("RFC 5280 6.3", "NIST SP 800-52r2 3.5.1")),
    Row("TRUST-STORE", "high", "clients of public CAs are not trusted", ("request",), ("CWE-295",)),
    Row(
        "TRUST-IDENTITY",
        "high",
        "another client of the same CA is not let in",
        ("served", "second-client"),
        ("CWE-863", "RFC 8705 6.3"),
    ),
    Row("PROTO-EARLY", "high", "no request is served from 0-RTT data", ("served",), ("RFC 8446 8", "RFC 8470")),
    Row("SRV-CHAIN", "high", "the server's own chain verifies, by its name", (), ("RFC 9525", "RFC 5280")),
    Row("SRV-EXPIRY", "high", "the server's certificate is in its dates, and for a while", (), ("Mozilla Server Side TLS 5.7",)),
    Row("HTTP-BOUND", "high", "a token bound to a certificate is useless without it", ("served", "token"), ("RFC 8705 3",)),
    Row("PROTO-VERSION", "high", "no version below TLS 1.2", (), ("RFC 8996", "RFC 9325", "PCI DSS 4.2.1")),
    Row("ENF-RESUME-STALE", "medium", "a session does not outlive its certificate for long", ("served",), ("RFC 8446 4.6.1",)),
    Row("ENF-LATE", "medium", "the certificate is asked for in the first handshake", ("http",), ("RFC 8740", "RFC 9113 9.2.3")),
    Row("TRUST-EKU", "medium", "a certificate that is for servers only is refused", ("wrong-eku",), ("RFC 5280 4.2.1.12",)),
    Row("TRUST-WEAKSIG", "medium", "SHA-1 signatures and RSA-1024 keys are refused", ("issue",), ("RFC 9155", "NIST SP 800-131A")),
    Row(
        "REQ-CALIST",
        "medium",
        "the list of CA names is short and says nothing private",
        ("request",),
        ("NIST SP 800-52r2 3.5.4", "RFC 8446 4.2.4"),
    ),
    Row("REQ-MATCH", "medium", "the list names a CA of your credential", ("credential", "request"), ("RFC 8446 4.2.4",)),
    Row(
        "REQ-SIGALGS",
        "medium",
        "the signature algorithms asked for are current, and fit your key",
        ("request",),
        ("RFC 9155", "RFC 8446 4.2.3"),
    ),
    Row(
        "PROTO-CIPHERS",
        "medium",
        "only strong suites, with forward secrecy and safe renegotiation",
        (),
        ("Mozilla Server Side TLS 5.7", "RFC 9325", "RFC 7627", "RFC 5746"),
    ),
    Row("PROTO-TICKET", "medium", "sessions are short-lived", ("served",), ("RFC 8446 4.6.1", "RFC 9325")),
    Row("SRV-KEY", "medium", "the server's key and signatures are strong", (), ("NIST SP 800-52r2",)),
    Row("CLI-CRED", "high", "your own credential is fit for use", ("credential",), ("RFC 5280", "SPIFFE X.509-SVID")),
    Row("SRV-STATUS", "low", "what the certificate promises about revocation is kept", (), ("RFC 7633", "RFC 6962")),
    Row("HTTP-LEAK", "low", "refusals say nothing about identities or versions", ("http",), ("CWE-200",)),
)
BY_ID = {row.id: row for row in TABLE}

_VERIFY = {
    "nginx": "set 'ssl_verify_client on;' for the whole server, and put public paths on another name or address",
    "apache": "set 'SSLVerifyClient require' in the VirtualHost, not in <Location>",
    "haproxy": "write 'verify required' and 'ca-file CA' on the bind line",
    "envoy": "set 'require_client_certificate: true' and a 'trusted_ca'; in Istio 'mtls.mode: STRICT'",
    "": "require and verify a client certificate for the whole listener; serve public paths on another name or address",
}
_ANY = {
    "nginx": "set 'ssl_verify_client on;', never 'optional_no_ca' unless the application verifies the whole chain",
    "apache": "set 'SSLVerifyClient require', never 'optional_no_ca'",
    "haproxy": "remove 'crt-ignore-err' and 'ca-ignore-err', or deny unless 'ssl_c_verify 0' and 'ssl_c_ca_err 0'",
    "envoy": "remove 'trust_chain_verification: ACCEPT_UNTRUSTED'",
    "node": "set 'rejectUnauthorized: true', or refuse unless socket.authorized",
    "go": "set 'ClientAuth: tls.RequireAndVerifyClientCert' with ClientCAs",
    "": "verify the chain up to your own CA; never take the names in an unverified certificate for an identity",
}
_NAMES = {
    "nginx": "'server { listen 443 ssl default_server; ssl_reject_handshake on; }', and ssl_verify_client in each server block",
    "apache": "keep the default 'SSLVHostSNIPolicy secure', or set 'SSLStrictSNIVHostCheck on' before 2.4.64",
    "haproxy": "'strict-sni' on the bind line, and answer 421 where the Host differs from 'ssl_fc_sni'",
    "envoy": "one filter chain for each SNI with its own route table, and none without 'server_names'",
    "": "answer 421 (RFC 9110, 15.5.20) where the Host differs from the SNI, and refuse unknown or absent names",
}
_SESSIONS = {
    "nginx": "'ssl_session_timeout 5m; ssl_session_tickets off;', and nginx 1.26.3 / 1.27.4 or later; or an address for each CA",
    "apache": "'SSLSessionTickets off' and 'SSLSessionCacheTimeout 300', and Apache 2.4.64 or later",
    "haproxy": "'tune.ssl.lifetime 300'; across names both 'no-tls-tickets' and 'tune.ssl.cachesize 0', or a bind for each CA",
    "envoy": "'session_timeout: 300s', or disable stateless and stateful resumption",
    "": "short session lifetimes; no tickets and no session cache where names trust different CAs",
}
_HEADERS = {
    "nginx": "set each identity header with proxy_set_header in every location that proxies (one with its own inherits none)",
    "apache": "'RequestHeader unset X-SSL-... early' before setting it",
    "haproxy": "'http-request del-header' before 'http-request set-header'",
    "envoy": "'forward_client_cert_details: SANITIZE_SET', and request_headers_to_remove for the others",
    "": "remove every identity header that comes from outside before setting your own",
}
REMEDIES: dict[str, dict[str, str]] = {
    "ENF-NONE": _VERIFY,
    "ENF-PATH": _VERIFY,
    "ENF-LATE": _VERIFY,
    "ENF-PARITY": _VERIFY,
    "TRUST-ANY": _ANY,
    "TRUST-DN": _ANY,
    "TRUST-CHAIN": _ANY,
    "ENF-HOST": _NAMES,
    "ENF-SNI": _NAMES,
    "ENF-RESUME-XVHOST": _SESSIONS,
    "ENF-RESUME-STALE": _SESSIONS,
    "PROTO-TICKET": _SESSIONS,
    "HTTP-SPOOF": _HEADERS,
    "ENF-PLAINTEXT": {
        "nginx": "on the plain port only 'return 301 https://$host$request_uri;'",
        "apache": "'Redirect permanent / https://...'",
        "haproxy": "'http-request redirect scheme https'",
        "": "close the plain port, or redirect and serve nothing",
    },
    "ENF-STARTTLS": {"": "refuse every command but STARTTLS until TLS is up, and require the certificate there"},
    "TRUST-STORE": {
        "nginx": "'ssl_client_certificate' holds only the issuing CA",
        "apache": "'SSLCACertificateFile' holds only the issuing CA",
        "haproxy": "'ca-file' holds only the issuing CA, never '@system-ca'",
        "": "trust only the CA that issues your clients",
    },
    "TRUST-EXPIRED": {
        "haproxy": "remove 'crt-ignore-err' (or the error number of expiry in it)",
        "": "do not ignore the errors of the dates",
    },
    "TRUST-EKU": {"": "demand clientAuth in extendedKeyUsage"},
    "TRUST-REVOKED": {
        "nginx": "'ssl_crl' with a fresh CRL (a stale one refuses everybody), or 'ssl_ocsp leaf'",
        "apache": "'SSLCARevocationFile' and 'SSLCARevocationCheck chain' (the file alone does nothing)",
        "haproxy": "'crl-file' on the bind line",
        "": "load CRLs and keep them fresh, or issue short-lived certificates",
    },
    "TRUST-WEAKSIG": {"": "security level 1 or higher (OpenSSL: '@SECLEVEL=1'), and issue no such certificates"},
    "TRUST-IDENTITY": {"": "hold the identity in the certificate against a list; belonging to the CA is not enough"},
    "REQ-CALIST": {
        "nginx": "'ssl_trusted_certificate' for verification and a small 'ssl_client_certificate' for the list",
        "apache": "'SSLCADNRequestFile'",
        "haproxy": "a small 'ca-file' and a large 'ca-verify-file'",
        "": "name only the CAs that issue your clients' certificates",
    },
    "PROTO-EARLY": {
        "nginx": "'ssl_early_data off', or answer 425 where $ssl_early_data is set",
        "haproxy": "no 'allow-0rtt', or 'http-request wait-for-handshake'",
        "": "take no early data, or answer 425 (RFC 8470)",
    },
    "PROTO-VERSION": {"": "allow TLS 1.2 and 1.3 only"},
    "PROTO-CIPHERS": {"": "use the suites of Mozilla's intermediate profile"},
    "SRV-CHAIN": {"": "send the leaf and each intermediate in order, without the root, with the name in a subjectAltName"},
    "SRV-EXPIRY": {"": "renew the certificate, and let a job do it from now on"},
    "SRV-KEY": {"": "EC P-256, or RSA with at least 2048 bits, and SHA-256"},
    "HTTP-LEAK": {"nginx": "'server_tokens off;'", "apache": "'ServerTokens Prod'", "": "remove the header"},
    "HTTP-BOUND": {"": "hold cnf.x5t#S256 of the token against the certificate of the connection"},
    "REQ-SIGALGS": {"": "offer ECDSA and RSA-PSS with SHA-256 or better, and no SHA-1"},
    "REQ-MATCH": {"": "name the issuing CA (or its root) in the list, or leave the list empty"},
    "CLI-CRED": {"": "see mtls check"},
    "SRV-STATUS": {"": "staple a fresh response that says good, or issue the certificate without must-staple"},
}


def remedy(check: str, family: str) -> str:
    """How to mend it on this server family; the general text where there is none for it."""
    rows = REMEDIES.get(check, {})
    return rows.get(family) or rows.get("", "")
