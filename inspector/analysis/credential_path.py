"""Rules about the path: does each certificate belong where it stands, and may its issuer issue it (RFC 5280, Section 6)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from inspector.analysis.credential_case import Case, Found, found
from inspector.analysis.findings import Severity
from inspector.analysis.name_constraints import violations
from inspector.credentials.keys import key_matches
from inspector.der.certificate import Certificate
from inspector.der.names import comparison_key

# how authorities are called; nothing else tells a root from an intermediate that one does not have
_ROOT = re.compile(r"\broot\b", re.IGNORECASE)
_INTERMEDIATE = re.compile(
    r"\b(inter(mediate)?|int|issuing|issuer|sub|sub-?ca|subordinate|signing|policy|online|tier)\b", re.IGNORECASE,
)


def key_belongs(case: Case) -> Iterator[Found]:
    """The private key is that of the certificate."""
    if case.key is not None and case.leaf.spki_der and not key_matches(case.key, case.leaf.spki_der):
        yield found("key-mismatch", "critical", "the private key is not the certificate's", f"certificate: {case.leaf.title}")


def _key_ids(child: Certificate, parent: Certificate) -> tuple[bytes | None, bytes | None]:
    wanted = child.ext.authority_key_id
    return (wanted.key_id if wanted else None), parent.ext.subject_key_id


def signatures_hold(case: Case) -> Iterator[Found]:
    """Where a certificate bears the issuer's name, its key made the signature."""
    for child, parent, _ in case.broken:
        wanted, has = _key_ids(child, parent)
        if wanted is not None and wanted == has:
            yield found(
                "bad-signature", "critical",
                "the signature of a certificate does not fit its issuer's key",
                f"'{child.title}' names the key {has.hex() if has else ''} of '{parent.title}', which did not make its signature",
            )
        else:
            anchor = parent in case.anchors
            yield found(
                "lookalike-ca", "critical" if anchor else "high",
                "a CA bears the name of the issuer, but another key signed the certificate",
                f"'{child.title}' was issued by '{child.issuer}', it says; the {'trusted CA' if anchor else 'certificate'} "
                f"of that name (SHA-256 {parent.sha256[:16]}...) did not sign it",
            )


def self_signed(case: Case) -> Iterator[Found]:
    """The leaf is not its own issuer, unless it is trusted itself."""
    if case.is_self_signed and case.leaf not in case.anchors:
        more = ("it is marked as a CA certificate (basicConstraints CA:TRUE)",) if case.leaf.ext.is_ca else ()
        yield found(
            "self-signed", "high", "the certificate is self-signed: no CA vouches for it",
            f"subject and issuer: {case.leaf.title}", *more,
        )


def _listed(case: Case) -> bool:
    """Some name of the path is among those that the server named."""
    names = {comparison_key(c.subject_der) for c in case.above} | {comparison_key(c.issuer_der) for c in case.path}
    return bool(names & case.known_names)


def _looks_like_root(name: str) -> bool:
    return bool(_ROOT.search(name))


def _where_from(certificate: Certificate) -> tuple[str, ...]:
    return tuple(f"its AIA extension says where the issuer's certificate is: {url}" for url in certificate.ext.issuer_urls)


def gap(case: Case) -> Found | None:
    """The certificate missing between what is sent and a root, where that can be told."""
    if case.leaf.is_self_issued or case.broken:
        return None
    anchors = {anchor.der for anchor in case.anchors}
    unsent = [c for c in case.path[len(case.sent_path) :] if not c.is_self_issued and c.der not in anchors]
    if unsent:
        return found(
            "missing-intermediate", "high", "a CA certificate between leaf and root is known, but is not sent",
            *(f"not sent: '{c.title}'" for c in unsent),
        )
    if case.anchored or case.top.is_self_issued or _listed(case):
        return None
    top = case.top
    extras = [c for c in case.sent if c not in case.sent_path]
    says = f"'{top.title}' was issued by '{top.issuer}', which is not among the certificates sent"
    if any(c.ext.is_ca for c in extras) and not (len(case.sent_path) > 1 and _looks_like_root(top.issuer)):
        return found(
            "missing-intermediate", "high", "the chain has a gap: the issuer of a certificate is missing in it",
            says, *_where_from(top),
        )
    if len(case.sent_path) > 1 or _looks_like_root(top.issuer):
        return None
    named = _INTERMEDIATE.search(top.issuer) or top.ext.issuer_urls
    severity: Severity = "high" if case.anchors else "medium" if named else "low"
    return found(
        "missing-intermediate", severity, "only the leaf is sent, and its issuer is not known to be a root",
        says, *_where_from(top), *(() if case.anchors else ("if servers trust that issuer itself, nothing is missing",)),
    )


