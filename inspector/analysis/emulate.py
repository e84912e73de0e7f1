"""Would other TLS clients send this credential in answer to this request, and by which rule?

Each client is a row of ``CLIENTS``: its name and the rules that it applies, in order. The first rule that withholds decides; where
none does, the last word of the rules says why it is sent. ``docs/would-send.md`` says where each rule was found; those that can be
run are run by the tests. A client is taken as its documentation sets it up, with this credential and no other configured.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from inspector.analysis import schemes
from inspector.analysis.findings import WouldSend
from inspector.analysis.match import ANY_PURPOSE, Request
from inspector.credentials.model import Credential
from inspector.der import names, reader
from inspector.der.certificate import Certificate, parse
from inspector.der.reader import DerError
from inspector.wire.registry import ClientCertificateType

CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"
SHA1 = frozenset({0x0201, 0x0203, 0x0202})


class Case(NamedTuple):
    """What the rules look at. ``now`` None: dates are not looked at."""

    request: Request
    chain: tuple[Certificate, ...]
    now: float | None

    @property
    def leaf(self) -> Certificate:
        return self.chain[0]


class Ruling(NamedTuple):
    """``sends`` False ends the matter; True is the reason so far; None: cannot be told."""

    sends: bool | None
    why: str


Rule = Callable[[Case], Ruling | None]
NameKey = Callable[[bytes], bytes | None]


# --- names -----------------------------------------------------------------------------------------------------------------


def by_bytes(name: bytes) -> bytes:
    """Names are equal where their DER is."""
    return name


def _java_value(attribute: names.Attribute) -> bytes:
    # X500Principal.equals: strings count only as PrintableString or UTF8String, under a keyword of RFC 2253; the rest is hex
    if attribute.oid in RFC2253 and attribute.tag in {reader.PRINTABLE_STRING, reader.UTF8_STRING} and attribute.text is not None:
        return b"t" + " ".join(attribute.text.lower().split()).encode("utf-8", "surrogatepass")
    return b"x" + attribute.encoded


RFC2253 = frozenset({
    "2.5.4.3", "2.5.4.6", "2.5.4.7", "2.5.4.8", "2.5.4.9", "2.5.4.10", "2.5.4.11",
    "0.9.2342.19200300.100.1.25", "0.9.2342.19200300.100.1.1",
})  # fmt: skip


def java(name: bytes) -> bytes | None:
    """Equal for names whose canonical RFC 2253 strings are: case, spaces and two string types do not count."""
    try:
        rdns = names.read_name(name)
    except DerError:
        return None
    return repr([sorted((a.oid, _java_value(a)) for a in rdn) for rdn in rdns]).encode()


def as_written(name: bytes) -> bytes | None:
    """Equal for names that are formatted to the same string: string types do not count, case does."""
    try:
        rdns = names.read_name(name)
    except DerError:
        return None
    return repr([[(a.oid, a.value.hex() if a.text is None else a.text) for a in rdn] for rdn in rdns]).encode()


def _listed(key: NameKey, how: str) -> Rule:
    """One of the chain's issuers has to be among the names that the server lists, as ``key`` compares them."""

    def rule(case: Case) -> Ruling:
        wanted = {key(name) for name in case.request.authorities} - {None}
        if not case.request.authorities:
            return Ruling(True, "the server lists no authorities, which leaves the choice to the client")
        for depth, certificate in enumerate(case.chain):
            if certificate.issuer_der and key(certificate.issuer_der) in wanted:
                which = "the certificate" if depth == 0 else f"certificate {depth} of the chain"
                return Ruling(True, f"the issuer of {which} is listed ({how})")
        same = {names.comparison_key(c.issuer_der) for c in case.chain} & set(map(names.comparison_key, case.request.authorities))
        text = "; a listed name reads the same and differs in its bytes" if same else ""
        return Ruling(False, f"no issuer in the chain is listed ({how}){text}")

    return rule


