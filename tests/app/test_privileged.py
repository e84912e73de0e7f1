"""The first steps that not everybody may take: what a server's answers come to."""

from __future__ import annotations

import pytest

from inspector.app import privileged
from inspector.plan import Channel

HELLO = b"220 mx\r\n250 mx\r\n"


def said(protocol: str, answers: bytes) -> tuple[bool | None, bytes]:
    """(accepted, what was sent) of a script whose server has said all this from the beginning."""
    make = privileged.step_of(protocol, greeted=True)
    assert make is not None
    talk, sent = make(Channel(None, None)), b""
    for line in answers.splitlines(keepends=True):
        sent += talk.data_to_send()
        talk.receive_data(line)
    sent += talk.data_to_send()
    talk.receive_eof()
    return talk.result.accepted, sent


@pytest.mark.parametrize(
    ("protocol", "answers", "expected"),
    [
        ("smtp", HELLO + b"250 ok\r\n250 ok\r\n", True),
        ("smtp", HELLO + b"530 5.7.0 Must issue a STARTTLS command first\r\n", False),
        ("smtp", HELLO + b"250 ok\r\n554 5.7.1 Relay access denied\r\n", False),
        ("smtp", HELLO + b"250 ok\r\n450 4.1.8 try later\r\n", None),
        ("smtp", HELLO + b"250 ok\r\n502 no such command\r\n", True),
        ("smtp", b"220 mx\r\n421 4.7.1 localhost Error: Client certificate not trusted\r\n", False),
        ("smtp", b"220 mx\r\n421 4.7.0 too many connections from you\r\n", None),
        ("smtp", HELLO + b"250 ok\r\n450 4.7.1 greylisted\r\n", None),
        ("imap", b"* OK hi\r\n* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\na2 OK\r\n", False),
        ("imap", b"* OK hi\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\na2 OK\r\n+ \r\n", True),
        ("imap", b"* PREAUTH hi\r\n", True),
        ("pop3", b"+OK hi\r\n+OK\r\n", True),
        ("pop3", b"+OK hi\r\n-ERR TLS first\r\n", False),
    ],
)
def test_a_step_is_accepted_where_more_than_a_greeting_is_served(protocol: str, answers: bytes, expected: bool | None) -> None:
    assert said(protocol, answers)[0] is expected


def test_no_letter_is_ever_sent() -> None:
    _, sent = said("smtp", HELLO + b"250 ok\r\n250 ok\r\n")
    assert b"DATA" not in sent
    assert sent.endswith(b"RSET\r\nQUIT\r\n")


def test_protocols_whose_first_step_already_tells_have_none() -> None:
    assert privileged.step_of("postgres", greeted=True) is None
