"""A client of ours and a server in memory: our own, or the standard library's (another binding of OpenSSL)."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from inspector.credentials import mint
from inspector.engine.connection import ClientConnection
from inspector.engine.server import ServerConnection, ServerSettings
from inspector.plan import HandshakePlan, Road, TlsVersion, Trust
from inspector.target import Target
from inspector.wire.decoder import Decoder
from inspector.wire.events import Side

ROOT = mint.authority("Root A")
OTHER_ROOT = mint.authority("Root B")
INTERMEDIATE = mint.authority("Intermediate A1", issuer=ROOT)
SERVER = mint.server_leaf(["localhost", "127.0.0.1"], issuer=ROOT)
CLIENT = mint.leaf("client", issuer=INTERMEDIATE)
STRANGER = mint.leaf("stranger", issuer=OTHER_ROOT)

BOTH = (TlsVersion.TLS1_2, TlsVersion.TLS1_3)


def plan(version: TlsVersion = TlsVersion.TLS1_3, **changes: Any) -> HandshakePlan:
    """A plan for the server of this module, with a credential that it accepts."""
    values: dict[str, Any] = {
        "server_name": "localhost", "verify_name": "localhost", "trust": Trust((ROOT.cert,), source="test"),
        "credential": CLIENT.credential(), "minimum": version, "maximum": version,
    }
    return HandshakePlan(Road(Target("localhost", 443)), **{**values, **changes})


def settings(**changes: Any) -> ServerSettings:
    values: dict[str, Any] = {"credential": SERVER.credential(), "trust": Trust((ROOT.cert,)), "verify": "required"}
    return ServerSettings(**{**values, **changes})


class Pair(NamedTuple):
    client: ClientConnection
    server: Any
    seen: list[Any]  # the client engine's events
    decoder: Decoder
    sent: list[bytes]  # what the client sent, flight by flight


class StdlibServer:
    """The standard library's server side with the interface of ours."""

    def __init__(self, version: TlsVersion, *, require: bool = True) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "server.pem").write_bytes(SERVER.pem())
            (folder / "server.key").write_bytes(SERVER.key_pem())
            (folder / "root.pem").write_bytes(ROOT.pem())
            context.load_cert_chain(folder / "server.pem", folder / "server.key")
            context.load_verify_locations(folder / "root.pem")
        context.verify_mode = ssl.CERT_REQUIRED if require else ssl.CERT_NONE
        context.minimum_version = context.maximum_version = ssl.TLSVersion(version.value)
        self.tls = context.wrap_bio(self._in, self._out, server_side=True)
        self.handshake_complete = False
        self.error: ssl.SSLError | None = None

    def receive_data(self, data: bytes, at: float) -> None:
        self._in.write(data)
        try:
            if not self.handshake_complete:
                self.tls.do_handshake()
                self.handshake_complete = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as exc:
            self.error = exc

    def next_event(self) -> None:
        return None

    def data_to_send(self) -> bytes:
        return self._out.read()


def begin(wanted: HandshakePlan, server: Any) -> Pair:
    pair = Pair(ClientConnection(wanted), server, [], Decoder(), [])
    pair.client.start(0.0)
    return exchange(pair)


def shake(wanted: HandshakePlan | None = None, **server: Any) -> Pair:
    """A handshake with our own server side, as far as it goes."""
    return begin(wanted or plan(), ServerConnection(settings(**server)))


def exchange(pair: Pair) -> Pair:
    """Carry bytes until nobody has any."""
    for _ in range(20):
        out = pair.client.data_to_send()
        if out:
            pair.sent.append(out)
            pair.decoder.feed(Side.CLIENT, out, 0.0)
            pair.server.receive_data(out, 0.0)
        _drain(pair)
        while pair.server.next_event() is not None:
            pass
        back = pair.server.data_to_send()
        if back:
            pair.decoder.feed(Side.SERVER, back, 0.0)
            pair.client.receive_data(back, 0.0)
        _drain(pair)
        if not (out or back):
            break
    return pair


def _drain(pair: Pair) -> None:
    while (event := pair.client.next_event()) is not None:
        if hasattr(event, "line"):
            pair.decoder.add_secret(event.line)
        pair.seen.append(event)


def events_of(pair: Pair, kind: type[Any]) -> list[Any]:
    return [event for event in pair.seen if isinstance(event, kind)]


def certificates_sent(pair: Pair) -> list[tuple[bytes, ...]]:
    """What each Certificate message of the client held, DER."""
    messages = [event for event in pair.decoder.events() if getattr(event, "type", None) == 11 and event.side is Side.CLIENT]
    return [tuple(entry.der for entry in message.value.entries) for message in messages]
