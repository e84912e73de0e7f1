"""The server side of the loop: accept, shake hands, converse. For `mtls serve`, the demo and the tests.

Each client gets a transcript as a client's own connection has, made from the same bytes by the same decoder.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from typing import NamedTuple

from inspector.drive.end import Over
from inspector.drive.loop import READ, WRITE, Loop, Steps, Stop, Wait
from inspector.drive.record import Recorder
from inspector.drive.stream import RESETS, error_words
from inspector.engine.connection import CloseNotify, Data
from inspector.engine.server import ServerConnection, ServerSettings
from inspector.errors import TransportError
from inspector.plan import Conversation
from inspector.trace.events import ApplicationResult, Connected, Ended, EngineError, HandshakeDone, SecretLine
from inspector.trace.observer import Observer
from inspector.trace.phase import Happening, Phase
from inspector.trace.transcript import Transcript
from inspector.wire.events import Side

READ_SIZE = 64 * 1024
MOST_CLIENTS = 512  # at a time; more wait in the kernel's queue
IDLE = 30.0  # seconds without a byte after which a client is let go
LINGER = 0.5  # seconds that a client is given to close, once we are done
HANDSHAKE = 10.0  # seconds for its handshake


class Visitor(NamedTuple):
    """One client: its connection, its address, and what happened so far."""

    engine: ServerConnection
    transcript: Transcript
    address: str
    port: int


Application = Callable[[Visitor], Conversation]  # called once the handshake is complete


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises TransportError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as exc:
        raise TransportError(f"cannot listen on {host} port {port}: {error_words(exc)}", hint="choose another --port") from exc


class Listener:
    """Serves ``settings`` on a listening socket until ``stop`` is called (from any thread) or Ctrl-C."""

    def __init__(
        self, sock: socket.socket, settings: ServerSettings, application: Application, *,
        on_over: Callable[[Visitor], None] | None = None, observers: Iterable[Observer] = (), most: int | None = None,
    ) -> None:
        self._sock = sock
        self._settings = settings
        self._application = application
        self._on_over = on_over
        self._loop = Loop(observers)
        self._bell, self._rope = socket.socketpair()
        self._visits: set[_Visit] = set()
        self._accepted = 0
        self._most = most  # clients in all, None: without end
        self._stopping = False
        ServerConnection(settings)  # what cannot be served is found before the first client comes

    @property
    def port(self) -> int:
        port: int = self._sock.getsockname()[1]
        return port

    def stop(self) -> None:
        """Let ``run`` return soon."""
        try:
            self._rope.send(b"!")
        except OSError:
            pass  # it has returned already

    def run(self) -> None:
        """Serve. Returns after ``stop``, or when ``most`` clients were served; KeyboardInterrupt passes through."""
        self._sock.setblocking(False)
        self._loop.spawn(self._accept(), lambda: None)
        try:
            while not self._stopping or (self._visits and self._most is not None):
                self._loop.turn()
        finally:
            self._loop.interrupt()
            for visit in list(self._visits):
                self._left(visit)
            self._loop.shut()
            for sock in (self._sock, self._bell, self._rope):
                sock.close()

    def _accept(self) -> Steps:
        while not self._stopping:
            waited: tuple[tuple[socket.socket, int], ...] = ((self._bell, READ),)
            if len(self._visits) < MOST_CLIENTS:
                waited = ((self._sock, READ), *waited)
            ready = yield Wait(float("inf") if len(waited) > 1 else self._loop.now() + 0.1, waited)
            if self._bell in ready:
                self._stopping = True
                self._most = None
            elif self._sock in ready:
                self._take()

    def _take(self) -> None:
        try:
            client, address = self._sock.accept()
        except OSError:
            return  # it has gone again
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._accepted += 1
        if self._most is not None and self._accepted >= self._most:
            self._stopping = True
        visit = _Visit(client, str(address[0]), int(address[1]), self._settings, self._application, self._loop)
        self._visits.add(visit)
        self._loop.spawn(visit.steps(), lambda: self._left(visit))

    def _left(self, visit: _Visit) -> None:
        self._visits.discard(visit)
        if self._on_over is not None:
            self._on_over(visit.visitor)


class _Visit:
    """One client's connection."""

    def __init__(
        self, sock: socket.socket, address: str, port: int, settings: ServerSettings, application: Application, loop: Loop,
    ) -> None:
        self._sock = sock
        self._loop = loop
        self._record = Recorder(None, loop)
        self._engine = ServerConnection(settings)
        self._application = application
        self._out = bytearray()
        self._conversation: Conversation | None = None
        self.visitor = Visitor(self._engine, self._record.transcript, address, port)

    def steps(self) -> Steps:
        record = self._record
        self._begin()
        try:
            try:
                yield from self._serve()
                over = Over("server", "done")
            except Over as exc:
                over = exc
            if over.by == "server":
                yield from self._linger()
        except Stop:
            over = Over("server", "interrupted")
        finally:
            self._loop.close(self._sock)
        if self._conversation is not None:
            record.note(ApplicationResult(record.at, self._conversation.result))
        record.flush()
        record.note(Ended(record.at, over.by, over.how, record.phase, over.detail))
        record.enter(Happening.CLOSED)
        record.over()

    def _begin(self) -> None:
        record, visitor = self._record, self.visitor
        record.enter(Happening.ADDRESS)
        name = self._sock.getsockname()
        record.note(Connected(record.at, visitor.address, visitor.port, str(name[0]), int(name[1]), 0.0))
        record.enter(Happening.CONNECTED)
        record.enter(Happening.READY)

    def _serve(self) -> Steps:
        until = self._loop.now() + HANDSHAKE
        while True:
            mask = READ | WRITE if self._out else READ
            ready = yield Wait(until, ((self._sock, mask),))
            if not ready:
                raise Over("server", "deadline", "no byte in time")
            if self._conversation is not None:
                until = self._loop.now() + IDLE
            seen = ready.get(self._sock, 0)
            if seen & WRITE:
                self._flush()
            if seen & READ:
                self._receive()
            conversation = self._conversation
            if conversation is not None:
                self._say(conversation)
                if conversation.done and not self._out:
                    self._part()
                    return

    def _linger(self) -> Steps:
        """Let the client read our last words: closing a socket with unread bytes resets it, and a reset may lose an alert."""
        until = self._loop.now() + LINGER
        try:
            self._sock.shutdown(socket.SHUT_WR)
            while (yield Wait(until, ((self._sock, READ),))) and self._sock.recv(READ_SIZE):
                pass
        except OSError:
            pass

    def _receive(self) -> None:
        record = self._record
        try:
            data = self._sock.recv(READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as exc:
            raise Over("client", "reset" if exc.errno in RESETS else "error", error_words(exc)) from exc
        if not data:
            if self._conversation is not None:
                self._conversation.receive_eof()
            raise Over("client", "fin")
        at = record.at
        record.saw_bytes(Side.CLIENT, data, at)
        record.saw_tls(Side.CLIENT, data, at)
        self._engine.receive_data(data, at)
        self._pull()

    def _pull(self) -> None:
        record, engine = self._record, self._engine
        error: EngineError | None = None
        closed = False
        while (event := engine.next_event()) is not None:
            if isinstance(event, SecretLine):
                record.saw_secret(event)
            elif isinstance(event, Data):
                if self._conversation is not None:
                    self._conversation.receive_data(bytes(event.data))
            elif isinstance(event, CloseNotify):
                closed = True
            else:
                record.decode()
                record.note(event)
                error = event if isinstance(event, EngineError) else error
            if engine.handshake_complete and self._conversation is None:
                self._welcome()
        if engine.handshake_complete and self._conversation is None and not engine.failed:
            self._welcome()
        record.decode()
        self._emit()
        if error is not None:
            raise Over("server", "error", "; ".join(error.reasons))
        if closed:
            if self._conversation is not None:
                self._conversation.receive_eof()
            raise Over("client", "close_notify")

    def _welcome(self) -> None:
        record, engine = self._record, self._engine
        record.decode()
        record.note(HandshakeDone(record.at, engine.protocol, 0, None, engine.alpn, engine.resumed))
        for happening in (Happening.SERVER_SPOKE, Happening.HANDSHAKE_DONE, Happening.VERDICT_OVER):
            record.enter(happening)
        self._conversation = self._application(self.visitor)

    def _say(self, conversation: Conversation) -> None:
        while not self._out and (data := conversation.data_to_send()):
            if not self._engine.write(data, self._record.at):
                return
            self._emit()

    def _emit(self) -> None:
        data = self._engine.data_to_send()
        if data:
            if self._record.phase is Phase.HELLO:
                self._record.enter(Happening.SERVER_SPOKE)
            self._record.saw_tls(Side.SERVER, data, self._record.at)
            self._record.decode()
            self._out += data
        self._flush()

    def _flush(self) -> None:
        while self._out:
            try:
                sent = self._sock.send(self._out)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as exc:
                self._out.clear()
                raise Over("client", "reset" if exc.errno in RESETS else "error", error_words(exc)) from exc
            self._record.saw_bytes(Side.SERVER, bytes(self._out[:sent]), self._record.at)
            del self._out[:sent]

    def _part(self) -> None:
        self._engine.close()
        self._emit()


