"""Protocols made of text lines: how each asks for TLS (STARTTLS), and the first step after it.

SMTP (RFC 5321, 3207), LMTP (RFC 2033), IMAP (RFC 9051, 5530), POP3 (RFC 1939, 2449, 2595, 3206), FTP (RFC 959, 4217, 2389),
NNTP (RFC 3977, 4642), ManageSieve (RFC 5804), IRC (IRCv3), Redis (RESP2).

A first step never logs in with a password. ``accepted`` is True where the answer shows that commands are served, False where it
refuses who we are, None else (busy, unknown command...). ``greeting``: the server speaks first, as it does where TLS begins with
the first byte; after STARTTLS it does not (but for ManageSieve).
"""

from __future__ import annotations

from collections.abc import Generator

from inspector.app.result import AppResult
from inspector.app.talk import PeerBroke, Script, Want, text_of

LINES = 200  # of one answer
OUR_NAME = "mtls-inspector.invalid"  # RFC 6761: a name that nobody can have

Coded = Generator[Want, bytes, tuple[str, list[bytes]]]


def _coded(send: bytes = b"") -> Coded:
    """The code and the lines of an answer in which ``-`` after the code means that more follow (RFC 5321, 4.2.1; RFC 959, 4.2)."""
    lines = [(yield Want(send))]
    code = lines[0][:3]
    if len(code) < 3 or not code.isdigit():
        raise PeerBroke(f"'{text_of(lines[0], 60)}' does not begin with an answer code")
    if lines[0][3:4] == b"-":
        while lines[-1][:3] != code or lines[-1][3:4] == b"-":
            if len(lines) >= LINES:
                raise PeerBroke(f"an answer of more than {LINES} lines")
            lines.append((yield Want()))
            if lines[-1] == code:
                break
    return code.decode(), lines


def _belongs(line: bytes, *beginnings: bytes) -> None:
    """Raises PeerBroke where a line begins as none of this protocol does: a refusal is one only in the protocol that was asked."""
    if not line.startswith(beginnings):
        raise PeerBroke(f"'{text_of(line, 60)}' is no answer of this protocol")


def _until(prefixes: tuple[bytes, ...], send: bytes = b"") -> Generator[Want, bytes, list[bytes]]:
    """The lines up to the first that begins with one of ``prefixes`` (in any case)."""
    lines = [(yield Want(send))]
    while not lines[-1].upper().startswith(prefixes):
        if len(lines) >= LINES:
            raise PeerBroke(f"an answer of more than {LINES} lines")
        lines.append((yield Want()))
    return lines


def _word(line: bytes, which: int = 0) -> str:
    words = line.split()
    return words[which].decode("ascii", "replace") if len(words) > which else ""


def _agreed(name: str, status: str, ok: bool, line: bytes) -> AppResult:
    summary = "the server agreed to TLS" if ok else f"the server refused STARTTLS: {text_of(line)}"
    return AppResult(name, True, ok, status, summary)


def _step(name: str, status: str, accepted: bool | None, line: bytes) -> AppResult:
    return AppResult(name, True, accepted, status, text_of(line))


# STARTTLS


def _mail_starttls(name: str, hello: str) -> Script:
    code, lines = yield from _coded()
    if code != "220":
        return _agreed(name, code, False, lines[-1])
    code, lines = yield from _coded(f"{hello} {OUR_NAME}\r\n".encode())
    if code != "250":
        return _agreed(name, code, False, lines[-1])
    code, lines = yield from _coded(b"STARTTLS\r\n")
    return _agreed(name, code, code == "220", lines[-1])


def smtp_starttls() -> Script:
    return _mail_starttls("smtp", "EHLO")


def lmtp_starttls() -> Script:
    return _mail_starttls("lmtp", "LHLO")


def imap_starttls() -> Script:
    greeting = yield Want()
    if not greeting.upper().startswith(b"* OK"):
        _belongs(greeting, b"* ")
        return _agreed("imap", _word(greeting, 1), False, greeting)
    lines = yield from _until((b"A1 ", b"* BYE"), b"a1 STARTTLS\r\n")
    return _agreed("imap", _word(lines[-1], 1), _word(lines[-1], 1).upper() == "OK", lines[-1])


def pop3_starttls() -> Script:
    greeting = yield Want()
    if not greeting.startswith(b"+OK"):
        _belongs(greeting, b"-ERR")
        return _agreed("pop3", _word(greeting), False, greeting)
    answer = yield Want(b"STLS\r\n")
    return _agreed("pop3", _word(answer), answer.startswith(b"+OK"), answer)


def ftp_starttls() -> Script:
    code, lines = yield from _coded()
    if code == "120":  # ready in some minutes; the real greeting follows
        code, lines = yield from _coded()
    if code != "220":
        return _agreed("ftp", code, False, lines[-1])
    code, lines = yield from _coded(b"AUTH TLS\r\n")
    return _agreed("ftp", code, code == "234", lines[-1])


def nntp_starttls() -> Script:
    greeting = yield Want()
    if _word(greeting) not in ("200", "201"):
        _belongs(greeting, b"4", b"5")
        return _agreed("nntp", _word(greeting), False, greeting)
    answer = yield Want(b"STARTTLS\r\n")
    return _agreed("nntp", _word(answer), _word(answer) == "382", answer)


SIEVE_ENDS = (b"OK", b"NO", b"BYE")


def sieve_starttls() -> Script:
    lines = yield from _until(SIEVE_ENDS)
    if not lines[-1].upper().startswith(b"OK"):
        return _agreed("sieve", _word(lines[-1]), False, lines[-1])
    answer = yield from _until(SIEVE_ENDS, b"STARTTLS\r\n")
    return _agreed("sieve", _word(answer[-1]), answer[-1].upper().startswith(b"OK"), answer[-1])


