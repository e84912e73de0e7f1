"""``--write-out``: curl's variables, and every field of the report by its path."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

from inspector.app.http_message import Headers, Outcome, Request, value_of
from inspector.cli import run
from inspector.cli.request_files import read_input
from inspector.cli.request_output import REDIRECTS, Output
from inspector.errors import UsageError
from inspector.target import HTTPS_PORT
from inspector.trace import events as ev
from inspector.trace.transcript import Transcript

ESCAPES = {"\\n": "\n", "\\r": "\r", "\\t": "\t", "%%": "%"}
PATTERN = re.compile(r"\\.|%%|%\{([a-z_]+:)?([A-Za-z0-9_.-]+)\}|%header\{([^}]*)\}|%(?:output|time)\{[^}]*\}")
STREAMS = ("stdout", "stderr")


class Transfer(NamedTuple):
    """One URL's way to its answer: the last outcome, and what came before it."""

    url: str
    outcome: Outcome | None = None
    connections: int = 0
    redirects: int = 0
    connection: int = 0  # the number of the last, from 0


def transfers(result: Any) -> list[Transfer]:
    """What became of each URL, of the exchanges of all connections; one without an outcome where nothing was answered."""
    found: list[Transfer] = []
    connections = redirects = 0
    for number, visit in enumerate(result.visits):
        connections += 1
        for exchange in visit.conversation.outcomes if visit.conversation is not None else ():
            last = result.outcomes[len(found)] if len(found) < len(result.outcomes) else None
            # not the same outcome where what came of it was no good in the end
            if last is not None and exchange.request is last.request and exchange.reply is last.reply:
                found.append(Transfer(result.urls[len(found)], last, connections, redirects, number))
                connections = redirects = 0
            elif exchange.reply is not None and exchange.reply.status in REDIRECTS:
                redirects += 1
    rest = zip(result.urls[len(found) :], result.outcomes[len(found) :], strict=True)  # that no conversation has kept
    found += [Transfer(url, outcome, connections, redirects) for url, outcome in rest]
    return found or [Transfer(result.visits[-1].url, None, connections, redirects)]


