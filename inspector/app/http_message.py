"""What an HTTP request is before it is spoken, and who takes its response. Bodies are read and written piece by piece."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from inspector.app.result import HttpReply
from inspector.version import __version__

USER_AGENT = f"mtls-inspector/{__version__}"
BODY_KEPT = 64 * 1024

Headers = tuple[tuple[str, str], ...]


class Body(Protocol):
    """A request's body. ``size`` is None where it is not known (then HTTP/1.1 sends chunks)."""

    @property
    def size(self) -> int | None: ...
    def read(self, limit: int, /) -> bytes:
        """At most ``limit`` bytes; ``b""`` at the end."""
    def restart(self) -> bool:
        """Begin again (a redirect, a retry). False where that cannot be done, as with a pipe."""


class BytesBody:
    """A body that is in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def size(self) -> int | None:
        return len(self._data)

    def read(self, limit: int, /) -> bytes:
        piece = self._data[self._position : self._position + limit]
        self._position += len(piece)
        return piece

    def restart(self) -> bool:
        self._position = 0
        return True


class Request(NamedTuple):
    """One request. ``target`` is the path with its query; ``headers`` go after Host, in this order, as they are.

    ``expect``: ask for "100 Continue" before the body is sent (RFC 9110, Section 10.1.1).
    """

    method: str
    authority: str
    target: str = "/"
    headers: Headers = (("User-Agent", USER_AGENT), ("Accept", "*/*"))
    body: Body | None = None
    expect: bool = False

    def header(self, name: str) -> str | None:
        """The first value of a header, by its name in any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Limits(NamedTuple):
    """How much of a response is taken. ``body`` bytes on the wire end the exchange (None: no end).

    ``strict``: that is an error, and so is a body whose end is not vouched for. ``interim`` responses may be many (a server says
    102 as long as it works), but come to no more than ``head`` bytes together.
    """

    head: int = 300 * 1024
    headers: int = 5000
    interim: int = 1000
    body: int | None = None
    decoded: int | None = None
    strict: bool = False


NO_LIMITS = Limits()


class Sink(Protocol):
    """Takes a response as it comes."""

    def interim(self, status: int, headers: Headers) -> None: ...
    def head(self, request: Request, reply: HttpReply) -> None: ...
    def data(self, data: bytes | memoryview) -> None: ...
    def trailers(self, headers: Headers) -> None: ...


class NoSink:
    """Takes nothing: what is kept of the body in the reply is enough."""

    def interim(self, status: int, headers: Headers) -> None:
        pass

    def head(self, request: Request, reply: HttpReply) -> None:
        pass

    def data(self, data: bytes | memoryview) -> None:
        pass

    def trailers(self, headers: Headers) -> None:
        pass


class Outcome(NamedTuple):
    """One exchange that is over. ``reply`` is None where no head came; ``error`` says what broke.

    ``decoded_bytes`` went to the sink.
    """

    request: Request
    reply: HttpReply | None
    trailers: Headers = ()
    error: str | None = None
    decoded_bytes: int = 0
    sent_bytes: int = 0  # of the body


# what to send after an outcome (None before the first); None ends the conversation
NextRequest = Callable[[Outcome | None], Request | None]


def one(request: Request) -> NextRequest:
    """A conversation of one request."""
    return lambda outcome: request if outcome is None else None


def value_of(headers: Headers, name: str) -> str | None:
    """The first value of a header, by its name in any case."""
    return next((value for key, value in headers if key.lower() == name.lower()), None)


def values_of(headers: Headers, name: str) -> str:
    """All values of a header that is a list, joined as RFC 9110, Section 5.3 has it; empty where it is absent."""
    return ", ".join(value for key, value in headers if key.lower() == name.lower())
