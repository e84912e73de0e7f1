"""How the chain that was sent meets the authorities that the server names, and the keys of those authorities.

Names are not keys. A chain may end in a CA that the server lists and still be of another CA with the same name; where a
certificate of the listed CA is at hand (from the server's own chain, from ``--cacert``, from the verified path), signatures tell
the two apart.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Literal, NamedTuple

from inspector.analysis.observations import KeyCheck, Relation
from inspector.der.certificate import Certificate, parse
from inspector.der.names import comparison_key, rfc4514

MAX_STEPS = 16
EndHint = Literal["root", "intermediate", ""]
_INTERMEDIATE_WORDS = re.compile(r"intermediate|issuing|subordinate|\bsub[ -]?ca\b|\bica\b", re.IGNORECASE)


class Standing(NamedTuple):
    """``issuers`` counts CA certificates between the leaf and the root on the path that the chain sent allows."""

    relation: Relation
    detail: str
    key_check: KeyCheck
    key_detail: str
    issuers: int
    missing: tuple[bytes, ...] = ()  # certificates that would close a gap, DER, in the order to send them
    sorted_chain: tuple[bytes, ...] = ()  # what was sent, in order, without what does not belong
    end_looks_like: EndHint = ""  # what the issuer of the last certificate seems to be, where it is not at hand
    root_listed: bool = False  # the server lists the root above our chain, which is known or called one
    names_differ: str = ""  # where names are equal as text and not as bytes (RFC 5280, Section 7.1), in words


def _subject(cert: Certificate) -> bytes:
    return comparison_key(cert.subject_der)


def _issuer(cert: Certificate) -> bytes:
    return comparison_key(cert.issuer_der)


def signed_by(cert: Certificate, issuer: Certificate) -> bool | None:
    """Whether ``issuer``'s key made the signature on ``cert``. None where that cannot be checked here."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        x509.load_der_x509_certificate(cert.der).verify_directly_issued_by(x509.load_der_x509_certificate(issuer.der))
    except InvalidSignature:
        return False
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return _by_identifier(cert, issuer)
    return True


def _by_identifier(cert: Certificate, issuer: Certificate) -> bool | None:
    """The key identifiers' answer (RFC 5280, Section 4.2.1.1), where a signature cannot be checked."""
    wanted, has = cert.ext.authority_key_id, issuer.ext.subject_key_id
    if wanted is None or wanted.key_id is None or has is None:
        return None
    return wanted.key_id == has


def walk(chain: tuple[Certificate, ...], start: Certificate) -> list[Certificate]:
    """From ``start`` upwards by names and, where several certificates bear the name, by signature."""
    path = [start]
    while not path[-1].is_self_issued and len(path) <= MAX_STEPS:
        wanted = _issuer(path[-1])
        candidates = [c for c in chain if _subject(c) == wanted and c not in path]
        if not candidates:
            break
        path.append(next((c for c in candidates if signed_by(path[-1], c)), candidates[0]))
    return path


def _keys(path: list[Certificate], known: tuple[Certificate, ...]) -> tuple[KeyCheck, str]:
    """Do the signatures on the path belong to the keys of the CAs that bear these names?"""
    verdict: tuple[KeyCheck, str] = ("unknown", "")
    for child in path:
        holders = [c for c in known if _subject(c) == _issuer(child)]
        if child.is_self_issued:
            if len(path) == 1 or not holders:
                continue
            if not any(c.spki_der == child.spki_der for c in holders):
                return "lookalike", f"'{child.subject}' in our chain has another key than the CA of that name"
            return "genuine", f"'{child.subject}' in our chain has the key of the CA of that name"
        answers = [signed_by(child, c) for c in holders]
        if answers and all(a is False for a in answers):
            return "lookalike", f"the signature on '{child.title}' was not made by the key of the CA named '{child.issuer}'"
        if any(answers):
            verdict = ("genuine", f"the signature on '{child.title}' was made by the key of the CA named '{child.issuer}'")
    return verdict


