"""What can be tried to tell causes apart: counterfactual handshakes, each with what is different in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from inspector.analysis.observations import HELLO, Observed
from inspector.credentials.model import Credential
from inspector.plan import Channel, Conversation, HandshakePlan, TlsVersion
from inspector.session.gathering import Facts

READ_ONLY_SECONDS = 1.5
SMALL_GROUPS = "X25519:P-256"
# ends in the hello phase that name no reason, so that an extension of ours may be to blame
WITHOUT_A_REASON = frozenset({
    HELLO + signal for signal in ("close", "reset", "alert:40", "alert:47", "alert:50", "alert:80", "alert:110")
})
LARGE_HELLO = 1200  # bytes; what is smaller fits one packet


class Probe(NamedTuple):
    """One counterfactual handshake: what differs from the first, and how to make its plan (late: keys are dear)."""

    name: str
    differs: str
    plan: Callable[[], HandshakePlan]


def _kind_of_key(leaf: bytes) -> str:
    """The kind of key that ``credentials.mint`` makes for a throw-away like this certificate."""
    from inspector.der.certificate import parse

    cert = parse(leaf)
    if cert.key_type == "RSA":
        return "rsa-2048"
    curve = (cert.key_curve or "").replace("-", "").lower().removeprefix("secp").removesuffix("r1")
    kinds = {"EC": f"ec-p{curve.removeprefix('p')}", "Ed25519": "ed25519", "Ed448": "ed448"}
    kind = kinds.get(cert.key_type or "", "ec-p256")
    return kind if kind in {"ec-p256", "ec-p384", "ec-p521", "ed25519", "ed448"} else "ec-p256"


def _self_signed(chain: tuple[bytes, ...]) -> Credential:
    from inspector.credentials import mint

    return mint.leaf("mtls-inspector probe", key=_kind_of_key(chain[0])).credential("throw-away, self-signed")


def _lookalike(chain: tuple[bytes, ...], listed: bytes) -> Credential:
    from inspector.credentials import mint

    twin = mint.authority("probe", subject=listed)
    made = mint.leaf("mtls-inspector probe", twin, key=_kind_of_key(chain[0]), issuer_name=listed)
    return made.credential("throw-away, of a CA with the trusted name")


def certificate_probes(plan: HandshakePlan, facts: Facts) -> tuple[Probe, ...]:
    """What can be tried to tell the causes of a refusal apart. Only throw-away credentials and your own are presented."""
    observed, credential = facts.observed, plan.credential
    chain = credential.chain if credential is not None else ()
    if credential is None or not observed.sent:
        return ()

    def presenting(name: str, make: Callable[[], Credential | None]) -> Callable[[], HandshakePlan]:
        return lambda: plan._replace(name=name, credential=make())

    found = [
        without_certificate(plan),
        Probe("throw-away self-signed certificate", "a self-signed certificate with the same type of key",
              presenting("throw-away self-signed certificate", lambda: _self_signed(chain))),
    ]
    if facts.auth.authorities:
        listed = facts.auth.authorities[0]
        found.append(Probe("throw-away CA with the trusted name", f"a certificate of a made-up CA named '{observed.listed[0]}'",
                           presenting("throw-away CA with the trusted name", lambda: _lookalike(chain, listed))))
    if len(chain) > 1:
        alone = credential._replace(chain=chain[:1])
        found.append(Probe("same certificate alone", "your certificate without the others in its file",
                           presenting("same certificate alone", lambda: alone)))
    whole = (*facts.standing.sorted_chain, *facts.standing.missing)
    # without what is missing at hand, dropping the rest makes nothing whole
    completed = bool(facts.standing.missing) or observed.relation in {"linked", "partial"}
    if completed and whole[:1] == chain[:1] and whole != chain and set(whole) != set(chain) - _roots(chain):
        complete = credential._replace(chain=whole)
        found.append(Probe("same certificate with its whole chain", f"{len(whole)} certificates, completed from CAs known here",
                           presenting("same certificate with its whole chain", lambda: complete)))
    elif "chain-order" in observed.findings and whole[:1] == chain[:1]:
        ordered = credential._replace(chain=whole)
        found.append(Probe("same certificate with its whole chain", "the same certificates in order",
                           presenting("same certificate with its whole chain", lambda: ordered)))
    found += _version_probes(plan, observed)
    return tuple(found)


def _roots(chain: tuple[bytes, ...]) -> set[bytes]:
    from inspector.der.certificate import parse

    return {der for der in chain[1:] if parse(der).is_self_issued}


def _version_probes(plan: HandshakePlan, observed: Observed) -> list[Probe]:
    """The other TLS version, where the user's limits allow it."""
    found = []
    for text, version in (("1.2", TlsVersion.TLS1_2), ("1.3", TlsVersion.TLS1_3)):
        low = plan.minimum.value if plan.minimum else 0
        high = plan.maximum.value if plan.maximum else 0xFFFF
        if observed.tls == text or not low <= version.value <= high:
            continue
        name = f"over TLS {text}"
        found.append(Probe(name, f"TLS {text} only", lambda name=name, version=version: plan._replace(  # type: ignore[misc]
            name=name, minimum=version, maximum=version)))
    return found


