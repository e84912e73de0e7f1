"""What an application's first step came to: the same type for every protocol."""

from __future__ import annotations

from typing import NamedTuple


class HttpReply(NamedTuple):
    """The head of an HTTP response and what is known of its body (RFC 9110)."""

    status: int
    version: str  # "1.1", "2"
    reason: str
    headers: tuple[tuple[str, str], ...]
    body_bytes: int | None  # received, after decoding of the transfer, before decoding of the content
    body: bytes = b""  # its beginning, at most 64 KiB
    complete: bool = True


class AppResult(NamedTuple):
    """``accepted``: True or False where the protocol's answer is a verdict on us, None where it is not.

    ``status`` is the protocol's own word (HTTP status, SQLSTATE, SMTP code...), ``summary`` one line for people. ``answered`` is
    False when the peer ended without a word. ``reply`` is the beginning of the raw answer, at most 4 KiB.
    """

    protocol: str
    answered: bool
    accepted: bool | None
    status: str | None
    summary: str
    reply: bytes = b""
    http: HttpReply | None = None
    error: str | None = None  # the peer broke the protocol, or a limit was hit: in words
    depth: int = 0  # how many steps the server had gone along with before, where there are several
    who: str | None = None  # whom the server takes us for, where its answer says so
