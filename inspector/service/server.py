"""The server of ``mtls serve`` and of the demonstration: the driver's listener, the echo, and somebody who is told what happens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import NamedTuple, Self

from inspector.drive.listener import Listener, Visitor, bind
from inspector.engine.server import ServerSettings
from inspector.plan import TlsVersion, Trust
from inspector.service import log
from inspector.service.echo import Echo, Seen
from inspector.service.log import Refusal
from inspector.service.pki import Pki
from inspector.trace.observer import Observer

ALPN = ("http/1.1",)


class Service(NamedTuple):
    """How to serve. ``verify`` is "required", "optional" or "none"; ``port`` 0 takes a free one; ``most``: clients in all."""

    host: str = "127.0.0.1"
    port: int = 0
    verify: str = "required"
    minimum: TlsVersion | None = None
    maximum: TlsVersion | None = None
    most: int | None = None


def settings_of(service: Service, pki: Pki) -> ServerSettings:
    """OpenSSL's own judgement ends the handshake with its alert, as it does in other servers."""
    old = service.minimum is not None and service.minimum.value < TlsVersion.TLS1_2.value
    return ServerSettings(
        credential=pki.server, trust=Trust(anchors=pki.anchors), verify=service.verify, minimum=service.minimum,
        maximum=service.maximum, alpn=ALPN, security_level=0 if old else None,
    )  # fmt: skip


def listen(
    service: Service, pki: Pki, *, on_request: Callable[[Visitor, Seen], None] | None = None,
    on_refusal: Callable[[Visitor, Refusal], None] | None = None, observers: Iterable[Observer] = (),
) -> Listener:
    """A listener that serves ``pki``'s server; ``run`` it. Raises TransportError where the port cannot be had."""

    def over(visitor: Visitor) -> None:
        found = log.refusal(visitor)
        if found is not None and on_refusal is not None:
            on_refusal(visitor, found)

    settings = settings_of(service, pki)
    sock = bind(service.host, service.port)
    return Listener(
        sock, settings, lambda visitor: Echo(visitor, on_request), on_over=over, observers=observers, most=service.most,
    )


class InBackground:
    """A listener in a thread of its own, as a context manager: the demonstration's server."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._thread = threading.Thread(target=listener.run, name="mtls-server", daemon=True)

    @property
    def port(self) -> int:
        return self._listener.port

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self._listener.stop()
        self._thread.join(5.0)
