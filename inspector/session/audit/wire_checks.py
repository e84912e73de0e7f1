"""Groups C and D: what the server asks for, and which versions and suites it speaks, by hellos of our own making."""

from __future__ import annotations

from typing import Any

from inspector.analysis.findings import Severity
from inspector.analysis.match import match as judge_match
from inspector.analysis.match import request_of
from inspector.der import certificate
from inspector.der.names import comparison_key
from inspector.plan import HelloPlan
from inspector.session.audit import repeating
from inspector.session.audit.auditor import Auditor, Checking, Doing
from inspector.session.audit.kit import certificate_name
from inspector.trace.transcript import Transcript
from inspector.wire import events as wire
from inspector.wire.events import Side
from inspector.wire.registry import CipherSuite, HandshakeType, SignatureScheme

# bytes of the list of names beyond which stacks fail: Schannel's and BoringSSL's 16 KiB, the JDK's 32 KiB
LIST_LIMITS: tuple[tuple[int, Severity, str], ...] = (
    (32 * 1024, "high", "Java clients refuse it"),
    (16 * 1024, "medium", "Windows and BoringSSL clients refuse it"),
)
PRIVATE_SUFFIXES = (".local", ".internal", ".corp", ".lan", ".intranet", ".home.arpa")
# RFC 9155: MD5 and SHA-1; DSA is no signature of TLS 1.3 and of nobody's certificates
OLD_HASHES = {0x01: "MD5", 0x02: "SHA-1"}
MODERN = {0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0809, 0x080A, 0x080B, 0x0807, 0x0808}
VERSION_NAMES = {0x0002: "SSLv2", 0x0300: "SSLv3", 0x0301: "TLS 1.0", 0x0302: "TLS 1.1", 0x0303: "TLS 1.2", 0x0304: "TLS 1.3"}
OPTIONS = {0x0300: "-ssl3", 0x0301: "-tls1", 0x0302: "-tls1_1"}  # of the openssl program
DH_BITS, BROKEN_DH_BITS = 2048, 1024  # shorter groups are weak; those below 1024 bits have been broken
DEFLATE = 1  # RFC 3749
OLD_VERSIONS = (0x0301, 0x0302, 0x0300, 0x0002)


def _requests(audit: Auditor) -> list[Any]:
    """All CertificateRequests of the audited name that could be read, parsed: TLS 1.2 and 1.3 may ask differently."""
    return [
        message.value
        for outcome in audit.own_outcomes
        if outcome.transcript is not None
        for message in outcome.transcript.messages(HandshakeType.CERTIFICATE_REQUEST, Side.SERVER)
        if hasattr(message.value, "authorities")
    ]


def _request(audit: Auditor) -> Any:
    """The CertificateRequest with the longest list of names, or None."""
    return max(_requests(audit), key=lambda request: request.authorities_bytes, default=None)


def ca_list(audit: Auditor) -> Checking:
    """REQ-CALIST: its size, and names that tell about the inside."""
    yield from ()
    request = _request(audit)
    if request is None:
        return audit.result("REQ-CALIST", "undecided", "the request could not be read")
    for limit, severity, why in LIST_LIMITS:
        if request.authorities_bytes > limit:
            return audit.result(
                "REQ-CALIST",
                "finding",
                f"the list of CA names takes {request.authorities_bytes} bytes: {why}",
                severity=severity,
                confidence="confirmed",
                facts=(f"{len(request.authorities)} names, {request.authorities_bytes} bytes",),
                control=f"limit of {limit} bytes",
                repeat=repeating.s_client(audit),
            )
    texts = [certificate_name(name) for name in request.authorities]
    inside = [text for text in texts if any(suffix in text.lower() for suffix in PRIVATE_SUFFIXES)]
    if inside:
        return audit.result(
            "REQ-CALIST",
            "finding",
            "the list of CA names shows internal host names to everybody",
            severity="low",
            confidence="confirmed",
            facts=tuple(inside[:3]),
            control="CertificateRequest, sent before any authentication",
            repeat=repeating.s_client(audit),
        )
    return audit.result("REQ-CALIST", "pass", f"{len(texts)} names, {request.authorities_bytes} bytes")


