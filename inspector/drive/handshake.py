"""The connection of a HandshakePlan: TLS, the judgement, the wait for the verdict, the application's first step.

*Read first, write later*: nothing of the application leaves before the verdict phase has passed, because a server that rejects our
certificate in TLS 1.3 says so only after our side is done, and a write that meets a closed connection may lose its alert.
"""

from __future__ import annotations

from collections.abc import Generator

from inspector.drive.connection import Late
from inspector.drive.end import Over
from inspector.drive.loop import Loop, Ready, Steps, Wait
from inspector.drive.speak import Speaking
from inspector.engine.connection import ClientConnection, CloseNotify, Data
from inspector.plan import Channel, HandshakePlan
from inspector.trace.events import (
    ApplicationResult,
    Connected,
    EngineError,
    GateClosed,
    HandshakeDone,
    Judged,
    SecretLine,
    SessionKept,
)
from inspector.trace.phase import Happening, Phase
from inspector.wire.events import Alert, Limit, Message, OpaqueRecord, Side

SERVER_HELLO, NEW_SESSION_TICKET, ENCRYPTED_EXTENSIONS, CERTIFICATE_REQUEST = 2, 4, 8, 13
EARLY_DATA = 42  # the extension
WARNING, CLOSE_NOTIFY, USER_CANCELED = 1, 0, 90
AFTER_HANDSHAKE = frozenset({Phase.VERDICT, Phase.APPLICATION})

# The verdict phase, in round trips and seconds. A server that asked for a certificate in TLS 1.3 judges it a round trip after our
# flight left. A ticket, or the Finished of TLS 1.2, says that the TLS stack is content; but some programs (gnutls-serv, Node.js)
# judge only after it, so a short look remains.
ROUND_TRIPS = 3.0
GRACE = 0.03
MOST_MESSAGES = 1000  # handshake messages of a connection; one that goes on to send them is left
OPENSSL_MESSAGE_LIMIT = 102_400  # bytes of a Certificate or CertificateRequest; pyOpenSSL's binding cannot raise it
QUIET = 1.0  # seconds without a byte after which the rest of a larger message is given up
# How long our Finished is held back for an answer to early data, at least: so long that the Date of an answer, in whole seconds by
# another clock, still tells whether it was made before
EARLY = 2.5
UNASKED = 0.02  # the server did not ask for a certificate: it has nothing to reject


class TooLarge(Exception):
    """The server's message has ``size`` bytes, which is more than OpenSSL takes."""

    def __init__(self, size: int, reasons: str) -> None:
        super().__init__(size)
        self.size = size
        self.reasons = reasons


