"""The reference knows every id that reports use, and says where it does not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from inspector.analysis import audit_reference, cause_texts, lookup, reference
from inspector.cli.main import mtls
from inspector.wire.registry import AlertDescription, HandshakeType


def explain(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(mtls, ["explain", *arguments], env={"COLUMNS": "80"})
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("topic", lookup.TOPICS)
def test_every_entry_can_be_looked_up_and_says_something(topic: str) -> None:
    for entry in lookup.entries(topic):
        assert entry in lookup.find(entry.id, topic)
        assert entry.title


def test_every_alert_of_the_registry_is_explained() -> None:
    assert set(AlertDescription.NAMES) - set(reference.ALERTS) == {52}  # DTLS only


def test_every_message_that_tls_sends_is_explained() -> None:
    told = {name for name, _ in reference.MESSAGES}
    only_dtls_and_unused = {
        "hello_verify_request", "request_connection_id", "new_connection_id", "ekt_key", "client_certificate_request",
    }
    assert set(HandshakeType.NAMES.values()) - told == only_dtls_and_unused


def test_every_cause_and_check_is_explained() -> None:
    assert {entry.id for entry in lookup.entries("cause")} == set(cause_texts.CAUSE_TEXTS)
    assert {entry.id for entry in lookup.entries("check")} == set(audit_reference.BY_ID)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("alert", "48"), "alert 48: unknown_ca"),
        (("alert", "unknown_ca"), "alert 48: unknown_ca"),
        (("cause", "MISSING-INTERMEDIATE"), "cause missing-intermediate:"),
        (("check", "enf-none"), "check ENF-NONE:"),
        (("message", "certificate-request"), "message certificate_request:"),
        (("error", "20"), "error 20:"),
        (("certificate_required",), "alert 116: certificate_required"),
    ],
)
def test_names_are_found_however_they_are_written(arguments: tuple[str, ...], expected: str) -> None:
    code, out, _ = explain(*arguments)
    assert code == 0
    assert out.startswith(expected)


def test_a_topic_alone_lists_its_entries() -> None:
    _, out, _ = explain("cause")
    assert all(re.search(rf"^{id_}\b", out, re.MULTILINE) for id_ in cause_texts.CAUSE_TEXTS)


def test_nothing_found_is_wrong_usage_with_a_suggestion() -> None:
    code, out, err = explain("cause", "unknwon-ca")
    assert (code, out) == (2, "")
    assert err.startswith("error: nothing is known of 'unknwon-ca'\nhint: did you mean unknown-ca")


def test_as_json_it_is_one_document() -> None:
    _, out, _ = explain("alert", "116", "--json")
    assert [(part["topic"], part["id"]) for part in json.loads(out)["reference"]] == [("alert", "116")]


def test_the_document_names_this_topic() -> None:
    assert "mtls explain" in (Path(__file__).parents[2] / "docs" / "json-format.md").read_text()