def match(audit: Auditor) -> Checking:
    """REQ-MATCH: does the list name a CA of the good chain?"""
    yield from ()
    request = _request(audit)
    if request is None:
        return audit.result("REQ-MATCH", "undecided", "the request could not be read")
    if not request.authorities:
        return audit.result("REQ-MATCH", "pass", "the list is empty: every client sends what it has")
    assert audit.settings.credential is not None
    issuers = {comparison_key(certificate.parse(der).issuer_der) for der in audit.settings.credential.chain}
    if issuers & {comparison_key(name) for name in request.authorities}:
        return audit.result("REQ-MATCH", "pass", "the list names a CA of your credential")
    return audit.result(
        "REQ-MATCH",
        "finding",
        "the list names no CA of your credential: many clients will send nothing",
        confidence="confirmed",
        facts=tuple(certificate_name(name) for name in request.authorities[:3]),
        control="issuers of your chain: " + ", ".join(certificate.parse(der).issuer for der in audit.settings.credential.chain),
        repeat=repeating.s_client(audit),
    )


def signature_schemes(audit: Auditor) -> Checking:
    """REQ-SIGALGS: old hashes, whether a modern scheme is there, and one that your key can sign with."""
    yield from ()
    request = _request(audit)
    if request is None:
        return audit.result("REQ-SIGALGS", "undecided", "the request could not be read")
    schemes = list(dict.fromkeys(int(scheme) for seen in _requests(audit) for scheme in seen.signature_schemes))
    if not schemes:
        return audit.result("REQ-SIGALGS", "undecided", "the request names no signature algorithms (TLS 1.1 or older)")
    labels = tuple(SignatureScheme(code).label for code in schemes)
    old = tuple(label for label, code in zip(labels, schemes, strict=True) if code >> 8 in OLD_HASHES)
    found = _misfit(audit)
    if not set(schemes) & MODERN:
        found.append(("medium", "neither ECDSA nor RSA-PSS nor EdDSA is offered", labels, "RFC 8446, 4.2.3"))
    if old:
        found.append(("low", f"old hashes are offered: {', '.join(old)}", old, "RFC 9155"))
    if not found:
        return audit.result("REQ-SIGALGS", "pass", f"{len(schemes)} schemes, none of them with MD5 or SHA-1")
    severity, words, facts, control = max(found, key=lambda one: one[0] == "medium")
    return audit.result(
        "REQ-SIGALGS", "finding", words, severity=severity, confidence="confirmed", facts=facts, control=control,
        repeat=repeating.s_client(audit),
    )  # fmt: skip


def _misfit(audit: Auditor) -> list[tuple[Severity, str, tuple[str, ...], str]]:
    """Where the key of your credential can make none of the signatures that a request asks for; less bad where another version's
    request takes it.
    """
    credential = audit.settings.credential
    requests = dict.fromkeys(request_of(seen) for seen in _requests(audit))
    rules = [rule for request in requests for rule in judge_match(request, credential) if rule.rule == "signature-scheme"]
    wrong = next((rule.detail for rule in rules if rule.ok is False), None)
    if wrong is None:
        return []
    severity: Severity = "low" if any(rule.ok for rule in rules) else "medium"
    return [(severity, wrong, (wrong,), "RFC 8446, 4.2.3, and the key of your credential")]


def _hello(audit: Auditor, name: str, pieces: tuple[bytes, ...]) -> Doing[tuple[int | None, Any]]:
    """Send one hello; returns the version that the server chose, or None, and its ServerHello."""
    return _chosen((yield from _answer(audit, name, pieces)))


def _answer(audit: Auditor, name: str, pieces: tuple[bytes, ...]) -> Doing[Transcript | None]:
    """Send one hello; returns what came of it."""
    plan = HelloPlan(audit.base.road, pieces, name=name, timeouts=audit.settings.timeouts)
    outcome = yield from audit.send(plan, f"{name}, a ClientHello of our own")
    return outcome.transcript


def _chosen(transcript: Transcript | None) -> tuple[int | None, Any]:
    if transcript is None:
        return None, None
    for message in transcript.messages(None, Side.SERVER):
        if message.type in (HandshakeType.SERVER_HELLO, HandshakeType.HELLO_RETRY_REQUEST) and hasattr(
            message.value, "cipher_suite"
        ):
            return int(message.value.version), message.value
    # an SSLv2 server answers in its own form, which the decoder names
    ssl2 = any(e.looks_like == "sslv2" for e in transcript.all(wire.NotTls) if e.side is Side.SERVER)
    return (0x0002, None) if ssl2 else (None, None)


