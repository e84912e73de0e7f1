"""The headers by which proxies tell applications of a client certificate, in every dialect that is known here, as groups.

Recipes for nginx, HAProxy, Apache and ingress-nginx; Envoy's X-Forwarded-Client-Cert, Traefik, RFC 9440, and the clouds' own.
"""

from __future__ import annotations

import base64
from typing import NamedTuple
from urllib.parse import quote

Header = tuple[str, str]
Group = tuple[Header, ...]

VERIFY = (
    "X-SSL-Client-Verify", "X-Client-Verify", "SSL-Client-Verify", "X-SSL-Verify", "X-Client-Cert-Verify", "X-Client-Verified",
    "X-SSL-Client-Verified", "X-Client-Cert-Verified", "X-Cert-Verify", "X-TLS-Client-Verify", "X-MTLS-Verify", "X-Mtls-Verified",
    "X-Forwarded-Client-Verify", "X-Ssl-Client-Status", "X-Client-Certificate-Verify",
)  # fmt: skip
NAME = (
    "X-SSL-Client-S-DN", "X-SSL-Client-DN", "X-SSL-Client-Subject", "X-SSL-Client-Subject-DN", "SSL-Client-S-DN", "X-Client-DN",
    "X-Client-S-DN", "X-Client-Subject", "X-Client-Subject-DN", "SSL-Client-Subject-Dn", "X-TLS-Client-Subject", "X-TLS-Client-DN",
    "X-Client-Cert-Subject", "X-Client-Cert-DN", "X-Cert-Subject", "X-Cert-DN", "X-Amzn-Mtls-Clientcert-Subject",
    "X-Forwarded-Client-DN", "X-Mtls-Subject", "X-Subject-DN",
)  # fmt: skip
COMMON_NAME = (
    "X-SSL-Client-CN", "X-Client-CN", "X-TLS-Client-CN", "X-SSL-Client-S-DN-CN", "X-Client-Cert-CN", "X-Cert-CN", "X-Mtls-CN",
    "X-Client-Name", "X-Client-Identity", "X-Client-ID", "X-SSL-User", "X-Remote-User", "X-Forwarded-User", "X-User",
    "X-Authenticated-User", "Remote-User",
)  # fmt: skip
CERT = (
    "X-SSL-Client-Cert", "X-Client-Cert", "SSL-Client-Cert", "X-SSL-Cert", "X-Client-Certificate", "X-Forwarded-Tls-Client-Cert",
    "X-ARR-ClientCert", "X-Amzn-Mtls-Clientcert", "X-Amzn-Mtls-Clientcert-Leaf", "Cf-Client-Cert-Der-Base64", "X-TLS-Client-Cert",
)  # fmt: skip
DER_ONLY = ("X-ARR-ClientCert", "Cf-Client-Cert-Der-Base64")
PEM_ONLY = ("X-Amzn-Mtls-Clientcert", "X-Amzn-Mtls-Clientcert-Leaf")
PRESENT = (
    "X-Client-Cert-Present", "X-Client-Cert-Chain-Verified", "Cf-Client-Cert-Verified", "X-Client-Authenticated",
    "X-Mtls-Authenticated", "X-Authenticated", "X-SSL-Client-Auth", "X-Client-Auth", "X-Mtls", "X-SSL",
)  # fmt: skip

# where a request came from, and what it was for, as proxies tell it
CLIENT = ("X-Forwarded-For", "X-Real-IP", "X-Client-IP", "X-Originating-IP", "X-Remote-Addr", "True-Client-IP")
INSIDE = ("127.0.0.1", "10.0.0.1")
ORIGINAL = ("X-Original-URL", "X-Rewrite-URL")

ROOM, HEADERS = 8000, 90  # bytes and number of headers in one request


class Bearer(NamedTuple):
    """Whom the headers claim: a certificate (DER), its subject (RFC 4514), common name, serial number and digest."""

    der: bytes
    subject: str
    common: str
    serial: str
    sha256: str


