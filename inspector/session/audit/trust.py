"""Group B: which certificates does the server accept?"""

from __future__ import annotations

from inspector.analysis.audit_outcome import Outcome
from inspector.credentials.model import Credential
from inspector.der import certificate
from inspector.der.names import comparison_key
from inspector.session.audit import repeating
from inspector.session.audit.auditor import Auditor, Checking, Doing, Shape
from inspector.session.audit.kit import certificate_name

NAMES_TRIED = 2
# A server that verifies nothing may still close silently for most look-alikes with a copied key identifier: try those more often.
STUBBORN, MORE_REPEATS = "same key id", 4
PUBLIC_ROOTS = 5  # names of public roots in the list that make a finding
DAY = 86400.0
TELLING_ALERTS = {44, 45}  # certificate_revoked, certificate_expired: the very reason
Tries = list[tuple[str, Credential]]


def _first_in(audit: Auditor, tries: Tries) -> Doing[tuple[list[Outcome], tuple[str, Credential, str] | None]]:
    """Try each credential on a path that is refused without one; stop at the first that gets in, and say how sure that is."""
    path = audit.refused_path() or audit.path
    seen: list[Outcome] = []
    for label, credential in tries:
        stubborn = STUBBORN in label and not any(STUBBORN in o.what for o in seen)
        repeats = MORE_REPEATS if stubborn else 2
        outcome = yield from audit.probe(Shape(label, path, credential=credential, repeats=repeats))
        seen.append(outcome)
        none = audit.none.get(path)
        if none is not None and none.accepted and outcome.accepted:
            continue  # everybody gets in: that says nothing of trust
        sure = audit.got_further(outcome, path)
        if sure:
            return seen, (label, credential, sure)
    return seen, None


def _judge(audit: Auditor, check: str, tries: Tries, *, bad: str, fine: str, compare: bool = False) -> Checking:
    """A check that holds when none of these credentials gets in. ``compare``: their refusal says something only where the good
    credential is not refused as well.
    """
    seen, found = yield from _first_in(audit, tries)
    path = audit.refused_path() or audit.path
    if found is not None:
        label, credential, sure = found
        return audit.result(
            check,
            "finding",
            f"{bad}: {label}",
            confidence=sure,
            seen=(seen[-1],),
            control=audit.control(audit.none.get(path)),
            repeat=audit.repeat(Shape(label, path, credential=credential)),
        )
    if not audit.inputs.dry_run and audit.refused_path() is None and audit.none[path].accepted:
        return audit.result(check, "undecided", "everybody is answered without a certificate: see ENF-NONE", seen=tuple(seen[:2]))
    how = "; ".join(dict.fromkeys(o.how for o in seen))
    if not seen or not all(o.refused for o in seen):
        return audit.result(check, "undecided", f"no clear answer: {how}", seen=tuple(seen[:3]))
    if compare and not audit.reached and not any(o.alert in TELLING_ALERTS for o in seen):
        why = "no good credential to compare with" if audit.credential is None else "your good credential is refused as well"
        return audit.result(check, "undecided", f"refused ({how}), but {why}", seen=tuple(seen[:3]))
    return audit.result(check, "pass", f"{fine}: {how}", seen=tuple(seen[:3]))


def any_certificate(audit: Auditor) -> Checking:
    """TRUST-ANY: a self-signed one, and one below a root of our own, sent with it and without: each is another error to OpenSSL,
    and a server that forgives one of them lets anybody in.
    """
    tries = [
        ("a self-signed certificate", audit.kit.self_signed()),
        ("a certificate of an unknown CA", audit.kit.own_root()),
        ("a certificate of an unknown CA, sent alone", audit.kit.alone()),
    ]
    return (
        yield from _judge(
            audit,
            "TRUST-ANY",
            tries,
            bad="a certificate that nobody vouches for is accepted",
            fine="certificates that nobody vouches for are refused",
        )
    )


def _trusted_names(audit: Auditor) -> tuple[bytes, ...]:
    """Names (DER) of CAs that the server seems to trust: those that it lists of the good chain first."""
    listed = audit.ca_names()
    chain = audit.settings.credential.chain if audit.settings.credential is not None else ()
    mine = [certificate.parse(der).issuer_der for der in chain]
    both = {comparison_key(name) for name in listed} & {comparison_key(name) for name in mine}
    first = [name for name in mine if comparison_key(name) in both]
    return tuple(dict.fromkeys(name for name in (*first, *mine, *listed) if name))


def lookalikes(audit: Auditor) -> Checking:
    """TRUST-DN: a CA of our own that bears a trusted name."""
    if audit.status_of("TRUST-ANY") == "finding":
        return audit.result("TRUST-DN", "undecided", "any certificate gets in: see TRUST-ANY")
    names = _trusted_names(audit)[:NAMES_TRIED]
    if not names:
        return audit.result("TRUST-DN", "not_run", "no trusted name is known", needs="a list of CA names, or a good credential")
    return (
        yield from _judge(
            audit,
            "TRUST-DN",
            list(audit.kit.lookalikes(names)),
            bad="a CA that merely bears a trusted name is believed",
            fine="look-alike CAs are refused",
        )
    )


