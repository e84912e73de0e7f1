"""What can be told of a TLS 1.3 handshake that could not be opened: from the sizes of its records, and from who ended it.

RFC 8446 fixes more than it seems to. A Finished is as long as the suite's hash; so the client's flight is either that one record
and then no certificate was asked for, or it begins with an empty Certificate of 25 bytes (or both in one record), or is as large as
certificates are. An alert is 19 bytes, in either direction; early data comes before that flight, and EndOfEarlyData (21 bytes) ends
it. Padding, which hardly anybody uses, would blur all of it: nothing here
is certain, and each sentence says what it rests on.
"""

from __future__ import annotations

from itertools import takewhile
from typing import Literal, NamedTuple

from inspector.analysis.resumption import is_resumed
from inspector.trace import events as ev
from inspector.trace.transcript import Transcript
from inspector.wire import events as wire
from inspector.wire.events import Side
from inspector.wire.messages import ClientHello, ServerHello
from inspector.wire.registry import ExtensionType
from inspector.wire.suites import suite_parts

APPLICATION_DATA = 23
# The content type behind the plaintext, and the tag (RFC 8446, 5.2)
OVERHEAD = 1 + 16
ALERT = 2 + OVERHEAD
EMPTY_CERTIFICATE = 4 + 4
END_OF_EARLY_DATA = 4 + OVERHEAD
FINISHED_HEADER = 4
# Certificate, CertificateVerify and Finished of the smallest certificates in use
SMALLEST_FLIGHT = 250
NOT_VISIBLE = "whether the application took it is not visible"
TLS_ONLY = 0.6  # how sure an acceptance is that rests on signs of TLS alone

Flight = Literal["finished_only", "empty_certificate", "certificate", "alert", "unknown", "none"]
Verdict = Literal["not_requested", "accepted", "rejected", "undecided"]


class Reading(NamedTuple):
    """A verdict that rests on sizes alone. ``rejected_by`` as in the report; ``confidence`` from 0 to 1."""

    verdict: Verdict
    rests_on: str
    confidence: float
    rejected_by: Literal["tls_alert", "close"] | None = None


class _Seen(NamedTuple):
    """The client's flight, and what came from the server behind it."""

    flight: Flight
    size: int
    answers: tuple[int, ...]  # sizes of the server's records after the client's first protected one
    client_records: tuple[int, ...]
    goodbye: bool = False  # before any answer came the client's FIN, or a record as long as an alert: close_notify, as a rule


def read(transcript: Transcript) -> Reading | None:
    """What the records' sizes say of client authentication; None where this is no TLS 1.3 handshake without keys."""
    hello = _server_hello(transcript)
    if hello is None:
        return None
    if not any(record.side is Side.SERVER for record in _protected(transcript)):
        return None
    if transcript.first(wire.Gap) is not None:
        return Reading("undecided", "the handshake is encrypted, no keys are at hand, and packets are missing", 0.9)
    return _judge(_look(transcript, hello), transcript, resumed=is_resumed(transcript, hello))


def _server_hello(transcript: Transcript) -> ServerHello | None:
    """The ServerHello of a TLS 1.3 handshake of which no message behind it could be read."""
    found: ServerHello | None = None
    for message in transcript.messages(side=Side.SERVER):
        if message.encrypted:
            return None
        if isinstance(message.value, ServerHello) and not message.value.is_retry:
            found = message.value
    return found if found is not None and found.version == 0x0304 else None


def _finished_size(hello: ServerHello) -> int:
    return FINISHED_HEADER + (48 if suite_parts(hello.cipher_suite).hash == "sha384" else 32)


def _protected(transcript: Transcript) -> list[wire.OpaqueRecord]:
    return [event for event in transcript.all(wire.OpaqueRecord) if event.content_type == APPLICATION_DATA]


def _look(transcript: Transcript, hello: ServerHello) -> _Seen:
    records = _protected(transcript)
    sizes, early = [record.length for record in records if record.side is Side.CLIENT], _offers_early_data(transcript)
    skip = 0
    if early and END_OF_EARLY_DATA in sizes:
        skip = sizes.index(END_OF_EARLY_DATA) + 1
    client = sizes[skip:]
    if not client:
        return _Seen("none", 0, (), ())
    starts = [i for i, record in enumerate(records) if record.side is Side.CLIENT]
    behind = records[starts[skip]:]
    answers = tuple(record.length for record in behind if record.side is Side.SERVER)
    flight: Flight = "unknown" if early and not skip else _flight(client, _finished_size(hello))
    before = takewhile(lambda record: record.side is Side.CLIENT, behind)
    goodbye = any(record.length == ALERT for record in before) or _left_before(transcript, behind)
    return _Seen(flight, client[0], answers, tuple(client), goodbye)


