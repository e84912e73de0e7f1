"""What is said about each cause: one line, what to change, what would refute it. Texts only; the ranking is in ``diagnosis``."""

from __future__ import annotations

from typing import NamedTuple


class CauseText(NamedTuple):
    """``summary`` completes "your certificate was refused because"; it is a sentence of its own in reports."""

    summary: str
    remedy: str
    refuted_by: str


CAUSE_TEXTS: dict[str, CauseText] = {
    "no-certificate": CauseText(
        "no client certificate was sent, and the server wants one",
        "configure a certificate and its key for this host (--cert, --key)",
        "the server refuses in the same way when a certificate is sent",
    ),
    "self-signed": CauseText(
        "the client certificate is self-signed, so no CA vouches for it",
        "get a certificate from a CA that the server trusts, or have the server trust this very certificate",
        "the server's trust store holds this very certificate",
    ),
    "unknown-ca": CauseText(
        "the CA that issued the client certificate is not among those that the server trusts",
        "use a certificate of a CA that the server lists, or have the operator add your CA to the server's client CA file",
        "the operator finds your root (compare its SHA-256 fingerprint) in the file of trusted client CAs that is loaded",
    ),
    "lookalike-ca": CauseText(
        "the certificate's CA bears the name of a CA that the server trusts, but has another key",
        "find out which of the CAs of that name is the right one (a renewed CA, a test CA?) and get the certificate from it",
        "the operator's CA certificate and yours have the same public key (compare spki_sha256)",
    ),
    "missing-intermediate": CauseText(
        "the intermediate certificate between yours and the server's trusted root was not sent",
        "append the intermediate certificates to the file of your certificate: leaf first, then its issuer, without the root",
        "the same certificate sent with its whole chain is refused in the same way",
    ),
    "chain-order": CauseText(
        "the certificates are sent in an order that the server does not sort",
        "put them in order: your certificate first, then each one's issuer, without the root",
        "the same certificates in the right order are refused in the same way",
    ),
    "expired": CauseText(
        "the client certificate has expired",
        "renew the certificate",
        "the server's clock and yours agree that the certificate is still valid, or a renewed one is refused in the same way",
    ),
    "not-yet-valid": CauseText(
        "the client certificate is not valid yet",
        "wait for its notBefore date, set the clocks right, or have it issued again with an earlier date",
        "the server still refuses it after the notBefore date",
    ),
    "intermediate-expired": CauseText(
        "a CA certificate above the client certificate has expired",
        "replace the expired CA certificate in your chain by its renewed one; if there is none, get a new certificate",
        "the renewed CA certificate is sent, and the answer stays the same",
    ),
    "wrong-eku": CauseText(
        "the certificate's extended key usage does not allow client authentication (clientAuth)",
        "have the certificate issued with extendedKeyUsage clientAuth, and with CAs that allow it (public CAs no longer do)",
        "a certificate of the same CA with clientAuth is refused in the same way",
    ),
    "wrong-key-usage": CauseText(
        "the certificate's key usage lacks digitalSignature, which TLS client authentication needs",
        "have the certificate issued with keyUsage digitalSignature",
        "a certificate of the same CA with digitalSignature is refused in the same way",
    ),
    "revoked": CauseText(
        "the certificate may have been revoked by its issuer (this does not show in the certificate)",
        "ask the issuer whether the serial number is revoked; if so, get a new certificate",
        "the serial number is not in the CRL (or OCSP says 'good') that the server uses",
    ),
    "weak-signature": CauseText(
        "the certificate is signed with a hash that servers no longer accept (SHA-1 or older)",
        "have the certificate issued again with SHA-256 or better",
        "the server runs at a security level that accepts it (OpenSSL: @SECLEVEL=0)",
    ),
    "weak-key": CauseText(
        "the certificate's key is too short",
        "make a new key (RSA of at least 2048 bits, or EC P-256) and have a certificate issued for it",
        "the server runs at a security level that accepts it (OpenSSL: @SECLEVEL=0 or 1)",
    ),
    "signature-algorithm": CauseText(
        "the server does not take this kind of key or signature",
        "use a certificate with a key and a signature that the server asks for (RSA-2048 and P-256 are taken everywhere)",
        "a certificate of the same CA with an RSA-2048 or P-256 key is refused in the same way",
    ),
    "ca-as-leaf": CauseText(
        "the client certificate is itself a CA certificate",
        "have an end-entity certificate issued (basicConstraints CA:FALSE)",
        "an end-entity certificate of the same CA is refused in the same way",
    ),
    "issuer-not-ca": CauseText(
        "the certificate above the client certificate is not a CA certificate",
        "get a certificate from a real CA: its basicConstraints must say CA:TRUE and its keyUsage keyCertSign",
        "the chain verifies on the server (its log would name 'invalid CA certificate')",
    ),
    "path-length": CauseText(
        "the chain is longer than a CA above it allows (pathLenConstraint)",
        "get a certificate from the CA whose path length allows it, or have the CA issued again without the limit",
        "the chain verifies on the server (its log would name 'path length constraint exceeded')",
    ),
    "name-constraint": CauseText(
        "the certificate bears a name that a CA above it may not issue for (name constraints)",
        "get a certificate with names inside what the CA is permitted",
        "the chain verifies on the server (its log would name 'permitted subtree violation')",
    ),
    "critical-extension": CauseText(
        "the certificate has a critical extension that the server does not know",
        "have the certificate issued without that extension, or with it not critical",
        "the chain verifies on the server (its log would name 'unhandled critical extension')",
    ),
    "key-mismatch": CauseText(
        "the private key is not that of the certificate",
        "find the key that belongs to the certificate",
        "the public keys of both files are the same",
    ),
    "not-authorised": CauseText(
        "the certificate was verified, and the application does not allow this identity",
        "ask the operator to allow your certificate's subject or subjectAltName as the report has it, or use the right certificate",
        "another certificate with an allowed identity is refused in the same way",
    ),
    "server-depth": CauseText(
        "the server allows fewer certificates between the root and yours than your chain has (verify depth)",
        "the operator must raise the verify depth (nginx: ssl_verify_depth, 1 by default; Apache: SSLVerifyDepth), "
        "or you need a certificate issued closer to the root",
        "the server's verify depth is at least the number of intermediates, or a certificate with a shorter chain is refused, too",
    ),
    "server-crl": CauseText(
        "the server's revocation lists are stale or missing, so that it refuses every certificate of this CA",
        "the operator must fetch current CRLs of every CA on the path and reload the server",
        "another certificate of the same CA is accepted, or the server's CRLs are current (openssl crl -nextupdate)",
    ),
    "server-trust": CauseText(
        "the server trusts only part of the chain (an intermediate without its root, or another CA of the same family)",
        "the operator must put the root, not only the intermediate, into the server's client CA file (or allow partial chains)",
        "the root of your chain is in the server's client CA file",
    ),
    "server-clock": CauseText(
        "the server's clock is wrong, so that a valid certificate looks expired or not yet valid to it",
        "the operator must set the server's clock (NTP)",
        "the server's clock is right (compare the Date of an HTTP answer)",
    ),
    "server-not-trusted": CauseText(
        "it was our side that refused the server: its certificate could not be verified, and your certificate was not sent",
        "give the CA that issued the server's certificate (--cacert), or the name that it was issued for (--server-name)",
        "the server's certificate verifies with the right CA and name",
    ),
    "not-tls": CauseText(
        "the server does not speak TLS on this port, or not from the first byte",
        "check the port; where the protocol starts in clear text, give --starttls",
        "another TLS client completes a handshake with this port",
    ),
    "refused-before-tls": CauseText(
        "the server (or a proxy on the way) refused us in the protocol itself, before TLS could begin",
        "read its words: it may not let this address in, be busy, or offer no TLS on this port; its operator knows which",
        "another client of the same protocol, from the same address, gets as far as TLS",
    ),
    "unreachable": CauseText(
        "no connection to the server could be made",
        "check the name, the port, and the firewalls on the way",
        "another client connects from the same machine",
    ),
    "protocol-version": CauseText(
        "client and server share no TLS version",
        "allow a version that the server has (--tls-min, --tls-max), or have the server upgraded",
        "the server completes a handshake in the version that was offered",
    ),
    "no-shared-cipher": CauseText(
        "client and server share no cipher suite, group or signature algorithm",
        "offer more of them (--ciphers, --groups, --sigalgs), or have the operator allow current ones",
        "the server completes a handshake with what was offered",
    ),
    "server-name": CauseText(
        "the server does not serve the name that was asked for (SNI, or the protocol's own)",
        "give the name that the server is known by (--server-name)",
        "the same handshake with another name fails in the same way",
    ),
    "no-shared-alpn": CauseText(
        "the server speaks none of the application protocols that were offered (ALPN)",
        "offer what the server speaks (--alpn)",
        "the handshake fails without ALPN, too",
    ),
    "large-client-hello": CauseText(
        "something on the way drops a ClientHello that does not fit one packet (post-quantum key shares make it large)",
        "offer only small key shares (--groups X25519:P-256) until the middlebox is repaired",
        "the handshake fails in the same way with a small ClientHello",
    ),
}