def chains(audit: Auditor) -> Checking:
    """TRUST-CHAIN: a leaf as issuer, and a stranger in front of the good chain."""
    if audit.status_of("TRUST-ANY") == "finding":
        return audit.result("TRUST-CHAIN", "undecided", "any certificate gets in: see TRUST-ANY")
    tries = [
        ("a certificate issued by your leaf, which is no CA", audit.kit.below_leaf()),
        ("a stranger's certificate with your chain behind it", audit.kit.smuggled()),
    ]
    return (
        yield from _judge(
            audit,
            "TRUST-CHAIN",
            tries,
            bad="the rules of the chain are not held",
            fine="a leaf is no CA, and certificates beside the chain count for nothing",
        )
    )


def expired(audit: Auditor) -> Checking:
    """TRUST-EXPIRED: past its end, and before its beginning."""
    now = audit.settings.now
    tries = [(f"an expired certificate ({c.source})", c) for c in audit.inputs.expired]
    if audit.inputs.issuer is not None:
        tries.append(("an expired certificate", audit.kit.issued("expired", not_before=now - 90 * DAY, not_after=now - 2 * DAY)))
        tries.append(
            (
                "a certificate that is not yet valid",
                audit.kit.issued("not yet valid", not_before=now + 2 * DAY, not_after=now + 90 * DAY),
            )
        )
    bad = "a certificate outside its dates is accepted"
    return (yield from _judge(audit, "TRUST-EXPIRED", tries, bad=bad, fine="refused", compare=True))


def purposes(audit: Auditor) -> Checking:
    """TRUST-EKU: serverAuth only."""
    tries = [(f"a certificate for servers only ({c.source})", c) for c in audit.inputs.wrong_eku]
    if audit.inputs.issuer is not None:
        tries.append(("a certificate for servers only", audit.kit.issued("serverAuth only", purposes=("serverAuth",))))
    bad = "a certificate without clientAuth is accepted"
    return (yield from _judge(audit, "TRUST-EKU", tries, bad=bad, fine="refused", compare=True))


def revoked(audit: Auditor) -> Checking:
    """TRUST-REVOKED: a full handshake with a revoked credential."""
    tries = [(f"a revoked certificate ({c.source})", c) for c in audit.inputs.revoked]
    return (yield from _judge(audit, "TRUST-REVOKED", tries, bad="a revoked certificate is accepted", fine="refused", compare=True))


def weak(audit: Auditor) -> Checking:
    """TRUST-WEAKSIG: SHA-1, and RSA-1024.

    SHA-1 is a finding, because with it a certificate may be forged in anybody's name. A short key endangers its own holder only,
    and only where the CA issues such: that it would be taken is told with the check that passed.
    """
    control = audit.kit.issued("a fresh good certificate")
    allowed = yield from audit.probe(Shape("a fresh good certificate of the same CA", audit.path, credential=control))
    tries = [("a certificate signed with SHA-1", audit.kit.issued("SHA-1", signature="sha1"))]
    bad = "a certificate with a signature that can be forged is accepted"
    result = yield from _judge(audit, "TRUST-WEAKSIG", tries, bad=bad, fine="SHA-1 is refused")
    if result.status in ("pass", "undecided") and not allowed.accepted:
        return audit.result(
            "TRUST-WEAKSIG", "undecided", f"even a strong certificate of this CA is refused: {allowed.how}", seen=(allowed,)
        )
    if result.status != "pass":
        return result
    short = Shape("a certificate with an RSA-1024 key", audit.path, credential=audit.kit.issued("RSA-1024", key="rsa-1024"))
    outcome = yield from audit.probe(short)
    if not outcome.refused:
        words = f"{result.summary}; a key of RSA-1024 would be taken ({outcome.how}): let the CA issue none"
        return audit.result("TRUST-WEAKSIG", "pass", words, severity="info", seen=(outcome,))
    return audit.result("TRUST-WEAKSIG", "pass", f"{result.summary}; RSA-1024 is refused: {outcome.how}", seen=(outcome,))


def identity(audit: Auditor) -> Checking:
    """TRUST-IDENTITY: another client of the same CA on this resource."""
    if not audit.served and not audit.inputs.dry_run:
        why = f"your own credential gets {audit.good[audit.path].how}: nothing to compare"
        return audit.result("TRUST-IDENTITY", "undecided", why)
    tries = [(f"another client ({c.source})", c) for c in audit.inputs.second_client]
    bad = "another client of the same CA is served"
    return (yield from _judge(audit, "TRUST-IDENTITY", tries, bad=bad, fine="refused", compare=True))


def store(audit: Auditor) -> Checking:
    """TRUST-STORE: public roots in the list of names."""
    yield from ()
    names = audit.ca_names()
    known = public_root_names()
    public = [name for name in names if comparison_key(name) in known]
    if len(public) >= PUBLIC_ROOTS:
        return audit.result(
            "TRUST-STORE",
            "finding",
            f"the server lists {len(public)} public roots: anybody with a certificate of theirs may get in",
            confidence="likely",
            facts=tuple(certificate_name(name) for name in public[:5]),
            control=f"{len(names)} names in the CertificateRequest",
            repeat=repeating.s_client(audit),
        )
    if not names:
        return audit.result("TRUST-STORE", "undecided", "the server lists no names, so its trust cannot be seen")
    return audit.result("TRUST-STORE", "pass", f"{len(names)} names, {len(public)} of them public roots")


def public_root_names() -> frozenset[bytes]:
    """The names of the roots that certifi ships, in a form that can be compared (RFC 5280, 7.1)."""
    import certifi

    from inspector.credentials.load import load_certificates

    with open(certifi.where(), "rb") as bundle:  # a data file of a package, like code
        roots = load_certificates("certifi", bundle.read())
    return frozenset(comparison_key(certificate.parse(der).subject_der) for der in roots)
