"""Does this credential meet what the server asks for? One rule after another, each with what it rests on.

The rules are those of RFC 8446, Sections 4.2.3 to 4.2.5 and 4.3.2, and RFC 5246, Section 7.4.4. What other programs make of the
same request is another matter: see ``emulate``.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from inspector.analysis import schemes
from inspector.analysis.findings import MatchRule
from inspector.credentials.model import Credential
from inspector.der import names
from inspector.der.certificate import Certificate, parse
from inspector.der.extensions import EXTENDED_KEY_USAGE, KEY_USAGE, read_extended_key_usage, read_key_usage
from inspector.der.oids import EXTENSIONS, PURPOSES
from inspector.der.reader import DerError, Reader, read_oid
from inspector.wire.registry import ClientCertificateType, SignatureScheme

KIB = 1024
# the most that each reads of such a message, or of the list in it
LIST_LIMITS = (
    (16 * KIB, "Schannel and BoringSSL read no more than 16 KiB"),
    (32 * KIB, "Java reads no more than 32 KiB of a handshake message"),
    (64 * KIB - 1, "the length field of the list ends at 64 KiB"),
)
ANY_PURPOSE = "2.5.29.37.0"


class Request(NamedTuple):
    """What a CertificateRequest asks for. Algorithms are the registries' numbers; names are DER.

    ``schemes_cert`` is empty where the server has no separate list for the certificates' own signatures. ``types`` are those of
    TLS 1.2 and below.
    """

    authorities: tuple[bytes, ...] = ()
    schemes: tuple[int, ...] = ()
    schemes_cert: tuple[int, ...] = ()
    types: tuple[int, ...] = ()
    oid_filters: tuple[tuple[str, bytes], ...] = ()
    authorities_bytes: int = 0
    tls13: bool = True


class Link(NamedTuple):
    """An issuer in our chain that the server's list names. ``depth`` counts our certificates from the leaf, 0."""

    depth: int
    issuer: bytes
    listed: bytes
    same_bytes: bool


def _filter(oid: bytes, values: bytes) -> tuple[str, bytes]:
    try:
        return read_oid(Reader(oid).read("filter")), values
    except DerError:
        return "#" + oid.hex(), values


def request_of(message: Any) -> Request:
    """From a parsed CertificateRequest (``wire.messages``)."""
    return Request(
        authorities=tuple(message.authorities),
        schemes=tuple(message.signature_schemes),
        schemes_cert=tuple(message.signature_schemes_cert),
        types=tuple(message.certificate_types),
        oid_filters=tuple(_filter(item.oid, item.values) for item in message.oid_filters),
        authorities_bytes=message.authorities_bytes,
        tls13=message.context is not None,
    )


def request_of_report(client_auth: Mapping[str, Any], messages: Sequence[Mapping[str, Any]] = ()) -> Request:
    """From the ``client_auth`` part of a report in JSON, and from ``handshake.messages`` what that part leaves out.

    Raises KeyError, TypeError or ValueError where it is not one.
    """
    authorities = tuple(base64.b64decode(item["der"], validate=True) for item in client_auth["certificate_authorities"])
    types = tuple(_number(ClientCertificateType, label) for label in client_auth["certificate_types"])
    told: Mapping[str, Any] = next((m["fields"] for m in reversed(messages) if m["type"] == "certificate_request"), {})
    return Request(
        authorities=authorities,
        schemes=tuple(_number(SignatureScheme, label) for label in client_auth["signature_schemes"]),
        schemes_cert=tuple(_number(SignatureScheme, label) for label in told.get("signature_schemes_cert", ())),
        types=types,
        oid_filters=_filters_told(told),
        authorities_bytes=sum(len(name) + 2 for name in authorities),
        tls13=not types,
    )


def _filters_told(told: Mapping[str, Any]) -> tuple[tuple[str, bytes], ...]:
    extensions = (one for one in told.get("extensions", ()) if one["type"] == "oid_filters" and isinstance(one["value"], list))
    return tuple((item["oid"], bytes.fromhex(item["values"])) for extension in extensions for item in extension["value"])


def _number(registry: Any, label: str) -> int:
    try:
        return int(registry.named(label))
    except KeyError:
        return int(label.removeprefix("GREASE(").rstrip(")"), 16) if "0x" in label else 0


