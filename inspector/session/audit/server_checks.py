"""Groups E and F: the certificates of both sides, and the HTTP layer."""

from __future__ import annotations

import re

from inspector.analysis.audit_outcome import Outcome
from inspector.analysis.findings import Finding, Severity
from inspector.der import certificate
from inspector.der.certificate import Certificate
from inspector.session.audit.auditor import Auditor, Checking, Doing, Shape
from inspector.session.audit.kit import certificate_name
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
            repeat=f"openssl s_client -connect {audit.settings.target.authority} -showcerts -verify 9",
        )
    return audit.result("SRV-CHAIN", "pass", f"{len(sent)} certificates, verified", facts=tuple(facts))


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
            )
    if lifetime > PUBLIC_LIFETIME_DAYS and _is_public(sent):
        return audit.result(
            "SRV-EXPIRY",
            "finding",
            f"a public certificate with a lifetime of {lifetime:.0f} days",
            severity="low",
            confidence="confirmed",
            facts=(f"{lifetime:.0f} days",),
            control="CA/Browser Forum: at most 398 days",
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
        if cert.key_type in ("RSA", "RSA-PSS", "DSA") and (cert.key_bits or 0) < 2048:
            facts.append(f"depth {depth}: {cert.key_type} key of {cert.key_bits} bits")
        if cert.key_type == "EC" and (cert.key_bits or 0) < 224:
            facts.append(f"depth {depth}: EC key of {cert.key_bits} bits")
        if re.search("sha1|md5|md2", cert.signature_algorithm or "", re.IGNORECASE) and not cert.is_self_issued:
            facts.append(f"depth {depth}: signed with {cert.signature_algorithm}")
    issuers = {
        certificate.parse(der).spki_sha256 for der in (audit.settings.credential.chain[1:] if audit.settings.credential else ())
    }
    if sent[0].spki_sha256 in issuers:
        facts.append("the server's key is that of a client CA")
    if facts:
        return audit.result(
            "SRV-KEY", "finding", "; ".join(facts), confidence="confirmed", facts=tuple(facts), control="the chain as sent"
        )
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


def own_credential(audit: Auditor) -> Checking:
    """CLI-CRED: the findings of `mtls check`."""
    yield from ()
    from inspector.analysis.credential import judge_credential

    assert audit.settings.credential is not None
    findings: tuple[Finding, ...] = judge_credential(audit.settings.credential, audit.settings.now)
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
        repeat="mtls check CERT.pem KEY.pem",
    )


SPOOF_VERIFY = ("X-SSL-Client-Verify", "X-Client-Verify", "SSL-Client-Verify", "X-SSL-Verify", "Ssl-Client-Verify")
SPOOF_NAME = (
    "X-SSL-Client-DN",
    "X-SSL-Client-S-DN",
    "X-SSL-Client-CN",
    "X-SSL-Client-Subject",
    "SSL-Client-S-DN",
    "X-Client-DN",
    "X-Client-CN",
    "Ssl-Client-Subject-Dn",
    "X-Tls-Client-Subject",
    "X-Tls-Client-Cn",
    "X-Amzn-Mtls-Clientcert-Subject",
    "X-Remote-User",
    "X-SSL-User",
)
SPOOF_CERT = (
    "X-SSL-Client-Cert",
    "X-Client-Cert",
    "SSL-Client-Cert",
    "X-SSL-Cert",
    "X-Forwarded-Tls-Client-Cert",
    "X-ARR-ClientCert",
    "X-Amzn-Mtls-Clientcert",
    "X-Amzn-Mtls-Clientcert-Leaf",
    "Cf-Client-Cert-Der-Base64",
    "Ssl-Client-Cert",
)
SPOOF_YES = (
    ("X-Client-Cert-Present", "true"),
    ("X-Client-Cert-Chain-Verified", "true"),
    ("Cf-Client-Cert-Verified", "true"),
    ("X-SSL-Client-Verified", "true"),
    ("X-Client-Authenticated", "true"),
)


def spoof_headers(audit: Auditor) -> list[tuple[tuple[str, str], ...]]:
    """What a proxy in front would say of the good client, in every dialect that is known, by group; each group is one probe."""
    import base64
    from urllib.parse import quote

    good = audit.settings.credential or audit.kit.self_signed()
    cert = certificate.parse(good.leaf)
    subject = cert.subject
    common = next((part[3:] for part in subject.split(",") if part.startswith("CN=")), subject)
    der = base64.b64encode(good.leaf).decode()
    pem = quote(f"-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n")
    names = [(name, common if name.endswith(("CN", "Cn", "User")) else subject) for name in SPOOF_NAME]
    serial = [
        ("X-SSL-Client-Serial", cert.serial_hex or "01"),
        ("X-SSL-Client-Fingerprint", cert.sha256),
        ("X-SSL-Client-SHA1", cert.sha256[:40]),
    ]
    envoy = (
        "X-Forwarded-Client-Cert",
        f'By=spiffe://cluster.local/ns/default/sa/default;Hash={cert.sha256};Subject="{subject}";URI=',
    )
    rfc9440 = [("Client-Cert", f":{der}:"), ("Client-Cert-Chain", f":{der}:")]
    verify = [(name, "SUCCESS") for name in SPOOF_VERIFY]
    everything = [*verify, *names, *[(name, pem) for name in SPOOF_CERT[:2]], envoy, *SPOOF_YES]
    underscored = [(name.replace("-", "_"), value) for name, value in (*verify, *names)]
    nginx_pair = [("X-SSL-Client-Verify", "SUCCESS"), *[pair for pair in names if pair[0].startswith("X-SSL")]]
    return [
        tuple(group)
        for group in (
            nginx_pair,
            [*verify, *names, *serial],
            [envoy],
            rfc9440,
            [(name, pem) for name in SPOOF_CERT],
            [(name, der) for name in SPOOF_CERT],
            SPOOF_YES,
            [("X-Forwarded-Tls-Client-Cert-Info", quote(f'Subject="{subject}"'))],
            underscored,
            everything,
        )
    ]


