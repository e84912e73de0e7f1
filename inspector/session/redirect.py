"""Where a redirect leads (RFC 9110, Section 10.2.2), whatever a server wrote into its Location."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from inspector.app import steps
from inspector.app.http_message import Request
from inspector.errors import UsageError
from inspector.session.settings import Settings
from inspector.target import Target, parse_target

REDIRECTS = frozenset({300, 301, 302, 303, 307, 308})
AUTHORITY = re.compile(r"https://[^/?#]*", re.IGNORECASE)


class Where(NamedTuple):
    """The target, and the URL that names it."""

    target: Target
    url: str


def lead(base: str, location: str) -> Where:
    """Follow a Location from ``base``. Raises UsageError for what is no https URL; its message begins with "the redirect leads".

    Blanks, control characters and bytes beyond ASCII are percent-encoded, as browsers and curl do. A user and a password that a
    server puts there are nobody's, and left out.
    """
    text = _cleaned(location)
    try:
        joined = urljoin(base, text)
        scheme = urlsplit(joined).scheme
    except ValueError as exc:
        raise UsageError(f"the redirect leads to '{_shown(text)}', which is not a URL", hint=HINT) from exc
    if text.partition("#")[0].endswith("?") and "?" not in joined:
        joined = joined.partition("#")[0] + "?"
    if scheme != "https":
        raise UsageError(f"the redirect leads to {scheme}://, where nothing is protected", hint=HINT)
    authority = AUTHORITY.match(joined)
    if authority is not None and "@" in authority[0]:
        joined = "https://" + authority[0].rpartition("@")[2] + joined[authority.end() :]
    try:
        target = parse_target(joined)
    except UsageError as exc:
        raise UsageError(f"the redirect leads to '{_shown(joined)}': {exc.message}", hint=HINT) from exc
    return Where(target, f"https://{_authority(target)}{target.url_path}")


HINT = "without --location the redirect itself is the answer"


def base_of(settings: Settings, request: Request) -> str:
    """The URL that a request was for; a Host header of the user's changes nothing of where it went."""
    authority = _authority(settings.target) if settings.target.host else steps.http_authority(settings)
    return f"https://{authority}{request.target}"


def is_at(settings: Settings, target: Target) -> bool:
    """True where a target is that of the settings: by its own name, or by the one that was given for it."""
    ours = settings.target
    names = {ours.host.lower(), (settings.server_name or "").lower()}
    if ours.unix_path is not None and not settings.server_name and not ours.host:
        names = {"localhost"}  # what Host says there
    return target.host.lower() in names and target.port == ours.port


def _authority(target: Target) -> str:
    return target.authority.removesuffix(":443") if target.port == 443 else target.authority


def _cleaned(location: str) -> str:
    """The text of a Location: UTF-8 where it is, blanks and control characters percent-encoded."""
    raw = location.strip(" \t").encode("latin-1", "replace")
    safe = b"".join(b"%%%02X" % byte if byte <= 0x20 or byte == 0x7F else bytes((byte,)) for byte in raw)
    return safe.decode("utf-8", "surrogateescape")


def _shown(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
