"""What people type as a target, and what of it can be no target."""

from __future__ import annotations

import subprocess
import sys

import pytest

from inspector.app import steps
from inspector.cli.road_options import addresses_for, parse_proxy
from inspector.errors import UsageError
from inspector.session.settings import Settings
from inspector.target import parse_target, to_ascii_host


@pytest.mark.parametrize(("text", "host", "path"), [
    ("https://h.test", "h.test", "/"),
    ("https://h.test?", "h.test", "/?"),
    ("https://h.test/a?", "h.test", "/a?"),
    ("https://h.test?b=/c#d?e", "h.test", "/?b=/c"),
    ("https://h.test/a?b?c", "h.test", "/a?b?c"),
    ("https://h.test/é?ü=ß", "h.test", "/%C3%A9?%C3%BC=%C3%9F"),
    ("https://h.test/%c3%a9", "h.test", "/%c3%a9"),
    ("https://h.test/\udcff", "h.test", "/%FF"),
    ("https://[::1]:8443/a@b", "::1", "/a@b"),
    ("https://[fe80::1%25eth0]/", "fe80::1%eth0", "/"),
    ("https://straße.test/", "xn--strae-oqa.test", "/"),
    ("https://Bücher.test/", "xn--bcher-kva.test", "/"),
])
def test_a_url_keeps_its_path_as_it_was_written(text, host, path):
    target = parse_target(text)
    assert (target.host, target.url_path) == (host, path)


@pytest.mark.parametrize("text", [
    "https://[::1/", "https://\x1b[31mevil/", "https://2130706433:9001/", "https://0x7f000001/", "https://1.2.3/",
    "https://300.1.1.1/", "https://a b/", "https://a\tb/", "https://a%20b/", "https:///x",
    "https://h:\u00b2/", "https://evil\\@h/", "https://\udcff/",
    "2130706433", "https://\u2488com/", "://h/", "https://-h/",
])
def test_what_names_no_host_is_wrong_usage(text):
    with pytest.raises(UsageError) as caught:
        parse_target(text)
    assert caught.value.hint
    (caught.value.message + caught.value.hint).encode()
    assert "\x1b" not in caught.value.message


@pytest.mark.parametrize("text", ["https://bob:secret@h.test/", "https://bob@h.test/", "https://bob:secret@h.test@x/", "smtp://b:secret@h"])
def test_a_url_takes_no_password_and_does_not_repeat_it(text):
    with pytest.raises(UsageError) as caught:
        parse_target(text)
    assert "secret" not in caught.value.message + caught.value.hint


def test_ascii_names_cost_no_import_of_idna():
    code = "import sys; from inspector.target import parse_target; parse_target('https://h/é'); sys.exit('idna' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_names_are_of_idna_2008_without_transition():
    assert to_ascii_host("faß.de") == "xn--fa-hia.de"
    assert to_ascii_host("a_b.test.") == "a_b.test."


@pytest.mark.parametrize("text", ["http://[::1", "[x", "http://[x]:1", "http://\u2100.test"])
def test_a_proxy_that_is_no_url_is_wrong_usage(text):
    with pytest.raises(UsageError):
        parse_proxy(text)


def test_a_port_of_resolve_is_of_ascii_digits():
    with pytest.raises(UsageError):
        addresses_for(parse_target("localhost"), ("localhost:\u00b2:127.0.0.1",))


def test_a_name_that_no_certificate_can_hold_is_another_name():
    from inspector.analysis.hostname import _reason

    assert _reason(b"a.test", "2130706433") == "is another name"


def test_a_zone_stays_on_this_machine():
    settings = Settings(parse_target("https://[fe80::1%25eth0]:8443/"))
    assert settings.target.host == "fe80::1%eth0"
    assert [settings.verify_name, steps.http_authority(settings)] == ["fe80::1", "[fe80::1]:8443"]