def versions(audit: Auditor) -> Checking:
    """PROTO-VERSION: which versions the server agrees to."""
    from inspector.wire import hello

    spoken: list[int] = []
    # one hello that allows all of them first: where that is refused, none needs a try of its own
    highest = hello.client_hello(0x0302, server_name=audit.base.server_name)
    anything, _ = yield from _hello(audit, "offer of TLS 1.1 or older", (highest,))
    for version in OLD_VERSIONS if anything is not None and anything <= 0x0302 else (0x0002,):
        pieces = hello.sslv2_hello() if version == 0x0002 else hello.client_hello(version, server_name=audit.base.server_name)
        chosen, _ = yield from _hello(audit, f"offer of {VERSION_NAMES[version]} alone", (pieces,))
        if chosen == version:
            spoken.append(version)
    old = [VERSION_NAMES[v] for v in spoken]
    if spoken:
        worst: Severity = "high" if min(spoken) <= 0x0300 else "medium"
        return audit.result(
            "PROTO-VERSION",
            "finding",
            f"the server agrees to {', '.join(old)}",
            severity=worst,
            confidence="confirmed",
            facts=tuple(f"ServerHello with {name}" for name in old),
            control="a hello that offers nothing else",
            repeat="\n".join(repeating.s_client(audit, OPTIONS[v], "-cipher", "ALL:@SECLEVEL=0") for v in spoken if v in OPTIONS),
        )
    beyond = [version for version in audit.versions if version not in audit.profile.versions]
    if beyond:
        return audit.result(
            "PROTO-VERSION",
            "finding",
            f"the server agrees to TLS {', '.join(beyond)}, which {audit.profile} does not",
            severity="medium",
            confidence="confirmed",
            facts=tuple(f"handshake with TLS {version}" for version in beyond),
            control=f"profile {audit.profile}: TLS {', '.join(audit.profile.versions)}",
            repeat=repeating.s_client(audit, "-tls1_2"),
        )
    if audit.versions and "1.3" not in audit.versions:
        return audit.result(
            "PROTO-VERSION",
            "finding",
            "TLS 1.3 is missing; in TLS 1.2 the client's certificate is sent in the clear",
            severity="low",
            confidence="confirmed",
            facts=("a handshake that offers TLS 1.3 ends in TLS 1.2",),
            control="RFC 8446, Appendix E.1.5",
            repeat=repeating.s_client(audit, "-tls1_3"),
        )
    if not audit.versions:
        return audit.result("PROTO-VERSION", "undecided", "no version could be agreed on")
    words = f"TLS {' and '.join(sorted(audit.versions))} only, as {audit.profile} has it"
    return audit.result("PROTO-VERSION", "pass", words)


class _Weakness:
    """Suites of one kind that a hello of ours offers alone."""

    def __init__(self, words: str, severity: Severity, fits: Any) -> None:
        self.words, self.severity, self.fits = words, severity, fits


# by the suite's IANA name: (kind, severity, what belongs to it)
WEAK_SUITES = (
    _Weakness("no encryption (NULL)", "high", lambda n: "_WITH_NULL" in n),
    _Weakness("anonymous key exchange", "high", lambda n: "_anon_" in n),
    _Weakness("export, DES or RC2 suites", "high", lambda n: "EXPORT" in n or "_DES_" in n or "_DES40_" in n or "RC2" in n),
    _Weakness("RC4", "medium", lambda n: "RC4" in n),
    _Weakness("3DES", "medium", lambda n: "3DES" in n),
    _Weakness(
        "no forward secrecy (RSA key exchange)",
        "medium",
        lambda n: n.startswith(("TLS_RSA_WITH_AES", "TLS_RSA_WITH_CAMELLIA")),
    ),
    _Weakness(
        "CBC with SHA-1",
        "low",
        lambda n: ("ECDHE" in n or "_DHE_" in n) and n.endswith("CBC_SHA") and "3DES" not in n and "anon" not in n,
    ),
)


def _weak_suites(audit: Auditor) -> Doing[list[tuple[Severity, str]]]:
    """(severity, words) of each kind of weak suite that is agreed to. One hello offers all kinds; those that the server does not
    choose from then need no try of their own.
    """
    from inspector.wire import hello

    kinds = {
        weakness: tuple(code for code, name in CipherSuite.NAMES.items() if weakness.fits(name) and "GREASE" not in name)
        for weakness in WEAK_SUITES
    }
    found: list[tuple[Severity, str]] = []
    while kinds:
        offered = tuple(code for codes in kinds.values() for code in codes)
        words = " or ".join(weakness.words for weakness in kinds)
        chosen, answer = yield from _hello(
            audit, f"offer of {words}", (hello.client_hello(0x0303, cipher_suites=offered, server_name=audit.base.server_name),)
        )
        hit = next((w for w, codes in kinds.items() if answer is not None and int(answer.cipher_suite) in codes), None)
        if chosen is None or hit is None:
            break
        found.append((hit.severity, f"{hit.words}: {CipherSuite(answer.cipher_suite).label}"))
        del kinds[hit]
    return found