# Words of OpenSSL for each cause, which most servers write to their logs as they are, with X509_V_ERR's number.
OPENSSL_WORDS: dict[str, str] = {
    "no-certificate": "peer did not return a certificate",
    "self-signed": "18: self-signed certificate",
    "unknown-ca": "20: unable to get local issuer certificate (or 19: self-signed certificate in certificate chain)",
    "lookalike-ca": "20: unable to get local issuer certificate, or 7: certificate signature failure",
    "missing-intermediate": "20: unable to get local issuer certificate, or 21: unable to verify the first certificate",
    "chain-order": "20: unable to get local issuer certificate",
    "expired": "10: certificate has expired",
    "not-yet-valid": "9: certificate is not yet valid",
    "intermediate-expired": "10: certificate has expired, at depth 1 or more",
    "wrong-eku": "26: unsuitable certificate purpose",
    "wrong-key-usage": "26: unsuitable certificate purpose",
    "revoked": "23: certificate revoked",
    "weak-signature": "68: CA signature digest algorithm too weak",
    "weak-key": "66: EE certificate key too weak",
    "signature-algorithm": "wrong curve, wrong signature type, or no shared signature algorithms",
    "ca-as-leaf": "26: unsuitable certificate purpose",
    "issuer-not-ca": "79 (or 24): invalid CA certificate",
    "path-length": "25: path length constraint exceeded",
    "name-constraint": "47: permitted subtree violation",
    "critical-extension": "34: unhandled critical extension",
    "not-authorised": "",  # TLS has nothing to log: AUTHORISER
    "server-depth": "22: certificate chain too long",
    "server-crl": "12: CRL has expired, or 3: unable to get certificate CRL",
    "server-trust": "2: unable to get issuer certificate",
    "server-clock": "10: certificate has expired, or 9: certificate is not yet valid",
}
# The same in the words of other stacks, where they are known; "*": any verification failure.
GO_WORDS: dict[str, str] = {
    "no-certificate": "tls: client didn't provide a certificate",
    "expired": "x509: certificate has expired or is not yet valid",
    "not-yet-valid": "x509: certificate has expired or is not yet valid",
    "intermediate-expired": "x509: certificate has expired or is not yet valid",
    "server-clock": "x509: certificate has expired or is not yet valid, with the server's 'current time'",
    "wrong-eku": "x509: certificate specifies an incompatible key usage",
    "path-length": "x509: too many intermediates for path length constraint",
    "name-constraint": "x509: a root or intermediate certificate is not authorized to sign for this name",
    "critical-extension": "x509: unhandled critical extension",
    "issuer-not-ca": "x509: invalid signature: parent certificate cannot sign this kind of certificate",
    "weak-signature": "x509: cannot verify signature: insecure algorithm SHA1-RSA",
    "signature-algorithm": "x509: unsupported elliptic curve (or: tls: client certificate used with invalid signature algorithm)",
    "*": "x509: certificate signed by unknown authority",
}
JAVA_WORDS: dict[str, str] = {
    "no-certificate": "Empty client certificate chain",
    "expired": "CertificateExpiredException: NotAfter",
    "intermediate-expired": "CertificateExpiredException: NotAfter",
    "not-yet-valid": "CertificateNotYetValidException: NotBefore",
    "wrong-eku": "Extended key usage does not permit use for TLS client authentication",
    "wrong-key-usage": "KeyUsage does not allow digital signatures",
    "revoked": "Certificate has been revoked, reason",
    "server-crl": "Could not determine revocation status",
    "weak-signature": "Algorithm constraints check failed",
    "weak-key": "Algorithm constraints check failed",
    "*": "PKIX path building failed (or: validation failed)",
}

