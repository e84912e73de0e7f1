"""Nothing that a peer sent acts upon a terminal."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.report import escape


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CN=api.test", "CN=api.test"),
        ("CN=Müller, O=日本", "CN=Müller, O=日本"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\rc\td", "a\\x0ab\\x0dc\\x09d"),
        ("\x9b31m", "\\x9b31m"),
        ("user\u202egnp.exe", "user\\u202egnp.exe"),
        ("\u2066\u200b\ufeff", "\\u2066\\u200b\\ufeff"),
        ("\x7f", "\\x7f"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_could_act_upon_a_terminal_is_spelled_out(text: str, expected: str) -> None:
    assert escape.terminal(text) == expected


@given(st.text())
def test_whatever_comes_out_is_printable(text: str) -> None:
    assert escape.terminal(text).isprintable()


@given(st.text())
def test_escaped_json_means_the_same(text: str) -> None:
    document = escape.json_text(json.dumps([text], ensure_ascii=False))
    assert json.loads(document) == [text]
    assert all(c.isprintable() for c in document)


def test_several_lines_stay_lines() -> None:
    assert escape.lines("a\tb\r\nc\x1b") == ["a    b", "c\\x1b"]
