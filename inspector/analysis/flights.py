"""One pass over a transcript: what each side sent that a judgement about client authentication needs, and in which order."""

from __future__ import annotations

from typing import Any, NamedTuple

from inspector.analysis.lost import Lost, lost, open_ended
from inspector.analysis.resumption import is_resumed
from inspector.trace import events as ev
from inspector.trace.transcript import Transcript
from inspector.wire import events as wire
from inspector.wire.events import Side
from inspector.wire.messages import CertificateRequest, RawPublicKey, ServerHello, certificate_of
from inspector.wire.registry import AlertDescription, HandshakeType

CLOSE_NOTIFY, USER_CANCELED = AlertDescription.CLOSE_NOTIFY, AlertDescription.USER_CANCELED
# alerts that accompany an orderly end (RFC 8446, Section 6.1; JSSE sends user_canceled before close_notify)
CLOSING_ALERTS = frozenset({CLOSE_NOTIFY, USER_CANCELED})
WARNING = 1
TLS13, TLS13_NUMBER = "TLSv1.3", 0x0304

CLOSES = {
    "fin": "the server closed the connection",
    "reset": "the server reset the connection",
}


class Asked(NamedTuple):
    """What a CertificateRequest asks for. ``authorities_bytes`` is the size of the list of names on the wire."""

    authorities: tuple[bytes, ...]
    schemes: tuple[int, ...]
    schemes_cert: tuple[int, ...]
    types: tuple[int, ...]
    authorities_bytes: int


class Flights(NamedTuple):
    """The facts. ``requested`` and ``sent`` are None where they could not be read: encrypted, not captured, or the handshake never
    got there. ``resumed`` is None where what would tell was not captured.
    """

    transcript: Transcript
    tls13: bool
    server_spoke: bool
    handshake_done: bool
    resumed: bool | None
    request: wire.Message | None
    asked: Asked | None
    requested: bool | None
    our_certificate: wire.Message | None
    our_certificate_out: bool
    sent: bool | None
    sent_chain: tuple[bytes, ...]
    fatal_alert: wire.Alert | None
    closed_by_server: str | None  # in words
    server_data: bool  # application data that came after our flight
    we_spoke: bool  # application data of ours went out
    ticket_after_finished: bool
    server_finished_last: bool  # up to TLS 1.2, full handshake: the server's Finished answers ours
    lost: Lost  # what the capture lacks
    answer: Any  # app.result.AppResult, where the application's first step was answered

    def index_of(self, event: Any) -> int | None:
        """Position in ``Transcript.listed`` of this very event."""
        return None if event is None else next((i for i, seen in enumerate(self.transcript.listed) if seen is event), None)

    def after_our_certificate(self, event: ev.Event) -> bool:
        """True where ``event`` came after our Certificate message (empty or not) that answers the last request."""
        if self.our_certificate is None:
            return False
        for seen in self.transcript.events:
            if seen is self.our_certificate:
                return True
            if seen is event:
                return False
        return False


def alert_name(description: int) -> str:
    """The registry's name of an alert, or its number in hex."""
    return AlertDescription(description).label


def asked_by(message: wire.Message) -> Asked | None:
    """What a CertificateRequest asks for; None where the message breaks the grammar."""
    value = message.value
    if not isinstance(value, CertificateRequest):
        return None
    return Asked(
        value.authorities, value.signature_schemes, value.signature_schemes_cert, value.certificate_types, value.authorities_bytes,
    )


def chain_of(message: wire.Message) -> tuple[bytes, ...]:
    """The certificates of a Certificate or CompressedCertificate message, DER, in wire order."""
    certificate = certificate_of(message.value)
    return certificate.chain if certificate is not None else ()


CERTIFICATES = (HandshakeType.CERTIFICATE, HandshakeType.COMPRESSED_CERTIFICATE)


def certificate_messages(transcript: Transcript, side: Side) -> list[wire.Message]:
    """Certificate messages of one side, compressed ones too, in wire order."""
    return [m for m in transcript.messages(side=side) if m.type in CERTIFICATES]


def server_chain(transcript: Transcript) -> tuple[bytes, ...] | None:
    """The server's chain as it sent it; None where no Certificate message of it could be read."""
    messages = certificate_messages(transcript, Side.SERVER)
    return chain_of(messages[0]) if messages else None


