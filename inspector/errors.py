"""Errors, by who is at fault. Text lives in the message and the hint; programs branch on the class.

A rejected certificate is no error: it is a result in the transcript.
"""

from __future__ import annotations


class InspectorError(Exception):
    """Something went wrong that a person can act on: ``message`` says what, ``hint`` what to do about it (may be empty).

    ``kind`` is a short stable word for scripts (``error.kind`` in JSON), such as ``key-mismatch`` or ``file-unreadable``.
    """

    kind = "error"

    def __init__(self, message: str, *, hint: str = "", kind: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if kind:
            self.kind = kind


class UsageError(InspectorError):
    """The command was called in a way that cannot work (exit 2)."""

    kind = "usage"


class CredentialError(InspectorError):
    """The client credential cannot be used: unreadable, wrong passphrase, key of another certificate (exit 4)."""

    kind = "credential-unusable"


class InputError(InspectorError):
    """A CA file, a capture, a report or another input file cannot be used (exit 4)."""

    kind = "input-unusable"


class TransportError(InspectorError):
    """Nobody could be talked to: name resolution, refusal, timeout, not TLS (exit 3)."""

    kind = "unreachable"


class MalformedMessage(InspectorError):
    """Bytes of a peer break the grammar: ``where`` names the field, ``offset`` counts bytes in the message."""

    kind = "malformed-message"

    def __init__(self, where: str, offset: int, why: str) -> None:
        super().__init__(f"{where} at byte {offset}: {why}")
        self.where = where
        self.offset = offset
        self.why = why


class InternalError(InspectorError):
    """A bug in this tool (exit 70)."""

    kind = "internal"