def groups(who: Bearer, verdict: str = "SUCCESS") -> tuple[Group, ...]:
    """What a proxy in front would say of ``who``; each group is one request. The first are the most common.

    Servers take about a hundred headers, and 8 or 16 KiB of them: each group stays below that.
    """
    names, der, pem = _names(who, who.subject), *_cert(who)
    uri = "spiffe://cluster.local/ns/default/sa/"
    said = [(name, verdict) for name in VERIFY]
    others = [
        ("X-SSL-Client-Serial", who.serial),
        ("X-SSL-Client-Fingerprint", who.sha256),
        ("X-Forwarded-Client-Cert", f'By={uri}default;Hash={who.sha256};Subject="{who.subject}";URI={uri}{who.common}'),
        ("X-Forwarded-Tls-Client-Cert-Info", quote(f'Subject="{who.subject}"')),
        ("Client-Cert", f":{der}:"),
        ("Client-Cert-Chain", f":{der}:"),
    ]
    code = "0" if verdict == "SUCCESS" else "18"  # OpenSSL's numbers, as HAProxy gives them
    return _packed(
        [*said, *names, *others],
        [(name, pem) for name in CERT if name not in DER_ONLY],
        [*((name, code) for name in VERIFY), *_names(who, _slashed(who.subject))],
        [*((name, "true") for name in (*PRESENT, *VERIFY)), *names],
        [(name, der) for name in CERT if name not in PEM_ONLY],
        [(name.replace("-", "_"), value) for name, value in (*said, *names)],
        [*((name, "OK") for name in VERIFY), *names],
    )


def identities(all_groups: tuple[Group, ...]) -> tuple[Group, ...]:
    """Those groups that name somebody in a way that none before them did: beside a certificate only the name is at stake.

    Underscores are no other way.
    """
    told: set[Header] = set()
    found = []
    for group in all_groups:
        spelled = {(name.replace("_", "-"), value) for name, value in group}
        names = {header for header in spelled if header[0] not in (*VERIFY, *PRESENT)}
        if names - told:
            found.append(group)
        told |= names
    return tuple(found)


class Claim(NamedTuple):
    """Headers of one request, and the same ones with nonsense: the control. ``elsewhere``: the request is for another path."""

    headers: Group
    nonsense: Group
    elsewhere: bool = False


def claims(found: tuple[Group, ...]) -> tuple[Claim, ...]:
    """Groups as claims, each against nonsense."""
    return tuple(Claim(group, tuple((name, "nonsense") for name, _ in group)) for group in found)


def fake_basic(who: Bearer) -> tuple[Claim, ...]:
    """The subject as a user of HTTP Basic, with the constant password that mod_ssl's FakeBasicAuth has for every certificate."""
    return tuple(Claim(_basic(subject), _basic("CN=nonsense")) for subject in (who.subject, _slashed(who.subject)))


def _basic(user: str) -> Group:
    return (("Authorization", "Basic " + base64.b64encode(f"{user}:password".encode()).decode()),)


def from_within() -> tuple[Claim, ...]:
    """A client on the proxy's own machine and one on its private network, of whom no certificate is asked; the control is on a
    network that nobody has.
    """
    outside = tuple((name, "192.0.2.1") for name in CLIENT)
    return tuple(Claim(tuple((name, inside) for name in CLIENT), outside) for inside in INSIDE)


def rewritten(path: str) -> Claim:
    """Another path, and a proxy's word that this one was asked for."""
    return Claim(tuple((name, path) for name in ORIGINAL), tuple((name, "/nonsense") for name in ORIGINAL), elsewhere=True)


def _slashed(subject: str) -> str:
    return "/" + "/".join(reversed(subject.split(",")))


def _packed(*dialects: list[Header]) -> tuple[Group, ...]:
    """Each dialect as one group of at most ``ROOM`` bytes; what does not fit goes to the first other group that has room for it."""
    found: list[list[Header]] = [[] for _ in dialects]
    over: list[Header] = []
    for group, headers in zip(found, dialects, strict=True):
        for header in headers:
            (group if _fits(group, header) else over).append(header)
    for header in over:
        group = next((group for group in found if _fits(group, header)), [])
        found += [] if group else [group]
        group.append(header)
    return tuple(tuple(group) for group in found)


def _fits(group: list[Header], header: Header) -> bool:
    if len(group) >= HEADERS or any(name == header[0] for name, _ in group):
        return not group
    return not group or sum(len(name) + len(value) + 4 for name, value in (*group, header)) <= ROOM


def _names(who: Bearer, subject: str) -> list[Header]:
    return [*((name, subject) for name in NAME), *((name, who.common) for name in COMMON_NAME)]


def _cert(who: Bearer) -> tuple[str, str]:
    """The certificate as Base64, and as PEM in the percent-encoding that nginx and HAProxy use."""
    der = base64.b64encode(who.der).decode()
    lines = "\n".join(der[at : at + 64] for at in range(0, len(der), 64))
    return der, quote(f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n", safe="")
