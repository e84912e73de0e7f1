"""Host patterns: what covers what, and which is more specific."""

from __future__ import annotations

import pytest

from inspector.errors import UsageError
from inspector.store.pattern import parse_pattern


@pytest.mark.parametrize(("pattern", "host", "port", "hit"), [
    ("api.bank.example", "api.bank.example", 443, True),
    ("api.bank.example:443", "api.bank.example", 443, True),
    ("https://api.bank.example/", "api.bank.example", 443, True),
    ("https://api.bank.example:443/path", "API.Bank.example.", 443, True),
    ("api.bank.example", "api.bank.example", 8443, False),
    ("api.bank.example:8443", "api.bank.example", 8443, True),
    ("api.bank.example:8443", "api.bank.example", 443, False),
    ("api.bank.example:*", "api.bank.example", 8443, True),
    ("*.bank.example", "api.bank.example", 443, True),
    ("*.bank.example", "a.b.bank.example", 443, True),
    ("*.bank.example", "bank.example", 443, False),
    ("*.bank.example", "evilbank.example", 443, False),
    ("*.bank.example:8443", "api.bank.example", 8443, True),
    ("*.0.0.1", "127.0.0.1", 443, False),
    ("*", "anything.example", 443, True),
    ("*", "anything.example", 444, False),
    ("*:*", "192.0.2.1", 444, True),
    ("[::1]:8443", "::1", 8443, True),
    ("::1", "::1", 443, True),
    ("192.0.2.1:8443", "192.0.2.1", 8443, True),
    ("bücher.example", "xn--bcher-kva.example", 443, True),
])
def test_pattern_covers_a_host(pattern: str, host: str, port: int, hit: bool) -> None:
    ruling = parse_pattern(pattern).ruling(host, port)
    assert ruling.hit is hit
    assert ruling.why


@pytest.mark.parametrize("text", [
    "", " ", "a b", "*.", "a.*.example", "api.*", "host:0", "host:65536", "host:x", "[::1", "[x]:1", "*.:*",
])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_pattern(text)


def test_text_of_a_pattern_is_read_back_as_the_same() -> None:
    for text in ("api.bank.example", "*.bank.example:8443", "[::1]:8443", "*:*", "api.bank.example:*"):
        assert str(parse_pattern(text)) == text
        assert parse_pattern(str(parse_pattern(text))) == parse_pattern(text)
    assert str(parse_pattern("https://api.bank.example:443/x")) == "api.bank.example"


def test_the_more_specific_pattern_compares_higher() -> None:
    ordered = ["*:*", "*", "*.example:*", "*.bank.example:*", "*.bank.example:443", "api.bank.example:*", "api.bank.example"]
    levels = [parse_pattern(text).specificity for text in ordered]
    assert levels == sorted(set(levels))
