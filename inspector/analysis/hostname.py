"""Is the certificate for this host, by which of its names, and if not, why not (RFC 9525; the subject's CN never counts).

OpenSSL's own check decides. Where it found a name, this says which; where it did not, service-identity holds each name against the
host, and the reason is given for each. service-identity is imported only then: it costs more than the check itself.
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

from inspector.der.certificate import Certificate
from inspector.der.extensions import GeneralName
from inspector.der.names import common_names, escape_value

MENTIONED = 8  # names that an explanation spells out; a certificate may hold ten thousand


class HostVerdict(NamedTuple):
    """``matched`` is the name that fits, as "DNS:*.example.org". ``text`` explains, for people."""

    matches: bool
    matched: str | None
    text: str
    common_name_only: bool = False


def as_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The host as an IP address, without its zone; None where it is a name."""
    try:
        return ipaddress.ip_address(host.split("%", 1)[0])
    except ValueError:
        return None


def to_dns(host: str) -> str:
    """A host name as certificates hold it: A-labels, lower case, no trailing dot."""
    name = host.removesuffix(".")
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            return name.lower()
    return name.lower()


def _fits_dns(pattern: bytes, host: str) -> bool:
    """RFC 9525, Section 6.3: equal but for case, or ``*`` as the whole first label for exactly one label."""
    text = pattern.decode("latin-1").lower().removesuffix(".")
    if text == host:
        return True
    star, dot, rest = text.partition(".")
    return star == "*" and bool(dot) and "." in rest and host.partition(".")[2] == rest and not host.startswith(".")


def _positive(name: GeneralName, host: str) -> str:
    if name.value.lower().removesuffix(".") == host:
        return f"{host} is the name {_shown(name)} of the certificate"
    return f"{host} fits the wildcard {_shown(name)}: * stands for exactly one label, the first"


def _shown(name: GeneralName) -> str:
    return f"{name.kind}:{escape_value(name.value)}"


def _list(found: list[str]) -> str:
    more = len(found) - MENTIONED
    return "; ".join(found[:MENTIONED]) + (f"; and {more} more" if more > 0 else "")


def _reason(pattern: bytes, host: str) -> str:
    """Why this DNS name is not the host, as service-identity sees it."""
    from service_identity import CertificateError
    from service_identity.hazmat import DNS_ID, DNSPattern

    if b"\0" in pattern:
        return "has a NUL byte in it: an attempt to look like another name, which no client may accept"
    if as_address(pattern.decode("latin-1")) is not None:
        return "is an IP address written as a DNS name, which never matches"
    if b"*" in pattern and not pattern.startswith(b"*."):
        return "has a * that is not the whole first label, which clients do not read as a wildcard"
    try:
        parsed = DNSPattern.from_bytes(pattern)
    except CertificateError:
        return "is no valid pattern: * may only be the whole first label, above at least two others"
    try:
        identity = DNS_ID(host)
    except ValueError:  # a name of a capture, say, that no certificate can hold
        return "is another name"
    if identity.verify(parsed):
        return "matches by the letter, but OpenSSL does not take it"
    if b"*" in pattern:
        rest = pattern.partition(b".")[2].decode("latin-1").lower()
        if host == rest:
            return "stands for one label more than the host has"
        if host.endswith("." + rest):
            return "stands for one label, the host has more"
        return "is a wildcard for another domain"
    return "is another name"


def _no_dns_match(leaf: Certificate, host: str) -> HostVerdict:
    names = [name for name in leaf.ext.subject_alt_names if name.kind == "DNS"]
    commons = common_names(leaf.subject_der)
    if names:
        # the likeliest first: names that share their last labels with the host
        tail = ".".join(host.split(".")[-2:]).encode()
        names.sort(key=lambda name: not name.raw.lower().endswith(tail))
        shown = names[:MENTIONED]
        reasons = [f"{_shown(name)} {_reason(name.raw, host)}" for name in shown] + [_shown(n) for n in names[MENTIONED:]]
        return HostVerdict(False, None, f"no name in the certificate is {host}: {_list(reasons)}")
    others = [_shown(name) for name in leaf.ext.subject_alt_names]
    held = f"it holds only {_list(others)}" if others else "it has no subjectAltName"
    if any(_fits_dns(common.encode("utf-8", "replace"), host) for common in commons):
        text = f"the certificate holds {host} only as the subject's CN, which clients stopped reading (RFC 9525, Section 2); {held}"
        return HostVerdict(False, None, text, common_name_only=True)
    cn = f"; the subject's CN, {escape_value(commons[-1])}, would not count anyway" if commons else ""
    return HostVerdict(False, None, f"no name in the certificate is {host}: {held}{cn}")


def _address_verdict(leaf: Certificate, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> HostVerdict:
    names = leaf.ext.subject_alt_names
    for name in names:
        if name.kind == "IP" and name.raw == address.packed:
            return HostVerdict(True, str(name), f"{address} is the address {name} of the certificate")
    as_text = [name for name in names if name.kind == "DNS" and as_address(name.value) == address]
    if as_text:
        return HostVerdict(False, None, f"{address} stands in the certificate as a DNS name, where an address is never looked for")
    addresses = [_shown(name) for name in names if name.kind == "IP"]
    held = f"it holds {_list(addresses)}" if addresses else "it holds no IP address"
    dns = [_shown(name) for name in names if name.kind == "DNS"]
    hint = f"; connect by one of its names instead: {_list(dns)}" if dns else ""
    return HostVerdict(False, None, f"the certificate is not for the address {address}: {held}{hint}")


def explain(leaf: Certificate, host: str) -> HostVerdict:
    """Hold a server's certificate against the host that was asked for: a DNS name or an IP address. Never raises."""
    address = as_address(host)
    if address is not None:
        return _address_verdict(leaf, address)
    name = to_dns(host)
    for candidate in leaf.ext.subject_alt_names:
        if candidate.kind == "DNS" and b"\0" not in candidate.raw and _fits_dns(candidate.raw, name):
            return HostVerdict(True, str(candidate), _positive(candidate, name))
    return _no_dns_match(leaf, name)
