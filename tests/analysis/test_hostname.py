"""The host name check in words."""

from __future__ import annotations

import subprocess
import sys

import pytest

from inspector.analysis.hostname import explain
from inspector.credentials import mint
from inspector.der.certificate import Certificate, parse

ROOT = mint.authority("Root")


def holding(*names: str, common_name: str = "whoever") -> Certificate:
    return parse(mint.leaf(common_name, ROOT, names=names).cert)


@pytest.mark.parametrize(("names", "host", "matched", "said"), [
    (("DNS:a.example",), "a.example", "DNS:a.example", "is the name"),
    (("DNS:A.Example",), "a.eXample", "DNS:A.Example", "is the name"),
    (("DNS:a.example",), "a.example.", "DNS:a.example", "is the name"),
    (("DNS:xn--bcher-kva.example",), "bücher.example", "DNS:xn--bcher-kva.example", "is the name"),
    (("DNS:*.example.org",), "a.example.org", "DNS:*.example.org", "exactly one label"),
    (("DNS:*.example.org",), "a.b.example.org", None, "stands for one label, the host has more"),
    (("DNS:*.example.org",), "example.org", None, "one label more than the host has"),
    (("DNS:*.example.org",), "a.example.net", None, "wildcard for another domain"),
    (("DNS:f*.example.org",), "foo.example.org", None, "not the whole first label"),
    (("DNS:*",), "localhost", None, "has a * that is not the whole first label"),
    (("DNS:*.com",), "a.com", None, "no valid pattern"),
    (("DNS:b.example", "DNS:c.example"), "a.example", None, "DNS:b.example is another name; DNS:c.example is another name"),
    (("DNS:a.example\0.evil.example",), "a.example", None, "NUL byte"),
    (("IP:192.0.2.1",), "192.0.2.1", "IP:192.0.2.1", "is the address"),
    (("IP:2001:db8::1",), "2001:db8:0::1", "IP:2001:db8::1", "is the address"),
    (("IP:192.0.2.1",), "192.0.2.2", None, "it holds IP:192.0.2.1"),
    (("DNS:192.0.2.1",), "192.0.2.1", None, "as a DNS name, where an address is never looked for"),
    (("DNS:a.example",), "192.0.2.1", None, "connect by one of its names instead: DNS:a.example"),
    (("email:a@b.example",), "a.example", None, "it holds only email:a@b.example"),
    ((), "a.example", None, "it has no subjectAltName"),
])
def test_which_name_fits_or_why_none_does(names: tuple[str, ...], host: str, matched: str | None, said: str) -> None:
    verdict = explain(holding(*names), host)
    assert (verdict.matched, verdict.matches) == (matched, matched is not None)
    assert said in verdict.text


def test_host_in_the_common_name_only_is_flagged() -> None:
    verdict = explain(holding(common_name="a.example"), "a.example")
    assert (verdict.matches, verdict.common_name_only) == (False, True)
    assert "RFC 9525" in verdict.text


def test_ten_thousand_names_make_a_short_sentence_with_the_nearest_first() -> None:
    names = [f"DNS:n{i}.other.example" for i in range(3000)] + ["DNS:near.host.example"]
    verdict = explain(holding(*names), "far.host.example")
    assert "no name in the certificate is far.host.example: DNS:near.host.example is another name" in verdict.text
    assert verdict.text.endswith("and 2993 more")


def test_control_characters_of_a_name_are_escaped() -> None:
    assert "\x1b" not in explain(holding("DNS:\x1b[2Ja.example"), "b.example").text


def test_service_identity_is_imported_only_to_explain_a_mismatch() -> None:
    code = (
        "import sys\n"
        "from inspector.analysis.hostname import explain\n"
        "from inspector.credentials import mint\n"
        "from inspector.der.certificate import parse\n"
        "leaf = parse(mint.leaf('x', names=('DNS:a.example',)).cert)\n"
        "assert explain(leaf, 'a.example').matches and 'service_identity' not in sys.modules\n"
        "assert not explain(leaf, 'b.example').matches and 'service_identity' in sys.modules\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
