"""A capture, whole: from a binary file to its TLS connections, one by one as they end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from inspector.capture.captured import Captured
from inspector.capture.container import SECRETS, CaptureFile, Readable
from inspector.capture.conversation import Conversation
from inspector.capture.link import LINK_LAYERS, TCP, UDP, Fragments, Inner, ip_payload
from inspector.capture.secrets import Secrets
from inspector.capture.tcp import Connection, Connections, Listener
from inspector.capture.tls import Overheard, Room
from inspector.capture.tunnel import GRE, inside

# First bytes of UDP payloads that are TLS in another dress: DTLS records (RFC 9147, 4), QUIC long headers (RFC 9000, 17.2)
_DTLS_VERSIONS = (b"\xfe\xff", b"\xfe\xfd", b"\x01\x00")
# IP protocols that carry others' connections, where they cannot be followed
_TUNNELS = {GRE: "GRE of an unknown kind", 50: "ESP (IPsec)"}
MAX_TUNNELS = 4  # one inside the other
_QUIC_VERSIONS = (b"\x00\x00\x00\x01", b"\x6b\x33\x43\xcf")


class Share(NamedTuple):
    """Which connections a reader takes, where several read the same capture: share ``number`` of ``of``."""

    number: int
    of: int

    def has(self, stream: int) -> bool:
        # neighbours are often of one kind (a client that opens two at a time), so the share is no remainder
        return self.of == 1 or (stream * 0x9E3779B1 >> 16) % self.of == self.number


def _innermost(outside: tuple[bytes, Inner], fragments: Fragments) -> tuple[bytes, Inner] | None:
    """The payload of the innermost packet, where this one is a tunnel's that can be followed. None: there is no IP in it."""
    found: tuple[bytes, Inner] | None = outside
    for _ in range(MAX_TUNNELS):
        if found is None:
            break
        protocol, _, _, start, end = found[1]
        packet = inside(protocol, found[0], start, end)
        if packet is None:
            break
        found = ip_payload(*packet, fragments)
    return found


class _Nobody:
    """Listens to the connections of other shares, of which nothing is said."""

    wants = False

    def data(self, way: int, data: bytes, at: float) -> None:
        pass

    def gap(self, way: int, missing: int, at: float) -> None:
        pass

    def finished(self, connection: Connection) -> None:
        pass


NOBODY = _Nobody()


class Reader:
    """Reads a capture once. Iterating gives ``(stream, Captured | None)`` as connections end; None: the stream held no TLS.

    ``notes`` say what was wrong with the capture as a whole; they are complete when the iteration is. Raises InputError at once
    for a file that is no capture.
    """

    def __init__(
        self, file: Readable, name: str = "the file", *, keylog: Iterable[bytes] | Secrets = (), stream: int | None = None,
        port: int | None = None, share: Share | None = None,
        overhear: Callable[[Any, int], Overheard | None] = lambda _transcript, _port: None,
    ) -> None:
        self._file = CaptureFile(file, name)
        if isinstance(keylog, Secrets):
            self._secrets = keylog
        else:
            self._secrets = Secrets()
            self._secrets.add(keylog)
        self._share = share or Share(0, 1)
        self._wanted, self._port = stream, port
        self._ended: list[tuple[int, Captured | None]] = []
        self._room = Room(
            self._secrets, self._file.format == "pcapng", {}, overhear,
            lambda captured, number: self._ended.append((number, captured)),
        )
        self._connections = Connections(self._listen)
        self._datagrams: dict[str, int] = {}
        self._strange: dict[int, int] = {}
        self._tunnels: dict[str, int] = {}

    @property
    def streams(self) -> int:
        """TCP connections seen so far."""
        return self._connections.count

    @property
    def packets(self) -> int:
        """Packets read so far."""
        return self._file.packets

    @property
    def notes(self) -> tuple[str, ...]:
        notes = list(self._file.notes)
        for name, count in self._datagrams.items():
            notes.append(f"{count} UDP packets look like {name}, which is not read: only TLS over TCP is")
        for name, count in self._tunnels.items():
            notes.append(f"{count} packets are {name}, which is not followed: what is inside was not read")
        for link, count in self._strange.items():
            notes.append(f"{count} packets have link type {link}, which is not known here")
        return tuple(notes)

    def _listen(self, connection: Connection) -> Listener:
        if not self._share.has(connection.stream):
            return NOBODY
        conversation = Conversation(connection, self._room)
        if self._wanted not in (None, connection.stream) or self._port not in (None, connection.ends[0][1], connection.ends[1][1]):
            conversation.skip()
        return conversation

    def __iter__(self) -> Iterator[tuple[int, Captured | None]]:
        fragments, ended, segment = Fragments(), self._ended, self._connections.segment
        at = 0.0
        for when, link, data, _length in self._file:
            if link == SECRETS:
                self._new_secrets(data)
                continue
            if when is not None:
                at = when
            found = ip_payload(link, data, fragments)
            if found is not None and found[1][0] != TCP:
                found = _innermost(found, fragments)
            if found is None:
                if link not in LINK_LAYERS:
                    self._strange[link] = self._strange.get(link, 0) + 1
                continue
            holder, (protocol, source, destination, start, end) = found
            if protocol == TCP:
                segment(source, destination, holder, start, end, at)
                if ended:
                    yield from ended
                    ended.clear()
            elif protocol == UDP:
                self._datagram(holder, start)
            elif protocol in _TUNNELS:
                self._tunnels[_TUNNELS[protocol]] = self._tunnels.get(_TUNNELS[protocol], 0) + 1
        self._connections.close()
        yield from ended
        ended.clear()

    def _new_secrets(self, data: bytes) -> None:
        for random in self._secrets.add(data.splitlines()):
            for waiting in list(self._room.waiting.get(random, ())):
                waiting.add_secrets(self._secrets.lines(random))

    def _datagram(self, data: bytes, start: int) -> None:
        head = data[start + 8:start + 13]
        if len(head) < 5:
            return
        name = ""
        if 20 <= head[0] <= 25 and head[1:3] in _DTLS_VERSIONS:
            name = "DTLS"
        elif head[0] & 0xC0 == 0xC0 and head[1:5] in _QUIC_VERSIONS:
            name = "QUIC"
        if name:
            self._datagrams[name] = self._datagrams.get(name, 0) + 1