# Where to look, by family; {words} is replaced by the words above.
OPERATOR: dict[str, str] = {
    "openssl": "the server's TLS error log: look for '{words}' (Apache: 'AH02276: Certificate Verification: Error (N)' at "
               "LogLevel ssl:info; HAProxy: ssl_c_err and ssl_c_ca_err in error-log-format; stunnel: 'CERT: Pre-verification "
               "error'; PostgreSQL: 'could not accept SSL connection')",
    "nginx": "the server's error log: '{words}' (nginx: error.log at level info, 'client SSL certificate verify error: (N:...)', "
             "and $ssl_client_verify in an access log)",
    "gate": "the application's or gateway's own log, and the variable that holds the verification result ('{words}'); AWS: "
            "tls_verify_status in the connection log; Azure: sslClientVerify; Kubernetes: 'Unable to authenticate the request'",
    "dropper": "the application's own log, for the moment of this connection: '{words}'",
    "node": "the server's log of failed handshakes: '{words}' (Node.js has to be told to log tlsSocket.authorizationError and the "
            "'tlsClientError' event)",
    "closer": "the server's log of failed handshakes at debug level: '{words}'",
    "go": "the server's log, 'http: TLS handshake error from ADDRESS: {words}'",
    "go-classic": "the server's log, 'http: TLS handshake error from ADDRESS: {words}'",
    "jsse": "the server's log (or -Djavax.net.debug=ssl,handshake): '{words}'",
    "jsse-classic": "the server's log (or -Djavax.net.debug=ssl,handshake): '{words}'",
    "boringssl": "the server's log of TLS failures: '{words}' (Envoy: %DOWNSTREAM_TRANSPORT_FAILURE_REASON% in the access log, and "
                 "the counters ssl.fail_verify_error, ssl.fail_verify_no_cert)",
    "rustls": "the server's log: 'invalid peer certificate: ...' or 'peer sent no certificates'",
    "gnutls": "the server's log of gnutls_certificate_verify_peers ('The certificate is NOT trusted. ...')",
    "gnutls-42": "the server's log at TLS debug level ('The certificate is NOT trusted. ...')",
    "schannel": "the Windows event log, source Schannel, and the IIS log's sc-substatus (403.7, .13, .16, .17)",
    "mbedtls": "the broker's log: the flags of mbedtls_x509_crt_verify_info()",
}
_WORDS_OF = {"go": GO_WORDS, "go-classic": GO_WORDS, "jsse": JAVA_WORDS, "jsse-classic": JAVA_WORDS}


AUTHORISER = ("the application's own log: whom it took you for, and which rule refused (that of TLS shows no failure, unless a "
              "callback of the application's made it)")


def ask_operator(cause: str, family: str) -> str:
    """The log line or field that would decide, for a server of this family. Empty for causes that no server logs."""
    if cause not in OPENSSL_WORDS:
        return ""
    if not OPENSSL_WORDS[cause]:
        return AUTHORISER
    words = _WORDS_OF.get(family, OPENSSL_WORDS)
    said = words.get(cause) or words.get("*") or OPENSSL_WORDS[cause]
    return OPERATOR.get(family, "the server's TLS error log: look for '{words}'").replace("{words}", said)
