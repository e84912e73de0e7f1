"""Group E: the certificates of both sides."""

from __future__ import annotations

import re
import shlex
from typing import NamedTuple

from inspector.analysis import hostname, staple
from inspector.analysis.audit_outcome import Outcome
from inspector.analysis.findings import Finding, Severity
from inspector.analysis.verification import delivered_by
from inspector.credentials.model import Credential
from inspector.der import certificate
from inspector.der.certificate import Certificate
from inspector.plan import HandshakePlan
from inspector.session.audit import repeating
from inspector.session.audit.auditor import Auditor, Checking, Doing, Shape
from inspector.session.audit.trust import public_root_names
from inspector.trace import events as ev
from inspector.wire import messages
from inspector.wire.events import Side

DAY = 86400.0
PUBLIC_LIFETIME_DAYS = 398
ENDS: tuple[tuple[float, Severity, str], ...] = (
    (0.0, "high", "has expired"),
    (7.0, "high", "expires in less than a week"),
    (30.0, "medium", "expires in less than 30 days"),
)


class _Shown(NamedTuple):
    """A chain, parsed, as one of the server's names showed it. ``name`` is empty for the audited name."""

    name: str
    chain: tuple[Certificate, ...]
    outcome: Outcome

    def told(self, fact: str) -> str:
        return f"as {self.name}: {fact}" if self.name else fact


def _sent_in(outcome: Outcome) -> tuple[Certificate, ...]:
    """The server's chain in one connection, parsed; empty where it was not seen."""
    if outcome.transcript is None:
        return ()
    for message in outcome.transcript.messages(None, Side.SERVER):
        sent = messages.certificate_of(message.value)
        if sent is not None and sent.chain:
            return tuple(certificate.parse(der) for der in sent.chain)
    return ()


def _first(audit: Auditor) -> _Shown | None:
    """The server's chain as first seen."""
    return next((_Shown("", sent, outcome) for outcome in audit.outcomes if (sent := _sent_in(outcome))), None)


def _chain(audit: Auditor) -> tuple[Certificate, ...]:
    first = _first(audit)
    return first.chain if first is not None else ()


def _shown(audit: Auditor) -> Doing[list[_Shown]]:
    """The chain of the audited name, and those of the names that the user gave where they have a certificate of their own.

    A name that is shown the same certificate may simply not be served here.
    """
    first = _first(audit)
    found = [first] if first is not None else []
    path = audit.refused_path() or audit.path
    for name in audit.other_names() if audit.inputs.other_names and first is not None else ():
        # the very probe of ENF-HOST, where that was run
        outcome = yield from audit.probe(Shape(f"SNI {name}, Host of the target", path, sni=name))
        sent = _sent_in(outcome)
        if sent and all(sent[0].der != other.chain[0].der for other in found):
            found.append(_Shown(name, sent, outcome))
    return found


def _chain_faults(shown: _Shown) -> list[str]:
    """What is wrong with a chain: OpenSSL's verdict, and what it does not judge."""
    leaf = shown.chain[0]
    errors = shown.outcome.transcript.all(ev.CertificateError) if shown.outcome.transcript is not None else []
    if shown.name:  # OpenSSL was asked for the audited name
        errors = [error for error in errors if error.code not in ev.NAME_MISMATCHES]
    facts = [f"depth {e.depth}: {e.name} ({e.code})" for e in errors]
    if shown.name and not hostname.explain(leaf, shown.name).matches:
        facts.append("the certificate does not hold this name")
    if not leaf.subject_alt_names:
        facts.append("no subjectAltName: the name stands in the CN only")
    purposes = leaf.ext.purposes
    if purposes is not None and not {"serverAuth", "anyExtendedKeyUsage"} & set(purposes):
        facts.append("extendedKeyUsage lacks serverAuth")
    facts += [
        f"certificate {i} does not follow from the one before it"
        for i in range(1, len(shown.chain))
        if shown.chain[i].subject_der != shown.chain[i - 1].issuer_der
    ]
    return [shown.told(fact) for fact in facts]