def spoof(audit: Auditor) -> Checking:
    """HTTP-SPOOF: headers that claim a certificate, without one; the control says the same with a nonsense value."""
    path = audit.refused_path()
    assert path is not None
    none = audit.none[path]
    if none.status is None:
        return audit.result("HTTP-SPOOF", "pass", f"without a certificate no request is read at all: {none.how}", seen=(none,))
    seen = []
    for group in spoof_headers(audit):
        label = group[0][0] if len(group) == 1 else f"{group[0][0]} and {len(group) - 1} more"
        shape = Shape(f"claimed by header {label}", path, headers=group)
        outcome = yield from audit.probe(shape)
        seen.append(outcome)
        sure = audit.got_in(outcome, path)
        if sure:
            control = yield from audit.probe(
                Shape(f"the same headers with nonsense ({label})", path, headers=tuple((n, "nonsense") for n, _ in group))
            )
            exact = yield from _which(audit, path, group)
            return audit.result(
                "HTTP-SPOOF",
                "finding",
                f"a header opens {path} without a certificate: {exact}",
                confidence=sure,
                seen=(outcome,),
                control=audit.control(control if control.refused else none),
                repeat=audit.repeat(shape._replace(headers=group[:3])),
            )
    return audit.result(
        "HTTP-SPOOF", "pass", f"{len(seen)} groups of headers that claim a certificate open nothing", seen=tuple(seen[:2])
    )


def _which(audit: Auditor, path: str, group: tuple[tuple[str, str], ...]) -> Doing[str]:
    """The one header of a group that opens the door alone, else the group."""
    if len(group) == 1:
        return group[0][0]
    for header in group[:3]:
        outcome = yield from audit.probe(Shape(f"{header[0]} alone", path, headers=(header,)))
        if audit.got_in(outcome, path):
            return header[0]
    return ", ".join(name for name, _ in group[:4])


LEAK_HEADERS = re.compile(r"(?i)^(x-ssl-|ssl-client|x-client-|client-cert|x-forwarded-client-cert|x-powered-by|x-aspnet)")
VERSIONED = re.compile(r"/\d+\.\d+")


def leaks(audit: Auditor) -> Checking:
    """HTTP-LEAK: versions and identities in refusals."""
    yield from ()
    facts: list[str] = []
    subject = certificate.parse(audit.settings.credential.leaf).subject if audit.settings.credential else None
    for outcome in audit.outcomes:
        if outcome.status is None or outcome.status < 400:
            continue
        facts += [
            f"{name}: {value[:60]}"
            for name, value in outcome.headers
            if LEAK_HEADERS.match(name) or (name.lower() == "server" and VERSIONED.search(value))
        ]
        listed = [certificate_name(name) for name in audit.ca_names()]
        facts += [
            f"the body names {text}"
            for text in (*listed, *([subject] if subject else []))
            if text and text.encode() in outcome.body
        ]
    facts = list(dict.fromkeys(facts))
    if not facts:
        return audit.result("HTTP-LEAK", "pass", "refusals say nothing that helps an attacker")
    if all(fact.lower().startswith(("server:", "x-powered-by", "x-aspnet")) for fact in facts):
        # most servers do, and whoever knows the version knows no identity: worth a word, not a finding
        return audit.result(
            "HTTP-LEAK", "pass", "refusals name no identity, only the software: " + "; ".join(facts[:3]), severity="info"
        )
    return audit.result(
        "HTTP-LEAK",
        "finding",
        "refusals tell more than they must: " + "; ".join(facts[:3]),
        severity="low",
        confidence="confirmed",
        facts=tuple(facts[:5]),
        control="answers to a client without a certificate",
    )


def bound(audit: Auditor) -> Checking:
    """HTTP-BOUND: the token without the certificate, and with a throw-away one."""
    header = (("Authorization", f"Bearer {audit.inputs.token}"),)
    with_it = yield from audit.probe(
        Shape("token with the good credential", audit.path, credential=audit.credential, headers=header)
    )
    without = yield from audit.probe(Shape("token without a certificate", audit.path, headers=header))
    other = yield from audit.probe(
        Shape("token with a throw-away certificate", audit.path, credential=audit.kit.self_signed(), headers=header)
    )
    for outcome in (without, other):
        if outcome.accepted and (outcome.status or 200) < 300 and with_it.accepted:
            return audit.result(
                "HTTP-BOUND",
                "finding",
                f"the token is taken without its certificate ({outcome.name})",
                confidence="confirmed",
                seen=(outcome,),
                control=audit.control(with_it),
            )
    if with_it.accepted and without.refused and other.refused:
        return audit.result("HTTP-BOUND", "pass", "the token is useless without its certificate", seen=(without, other))
    return audit.result("HTTP-BOUND", "undecided", f"with the good credential: {with_it.how}", seen=(with_it, without))