def _relation(
    path: list[Certificate], listed: set[bytes], known: tuple[Certificate, ...], others: tuple[Certificate, ...]
) -> tuple[Relation, str, tuple[bytes, ...]]:
    end = path[-1]
    roots = {_subject(c) for c in known if c.is_self_issued}
    by_name = {_subject(c): c for c in known}
    targets = listed or roots
    top = _issuer(end)
    listed_words = "the server lists" if listed else "the server itself uses"
    listed_ca = by_name.get(top)
    rooted = bool(listed & roots)
    if top in listed and listed_ca is None and not rooted and _named_intermediate(end.issuer):
        return "partial", f"the server lists '{end.issuer}', which is no root by its name, and nothing above it that is known", ()
    if top in targets and (listed_ca is None or listed_ca.is_self_issued or not listed):
        return "linked", f"the chain ends below '{end.issuer}', which {listed_words}", ()
    inside = next((c for c in path[1:] if not c.is_self_issued and _subject(c) in listed), None)
    if inside is not None and top not in listed:
        return "partial", f"the server lists '{inside.subject}', which is inside our chain, and not '{end.issuer}' above it", ()
    onward = walk(known, end)[1:] if not end.is_self_issued else []
    missing = tuple(c.der for c in onward if not c.is_self_issued)
    if top in listed:
        above = next((_issuer(c) for c in onward if _issuer(c) != top and _issuer(c) in listed), None)
        if above is not None:
            return "linked", f"the chain ends below '{end.issuer}', which the server lists, together with a CA above it", missing
        return "partial", f"the server lists '{end.issuer}', which is no root, and nothing above it", missing
    last = onward[-1] if onward else None
    if last is not None and missing and (_issuer(last) in targets or _subject(last) in targets):
        detail = f"'{parse(missing[0]).subject}' was not sent, and would lead to '{last.issuer}', which {listed_words}"
        return "gap", detail, missing
    if listed and _has_cousin(last or end, listed, known):
        root = (last or end).issuer
        return "cousin", f"the server lists a CA that is no root; our chain leads to the same root ('{root}') without it", ()
    loose = next((c for c in others if c not in path and not c.is_self_issued and _issuer(c) in targets), None)
    if loose is not None and not end.is_self_issued:
        detail = (f"'{end.issuer}' was not sent; '{loose.subject}', which was, leads to '{loose.issuer}', which {listed_words}, "
                  "and is not connected to it")
        return "torn", detail, missing
    if listed:
        return "stranger", f"nothing in the chain leads to a CA that the server lists; it ends in '{end.issuer}'", missing
    return "unknown", "the server lists no CA names", missing


def _has_cousin(end: Certificate, listed: set[bytes], known: tuple[Certificate, ...]) -> bool:
    """A listed CA that is known, is no root, and leads to the root that our chain leads to."""
    return any(_subject(ca) in listed and not ca.is_self_issued and _issuer(walk(known, ca)[-1]) == _issuer(end) for ca in known)


def _named_root(name: str) -> bool:
    return re.search(r"\broot\b", name, re.IGNORECASE) is not None


def _named_intermediate(name: str) -> bool:
    return _INTERMEDIATE_WORDS.search(name) is not None and not _named_root(name)


def _end_looks_like(path: list[Certificate], listed: tuple[bytes, ...]) -> EndHint:
    """A guess at what issued the last certificate: a CA's name often says what it is, and sisters share an organisation."""
    end = path[-1]
    if end.is_self_issued:
        return ""
    if _named_root(end.issuer):
        return "root"
    organisation = re.search(r"(?:^|,)O=([^,]+)", end.issuer)
    sisters = organisation is not None and any(f"O={organisation[1]}" in rfc4514(name) for name in listed)
    return "intermediate" if sisters or end.ext.issuer_urls or _INTERMEDIATE_WORDS.search(end.issuer) else ""


def _root_listed(path: list[Certificate], listed: tuple[bytes, ...], known: tuple[Certificate, ...]) -> bool:
    """True where the server lists the name above our chain, and that is a root: known for one, or called one."""
    names = {comparison_key(name) for name in listed}
    top = walk((*path, *known), path[-1])[-1]
    if top.is_self_issued:
        return top is not path[0] and _subject(top) in names
    return _issuer(top) in names and _named_root(top.issuer)


def _names_differ(path: list[Certificate], listed: tuple[bytes, ...]) -> str:
    """Go, GnuTLS and NSS compare names byte for byte: a chain that holds for OpenSSL does not for them."""
    from inspector.der.names import explain_difference

    for child, parent in pairwise(path):
        if child.issuer_der != parent.subject_der:
            why = "; ".join(explain_difference(child.issuer_der, parent.subject_der))
            return f"the issuer in '{child.title}' and the subject of its CA are the same text in other bytes: {why}"
    top = path[-1].issuer_der
    same = [name for name in listed if comparison_key(name) == comparison_key(top)]
    if same and top not in same:
        why = "; ".join(explain_difference(top, same[0]))
        return f"the issuer '{path[-1].issuer}' and the name that the server lists are the same text in other bytes: {why}"
    return ""


def standing(chain: tuple[bytes, ...], listed: tuple[bytes, ...], known: tuple[bytes, ...]) -> Standing:
    """Hold the chain that was sent (DER, leaf first) against the listed names (DER) and the CA certificates that are known (DER).

    Pure; what cannot be told is "unknown".
    """
    if not chain:
        return Standing("unknown", "", "unknown", "", 0)
    certs = tuple(parse(der) for der in chain)
    authorities = tuple(dict.fromkeys(parse(der) for der in known if der != chain[0]))
    path = walk(certs[1:], certs[0])
    if len(path) == 1 and path[0].is_self_issued:
        return Standing("stranger" if listed else "unknown", "the certificate is self-signed", "unknown", "", 0, (), (chain[0],))
    key_check, key_detail = _keys(path, authorities)
    relation, detail, missing = _relation(path, {comparison_key(name) for name in listed}, authorities, certs[1:])
    issuers = sum(1 for c in path[1:] if not c.is_self_issued) + len(missing)
    return Standing(relation, detail, key_check, key_detail, issuers, missing, tuple(c.der for c in path if not c.is_self_issued),
                    _end_looks_like(path, listed), _root_listed(path, listed, authorities), _names_differ(path, listed))