def chain(audit: Auditor) -> Checking:
    """SRV-CHAIN: OpenSSL's verdict on the first handshake and on those of other names, and what it does not judge."""
    all_shown = yield from _shown(audit)
    if not all_shown:
        return audit.result("SRV-CHAIN", "undecided", "the server's chain was not seen")
    sent = all_shown[0].chain
    bad = [fact for shown in all_shown for fact in _chain_faults(shown)]
    useless = ["the root is sent too (useless, not wrong)"] if len(sent) > 1 and sent[-1].is_self_issued else []
    if bad:
        return audit.result(
            "SRV-CHAIN",
            "finding",
            "; ".join(bad),
            confidence="confirmed",
            facts=(*bad, *useless),
            control=f"trust: {audit.settings.trust.source}",
            repeat=_see_again(audit, next(s for s in all_shown if _chain_faults(s)), "-showcerts", "-verify", "9"),
        )
    count = f"{len(sent)} certificate{'s' if len(sent) > 1 else ''}, verified"
    also = "".join(f"; as {shown.name}: {len(shown.chain)}, verified" for shown in all_shown[1:])
    return audit.result("SRV-CHAIN", "pass", count + also, facts=tuple(useless))


def _see_again(audit: Auditor, shown: _Shown, *options: str, then: str = "") -> str:
    return repeating.s_client(audit, *options, then=then, sni=shown.name or None)


def expiry(audit: Auditor) -> Checking:
    """SRV-EXPIRY: days left, and the lifetime of public certificates; of other names' own certificates, too."""
    all_shown = [s for s in (yield from _shown(audit)) if s.chain[0].not_after is not None and s.chain[0].not_before is not None]
    if not all_shown or all_shown[0].name:
        return audit.result("SRV-EXPIRY", "undecided", "the dates were not seen")
    found = [(shown, fault) for shown in all_shown if (fault := _date_fault(audit, shown.chain)) is not None]
    days = (_seconds(all_shown[0].chain[0].not_after) - audit.settings.now) / DAY
    if not found:
        return audit.result("SRV-EXPIRY", "pass", f"{days:.0f} days left")
    shown, fault = max(found, key=lambda one: ("low", "medium", "high").index(one[1].severity))
    return audit.result(
        "SRV-EXPIRY",
        "finding",
        shown.told(fault.words),
        severity=fault.severity,
        confidence="confirmed",
        facts=tuple(shown.told(fact) for fact in fault.facts),
        control=fault.control,
        repeat=_see_again(audit, shown, then=" | openssl x509 -noout -dates"),
    )


class _DateFault(NamedTuple):
    severity: Severity
    words: str
    facts: tuple[str, ...]
    control: str


def _seconds(moment: float | None) -> float:
    return moment or 0.0


def _date_fault(audit: Auditor, sent: tuple[Certificate, ...]) -> _DateFault | None:
    """What is wrong with the dates of a certificate: its end is near or past, or it lives too long."""
    days = (_seconds(sent[0].not_after) - audit.settings.now) / DAY
    lifetime = (_seconds(sent[0].not_after) - _seconds(sent[0].not_before)) / DAY
    short = lifetime <= 10  # short-lived certificates are renewed by machines, days before
    for limit, severity, words in ENDS:
        if days < limit and not (short and limit > 0):
            told = f"the server's certificate {words} ({days:.0f} days left)"
            return _DateFault(severity, told, (f"notAfter is {days:.1f} days away",), "the clock of this machine")
    limits = [(audit.profile.lifetime_days, f"profile {audit.profile}")]
    limits += [(PUBLIC_LIFETIME_DAYS, "CA/Browser Forum, for public certificates")] if _is_public(sent) else []
    for most, who in limits:
        if most is not None and lifetime > most + 1:  # a day more, as the bounds count in full
            facts = (f"{lifetime:.0f} days from notBefore to notAfter", f"{days:.0f} days left")
            told = f"the server's certificate lives for {lifetime:.0f} days"
            return _DateFault("low", told, facts, f"{who}: at most {most} days")
    return None


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
        return audit.result(
            "SRV-KEY", "finding", beyond, severity="low", confidence="confirmed", facts=(beyond,), control=why,
            repeat=repeating.s_client(audit, "-showcerts"),
        )  # fmt: skip
    return audit.result("SRV-KEY", "pass", f"{sent[0].key_type} {sent[0].key_bits}, {sent[0].signature_algorithm}")


