"""What the rules about a credential look at: the chain as it is sent, and the path as far as it can be followed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from inspector.analysis.credential_texts import SEVERITY_ORDER
from inspector.analysis.findings import Evidence, Severity
from inspector.credentials.model import Credential, Origin
from inspector.credentials.signatures import signed_by
from inspector.der.certificate import Certificate, parse
from inspector.der.names import comparison_key

if TYPE_CHECKING:
    from inspector.analysis.revocation_status import Status

MAX_PATH = 20


class Found(NamedTuple):
    """A finding in the making. Several of one id become one, with the evidence of all."""

    id: str
    severity: Severity
    summary: str
    evidence: tuple[Evidence, ...] = ()
    remedy: str = ""

    def with_more(self, other: Found) -> Found:
        """Both as one: the graver summary, all evidence."""
        graver = other if SEVERITY_ORDER[other.severity] < SEVERITY_ORDER[self.severity] else self
        return graver._replace(evidence=self.evidence + other.evidence)


def found(id_: str, severity: Severity, summary: str, *evidence: str, remedy: str = "") -> Found:
    return Found(id_, severity, summary, tuple(map(Evidence, evidence)), remedy)


class Link(NamedTuple):
    """A certificate and the one that bears its issuer's name. ``holds``: the signature; None where it cannot be computed."""

    child: Certificate
    parent: Certificate
    holds: bool | None


class Case(NamedTuple):
    """``sent`` is the chain in the order in which it goes out. ``path`` runs from the leaf up as far as issuers are known: through
    ``sent`` first, then the anchors and the other certificates of the file; ``sent_path`` is its part within ``sent``.
    """

    key: Any
    origin: Origin
    now: float
    sent: tuple[Certificate, ...]
    anchors: tuple[Certificate, ...]
    sent_path: tuple[Certificate, ...]
    path: tuple[Certificate, ...]
    links: tuple[Link, ...]
    # name matches whose signature does not hold: (child, the certificate that bears its issuer's name)
    broken: tuple[Link, ...]
    crls: tuple[bytes, ...] = ()
    known_names: frozenset[bytes] = frozenset()
    statuses: tuple[Status, ...] = ()

    @property
    def leaf(self) -> Certificate:
        return self.sent[0]

    @property
    def above(self) -> tuple[Certificate, ...]:
        """The CAs of the path."""
        return self.path[1:]

    @property
    def top(self) -> Certificate:
        return self.path[-1]

    @property
    def anchored(self) -> bool:
        """The path ends in, or passes through, a certificate that the server is known to trust."""
        anchors = {anchor.der for anchor in self.anchors}
        return any(certificate.der in anchors for certificate in self.path)

    @property
    def is_self_signed(self) -> bool:
        return self.leaf.is_self_issued and signed_by(self.leaf.der, self.leaf.der) is not False

    @property
    def signed_on_path(self) -> tuple[Certificate, ...]:
        """The certificates whose signatures a server checks: all but a root at the end, and anchors."""
        anchors = {anchor.der for anchor in self.anchors}
        return tuple(c for c in self.path if c is self.leaf or not (c.is_self_issued or c.der in anchors))


def issuer_of(child: Certificate, pool: Sequence[Certificate]) -> tuple[Link | None, tuple[Link, ...]]:
    """The link to the issuer among ``pool``, and the links to others that bear its name and did not sign."""
    wanted = comparison_key(child.issuer_der)
    named = [candidate for candidate in pool if candidate.subject_der and comparison_key(candidate.subject_der) == wanted]
    links = [Link(child, candidate, signed_by(child.der, candidate.der)) for candidate in named if candidate.der != child.der]
    good = next((link for link in links if link.holds), None) or next((link for link in links if link.holds is None), None)
    return good, tuple(link for link in links if link.holds is False)


def _walk(start: tuple[Certificate, ...], pool: Sequence[Certificate]) -> tuple[list[Certificate], list[Link], list[Link]]:
    path, links, broken = list(start), [], []
    while len(path) < MAX_PATH and not path[-1].is_self_issued:
        link, others = issuer_of(path[-1], [candidate for candidate in pool if candidate not in path])
        broken += [other for other in others if link is None]
        if link is None:
            break
        links.append(link)
        path.append(link.parent)
    return path, links, broken


def case_of(
    credential: Credential, now: float, *, anchors: Sequence[bytes] = (), crls: Sequence[bytes] = (),
    known_names: Sequence[bytes] = (), statuses: Sequence[Status] = (),
) -> Case:
    """Everything that the rules need, worked out once."""
    sent = tuple(map(parse, credential.chain))
    trusted = tuple(map(parse, anchors))
    sent_path, links, broken = _walk(sent[:1], sent[1:])
    path, more, still_broken = _walk(tuple(sent_path), (*trusted, *map(parse, credential.origin.others), *sent[1:]))
    seen: dict[tuple[bytes, bytes], Link] = {}
    if len(path) == len(sent_path):
        seen = {(link.child.der, link.parent.der): link for link in (*broken, *still_broken)}
    return Case(
        credential.key, credential.origin, now, sent, trusted, tuple(sent_path), tuple(path), tuple(links + more),
        tuple(seen.values()), tuple(crls), frozenset(map(comparison_key, known_names)), tuple(statuses),
    )
