"""Rules about what a certificate may be used for: basicConstraints, keyUsage, extendedKeyUsage, critical extensions."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.analysis.credential_case import Case, Found, found
from inspector.der.names import read_name
from inspector.der.oids import EXTENSIONS
from inspector.der.reader import DerError

CLIENT_AUTH, SERVER_AUTH, ANY_PURPOSE = "1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.1", "2.5.29.37.0"
ORGANIZATION = "2.5.4.10"

# critical extensions that verifiers process: OpenSSL's list, and the key identifiers, which must not be critical but harm nobody
UNDERSTOOD = frozenset({
    "2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.30", "2.5.29.31", "2.5.29.32", "2.5.29.33", "2.5.29.35",
    "2.5.29.36",
    "2.5.29.37", "2.5.29.54", "1.3.6.1.5.5.7.1.7", "1.3.6.1.5.5.7.1.8", "1.3.6.1.5.5.7.1.14", "1.3.6.1.5.5.7.48.1.5",
    "2.16.840.1.113730.1.1",
})
# organizations that issue for the web; their root programs ask them to stop issuing for clients
PUBLIC_AUTHORITIES = frozenset(name.casefold() for name in (
    "Let's Encrypt", "Internet Security Research Group", "DigiCert Inc", "DigiCert, Inc.", "Sectigo Limited", "ZeroSSL",
    "GlobalSign nv-sa",
    "Google Trust Services", "Google Trust Services LLC", "Entrust, Inc.", "GoDaddy.com, Inc.", "Starfield Technologies, Inc.",
    "SSL Corporation", "SSL Corp", "Amazon", "IdenTrust", "Actalis S.p.A.", "Buypass AS-983163327", "Asseco Data Systems S.A.",
    "Hellenic Academic and Research Institutions CA", "SwissSign AG", "COMODO CA Limited", "GEANT Vereniging", "QuoVadis Limited",
))


def leaf_is_no_authority(case: Case) -> Iterator[Found]:
    """The leaf is an end entity's certificate."""
    # what is self-signed is a root of its own, and is called that
    if case.leaf.ext.is_ca and not case.is_self_signed:
        yield found(
            "ca-as-leaf", "high", "the client certificate is a CA certificate",
            f"'{case.leaf.title}' has basicConstraints CA:TRUE",
        )


def purposes(case: Case) -> Iterator[Found]:
    """The purpose clientAuth is allowed by the leaf, and by every CA above it that limits purposes at all."""
    for certificate in case.path:
        usages = certificate.ext.extended_key_usage
        if usages is None or CLIENT_AUTH in usages or (certificate is not case.leaf and ANY_PURPOSE in usages):
            continue
        listed = ", ".join(certificate.ext.purposes or ()) or "nothing"
        if ANY_PURPOSE in usages:
            yield found(
                "wrong-eku", "medium",
                "extendedKeyUsage has anyExtendedKeyUsage, not clientAuth: servers with OpenSSL refuse it",
                f"'{certificate.title}' is for {listed}",
            )
        elif certificate is case.leaf:
            yield found(
                "wrong-eku", "high", "extendedKeyUsage lacks clientAuth: the certificate is not for clients",
                f"'{certificate.title}' is for {listed}",
            )
        elif not certificate.is_self_issued:
            yield found(
                "wrong-eku", "high", "a CA above the leaf may not issue for clients: its extendedKeyUsage lacks clientAuth",
                f"'{certificate.title}' is for {listed}",
            )


def key_usage(case: Case) -> Iterator[Found]:
    """The leaf's key may sign: TLS clients prove their key with a signature (RFC 8446, Section 4.4.2.4)."""
    usage = case.leaf.ext.key_usage
    if usage is not None and "digitalSignature" not in usage:
        yield found(
            "wrong-key-usage", "high", "keyUsage lacks digitalSignature: the key may not sign the handshake",
            f"'{case.leaf.title}' is for {', '.join(usage) or 'nothing'}",
        )


def critical_extensions(case: Case) -> Iterator[Found]:
    """Nothing critical on the path that verifiers do not know (RFC 5280, Section 4.2)."""
    for certificate in case.path:
        for oid, critical, _ in certificate.extensions:
            if critical and oid not in UNDERSTOOD:
                yield found(
                    "critical-extension", "critical", "a critical extension that verifiers do not know",
                    f"'{certificate.title}': {EXTENSIONS.get(oid, 'extension')} (OID {oid})",
                )


def public_authority(case: Case) -> Iterator[Found]:
    """A warning for certificates of public CAs, and for both purposes in one."""
    usages = case.leaf.ext.extended_key_usage or ()
    if CLIENT_AUTH not in usages:
        return
    public = next((name for c in case.path if (name := _organization(c.issuer_der)).casefold() in PUBLIC_AUTHORITIES), None)
    if public:
        yield found(
            "public-ca-client-auth", "low", "issued by a public CA: these stop issuing certificates for clients in 2026",
            f"issuer's organization: {public}", "the next renewal will probably come without clientAuth",
        )
    elif SERVER_AUTH in usages:
        yield found(
            "both-ekus", "info", "one certificate for server and client: fine with a private CA, no longer issued by public ones",
            f"'{case.leaf.title}' is for {', '.join(case.leaf.ext.purposes or ())}",
        )


def _organization(name: bytes) -> str:
    try:
        return next((a.text for rdn in read_name(name) for a in rdn if a.oid == ORGANIZATION and a.text), "")
    except DerError:
        return ""