def status(audit: Auditor) -> Checking:
    """SRV-STATUS: must-staple without a staple, and a staple that says something else than good, or says it no more."""
    yield from ()
    first = _first(audit)
    if first is None:
        return audit.result("SRV-STATUS", "undecided", "the server's chain was not seen")
    read = next((found for outcome in audit.outcomes if (found := _staple_of(outcome, first)) is not None), None)
    bad = [f for f in staple.findings_of(read, first.chain[0], audit.settings.now) if f.severity != "info"]
    if bad:
        return audit.result(
            "SRV-STATUS",
            "finding",
            "; ".join(finding.summary for finding in bad),
            severity="high" if any(finding.id == "revoked" for finding in bad) else None,
            confidence="confirmed",
            facts=tuple(f"{finding.id}: {finding.summary}" for finding in bad),
            control="RFC 7633" if read is None else "RFC 6960, 4.2.2.1: thisUpdate, nextUpdate and the issuer's signature",
            repeat=repeating.s_client(audit, "-status"),
        )
    words = "no staple, and none is promised" if read is None else "a fresh staple came, and says good"
    return audit.result("SRV-STATUS", "pass", words, severity="info")


def _staple_of(outcome: Outcome, first: _Shown) -> staple.Staple | None:
    """What the staple of a connection says about the certificate that was first seen; None where none came, or another chain."""
    transcript = outcome.transcript
    if transcript is None or not isinstance(transcript.plan, HandshakePlan):
        return None  # hellos of our own ask for no staple
    sent = delivered_by(transcript)
    if sent is None or not sent.staple or sent.chain[:1] != (first.chain[0].der,):
        return None
    judged = first.outcome.transcript.last(ev.Judged) if first.outcome.transcript is not None else None
    above = [*sent.chain[1:2], *(judged.path[1:2] if judged is not None else ())]
    issuer = next((cert for der in above if (cert := certificate.parse(der)).subject_der == first.chain[0].issuer_der), None)
    return staple.read(sent.staple, first.chain[0], issuer)


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
    facts = [f"{f.id}: {f.summary}" for f in bad]
    severities = ["high" if f.severity == "critical" else f.severity for f in bad]
    life = _lifetime(certificate.parse(audit.settings.credential.leaf))
    if life is not None and life > PUBLIC_LIFETIME_DAYS + 1:
        facts.append(f"it lives for {life:.0f} days: so long does a stolen key open the door where nobody looks at revocation")
        severities.append("low")
    if not facts:
        return audit.result("CLI-CRED", "pass", "nothing is wrong with your credential")
    worst: Severity = max(severities, key=("info", "low", "medium", "high").index)
    return audit.result(
        "CLI-CRED",
        "finding",
        "; ".join(facts),
        severity=worst,
        confidence="confirmed",
        facts=tuple(facts),
        control="mtls check" if bad else f"at most {PUBLIC_LIFETIME_DAYS} days, as for public certificates",
        repeat=shlex.join(["mtls", "check", *(audit.settings.credential.origin.files or ("CERT.pem", "KEY.pem"))]),
    )


def _lifetime(cert: Certificate) -> float | None:
    """Days from notBefore to notAfter; None where a date is unreadable."""
    return None if cert.not_after is None or cert.not_before is None else (cert.not_after - cert.not_before) / DAY