def _beyond_profile(audit: Auditor) -> Doing[list[tuple[Severity, str]]]:
    """A suite of TLS 1.2 that is not weak in any known way, and that the profile does not have either."""
    from inspector.wire import hello

    names = CipherSuite.NAMES.items()
    offered = tuple(
        code
        for code, name in names
        if name.startswith(("TLS_ECDHE_", "TLS_DHE_")) and name not in audit.profile.suites and "PSK" not in name
        and not any(weakness.fits(name) for weakness in WEAK_SUITES)
    )  # fmt: skip
    words = f"offer of what {audit.profile} leaves out"
    _, answer = yield from _hello(
        audit, words, (hello.client_hello(0x0303, cipher_suites=offered, server_name=audit.base.server_name),)
    )
    if answer is None or int(answer.cipher_suite) not in offered:
        return []
    return [("low", f"not in {audit.profile}: {CipherSuite(answer.cipher_suite).label}")]


def _short_group(audit: Auditor) -> Doing[list[tuple[Severity, str]]]:
    """The finite-field group of the key exchange, where it is shorter than 2048 bits (RFC 9325, 4.4)."""
    from inspector.wire import hello

    offered = tuple(code for code, name in CipherSuite.NAMES.items() if name.startswith("TLS_DHE_") and "EXPORT" not in name)
    pieces = (hello.client_hello(0x0303, cipher_suites=offered, server_name=audit.base.server_name),)
    transcript = yield from _answer(audit, "offer of finite-field Diffie-Hellman alone", pieces)
    _, answer = _chosen(transcript)
    sent = transcript.messages(HandshakeType.SERVER_KEY_EXCHANGE, Side.SERVER) if transcript is not None else []
    bits = next((8 * len(value) for m in sent if (value := getattr(m.value, "dh_p", b"").lstrip(bytes(1)))), DH_BITS)
    if answer is None or bits >= DH_BITS:
        return []
    severity: Severity = "high" if bits < BROKEN_DH_BITS else "medium"
    return [(severity, f"a Diffie-Hellman group of {bits} bits: {CipherSuite(answer.cipher_suite).label}")]


def _agreed_again(audit: Auditor, found: list[str]) -> str:
    """A handshake for each suite that was found, and a plain one for what shows in any."""
    suites = [words.rpartition(": ")[2] for words in found if ": TLS_" in words]
    lines = [repeating.s_client(audit, "-tls1_2", "-cipher", f"{repeating.openssl_suite(suite)}:@SECLEVEL=0") for suite in suites]
    return "\n".join([*lines, *([repeating.s_client(audit, "-tls1_2")] if len(suites) < len(found) else [])])


def ciphers(audit: Auditor) -> Checking:
    """PROTO-CIPHERS: weak suites, one kind a hello; extended master secret, safe renegotiation and compression in TLS 1.2."""
    if "1.2" not in audit.versions and audit.versions:
        return audit.result("PROTO-CIPHERS", "pass", "TLS 1.3 only: every suite has forward secrecy and authenticated encryption")
    from inspector.wire import hello

    found = yield from _weak_suites(audit)
    found += yield from _beyond_profile(audit)
    found += yield from _short_group(audit)
    plain = hello.client_hello(0x0303, server_name=audit.base.server_name, compression_methods=(DEFLATE, 0))
    _, answer = yield from _hello(audit, "plain TLS 1.2 offer", (plain,))
    if answer is not None:
        kinds = {int(extension.type) for extension in answer.extensions}
        found += [] if 23 in kinds else [("low", "no extended master secret (RFC 7627)")]
        found += [] if 0xFF01 in kinds else [("medium", "no safe renegotiation (RFC 5746)")]
        found += [("medium", "TLS compression")] if int(answer.compression_method) else []
    if not found:
        return audit.result("PROTO-CIPHERS", "pass", f"no weak suite and none beyond {audit.profile} is agreed to")
    worst = max((severity for severity, _ in found), key=("info", "low", "medium", "high", "critical").index)
    return audit.result(
        "PROTO-CIPHERS",
        "finding",
        "; ".join(words for _, words in found),
        severity=worst,
        confidence="confirmed",
        facts=tuple(words for _, words in found),
        control="hellos that offer nothing else",
        repeat=_agreed_again(audit, [words for _, words in found]),
    )
