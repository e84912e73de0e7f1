"""What HTTP/1.1 and HTTP/2 have in common: exchange after exchange over one connection, responses bounded, bodies in pieces.

``Exchanges`` is a ``plan.Conversation``. The subclass turns bytes into calls of ``_head``, ``_data``, ``_trailers`` and ``_end``,
and a ``Request`` into bytes; which request comes next is asked of ``next_request`` after each outcome. A request that could not
be begun because the connection cannot be used again stays in ``left_over``.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from inspector.app import http_verdict
from inspector.app.http_message import (
    BODY_KEPT,
    NO_LIMITS,
    Headers,
    Limits,
    NextRequest,
    NoSink,
    Outcome,
    Request,
    Sink,
    value_of,
    values_of,
)
from inspector.app.result import AppResult, HttpReply

if TYPE_CHECKING:
    from inspector.app.coding import ContentDecoder

RAW_KEPT = 4096
UPLOAD_PIECE = 120 * 1024  # with what TLS adds, just below what the allocator would map page by page
UPLOAD_VIEW = 240 * 1024  # of a body that has a buffer of its own
NO_BODY = (204, 304)
# a file grew or shrank while it was sent, or the user announced another length
OTHER_LENGTH = "the body is not of the length that was announced"
LONGEST_NUMBER = 20  # digits of a length that is looked at before the body comes


class Exchanges:
    """The common half.

    ``decode``: undo content codings before the sink sees the body. ``hashed``: keep the SHA-256 of all bytes of both directions.
    """

    name = "http"
    takes_views = True  # what comes may be a memoryview (see ``drive.speak``)
    version = ""

    def __init__(
        self, next_request: NextRequest, *, sink: Sink | None = None, limits: Limits = NO_LIMITS, decode: bool = False,
        hashed: bool = False,
    ) -> None:
        self._next = next_request
        self._sink = sink or NoSink()
        self._limits = limits
        self._decode = decode
        self.outcomes: list[Outcome] = []
        self.left_over: Request | None = None
        self.sent_sha256: Any = hashlib.sha256() if hashed else None
        self.received_sha256: Any = hashlib.sha256() if hashed else None
        self._raw = bytearray()
        self._done = False
        self._request: Request | None = None
        self._status, self._reason = 0, ""
        self._headers: Headers = ()
        self._trailing: Headers = ()
        self._interims = self._interim_bytes = 0
        self._body = bytearray()
        self._body_bytes = self._decoded = self._sent = 0
        self._complete = False
        self._decoder: ContentDecoder | None = None
        self._advance(None)

    # a plan.Conversation

    def data_to_send(self) -> bytes | memoryview:
        """What to send now: heads, and at most 240 KiB of a body at a time. A memoryview is good until the next call."""
        data = self._produce()
        if self.sent_sha256 is not None:
            self.sent_sha256.update(data)
        return data

    def receive_data(self, data: bytes | memoryview) -> None:
        if self._done or not data:
            return
        if len(self._raw) < RAW_KEPT:
            self._raw += data[: RAW_KEPT - len(self._raw)]
        if self.received_sha256 is not None:
            self.received_sha256.update(data)
        self._consume(data)

    def receive_eof(self) -> None:
        if not self._done:
            self._consume_eof()
        if not self._done:
            self._fail("the server closed the connection before the end of its response" if self._status else "")

    @property
    def done(self) -> bool:
        return self._done

    @property
    def waits_for_continue(self) -> bool:
        """True while a body is held back for "100 Continue"; ``go_on`` ends the wait."""
        return False

    def go_on(self) -> None:
        """Send the body although no "100 Continue" came (RFC 9110, 10.1.1: a client should not wait without end)."""

    def abandon(self, error: str) -> Outcome | None:
        """The exchange that was begun and did not come to its end, as far as it came; None where all of them did."""
        if not self._done:
            self._over(error)
        last = self.outcomes[-1] if self.outcomes else None
        return last if last is not None and (last.error or last.reply is None or not last.reply.complete) else None

    @property
    def result(self) -> AppResult:
        """The last exchange's; of one that is not over, as far as it came."""
        outcome = self.outcomes[-1] if self._done and self.outcomes else self._outcome(None)
        reply, raw = outcome.reply, bytes(self._raw)
        if reply is None:
            summary = outcome.error or ("the answer is incomplete" if raw else "the server ended without an answer")
            return AppResult("http", bool(raw), None, None, summary, raw, None, outcome.error)
        summary = http_verdict.summary(reply)
        return AppResult("http", True, http_verdict.verdict(reply), str(reply.status), summary, raw, reply, outcome.error)

    # what the subclass does

    def _produce(self) -> bytes | memoryview:
        raise NotImplementedError

    def _consume(self, data: bytes | memoryview) -> None:
        raise NotImplementedError

    def _consume_eof(self) -> None:
        raise NotImplementedError

    def _start(self, request: Request) -> bool:
        """Begin a request; False where the connection cannot take another."""
        raise NotImplementedError

    # what the subclass calls

    def _interim(self, status: int, headers: Headers) -> None:
        self._interims += 1
        self._interim_bytes += sum(len(name) + len(value) for name, value in headers)
        if self._interims > self._limits.interim or self._interim_bytes > self._limits.head:
            self._fail(f"more than {self._limits.interim} interim responses, or {self._limits.head // 1024} KiB of them")
        else:
            self._sink.interim(status, headers)

    def _head(self, status: int, reason: str, headers: Headers) -> None:
        size = sum(len(name) + len(value) for name, value in headers)
        if size > self._limits.head or len(headers) > self._limits.headers:
            self._fail(f"the response head is too large: {len(headers)} headers, {size} bytes")
            return
        self._status, self._reason, self._headers = status, reason, headers
        assert self._request is not None
        if self._too_long_announced(status, headers):
            self._fail(f"the body is longer than {self._limits.body} bytes")
            return
        coding = values_of(headers, "content-encoding")
        if self._decode and coding and self._request.method != "HEAD" and status not in NO_BODY:
            from inspector.app.coding import CodingError, ContentDecoder

            try:
                self._decoder = ContentDecoder(coding, limit=self._limits.decoded)
            except CodingError as exc:
                self._sink.head(self._request, self._reply())
                self._fail(str(exc))
                return
        self._sink.head(self._request, self._reply())

    def _too_long_announced(self, status: int, headers: Headers) -> bool:
        """True where the head says that the body will be longer than a strict limit allows."""
        assert self._request is not None
        length = value_of(headers, "content-length") or ""
        if not self._limits.strict or self._limits.body is None or self._request.method == "HEAD" or status in NO_BODY:
            return False
        return length.isascii() and length.isdigit() and (len(length) >= LONGEST_NUMBER or int(length) > self._limits.body)

    def _data(self, data: bytes | memoryview) -> None:
        came = len(data)
        self._body_bytes += came
        if self._limits.strict and self._limits.body is not None and self._body_bytes > self._limits.body:
            data = data[: max(0, came - (self._body_bytes - self._limits.body))]  # what is over is not handed on
        if len(self._body) < BODY_KEPT:
            self._body += data[: BODY_KEPT - len(self._body)]
        if self._decoder is None:
            self._decoded += len(data)
            self._sink.data(data)
        else:
            from inspector.app.coding import CodingError

            try:
                for piece in self._decoder.feed(bytes(data)):
                    self._decoded += len(piece)
                    self._sink.data(piece)
            except CodingError as exc:
                self._fail(str(exc))
                return
        if self._limits.body is not None and self._body_bytes >= self._limits.body + self._limits.strict:
            strict = self._limits.strict and self._body_bytes > self._limits.body
            self._over(f"the body is longer than {self._limits.body} bytes" if strict else None)

    def _trailers(self, headers: Headers) -> None:
        self._trailing = headers
        if headers:
            self._sink.trailers(headers)

    def _end(self, *, reusable: bool) -> None:
        """The response is complete."""
        self._complete = True
        error = None
        if self._decoder is not None:
            from inspector.app.coding import CodingError

            try:
                self._decoder.finish()
            except CodingError as exc:
                error = str(exc)
        outcome = self._outcome(error)
        self.outcomes.append(outcome)
        self._advance(outcome, reusable=reusable)

    def _fail(self, error: str) -> None:
        self._over(error or None)

    def _over(self, error: str | None) -> None:
        if not self._done:
            self.outcomes.append(self._outcome(error))
            self._done = True

    def _advance(self, outcome: Outcome | None, *, reusable: bool = True) -> None:
        request = self._next(outcome)
        if request is None:
            self._done = True
            return
        # only a request that begins clears what is known of the last: until then ``result`` speaks of that
        if not reusable:
            self.left_over, self._done = request, True
            return
        self._request = request
        self._forget()
        if not self._start(request):
            self.left_over, self._done = request, True

    def _forget(self) -> None:
        """Nothing is known of the response yet."""
        self._status, self._reason, self._headers, self._trailing = 0, "", (), ()
        self._interims = self._interim_bytes = self._body_bytes = self._decoded = self._sent = 0
        self._body = bytearray()
        self._complete = False
        self._decoder = None

    def _reply(self) -> HttpReply:
        return HttpReply(
            self._status, self.version, self._reason, self._headers, self._body_bytes, bytes(self._body), self._complete)

    def _outcome(self, error: str | None) -> Outcome:
        assert self._request is not None
        reply = self._reply() if self._status else None
        return Outcome(self._request, reply, self._trailing, error, self._decoded, self._sent)
