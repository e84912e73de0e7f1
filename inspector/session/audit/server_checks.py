"""Group E: the certificates of both sides."""

from __future__ import annotations

import re
import shlex

from inspector.analysis.audit_outcome import Outcome
from inspector.analysis.findings import Finding, Severity
from inspector.credentials.model import Credential
from inspector.der import certificate
from inspector.der.certificate import Certificate
from inspector.session.audit import repeating
from inspector.session.audit.auditor import Auditor, Checking
from inspector.session.audit.trust import public_root_names
from inspector.trace import events as ev
from inspector.wire import messages
from inspector.wire.events import Side
from inspector.wire.registry import HandshakeType

DAY = 86400.0
PUBLIC_LIFETIME_DAYS = 398
ISSUER_CODES = {
    18: "self-signed",
    19: "self-signed root in the chain",
    20: "issuer not found",
    21: "issuer not sent or not trusted",
}


def _chain(audit: Auditor) -> tuple[Certificate, ...]:
    """The server's chain as first seen, parsed."""
    for outcome in audit.outcomes:
        if outcome.transcript is not None:
            for message in outcome.transcript.messages(None, Side.SERVER):
                sent = messages.certificate_of(message.value)
                if sent is not None and sent.chain:
                    return tuple(certificate.parse(der) for der in sent.chain)
    return ()


def chain(audit: Auditor) -> Checking:
    """SRV-CHAIN: OpenSSL's verdict on the first handshake, and what it does not judge."""
    yield from ()
    sent = _chain(audit)
    if not sent:
        return audit.result("SRV-CHAIN", "undecided", "the server's chain was not seen")
    errors = [e for o in audit.outcomes[:1] if o.transcript is not None for e in o.transcript.all(ev.CertificateError)]
    facts = [f"depth {e.depth}: {e.name} ({e.code})" for e in errors]
    leaf = sent[0]
    if not leaf.subject_alt_names:
        facts.append("no subjectAltName: the name stands in the CN only")
    purposes = leaf.ext.purposes
    if purposes is not None and not {"serverAuth", "anyExtendedKeyUsage"} & set(purposes):
        facts.append("extendedKeyUsage lacks serverAuth")
    facts += [
        f"certificate {i} does not follow from the one before it"
        for i in range(1, len(sent))
        if sent[i].subject_der != sent[i - 1].issuer_der
    ]
    facts += ["the root is sent too (useless, not wrong)"] if len(sent) > 1 and sent[-1].is_self_issued else []
    bad = [fact for fact in facts if "useless" not in fact]
    if bad:
        return audit.result(
            "SRV-CHAIN",
            "finding",
            "; ".join(bad),
            confidence="confirmed",
            facts=tuple(facts),
            control=f"trust: {audit.settings.trust.source}",
            repeat=repeating.s_client(audit, "-showcerts", "-verify", "9"),
        )
    return audit.result("SRV-CHAIN", "pass", f"{len(sent)} certificate{'s' if len(sent) > 1 else ''}, verified", facts=tuple(facts))


def expiry(audit: Auditor) -> Checking:
    """SRV-EXPIRY: days left, and the lifetime of public certificates."""
    yield from ()
    sent, now = _chain(audit), audit.settings.now
    if not sent or sent[0].not_after is None or sent[0].not_before is None:
        return audit.result("SRV-EXPIRY", "undecided", "the dates were not seen")
    days = (sent[0].not_after - now) / DAY
    lifetime = (sent[0].not_after - sent[0].not_before) / DAY
    short = lifetime <= 10  # short-lived certificates are renewed by machines, days before
    for limit, severity, words in (
        (0.0, "high", "has expired"),
        (7.0, "high", "expires in less than a week"),
        (30.0, "medium", "expires in less than 30 days"),
    ):
        if days < limit and not (short and limit > 0):
            return audit.result(
                "SRV-EXPIRY",
                "finding",
                f"the server's certificate {words} ({days:.0f} days left)",
                severity=severity,  # type: ignore[arg-type]
                confidence="confirmed",
                facts=(f"notAfter is {days:.1f} days away",),
                control="the clock of this machine",
                repeat=repeating.s_client(audit, then=" | openssl x509 -noout -dates"),
            )
    limits = [(audit.profile.lifetime_days, f"profile {audit.profile}")]
    limits += [(PUBLIC_LIFETIME_DAYS, "CA/Browser Forum, for public certificates")] if _is_public(sent) else []
    for most, who in limits:
        if most is not None and lifetime > most + 1:  # a day more, as the bounds count in full
            return audit.result(
                "SRV-EXPIRY",
                "finding",
                f"the server's certificate lives for {lifetime:.0f} days",
                severity="low",
                confidence="confirmed",
                facts=(f"{lifetime:.0f} days from notBefore to notAfter", f"{days:.0f} days left"),
                control=f"{who}: at most {most} days",
                repeat=repeating.s_client(audit, then=" | openssl x509 -noout -dates"),
            )
    return audit.result("SRV-EXPIRY", "pass", f"{days:.0f} days left")


