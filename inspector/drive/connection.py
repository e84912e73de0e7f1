"""One connection: from a plan to a whole transcript, phase by phase. This file: what all kinds of plan have in common.

Each phase is a generator method that waits for its sockets within its deadline; ``trace.phase.NEXT`` says which phase follows
which. Wherever the end is found, ``Over`` is raised, and ``steps`` writes the one Ended event.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from inspector.drive.dial import Dialer, resolve
from inspector.drive.end import Over
from inspector.drive.loop import READ, WRITE, Loop, Ready, Steps, Stop, Wait
from inspector.drive.record import Recorder
from inspector.drive.stream import Stream
from inspector.engine.connection import ClientConnection
from inspector.plan import Conversation, HandshakePlan, Trust
from inspector.trace.events import Connected, Ended, PreludeDone
from inspector.trace.phase import Happening
from inspector.trace.transcript import Transcript
from inspector.wire.events import Side


class Deadlines:
    """Each phase's end, none later than the whole run's."""

    def __init__(self, loop: Loop, plan: Any) -> None:
        self._loop = loop
        self.total: float = loop.now() + plan.timeouts.total

    def after(self, seconds: float) -> float:
        return min(self._loop.now() + seconds, self.total)


class Late:
    """Nothing came in time (a marker, never made)."""


class Connection:
    """The base of all three kinds of connection: the road to the server's first TLS byte."""

    def __init__(self, plan: Any, loop: Loop) -> None:
        self.plan = plan
        self.loop = loop
        self.record = Recorder(plan, loop)
        self.deadlines = Deadlines(loop, plan)
        self.stream: Stream | None = None

    @property
    def transcript(self) -> Transcript:
        return self.record.transcript

    def steps(self) -> Steps:
        """The task of this connection; when it is over, the transcript is complete."""
        try:
            yield from self.road()
            yield from self.talk()
            over = Over("client", "done")
        except Over as exc:
            over = exc
        except Stop:
            over = Over("client", "interrupted")
        except KeyboardInterrupt:  # Ctrl-C while this very connection was at work
            self.end(Over("client", "interrupted"))
            raise
        finally:
            if self.stream is not None:
                self.loop.close(self.stream.sock)
        self.end(over)

    def end(self, over: Over) -> None:
        """Write down how it ended."""
        record = self.record
        if over.by == "server" and over.how in {"fin", "reset"}:
            record.decoder.end(Side.SERVER, record.at)
        record.flush()
        record.note(Ended(record.at, over.by, over.how, record.phase, over.detail))
        record.enter(Happening.CLOSED)
        record.over()

    def talk(self) -> Steps:
        """What follows once the road is open."""
        raise NotImplementedError

    # -- waiting

    def send(self, data: bytes | memoryview) -> None:
        """Queue bytes of the peer-to-peer stream, and hand the socket what it takes."""
        stream = self.stream
        assert stream is not None
        if data:
            stream.queue(data)
        stream.flush()

    def receive(self, until: float, what: str) -> Generator[Wait, Ready, bytes | None]:
        """What comes next (may be ``b""``), None at the end of the stream. Raises Over at the deadline ``until``."""
        data = yield from self.maybe_receive(until)
        if data is Late:
            raise Over("client", "deadline", f"{what} took too long")
        assert data is None or isinstance(data, bytes)
        return data

    def maybe_receive(self, until: float) -> Generator[Wait, Ready, bytes | type[Late] | None]:
        """As ``receive``, but ``Late`` where nothing came until then (or a peer does not stop talking)."""
        stream = self.stream
        assert stream is not None
        while self.loop.now() < until:
            mask = READ | WRITE if stream.backlog else READ
            ready = yield Wait(until, ((stream.sock, mask),))
            if not ready:
                return Late
            seen = ready.get(stream.sock, 0)
            if seen & WRITE:
                stream.flush()
            if seen & READ:
                return stream.receive()
        return Late

    # -- the road

    def road(self) -> Steps:
        """Resolve, connect, and say what precedes TLS."""
        plan, record = self.plan, self.record
        addresses = yield from resolve(plan.road, self.loop, record, self.deadlines.after(plan.timeouts.resolve))
        record.enter(Happening.ADDRESS)
        until = self.deadlines.after(plan.timeouts.connect)
        sock = yield from Dialer(plan.road, self.loop, record).dial(addresses, until)
        self.stream = Stream(sock, record)
        record.enter(Happening.CONNECTED)
        yield from self.preludes(self.deadlines.after(plan.timeouts.prelude))
        record.enter(Happening.READY)

    def preludes(self, until: float) -> Steps:
        """Proxy, PROXY protocol, STARTTLS, in this order."""
        road = self.plan.road
        if road.proxy is not None:
            from inspector.app.proxy import tunnel

            if road.proxy.kind == "https":
                yield from self.tls_to_proxy(until)
            host, port = road.connect_to or (road.target.host, road.target.port)
            yield from self.converse(tunnel(road.proxy, host, port), until)
        if road.proxy_protocol:
            from inspector.app.proxy import proxy_protocol_header

            seen = self.transcript.first(Connected)
            assert seen is not None
            self.send_plain(
                proxy_protocol_header(
                    road.proxy_protocol, (seen.local_address, seen.local_port), (seen.address, seen.port),
                ),
            )
        if road.prelude is not None:
            yield from self.converse(road.prelude(), until)

    def send_plain(self, data: bytes | memoryview) -> None:
        if data:
            self.record.saw_plain(Side.CLIENT, bytes(data), self.record.at)
            self.send(data)

    def converse(self, conversation: Conversation, until: float) -> Steps:
        """Speak in the clear until the conversation is done. Raises Over where the peer does not let us through."""
        record = self.record
        self.send_plain(conversation.data_to_send())
        while not conversation.done:
            data = yield from self.receive(until, conversation.name)
            if data is None:
                conversation.receive_eof()
                record.note(PreludeDone(record.at, conversation.name, conversation.result))
                raise Over("server", "fin", f"the connection was closed during {conversation.name}")
            if data:
                record.saw_plain(Side.SERVER, data, record.at)
                conversation.receive_data(data)
            self.send_plain(conversation.data_to_send())
        result = conversation.result
        record.note(PreludeDone(record.at, conversation.name, result))
        if getattr(result, "accepted", None) is False or getattr(result, "error", None):
            raise Over("server", "prelude_refused", str(getattr(result, "error", None) or getattr(result, "summary", "")))

    def tls_to_proxy(self, until: float) -> Steps:
        """TLS with the proxy itself, without any credential; what is inside goes through it (TLS in TLS)."""
        stream, record, proxy = self.stream, self.record, self.plan.road.proxy
        assert stream is not None
        outer = ClientConnection(
            HandshakePlan(
                self.plan.road, server_name=proxy.host, verify_name=proxy.host, trust=getattr(self.plan, "trust", Trust()),
                insecure=getattr(self.plan, "insecure", False), alpn=("http/1.1",),
            ),
        )
        outer.start(record.at)
        while True:
            stream.queue_raw(outer.data_to_send())
            stream.flush()
            if outer.withheld:
                raise Over("client", "refused_to_send", "the proxy's own certificate is not verified")
            if outer.failed:
                raise Over("client", "error", "no TLS with the proxy")
            if outer.handshake_complete:
                break
            data = yield from self.receive(until, "TLS with the proxy")
            if data is None:
                raise Over("server", "fin", "the proxy closed the connection during its TLS handshake")
            outer.receive_data(data, record.at)
            while outer.next_event() is not None:
                pass
        stream.outer = outer
