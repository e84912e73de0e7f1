"""What the decoder reports, in wire order. Times are seconds: since the start of the run live, since the epoch in a capture."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple


class Side(StrEnum):
    """Who sent it. "client" and "server" are the TLS roles, whoever this tool plays."""

    CLIENT = "client"
    SERVER = "server"

    @property
    def other(self) -> Side:
        return Side.SERVER if self is Side.CLIENT else Side.CLIENT


class Message(NamedTuple):
    """One whole handshake message.

    ``type`` is a ``registry.HandshakeType`` (HelloRetryRequest has its own value there); ``body`` are the bytes without the
    four-byte header; ``value`` the parsed message of ``wire.messages``, or a MalformedMessage where the body breaks the grammar.
    ``late`` is true for messages after this side's or the peer's first handshake was finished (post-handshake, renegotiation).
    """

    side: Side
    at: float
    type: int
    body: bytes
    value: Any
    encrypted: bool
    late: bool = False


class ChangeCipherSpec(NamedTuple):
    """A change_cipher_spec record (a real one up to TLS 1.2, a compatibility dummy in TLS 1.3)."""

    side: Side
    at: float


class Alert(NamedTuple):
    """One alert: numbers as on the wire (RFC 8446, Section 6)."""

    side: Side
    at: float
    level: int
    description: int
    encrypted: bool


class ApplicationData(NamedTuple):
    """Application data: ``size`` counts plaintext bytes where it was opened, else the record's; ``data`` is None where not kept."""

    side: Side
    at: float
    size: int
    data: bytes | None
    encrypted: bool = True


class OpaqueRecord(NamedTuple):
    """A record that could not be opened. ``content_type`` is the outer one (23 for everything protected in TLS 1.3).

    ``handshake`` is true for a handshake record after ChangeCipherSpec (TLS 1.2): the contract's ``encrypted_handshake``.
    ``alert`` likewise for an alert record whose contents are encrypted (TLS 1.2). ``records`` is more than one where the reader of
    a long capture summed up a row of application data records; ``length`` is their sum then.
    """

    side: Side
    at: float
    content_type: int
    length: int
    handshake: bool = False
    alert: bool = False
    records: int = 1


class NotTls(NamedTuple):
    """Bytes where a record was expected: ``reason`` in words, ``looks_like`` names a protocol ("http", "ssh"...) or is empty."""

    side: Side
    at: float
    data: bytes
    reason: str
    looks_like: str = ""


class Gap(NamedTuple):
    """Bytes that a capture lacks on this side; what follows is decoded from the next record boundary that could be found."""

    side: Side
    at: float
    missing: int


class Limit(NamedTuple):
    """A limit of this tool was hit: decoding of this side ended or was cut short, and ``what`` says where."""

    side: Side
    at: float
    what: str


class Truncated(NamedTuple):
    """The stream of this side ended inside a record or a handshake message: ``have`` of ``expected`` bytes (None: unknown) came."""

    side: Side
    at: float
    what: str  # "record" or "handshake message"
    have: int
    expected: int | None


WireEvent = Message | ChangeCipherSpec | Alert | ApplicationData | OpaqueRecord | NotTls | Gap | Limit | Truncated
