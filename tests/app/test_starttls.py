"""STARTTLS of every protocol: agreed, refused, and a server that slips bytes in before TLS."""

from __future__ import annotations

import pytest

from inspector.app.proxy import http_connect, proxy_protocol_header, socks5
from inspector.app.starttls import PRELUDES, prelude_for
from inspector.app.talk import Talk
from inspector.errors import UsageError
from tests.app.feeding import converse, fed_in_three_ways
from tests.app.test_first_steps import ldap, my

MY_GREETING = my(0, b"\x0a8.0.1\0" + b"\1\0\0\0" + b"saltsalt\0" + b"\xff\xff\x2d\x02\x00\xff\xff\x15" + b"\0" * 22)
RDP_YES = b"\x03\x00\x00\x13\x0e\xd0\x00\x00\x12\x34\x00\x02\x00\x08\x00\x01\x00\x00\x00"
RDP_NO = b"\x03\x00\x00\x13\x0e\xd0\x00\x00\x12\x34\x00\x03\x00\x08\x00\x05\x00\x00\x00"
XMPP_OFFER = (b"<stream:stream id='1'><stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>")

AGREED = {
    "smtp": [b"220-mail\r\n220 ready\r\n", b"250-mail\r\n250 STARTTLS\r\n", b"220 go\r\n"],
    "lmtp": [b"220 ready\r\n", b"250 STARTTLS\r\n", b"220 go\r\n"],
    "imap": [b"* OK [CAPABILITY STARTTLS] hi\r\n", b"* note\r\na1 OK go\r\n"],
    "pop3": [b"+OK hi\r\n", b"+OK go\r\n"],
    "ftp": [b"220 (vsFTPd 3)\r\n", b"234 Proceed\r\n"],
    "nntp": [b"200 hi\r\n", b"382 go\r\n"],
    "sieve": [b'"STARTTLS"\r\nOK "hi"\r\n', b'OK "go"\r\n'],
    "irc": [b":s NOTICE * :hi\r\n:s 670 * :STARTTLS successful\r\n"],
    "ldap": [ldap(0x78, 1, 0)],
    "xmpp": [XMPP_OFFER, b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"],
    "postgres": [b"S"],
    "mysql": [MY_GREETING],
    "rdp": [RDP_YES],
}
REFUSED = {
    "smtp": [b"220 ready\r\n", b"250 mail\r\n", b"454 TLS not available\r\n"],
    "lmtp": [b"220 ready\r\n", b"500 what\r\n"],
    "imap": [b"* OK hi\r\n", b"a1 BAD what\r\n"],
    "pop3": [b"+OK hi\r\n", b"-ERR what\r\n"],
    "ftp": [b"220 hi\r\n", b"530 Please login with USER and PASS.\r\n"],
    "nntp": [b"200 hi\r\n", b"580 no\r\n"],
    "sieve": [b'OK "hi"\r\n', b'NO "no TLS"\r\n'],
    "irc": [b":s 691 * :STARTTLS failed\r\n"],
    "ldap": [ldap(0x78, 1, 2)],
    "xmpp": [b"<stream:stream><stream:features/>"],
    "postgres": [b"N"],
    "mysql": [MY_GREETING.replace(b"saltsalt\0\xff\xff", b"saltsalt\0\xff\xf7")],
    "rdp": [RDP_NO],
}


@pytest.mark.parametrize("protocol", sorted(PRELUDES))
def test_a_server_that_agrees_opens_the_way_for_tls(protocol):
    result, _ = fed_in_three_ways(prelude_for(protocol, "server.test"), AGREED[protocol])
    assert (protocol, True, None) == (result.protocol, result.accepted, result.error)


@pytest.mark.parametrize("protocol", sorted(PRELUDES))
def test_a_server_that_refuses_says_so(protocol):
    result, _ = fed_in_three_ways(prelude_for(protocol, "server.test"), REFUSED[protocol])
    assert (result.answered, result.accepted) == (True, False)


@pytest.mark.parametrize("protocol", sorted(PRELUDES))
@pytest.mark.parametrize("together", [True, False])
def test_bytes_after_the_go_ahead_are_refused(protocol, together):
    *first, last = AGREED[protocol]
    answers = [*first, last + b"EVIL\r\n"] if together else [*first, last, b"EVIL\r\n"]
    result, _ = converse(prelude_for(protocol, "server.test")(), answers)
    assert result.accepted is None
    assert result.error is not None


@pytest.mark.parametrize("protocol", ["smtp", "imap", "pop3", "ftp", "nntp"])
def test_what_is_not_of_the_protocol_is_no_refusal(protocol):
    result, _ = converse(prelude_for(protocol)(), [b"SSH-2.0-OpenSSH_9.2\r\n"])
    assert result.accepted is None
    assert result.error is not None


def test_an_unknown_protocol_is_wrong_usage():
    with pytest.raises(UsageError):
        prelude_for("gopher")


def test_the_host_of_xmpp_is_escaped():
    assert b"to='a&#39;b'" in prelude_for("xmpp", "a'b")().data_to_send()


def test_a_connect_proxy_opens_a_tunnel_and_sees_credentials_once():
    result, sent = fed_in_three_ways(
        lambda: Talk("http-connect", http_connect("h.test", 443, "bob", "pw")), [b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n"])
    assert (result.accepted, result.status) == (True, "200")
    assert sent.startswith(b"CONNECT h.test:443 HTTP/1.1\r\nHost: h.test:443\r\n")
    assert b"Proxy-Authorization: Basic Ym9iOnB3\r\n" in sent


def test_a_connect_proxy_that_refuses_is_told_with_its_status():
    result, _ = fed_in_three_ways(lambda: Talk("http-connect", http_connect("h", 1)), [b"HTTP/1.1 407 Proxy Auth\r\nX: y\r\n\r\n"])
    assert (result.accepted, result.status) == (False, "407")


def test_a_socks_proxy_opens_a_tunnel_by_name_and_by_address():
    for host, wire in (("h.test", b"\x03\x06h.test"), ("1.2.3.4", b"\x01\x01\x02\x03\x04"), ("::1", b"\x04" + b"\0" * 15 + b"\1")):
        result, sent = fed_in_three_ways(
            lambda host=host: Talk("socks5", socks5(host, 443)), [b"\5\0", b"\5\0\0\1\0\0\0\0\0\0"])
        assert result.accepted is True
        assert sent == b"\5\1\0" + b"\5\1\0" + wire + b"\x01\xbb"


def test_a_socks_proxy_takes_user_and_password_or_refuses():
    answers = [b"\5\2", b"\1\0", b"\5\0\0\3\4name\0\0"]
    result, sent = fed_in_three_ways(lambda: Talk("socks5", socks5("h", 1, "u", "p")), answers)
    assert result.accepted is True
    assert b"\1\1u\1p" in sent
    for refusal in ([b"\5\xff"], [b"\5\2", b"\1\1"], [b"\5\0", b"\5\5\0\1\0\0\0\0\0\0"]):
        result, _ = converse(Talk("socks5", socks5("h", 1, "u", "p")), refusal)
        assert result.accepted is False


def test_the_proxy_protocol_header_names_both_ends():
    assert proxy_protocol_header(1, ("1.2.3.4", 11), ("5.6.7.8", 22)) == b"PROXY TCP4 1.2.3.4 5.6.7.8 11 22\r\n"
    binary = proxy_protocol_header(2, ("::1", 11), ("::2", 22))
    assert binary[12:16] == b"\x21\x21\x00\x24"
    assert len(binary) == 16 + 36
    assert proxy_protocol_header(1, ("", 0), ("/socket", 0)) == b"PROXY UNKNOWN\r\n"
