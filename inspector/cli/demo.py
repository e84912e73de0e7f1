"""``mtls demo``."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path
from shlex import quote
from typing import Any

import click

from inspector.cli import run
from inspector.cli.options import output_options

BODY_LINES = 20  # of the API's answer: the certificate and the channel
NEXT_TO_EACH_OTHER = 80  # columns from which on a command and what it is for share a line
SECTIONS = {"handshake": frozenset({"steps"}), "request": frozenset({"steps"}), "diagnose": frozenset({"diagnosis"})}


@click.command(epilog="Example: mtls demo --explain")
@click.option("--keep", metavar="DIR", type=click.Path(file_okay=False), help="Leave the certificates and keys in this folder.")
@output_options
@run.guarded
def command(keep: str | None, **options: Any) -> int:
    """Mutual TLS in three calls, with nothing to set up: an API on loopback that requires client certificates is called without one
    (rejected), with a good one (accepted), and with an expired one (rejected, and why).

    Authority, server and clients are made on the spot. With --json one report a line. Exit code: 0 if all three calls ended so.
    """
    from inspector.service import server

    output = run.output_from(options)
    pki = _pki(keep)
    listener = server.listen(server.Service(), pki)
    with server.InBackground(listener) as running:
        show = _Show(pki, running.port, output)
        show.opening()
        well = run.conduct(_calls(pki, running.port, show), output)
    show.closing()
    if not well:
        run.tell_error("a call did not end as it should", "something on this machine interferes with TLS on loopback")
    return 0 if well else 1


def _pki(keep: str | None) -> Any:
    from inspector.errors import UsageError
    from inspector.service import pki

    if keep is None:
        return pki.in_memory(pki.make(time.time()))
    opened, is_new = pki.open_or_make(Path(keep), time.time())
    if not is_new and not {pki.CLIENT, pki.EXPIRED} <= set(opened.clients):
        raise UsageError(f"{keep} holds no client and expired certificate", hint="name an empty folder")
    return opened


def _calls(pki: Any, port: int, show: _Show) -> Generator[Any, Any, bool | None]:
    """All calls. Returns whether each came to what it is there to show; None where somebody interrupted them."""
    from inspector.session import demo
    from inspector.target import Target

    well = True
    for number, call in enumerate(demo.CALLS, 1):
        credential = pki.clients[call.client] if call.client else None
        show.before(number, call)
        source = f"--cacert {show.path('ca.pem')}"
        settings = demo.settings_of(Target("localhost", port), pki.anchors, credential, source, time.time())
        answered = yield from demo.run(call, settings)
        if demo.interrupted(answered.report):
            return None
        show.after(call, answered)
        well = well and demo.as_expected(call, answered.report)
    return well


class _Show:
    """Prints the demonstration, call by call."""

    def __init__(self, pki: Any, port: int, output: run.Output) -> None:
        self._pki, self._port, self._output = pki, port, output

    def path(self, name: str) -> str:
        """A file of the PKI, as it is written on a command line."""
        return quote(str(self._pki.directory / name)) if self._pki.directory else name

    def _page(self) -> Any:
        from inspector.report.layout import Page

        return Page(self._output.width, color=self._output.color)

    def _print(self, page: Any) -> None:
        self._say(page.text())

    def _say(self, text: str) -> None:
        import sys

        if not self._output.json:
            run.write((text + "\n").encode(sys.stdout.encoding or "utf-8", "backslashreplace"))

    def opening(self) -> None:
        page = self._page()
        page.line(
            f"An API that requires client certificates now listens on https://localhost:{self._port}/ (in this very process; its "
            "certificate authority and its clients were made a moment ago). Three calls:"
        )
        self._print(page)

    def before(self, number: int, call: Any) -> None:
        page = self._page()
        page.line("")
        page.hang(f"{number} ", call.title, 3, style="heading", lead_style="heading")
        page.hang("   $", self._command(call), 5, style="dim", lead_style="dim")
        self._print(page)

    def _command(self, call: Any) -> str:
        where = f"https://localhost:{self._port}/" if call.command == "request" else f"localhost:{self._port}"
        parts = ["mtls", call.command, where, "--cacert", self.path("ca.pem")]
        if call.client:
            parts += ["--cert", self.path(f"{call.client}.pem"), "--key", self.path(f"{call.client}.key")]
        # what is shown is then a part of what the command shows; a request by itself writes the answer's body and nothing else
        parts += ["--verbose"] if self._output.verbose or call.command == "request" else []
        parts += ["--explain"] if self._output.explain else []
        return " ".join(parts)

    def after(self, call: Any, answered: Any) -> None:
        from inspector.report.as_text import render
        from inspector.session.demo import second_flight

        output = self._output
        if output.json:
            run.print_report(answered.report, output._replace(json=True))
            return
        only = frozenset() if output.verbose else SECTIONS[call.command]
        report = answered.report if output.verbose or call.command != "request" else second_flight(answered.report)
        text = render(
            report, verbose=output.verbose, explain=output.explain, quiet=output.quiet, width=output.width,
            color=output.color, only=only,
        )  # fmt: skip
        self._say("\n" + text)
        if not output.quiet:
            self._body(answered.body)
            page = self._page()
            page.line(call.lesson)
            self._say("\n" + page.text())

    def _body(self, body: bytes) -> None:
        """The beginning of the API's answer."""
        lines = body.decode("utf-8", "replace").splitlines()
        if not lines:
            return
        page = self._page()
        page.heading("The API's answer")
        for line in lines if self._output.verbose else lines[:BODY_LINES]:
            text = line.lstrip()
            page.line(text, indent=len(line) - len(text))
        if len(lines) > BODY_LINES and not self._output.verbose:
            page.line("...", indent=2)
        self._say("\n" + page.text())

    def closing(self) -> None:
        if self._output.quiet:
            return
        page = self._page()
        page.line("")
        page.line("Next", style="heading")
        if self._pki.directory:
            rows = [(f"mtls serve --pki {quote(str(self._pki.directory))}", "the same server, until you end it")]
        else:
            rows = [("mtls demo --keep DIR", "leaves the certificates and keys in DIR")]
            rows.append(("mtls serve --pki DIR", "the same server, until you end it"))
        rows += [
            ("mtls handshake HOST --cert FILE --key FILE", "your own server and certificate, step by step"),
            ("mtls diagnose HOST --cert FILE --key FILE", "why a server rejects your certificate"),
        ]
        for line, words in rows:
            if page.width >= NEXT_TO_EACH_OTHER:
                page.hang(f"  {line}", words, 47)
            else:
                page.line(line, indent=2)
                page.line(words, indent=6)
        self._print(page)
