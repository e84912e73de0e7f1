"""Where a response goes: to stdout or a file as it comes, with or without its head, and ``--write-out`` after it."""

from __future__ import annotations

import os
import re
import sys
from typing import Any, BinaryIO

from inspector.app.http_message import Headers, Outcome, Request, value_of
from inspector.app.result import HttpReply
from inspector.cli import run
from inspector.errors import InputError, UsageError
from inspector.trace import events as ev
from inspector.trace.transcript import Transcript


class Output:
    """One errand's sink. The file is made when the first byte comes; a terminal gets binary content only if it was asked to."""

    def __init__(self, path: str | None, *, include: bool, head_only: bool, nothing: bool = False) -> None:
        self._path = path
        folder = os.path.dirname(path or "") or "."
        if path not in (None, "-") and not os.path.isdir(folder):
            raise InputError(f"cannot write '{path}': there is no folder '{folder}'", kind="file-unwritable", hint="check the path")
        self._include = include or head_only
        self._nothing = nothing  # the report has stdout
        self._answered = False
        self._binary = False  # it was, on a terminal, and the rest is kept from it
        self._file: BinaryIO | None = None
        self.error: str | None = None

    def interim(self, status: int, headers: Headers) -> None:
        pass

    def head(self, request: Request, reply: HttpReply) -> None:  # noqa: ARG002 - every sink is called so
        self._answered = True
        if not self._include:
            return
        line = f"HTTP/{reply.version} {reply.status} {reply.reason}".rstrip()
        lines = [line, *(f"{name}: {value}" for name, value in reply.headers), "", ""]
        self._write("\r\n".join(lines).encode("latin-1", "replace"))

    def data(self, data: bytes) -> None:
        self._write(data)

    def trailers(self, headers: Headers) -> None:
        if self._include:
            self._write("".join(f"{name}: {value}\r\n" for name, value in headers).encode("latin-1", "replace"))

    def flush(self) -> None:
        """Let what was written be seen."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Flush what was written. An empty answer makes an empty file; without an answer a file stays what it was."""
        if self._path not in (None, "-"):
            if self._answered:
                self._open().close()
        elif self._file is not None:
            self._file.flush()

    def _write(self, data: bytes) -> None:
        if self._nothing and self._path in (None, "-"):
            return
        self._open().write(self._for_terminal(data))

    def _open(self) -> BinaryIO:
        if self._file is None:
            if self._path is None or self._path == "-":
                self._file = sys.stdout.buffer
            else:
                try:
                    self._file = open(self._path, "wb")  # noqa: SIM115 - closed in ``close``
                except OSError as exc:
                    raise InputError(f"cannot write '{self._path}': {exc.strerror}", kind="file-unwritable",
                                     hint="check the path and its permissions") from exc
        return self._file

    def _for_terminal(self, data: bytes) -> bytes:
        """On a terminal, control characters of a server are shown and not obeyed; everywhere else bytes stay as they are."""
        if self._path is not None or not sys.stdout.isatty():
            return data
        if self._binary or b"\0" in data:
            return self._keep_back()
        from inspector.report.escape import terminal

        text = data.decode("utf-8", "replace").replace("\r\n", "\n")
        return "\n".join(terminal(line) for line in text.split("\n")).encode()


    def _keep_back(self) -> bytes:
        """Nothing for the terminal; says so the first time."""
        if not self._binary:
            self._binary = True
            run.say("note: the answer is binary, and not shown on a terminal: -o FILE saves it, -o - prints it as it is")
        return b""


class Facts:
    """What ``--write-out`` can name: curl's variables, and every field of the report by its path."""

    def __init__(self, outcome: Outcome | None, transcript: Transcript, report: Any, url: str, redirects: int) -> None:
        self._outcome, self._transcript, self._report, self._url, self._redirects = outcome, transcript, report, url, redirects

    def value(self, name: str) -> str:
        """The value as text; empty where it is unknown."""
        curl = self._of_curl()
        found = curl[name] if name in curl else self._of_report(name)
        return "" if found is None else str(found)

    def _of_curl(self) -> dict[str, Any]:
        outcome, reply = self._outcome, self._outcome.reply if self._outcome is not None else None
        headers = reply.headers if reply is not None else ()
        connected, done = self._transcript.first(ev.Connected), self._transcript.last(ev.HandshakeDone)
        judged, ended = self._transcript.last(ev.Judged), self._transcript.last(ev.Ended)
        return {
            "http_code": f"{reply.status if reply else 0:03d}", "response_code": f"{reply.status if reply else 0:03d}",
            "http_version": reply.version if reply else "0", "content_type": value_of(headers, "content-type"),
            "method": outcome.request.method if outcome else None, "redirect_url": value_of(headers, "location"),
            "num_redirects": self._redirects, "num_headers": len(headers), "url": self._url, "url_effective": self._url,
            "size_download": reply.body_bytes if reply else 0, "size_upload": outcome.sent_bytes if outcome else 0,
            "size_decoded": outcome.decoded_bytes if outcome else 0,
            "ssl_verify_result": int(not (judged is not None and judged.trusted)), "scheme": "https",
            "remote_ip": connected.address if connected else None, "remote_port": connected.port if connected else None,
            "local_ip": connected.local_address if connected else None, "local_port": connected.local_port if connected else None,
            "time_connect": f"{connected.at:.6f}" if connected else "0", "time_appconnect": f"{done.at:.6f}" if done else "0",
            "time_total": f"{ended.at:.6f}" if ended else "0", "errormsg": outcome.error if outcome else None,
        }

    def _of_report(self, name: str) -> Any:
        import json

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


ESCAPES = {"\\n": "\n", "\\r": "\r", "\\t": "\t", "%%": "%"}
PATTERN = re.compile(r"\\[nrt]|%%|%\{([a-z_]+:)?([A-Za-z0-9_.-]+)\}|%header\{([^}]*)\}")


def check_template(template: str) -> None:
    """Raises UsageError for a kind of name that ``--write-out`` does not know, before anything is sent."""
    for found in PATTERN.finditer(template):
        if found[1]:
            raise UsageError(f"--write-out does not know {found[0]}", hint="write %{name} or %header{name}")


def written_out(template: str, facts: Facts, headers: Headers, *, safe: bool = False) -> str:
    """The text of ``--write-out``: ``%{name}``, ``%header{name}``, and line ends.

    ``safe``: what comes from the server is escaped, for a terminal.
    """
    from inspector.report.escape import terminal

    def shown(text: str) -> str:
        return terminal(text) if safe else text

    def replace(found: re.Match[str]) -> str:
        if found[0] in ESCAPES:
            return ESCAPES[found[0]]
        if found[3] is not None:
            return shown(value_of(headers, found[3]) or "")
        return shown(facts.value(found[2]))

    return PATTERN.sub(replace, template)
