"""The first step of a protocol that not everybody may take, where the plain first step (EHLO, CAPABILITY) is anybody's.

None of them logs in, and none sends mail: SMTP begins a transaction and takes it back (RFC 5321, 4.1.1.5); IMAP and POP3 ask
whether a login would be taken here at all (RFC 3501, 6.2.3; RFC 2595) and break it off.
"""

from __future__ import annotations

from collections.abc import Callable

from inspector.app.line_protocols import OUR_NAME, _coded, _step, _until, _word
from inspector.app.result import AppResult
from inspector.app.talk import Script, Talk, Want
from inspector.plan import Channel, Conversation

REFUSED = "5"  # SMTP: permanent negative completion
NO_SUCH_COMMAND = ("500", "501", "502", "503", "504")
TEMPORARY = "4"
CLOSING, NOT_AUTHORISED = "421", b"4.7.1"


def _verdict(code: str, lines: list[bytes]) -> bool | None:
    """False where the server refuses us; None for what may be otherwise later.

    Postfix turns clients without the right certificate away with "421 4.7.1": it closes the channel (RFC 5321, 3.8), because we are
    not authorised (RFC 3463, X.7.1). Other temporary refusals of that class are of greylists and rate limits.
    """
    closed = code == CLOSING and lines[-1][4:].startswith(NOT_AUTHORISED)
    return False if code[0] == REFUSED or closed else None


def smtp(greeting: bool) -> Script:
    """MAIL and RCPT to a name that nobody can have, then RSET: accepted where the server would take a letter from us."""
    if greeting:
        code, lines = yield from _coded()
        if code != "220":
            return _step("smtp", code, _verdict(code, lines), lines[-1])
    code, lines = yield from _coded(f"EHLO {OUR_NAME}\r\n".encode())
    if code != "250":
        return _step("smtp", code, _verdict(code, lines), lines[-1])
    code, lines = yield from _coded(f"MAIL FROM:<audit@{OUR_NAME}>\r\n".encode())
    if code[0] != "2":
        return _step("smtp", code, _verdict(code, lines), b"MAIL: " + lines[-1])._replace(depth=1)
    mail = lines[-1]
    code, lines = yield from _coded(f"RCPT TO:<audit@{OUR_NAME}>\r\n".encode())
    yield Want(b"RSET\r\nQUIT\r\n", 0)
    if _verdict(code, lines) is False and code not in NO_SUCH_COMMAND:
        return _step("smtp", code, False, b"RCPT: " + lines[-1])._replace(depth=2)
    return _step("smtp", code, None if code[0] == TEMPORARY else True, b"MAIL: " + mail)


def imap(greeting: bool) -> Script:
    """AUTHENTICATE without a name: accepted where the server would take a password, or took us in already."""
    if greeting:
        word = _word((yield Want()), 1).upper()
        if word == "PREAUTH":
            return AppResult("imap", True, True, word, "greeted as somebody who is logged in (PREAUTH)")
    lines = yield from _until((b"A2 ", b"* BYE"), b"a2 CAPABILITY\r\n")
    if any(b"LOGINDISABLED" in line.upper() for line in lines):
        return AppResult("imap", True, False, "LOGINDISABLED", "logins are not taken here (LOGINDISABLED)")
    line = yield Want(b"a3 AUTHENTICATE PLAIN\r\n")
    if line.startswith(b"+"):
        yield Want(b"*\r\n", 0)
        return AppResult("imap", True, True, "+", "a password would be taken here (AUTHENTICATE PLAIN)")
    return _step("imap", _word(line, 1).upper(), False, line)


def pop3(greeting: bool) -> Script:
    """USER: accepted where the server would go on to take a password."""
    if greeting:
        line = yield Want()
        if not line.startswith(b"+OK"):
            return _step("pop3", _word(line), False, line)
    line = yield Want(b"USER mtls-inspector\r\n")
    return _step("pop3", _word(line), line.startswith(b"+OK"), line)


SCRIPTS: dict[str, Callable[[bool], Script]] = {"smtp": smtp, "imap": imap, "pop3": pop3}


def step_of(protocol: str, *, greeted: bool) -> Callable[[Channel], Conversation] | None:
    """A maker of the conversation, or None where the plain first step already tells. ``greeted``: the server speaks first."""
    script = SCRIPTS.get(protocol)
    return None if script is None else lambda _channel: Talk(protocol, script(greeted))