def gaps(case: Case) -> Iterator[Found]:
    """The chain sent reaches up to a root without a gap."""
    missing = gap(case)
    if missing:
        yield missing


def order(case: Case) -> Iterator[Found]:
    """Leaf first, each certificate followed by its issuer (RFC 5246, Section 7.4.2), and nothing else."""
    on_path = [c for c in dict.fromkeys(case.sent) if c in case.sent_path]
    if tuple(on_path) != case.sent_path:
        yield found(
            "chain-order", "medium", "the certificates are not in the order of the path",
            "sent: " + " / ".join(c.title for c in case.sent), "path: " + " / ".join(c.title for c in case.sent_path),
        )
    extras = [c for c in case.sent if c not in case.sent_path]
    if extras and not gap(case) and not case.broken:
        yield found(
            "unrelated-certificate", "low", "certificates are sent that are not above the leaf",
            *(f"unrelated: '{c.title}'" for c in extras),
        )
    if len(set(case.sent)) < len(case.sent):
        yield found("unrelated-certificate", "low", "a certificate is sent twice")


def anchored(case: Case) -> Iterator[Found]:
    """With anchors given: the path ends in one of them."""
    if not case.anchors or case.anchored or case.is_self_signed or case.broken or gap(case):
        return
    names = {comparison_key(anchor.subject_der): anchor for anchor in case.anchors}
    twins = [(c, names[comparison_key(c.subject_der)]) for c in case.above if comparison_key(c.subject_der) in names]
    for ours, theirs in twins:
        yield found(
            "lookalike-ca", "critical", "a CA of the chain bears the name of a trusted CA, but has another key",
            f"'{ours.title}': key {(ours.spki_sha256 or '')[:16]}... in the chain, {(theirs.spki_sha256 or '')[:16]}... trusted",
        )
    if not twins:
        ends = case.top.subject if case.top.is_self_issued else case.top.issuer
        yield found(
            "unknown-ca", "high", "the chain does not lead to any of the trusted CAs", f"it leads to '{ends}'",
            "trusted: " + ", ".join(f"'{anchor.title}'" for anchor in case.anchors[:5]),
        )


def authorities(case: Case) -> Iterator[Found]:
    """Each issuer is a CA (RFC 5280, Section 6.1.4 k and n)."""
    for authority in case.above:
        why = _not_an_authority(authority)
        if why:
            yield found("issuer-not-ca", "critical", "a certificate was issued by one that is no CA", f"'{authority.title}' {why}")


def _not_an_authority(certificate: Certificate) -> str | None:
    constraints, usage = certificate.ext.basic_constraints, certificate.ext.key_usage
    if constraints is None:
        # version 1 has no extensions: such roots are trusted by decision, such intermediates by nobody
        return None if certificate.version == 1 and certificate.is_self_issued else "has no basicConstraints"
    if not constraints.ca:
        return "has basicConstraints CA:FALSE"
    if usage is not None and "keyCertSign" not in usage:
        return f"has a keyUsage without keyCertSign ({', '.join(usage) or 'empty'})"
    return None


def path_lengths(case: Case) -> Iterator[Found]:
    """No CA has more CAs below it than it allows (RFC 5280, Section 4.2.1.9)."""
    for position, authority in enumerate(case.path):
        constraints = authority.ext.basic_constraints
        if position == 0 or constraints is None or constraints.path_length is None:
            continue
        below = [c for c in case.path[1:position] if not c.is_self_issued]
        if len(below) > constraints.path_length:
            yield found(
                "path-length", "critical", "a CA has more CAs below it than its path length allows",
                f"'{authority.title}' allows {constraints.path_length}, below it are " + ", ".join(f"'{c.title}'" for c in below),
            )


def constraints(case: Case) -> Iterator[Found]:
    """All names lie within the name constraints above them (RFC 5280, Section 4.2.1.10)."""
    for position, authority in enumerate(case.path):
        for below in case.path[:position]:
            if below.is_self_issued and below is not case.leaf:
                continue
            for violation in violations(authority, below):
                yield found(
                    "name-constraint", "critical", "a name is outside the name constraints of a CA above it",
                    f"'{authority.title}' constrains names: {violation}",
                )