# where no ClientHello was read, another one changes nothing
NO_HELLO = frozenset({"network", "plain", "prelude:refused", "prelude:name"})


def hello_probes(plan: HandshakePlan, observed: Observed) -> tuple[Probe, ...]:
    """What can be tried where it never came to certificates. None of them presents a credential."""
    bare = plan._replace(credential=None)
    found: list[Probe] = []
    signal = observed.signal.removeprefix(HELLO)
    if (observed.hello_size or 0) > LARGE_HELLO and signal in {"silence", "reset", "close"} and plan.groups is None:
        found.append(Probe("small ClientHello", "small key shares only, so that the ClientHello fits one packet",
                           lambda: bare._replace(name="small ClientHello", groups=SMALL_GROUPS)))
    if plan.server_name is not None and signal not in NO_HELLO:
        found.append(Probe("without a server name", "no SNI", lambda: bare._replace(name="without a server name",
            server_name=None)))
    if plan.alpn and signal not in NO_HELLO:
        found.append(Probe("without ALPN", "no ALPN", lambda: bare._replace(name="without ALPN", alpn=())))
    if signal not in NO_HELLO and plan.minimum is None:
        found.append(Probe("all versions", "TLS 1.0 and 1.1, too, up to your limit", lambda: bare._replace(
            name="all versions", minimum=TlsVersion.TLS1_0, security_level=0)))
    if plan.ciphers is None and signal not in NO_HELLO:
        found.append(Probe("all ciphers", "every cipher suite that OpenSSL has", lambda: bare._replace(
            name="all ciphers", ciphers="ALL:COMPLEMENTOFALL", security_level=0)))
    return tuple(found)


def read_only(plan: HandshakePlan) -> Probe:
    """The first try once more, only listening: an alert that was lost to our writing is heard then."""
    quiet = plan.timeouts._replace(verdict=READ_ONLY_SECONDS)
    return Probe("again, without writing", "nothing is sent after the handshake, to hear an alert that may have been lost",
                 lambda: plan._replace(name="again, without writing", application=None, timeouts=quiet))


def without_certificate(plan: HandshakePlan) -> Probe:
    """The first try without a credential."""
    return Probe("no certificate", "no certificate is sent", lambda: plan._replace(name="no certificate", credential=None))


def over_http2(plan: HandshakePlan) -> Probe:
    """The first try with HTTP/2 and nothing else."""
    return Probe("with HTTP/2", "ALPN offers h2", lambda: plan._replace(name="with HTTP/2", alpn=("h2",)))


def over_tls12(plan: HandshakePlan) -> Probe:
    """The first try over TLS 1.2."""
    name = "over TLS 1.2, to be asked"
    return Probe(name, "TLS 1.2 only", lambda: plan._replace(
        name=name, minimum=TlsVersion.TLS1_2, maximum=TlsVersion.TLS1_2))


def privileged(plan: HandshakePlan, step: Callable[[Channel], Conversation]) -> tuple[Probe, Probe]:
    """A first step that not everybody may take, with our certificate and without one."""
    name = "a step that not everybody may take"
    without = f"{name}, without a certificate"
    return (
        Probe(name, "asks whether a letter, or a login, would be taken, and takes it back", lambda: plan._replace(
            name=name, application=step)),
        Probe(without, "the same without a certificate", lambda: plan._replace(name=without, application=step, credential=None)),
    )


class Second(NamedTuple):
    """Another way to make the first try, where that got stuck in the hello phase. If it gets further, all else goes that way."""

    probe: Probe
    note: str


def second_try(plan: HandshakePlan, signal: str, *, http: bool) -> Second | None:
    """What may get further than a first try that ended with this signal; None where nothing is known."""
    if signal == HELLO + "alert:120" and http and "h2" not in plan.alpn:
        return Second(over_http2(plan), "the server speaks HTTP/2 only: all else was tried with it")
    if signal in WITHOUT_A_REASON:
        probe = Probe("without asking for a staple", "the ClientHello does not ask for a stapled OCSP response",
                      lambda: plan._replace(staple=False))
        return Second(
            probe, "the server fails on a ClientHello that asks for a stapled OCSP response; all else was tried without asking")
    return None
