"""Connections without an engine: raw hellos (HelloPlan), and conversations without TLS (PlaintextPlan)."""

from __future__ import annotations

from inspector.drive.connection import Connection, Late
from inspector.drive.end import Over
from inspector.drive.loop import Steps
from inspector.plan import Channel, HelloPlan, PlaintextPlan
from inspector.trace.events import ApplicationResult
from inspector.trace.phase import Happening
from inspector.wire.events import Alert, Message, NotTls, Side

QUIET = 0.25  # seconds of silence after which a flight is taken to be over, unless the round trip is longer
MOST = 256 * 1024  # bytes of an answer that are read
SERVER_HELLO, HELLO_RETRY_REQUEST, SERVER_HELLO_DONE = 2, 6, 14
ENDS_FLIGHT = frozenset({HELLO_RETRY_REQUEST, SERVER_HELLO_DONE})
TLS_1_3 = 0x0304


class HelloConnection(Connection):
    """Sends the pieces, and reads what the server says to them: until an alert, the end, silence, or 256 KiB."""

    plan: HelloPlan

    def talk(self) -> Steps:
        record = self.record
        for piece in self.plan.pieces:
            record.saw_tls(Side.CLIENT, piece, record.at)
            self.send(piece)
        record.decode()
        until = self.deadlines.after(self.plan.timeouts.handshake)
        taken, spoke = 0, False
        while taken < MOST:
            data = yield from self.maybe_receive(self.deadlines.after(QUIET) if spoke else until)
            if data is Late:
                if spoke:
                    return
                raise Over("client", "deadline", "no answer to the hello")
            if data is None:
                raise Over("server", "fin")
            assert isinstance(data, bytes)
            spoke = spoke or bool(data)
            taken += len(data)
            record.enter(Happening.SERVER_SPOKE)
            record.saw_tls(Side.SERVER, data, record.at)
            record.decode()
            if self._answered():
                return

    def _answered(self) -> bool:
        """True once the answer is known: an alert, no TLS, the end of a TLS 1.2 flight, a hello of TLS 1.3."""
        last = next((event for event in reversed(self.transcript.events) if getattr(event, "side", None) is Side.SERVER), None)
        if isinstance(last, Alert) and last.level != 1:
            raise Over("server", "alert")
        if isinstance(last, Message) and last.type in ENDS_FLIGHT:
            return True
        hellos = self.transcript.messages(SERVER_HELLO, Side.SERVER)
        return isinstance(last, NotTls) or any(getattr(hello.value, "version", None) == TLS_1_3 for hello in hellos)


class PlaintextConnection(Connection):
    """Speaks in the clear."""

    plan: PlaintextPlan

    def talk(self) -> Steps:
        record = self.record
        conversation = self.plan.application(Channel(None, None))
        until = self.deadlines.after(self.plan.timeouts.response)
        try:
            self.send_plain(conversation.data_to_send())
            while not conversation.done:
                data = yield from self.receive(until, conversation.name)
                if data is None:
                    conversation.receive_eof()
                    raise Over("server", "fin")
                if data:
                    record.saw_plain(Side.SERVER, data, record.at)
                    conversation.receive_data(data)
                self.send_plain(conversation.data_to_send())
        finally:
            record.note(ApplicationResult(record.at, conversation.result))
