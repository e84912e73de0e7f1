"""The server's side: is it what it claims to be, and if not, what is wrong and who has to do what?

OpenSSL's verification decides (its errors come from the transcript or from ``engine.verify``); everything here explains it. Pure:
the time is passed in, nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from inspector.analysis import chain as chains
from inspector.analysis import flights, hostname, profile, second_opinion, staple
from inspector.analysis.findings import Evidence, Finding, Severity
from inspector.analysis.x509_errors import meaning
from inspector.der.certificate import Certificate, parse
from inspector.der.extensions import Timestamp, read_timestamps
from inspector.der.reader import DerError
from inspector.der.times import to_datetime
from inspector.plan import HandshakePlan
from inspector.trace import events as ev
from inspector.trace.transcript import Transcript
from inspector.wire.events import Side
from inspector.wire.messages import CertificateStatus, ServerHello, certificate_of
from inspector.wire.registry import HandshakeType

DAY = 86400.0
STATUS_REQUEST, TIMESTAMPS = 5, 18  # TLS extensions: RFC 6066, Section 8; RFC 6962, Section 3.3.1
SERVER_AUTH, ANY_PURPOSE = "1.3.6.1.5.5.7.3.1", "2.5.29.37.0"
PUBLIC_LIFETIME_DAYS = 398  # CA/Browser Forum, Baseline Requirements 6.3.2; shorter from 2026 on
SMALLEST_BITS = {"RSA": 2048, "RSA-PSS": 2048, "DSA": 2048, "EC": 224}
WEAK_HASHES = ("SHA1", "sha1", "md5", "md4", "md2", "SHA-1", "MD5")


class Explained(NamedTuple):
    """One error of OpenSSL's verification with its certificate and what to do."""

    depth: int
    code: int
    name: str
    subject: str | None
    summary: str
    remedy: str


class Delivered(NamedTuple):
    """What a server sent about itself. ``staple`` is an OCSP response, ``timestamps`` an SCT list of the TLS extension."""

    chain: tuple[bytes, ...]
    staple: bytes | None = None
    timestamps: bytes | None = None


class Verification(NamedTuple):
    """``trusted`` and ``host_matches`` are OpenSSL's verdicts, None where it was not asked. ``second`` is a sentence."""

    trusted: bool | None
    host_matches: bool | None
    errors: tuple[Explained, ...]
    path: tuple[bytes, ...]
    host: hostname.HostVerdict | None
    shape: chains.Shape
    staple: staple.Staple | None
    findings: tuple[Finding, ...]
    second: str | None


def explain_errors(errors: Sequence[Any]) -> tuple[Explained, ...]:
    """Errors with depth, code, name and certificate (of the trace or of ``engine.verify``), each once, deepest last."""
    found = dict.fromkeys((error.depth, error.code, error.name, error.certificate) for error in errors)
    return tuple(
        Explained(depth, code, name, parse(der).title if der else None, *meaning(code)) for depth, code, name, der in found
    )


# --- findings about single certificates ------------------------------------------------------------------------------------


def _date(moment: float) -> str:
    return to_datetime(moment).strftime("%Y-%m-%d %H:%M UTC")


def _lifetime(leaf: Certificate, now: float) -> list[Finding]:
    if leaf.not_before is None or leaf.not_after is None:
        return []
    left, whole = (leaf.not_after - now) / DAY, (leaf.not_after - leaf.not_before) / DAY
    found: list[Finding] = []
    severity: Severity = "high" if left < 7 else "low"
    # a certificate that lives for days (SPIFFE, ACME's short-lived ones) is renewed late on purpose
    if 0 <= left < min(30.0, whole / 3):
        found.append(Finding(
            id="expires-soon", severity=severity, summary=f"the certificate expires in {left:.0f} days",
            evidence=(Evidence(f"notAfter is {_date(leaf.not_after)}"),), remedy="renew it, and check that renewal runs by itself",
        ))
    if whole > PUBLIC_LIFETIME_DAYS + 1:
        found.append(Finding(
            id="long-lifetime", severity="info", summary=f"the certificate is valid for {whole:.0f} days",
            evidence=(Evidence(f"public authorities may issue for {PUBLIC_LIFETIME_DAYS} days at most"),),
            remedy="prefer short lifetimes with automatic renewal",
        ))
    return found