def _left_before(transcript: Transcript, records: list[wire.OpaqueRecord]) -> bool:
    """True where the client's FIN or reset came before the server's first of these: a client that is ended says no goodbye."""
    ended = _closer(transcript)
    answer = next((record for record in records if record.side is Side.SERVER), None)
    return ended is not None and ended.by == "client" and answer is not None and ended.at < answer.at


def _offers_early_data(transcript: Transcript) -> bool:
    hellos = [message.value for message in transcript.messages(side=Side.CLIENT) if isinstance(message.value, ClientHello)]
    return any(extension.type == ExtensionType.EARLY_DATA for hello in hellos for extension in hello.extensions)


def _flight(client: list[int], finished: int) -> Flight:
    first, second = client[0], client[1] if len(client) > 1 else 0
    if first == finished + OVERHEAD:
        return "finished_only"
    if first == EMPTY_CERTIFICATE + finished + OVERHEAD or (
        first == EMPTY_CERTIFICATE + OVERHEAD and second == finished + OVERHEAD
    ):
        return "empty_certificate"
    if first == ALERT:
        return "alert"
    return "certificate" if first >= SMALLEST_FLIGHT else "unknown"


def _judge(seen: _Seen, transcript: Transcript, *, resumed: bool) -> Reading:
    if seen.flight == "none":
        return Reading("undecided", "encrypted, no keys; the client sent nothing after the server's hello", 0.8)
    if seen.flight == "alert":
        return Reading("undecided", (
            "encrypted, no keys; the client answered the server's flight with a record as long as an alert: it refused the server"
        ), 0.8)
    if seen.flight == "unknown":
        return Reading("undecided", f"encrypted, no keys; a client flight of {seen.size} bytes fits no usual handshake", 0.6)
    if seen.flight == "finished_only" and resumed:
        return _after_resumption(seen, transcript)
    if seen.flight == "finished_only":
        rests = f"encrypted, no keys; the client's flight is a Finished alone ({seen.size} bytes)"
        return Reading("not_requested", f"{rests}: no certificate was asked for", 0.85)
    sent = "the client's flight is as large as a certificate's" if seen.flight == "certificate" else (
        "the client's flight is as long as an empty Certificate and Finished")
    return _after_certificate(seen, transcript, f"encrypted, no keys; {sent} ({seen.size} bytes)")


def _after_resumption(seen: _Seen, transcript: Transcript) -> Reading:
    """A resumed session keeps the certificate that it began with, if there was one: nobody is asked for it again, and it is judged
    as with keys. A refusal cannot be told from what else ends such a connection.
    """
    found = _after_certificate(seen, transcript, "encrypted, no keys; the session was resumed (the server asks nobody again)")
    return found if found.verdict == "accepted" else Reading("undecided", found.rests_on, 0.6)


def _after_certificate(seen: _Seen, transcript: Transcript, sent: str) -> Reading:
    """The server's answer to a flight that holds a Certificate message."""
    closer = _closer(transcript)
    if seen.goodbye and all(size == ALERT for size in seen.answers):
        return Reading("undecided", f"{sent}, and the client said goodbye before the server had answered", 0.6)
    if seen.answers and seen.answers[0] == ALERT:
        if len(seen.answers) > 1:
            return Reading("undecided", f"{sent}, and the server answered with a record as long as an alert, then more", 0.5)
        return Reading("rejected", f"{sent}, and the server's only answer is a record as long as an alert", 0.8, "tls_alert")
    if seen.answers:
        return Reading("accepted", (
            f"{sent}, and the server went on with {len(seen.answers)} records of {sum(seen.answers)} bytes "
            f"(tickets or data); {NOT_VISIBLE}"
        ), TLS_ONLY)
    if closer is not None and closer.by == "server":
        how = "reset" if closer.how == "reset" else "closed"
        return Reading("rejected", f"{sent}, and the server {how} the connection without another byte", 0.75, "close")
    return Reading("undecided", f"{sent}, and the server sent nothing after it", 0.6)


def _closer(transcript: Transcript) -> ev.Ended | None:
    return transcript.last(ev.Ended)


class Shape(NamedTuple):
    """What is visible of such a handshake's outcome. ``completed``: the client sent its flight, and it went on after that.
    ``resumed`` is None where it was not.
    """

    completed: bool
    resumed: bool | None


def shape(transcript: Transcript) -> Shape | None:
    """None where this is no TLS 1.3 handshake without keys."""
    hello = _server_hello(transcript)
    if hello is None or not _protected(transcript):
        return None
    seen = _look(transcript, hello)
    went_on = len(seen.client_records) > 1 or any(size != ALERT for size in seen.answers)
    completed = seen.flight not in ("none", "alert") and went_on
    return Shape(completed, is_resumed(transcript, hello) if completed else None)


def client_refused(transcript: Transcript) -> bool:
    """True where the client's answer to an encrypted server flight is as long as an alert, and nothing is missing before it."""
    if transcript.first(wire.Gap) is not None:
        return False
    hello = _server_hello(transcript)
    return hello is not None and _look(transcript, hello).flight == "alert"
