"""``mtls serve``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from inspector.cli import run
from inspector.cli.options import FILE, VERSIONS
from inspector.errors import UsageError


@click.command(epilog="Example: mtls serve --pki ./pki --port 0")
@click.option(
    "--pki", "directory", metavar="DIR", required=True, type=click.Path(file_okay=False),
    help="Folder with ca.pem, server.pem and server.key; all of it, and clients, are made there where it is empty.",
)  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8443, show_default=True, help="Port; 0 takes a free one.")
@click.option("--name", "names", metavar="NAME", multiple=True, help="Another name for the server, where its PKI is made now.")
@click.option(
    "--client-cert", "verify", type=click.Choice(("required", "optional", "none")), default="required", show_default=True,
    help="Whether clients must have a certificate; one that does not hold is always refused.",
)  # fmt: skip
@click.option("--tls-min", type=click.Choice(list(VERSIONS)), help="Lowest version; below 1.2 lowers the security level.")
@click.option("--tls-max", type=click.Choice(list(VERSIONS)), help="Highest version.")
@click.option("--count", metavar="N", type=click.IntRange(1), help="Stop after this many clients.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout: listening, request, refusal.")
@click.option("--keylog", metavar="FILE", type=FILE, help="Append the session secrets, as SSLKEYLOGFILE does.")
@click.option("--pcapng", metavar="FILE", type=FILE, help="Write the traffic, with its secrets, for Wireshark.")
@run.guarded
def command(directory: str, **options: Any) -> int:
    """A server that asks for a client certificate, answers every request with a JSON document of what it saw (certificate, channel,
    request), and says on stderr whom it refused, and why.

    Listens on loopback unless --host says otherwise. Ctrl-C ends it (exit code 130); with --count it ends by itself (0).
    """
    from inspector.cli import observers
    from inspector.service import pki, server

    output = run.output_from(options)
    made, is_new = pki.open_or_make(Path(directory), time.time(), (*pki.LOOPBACK, *options["names"]))
    if options["names"] and not is_new:
        run.say(f"warning: --name has no effect, {directory} holds a server certificate already")
    voice = _Voice(made, output, options)
    with observers.watching(output) as watchers:
        listener = server.listen(_service(options), made, on_request=voice.request, on_refusal=voice.refusal, observers=watchers)
        try:
            voice.listening(listener.port, is_new=is_new)
            listener.run()
        except KeyboardInterrupt as interrupt:
            voice.stopped()
            return run.TERMINATED if isinstance(interrupt, run.Terminated) else run.INTERRUPTED
    return 0


def _service(options: dict[str, Any]) -> Any:
    from inspector.service.server import Service

    minimum, maximum = VERSIONS.get(options["tls_min"] or ""), VERSIONS.get(options["tls_max"] or "")
    if minimum and maximum and minimum.value > maximum.value:
        raise UsageError("--tls-min is above --tls-max", hint="swap them, or give only one")
    if maximum and not minimum and maximum.value < 0x0303:
        minimum = maximum
    return Service(options["host"], options["port"], options["verify"], minimum, maximum, options["count"])


class _Voice:
    """Says what happens: on stderr for people, on stdout for programs."""

    def __init__(self, pki: Any, output: run.Output, options: dict[str, Any]) -> None:
        self._pki, self._output, self._options = pki, output, options

    def listening(self, port: int, *, is_new: bool) -> None:
        host = self._options["host"]
        shown = "localhost" if host in ("127.0.0.1", "::1") else f"[{host}]" if ":" in host else host
        if self._output.json:
            self._write({
                "event": "listening", "url": f"https://{shown}:{port}/", "host": host, "port": port,
                "client_certificate": self._options["verify"], "pki": str(self._pki.directory), "pki_made": is_new,
            })  # fmt: skip
            return
        words = {"required": "requires a client certificate", "optional": "asks for a client certificate", "none": "one-way TLS"}
        run.write(f"listening on https://{shown}:{port}/ ({words[self._options['verify']]}); Ctrl-C ends it\n".encode())
        if is_new:
            run.say(f"made a new PKI in {self._pki.directory}: ca, server, client (good), expired")
        for line in _suggestions(self._pki, f"{shown}:{port}"):
            run.say(line)

    def request(self, visitor: Any, seen: Any) -> None:
        from inspector.service import log

        if self._output.json:
            self._write(log.request_entry(visitor, seen))
        else:
            self._tell(log.request_line(visitor, seen))

    def refusal(self, visitor: Any, found: Any) -> None:
        from inspector.service import log

        if self._output.json:
            self._write(log.refusal_entry(visitor, found))
        else:
            self._tell(log.refusal_line(visitor, found))

    def stopped(self) -> None:
        if self._output.json:
            self._write({"event": "stopped"})
        else:
            run.say("stopped")

    @staticmethod
    def _tell(text: str) -> None:
        from inspector.report.escape import terminal

        run.say(f"{time.strftime('%H:%M:%S')} {terminal(text)}")

    @staticmethod
    def _write(document: dict[str, Any]) -> None:
        import json

        run.write(json.dumps(document).encode() + b"\n")


def _suggestions(pki: Any, authority: str) -> list[str]:
    """Commands to try, ready to be pasted."""
    from shlex import quote

    def path(name: str) -> str:
        return quote(str(pki.directory / name))

    lines = ["try:"]
    if "client" in pki.clients:
        with_credential = f"--cacert {path('ca.pem')} --cert {path('client.pem')} --key {path('client.key')}"
        lines.append(f"  mtls handshake {authority} {with_credential}")
        lines.append(f"  mtls request https://{authority}/ {with_credential}")
    if "expired" in pki.clients:
        lines.append(
            f"  mtls diagnose {authority} --cacert {path('ca.pem')} --cert {path('expired.pem')} --key {path('expired.key')}"
        )
    return lines if len(lines) > 1 else []