def weak_key(certificate: Certificate) -> str | None:
    """The certificate and its key, where that is too short; else None."""
    least = SMALLEST_BITS.get(certificate.key_type or "")
    bits = certificate.key_bits
    return f"{certificate.title}: {certificate.key_type} of {bits} bits" if least and bits and bits < least else None


def weak_signature(certificate: Certificate) -> str | None:
    """The certificate and its signature, where that uses SHA-1 or older, and somebody else made it; else None."""
    name = certificate.signature_algorithm or ""
    weak = not certificate.is_self_issued and any(word in name for word in WEAK_HASHES)
    return f"{certificate.title}: {name}" if weak else None


def _strength(path: Sequence[Certificate]) -> list[Finding]:
    rows = (
        ("weak-key", [weak_key(c) for c in path], "a key is too short", "use RSA of at least 2048 bits, or P-256"),
        ("weak-signature", [weak_signature(c) for c in path], "a signature uses SHA-1 or older", "reissue with SHA-256"),
    )
    return [
        Finding(id=id_, severity="high", summary=summary, evidence=tuple(Evidence(t) for t in texts if t), remedy=remedy)
        for id_, texts, summary, remedy in rows if any(texts)
    ]


def _purpose(leaf: Certificate) -> list[Finding]:
    purposes = leaf.ext.extended_key_usage
    if purposes is None or SERVER_AUTH in purposes or ANY_PURPOSE in purposes:
        return []
    return [Finding(
        id="wrong-eku", severity="high", summary="the certificate is not meant for servers",
        evidence=(Evidence(f"extendedKeyUsage: {', '.join(leaf.ext.purposes or ())}"),), remedy="have it issued with serverAuth",
    )]


def _unreadable(path: Sequence[Certificate]) -> list[Finding]:
    texts = [f"{certificate.title}: {certificate.problem}" for certificate in path if certificate.problem]
    if not texts:
        return []
    return [Finding(
        id="encoding", severity="low", summary="a certificate breaks the rules of its encoding",
        evidence=tuple(map(Evidence, texts)), remedy="have it issued by software that encodes DER; strict clients refuse it",
    )]


def _host(verdict: hostname.HostVerdict | None) -> list[Finding]:
    if verdict is None or not verdict.common_name_only:
        return []
    return [Finding(
        id="common-name-only", severity="high", summary="the host stands only in the subject's CN, which clients no longer read",
        evidence=(Evidence(verdict.text),), remedy="have it issued with the host as a DNS name in subjectAltName",
    )]


# --- certificate transparency ----------------------------------------------------------------------------------------------


def _listed(timestamps: Sequence[Timestamp]) -> tuple[Evidence, ...]:
    from inspector.analysis.ct_logs import log_name

    latest = 253402300799.0  # the end of year 9999
    return tuple(Evidence(f"log {log_name(stamp.log_id)} on {_date(min(stamp.at, latest))}") for stamp in timestamps[:10])


def _transparency(leaf: Certificate, in_handshake: bytes | None) -> list[Finding]:
    inside = leaf.ext.timestamps
    try:
        beside = read_timestamps(in_handshake) if in_handshake else ()
    except DerError:
        beside = ()
    stamps = (*inside, *beside)
    if not stamps:
        return []
    source = " and ".join(place for place, found in (("in the certificate", inside), ("in the handshake", beside)) if found)
    logs = len({stamp.log_id for stamp in stamps})
    return [Finding(
        id="transparency", severity="info", summary=f"{len(stamps)} signed timestamps of {logs} transparency logs, {source}",
        evidence=_listed(stamps),
    )]


# --- the whole -------------------------------------------------------------------------------------------------------------


