"""What to do about each finding, in words, and the order of severities."""

from __future__ import annotations

SEVERITY_ORDER = {"critical": 0, "high": 1, "medium": 2, "low": 3, "info": 4}

REMEDIES: dict[str, str] = {
    "key-mismatch": "find the key that the certificate's request was made with, or have a new certificate issued for this key",
    "bad-signature": "the certificate was changed after it was signed: copy it again from where it was issued",
    "lookalike-ca": "ask the issuer for the CA certificate that really signed this one (same name, another key), or have the leaf "
    "issued anew by the CA that the server trusts",
    "self-signed": "have the certificate issued by a CA that the server trusts, or have the server trust this very certificate",
    "missing-intermediate": "append the issuer's certificate behind the leaf, then its issuer, up to but without the root",
    "chain-order": "write the certificates in this order: leaf, its issuer, that one's issuer, and so on",
    "unrelated-certificate": "remove certificates that are not above the leaf",
    "unknown-ca": "use a certificate issued below one of the CAs that the server trusts, or have the server trust this CA",
    "issuer-not-ca": "have the certificate issued by a real CA (basicConstraints CA:TRUE, keyUsage keyCertSign)",
    "path-length": "have the certificate issued directly below the CA with the limit, or that CA issued anew without it",
    "name-constraint": "have the certificate issued with names within the CA's name constraints",
    "expired": "renew the certificate",
    "not-yet-valid": "wait, have it issued anew with an earlier date, or correct the clock that issued it",
    "intermediate-expired": "replace the CA certificate by its renewed version; if there is none, have the leaf issued anew",
    "root-expired": "ask for a chain to a newer root",
    "expires-soon": "renew it now, before it stops working",
    "ca-as-leaf": "have an end-entity certificate issued (basicConstraints CA:FALSE) and keep the CA's key off clients",
    "wrong-eku": "have the certificate issued with clientAuth in extendedKeyUsage, by CAs that allow it",
    "wrong-key-usage": "have the certificate issued with digitalSignature in keyUsage",
    "critical-extension": "have the certificate issued without that extension, or with it not critical",
    "public-ca-client-auth": "plan for a private CA: public CAs stop issuing certificates for clients",
    "both-ekus": "have separate certificates issued for server and client: public CAs no longer put both purposes into one",
    "weak-signature": "have the certificate issued anew with SHA-256 or better",
    "weak-key": "make a new key (EC P-256, or RSA with 2048 bits or more) and have a certificate issued for it",
    "signature-algorithm": "if a server refuses it, use an EC P-256 or RSA-2048 key and a PKCS#1 or ECDSA signature with SHA-256",
    "serial-number": "have the certificate issued anew: the serial number must be positive and at most 20 bytes long",
    "malformed-certificate": "have the certificate issued anew by software that keeps to DER and RFC 5280",
    "old-version": "have the certificate issued as X.509 version 3",
    "no-identity": "have the certificate issued with a subject or a subject alternative name",
    "revoked": "have a new certificate issued, for a new key",
    "crl-unusable": "get the CRL of the CA that issued the certificate, current and signed by it",
    "ocsp-unusable": "ask again later, or use --crl",
    "file-permissions": "chmod 600 the file of the private key",
    "weak-file-encryption": "export it again with AES-256 and SHA-256 (openssl pkcs12 -export does so since OpenSSL 3.0)",
}

# findings that are no cause of a rejection by themselves, in a line each; the others are explained among the causes
TITLES: dict[str, str] = {
    "bad-signature": "the issuer's key is the one that the certificate names, and did not make its signature",
    "unrelated-certificate": "a certificate is sent that is not above the leaf, or sent twice",
    "root-expired": "the root above the certificate has expired",
    "expires-soon": "a certificate expires within thirty days, or within the last fifth of a shorter life",
    "public-ca-client-auth": "a public CA issued it for clients, which these stop doing",
    "both-ekus": "one certificate is for server and client",
    "serial-number": "a serial number is negative, zero or longer than 20 bytes",
    "malformed-certificate": "a certificate breaks the rules of DER or RFC 5280, and strict readers refuse it",
    "old-version": "a certificate is of X.509 version 1 or 2",
    "no-identity": "the certificate has neither a subject nor an alternative name",
    "crl-unusable": "a revocation list proves nothing about this certificate",
    "ocsp-unusable": "the answer of an OCSP responder proves nothing about this certificate",
    "file-permissions": "others may read the file of the private key",
    "weak-file-encryption": "the file of the private key is protected by algorithms of long ago",
}
