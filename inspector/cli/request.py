"""``mtls request``."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import click

from inspector.cli import run
from inspector.cli.options import output_options, settings_from, settings_options
from inspector.cli.request_checks import check_all, check_receipt, road_to
from inspector.cli.request_options import InOrder, prepare, request_options, url_path
from inspector.cli.request_output import Heads, Output
from inspector.errors import InputError, UsageError
from inspector.session.settings import Settings
from inspector.target import parse_target

EXAMPLE = "Example: mtls request https://api.example.com/v1/orders --cert me.pem --key me.key --data-json '{\"n\": 1}'"
FOREVER = 7 * 86400.0  # seconds: a transfer may take its time as long as something moves


@click.command(cls=InOrder, epilog=EXAMPLE)
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
    url = prepare(url, options)
    if not url:
        raise UsageError("there is no URL", hint="for instance: mtls request https://api.example.com/")
    if options["as_"]:
        from inspector.cli.equivalents import equivalent

        run.write(equivalent(options["as_"], url, options))
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
    from inspector.cli.request_message import draft, ready
    from inspector.cli.write_out import template_of
    from inspector.report.outcome import ExitCode, worst

    template = template_of(options["write_out"]) if options["write_out"] else ""
    check_all(urls, options)
    made = ready(draft(options))
    heads = Heads(options["dump_header"]) if options["dump_header"] else None
    numbered = list(zip(urls, options["outputs"], strict=True))
    codes = []
    try:
        for _, group in groupby(numbered, key=lambda item: _host(item[0])):
            codes.append(ExitCode(_one_host(list(group), made, options, template, heads)))
    finally:
        if heads is not None:
            heads.close()
    return int(worst(codes))


def _host(url: str) -> tuple[str, int, str | None]:
    target = parse_target(url)
    return target.host.lower(), target.port, target.unix_path


def channel_settings(url: str, options: dict[str, Any]) -> Settings:
    """As for a handshake; without --timeout a transfer may take as long as something moves.

    For ``mtls connect`` too, which has fewer options.
    """
    given = click.get_current_context().get_parameter_source("timeout") is not click.core.ParameterSource.DEFAULT
    settings = settings_from(url, options)
    timeouts = settings.timeouts
    if not options.get("timeout_given", given):
        timeouts = timeouts._replace(total=FOREVER, response=60.0)
    seconds = options.get("connect_timeout")
    if seconds:  # as with curl, 0 is the default
        if not 0 < seconds < FOREVER:
            raise UsageError("--connect-timeout wants a number of seconds above 0", hint="for instance --connect-timeout 3")
        steps = dict.fromkeys(("resolve", "connect", "prelude", "handshake"), seconds)
        timeouts = timeouts._replace(**steps)
    return settings._replace(timeouts=timeouts)


def _chosen(settings: Settings, options: dict[str, Any]) -> Any:
    """How the requests are sent."""
    from inspector.app.http_message import Limits
    from inspector.cli.request_message import usual_method
    from inspector.session import gate, request

    limit = options["max_filesize"]
    return request.Options(
        requirements=gate.parse(options["require"], insecure=settings.insecure),
        http=options["http"] or "both",
        location=options["location"] or options["location_trusted"],
        any_host=options["location_trusted"],
        redirects=options["max_redirs"],
        retry=options["retry"],
        retry_pause=options["retry_delay"],
        decode=options["compressed"],
        without_x=usual_method(options) if options["method"] else None,
        limits=Limits(body=limit, decoded=limit, strict=True),
        hide_errors=options["fail"],
        hashed=options["receipt"] is not None,
        road=road_to(options),
    )


def _sinks(paths: list[str | None], options: dict[str, Any], heads: Heads | None, template: str) -> list[Output]:
    """Where the bodies go. With --write-out a second body on stdout waits for the text after the first."""
    return [
        Output(path, include=options["include"], head_only=options["head"], nothing=bool(options["as_json"]), heads=heads,
               make_folders=options["create_dirs"], held=bool(template) and number > 0, hide_errors=options["fail"])
        for number, path in enumerate(paths)
    ]


def _one_host(
    group: list[tuple[str, str | None]], made: Any, options: dict[str, Any], template: str, heads: Heads | None,
) -> int:
    from inspector.app import steps
    from inspector.cli.request_message import request_for
    from inspector.session import request

    output = run.output_from(options)
    settings = channel_settings(group[0][0], options)
    sinks = _sinks([path for _, path in group], options, heads, template)
    errands = [
        request.Errand(url, request_for(made, steps.http_authority(settings), url_path(url, options)), sink)
        for (url, _), sink in zip(group, sinks, strict=True)
    ]
    if settings.insecure and not options["silent"]:
        run.say("warning: the server is not verified, and gets the certificate and the request anyway (--insecure)")
    try:
        result = run.conduct(request.run(settings, errands, _chosen(settings, options)), output)
        sinks[0].close()
        return _finish(result, settings, options, output, sinks, template)
    finally:
        for sink in sinks:
            sink.close()
        for errand in errands:
            getattr(errand.request.body, "close", lambda: None)()


def _finish(
    result: Any, settings: Settings, options: dict[str, Any], output: run.Output, sinks: list[Output], template: str,
) -> int:
    """Print what is to be printed beside the body; returns the exit code."""
    from inspector.session.request import report_of

    report, code = report_of(result, settings, fail=options["fail"] or options["fail_with_body"])
    if options["receipt"]:
        _write_receipt(options["receipt"], result, options)
    if output.json:
        run.print_report(report, output)
    elif output.verbose or (code and not output.quiet):
        _report_to_stderr(report, output)
    if report.error and (options["show_error"] or not options["silent"]):
        run.tell_error(report.error.message, report.error.hint)
    if template and not output.json:
        _write_out(template, result, report, sinks, int(code))
    return int(code)


def _report_to_stderr(report: Any, output: run.Output) -> None:
    from inspector.report.as_text import render

    text = render(report, verbose=output.verbose, explain=output.explain, quiet=not output.verbose, width=output.width, color=False)
    run.say(text)


def _write_out(template: str, result: Any, report: Any, sinks: list[Output], code: int) -> None:
    """Each URL's text right after its body."""
    from inspector.cli.write_out import Facts, print_texts, transfers

    since = 0.0
    for number, (transfer, sink) in enumerate(zip(transfers(result), sinks, strict=False)):
        sink.release()
        print_texts(template, Facts(transfer, result.visits[-1].transcript, report, sink, since, code, number))
        since = sink.ended or since


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

    try:
        with open_private(path, append=False, tighten=False) as file:
            file.write(data)
    except OSError as exc:
        raise InputError(f"cannot write '{path}': {exc.strerror}", kind="file-unwritable", hint="check the room there") from exc
