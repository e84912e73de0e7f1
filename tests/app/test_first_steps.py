"""The first steps of all protocols: which answers are a verdict on us, and which are not."""

from __future__ import annotations

import pytest

from inspector.app import steps
from inspector.app.steps import first_step, rdn_value, resolve_protocol
from inspector.errors import UsageError
from inspector.plan import Channel
from inspector.session.settings import Settings
from inspector.target import parse_target
from tests.app.feeding import fed_in_three_ways

CHANNEL = Channel(None, "TLSv1.3")


def step_of(protocol, **more):
    settings = Settings(parse_target("server.test:1234"), **more)
    make = first_step(protocol, settings)
    assert make is not None
    return lambda: make(CHANNEL)


def pg(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


def pg_error(state: bytes, text: bytes = b"no") -> bytes:
    return pg(b"E", b"SFATAL\0C" + state + b"\0M" + text + b"\0\0")


def my(sequence: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "little") + bytes([sequence]) + body


def ldap(tag: int, number: int, code: int, rest: bytes = b"") -> bytes:
    operation = b"\x0a\x01" + bytes([code]) + b"\x04\x00\x04\x00" + rest
    body = b"\x02\x01" + bytes([number]) + bytes([tag, len(operation)]) + operation
    return b"\x30" + bytes([len(body)]) + body


EHLO = b"250-mail.test\r\n250-PIPELINING\r\n250 AUTH EXTERNAL\r\n"
MY_DENIED = my(2, b"\xff\x15\x04#28000Access denied for user")

# protocol, settings, answers in turn, accepted, status
CASES = [
    ("postgres", {}, [pg(b"R", b"\0\0\0\0") + pg(b"S", b"a\0b") + pg(b"K", b"\0" * 8) + pg(b"Z", b"I")], True, "AuthenticationOk"),
    ("postgres", {}, [pg(b"R", b"\0\0\0\0") + pg_error(b"28000", b"role \"mallory\" does not exist")], False, "28000"),
    ("postgres", {}, [pg(b"R", b"\0\0\0\0") + pg_error(b"3D000")], True, "3D000"),
    ("postgres", {}, [pg(b"R", b"\0\0\0\x0aSCRAM-SHA-256\0\0")], True, "Authentication 10"),
    ("postgres", {}, [pg(b"N", b"\0") + pg_error(b"28000", b"connection requires a valid client certificate")], False, "28000"),
    ("postgres", {}, [pg_error(b"28P01")], False, "28P01"),
    ("postgres", {}, [pg_error(b"3D000")], True, "3D000"),
    ("postgres", {}, [pg_error(b"53300")], None, "53300"),
    ("mysql", {"starttls": "mysql"}, [my(2, b"\0\0\0\2\0\0\0")], True, "OK"),
    ("mysql", {"starttls": "mysql"}, [MY_DENIED], False, "1045 (28000)"),
    ("mysql", {"starttls": "mysql"}, [my(2, b"\xfemysql_native_password\0abcdefgh"), my(4, b"\0\0\0\2\0\0\0")], True, "OK"),
    ("mysql", {}, [my(0, b"\x0a8.0\0greeting"), my(2, b"\xff\x10\x04#08004Too many")], None, "1040 (08004)"),
    ("smtp", {"starttls": "smtp"}, [EHLO], True, "250"),
    ("smtp", {}, [b"220 mail.test\r\n", EHLO], True, "250"),
    ("smtp", {}, [b"554 5.7.1 who are you\r\n"], False, "554"),
    ("smtp", {}, [b"421 busy\r\n"], None, "421"),
    ("smtp", {"starttls": "smtp"}, [b"530 must authenticate\r\n"], False, "530"),
    ("lmtp", {"starttls": "lmtp"}, [EHLO], True, "250"),
    ("imap", {}, [b"* OK hello\r\n", b"* CAPABILITY IMAP4rev1\r\na2 OK done\r\n"], True, "OK"),
    ("imap", {"starttls": "imap"}, [b"* CAPABILITY IMAP4rev1\r\na2 OK done\r\n"], True, "OK"),
    ("imap", {}, [b"* BYE [AUTHORIZATIONFAILED] no\r\n"], False, "BYE"),
    ("imap", {}, [b"* BYE too many\r\n"], None, "BYE"),
    ("pop3", {}, [b"+OK hi\r\n", b"+OK\r\nUSER\r\nSASL EXTERNAL\r\n.\r\n"], True, "+OK"),
    ("pop3", {"starttls": "pop3"}, [b"-ERR [AUTH] no\r\n"], False, "-ERR"),
    ("pop3", {"starttls": "pop3"}, [b"-ERR what\r\n"], None, "-ERR"),
    ("ftp", {"starttls": "ftp"}, [b"211-Features:\r\n MDTM\r\n211 End\r\n"], True, "211"),
    ("ftp", {"starttls": "ftp"}, [b"530 Please login with USER and PASS.\r\n"], None, "530"),
    ("ftp", {}, [b"530 not you\r\n"], False, "530"),
    ("nntp", {"starttls": "nntp"}, [b"101 list\r\nVERSION 2\r\n.\r\n"], True, "101"),
    ("nntp", {}, [b"200 hi\r\n", b"480 who\r\n"], None, "480"),
    ("sieve", {"starttls": "sieve"}, [b'"SASL" "EXTERNAL"\r\nOK "ready"\r\n'], True, "OK"),
    ("irc", {}, [b":irc.test NOTICE * :looking\r\nPING :1\r\n:irc.test CAP * LS :sasl\r\n"], True, "CAP"),
    ("irc", {}, [b"ERROR :closing link\r\n"], None, "ERROR"),
    ("redis", {}, [b"+PONG\r\n"], True, "+PONG"),
    ("redis", {}, [b"-NOAUTH Authentication required.\r\n"], True, "-NOAUTH"),
    ("redis", {}, [b"-DENIED protected mode\r\n"], None, "-DENIED"),
    ("mqtt", {}, [b"\x20\x02\x00\x00"], True, "0"),
    ("mqtt", {}, [b"\x20\x02\x00\x05"], False, "5"),
    ("mqtt", {}, [b"\x20\x02\x00\x03"], None, "3"),
    ("ldap", {}, [ldap(0x78, 3, 0, b"\x8b\x05dn:x=")], True, "0"),
    ("ldap", {}, [ldap(0x78, 3, 50)], False, "50"),
    ("ldap", {}, [ldap(0x78, 3, 51)], None, "51"),
    ("xmpp", {}, [b"<?xml version='1.0'?><stream:stream><stream:features><mechanism>EXTERNAL</mechanism></stream:features>"],
     True, "features"),
    ("xmpp", {}, [b"<stream:stream><stream:error><not-authorized/>"], False, "not-authorized"),
]


@pytest.mark.parametrize(("protocol", "settings", "answers", "accepted", "status"), CASES)
def test_each_answer_is_the_verdict_that_it_says(protocol, settings, answers, accepted, status):
    result, _ = fed_in_three_ways(step_of(protocol, **settings), answers)
    assert (protocol, True, accepted, status, None) == (
        result.protocol, result.answered, result.accepted, result.status, result.error)


@pytest.mark.parametrize("protocol", sorted(steps.STEPS))
def test_a_peer_that_says_nothing_is_no_verdict(protocol):
    conversation = step_of(protocol)()
    conversation.receive_eof()
    assert conversation.done
    assert (conversation.result.answered, conversation.result.accepted) == (False, None)


@pytest.mark.parametrize("protocol", sorted(steps.STEPS))
@pytest.mark.parametrize("noise", [b"\xff" * 70_000, b"\r\n" * 200_000, b"\x00" * 70_000, b"250-x\r\n" * 60_000, b"<a>" * 100_000])
def test_a_peer_that_speaks_nonsense_without_end_is_bounded(protocol, noise):
    conversation = step_of(protocol)()
    for start in range(0, len(noise), 10_000):
        conversation.receive_data(noise[start : start + 10_000])
    conversation.receive_eof()
    assert conversation.done
    assert len(conversation.result.reply) <= 4096
    assert len(conversation.result.summary) < 400


def test_the_certificate_binds_to_ldap_by_external_where_the_server_knows_it():
    from inspector.app.ldap import whoami
    from inspector.app.talk import Talk

    result, sent = fed_in_three_ways(
        lambda: Talk("ldap", whoami(True)), [ldap(0x61, 2, 0), ldap(0x78, 3, 0, b"\x8b\x06dn:x=y")])
    assert (result.accepted, result.summary) == (True, "known as dn:x=y")
    assert b"EXTERNAL" in sent
    result, _ = fed_in_three_ways(lambda: Talk("ldap", whoami(True)), [ldap(0x61, 2, 49)])
    assert (result.accepted, result.status) == (False, "49")
    result, _ = fed_in_three_ways(lambda: Talk("ldap", whoami(True)), [ldap(0x61, 2, 7), ldap(0x78, 3, 0)])
    assert (result.accepted, result.summary) == (True, "known as anonymous; EXTERNAL: authMethodNotSupported")


@pytest.mark.parametrize(("app", "starttls", "port", "expected"), [
    (None, None, 443, "http"), (None, None, 9443, "http"), (None, None, 8883, "mqtt"), (None, None, 993, "imap"),
    (None, None, 853, "none"), (None, "postgres", 443, "postgres"), (None, "mariadb", 5, "mysql"), (None, "rdp", 3389, "none"),
    ("none", "smtp", 25, "none"), ("http", None, 993, "http"), ("PostgreSQL", None, 1, "postgres"),
])
def test_the_protocol_is_what_was_asked_for_then_starttls_then_the_port(app, starttls, port, expected):
    assert expected == resolve_protocol(app, starttls, port)


def test_an_unknown_protocol_is_wrong_usage():
    with pytest.raises(UsageError):
        resolve_protocol("gopher", None, 70)


@pytest.mark.parametrize(("name", "expected"), [
    ("CN=alice,O=Example", "alice"), ("O=Example", None), ("CN=a\\,b,O=x", "a,b"), ("CN=\\C3\\A4,O=x", "ä"), ("OU=x+CN=y,O=z", "y"),
])
def test_the_common_name_is_read_from_the_subject(name, expected):
    assert expected == rdn_value(name, "CN")
