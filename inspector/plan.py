"""What to try, as pure data. A command is a generator that yields plans and receives a transcript for each.

A plan says nothing about how it is done: the driver (``inspector.drive``) does it, the engine (``inspector.engine``) speaks TLS.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple, Protocol

from inspector.credentials.model import Credential
from inspector.target import Target


class Conversation(Protocol):
    """Something spoken over a byte stream, without I/O: an application's first step, STARTTLS, a proxy's CONNECT.

    The driver calls ``data_to_send`` whenever it may write (``b""``: nothing now; a memoryview is good until the next call),
    ``receive_data`` for what came, and ``receive_eof`` at the end of the stream; it stops when ``done``. ``result`` is what came
    of it.
    """

    name: str

    def data_to_send(self) -> bytes | memoryview: ...
    def receive_data(self, data: bytes) -> None: ...
    def receive_eof(self) -> None: ...
    @property
    def done(self) -> bool: ...
    @property
    def result(self) -> Any: ...


class Channel(NamedTuple):
    """What an application conversation may know of the channel it is spoken over."""

    alpn: str | None
    protocol: str | None  # "TLSv1.3"


class Timeouts(NamedTuple):
    """Seconds. ``total`` bounds the whole run; the others are upper bounds of their phase within it."""

    total: float = 20.0
    resolve: float = 5.0
    connect: float = 6.0
    prelude: float = 6.0
    handshake: float = 10.0
    verdict: float = 0.35  # at least; the driver scales it with the measured round trip
    response: float = 10.0


class Proxy(NamedTuple):
    """A proxy on the road: ``kind`` is "http" or "https" (CONNECT) or "socks5"."""

    kind: str
    host: str
    port: int
    user: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"Proxy({self.kind}://{self.host}:{self.port})"


class Road(NamedTuple):
    """How to reach the server's first TLS byte."""

    target: Target
    connect_to: tuple[str, int] | None = None  # go there instead; names and SNI stay the target's
    addresses: tuple[str, ...] = ()  # use these instead of asking the resolver
    family: int = 0  # 0, 4 or 6
    interface: str | None = None
    proxy: Proxy | None = None
    proxy_protocol: int = 0  # 0, 1 or 2: a PROXY protocol header first
    starttls: str | None = None
    # what precedes TLS (STARTTLS), made anew for each connection; None: TLS from the first byte
    prelude: Callable[[], Conversation] | None = None


class Trust(NamedTuple):
    """Which roots the server's chain may end in. ``source`` says in words which, for the report."""

    anchors: tuple[bytes, ...] = ()  # DER
    system_file: str | None = None
    system_dir: str | None = None
    source: str = "none"


class Session(NamedTuple):
    """A session to resume: an opaque handle of the engine, and what it was made with; ``made_at`` in seconds since the epoch."""

    handle: Any
    server_name: str | None
    made_at: float


class TlsVersion(Enum):
    """Protocol versions by their number on the wire (RFC 8446, Section 4.2.1)."""

    TLS1_0 = 0x0301
    TLS1_1 = 0x0302
    TLS1_2 = 0x0303
    TLS1_3 = 0x0304


class HandshakePlan(NamedTuple):
    """One TLS handshake as client, the wait for the verdict, and the application's first step."""

    road: Road
    name: str = "handshake"  # names the probe in reports
    server_name: str | None = None  # SNI; None sends none
    verify_name: str | None = None  # DNS name or IP address that the server's certificate must hold; None checks no name
    trust: Trust = Trust()
    credential: Credential | None = None
    insecure: bool = False  # go on, credential and all, with a server that is not verified
    minimum: TlsVersion | None = None
    maximum: TlsVersion | None = None
    alpn: tuple[str, ...] = ()
    ciphers: str | None = None
    groups: str | None = None
    sigalgs: str | None = None
    security_level: int | None = None  # None: OpenSSL's default
    session: Session | None = None
    # sent as 0-RTT data with ``session``; our Finished waits a while for an answer, which is then one to early data alone
    early_data: bytes = b""
    keep_session: bool = False  # hand out a Session in the transcript
    application: Callable[[Channel], Conversation] | None = None
    # True: the application's first byte waits until the verdict phase has passed without a refusal
    listen_first: bool = True
    # judges the channel once the verdict phase is over; a text is the reason why nothing may be sent (requests' gate)
    gate: Callable[[Any], str | None] | None = None
    timeouts: Timeouts = Timeouts()
    keep_records: bool = False  # keep raw bytes of the whole connection (captures), not just of the handshake
    staple: bool = True  # ask the server for a stapled OCSP response
    hello_split: int = 0  # send the ClientHello's record in two, the first with this many bytes of the message


class HelloPlan(NamedTuple):
    """Raw bytes as the first flight (a ClientHello of our own making), and what the server says to it. Nothing is answered."""

    road: Road
    pieces: tuple[bytes, ...]
    name: str = "hello"
    timeouts: Timeouts = Timeouts()


class PlaintextPlan(NamedTuple):
    """A conversation without TLS."""

    road: Road
    application: Callable[[Channel], Conversation]
    name: str = "plaintext"
    timeouts: Timeouts = Timeouts()


class Pause(NamedTuple):
    """Wait this many seconds before going on (the politeness of probes)."""

    seconds: float


Plan = HandshakePlan | HelloPlan | PlaintextPlan
Step = Plan | Pause | tuple[Plan, ...]  # a tuple: these at the same time, answered by a tuple of transcripts in the same order
