"""A transport for httpx (the extra ``httpx``), so that people's own programs see what happens below their requests.

>>> import httpx
>>> from inspector.httpx_transport import InspectorTransport
>>> transport = InspectorTransport(cert="me.pem", key="me.key")      # doctest: +SKIP
>>> with httpx.Client(transport=transport) as client:                # doctest: +SKIP
...     client.get("https://api.example.com/").extensions["mtls_report"].client_auth.verdict
'accepted'

Each request has a connection of its own, judged before anything is sent. The report is in ``response.extensions["mtls_report"]``
and, for requests that failed too, in ``transport.reports``. httpx's timeouts hold as httpx means them: ``connect`` up to the end of
the handshake, ``read`` for each piece of the answer; ``timeout=`` of the transport bounds all of it.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import httpx

from inspector import library
from inspector.errors import InspectorError, UsageError
from inspector.plan import Timeouts
from inspector.report.model import Report

KEPT = 100  # reports
# httpx sends these itself where they belong to the connection, which is ours
OURS = frozenset({b"connection", b"transfer-encoding", b"content-length"})
UNBOUNDED = 7 * 86400.0  # seconds, for httpx's "no timeout"
AFTER_SENDING = frozenset({"no-answer", "broken-response"})


class InspectorTransport(httpx.BaseTransport):
    """``require`` as for ``inspector.request``; the other arguments are those of ``inspector.library.settings``."""

    def __init__(self, *, require: str = "", http: str = "both", **options: Any) -> None:
        self._require = require
        self._http = http
        self._options = options
        self.reports: deque[Report] = deque(maxlen=KEPT)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send it. Raises httpx.ConnectError (ConnectTimeout) where nothing was sent, httpx.ReadError (ReadTimeout) where no whole
        answer came, httpx.UnsupportedProtocol and LocalProtocolError for what cannot be sent.
        """
        headers = [(name, value) for name, value in request.headers.raw if name.lower() not in OURS]
        body = request.read()
        try:
            if request.url.scheme != "https":
                raise httpx.UnsupportedProtocol(f"{request.url.scheme}:// is not https://", request=request)
            response = library.request(
                str(request.url), method=request.method, headers=headers, body=body or None, require=self._require, http=self._http,
                **self._bounded(request))
        except library.GateClosed as exc:
            self.reports.append(exc.report)
            raise httpx.ConnectError(exc.message, request=request) from exc
        except library.NoAnswer as exc:
            self.reports.append(exc.report)
            raise _unanswered(exc)(exc.message, request=request) from exc
        except UsageError as exc:
            raise httpx.LocalProtocolError(exc.message, request=request) from exc
        except InspectorError as exc:
            raise httpx.ConnectError(exc.message, request=request) from exc
        self.reports.append(response.report)
        return httpx.Response(
            response.status, stream=httpx.ByteStream(response.body),  # not content=, which would be read by now
            headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers],
            extensions={"http_version": f"HTTP/{response.version}".encode(), "mtls_report": response.report})

    def _bounded(self, request: httpx.Request) -> dict[str, Any]:
        """The transport's options with the request's timeouts."""
        given = request.extensions.get("timeout")
        if given is None or "timeouts" in self._options:
            return self._options
        total = self._options.get("timeout", UNBOUNDED)
        connect, read = (min(total, UNBOUNDED if given.get(name) is None else given[name]) for name in ("connect", "read"))
        usual = Timeouts()
        timeouts = usual._replace(total=total, resolve=connect, connect=connect, prelude=connect, handshake=connect, response=read)
        return {name: value for name, value in self._options.items() if name != "timeout"} | {"timeouts": timeouts}


def _unanswered(exc: library.NoAnswer) -> type[httpx.TransportError]:
    if exc.kind in AFTER_SENDING:
        return httpx.ReadTimeout if isinstance(exc, library.TimedOut) else httpx.ReadError
    return httpx.ConnectTimeout if isinstance(exc, library.TimedOut) else httpx.ConnectError