def _names_ignored(case: Case) -> Ruling:
    if not case.request.authorities:
        return Ruling(True, "the configured certificate is sent to whoever asks")
    return Ruling(True, "the configured certificate is sent; the server's list of authorities is not looked at")


# --- keys and signatures ---------------------------------------------------------------------------------------------------


def _scheme(keys: str, *, sha1: bool = True, types: bool = False) -> Rule:
    """The key has to fit a scheme that the server lists. ``keys``: the types that this client can sign with, space-separated.

    ``types``: in TLS 1.2 the certificate types have to fit too.
    """
    can = frozenset(keys.split())

    def rule(case: Case) -> Ruling | None:
        kind, request = case.leaf.key_type, case.request
        if kind is None:
            return Ruling(None, "the certificate's key cannot be read")
        if kind not in can and (case.leaf.key_curve or "") not in can:
            curve = f" ({case.leaf.key_curve})" if case.leaf.key_curve else ""
            return Ruling(False, f"it cannot sign with a key of type {kind}{curve}")
        ours = schemes.of_key(case.leaf, tls13=request.tls13)
        usable = [s for s in ours if s in request.schemes and (sha1 or s not in SHA1)]
        if (request.schemes or request.tls13) and not usable:
            return Ruling(False, f"the key fits no scheme that the server lists ({schemes.labels(request.schemes)})")
        wanted = schemes.TYPES.get(kind)
        if types and not request.tls13 and request.types and wanted not in request.types:
            label = ClientCertificateType(wanted).label if wanted else "its own"
            return Ruling(False, f"the server does not list certificates of type {label}")
        return None

    return rule


def _signed_within(*, whole_chain: bool, separate_list_only: bool) -> Rule:
    """The certificates' own signatures have to be among those that the server lists."""

    def rule(case: Case) -> Ruling | None:
        accepted = case.request.schemes_cert if separate_list_only else case.request.schemes_cert or case.request.schemes
        if not accepted:
            return None
        for certificate in case.chain if whole_chain else case.chain[:1]:
            signed = schemes.of_signature(certificate)
            if not certificate.is_self_issued and signed and not set(signed) & set(accepted):
                how = schemes.labels(signed[:1])
                return Ruling(False, f"{certificate.title} is signed with {how}, which the server does not list")
        return None

    return rule


# --- what the certificate is for -------------------------------------------------------------------------------------------


def _purpose(*, any_counts: bool = True, preference: bool = False) -> Rule:
    """Where there is an extended key usage, it has to hold clientAuth. ``preference``: others go first, but it is sent at last."""

    def rule(case: Case) -> Ruling | None:
        found = case.leaf.ext.extended_key_usage
        if found is None or CLIENT_AUTH in found or (any_counts and ANY_PURPOSE in found):
            return None
        said = ", ".join(case.leaf.ext.purposes or ())
        if preference:
            return Ruling(True, f"extendedKeyUsage lacks clientAuth ({said}): sent all the same, as nothing better is configured")
        return Ruling(False, f"extendedKeyUsage is there and lacks clientAuth ({said})")

    return rule


def _digital_signature(case: Case) -> Ruling | None:
    usage = case.leaf.ext.key_usage
    if usage is None or "digitalSignature" in usage:
        return None
    return Ruling(False, f"keyUsage is there and lacks digitalSignature ({', '.join(usage) or 'nothing'})")


def _digital_signature_tls12(case: Case) -> Ruling | None:
    return None if case.request.tls13 else _digital_signature(case)


def _in_date(case: Case) -> Ruling | None:
    if case.now is None or case.leaf.valid_at(case.now) is not False:
        return None
    return Ruling(False, "the certificate is not valid at this time, and such ones are not offered")


# --- clients ---------------------------------------------------------------------------------------------------------------

