"""``mtls explain``: the reference at hand."""

from __future__ import annotations

from typing import Any

import click

from inspector.cli import run
from inspector.errors import UsageError

EXAMPLES = "Examples: mtls explain alert 48; mtls explain cause missing-intermediate; mtls explain ENF-NONE"


@click.command(epilog=EXAMPLES)
@click.argument("topic", required=False)
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.option("--no-color", is_flag=True, help="No colours (also: NO_COLOR in the environment).")
@run.guarded
def command(topic: str | None, name: str | None, **options: Any) -> int:
    """Explain an alert (number or name), a cause of a rejection, a finding about a credential, a check of the audit, a handshake
    message, or an error of OpenSSL's verification.

    TOPIC is alert, cause, finding, check, message or error. Without NAME all entries of the topic are listed; a NAME alone is
    looked up in all topics.
    """
    from inspector.analysis import lookup

    output = run.output_from(options)
    if topic is None:
        _print_topics(output)
    elif topic in lookup.TOPICS and name is None:
        _print(lookup.entries(topic), output, in_full=False)
    else:
        within, wanted = (topic, name) if name is not None else (None, topic)
        if within is not None and within not in lookup.TOPICS:
            raise UsageError(f"'{within}' is no topic", hint=f"topics are {', '.join(lookup.TOPICS)}")
        _print(_found(wanted or "", within), output, in_full=True)
    return 0


def _found(name: str, topic: str | None) -> Any:
    from inspector.analysis import lookup

    found = lookup.find(name, topic)
    if not found:
        elsewhere = lookup.find(name) if topic else ()
        near = [f"{entry.topic} {entry.id}" for entry in elsewhere] or lookup.near(name, topic)
        listing = f"mtls explain {topic or 'TOPIC'} lists them all"
        raise UsageError(f"nothing is known of '{name}'", hint=f"did you mean {', '.join(near)}? {listing}" if near else listing)
    return found


def _print_topics(output: run.Output) -> None:
    from inspector.analysis import lookup

    if output.json:
        _print([entry for topic in lookup.TOPICS for entry in lookup.entries(topic)], output, in_full=True)
        return
    from inspector.report.layout import Page

    page = Page(output.width, color=output.color)
    for topic, (about, _) in lookup.TOPICS.items():
        page.hang(topic, about, 10, lead_style="heading")
    page.blank()
    page.line(EXAMPLES)
    run.write_text(page.text())


def _print(entries: Any, output: run.Output, *, in_full: bool) -> None:
    if output.json:
        run.print_report(_report(entries), output)
        return
    from inspector.report.layout import Page

    page = Page(output.width, color=output.color)
    indent = max(len(entry.id) for entry in entries) + 2
    for entry in entries:
        if in_full:
            _entry(page, entry)
        else:
            page.hang(entry.id, entry.title, indent, lead_style="heading")
    run.write_text(page.text())


def _entry(page: Any, entry: Any) -> None:
    page.blank()
    page.hang(f"{entry.topic} {entry.id}:", entry.title, 2, lead_style="heading")
    column = max((len(section.label) for section in entry.sections), default=0) + 4
    for section in entry.sections:
        page.hang(f"  {section.label}", section.text, column, lead_style="dim")
    if entry.references:
        page.hang("  see", ", ".join(entry.references), max(column, 7), lead_style="dim")


def _report(entries: Any) -> Any:
    from inspector.report import build, model

    parts = tuple(
        model.ReferencePart(
            topic=entry.topic, id=entry.id, title=entry.title, references=entry.references,
            sections=tuple(model.ReferenceSection(label=section.label, text=section.text) for section in entry.sections),
        )
        for entry in entries
    )
    return model.Report(command="explain", tool=build.tool_part(openssl=False), reference=parts)