def links(request: Request, chain: Sequence[Certificate]) -> tuple[Link, ...]:
    """Each certificate of the chain whose issuer the list names, nearest the leaf first; by bytes where possible."""
    by_key = {names.comparison_key(listed): listed for listed in reversed(request.authorities)}
    listed_bytes = frozenset(request.authorities)
    found: list[Link] = []
    for depth, certificate in enumerate(chain):
        issuer = certificate.issuer_der
        if not issuer:
            continue
        if issuer in listed_bytes:
            found.append(Link(depth, issuer, issuer, same_bytes=True))
        elif (listed := by_key.get(names.comparison_key(issuer))) is not None:
            found.append(Link(depth, issuer, listed, same_bytes=False))
    return tuple(found)


def _which(depth: int) -> str:
    return "our certificate" if depth == 0 else f"certificate {depth} of our chain"


def _count(request: Request) -> str:
    return "1 name" if len(request.authorities) == 1 else f"{len(request.authorities)} names"


def _nearest(issuer: bytes, authorities: Sequence[bytes]) -> str:
    """A listed name with the same common name and something else different: the usual mistake."""
    mine = set(names.common_names(issuer))
    for listed in authorities:
        if mine and mine & set(names.common_names(listed)):
            return f"; the nearest is {names.rfc4514(listed)}: {'; '.join(names.explain_difference(issuer, listed))}"
    return ""


def _issuer_rule(request: Request, chain: Sequence[Certificate]) -> MatchRule:
    if not request.authorities:
        return MatchRule(rule="issuer-name", ok=True, detail="the server names no authorities: it leaves the choice to the client")
    found = links(request, chain)
    if found:
        link = found[0]
        detail = f"the issuer of {_which(link.depth)}, {names.rfc4514(link.issuer)}, is listed ({_count(request)} in all)"
        return MatchRule(rule="issuer-name", ok=True, detail=detail)
    issuers = ", ".join(dict.fromkeys(certificate.issuer or "(unreadable)" for certificate in chain))
    hint = next((near for c in chain if (near := _nearest(c.issuer_der, request.authorities))), "")
    detail = f"no issuer in our chain ({issuers}) is listed by the server ({_count(request)} in all){hint}"
    return MatchRule(rule="issuer-name", ok=False, detail=detail)


def _bytes_rule(request: Request, chain: Sequence[Certificate]) -> MatchRule | None:
    found = links(request, chain)
    if not request.authorities or not found:
        return None
    exact = next((link for link in found if link.same_bytes), None)
    if exact:
        detail = f"the issuer of {_which(exact.depth)} equals a listed name byte for byte"
        return MatchRule(rule="issuer-bytes", ok=True, detail=detail)
    link = found[0]
    difference = "; ".join(names.explain_difference(link.issuer, link.listed))
    detail = (
        f"the issuer of {_which(link.depth)} (first) equals the listed name (second) as text only: {difference}; "
        "clients that compare bytes (Go, GnuTLS, Firefox) withhold the certificate"
    )
    return MatchRule(rule="issuer-bytes", ok=False, detail=detail)


def _scheme_rule(request: Request, chain: Sequence[Certificate]) -> MatchRule | None:
    leaf = chain[0]
    if not request.schemes and not request.tls13:
        return MatchRule(rule="signature-scheme", ok=True, detail="the server lists no schemes: this version has fixed ones")
    ours = schemes.of_key(leaf, tls13=request.tls13)
    usable = tuple(scheme for scheme in ours if scheme in request.schemes)
    key = f"our {leaf.key_type or 'unreadable'} key" + (f" ({leaf.key_curve})" if leaf.key_curve else "")
    if leaf.key_type is None:
        return MatchRule(rule="signature-scheme", ok=None, detail="the key of our certificate cannot be read")
    if usable:
        return MatchRule(rule="signature-scheme", ok=True, detail=f"{key} can sign with {schemes.labels(usable)}")
    version = "TLS 1.3" if request.tls13 else "TLS 1.2"
    detail = (
        f"{key} signs with {schemes.labels(ours)} in {version}; the server takes {schemes.labels(request.schemes)}: "
        "no client can present this certificate here"
    )
    return MatchRule(rule="signature-scheme", ok=False, detail=detail)


