"""Records: how a byte stream splits, and what bytes look like that are no records (RFC 8446, Section 5.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

HEADER = 5
MAX_RECORD = 18_432  # RFC 5246, Section 6.2.3: 2^14 + 2048
CONTENT_TYPES = range(20, 25)
PLAUSIBLE_TYPES = range(20, 24)


class Record(NamedTuple):
    """One record as it stood on the wire. ``header`` is kept: it is authenticated in TLS 1.3."""

    type: int
    version: int
    header: bytes
    payload: bytes


def is_header(data: bytes | bytearray, at: int = 0) -> bool:
    """True where a record may begin at ``at`` (as far as there are bytes): a content type and a version 3.x."""
    return data[at] in CONTENT_TYPES and (len(data) < at + 2 or data[at + 1] == 3)


def is_plausible(data: bytes | bytearray, at: int) -> bool:
    """A stricter look for the search of a boundary in the middle of a stream: type, version and length are all usual."""
    return (
        data[at] in PLAUSIBLE_TYPES and data[at + 1] == 3 and data[at + 2] <= 4
        and 0 < (data[at + 3] << 8 | data[at + 4]) <= MAX_RECORD
    )  # fmt: skip


def find_boundary(data: bytes | bytearray, start: int = 0) -> tuple[int | None, int]:
    """Where the next record begins in bytes from the middle of a stream (None: not known yet), and where to search on from.

    A header counts when another one, or the end of the bytes, follows right behind its record.
    """
    last = len(data) - HEADER
    resume = max(last + 1, start)
    for at in range(start, last + 1):
        if data[at] in PLAUSIBLE_TYPES and is_plausible(data, at):
            behind = at + HEADER + (data[at + 3] << 8 | data[at + 4])
            if behind == len(data) or (behind <= last and is_plausible(data, behind)):
                return at, at
            if behind > last:  # more bytes will tell
                resume = min(resume, at)
    return None, resume


def _smtp_or_ftp(data: bytes) -> str:
    line = data.lower()
    return "smtp" if b"smtp" in line or b"mail" in line else "ftp" if b"ftp" in line else "smtp or ftp"


def is_sslv2_hello(data: bytes | bytearray) -> bool:
    """A ClientHello in an SSLv2 record (two-byte header), whatever version it offers (RFC 5246, Appendix E.2)."""
    return len(data) >= 5 and data[0] & 0x80 != 0 and data[2] == 1 and bytes(data[3:5]) in _SSLV2_OFFERS


_SSLV2_OFFERS = (b"\0\2", b"\3\0", b"\3\1", b"\3\2", b"\3\3")


def _is_sslv2(data: bytes) -> bool:
    return is_sslv2_hello(data) or (len(data) >= 5 and data[0] & 0x80 != 0 and data[2] == 4 and data[3] <= 1)


def _is_dtls(data: bytes) -> bool:
    return len(data) >= 3 and data[0] in range(20, 26) and data[1] == 0xFE and data[2] in (0xFF, 0xFD, 0xFC)


def _is_mysql(data: bytes) -> bool:
    return len(data) >= 5 and data[3] == 0 and data[4] in (9, 10, 0xFF) and data[2] == 0


def _is_postgres(data: bytes) -> bool:
    if data in (b"S", b"N", b"G") or (data[:4] == b"E\0\0\0" and data[5:6] in (b"S", b"M", b"C")):
        return True
    return data[:8] == b"\0\0\0\x08\x04\xd2\x16\x2f"  # an SSLRequest, from a client


_HTTP_METHODS = (b"GET ", b"POST ", b"PUT ", b"HEAD ", b"OPTIONS ", b"DELETE ", b"PATCH ", b"CONNECT ", b"TRACE ", b"PRI * HTTP")
# What the first bytes must hold, in the order asked
_LOOKS: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    ("http", lambda d: d.startswith((b"HTTP/", *_HTTP_METHODS)) or d[:14].lower().startswith((b"<!doctype html", b"<html"))),
    ("ssh", lambda d: d.startswith(b"SSH-")),
    ("imap", lambda d: d.startswith((b"* OK", b"* BYE", b"* PREAUTH"))),
    ("pop3", lambda d: d.startswith((b"+OK", b"-ERR ") if b"unknown command" not in d else b"+OK")),
    ("redis", lambda d: d.startswith((b"-ERR", b"-NOAUTH", b"+PONG", b"-DENIED"))),
    ("proxy protocol", lambda d: d.startswith((b"PROXY TCP", b"PROXY UNKNOWN", b"\r\n\r\n\0\r\nQUIT\n"))),
    ("xmpp", lambda d: d.lstrip().startswith((b"<?xml", b"<stream:"))),
    ("vnc", lambda d: d.startswith(b"RFB 0")),
    ("amqp", lambda d: d.startswith(b"AMQP")),
    ("nntp", lambda d: d.startswith((b"200 ", b"201 ")) and b"nntp" in d.lower()),
    ("sieve", lambda d: d.startswith(b'"IMPLEMENTATION"')),
    ("dtls", _is_dtls),
    ("sslv2", _is_sslv2),
    ("postgres", _is_postgres),
    ("mysql", _is_mysql),
    ("socks", lambda d: len(d) >= 2 and d[0] == 5 and d[1] in (0, 1, 2, 0xFF) and len(d) <= 10),
    ("ldap", lambda d: d[:1] == b"\x30" and d[2:4] == b"\x02\x01"),
)


def looks_like(data: bytes) -> str:
    """The protocol that bytes which are no TLS record seem to be of; empty where none comes to mind."""
    for name, test in _LOOKS:
        if test(data):
            return name
    if data[:4] in (b"220 ", b"220-", b"421 ", b"421-", b"554 ", b"554-"):
        return _smtp_or_ftp(data)
    return ""