class HandshakeConnection(Speaking):
    """One handshake as client."""

    plan: HandshakePlan

    def __init__(self, plan: HandshakePlan, loop: Loop) -> None:
        self.engine = ClientConnection(plan)  # first: a credential that cannot be used is found before anything is sent
        super().__init__(plan, loop)
        self._plaintext: list[bytes | memoryview] = []
        self._hello_sent = 0.0
        self._server_spoke = 0.0
        self._requested = False
        self._ticket = False
        self._messages = 0
        self._finished_waits = False
        self._finished = b""  # our last record, while it waits
        self._alert: Alert | OpaqueRecord | None = None

    def talk(self) -> Steps:
        """Everything from the ClientHello on."""
        try:
            try:
                yield from self.handshake()
            except TooLarge as exc:
                yield from self.read_rest(exc)
            try:
                yield from self.verdict()
            except Over:
                self.last_words()
                raise
            yield from self.application()
        finally:
            self.part()

    # -- bytes and events

    def take(self, data: bytes | memoryview) -> None:
        """Bytes of the server: into decoder and engine."""
        at = self.record.at
        self.record.saw_tls(Side.SERVER, data, at)
        if self.record.phase is Phase.HELLO:
            self._server_spoke = at
            self.record.enter(Happening.SERVER_SPOKE, at)
        self.engine.receive_data(data, at)

    def pull(self) -> None:
        """What the engine makes of it, and what it wants to send. Raises Over where that is the end."""
        done: HandshakeDone | None = None
        error: EngineError | None = None
        closed = False
        while (event := self.engine.next_event()) is not None:
            if isinstance(event, SecretLine):
                self.record.saw_secret(event)
            elif isinstance(event, Data):
                self._plaintext.append(event.data)
            elif isinstance(event, HandshakeDone):
                done = event
            elif isinstance(event, EngineError):
                error = event
            elif isinstance(event, CloseNotify):
                closed = True
            else:
                self.decode()
                self.record.note(event)
        if error is not None or closed or self.engine.has_to_say:
            self.record.something_was_said()
        self.decode()
        if error is not None:
            self.record.note(error)
            self.stop_if_too_large(error)
        self.emit()
        if done is not None:
            self.record.note(self.described(done))
            self.record.enter(Happening.HANDSHAKE_DONE)
        self.stop_where_over(error, closed)

    def stop_where_over(self, error: EngineError | None, closed: bool) -> None:
        """Raises Over where the connection cannot go on."""
        if error is not None:
            if self._alert is not None:
                raise Over("server", "alert")
            raise Over("client", "error", "; ".join(error.reasons))
        if self.engine.withheld:
            raise Over("client", "refused_to_send", "the server is not verified")
        if closed:
            raise Over("server", "close_notify")

    def stop_if_too_large(self, error: EngineError) -> None:
        """OpenSSL gives up at the header of a message above its limit; our decoder does not. Raises TooLarge."""
        announced = self.record.decoder.announced(Side.SERVER)
        if announced is not None and announced > OPENSSL_MESSAGE_LIMIT:
            raise TooLarge(announced, "; ".join(error.reasons))

    def decode(self) -> None:
        """Append what the decoder can read by now, and keep in mind what the phases turn on."""
        for event in self.record.decode():
            if isinstance(event, Message):
                self._messages += 1
                if event.side is Side.SERVER:
                    self._requested = self._requested or event.type == CERTIFICATE_REQUEST
                    self._ticket = self._ticket or event.type == NEW_SESSION_TICKET
                    self._finished_waits = self._finished_waits or takes_early_data(event)
            elif isinstance(event, Alert):
                if event.side is Side.SERVER and self.is_fatal(event):
                    self._alert = event
            elif isinstance(event, OpaqueRecord) and event.alert and event.side is Side.SERVER:
                self._alert = event
        if self._messages > MOST_MESSAGES:
            self.record.note(Limit(Side.SERVER, self.record.at, f"more than {MOST_MESSAGES} handshake messages"))
            self._messages = 0
            raise Over("client", "error", f"more than {MOST_MESSAGES} handshake messages")

    def is_fatal(self, alert: Alert) -> bool:
        """TLS 1.3 knows no warnings but two, whatever the level says (RFC 8446, Section 6)."""
        if self.transcript.phase in AFTER_HANDSHAKE and alert.encrypted:
            done = self.transcript.last(HandshakeDone)
            if done is not None and done.protocol == "TLSv1.3":
                return alert.description not in {CLOSE_NOTIFY, USER_CANCELED}
        return alert.level != WARNING

    def emit(self) -> None:
        """Send what the engine has for the server."""
        data = self.engine.data_to_send()
        if self._finished:
            data, self._finished = self._finished + data, b""
        if self._finished_waits and self.engine.handshake_complete:
            data, self._finished = before_last_record(bytes(data))
        record = self.record
        if data:
            if record.phase is Phase.HELLO and self.plan.hello_split and not self._hello_sent:
                data = split_record(bytes(data), self.plan.hello_split)
            self._hello_sent = self._hello_sent or record.at
            record.saw_tls(Side.CLIENT, data, record.at)
            self.send(data)
            self.decode()
            if not self.engine.handshake_complete and self.transcript.last(Judged) is not None:
                record.enter(Happening.FLIGHT_SENT)
        elif self.stream is not None and self.stream.backlog:
            self.send(b"")

    def described(self, done: HandshakeDone) -> HandshakeDone:
        """The engine's word with the suite's number, which OpenSSL's binding does not tell but the ServerHello does."""
        hellos = self.transcript.messages(SERVER_HELLO, Side.SERVER)
        if not hellos:
            return done._replace(at=self.record.at)
        body = hellos[-1].body
        at = 35 + body[34]  # version, random, session id (RFC 8446, Section 4.1.3)
        return done._replace(at=self.record.at, cipher=int.from_bytes(body[at:at + 2], "big"))

    # -- phases

    def handshake(self) -> Steps:
        """Until our side is done. Raises Over where it comes to no end of that kind."""
        until = self.deadlines.after(self.plan.timeouts.handshake)
        self.engine.start(self.record.at)
        self.pull()
        while not self.engine.handshake_complete:
            data = yield from self.receive(until, "the handshake")
            if data is None:
                raise Over("server", "fin")
            if data:
                self.take(data)
                self.pull()

    def read_rest(self, large: TooLarge) -> Steps:
        """Let the decoder see the whole of a message that OpenSSL refused; nothing is sent meanwhile. Raises Over."""
        record, until = self.record, self.deadlines.after(self.plan.timeouts.handshake)
        while record.decoder.incomplete(Side.SERVER):
            data = yield from self.maybe_receive(min(until, self.deadlines.after(QUIET)))
            if not isinstance(data, bytes):
                break
            record.saw_tls(Side.SERVER, data, record.at)
            self.decode()
        what = f"the message has {large.size:,} bytes; OpenSSL takes {OPENSSL_MESSAGE_LIMIT:,} at most, so the handshake ends here"
        record.note(Limit(Side.SERVER, record.at, what))
        raise Over("client", "error", large.reasons)

    def answer_to_early_data(self) -> Steps:
        """Hold our Finished back until an answer came, or for a while: what comes before it is an answer that anybody can replay.

        EndOfEarlyData leaves: its keys depend on the ClientHello alone, so whoever replays that can replay it too.
        """
        until = self.deadlines.after(max(EARLY, ROUND_TRIPS * self.round_trip))
        while not self._plaintext and (yield from self.listen(until)):
            pass
        self._finished_waits = False
        self.emit()

    def listen(self, until: float) -> Generator[Wait, Ready, bool]:
        """Take what the server says next; False where nothing came until then. Raises Over where it ends the connection."""
        data = yield from self.maybe_receive(until)
        if data is Late:
            return False
        if data is None:
            raise Over("server", "fin")
        assert isinstance(data, bytes)
        self.take(data)
        self.pull()
        return True

    @property
    def round_trip(self) -> float:
        """The longest round trip seen, seconds: that of TCP, or (behind a proxy) that of the hello."""
        connected = self.transcript.first(Connected)
        tcp = connected.seconds if connected is not None else 0.0
        return max(tcp, self._server_spoke - self._hello_sent if self.plan.road.proxy else 0.0)

    def window(self) -> float:
        """How long to listen before we speak, seconds."""
        trip = self.round_trip
        done = self.transcript.last(HandshakeDone)
        modern = done is not None and done.protocol == "TLSv1.3"
        if self._ticket or (self._requested and not modern):
            return GRACE + trip
        if not (self._requested or (self.plan.keep_session and modern)):
            return min(self.plan.timeouts.verdict, UNASKED + trip)
        return max(self.plan.timeouts.verdict, ROUND_TRIPS * trip)

    def verdict(self) -> Steps:
        """Listen. A ticket shortens the wait, application data ends it, a refusal or a close ends everything (Over)."""
        if self._finished_waits:
            yield from self.answer_to_early_data()
        ticket = self._ticket
        if self.plan.listen_first or self.plan.application is None:
            until = self.deadlines.after(self.window())
            while not self._plaintext and (yield from self.listen(until)):
                if self._ticket and not ticket:
                    ticket = True
                    until = min(until, self.deadlines.after(GRACE + self.round_trip))
            if self._plaintext and self.plan.application is None:  # a greeting, or last words: a close tells
                until = self.deadlines.after(GRACE + self.round_trip)
                while (yield from self.listen(until)):
                    pass
        if self.loop.now() >= self.deadlines.total:
            raise Over("client", "deadline", "the time for all of it is over")
        self.record.enter(Happening.VERDICT_OVER)

    def application(self) -> Steps:
        """The gate, then the application's conversation."""
        plan, record = self.plan, self.record
        reason = plan.gate(self.transcript) if plan.gate is not None else None
        if reason is not None:
            record.note(GateClosed(record.at, reason))
            raise Over("client", "refused_to_send", reason)
        if plan.application is None:
            return
        done = self.transcript.last(HandshakeDone)
        conversation = plan.application(Channel(self.engine.alpn, done.protocol if done else None))
        try:
            yield from self.speak(conversation)
        finally:
            record.note(ApplicationResult(record.at, conversation.result))

    def last_words(self) -> None:
        """A server that speaks and closes before we said anything (a refusal, an answer to early data) is heard all the same."""
        if self._plaintext and self.plan.application is not None:
            done = self.transcript.last(HandshakeDone)
            conversation = self.plan.application(Channel(self.engine.alpn, done.protocol if done else None))
            self.hand_over(conversation)
            conversation.receive_eof()
            self.record.note(ApplicationResult(self.record.at, conversation.result))

    def part(self) -> None:
        """Say close_notify where that is possible, and keep the session."""
        engine, record = self.engine, self.record
        self._finished_waits = False
        if engine.handshake_complete and not engine.withheld:
            engine.close()
            self.emit()
            if self.plan.keep_session and not engine.failed:
                session = engine.session(record.transcript.started + record.at)
                if session is not None:
                    record.note(SessionKept(record.at, session))


def split_record(data: bytes, first: int) -> bytes:
    """The ClientHello's record as two, the first with ``first`` bytes of the message (RFC 8446, Section 5.1 allows it)."""
    length = int.from_bytes(data[3:5], "big")
    body, rest = data[5:5 + length], data[5 + length:]
    if not 0 < first < len(body):
        return data
    head = data[:3]
    pieces = (body[:first], body[first:])
    return b"".join(head + len(piece).to_bytes(2, "big") + piece for piece in pieces) + rest


def takes_early_data(message: Message) -> bool:
    """True for the EncryptedExtensions that accept early data (RFC 8446, Section 4.2.10)."""
    extensions = getattr(message.value, "extensions", ()) if message.type == ENCRYPTED_EXTENSIONS else ()
    return any(int(extension.type) == EARLY_DATA for extension in extensions)


def before_last_record(data: bytes) -> tuple[bytes, bytes]:
    """Records, and the last of them."""
    at = last = 0
    while at + 5 <= len(data):
        last, at = at, at + 5 + int.from_bytes(data[at + 3:at + 5], "big")
    return data[:last], data[last:]