class _Order:
    """Positions of events in the transcript, by kind. -1: none."""

    def __init__(self, transcript: Transcript) -> None:
        self._positions: dict[int, int] = {}  # by identity: equal events may stand at several places
        self._messages: list[tuple[int, wire.Message]] = []
        self._data: list[tuple[int, Side]] = []
        self._flight_ends: list[tuple[int, Side]] = []
        for i, e in enumerate(transcript.events):
            self._positions.setdefault(id(e), i)
            if type(e) is wire.Message:
                self._messages.append((i, e))
                if e.type == HandshakeType.FINISHED:
                    self._flight_ends.append((i, e.side))
            elif type(e) is wire.ApplicationData:
                if e.size > 0:
                    self._data.append((i, e.side))
            elif type(e) is wire.OpaqueRecord and e.handshake:
                self._flight_ends.append((i, e.side))

    def position(self, event: ev.Event | None) -> int:
        return self._positions.get(id(event), -1) if event is not None else -1

    def last(self, side: Side, *types: int) -> int:
        """Position of the last handshake message of these types, -1 for none."""
        return max((i for i, m in self._messages if m.side is side and m.type in types), default=-1)

    def last_of_flight(self, side: Side) -> int:
        """Position of what ended this side's last flight of a handshake: Finished, or, unread, what stands for it up to TLS 1.2."""
        return max((i for i, sender in self._flight_ends if sender is side), default=-1)

    def data(self, side: Side, after: int) -> bool:
        """True where this side sent application data after that position."""
        return any(i > after and sender is side for i, sender in self._data)


def _is_tls13(transcript: Transcript) -> bool:
    done = transcript.last(ev.HandshakeDone)
    if done is not None:
        return done.protocol == TLS13
    hellos = [m.value for m in transcript.messages(side=Side.SERVER) if isinstance(m.value, ServerHello)]
    return bool(hellos) and hellos[-1].version == TLS13_NUMBER


def _is_done(transcript: Transcript, order: _Order, missing: Lost) -> bool:
    if transcript.first(ev.HandshakeDone) is not None:
        return True
    if any(missing) and order.data(Side.CLIENT, -1) and order.data(Side.SERVER, -1):
        return True  # a Finished is among what is missing: without it neither would have gone on
    return order.last_of_flight(Side.CLIENT) >= 0 and order.last_of_flight(Side.SERVER) >= 0


def _is_resumed(transcript: Transcript, missing: Lost, *, tls13: bool, done: bool) -> bool | None:
    finished = transcript.first(ev.HandshakeDone)
    if finished is not None:
        return finished.resumed
    hello = transcript.messages(HandshakeType.SERVER_HELLO, Side.SERVER)
    if tls13:
        return any(is_resumed(transcript, message.value) for message in hello if isinstance(message.value, ServerHello))
    if _is_full(transcript):
        return False
    if missing.server_flight or (any(missing) and not hello):
        return None
    return done and bool(hello)


def _is_full(transcript: Transcript) -> bool:
    """True where a message was seen that only a full handshake up to TLS 1.2 has."""
    return bool(
        certificate_messages(transcript, Side.SERVER) or transcript.messages(HandshakeType.SERVER_HELLO_DONE, Side.SERVER)
        or transcript.messages(HandshakeType.CLIENT_KEY_EXCHANGE, Side.CLIENT)
    )


def _requested(
    transcript: Transcript, request: wire.Message | None, missing: Lost, *, tls13: bool, resumed: bool | None,
) -> bool | None:
    if request is not None:
        return True
    if resumed or _hides_handshake(transcript):
        return None
    if missing.server:
        return False if _answered_no_request(transcript, missing, tls13=tls13) else None
    end = HandshakeType.FINISHED if tls13 else HandshakeType.SERVER_HELLO_DONE
    return False if transcript.messages(end, Side.SERVER) else None


def _hides_handshake(transcript: Transcript) -> bool:
    """True where, up to TLS 1.2, a side sent more handshake records behind its first Finished, and they could not be opened: a
    renegotiation, as a rule, in which anything may have been asked for.
    """
    ended = set()
    for event in transcript.events:
        if type(event) is wire.OpaqueRecord and event.handshake:
            if event.side in ended:
                return True
            ended.add(event.side)
        elif type(event) is wire.Message and event.type == HandshakeType.FINISHED:
            ended.add(event.side)
    return False


def _answered_no_request(transcript: Transcript, missing: Lost, *, tls13: bool) -> bool:
    """True where all that the client sent is known, and it is no answer to a CertificateRequest: that is answered with a
    Certificate, if an empty one (RFC 8446, 4.4.2; RFC 5246, 7.4.6).
    """
    if missing.client or open_ended(transcript) or certificate_messages(transcript, Side.CLIENT):
        return False
    return bool(transcript.messages(HandshakeType.FINISHED if tls13 else HandshakeType.CLIENT_KEY_EXCHANGE, Side.CLIENT))


def _answers(certificate: wire.Message, request: wire.Message | None, order: _Order) -> bool:
    """True where this Certificate of the client answers the request. The first handshake holds one of each, in whatever order a
    capture has them.
    """
    first = request is not None and not request.late and not certificate.late
    return first or order.position(certificate) > order.position(request)