def _is_public(sent: tuple[Certificate, ...]) -> bool:
    from inspector.der.names import comparison_key

    return any(comparison_key(cert.issuer_der) in public_root_names() for cert in sent)


def key(audit: Auditor) -> Checking:
    """SRV-KEY: size, signatures, and a key that is the client CA's own."""
    yield from ()
    sent = _chain(audit)
    if not sent:
        return audit.result("SRV-KEY", "undecided", "the server's chain was not seen")
    facts = []
    for depth, cert in enumerate(sent):
        if cert.key_type in ("RSA", "RSA-PSS", "DSA") and (cert.key_bits or 0) < audit.profile.rsa_bits:
            facts.append(f"depth {depth}: {cert.key_type} key of {cert.key_bits} bits")
        if cert.key_type == "EC" and (cert.key_bits or 0) < 224:
            facts.append(f"depth {depth}: EC key of {cert.key_bits} bits")
        if re.search("sha1|md5|md2", cert.signature_algorithm or "", re.IGNORECASE) and not cert.is_self_issued:
            facts.append(f"depth {depth}: signed with {cert.signature_algorithm}")
    kinds = audit.profile.key_types
    kind = "RSA" if sent[0].key_type == "RSA-PSS" else sent[0].key_type
    beyond = f"{kind} key, where {audit.profile} wants {' or '.join(kinds)}" if kinds is not None and kind not in kinds else None
    issuers = {
        certificate.parse(der).spki_sha256 for der in (audit.settings.credential.chain[1:] if audit.settings.credential else ())
    }
    if sent[0].spki_sha256 in issuers:
        facts.append("the server's key is that of a client CA")
    if facts:
        return audit.result(
            "SRV-KEY", "finding", "; ".join(facts), confidence="confirmed", facts=tuple(facts), control="the chain as sent",
            repeat=repeating.s_client(audit, "-showcerts"),
        )  # fmt: skip
    if beyond is not None:
        why = f"profile {audit.profile}"
        return audit.result("SRV-KEY", "finding", beyond, severity="low", confidence="confirmed", facts=(beyond,), control=why)
    return audit.result("SRV-KEY", "pass", f"{sent[0].key_type} {sent[0].key_bits}, {sent[0].signature_algorithm}")


def status(audit: Auditor) -> Checking:
    """SRV-STATUS: must-staple without a staple."""
    yield from ()
    sent = _chain(audit)
    if not sent:
        return audit.result("SRV-STATUS", "undecided", "the server's chain was not seen")
    stapled = any(_has_staple(o) for o in audit.outcomes)
    if sent[0].ext.must_staple and not stapled:
        return audit.result(
            "SRV-STATUS",
            "finding",
            "the certificate demands a stapled OCSP response, and none came",
            confidence="confirmed",
            facts=("TLS feature status_request in the certificate",),
            control="RFC 7633",
            repeat=repeating.s_client(audit, "-status"),
        )
    return audit.result("SRV-STATUS", "pass", "a staple came" if stapled else "no staple, and none is promised", severity="info")


def _has_staple(outcome: Outcome) -> bool:
    if outcome.transcript is None:
        return False
    if outcome.transcript.messages(HandshakeType.CERTIFICATE_STATUS, Side.SERVER):
        return True
    return any(
        int(e.type) == 5
        for m in outcome.transcript.messages(HandshakeType.CERTIFICATE, Side.SERVER)
        for entry in getattr(m.value, "entries", ())
        for e in entry.extensions
    )


def _known_to_server(audit: Auditor, credential: Credential) -> tuple[bytes, ...]:
    """Names of CAs that the server has: those that it lists, and the issuer of what it let in where it lets in not just anybody."""
    tells = audit.reached and audit.status_of("TRUST-ANY") == "pass"
    return (*audit.ca_names(), *([certificate.parse(credential.chain[-1]).issuer_der] if tells else []))


def own_credential(audit: Auditor) -> Checking:
    """CLI-CRED: the findings of `mtls check`."""
    yield from ()
    from inspector.analysis.credential import judge_credential

    assert audit.settings.credential is not None
    findings: tuple[Finding, ...] = judge_credential(
        audit.settings.credential, audit.settings.now, known_names=_known_to_server(audit, audit.settings.credential)
    )
    bad = [f for f in findings if f.severity != "info"]
    if not bad:
        return audit.result("CLI-CRED", "pass", "nothing is wrong with your credential")
    worst: Severity = max((f.severity for f in bad), key=("info", "low", "medium", "high", "critical").index)
    return audit.result(
        "CLI-CRED",
        "finding",
        "; ".join(f"{f.id}: {f.summary}" for f in bad),
        severity="high" if worst == "critical" else worst,
        confidence="confirmed",
        facts=tuple(f"{f.id}: {f.summary}" for f in bad),
        control="mtls check",
        repeat=shlex.join(["mtls", "check", *(audit.settings.credential.origin.files or ("CERT.pem", "KEY.pem"))]),
    )
