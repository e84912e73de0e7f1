"""The application's conversation over a connection whose handshake is over: full duplex, in pieces, each direction at its own pace.

What a conversation may have beside ``plan.Conversation`` (all optional):

- ``waits_for_continue`` and ``go_on()``: it holds its body back for "100 Continue"; after a second it is told to go on without.
- ``source`` (a file that can be waited for, or None) and ``source_ready()``: what it sends comes from there as it comes (a
  terminal, a pipe). Such a conversation ends by itself, or by the end of the connection, and not for want of an answer.
- ``receive_cut()``: called instead of ``receive_eof()`` where the connection ended without close_notify.
- ``takes_views``: what it receives may be a memoryview, which is good for the time of the call only.
- ``finished``: it has said all that it will say, and the server is to know: close_notify is sent (a half-close), and what
  the server still says is read.
"""

from __future__ import annotations

from typing import Any

from inspector.drive.connection import Connection, Late
from inspector.drive.end import Over
from inspector.drive.loop import READ, WRITE, Ready, Steps, Wait
from inspector.drive.stream import BULK_SIZE
from inspector.engine.connection import ClientConnection
from inspector.plan import Conversation
from inspector.trace.events import WriteFailed

# how long to read on after a write failed (the alert may be in the receive queue), and to write on after the answer is whole
LINGER = 0.3
# pieces that are said before we listen again, and heard before we speak: a socket that takes all would have us deaf to a refusal,
# and both to the clock
TURN = 8
CONTINUE = 1.0  # how long a body waits for "100 Continue" (RFC 9110, Section 10.1.1)