def _chain_signatures_rule(request: Request, chain: Sequence[Certificate]) -> MatchRule | None:
    accepted = request.schemes_cert or request.schemes
    if not accepted:
        return None
    listed = "signature_algorithms_cert" if request.schemes_cert else "signature_algorithms"
    wrong, unknown = [], []
    for depth, certificate in enumerate(chain):
        if certificate.is_self_issued:  # a root's own signature is not judged (RFC 8446, Section 4.2.3)
            continue
        signed = schemes.of_signature(certificate)
        if not signed:
            unknown.append(f"{_which(depth)} is signed with {certificate.signature_algorithm or 'something unreadable'}")
        elif not set(signed) & set(accepted):
            wrong.append(f"{_which(depth)} is signed with {schemes.labels(signed[:1])}")
    if wrong:
        return MatchRule(rule="chain-signatures", ok=False, detail=f"{'; '.join(wrong)}: not in the server's {listed}")
    if unknown:
        return MatchRule(rule="chain-signatures", ok=None, detail=f"{'; '.join(unknown)}, which has no number in TLS")
    return MatchRule(rule="chain-signatures", ok=True, detail=f"every signature in our chain is in the server's {listed}")


def _types_rule(request: Request, chain: Sequence[Certificate]) -> MatchRule | None:
    if request.tls13 or not request.types:
        return None
    wanted = schemes.TYPES.get(chain[0].key_type or "")
    listed = ", ".join(ClientCertificateType(number).label for number in request.types)
    if wanted is None:
        detail = f"no certificate type stands for our key; the server lists {listed}"
        return MatchRule(rule="certificate-type", ok=None, detail=detail)
    ok = wanted in request.types
    label = ClientCertificateType(wanted).label
    detail = f"our key is of type {label}, {'as the server lists' if ok else f'the server lists {listed}'}"
    return MatchRule(rule="certificate-type", ok=ok, detail=detail)


def _one_filter(oid: str, wanted: bytes, leaf: Certificate) -> tuple[bool | None, str]:
    """RFC 8446, Section 4.2.5: what the filter asserts must be asserted by the certificate; unknown filters are ignored."""
    label = EXTENSIONS.get(oid, oid)
    if not wanted:
        return leaf.ext.value(oid) is not None, f"the server wants the extension {label}"
    try:
        if oid == KEY_USAGE:
            missing = set(read_key_usage(wanted)) - set(leaf.ext.key_usage or ())
        elif oid == EXTENDED_KEY_USAGE:
            purposes = set(leaf.ext.extended_key_usage or ())
            missing = {PURPOSES.get(p, p) for p in set(read_extended_key_usage(wanted)) - {ANY_PURPOSE} - purposes}
        else:
            return None, f"the server filters by {label}, for which no matching rule is defined"
    except DerError as exc:
        return None, f"the server's filter on {label} cannot be read: {exc}"
    if missing:
        return False, f"the server wants {label} with {', '.join(sorted(missing))}, which ours lacks"
    return True, f"ours has the {label} that the server wants"


def _filters_rule(request: Request, chain: Sequence[Certificate]) -> MatchRule | None:
    if not request.oid_filters:
        return None
    judged = [_one_filter(oid, wanted, chain[0]) for oid, wanted in request.oid_filters]
    verdicts = [ok for ok, _ in judged]
    ok = False if False in verdicts else None if None in verdicts else True
    return MatchRule(rule="oid-filters", ok=ok, detail="; ".join(text for _, text in judged))


def _size_rule(request: Request) -> MatchRule:
    size = request.authorities_bytes
    over = [text for limit, text in LIST_LIMITS if size > limit]
    detail = f"the list of authorities takes {size} bytes ({_count(request)})"
    if over:
        return MatchRule(rule="authorities-size", ok=False, detail=f"{detail}: {'; '.join(over)}")
    limit, text = next(item for item in LIST_LIMITS if size <= item[0])
    return MatchRule(rule="authorities-size", ok=True, detail=f"{detail}, {100 * size // limit} % of the next limit: {text}")


RULES: tuple[Callable[[Request, Sequence[Certificate]], MatchRule | None], ...] = (
    _issuer_rule,
    _bytes_rule,
    _scheme_rule,
    _chain_signatures_rule,
    _types_rule,
    _filters_rule,
)


def match(request: Request, credential: Credential | None) -> tuple[MatchRule, ...]:
    """Every rule that applies, in the order of ``RULES``, and the size of the list of names. Pure; never raises."""
    found: list[MatchRule | None] = []
    if credential is not None and credential.chain:
        chain = [parse(der) for der in credential.chain]
        found = [rule(request, chain) for rule in RULES]
    return (*(rule for rule in found if rule is not None), _size_rule(request))
