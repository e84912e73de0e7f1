"""``mtls request``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import groupby
from typing import Any, TypeVar

import click

from inspector.cli import run
from inspector.cli.options import output_options, settings_from, settings_options
from inspector.cli.request_checks import check_all, check_receipt, road_to
from inspector.cli.request_output import Facts, Output, check_template, written_out
from inspector.errors import UsageError
from inspector.session.settings import Settings
from inspector.target import parse_target

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(dir_okay=False, allow_dash=True)
FOREVER = 7 * 86400.0  # seconds: a transfer may take its time as long as something moves

GATE: tuple[Callable[[Any], Any], ...] = (
    click.option("--require", metavar="LIST", default="",
                 help="What must hold before anything is sent; verified,client-not-rejected by default. Also: client-accepted, "
                 "client-requested, alpn=h2, tls>=1.3, cipher=, group=, peer-spki=sha256//..., peer-certificate=."),
    click.option("--receipt", metavar="FILE", type=FILE, help="Write a receipt that binds request and response to the channel."),
)
MESSAGE: tuple[Callable[[Any], Any], ...] = (
    click.option("--request", "-X", "method", metavar="METHOD", help="Method, instead of GET, or POST where there is a body."),
    click.option("--header", "-H", metavar="LINE", multiple=True, help="'Name: value'; 'Name:' leaves one out; @FILE reads lines."),
    click.option("--data", "-d", metavar="DATA", multiple=True, help="Body of a form; @FILE reads it without line ends."),
    click.option("--data-raw", metavar="DATA", multiple=True, help="As --data, @ has no meaning."),
    click.option("--data-binary", metavar="DATA", multiple=True, help="As --data, files are sent as they are."),
    click.option("--data-urlencode", metavar="DATA", multiple=True, help="As --data, encoded: name=content, name@file."),
    click.option("--data-json", metavar="JSON", multiple=True, help="A JSON body with its headers (what curl calls --json)."),
    click.option("--form", "-F", metavar="NAME=VALUE", multiple=True, help="multipart/form-data; name=@file sends a file."),
    click.option("--upload-file", "-T", metavar="FILE", help="PUT this file; - reads stdin as it comes."),
    click.option("--get", "-G", is_flag=True, help="Put --data into the query."),
    click.option("--head", "-I", is_flag=True, help="HEAD, and show the head."),
    click.option("--range", "-r", "range_", metavar="RANGE", help="Byte range, as 0-99."),
    click.option("--user", "-u", metavar="NAME", help="User for Basic; the password is asked for, or see the next two."),
    click.option("--user-file", metavar="FILE", help="File whose first line is the password."),
    click.option("--user-env", metavar="NAME", help="Environment variable that holds the password."),
    click.option("--bearer-file", metavar="FILE", help="File whose first line is a bearer token."),
    click.option("--user-agent", "-A", metavar="TEXT", help="User-Agent."),
    click.option("--referer", "-e", metavar="URL", help="Referer."),
    click.option("--expect100", is_flag=True, help="Ask for '100 Continue' before the body is sent."),
    click.option("--compressed", is_flag=True, help="Ask for compressed content, and undo it (within limits)."),
)
TRANSFER: tuple[Callable[[Any], Any], ...] = (
    click.option("--http1.1", "http", flag_value="1.1", default=None, help="HTTP/1.1 only."),
    click.option("--http2", "http", flag_value="2", default=None, help="HTTP/2 only."),
    click.option("--location", "-L", is_flag=True, help="Follow redirects; the certificate stays with this host."),
    click.option("--location-trusted", is_flag=True, help="Follow redirects, and take certificate and passwords to other hosts."),
    click.option("--max-redirs", metavar="N", type=click.IntRange(0), default=50, show_default=True, help="Follow so many."),
    click.option("--retry", metavar="N", type=click.IntRange(0), default=0, help="Try again so often after a passing failure."),
    click.option("--retry-delay", metavar="SECONDS", type=float, help="Wait so long between tries, instead of 1, 2, 4..."),
    click.option("--fail", "-f", is_flag=True, help="HTTP errors (400 and above) end with exit 1 and without a body."),
    click.option("--fail-with-body", is_flag=True, help="The same, with the body."),
    click.option("--max-filesize", metavar="BYTES", type=click.IntRange(1), help="Take no more than this of a body."),
)
OTHERWISE: tuple[Callable[[Any], Any], ...] = (
    click.option("--raw", metavar="FILE", type=FILE, help="Send exactly these bytes (- is stdin), show what comes back."),
    click.option("--hex", is_flag=True, help="Show what --raw brings as hexadecimal numbers."),
    click.option("--wait", metavar="SECONDS", type=float, default=5.0, show_default=True, help="--raw ends after so much silence."),
    click.option("--curl", "curl_text", metavar="COMMAND", help="Take the request from a curl command (- reads it from stdin)."),
    click.option("--as", "as_", type=click.Choice(["curl", "openssl", "python", "go", "java"]),
                 help="Print what does the same elsewhere, and send nothing."),
)
SHOWN: tuple[Callable[[Any], Any], ...] = (
    click.option("--output", "-o", metavar="FILE", multiple=True, type=FILE, help="Body to a file; repeatable, one for each URL."),
    click.option("--include", "-i", is_flag=True, help="Show the response's head before the body."),
    click.option("--write-out", "-w", metavar="FORMAT",
                 help="Afterwards on stdout: %{http_code}, %{handshake.protocol} (any field of the report), %header{name}."),
)


def request_options(command: F) -> F:
    """Add the options of requests."""
    for option in reversed(GATE + MESSAGE + TRANSFER + SHOWN + OTHERWISE):
        command = option(command)
    return command


@click.command(epilog="Example: mtls request https://api.example.com/v1/orders --cert me.pem --key me.key --data-json '{\"n\": 1}'")
@click.argument("url", nargs=-1)
@request_options
@settings_options
@output_options
@run.guarded
def command(url: tuple[str, ...], **options: Any) -> int:
    """A handshake with URL's host, judged, and then the HTTP request over that very connection.

    Nothing of the request leaves before the gate (--require) holds. stdout is the body; with --json it is the report, and the body
    goes where -o says. Exit code: 0 answered, 1 rejected, not verified, or an HTTP error with --fail, 3 could not talk, 4 the
    credential cannot be used, 5 the gate could not tell.
    """
    if options["curl_text"]:
        from inspector.cli.from_curl import options_of

        url, options = options_of(command, url, options)
    if not url:
        raise UsageError("there is no URL", hint="for instance: mtls request https://api.example.com/")
    if options["as_"]:
        from inspector.cli.equivalents import equivalent

        click.echo(equivalent(options["as_"], url, options))
        return 0
    return raw(url[0], options) if options["raw"] else send(url, options)


def raw(target: str, options: dict[str, Any]) -> int:
    """Send a file's bytes; an answer, any answer, is exit 0."""
    from inspector.cli.channel import from_file, speak

    check_receipt(options)
    settings = channel_settings(target, options)
    return speak(
        settings, options, lambda write: from_file(options["raw"], write), command="request", quiet_after=options["wait"],
        announce=False)


