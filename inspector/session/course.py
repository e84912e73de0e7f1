"""Where we are among errands, redirects and retries: which request is the next, and over which connection."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from inspector.app import steps
from inspector.app.http_exchange import LONGEST_NUMBER
from inspector.app.http_message import NO_LIMITS, Headers, Limits, Outcome, Request, Sink, value_of
from inspector.app.result import HttpReply
from inspector.errors import UsageError
from inspector.session import redirect
from inspector.session.gate import Requirement
from inspector.session.settings import Settings
from inspector.target import Target

KEEPS_METHOD = frozenset({300, 307, 308})
EXPECTATION_FAILED = 417
# statuses that curl's --retry takes for passing
TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
LONGEST_PAUSE = 600.0  # seconds, as curl's; who is told to come back later than that does not wait for it
# may be sent a second time without a second effect (RFC 9110, Section 9.2.2)
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
# how often a request goes again that the server says it did not look at
PASSED_OVER = 3
# headers that are for one host only
PERSONAL = frozenset({"authorization", "cookie", "proxy-authorization", "host"})
ABOUT_BODY = frozenset({"content-length", "content-type", "transfer-encoding", "content-encoding", "expect"})
NOT_TWICE = "the body cannot be sent a second time (it came through a pipe)"
NO_ANSWER = "the server closed the connection without an answer"


class Errand(NamedTuple):
    """One URL: the request, who takes the response, and where it goes."""

    url: str
    request: Request
    sink: Sink


class Options(NamedTuple):
    """How requests are sent. ``http`` is "both", "1.1" or "2"; ``any_host``: redirects may take the credential elsewhere."""

    requirements: tuple[Requirement, ...] = ()
    http: str = "both"
    location: bool = False
    any_host: bool = False
    redirects: int = 50
    retry: int = 0
    retry_pause: float | None = None
    decode: bool = False
    without_x: str | None = None  # the method was typed, and holds on all the way; without it, it would be this
    limits: Limits = NO_LIMITS
    hide_errors: bool = False  # --fail: bodies of errors are not shown
    hashed: bool = False
    # puts what the user said of the road to a host (addresses, proxy) into the settings for it
    road: Callable[[Settings], Settings] | None = None


class Valve:
    """Stands between the exchanges and the errand's sink: bodies of redirects that are followed, and of answers that are tried
    again, are not what was asked for.
    """

    def __init__(self, course: Course) -> None:
        self._course = course
        self._shut = False

    def interim(self, status: int, headers: Headers) -> None:
        self._course.errand.sink.interim(status, headers)

    def head(self, request: Request, reply: HttpReply) -> None:
        self._shut = self._course.swallows(reply)
        self._course.errand.sink.head(request, reply)

    def data(self, data: bytes | memoryview) -> None:
        if not self._shut:
            self._course.errand.sink.data(data)

    def trailers(self, headers: Headers) -> None:
        self._course.errand.sink.trailers(headers)


class Course:
    """Where we are among errands, redirects and retries. ``next_request`` is asked by the exchanges after each outcome.

    An errand that fails is over, with what came of it and the error in its outcome; the next one begins.
    """

    def __init__(self, settings: Settings, errands: Sequence[Errand], options: Options) -> None:
        self.home = self.settings = settings
        self.options = options
        self._waiting = deque(errands)
        self.errand = self._waiting.popleft()
        self.request: Request | None = self.errand.request
        self.without_x = options.without_x
        self.url = self.errand.url
        self.hops = self.total_hops = 0
        self.attempts = self._passed_over = 0
        self.pause: float | None = None
        self.moved = False  # the next request goes to another host
        self.outcomes: list[Outcome] = []
        self.urls: list[str] = []

    @property
    def over(self) -> bool:
        return self.request is None

    def next_request(self, outcome: Outcome | None) -> Request | None:
        """The request to send now over this connection, or None where it has served."""
        if outcome is not None:
            self._settle(outcome)
        return None if self.moved or self.pause is not None else self.request

    def swallows(self, reply: HttpReply) -> bool:
        """True for a body that is not the answer to the errand."""
        if self._location(reply) or self._will_retry(reply) or self._without_expect(reply):
            return True
        return self.options.hide_errors and reply.status >= 400

    def _will_retry(self, reply: HttpReply) -> bool:
        return reply.status in TRANSIENT and self.attempts < self.options.retry and self._wait(reply) <= LONGEST_PAUSE

    def _wait(self, reply: HttpReply | None) -> float:
        """Seconds until the next try: the user's, or twice as many as the last, and no fewer than Retry-After asks for."""
        pause = self.options.retry_pause
        usual = min(LONGEST_PAUSE, 2.0 ** self.attempts) if pause is None else pause
        return usual if reply is None else max(usual, seconds_of(reply.headers, self.settings.now))

    def _without_expect(self, reply: HttpReply) -> bool:
        """RFC 9110, Section 15.5.18: who does not know the expectation is asked again without it."""
        return reply.status == EXPECTATION_FAILED and self.request is not None and self.request.expect

    def _location(self, reply: HttpReply) -> str | None:
        """The Location that is to be followed, if any."""
        follows = self.options.location and reply.status in redirect.REDIRECTS
        return value_of(reply.headers, "location") if follows else None

    def _settle(self, outcome: Outcome) -> None:
        """After an answer: the same again, the redirect, or the next errand."""
        reply = outcome.reply
        if reply is None or outcome.error:
            self.finish(outcome, outcome.error or NO_ANSWER)
        elif self._will_retry(reply):
            if not self._again(reply):
                self.finish(outcome, NOT_TWICE)
        elif self._without_expect(reply):
            self.request = outcome.request._replace(expect=False)
            if not self.rewind():
                self.finish(outcome, NOT_TWICE)
        elif location := self._location(reply):
            self.hops += 1
            self.total_hops += 1
            if self.hops > self.options.redirects:
                self.finish(outcome, f"more than {self.options.redirects} redirects")
            else:
                self._follow(outcome, reply.status, location)
        else:
            self.finish(outcome)

    def _again(self, reply: HttpReply | None) -> bool:
        self.pause = self._wait(reply)
        self.attempts += 1
        if self.rewind():
            return True
        self.pause = None
        return False

    def rewind(self) -> bool:
        """Make the body ready to be sent again; False where that cannot be done."""
        return self.request is None or self.request.body is None or self.request.body.restart()

    def retry_unanswered(self, broken: Outcome | None, *, passed_over: bool = False) -> bool:
        """Nobody answered: True where it is tried again. ``broken`` is the exchange that was begun, None where none was.

        A request that may have had its effect is not sent twice, unless it is one whose second effect is that of the first.
        """
        if self.request is None:
            return False
        if passed_over and self._passed_over < PASSED_OVER and self.rewind():
            self._passed_over += 1
            return True
        if self.attempts >= self.options.retry:
            return False
        if broken is None:  # nothing of the body was read
            body, self.request = self.request.body, self.request._replace(body=None)
            self._again(None)
            self.request = self.request._replace(body=body)
            return True
        return (passed_over or broken.request.method in IDEMPOTENT) and self._again(None)

    def finish(self, outcome: Outcome, error: str | None = None) -> None:
        """The errand is over; the next one begins, at home."""
        self.outcomes.append(outcome if error is None else outcome._replace(error=error))
        self.urls.append(self.url)
        self.hops = self.attempts = self._passed_over = 0
        self.without_x = self.options.without_x
        if not self._waiting:
            self.request = None
            return
        self.errand = self._waiting.popleft()
        self.request, self.url = self.errand.request, self.errand.url
        if self.settings is not self.home:
            self.settings, self.moved = self.home, True

    def _follow(self, outcome: Outcome, status: int, location: str) -> None:
        """Go where a redirect leads (RFC 9110, Section 15.4): with GET, unless the status keeps the method."""
        request = outcome.request
        try:
            where = redirect.lead(redirect.base_of(self.settings, request), location)
        except UsageError as exc:
            self.finish(outcome, exc.message)
            return
        method = self.without_x or request.method
        changes = status not in KEEPS_METHOD and not (method == "HEAD" or (status != 303 and method != "POST"))
        if changes:
            request = _without_body(request if self.without_x else request._replace(method="GET"))
            self.without_x = self.without_x and "GET"
        if not redirect.is_at(self.settings, where.target):
            request = self._leave(request, where.target)
        self.request = request._replace(target=where.target.url_path or "/")
        self.url = where.url
        if not changes and not self.rewind():
            self.moved = False
            self.finish(outcome, NOT_TWICE)

    def _leave(self, request: Request, target: Target) -> Request:
        """Another host gets neither our certificate nor our passwords; coming home changes that again."""
        self.moved = True
        if redirect.is_at(self.home, target):
            self.settings = self.home
            ours = self.errand.request._replace(method=request.method, expect=request.expect)
            return _without_body(ours) if request.body is None else ours
        # a socket stays the road to whatever name: who names one does not mean the network
        self.settings = self.home._replace(
            target=target._replace(unix_path=self.home.target.unix_path), server_name=None, connect_to=None, addresses=(),
            starttls=None, credential=self.home.credential if self.options.any_host else None,
        )
        if self.options.road is not None:
            self.settings = self.options.road(self.settings)
        headers = request.headers
        if not self.options.any_host:
            headers = tuple((name, value) for name, value in headers if name.lower() not in PERSONAL)
        return request._replace(authority=steps.http_authority(self.settings), headers=headers)


def _without_body(request: Request) -> Request:
    headers = tuple((name, value) for name, value in request.headers if name.lower() not in ABOUT_BODY)
    return request._replace(body=None, headers=headers, expect=False)


def seconds_of(headers: Headers, now: float) -> float:
    """Retry-After in seconds: a number, or a date by the server's own clock (RFC 9110, Section 10.2.3); 0 where it is neither."""
    after = value_of(headers, "retry-after") or ""
    if after.isascii() and after.isdigit():
        return float(after) if len(after) < LONGEST_NUMBER else math.inf
    then = time_of(after)
    return 0.0 if then is None else max(0.0, then - (time_of(value_of(headers, "date") or "") or now))


def time_of(date: str) -> float | None:
    """An HTTP date as seconds since the epoch; None where it is none."""
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def check_pause(seconds: float | None) -> None:
    """Raises UsageError for a pause between tries that is none."""
    if seconds is not None and not 0 <= seconds < math.inf:
        raise UsageError("--retry-delay wants a number of seconds, 0 or more", hint="for instance --retry-delay 2")
