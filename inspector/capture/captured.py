"""A TLS connection of a capture: kept as it came as long as nothing of it can be decrypted, decoded when somebody looks inside.

A short connection whose secrets are not known is mostly one like a thousand others, and all that is ever asked of it is its
outline. So its bytes are kept, and only ``Captured.transcript`` decodes them, or secrets that come, or too many bytes.
"""

from __future__ import annotations

from inspector.capture.outline import Chunk, Outline, draw
from inspector.capture.tcp import Connection
from inspector.capture.tls import Room, Tls
from inspector.trace.transcript import Transcript
from inspector.wire.events import Side
from inspector.wire.keylog import KeyLog

KEPT_BYTES = 24 * 1024
_RANDOM = slice(11, 43)  # of a ClientHello in a record of its own
_CLIENT_HELLO = 1


class Captured:
    """One TLS connection of a capture. ``client`` and ``server`` are the TLS roles, as (address, port)."""

    __slots__ = ("_session", "client", "notes", "server", "stream")

    def __init__(
        self, stream: int, client: tuple[str, int], server: tuple[str, int], notes: tuple[str, ...], session: Session,
    ) -> None:
        self.stream = stream
        self.client, self.server = client, server
        self.notes = notes
        self._session = session

    @property
    def transcript(self) -> Transcript:
        """All of it, decoded as far as secrets were known when the connection ended."""
        return self._session.decoded().transcript

    @property
    def keys(self) -> bool:
        """Secrets of this very session were at hand."""
        return self._session.decoded().keys

    @property
    def outline(self) -> Outline | None:
        """Its key is equal for connections that are to be judged alike; None where only decoding can tell."""
        return self._session.outline()


class Session:
    """Takes what both sides sent. ``keylog`` and ``hello_comes`` as for ``Tls``."""

    __slots__ = ("_began", "_client", "_connection", "_kept", "_over", "_random", "_room", "_size", "_tls")

    def __init__(self, connection: Connection, client: int, room: Room, keylog: KeyLog | None, *, hello_comes: bool) -> None:
        self._connection, self._client, self._room = connection, client, room
        self._tls: Tls | None = None
        if keylog is not None or not hello_comes:
            self._tls = Tls(connection, client, room, keylog, hello_comes=hello_comes)
        self._kept: list[Chunk] = []
        self._size = 0
        self._random = b""
        self._began: float | None = None
        self._over = False

    def plain(self, side: Side, data: bytes, at: float) -> None:
        """Bytes before TLS."""
        self.decoded().plain(side, data, at)

    def begin(self, at: float) -> None:
        """TLS begins here."""
        if self._tls is not None:
            self._tls.begin(at)
        self._began = at

    def feed(self, side: Side, data: bytes, at: float) -> None:
        left = self._connection.closed_by
        if self._tls is None and side is Side.CLIENT and not self._random:
            self._meet(data)
        if self._tls is not None:
            self._tls.feed(side, data, at, left)
            return
        self._kept.append((side, data, at, left))
        self._size += len(data)
        if self._size > KEPT_BYTES:
            self.decoded()

    def _meet(self, data: bytes) -> None:
        """See whose hello this is: a session whose secrets are known is decoded at once, and so is an unusual hello."""
        random = data[_RANDOM]
        if len(random) < 32 or data[5] != _CLIENT_HELLO or random in self._room.secrets:
            self.decoded()
            return
        self._random = random
        self._room.expect(random, self)

    def gap(self, side: Side, missing: int, at: float) -> None:
        """``missing`` bytes of this side are not in the capture."""
        self.decoded().gap(side, missing, at)

    def add_secrets(self, lines: list[bytes]) -> None:
        """See ``Tls.add_secrets``."""
        self.decoded().add_secrets(lines)

    def finish(self) -> None:
        """Nothing more comes."""
        if self._tls is not None:
            self._tls.finish()
        else:
            self._room.expect_no_more(self._random, self)
        self._over = True

    def decoded(self) -> Tls:
        """What decodes this connection, up to date."""
        tls = self._tls
        if tls is None:
            self._room.expect_no_more(self._random, self)
            tls = self._tls = Tls(self._connection, self._client, self._room, None, hello_comes=True, over=self._over)
            if self._began is not None:
                tls.begin(self._began)
            kept, self._kept = self._kept, []
            for side, data, at, left in kept:
                tls.feed(side, data, at, left)
            if self._over:
                tls.finish()
        return tls

    def outline(self) -> Outline | None:
        """See ``Captured.outline``."""
        if self._tls is not None:
            return None
        connection = self._connection
        return draw(
            self._kept, closed_by=connection.closed_by, closed_how=connection.closed_how,
            closed_at=connection.closed_at - connection.opened_at if connection.closed_by is not None else None,
        )
