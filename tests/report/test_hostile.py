"""Whatever bytes a peer sends, there is a report, a document and a text."""

from __future__ import annotations

import json

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.report import as_json, schema
from inspector.report.as_text import render
from inspector.report.build import build_report
from inspector.report.model import Report
from inspector.trace.transcript import Transcript
from inspector.wire.decoder import Decoder
from inspector.wire.events import Side
from tests.wire.traces import TRACES, Chunks

VALIDATOR = jsonschema.Draft202012Validator(schema.schema())


def report_of(chunks: Chunks, keylog: list[bytes]) -> Report:
    """The report on these bytes, as of a capture that knows nothing of a plan."""
    decoder, transcript = Decoder(), Transcript()
    for line in keylog:
        decoder.add_secret(line)
    for number, (side, data) in enumerate(chunks):
        decoder.feed(side, data, number / 1000)
    for side in Side:
        decoder.end(side, len(chunks) / 1000)
    decoder.flush()
    for event in decoder.events():
        transcript.append(event)
    return build_report("read", transcript)


def check(report: Report) -> None:
    """The document is valid, the text fits and is printable."""
    document = as_json.dumps(report)
    VALIDATOR.validate(json.loads(document))
    for verbose in (False, True):
        lines = render(report, verbose=verbose, explain=verbose, width=80).split("\n")
        assert all(line.isprintable() for line in lines)
        assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("name", TRACES)
def test_recorded_sessions_have_reports(name: str) -> None:
    trace = TRACES[name]
    check(report_of(trace.chunks, trace.keylog))


SMALL = [name for name in TRACES if sum(len(data) for _, data in TRACES[name].chunks) < 8000]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SMALL), st.data())
def test_damaged_sessions_have_reports_too(name: str, data: st.DataObject) -> None:
    """Some bytes changed, the rest cut off."""
    trace = TRACES[name]
    chunks = [(side, bytearray(chunk)) for side, chunk in trace.chunks]
    for _ in range(data.draw(st.integers(0, 4))):
        chunk = data.draw(st.sampled_from(chunks))[1]
        if chunk:
            chunk[data.draw(st.integers(0, len(chunk) - 1))] = data.draw(st.integers(0, 255))
    kept = data.draw(st.integers(0, len(chunks)))
    check(report_of([(side, bytes(chunk)) for side, chunk in chunks[:kept]], trace.keylog))