class Speaking(Connection):
    """What a connection does in its application phase. Whoever inherits has ``engine``, ``take`` and ``pull``."""

    engine: ClientConnection
    _plaintext: list[bytes | memoryview]

    def take(self, data: bytes | memoryview) -> None:
        raise NotImplementedError

    def pull(self) -> None:
        raise NotImplementedError

    def emit(self) -> None:
        raise NotImplementedError

    def speak(self, conversation: Conversation) -> Steps:
        """Until the conversation is done, or the connection is over (Over). Each piece that moves renews the time for an answer."""
        stream = self.stream
        assert stream is not None
        unsent: bytes | memoryview = b""
        patience, ending = self._deadline(conversation), None
        while True:
            self.hand_over(conversation)
            unsent, said = self.say(conversation, unsent)
            more = said == TURN and not stream.backlog  # its turn ended, and not for want of words or room
            if not (unsent or more) and getattr(conversation, "finished", False):
                self.half_close()
            if conversation.done:
                # what is left to send is a farewell, or the rest of a body that the server has answered without
                ending = ending or self.deadlines.after(LINGER)
                if not (stream.backlog or more) or self.loop.now() >= ending:
                    return
            if stream.write_failed is not None:
                yield from self.read_on(conversation, stream.write_failed)
            if said:
                patience = self._deadline(conversation)
            if self.loop.now() >= self.deadlines.total:
                raise Over("client", "deadline", "the time for all of it is over")
            holding = bool(getattr(conversation, "waits_for_continue", False))
            until = min(patience, self.loop.now() + CONTINUE) if holding else patience
            ready = yield Wait(min(until, ending or until), self._sockets(conversation, more=more))
            if not ready and ending is None:
                if holding and self.loop.now() < patience:
                    conversation.go_on()  # type: ignore[attr-defined]  # one that waits has it
                    continue
                raise Over("client", "deadline", "the answer took too long")
            self._move(conversation, ready)
            patience = self._deadline(conversation)

    def _move(self, conversation: Conversation, ready: Ready) -> None:
        """Write, read, and take from the source, as each is ready."""
        stream = self.stream
        assert stream is not None
        seen = ready.get(stream.sock, 0)
        if seen & WRITE:
            stream.flush()
        # a write that failed has had the error, and reading would call a reset an orderly end: ``read_on`` knows better
        if seen & READ and stream.write_failed is None:
            self._receive(conversation)
        if getattr(conversation, "source", None) in ready:
            conversation.source_ready()  # type: ignore[attr-defined]  # one with a source has it

    def _deadline(self, conversation: Conversation) -> float:
        if getattr(conversation, "source", None) is not None:
            return self.deadlines.total
        return self.deadlines.after(self.plan.timeouts.response)

    def _sockets(self, conversation: Conversation, *, more: bool) -> tuple[tuple[Any, int], ...]:
        """What to wait for; ``more``: the conversation was stopped in its turn, not by the socket."""
        stream = self.stream
        assert stream is not None
        own = (stream.sock, READ | WRITE if more or stream.backlog else READ)
        source = getattr(conversation, "source", None)
        # what comes from a source is taken when what came before has left
        return (own, (source, READ)) if source is not None and not stream.backlog else (own,)

    def _receive(self, conversation: Conversation) -> None:
        """Take what came, piece by piece where it fills our buffer, and no more than our turn."""
        for _ in range(TURN):
            if self._receive_once(conversation) < BULK_SIZE:
                return
            self.hand_over(conversation)
            if conversation.done:
                return

    def _receive_once(self, conversation: Conversation) -> int:
        """Returns how many bytes came."""
        stream = self.stream
        assert stream is not None
        try:
            data = stream.receive_bulk()
        except Over:
            self.tell_end(conversation)
            raise
        if data is None:
            self.tell_end(conversation)
            raise Over("server", "fin")
        if data:
            self.take(data)
            try:
                self.pull()
            except Over:
                self.hand_over(conversation)
                if conversation.done:
                    return 0  # the answer is whole; that its end came with it is chance
                self.tell_end(conversation)
                raise
        return len(data)

    def tell_end(self, conversation: Conversation) -> None:
        """The server says no more: an orderly end where it said so (close_notify), else one that anybody may have made."""
        if self.engine.peer_closed:
            conversation.receive_eof()
        else:
            getattr(conversation, "receive_cut", conversation.receive_eof)()

    def hand_over(self, conversation: Conversation) -> None:
        """Give the conversation what was decrypted."""
        plaintext, self._plaintext = self._plaintext, []
        if not plaintext:
            return
        data = plaintext[0] if len(plaintext) == 1 else b"".join(plaintext)
        if getattr(conversation, "takes_views", False):
            conversation.receive_data(data)  # type: ignore[arg-type]  # it says that it can
        else:
            conversation.receive_data(bytes(data))

    def say(self, conversation: Conversation, unsent: bytes | memoryview) -> tuple[bytes | memoryview, int]:
        """Encrypt what the conversation wants to say, as much as the socket takes and no more than its turn.

        Returns what OpenSSL would not take (a renegotiation is under way), and how many pieces were said.
        """
        stream = self.stream
        assert stream is not None
        said = 0
        while said < TURN and stream.write_failed is None and not stream.backlog:
            data = unsent or conversation.data_to_send()
            if not data:
                break
            unsent = b""
            if not self.engine.write(data, self.record.at):
                unsent = data
                break
            said += 1
            self.emit()
        return unsent, said

    def half_close(self) -> None:
        """Say close_notify, once (RFC 8446, Section 6.1: it ends our direction only)."""
        stream = self.stream
        assert stream is not None
        if not stream.backlog and not self.engine.closing:
            self.engine.close()
            self.emit()

    def read_on(self, conversation: Conversation, why: str) -> Steps:
        """A write met a closed connection: an alert that was on its way before may still be read. Raises Over."""
        record = self.record
        record.note(WriteFailed(record.at, why))
        until = self.deadlines.after(LINGER)
        try:
            while (data := (yield from self.maybe_receive(until))) is not Late:
                if data is None:
                    raise Over("server", "fin", why)
                assert isinstance(data, bytes)
                self.take(data)
                self.pull()
                self.hand_over(conversation)
        finally:
            self.hand_over(conversation)
            self.tell_end(conversation)
        raise Over("server", "reset", why)