def _sent(
    transcript: Transcript, certificate: wire.Message | None, request: wire.Message | None, missing: Lost,
    requested: bool | None,
) -> bool | None:
    if certificate is not None:
        return bool(chain_of(certificate)) or isinstance(certificate.value, RawPublicKey)
    if not requested or request is None:
        return requested  # nobody sends one who was not asked
    # where only the server's bytes are known to be missing, what would tell of the client's is among them: acknowledgements
    return None if any(missing) or open_ended(transcript) else False


def _fatal_alert(transcript: Transcript, *, tls13: bool) -> wire.Alert | None:
    """The server's first alert that ends a connection. In TLS 1.3 the level says nothing (RFC 8446, Section 6)."""
    return next(
        (alert for alert in transcript.all(wire.Alert) if alert.side is Side.SERVER
         and alert.description not in CLOSING_ALERTS and (tls13 or alert.level != WARNING)),
        None,
    )


def client_alert(transcript: Transcript) -> wire.Alert | None:
    """The client's first alert that refuses something: no warning, and no orderly end."""
    return next(
        (alert for alert in transcript.all(wire.Alert)
         if alert.side is Side.CLIENT and alert.level != WARNING and alert.description not in CLOSING_ALERTS),
        None,
    )


def _client_left_first(transcript: Transcript) -> bool:
    """True where a capture shows the client's goodbye, or its FIN, before the server's goodbye (an unread alert after Finished is
    one, as a rule).

    A FIN stands behind what its sender said, whatever was captured first. A live run knows better: its own goodbye may be the
    answer to the server's end.
    """
    if transcript.plan is not None:
        return False
    ended = transcript.last(ev.Ended)
    client_ended = ended is not None and ended.by == "client"
    for event in transcript.events:
        if (type(event) is wire.OpaqueRecord and event.alert) or (
            type(event) is wire.Alert and event.description == CLOSE_NOTIFY
        ):
            if event.side is Side.CLIENT:
                return ended is None or client_ended or event.at <= ended.at
            return ended is not None and client_ended and ended.at < event.at
    return False


def client_was_gone(transcript: Transcript, event: wire.Alert) -> bool:
    """True where a capture shows the client's FIN or reset before this alert of the server, which may then be about that: OpenSSL
    answers a FIN without close_notify with decode_error.
    """
    ended = transcript.last(ev.Ended)
    return transcript.plan is None and ended is not None and ended.by == "client" and ended.at < event.at


def _closed_by_server(transcript: Transcript) -> str | None:
    ended = transcript.last(ev.Ended)
    if transcript.plan is None and _client_left_first(transcript):  # live, the driver says who ended it
        return None
    if ended is not None and ended.by != "client" and ended.how in CLOSES:
        return CLOSES[ended.how]
    if any(a.side is Side.SERVER and a.description == CLOSE_NOTIFY for a in transcript.all(wire.Alert)):
        return "the server closed the channel (close_notify)"
    return "the server closed the connection while we wrote" if transcript.first(ev.WriteFailed) else None


def _answer(transcript: Transcript) -> Any:
    results = [event.result for event in transcript.all(ev.ApplicationResult) if event.result.answered]
    return results[-1] if results else None


def survey(transcript: Transcript) -> Flights:
    """The facts about client authentication in this transcript."""
    order = _Order(transcript)
    tls13 = _is_tls13(transcript)
    missing = lost(transcript)
    done = _is_done(transcript, order, missing)
    resumed = _is_resumed(transcript, missing, tls13=tls13, done=done)
    requests = transcript.messages(HandshakeType.CERTIFICATE_REQUEST, Side.SERVER)
    request = requests[-1] if requests else None
    requested = _requested(transcript, request, missing, tls13=tls13, resumed=resumed)
    ours = certificate_messages(transcript, Side.CLIENT)
    certificate = ours[-1] if ours and _answers(ours[-1], request, order) else None
    chain = chain_of(certificate) if certificate is not None else ()
    finished = order.last_of_flight(Side.CLIENT)
    return Flights(
        transcript=transcript, tls13=tls13, handshake_done=done, resumed=resumed, request=request,
        server_spoke=any(isinstance(e, (wire.Message, wire.Alert)) and e.side is Side.SERVER for e in transcript.events),
        asked=asked_by(request) if request is not None else None,
        requested=requested,
        our_certificate=certificate,
        our_certificate_out=certificate is not None,
        sent=_sent(transcript, certificate, request, missing, requested),
        sent_chain=chain,
        fatal_alert=_fatal_alert(transcript, tls13=tls13),
        closed_by_server=_closed_by_server(transcript),
        server_data=order.data(Side.SERVER, order.position(certificate)),
        we_spoke=order.data(Side.CLIENT, -1),
        ticket_after_finished=order.last(Side.SERVER, HandshakeType.NEW_SESSION_TICKET) > finished >= 0,
        server_finished_last=not tls13 and order.last_of_flight(Side.SERVER) > finished >= 0,
        lost=missing,
        answer=_answer(transcript),
    )
