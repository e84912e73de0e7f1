"""The JSON format: documentation, schema and model say the same."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from inspector.report import as_json, schema
from inspector.report.build import build_report
from inspector.report.model import Report
from inspector.session.settings import Settings
from inspector.target import Target
from inspector.wire.events import Side
from tests.analysis.scenes import ALICE, Scene, asked_and_sent, completed, never_asked
from tests.report.structs import all_structs, rows_of, title

DOCUMENT = Path(__file__).parents[2] / "docs" / "json-format.md"
STRUCTS = all_structs()


def documented() -> dict[str, list[tuple[str, str]]]:
    """Title of each section -> (key, type) of each row of its table."""
    found: dict[str, list[tuple[str, str]]] = {}
    for section in re.split(r"^### ", DOCUMENT.read_text(), flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        found[heading] = re.findall(r"^\| `(\w+)` \| (.+?) \| .*\S \|$", body, flags=re.MULTILINE)
    return found


@pytest.mark.parametrize("name", STRUCTS)
def test_every_field_is_documented_with_its_type(name: str) -> None:
    assert documented()[title(name)] == rows_of(STRUCTS[name])


def test_nothing_is_documented_that_is_not_there() -> None:
    assert set(documented()) == set(map(title, STRUCTS))


def test_the_schema_in_the_package_is_up_to_date() -> None:
    """Run ``python -m inspector.report.schema`` where this fails."""
    assert schema.FILE.read_text() == schema.text()


def settings() -> Settings:
    return Settings(Target("api.test", 443), credential=ALICE.credential("alice.pem", throw_away=False), now=1_800_000_000.0)


SCENES = {
    "accepted": completed().http(200, b"ok", ("Server", "nginx")),
    "rejected": asked_and_sent(tls13=False).alert(48).ended("server", "fin"),
    "not requested": never_asked().protocol(None, "220 ready"),
    "no TLS": Scene().connected().ended("server", "fin"),
    "late": never_asked().data(Side.CLIENT).request(late=True).certificate(Side.CLIENT, ALICE.cert, late=True).alert(45),
}


@pytest.mark.parametrize("scene", SCENES)
def test_reports_are_valid_against_the_schema(scene: str) -> None:
    document = json.loads(as_json.dumps(build_report("handshake", SCENES[scene].transcript, settings())))
    jsonschema.Draft202012Validator(schema.schema()).validate(document)


@pytest.mark.parametrize("scene", SCENES)
def test_a_report_read_back_is_the_same_report(scene: str) -> None:
    report = build_report("handshake", SCENES[scene].transcript, settings())
    assert as_json.dumps(as_json.loads(as_json.dumps(report))) == as_json.dumps(report)


def test_a_report_is_one_line_of_valid_json_whatever_a_peer_sent() -> None:
    scene = completed().http(200, b"", ("Server", "a\u202eb\x7f\x9b31m\ud800"))
    data = as_json.dumps(build_report("handshake", scene.transcript))
    assert b"\n" not in data
    text = data.decode("utf-8")
    assert not any(c in text for c in "\u202e\x7f\x9b")
    assert json.loads(text)["http"]["headers"] == [["Server", "a\u202eb\x7f\x9b31m?"]]


def test_a_key_that_does_not_apply_is_absent_and_one_that_is_unknown_is_null() -> None:
    document = json.loads(as_json.dumps(build_report("handshake", never_asked().http(200).transcript)))
    assert "diagnosis" not in document
    assert "error" not in document
    assert document["client_auth"]["when"] is None


def test_the_index_of_a_message_is_its_position() -> None:
    report = build_report("handshake", completed().http(200).transcript)
    assert isinstance(report, Report)
    assert [m.index for m in report.handshake.messages] == list(range(len(report.handshake.messages)))  # type: ignore[union-attr]