class Facts:
    """What ``--write-out`` can name."""

    def __init__(
        self, transfer: Transfer, transcript: Transcript, report: Any, sink: Output, since: float = 0.0, code: int = 0,
        number: int = 0,
    ) -> None:
        self._number = number  # of the URL
        self._since = since  # seconds that earlier transfers took
        self._transfer, self._transcript, self._report, self._sink, self._code = transfer, transcript, report, sink, code
        self._reply = transfer.outcome.reply if transfer.outcome is not None else None
        self.headers: Headers = self._reply.headers if self._reply is not None else ()
        self._curl: dict[str, Any] | None = None

    @property
    def failed(self) -> bool:
        """True where this URL has no whole answer, or the run of a single one was no success."""
        outcome = self._transfer.outcome
        return outcome is None or bool(outcome.error) or bool(self._code)

    def value(self, name: str) -> str:
        """The value as text; empty where it is unknown."""
        if self._curl is None:
            self._curl = {**self._of_answer(), **self._of_times(), **self._of_connection()}
        found = self._curl[name] if name in self._curl else self._of_report(name)
        return "" if found is None else str(found)

    def _of_answer(self) -> dict[str, Any]:
        outcome, reply, url = self._transfer.outcome, self._reply, self._transfer.url
        status = f"{reply.status if reply else 0:03d}"
        location = value_of(self.headers, "location") if reply is not None and reply.status in REDIRECTS else None
        request = outcome.request if outcome else None
        return {
            "http_code": status, "response_code": status, "http_version": reply.version if reply else "0",
            "content_type": value_of(self.headers, "content-type"), "method": request.method if request else None,
            "redirect_url": urljoin(url, location) if location else None, "num_redirects": self._transfer.redirects,
            "num_headers": len(self.headers), "url": url, "url_effective": url, "scheme": "https",
            "size_download": reply.body_bytes if reply else 0, "size_upload": outcome.sent_bytes if outcome else 0,
            "size_decoded": outcome.decoded_bytes if outcome else 0, "size_header": self._sink.head_bytes,
            "size_request": _size(request) + (outcome.sent_bytes if outcome else 0) if request else 0,
            "referer": request.header("referer") if request else None, "errormsg": self._error(),
            "exitcode": self._code, "filename_effective": self._sink.path, "header_json": _header_json(self.headers),
            "stdout": None, "stderr": None, "onerror": None, "urlnum": self._number, "num_certs": len(self._chain()),
            "certs": "".join(map(_pem, self._chain())),
            "xfer_id": self._number, **_parts("url", url), **_parts("urle", url),
        }

    def _chain(self) -> Sequence[Any]:
        """The server's certificates, as the report has them."""
        return getattr(self._report, "server_chain", None) or ()

    def _error(self) -> str | None:
        """What kept the answer back, on the way there or in it."""
        outcome = self._transfer.outcome
        told = getattr(self._report, "error", None)
        return outcome.error if outcome is not None else told.message if told else None

    def _of_times(self) -> dict[str, Any]:
        events, sink = self._transcript, self._sink
        resolved, connected, done = events.first(ev.Resolved), events.first(ev.Connected), events.last(ev.HandshakeDone)
        ended = events.last(ev.Ended)
        total = sink.ended - self._since if sink.ended else ended.at if ended else 0.0
        new = self._transfer.connections > 0  # a transfer over a connection that was there waited for none of these
        began = {
            "namelookup": resolved, "connect": connected, "appconnect": done, "pretransfer": done,
        }
        times = {f"time_{name}": event.at if event is not None and new else 0.0 for name, event in began.items()}
        times |= {"time_redirect": max(0.0, sink.redirected_at - self._since)}
        times |= {"time_starttransfer": max(0.0, sink.answered_at - self._since), "time_total": total}
        download = (self._reply.body_bytes or 0) if self._reply else 0
        upload = self._transfer.outcome.sent_bytes if self._transfer.outcome else 0
        speeds = {"speed_download": download, "speed_upload": upload}
        return {name: f"{at:.6f}" for name, at in times.items()} | {
            name: int(size / total) if total else 0 for name, size in speeds.items()}

    def _of_connection(self) -> dict[str, Any]:
        connected, judged = self._transcript.first(ev.Connected), self._transcript.last(ev.Judged)
        return {
            "conn_id": self._transfer.connection,
            "ssl_verify_result": int(not (judged is not None and judged.trusted)), "num_connects": self._transfer.connections,
            "remote_ip": connected.address if connected else None, "remote_port": connected.port if connected else None,
            "local_ip": connected.local_address if connected else None, "local_port": connected.local_port if connected else None,
        }

    def _of_report(self, name: str) -> Any:
        from inspector.report.as_json import dumps

        document = json.loads(dumps(self._report))
        if name == "json":
            return json.dumps(document, separators=(",", ":"))
        found = document
        for part in name.split("."):
            if isinstance(found, list) and part.isdigit() and int(part) < len(found):
                found = found[int(part)]
            elif isinstance(found, dict):
                found = found.get(part)
            else:
                return None
        return json.dumps(found) if isinstance(found, (dict, list)) else found


