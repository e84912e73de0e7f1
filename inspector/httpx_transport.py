"""A transport for httpx (the extra ``httpx``), so that people's own programs see what happens below their requests.

>>> import httpx
>>> from inspector.httpx_transport import InspectorTransport
>>> transport = InspectorTransport(cert="me.pem", key="me.key")      # doctest: +SKIP
>>> with httpx.Client(transport=transport) as client:                # doctest: +SKIP
...     client.get("https://api.example.com/").extensions["mtls_report"].client_auth.verdict
'accepted'

Each request has a connection of its own, judged before anything is sent. The report is in
``response.extensions["mtls_report"]`` and,
for requests that failed too, in ``transport.reports``.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import httpx

from inspector import library
from inspector.errors import InspectorError, TransportError
from inspector.report.model import Report

KEPT = 100  # reports
# httpx sends these itself where they belong to the connection, which is ours
OURS = frozenset({"host", "connection", "transfer-encoding", "content-length"})


class InspectorTransport(httpx.BaseTransport):
    """``require`` as for ``inspector.request``; the other arguments are those of ``inspector.library.settings``."""

    def __init__(self, *, require: str = "", http: str = "both", **options: Any) -> None:
        self._require = require
        self._http = http
        self._options = options
        self.reports: deque[Report] = deque(maxlen=KEPT)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send it. Raises httpx.ConnectError where nothing was sent, httpx.ReadError where no whole answer came."""
        body = request.read()
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw
                   if name.lower().decode("latin-1") not in OURS]
        try:
            response = library.request(
                str(request.url), method=request.method, headers=headers, body=body or None, require=self._require, http=self._http,
                **self._options)
        except library.GateClosed as exc:
            self.reports.append(exc.report)
            raise httpx.ConnectError(exc.message, request=request) from exc
        except TransportError as exc:
            raise httpx.ReadError(exc.message, request=request) from exc
        except InspectorError as exc:
            raise httpx.ConnectError(exc.message, request=request) from exc
        self.reports.append(response.report)
        return httpx.Response(
            response.status, headers=[*response.headers], content=response.body,
            extensions={"http_version": f"HTTP/{response.version}".encode(), "mtls_report": response.report})