def judge(
    delivered: Delivered, *, now: float, errors: Sequence[Any] = (), path: Sequence[bytes] = (), trusted: bool | None = None,
    host_matches: bool | None = None, name: str | None = None, anchors: Sequence[bytes] = (),
) -> Verification:
    """Explain a server's certificates as of ``now``.

    ``errors``, ``path``, ``trusted`` and ``host_matches`` are OpenSSL's findings. ``anchors`` are roots for the second opinion,
    beside the one that OpenSSL's path ends in. Never raises.
    """
    shape = chains.shape_of(delivered.chain, path)
    explained = explain_errors(errors)
    if not shape.sent:
        return Verification(trusted, host_matches, explained, tuple(path), None, shape, None, (), None)
    leaf = shape.sent[0]
    certificates = [parse(der) for der in path] or [shape.sent[i] for i in shape.path]
    verdict = hostname.explain(leaf, name) if name else None
    issuer = certificates[1] if len(certificates) > 1 else None
    status = staple.read(delivered.staple, leaf, issuer) if delivered.staple else None
    findings = (
        *chains.findings_of(shape, trusted), *_unreadable(certificates), *_host(verdict), *_purpose(leaf), *_lifetime(leaf, now),
        *_strength(certificates), *staple.findings_of(status, leaf, now), *_transparency(leaf, delivered.timestamps),
        *profile.findings_of([c.der for c in certificates]),
    )
    return Verification(
        trusted, host_matches, explained, tuple(path), verdict, shape, status, findings,
        _second(delivered.chain, path, anchors, name, now, trusted, host_matches),
    )


def _second(
    chain: Sequence[bytes], path: Sequence[bytes], anchors: Sequence[bytes], name: str | None, now: float, trusted: bool | None,
    host_matches: bool | None,
) -> str | None:
    if trusted is None:
        return None
    roots = tuple(dict.fromkeys((*anchors, *(path[-1:] if trusted else ()))))
    return second_opinion.compare(trusted and host_matches is not False, second_opinion.ask(chain, roots, name, now))


def _extension(extensions: Sequence[Any], number: int) -> Any:
    return next((item.value for item in extensions if item.type == number), None)


def delivered_by(transcript: Transcript) -> Delivered | None:
    """What the server of a connection sent about itself; None where no Certificate message of it could be read."""
    chain = flights.server_chain(transcript)
    if chain is None:
        return None
    response, timestamps = _beside_certificate(transcript)
    for message in transcript.messages(HandshakeType.CERTIFICATE_STATUS, Side.SERVER):
        if isinstance(message.value, CertificateStatus):
            response = response or next(iter(message.value.status.responses), None)
    for message in transcript.messages(HandshakeType.SERVER_HELLO, Side.SERVER):
        if isinstance(message.value, ServerHello):
            timestamps = timestamps or _as_bytes(_raw(message.value.extensions, TIMESTAMPS))
    return Delivered(chain, response, timestamps)


def _as_bytes(value: Any) -> bytes | None:
    return value if isinstance(value, bytes) else None


def _raw(extensions: Sequence[Any], number: int) -> bytes | None:
    return next((item.data for item in extensions if item.type == number), None)


def _beside_certificate(transcript: Transcript) -> tuple[bytes | None, bytes | None]:
    """Staple and timestamps in the extensions of the first CertificateEntry (TLS 1.3)."""
    message = next(iter(flights.certificate_messages(transcript, Side.SERVER)), None)
    value = certificate_of(message.value) if message is not None else None
    if value is None or not value.entries:
        return None, None
    extensions = value.entries[0].extensions
    status = _extension(extensions, STATUS_REQUEST)
    return next(iter(getattr(status, "responses", ())), None), _raw(extensions, TIMESTAMPS)


def of_transcript(transcript: Transcript, now: float) -> Verification | None:
    """Explain the server of one connection as of ``now``; None where it showed no certificate. Never raises."""
    delivered = delivered_by(transcript)
    if delivered is None:
        return None
    plan = transcript.plan if isinstance(transcript.plan, HandshakePlan) else None
    judged = transcript.last(ev.Judged)
    return judge(
        delivered, now=now, errors=transcript.all(ev.CertificateError),
        path=judged.path if judged else (), trusted=judged.trusted if judged else None,
        host_matches=judged.host_matches if judged else None, name=plan.verify_name if plan else None,
        anchors=plan.trust.anchors if plan else (),
    )
