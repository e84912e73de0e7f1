"""Small things fetched over HTTP because somebody asked for it by an option: OCSP answers, certificates of issuers."""

from __future__ import annotations

import urllib.error
import urllib.request

from inspector.errors import TransportError

MAX_BODY = 1024 * 1024
TIMEOUT = 10.0


def fetch(url: str, body: bytes | None = None, content_type: str = "") -> bytes:
    """The body of the answer to a GET, or to a POST of ``body``. Raises TransportError; reads at most 1 MiB, waits at most 10 s."""
    if not url.lower().startswith(("http://", "https://")):
        raise TransportError(f"'{url}' is no http address", kind="unreachable")
    headers = {"User-Agent": "mtls-inspector", **({"Content-Type": content_type} if content_type else {})}
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 - the scheme is checked above
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
            data: bytes = response.read(MAX_BODY + 1)
    except urllib.error.HTTPError as exc:
        exc.close()
        raise TransportError(f"'{url}' answered with HTTP {exc.code}", kind="unreachable") from exc
    except (OSError, ValueError) as exc:
        raise TransportError(f"'{url}' cannot be reached", kind="unreachable", hint="check the network and the address") from exc
    if len(data) > MAX_BODY:
        raise TransportError(f"the answer of '{url}' is longer than {MAX_BODY} bytes", kind="unreachable")
    return data