def send(urls: tuple[str, ...], options: dict[str, Any]) -> int:
    """Send the requests, host by host; returns the exit code."""
    from inspector.report.outcome import ExitCode, worst

    prepare(options)
    check_all(urls, options)
    if options["write_out"]:
        check_template(options["write_out"])
    outputs = [*options["output"], *[None] * len(urls)][: len(urls)]
    numbered = list(zip(urls, outputs, strict=True))
    codes = []
    for _, group in groupby(numbered, key=lambda item: _host(item[0])):
        codes.append(ExitCode(_one_host(list(group), options)))
    return int(worst(codes))


def prepare(options: dict[str, Any]) -> None:
    """Options that stand for others."""
    kinds = {"data": "data", "data_raw": "raw", "data_binary": "binary", "data_urlencode": "urlencode"}
    options["data"] = tuple((kind, text) for name, kind in kinds.items() for text in options[name])


def _host(url: str) -> tuple[str, int, str | None]:
    target = parse_target(url)
    return target.host.lower(), target.port, target.unix_path


def _path(url: str, options: dict[str, Any]) -> str:
    """The URL's path; for a target without one (``host:port``, ``unix:``) what --path says."""
    path = parse_target(url).url_path
    return path or (options["paths"][0] if options["paths"] else "/")


