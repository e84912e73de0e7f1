"""Rules about dates, of the leaf and of everything above it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from inspector.analysis.credential_case import Case, Found, found
from inspector.der.certificate import Certificate

MINUTE, DAY = 60.0, 86400.0
# clocks of servers are taken to be this far off at most
SKEW = 10 * MINUTE


def moment(seconds: float | None) -> str:
    """A date for people, in UTC."""
    if seconds is None:
        return "unreadable"
    try:
        return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{seconds:.0f} s since 1970"


def span(seconds: float) -> str:
    """A length of time for people, in its largest sensible unit."""
    for name, size in (("day", DAY), ("hour", 3600.0), ("minute", MINUTE)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}s"
    return f"{seconds:.0f} seconds"


def _skew(distance: float) -> tuple[str, ...]:
    return ("so little that a clock may be off: this computer's, or the issuer's",) if distance < SKEW else ()


def dates(case: Case) -> Iterator[Found]:
    """Nothing on the path is expired, or not valid yet."""
    for certificate in case.path:
        yield from _expired(case, certificate)
        early = (certificate.not_before or case.now) - case.now
        if early > 0:
            which = "the certificate" if certificate is case.leaf else "a CA certificate above it"
            yield found(
                "not-yet-valid", "critical", f"{which} is not valid yet",
                f"'{certificate.title}' is valid from {moment(certificate.not_before)}, in {span(early)}", *_skew(early),
            )


def _expired(case: Case, certificate: Certificate) -> Iterator[Found]:
    late = case.now - (case.now if certificate.not_after is None else certificate.not_after)
    if late <= 0:
        return
    evidence = (f"'{certificate.title}' was valid until {moment(certificate.not_after)}, {span(late)} ago", *_skew(late))
    if certificate is case.leaf:
        yield found("expired", "critical", "the certificate has expired", *evidence)
    elif certificate.is_self_issued:
        yield found("root-expired", "medium", "the root above it has expired: some servers look at that date, too", *evidence)
    else:
        yield found("intermediate-expired", "critical", "a CA certificate above it has expired", *evidence)


def soon(case: Case) -> Iterator[Found]:
    """Nothing on the path expires within thirty days, or within the last fifth of its life if that is shorter."""
    for certificate in case.path:
        if certificate.not_before is None or certificate.not_after is None:
            continue
        left, life = certificate.not_after - case.now, certificate.not_after - certificate.not_before
        if 0 <= left < min(30 * DAY, life / 5):
            yield found(
                "expires-soon", "low",
                f"{'the certificate' if certificate is case.leaf else 'a CA certificate above it'} expires soon",
                f"'{certificate.title}' is valid until {moment(certificate.not_after)}, {span(left)} from now",
            )
