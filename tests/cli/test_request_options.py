"""What the options of requests and roads come to."""

from __future__ import annotations

import pytest

from inspector.cli.road_options import addresses_for, bypassed, parse_proxy, proxy_for
from inspector.cli.write_out import PATTERN
from inspector.errors import UsageError
from inspector.session import gate
from inspector.target import parse_target

TARGET = parse_target("api.test:443")


@pytest.mark.parametrize(("text", "expected"), [
    ("http://p:3128", ("http", "p", 3128, None, None)),
    ("p", ("http", "p", 3128, None, None)),
    ("https://p", ("https", "p", 443, None, None)),
    ("socks5h://u%40x:p%3Aw@p:1", ("socks5", "p", 1, "u@x", "p:w")),
    ("http://[::1]:8080", ("http", "::1", 8080, None, None)),
])
def test_a_proxy_is_read_from_its_url(text, expected):
    assert parse_proxy(text) == expected


@pytest.mark.parametrize("text", ["ftp://p:1", "http://", "http://p:0x1", "socks4://user:secret@p"])
def test_a_proxy_that_makes_no_sense_is_wrong_usage_and_its_password_stays_unsaid(text):
    with pytest.raises(UsageError) as caught:
        parse_proxy(text)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(("entry", "expected"), [
    ("*", True), ("api.test", True), (".test", True), ("test", True), ("*.test", True), ("pi.test", False), ("api.test:443", True),
    ("api.test:444", False), ("other.test, API.TEST", True), ("", False), ("10.0.0.0/8", False),
])
def test_no_proxy_covers_names_and_what_is_below_them(entry, expected):
    assert bypassed(TARGET, entry) is expected


def test_no_proxy_covers_networks():
    assert bypassed(parse_target("10.1.2.3:443"), "10.0.0.0/8")
    assert bypassed(parse_target("[2001:db8::1]:443"), "2001:db8::/32")


def test_the_option_comes_before_the_environment():
    environment = {"HTTPS_PROXY": "http://e:1", "NO_PROXY": "other.test", "MTLS_PROXY_PASSWORD": "pw"}
    assert proxy_for(TARGET, {}, environment).host == "e"
    assert proxy_for(TARGET, {"proxy": "socks5://o:2"}, environment).host == "o"
    assert proxy_for(TARGET, {"proxy": "none"}, environment) is None
    assert proxy_for(TARGET, {}, environment | {"NO_PROXY": "api.test"}) is None
    assert proxy_for(TARGET, {"proxy": "http://o:2", "noproxy": "other.test,.test"}, environment) is None
    for here in ("unix:/s", "localhost:443", "127.0.0.9:443", "[::1]:443", "a.localhost:443"):
        assert proxy_for(parse_target(here), {}, environment) is None
    named = proxy_for(TARGET, {"proxy_user": "bob"}, environment)
    assert (named.user, named.password) == ("bob", "pw")
    assert "pw" not in repr(named)


def test_resolve_is_for_one_host_and_port():
    assert addresses_for(TARGET, ("api.test:443:127.0.0.1,[::1]", "other.test:443:10.0.0.1")) == ("127.0.0.1", "::1")
    assert addresses_for(TARGET, ("*:443:10.0.0.1",)) == ("10.0.0.1",)
    assert addresses_for(TARGET, ("+api.test:443:10.0.0.1",)) == ("10.0.0.1",)
    assert addresses_for(TARGET, ("api.test:444:10.0.0.1",)) == ()
    for text in ("api.test:443", "api.test:443:name", ":443:1.2.3.4", "api.test:x:1.2.3.4"):
        with pytest.raises(UsageError):
            addresses_for(TARGET, (text,))


def test_requirements_are_read_and_printed_alike():
    text = "verified,client-not-rejected,client-accepted,alpn=h2,tls>=1.3,cipher=TLS_AES_128_GCM_SHA256,group=X25519"
    pin = "peer-spki=sha256//" + "A" * 43 + "=;sha256//" + "B" * 43 + "="
    assert ",".join(str(word) for word in gate.parse(f"{text},{pin}")) == f"{text},{pin}"
    assert [str(word) for word in gate.parse("")] == ["verified", "client-not-rejected"]
    assert [str(word) for word in gate.parse("", insecure=True)] == ["client-not-rejected"]
    assert [str(word) for word in gate.parse("verified", insecure=True)] == ["verified"]


@pytest.mark.parametrize("text", [
    "nonsense", "tls>1.3", "tls>=2", "alpn", "verified=1", "peer-spki=sha256//abc", "cipher=", "alpn>=h2", ",", " , ",
])
def test_a_requirement_that_is_not_known_is_wrong_usage(text):
    with pytest.raises(UsageError):
        gate.parse(text)


def test_write_out_finds_its_variables():
    found = [match[0] for match in PATTERN.finditer(r"%{a.b} %header{X} \n %% %{c-d}")]
    assert found == ["%{a.b}", "%header{X}", r"\n", "%%", "%{c-d}"]