def channel_settings(url: str, options: dict[str, Any]) -> Settings:
    """As for a handshake; without --timeout a transfer may take as long as something moves."""
    settings = settings_from(url, options)
    source = click.get_current_context().get_parameter_source("timeout")
    if source is click.core.ParameterSource.DEFAULT:
        settings = settings._replace(timeouts=settings.timeouts._replace(total=FOREVER, response=60.0))
    return settings


def _one_host(group: list[tuple[str, str | None]], options: dict[str, Any]) -> int:
    from inspector.app import steps
    from inspector.app.http_message import Limits
    from inspector.cli.request_body import request_from
    from inspector.session import gate, request

    output = run.output_from(options)
    settings = channel_settings(group[0][0], options)
    sinks = [Output(path, include=options["include"], head_only=options["head"], nothing=output.json) for _, path in group]
    errands = [
        request.Errand(url, request_from(steps.http_authority(settings), _path(url, options), options), sink)
        for (url, _), sink in zip(group, sinks, strict=True)
    ]
    limit = options["max_filesize"]
    chosen = request.Options(
        requirements=gate.parse(options["require"], insecure=settings.insecure),
        http=options["http"] or "both",
        location=options["location"] or options["location_trusted"],
        any_host=options["location_trusted"],
        redirects=options["max_redirs"],
        retry=options["retry"],
        retry_pause=options["retry_delay"],
        decode=options["compressed"],
        limits=Limits(body=limit, decoded=limit, strict=True),
        hide_errors=options["fail"],
        hashed=options["receipt"] is not None,
        road=road_to(options),
    )
    if settings.insecure:
        run.say("warning: the server is not verified, and gets the certificate and the request anyway (--insecure)")
    try:
        result = run.conduct(request.run(settings, errands, chosen), output)
    finally:
        for sink in sinks:
            sink.close()
        for errand in errands:
            getattr(errand.request.body, "close", lambda: None)()
    return _finish(result, settings, options, output)


def _finish(result: Any, settings: Settings, options: dict[str, Any], output: run.Output) -> int:
    """Print what is to be printed beside the body; returns the exit code."""
    from inspector.session.request import report_of

    report, code = report_of(result, settings, fail=options["fail"] or options["fail_with_body"])
    if options["receipt"]:
        _write_receipt(options["receipt"], result, options)
    if output.json:
        run.print_report(report, output)
    elif output.verbose or (code and not output.quiet):
        _report_to_stderr(report, output)
    if report.error:
        run.tell_error(report.error.message, report.error.hint)
    if options["write_out"] and not output.json:
        _write_out(options["write_out"], result, report)
    return int(code)


def _report_to_stderr(report: Any, output: run.Output) -> None:
    from inspector.report.as_text import render

    text = render(report, verbose=output.verbose, explain=output.explain, quiet=not output.verbose, width=output.width, color=False)
    run.say(text)


def _write_out(template: str, result: Any, report: Any) -> None:
    outcomes = result.outcomes or (None,)
    urls = result.urls or (result.visits[-1].url,)
    for outcome, url in zip(outcomes, urls, strict=True):
        facts = Facts(outcome, result.visits[-1].transcript, report, url, result.redirects)
        headers = outcome.reply.headers if outcome is not None and outcome.reply is not None else ()
        run.write(written_out(template, facts, headers, safe=sys.stdout.isatty()).encode("utf-8", "replace"))
    sys.stdout.flush()


def _write_receipt(path: str, result: Any, options: dict[str, Any]) -> None:
    import json

    from inspector.session import gate, receipt

    requirements = gate.parse(options["require"], insecure=options["insecure"])
    receipts = [
        receipt.receipt(visit.transcript, visit.conversation, visit.url, requirements)
        for visit in result.visits if visit.conversation is not None
    ]
    if not receipts:  # nothing was said over any channel
        return
    data = json.dumps(receipts[0] if len(receipts) == 1 else receipts, indent=2).encode() + b"\n"
    if path == "-":
        run.write(data)
        return
    from inspector.cli.observers import open_private

    with open_private(path, append=False, tighten=False) as file:
        file.write(data)