def _irc_numeric(line: bytes) -> str:
    """The command or numeric of a line, whether or not a source stands before it (RFC 1459, 2.3)."""
    return _word(line, 1 if line.startswith(b":") else 0).upper()


def irc_starttls() -> Script:
    send = b"STARTTLS\r\n"
    for _ in range(LINES):
        line = yield Want(send)
        send = b""
        numeric = _irc_numeric(line)
        if numeric == "PING":
            send = b"PONG " + line.partition(b" ")[2] + b"\r\n"
        elif numeric == "670":
            return _agreed("irc", numeric, True, line)
        elif numeric in ("691", "421", "451", "ERROR"):
            return _agreed("irc", numeric, False, line)
    raise PeerBroke("no answer to STARTTLS among its first lines")


# First steps


def _mail_accepted(code: str, line: bytes) -> bool | None:
    """530, 535 and 538 ask who we are; enhanced codes 5.7.x and 4.7.1 are security or policy (RFC 3463, 3.8).

    Postfix says "421 4.7.1 Client certificate not trusted"; 4.7.0 is also said for too many connections.
    """
    if code.startswith("2"):
        return True
    return False if code in ("530", "535", "538") or line[4:].startswith((b"5.7.", b"4.7.1")) else None


def _mail(name: str, hello: str, greeting: bool) -> Script:
    if greeting:
        code, lines = yield from _coded()
        if code != "220":
            return _step(name, code, _mail_accepted(code, lines[-1]), lines[-1])
    code, lines = yield from _coded(f"{hello} {OUR_NAME}\r\n".encode())
    return _step(name, code, _mail_accepted(code, lines[-1]), lines[0])


def smtp(greeting: bool) -> Script:
    return _mail("smtp", "EHLO", greeting)


def lmtp(greeting: bool) -> Script:
    return _mail("lmtp", "LHLO", greeting)


# response codes of IMAP (RFC 5530) and POP3 (RFC 3206) that refuse who we are
IDENTITY_CODES = (b"[AUTH]", b"[AUTHENTICATIONFAILED]", b"[AUTHORIZATIONFAILED]", b"[EXPIRED]", b"[PRIVACYREQUIRED]")


def _refused(line: bytes) -> bool | None:
    return False if any(code in line.upper() for code in IDENTITY_CODES) else None


def imap(greeting: bool) -> Script:
    if greeting:
        line = yield Want()
        word = _word(line, 1).upper()
        if word not in ("OK", "PREAUTH"):
            return _step("imap", word, _refused(line), line)
    lines = yield from _until((b"A2 ", b"* BYE"), b"a2 CAPABILITY\r\n")
    word = _word(lines[-1], 1).upper()
    return _step("imap", word, True if word == "OK" else _refused(lines[-1]), lines[0])


def pop3(greeting: bool) -> Script:
    if greeting:
        line = yield Want()
        if not line.startswith(b"+OK"):
            return _step("pop3", _word(line), _refused(line), line)
    line = yield Want(b"CAPA\r\n")
    if not line.startswith(b"+OK"):
        return _step("pop3", _word(line), _refused(line), line)
    lines = yield from _until((b".",))
    return _step("pop3", "+OK", True, b" ".join([line, *lines[:-1]]))


def ftp(greeting: bool) -> Script:
    """FEAT needs no login; 232 (RFC 2228) and 530 are the answers that speak of who we are."""
    if greeting:
        code, lines = yield from _coded()
        if code not in ("220", "232"):
            return _step("ftp", code, False if code == "530" else None, lines[-1])
    code, lines = yield from _coded(b"FEAT\r\n")
    # 530 to FEAT is the request to log in first: a service, but no verdict
    return _step("ftp", code, True if code.startswith("2") else None, lines[0])


def nntp(greeting: bool) -> Script:
    if greeting:
        line = yield Want()
        if _word(line) not in ("200", "201"):
            return _step("nntp", _word(line), None, line)
    line = yield Want(b"CAPABILITIES\r\n")
    code = _word(line)
    if code == "101":
        yield from _until((b".",))
    return _step("nntp", code, {"101": True, "480": None, "481": False, "502": None}.get(code), line)


def sieve(_greeting: bool) -> Script:
    """ManageSieve sends its capabilities by itself, also after STARTTLS (RFC 5804, 2.2)."""
    lines = yield from _until(SIEVE_ENDS)
    word = _word(lines[-1]).upper()
    return _step("sieve", word, True if word == "OK" else None, lines[-1])


def irc(_greeting: bool) -> Script:
    send = b"CAP LS 302\r\n"
    for _ in range(LINES):
        line = yield Want(send)
        send = b""
        numeric = _irc_numeric(line)
        if numeric == "PING":
            send = b"PONG " + line.partition(b" ")[2] + b"\r\n"
        elif numeric in ("CAP", "421", "451"):
            return _step("irc", numeric, True, line)
        elif numeric in ("ERROR", "465"):
            return _step("irc", numeric, False if numeric == "465" else None, line)
    raise PeerBroke("no answer to CAP LS among its first lines")


# first word of Redis' answer to PING -> verdict; -NOAUTH: commands are read, a password is the next question
REDIS = {"+PONG": True, "-NOAUTH": True, "-NOPERM": True, "-WRONGPASS": False}


def redis(_greeting: bool) -> Script:
    line = yield Want(b"PING\r\n")
    if line[:1] not in (b"+", b"-"):
        raise PeerBroke(f"'{text_of(line, 60)}' is not an answer to PING")
    word = _word(line)
    return _step("redis", word, REDIS.get(word), line)