_OPENSSL_KEYS = "RSA RSA-PSS EC Ed25519 Ed448 ML-DSA-44 ML-DSA-65 ML-DSA-87"
_GO_KEYS = "RSA secp256r1 secp384r1 secp521r1 Ed25519"
_JAVA_KEYS = "RSA RSA-PSS secp256r1 secp384r1 secp521r1 Ed25519 Ed448 DSA"
_GNUTLS_KEYS = "RSA RSA-PSS secp256r1 secp384r1 secp521r1 Ed25519 Ed448 DSA"
_NSS_KEYS = "RSA RSA-PSS secp256r1 secp384r1 secp521r1"
_RUSTLS_KEYS = "RSA secp256r1 secp384r1 secp521r1 Ed25519"
_BORING_KEYS = "RSA secp256r1 secp384r1 secp521r1 Ed25519"

_OPENSSL: tuple[Rule, ...] = (
    _scheme(_OPENSSL_KEYS, sha1=False),
    _signed_within(whole_chain=False, separate_list_only=True),
    _names_ignored,
)
_JAVA_NAMES = _listed(java, "X500Principal.equals: canonical text")
_BYTES = _listed(by_bytes, "byte for byte")

CLIENTS: tuple[tuple[str, tuple[Rule, ...]], ...] = (
    ("OpenSSL", _OPENSSL),
    ("curl (OpenSSL)", _OPENSSL),
    ("Node.js", _OPENSSL),
    ("Go crypto/tls", (_scheme(_GO_KEYS, types=True), _BYTES)),
    ("Java SunX509", (_scheme(_JAVA_KEYS, types=True), _JAVA_NAMES)),
    (
        "Java NewSunX509 (PKIX)",
        (
            _scheme(_JAVA_KEYS, types=True),
            _JAVA_NAMES,
            _signed_within(whole_chain=True, separate_list_only=False),
            _purpose(preference=True),
        ),
    ),
    ("GnuTLS (gnutls-cli)", (_scheme(_GNUTLS_KEYS), _digital_signature_tls12, _names_ignored)),
    ("GnuTLS (library)", (_scheme(_GNUTLS_KEYS), _digital_signature, _BYTES)),
    (
        "NSS",
        (_scheme(_NSS_KEYS), _purpose(any_counts=False), _digital_signature, _listed(as_written, "as NSS writes the names")),
    ),
    ("Firefox", (_scheme(_NSS_KEYS), _purpose(any_counts=False), _in_date, _BYTES)),
    (
        "Chrome",
        (_scheme(_BORING_KEYS), _purpose(), _in_date, _listed(names.comparison_key, "normalised as in RFC 5280, Section 7.1")),
    ),
    ("Schannel / .NET SslStream", (_scheme("RSA EC"), _listed(as_written, "as .NET writes the names"))),
    (".NET HttpClient", (_scheme("RSA EC"), _purpose(any_counts=False), _digital_signature, _names_ignored)),
    ("rustls", (_scheme(_RUSTLS_KEYS, sha1=False), _names_ignored)),
    ("BoringSSL (Envoy, gRPC)", (_scheme(_BORING_KEYS), _names_ignored)),
)


def _judge(rules: tuple[Rule, ...], case: Case) -> Ruling:
    last = Ruling(None, "no rule applies")
    for rule in rules:
        ruling = rule(case)
        if ruling is None:
            continue
        if ruling.sends is not True:
            return ruling
        last = ruling
    return last


def would_send(request: Request, credential: Credential, now: float | None = None) -> tuple[WouldSend, ...]:
    """One entry a client of ``CLIENTS``. ``now``, seconds since the epoch, for those that look at dates. Pure; never raises."""
    if not credential.chain:
        return ()
    case = Case(request, tuple(parse(der) for der in credential.chain), now)
    judged = ((client, _judge(rules, case)) for client, rules in CLIENTS)
    return tuple(WouldSend(client=client, sends=ruling.sends, why=ruling.why) for client, ruling in judged)