def _size(request: Request) -> int:
    """Bytes of a request's head, as HTTP/1.1 writes it."""
    lines = [f"{request.method} {request.target} HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers), "", ""]
    if request.header("host") is None:
        lines.insert(1, f"Host: {request.authority}")
    if request.body is not None and request.header("content-length") is None:
        size = request.body.size
        lines.insert(-2, "Transfer-Encoding: chunked" if size is None else f"Content-Length: {size}")
    return len("\r\n".join(lines))


def _pem(certificate: Any) -> str:
    """As curl's, without what is in the certificate."""
    lines = "".join(certificate.der[at : at + 64] + "\n" for at in range(0, len(certificate.der), 64))
    return (f"Subject:{certificate.subject}\nIssuer:{certificate.issuer}\n"
            f"-----BEGIN CERTIFICATE-----\n{lines}-----END CERTIFICATE-----\n")


def _parts(name: str, url: str) -> dict[str, Any]:
    """The parts of a URL. It has no user here, and no password."""
    parts = urlsplit(url if "://" in url else f"https://{url}")
    values = {"scheme": parts.scheme, "host": parts.netloc.rpartition(":")[0] if parts.port else parts.netloc,
              "port": parts.port or HTTPS_PORT, "path": parts.path or "/", "query": parts.query, "fragment": parts.fragment}
    return {f"{name}.{part}": value for part, value in values.items()} | {
        f"{name}.{part}": None for part in ("user", "password", "options", "zoneid")}


def _header_json(headers: Headers) -> str:
    """As curl's: names in lower case, each with all of its values."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(value)
    return json.dumps(found, ensure_ascii=False)


CURL_NAMES = frozenset({
    "http_code", "response_code", "http_version", "content_type", "method", "redirect_url", "num_redirects", "num_headers", "url",
    "url_effective", "scheme", "size_download", "size_upload", "size_decoded", "size_header", "size_request", "referer", "errormsg",
    "exitcode", "filename_effective", "header_json", "stdout", "stderr", "time_namelookup", "time_connect", "time_appconnect",
    "time_pretransfer", "time_starttransfer", "time_total", "speed_download", "speed_upload", "ssl_verify_result", "num_connects",
    "remote_ip", "remote_port", "local_ip", "local_port", "json", "onerror", "urlnum", "num_certs", "certs",
    "xfer_id", "conn_id", "time_redirect", *_parts("url", ""), *_parts("urle", ""),
})


def template_of(text: str) -> str:
    """The template, of a file where it is ``@FILE`` (``@-``: stdin). Says which names are not known, before anything is sent."""
    from inspector.report.model import Report

    if text.startswith("@"):
        text = os.fsdecode(read_input(text[1:]))
    for found in PATTERN.finditer(text):
        if found[1] or found[0].startswith(("%output", "%time")):
            raise UsageError(f"--write-out does not know {found[0]}", hint="write %{name}, %header{name} or %{stderr}")
        name = found[2]
        if name is not None and name not in CURL_NAMES and name.partition(".")[0] not in Report.__struct_fields__:
            run.say(f"warning: unknown --write-out variable: '{name}'")
    return text


def written_out(template: str, facts: Facts, *, safe: bool = False) -> list[tuple[str, str]]:
    """The texts of ``--write-out``, each with its stream: ``%{name}``, ``%header{name}``, line ends, ``%{stderr}``.

    ``safe``: what comes from the server is escaped, for a terminal.
    """
    from inspector.report.escape import terminal

    out = [("stdout", "")]

    def add(text: str) -> None:
        out[-1] = (out[-1][0], out[-1][1] + text)

    at = 0
    for found in PATTERN.finditer(template):
        add(template[at : found.start()])
        at = found.end()
        if found[2] == "onerror":
            if not facts.failed:
                return [(stream, text) for stream, text in out if text]
        elif found[2] in STREAMS:
            out.append((found[2], ""))
        elif found[0] in ESCAPES or found[0].startswith("\\"):
            add(ESCAPES.get(found[0], found[0]))
        else:
            value = facts.value(found[2]) if found[3] is None else value_of(facts.headers, found[3]) or ""
            add(terminal(value) if safe or out[-1][0] == "stderr" else value)
    add(template[at:])
    return [(stream, text) for stream, text in out if text]


def print_texts(template: str, facts: Facts) -> None:
    """Write them where they belong."""
    for stream, text in written_out(template, facts, safe=sys.stdout.isatty()):
        data = text.encode("utf-8", "surrogateescape" if text.isprintable() else "replace")
        if stream == "stdout":
            run.write(data)
        else:
            sys.stderr.write(data.decode("utf-8", "replace"))
            sys.stderr.flush()
