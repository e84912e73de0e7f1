"""Transcripts put together by hand: one line a happening, so that a test reads like the conversation it judges."""

from __future__ import annotations

from inspector.app.result import AppResult, HttpReply
from inspector.credentials import mint
from inspector.plan import HandshakePlan, Road
from inspector.target import Target
from inspector.trace import events as ev
from inspector.trace.phase import Phase
from inspector.trace.transcript import Transcript
from inspector.wire import events as wire
from inspector.wire import messages as m
from inspector.wire import registry as r
from inspector.wire.events import Side
from inspector.wire.extensions import Extension
from inspector.wire.registry import HandshakeType as H

CA = mint.authority("Root A")
SERVER = mint.server_leaf(["api.test"], CA)
ALICE = mint.leaf("alice", CA)


class Scene:
    """Appends events a millisecond apart. ``tls13`` chooses the form of the messages."""

    def __init__(self, *, tls13: bool = True) -> None:
        plan = HandshakePlan(Road(Target("api.test", 443)), server_name="api.test", verify_name="api.test")
        self.transcript = Transcript(plan, started=1_800_000_000.0)
        self.tls13 = tls13
        self._at = 0.0

    def add(self, event: object) -> Scene:
        self.transcript.append(event)  # type: ignore[arg-type]
        return self

    @property
    def at(self) -> float:
        self._at += 0.001
        return self._at

    def message(self, side: Side, kind: int, value: object, *, late: bool = False, encrypted: bool = False) -> Scene:
        return self.add(wire.Message(side, self.at, r.HandshakeType(kind), b"body", value, encrypted, late))

    def connected(self) -> Scene:
        self.add(ev.Resolved(self.at, "api.test", ("192.0.2.1",)))
        self.add(ev.Attempt(self.at, "192.0.2.1", 443, 0.001))
        return self.add(ev.Connected(self.at, "192.0.2.1", 443, "192.0.2.9", 50000, 0.001))

    def phase(self, phase: Phase) -> Scene:
        return self.add(ev.PhaseEntered(self.at, phase))

    def hello(self) -> Scene:
        """Connected, and both hellos."""
        version = r.ProtocolVersion(0x0304)
        suite = r.CipherSuite(0x1301 if self.tls13 else 0xC02F)
        extensions = (Extension(r.ExtensionType.SUPPORTED_VERSIONS, b"", version),) if self.tls13 else ()
        null = r.CompressionMethod(0)
        self.connected().phase(Phase.HELLO)
        self.message(Side.CLIENT, H.CLIENT_HELLO, m.ClientHello(r.ProtocolVersion(0x0303), bytes(32), b"", (suite,), (null,)))
        self.phase(Phase.SERVER_FLIGHT)
        return self.message(
            Side.SERVER, H.SERVER_HELLO, m.ServerHello(r.ProtocolVersion(0x0303), bytes(32), b"", suite, null, extensions),
        )

    def request(self, *authorities: bytes, late: bool = False) -> Scene:
        types = () if self.tls13 else (r.ClientCertificateType(1), r.ClientCertificateType(64))
        value = m.CertificateRequest(b"" if self.tls13 else None, types, (r.SignatureScheme(0x0403),), authorities)
        return self.message(Side.SERVER, H.CERTIFICATE_REQUEST, value, late=late)

    def server_flight(self, *, asks: bool = True) -> Scene:
        """Both hellos and the server's flight up to its end."""
        self.hello()
        if self.tls13:
            self.message(Side.SERVER, H.ENCRYPTED_EXTENSIONS, m.EncryptedExtensions(()))
            if asks:
                self.request(CA.subject)
            self.certificate(Side.SERVER, SERVER.cert)
            return self.message(Side.SERVER, H.FINISHED, m.Finished(bytes(32)), encrypted=True)
        self.certificate(Side.SERVER, SERVER.cert)
        if asks:
            self.request(CA.subject)
        return self.message(Side.SERVER, H.SERVER_HELLO_DONE, m.Empty())

    def certificate(self, side: Side, *chain: bytes, late: bool = False) -> Scene:
        entries = tuple(m.CertificateEntry(der) for der in chain)
        return self.message(side, H.CERTIFICATE, m.Certificate(b"" if self.tls13 else None, entries), late=late)

    def our_flight(self, *chain: bytes, asked: bool = True) -> Scene:
        """Our second flight: Certificate (empty without ``chain``) where asked for, and Finished."""
        if asked:
            self.certificate(Side.CLIENT, *chain)
        self.message(Side.CLIENT, H.FINISHED, m.Finished(bytes(32)), encrypted=True)
        return self.done() if self.tls13 else self.phase(Phase.CLIENT_FLIGHT)

    def done(self, *, resumed: bool = False) -> Scene:
        self.add(ev.HandshakeDone(self.at, "TLSv1.3" if self.tls13 else "TLSv1.2", 0x1301, None, None, resumed))
        return self.phase(Phase.VERDICT)

    def server_finished(self) -> Scene:
        self.message(Side.SERVER, H.FINISHED, m.Finished(bytes(12)), encrypted=True)
        return self.done()

    def ticket(self) -> Scene:
        return self.message(Side.SERVER, H.NEW_SESSION_TICKET, m.NewSessionTicket(7200, b"t", 0, b""), late=True, encrypted=True)

    def alert(self, description: int, level: int = 2, side: Side = Side.SERVER) -> Scene:
        return self.add(wire.Alert(side, self.at, level, description, True))

    def data(self, side: Side, size: int = 10) -> Scene:
        return self.add(wire.ApplicationData(side, self.at, size, None))

    def ended(self, by: str, how: str) -> Scene:
        return self.add(ev.Ended(self.at, by, how, self.transcript.phase))

    def http(self, status: int, body: bytes = b"", *headers: tuple[str, str]) -> Scene:
        """Our request, and the server's answer."""
        self.phase(Phase.APPLICATION).data(Side.CLIENT).data(Side.SERVER)
        reply = HttpReply(status, "1.1", "", headers, len(body), body)
        return self.add(ev.ApplicationResult(self.at, AppResult("http", True, None, str(status), f"HTTP {status}", b"", reply)))

    def protocol(self, accepted: bool | None, summary: str, *, answered: bool = True) -> Scene:
        """Our first step in another protocol than HTTP, and what came of it."""
        self.phase(Phase.APPLICATION).data(Side.CLIENT)
        if answered:
            self.data(Side.SERVER)
        return self.add(ev.ApplicationResult(self.at, AppResult("postgres", answered, accepted, None, summary)))


def asked_and_sent(*, tls13: bool = True, chain: tuple[bytes, ...] = (ALICE.cert,)) -> Scene:
    """The server asked, and our flight went out; up to TLS 1.2 the server has not finished."""
    return Scene(tls13=tls13).server_flight().our_flight(*chain)


def completed(*, tls13: bool = True, chain: tuple[bytes, ...] = (ALICE.cert,)) -> Scene:
    """As ``asked_and_sent``, and the handshake is complete for us."""
    scene = asked_and_sent(tls13=tls13, chain=chain)
    return scene if tls13 else scene.server_finished()


def never_asked(*, tls13: bool = True) -> Scene:
    """A complete handshake without a request."""
    scene = Scene(tls13=tls13).server_flight(asks=False).our_flight(asked=False)
    return scene if tls13 else scene.server_finished()
