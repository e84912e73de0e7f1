"""The chain as it was sent, beside the path that holds: order, gaps, extras, roots, doubles, cross-signed authorities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from inspector.analysis import loading
from inspector.analysis.findings import Evidence, Finding
from inspector.der.certificate import Certificate, parse
from inspector.der.names import same_name

# chains longer than this are described by their length: the search for a path stays bounded
MAX_CHAIN = 100


class Shape(NamedTuple):
    """What is odd about a chain. Numbers are positions in the chain as sent, 0 the leaf.

    ``path`` are positions that lead from the leaf upwards as far as the sent certificates go. ``missing`` are certificates of the
    verified path, other than its trust anchor, that were not sent. ``gap`` is the name of the issuer that nothing sent belongs to,
    None where the last is self-issued.
    """

    sent: tuple[Certificate, ...]
    path: tuple[int, ...]
    in_order: bool
    extras: tuple[int, ...]
    duplicates: tuple[int, ...]
    roots: tuple[int, ...]
    missing: tuple[Certificate, ...]
    cross_signed: tuple[tuple[int, int], ...]
    gap: str | None


def could_issue(issuer: Certificate, child: Certificate) -> bool:
    """True where names and key identifiers allow that ``issuer`` issued ``child``; no signature is checked (RFC 5280, 6.1.3)."""
    if not child.issuer_der or not same_name(issuer.subject_der, child.issuer_der):
        return False
    wanted = child.ext.authority_key_id
    own = issuer.ext.subject_key_id
    return wanted is None or wanted.key_id is None or own is None or wanted.key_id == own


def signed_by(child: Certificate, issuer: Certificate) -> bool | None:
    """True where the issuer's key made the child's signature; None where that cannot be tried (unknown algorithm or key)."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        loading.certificate(child.der).verify_directly_issued_by(loading.certificate(issuer.der))
    except InvalidSignature:
        return False
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return True


def path_among(sent: Sequence[Certificate]) -> tuple[int, ...]:
    """Positions from the leaf upwards, each the issuer of the one before, as far as the certificates go; no certificate twice."""
    if not sent:
        return ()
    path = [0]
    while len(path) < min(len(sent), MAX_CHAIN):
        child = sent[path[-1]]
        if child.is_self_issued:
            break
        # the next one in the order sent is preferred, as verifiers that do not sort would take it
        candidates = [*range(path[-1] + 1, len(sent)), *range(path[-1])]
        following = next((i for i in candidates if i not in path and could_issue(sent[i], child)), None)
        if following is None:
            break
        path.append(following)
    return tuple(path)


def shape_of(chain: Sequence[bytes], verified_path: Sequence[bytes] = ()) -> Shape:
    """Describe a chain as sent (DER, leaf first); ``verified_path`` is the path that a verifier built, where one did."""
    sent = tuple(parse(der) for der in chain[:MAX_CHAIN])
    first_seen = {certificate.der: i for i, certificate in reversed(list(enumerate(sent)))}
    duplicates = tuple(i for i, certificate in enumerate(sent) if first_seen[certificate.der] != i)
    path = path_among(sent)
    used = {sent[i].der for i in path} | set(verified_path)
    extras = tuple(i for i, certificate in enumerate(sent) if certificate.der not in used)
    missing = tuple(parse(der) for der in verified_path[1:-1] if der not in first_seen)
    roots = tuple(i for i, certificate in enumerate(sent) if i and certificate.is_self_issued)
    last = sent[path[-1]] if path else None
    gap = None if last is None or last.is_self_issued else last.issuer
    return Shape(sent, path, path == tuple(sorted(path)), extras, duplicates, roots, missing, _cross_signed(sent), gap)


def _cross_signed(sent: Sequence[Certificate]) -> tuple[tuple[int, int], ...]:
    """Pairs of certificates for one key and one name by different issuers."""
    return tuple(
        (i, j)
        for i, one in enumerate(sent)
        for j in range(i + 1, len(sent))
        if one.spki_der and one.spki_der == sent[j].spki_der and one.der != sent[j].der
        and same_name(one.subject_der, sent[j].subject_der) and not same_name(one.issuer_der, sent[j].issuer_der)
    )


def _names(shape: Shape, positions: Sequence[int]) -> tuple[Evidence, ...]:
    return tuple(Evidence(f"certificate {i} as sent: {shape.sent[i].title}") for i in positions[:10])


def _order_finding(shape: Shape) -> Finding | None:
    if shape.in_order:
        return None
    right = ", ".join(str(i) for i in shape.path)
    return Finding(
        id="chain-order", severity="low",
        summary=f"the certificates are sent in an order that peers must sort: {right} would be right",
        evidence=_names(shape, shape.path), remedy="send each certificate right before its issuer's, leaf first",
    )


def _missing_finding(shape: Shape, trusted: bool | None) -> Finding | None:
    remedy = "send every certificate between the leaf and the root"
    if shape.missing:
        return Finding(
            id="missing-intermediate", severity="medium", summary="the chain has a gap that peers have to fill from elsewhere",
            evidence=tuple(Evidence(f"found elsewhere: {certificate.title}") for certificate in shape.missing), remedy=remedy,
        )
    if shape.gap is None or trusted is not False:
        return None
    # an intermediate or an untrusted root: it cannot be seen which, but where a URL is given it is an intermediate
    urls = shape.sent[shape.path[-1]].ext.issuer_urls
    return Finding(
        id="missing-intermediate", severity="high" if urls else "medium",
        summary="the chain ends at a certificate whose issuer is neither sent nor trusted",
        evidence=(Evidence(f"nothing that was sent is {shape.gap}"), *(Evidence(f"it can be had from {url}") for url in urls[:2])),
        remedy=f"{remedy}; if the issuer is the root itself, trust it",
    )


def _surplus_findings(shape: Shape) -> list[Finding]:
    rows = (
        ("extra-certificates", shape.extras, "certificates are sent that no path from the leaf leads through", "leave them out"),
        ("duplicate-certificate", shape.duplicates, "a certificate is sent twice", "send it once"),
        ("root-sent", shape.roots, "a root is sent: peers use their own copy and ignore it", "leave the root out, it saves bytes"),
    )
    return [
        Finding(id=id_, severity="info", summary=summary, evidence=_names(shape, positions), remedy=remedy)
        for id_, positions, summary, remedy in rows if positions
    ]


def _cross_finding(shape: Shape) -> Finding | None:
    if not shape.cross_signed:
        return None
    evidence = tuple(
        Evidence(f"{shape.sent[i].title}: certificate {i} by {shape.sent[i].issuer}, certificate {j} by {shape.sent[j].issuer}")
        for i, j in shape.cross_signed[:10]
    )
    return Finding(
        id="cross-signed", severity="info", summary="an authority is sent with certificates of several issuers (cross-signed)",
        evidence=evidence, remedy="make sure that each of the paths holds: old peers may only know one of the roots",
    )


def findings_of(shape: Shape, trusted: bool | None = None) -> tuple[Finding, ...]:
    """Findings about the chain as sent. ``trusted`` is the verifier's verdict, None where there is none."""
    found = (_order_finding(shape), _missing_finding(shape, trusted), *_surplus_findings(shape), _cross_finding(shape))
    return tuple(finding for finding in found if finding is not None)
