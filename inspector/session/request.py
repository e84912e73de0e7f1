"""HTTP requests over judged channels: handshake, gate, request after request, redirects and retries.

One ``Errand`` is one URL. Errands of one host go over one connection as long as it lasts. A redirect to another host is followed
without the credential, unless that was asked for: who the certificate may be shown to is the user's word, not a server's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple
from urllib.parse import urljoin

from inspector.app import steps
from inspector.app.http_exchange import Exchanges
from inspector.app.http_message import NO_LIMITS, Headers, Limits, Outcome, Request, Sink, value_of
from inspector.app.result import HttpReply
from inspector.errors import UsageError
from inspector.plan import Channel, Conversation, HandshakePlan, Pause, Step
from inspector.session import gate
from inspector.session.gate import Requirement
from inspector.session.settings import Settings, handshake_plan
from inspector.target import Target, parse_target
from inspector.trace import events as ev
from inspector.trace.transcript import Transcript

ALPN = {"both": ("h2", "http/1.1"), "1.1": ("http/1.1",), "2": ("h2",)}
REDIRECTS = frozenset({301, 302, 303, 307, 308})
KEEPS_METHOD = frozenset({307, 308})
# statuses that curl's --retry takes for passing
TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
LONGEST_PAUSE = 60.0
# may be sent a second time without a second effect (RFC 9110, Section 9.2.2)
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
# headers that are for one host only
PERSONAL = frozenset({"authorization", "cookie", "proxy-authorization", "host"})
ABOUT_BODY = frozenset({"content-length", "content-type", "transfer-encoding", "content-encoding", "expect"})


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
    limits: Limits = NO_LIMITS
    hide_errors: bool = False  # --fail: bodies of errors are not shown
    hashed: bool = False


class Visit(NamedTuple):
    """One connection and what was exchanged over it."""

    transcript: Transcript
    conversation: Exchanges | None
    url: str


class Result(NamedTuple):
    """What became of the errands of one host. ``gate`` is the requirement that did not hold, where one kept everything back.

    ``outcomes`` has the last outcome of each errand that was answered, and ``urls`` where it came from in the end.
    """

    visits: tuple[Visit, ...]
    outcomes: tuple[Outcome, ...]
    urls: tuple[str, ...]
    redirects: int
    gate: gate.Answer | None
    error: str | None
    interrupted: str | None = None


class _Valve:
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

    def data(self, data: bytes) -> None:
        if not self._shut:
            self._course.errand.sink.data(data)

    def trailers(self, headers: Headers) -> None:
        self._course.errand.sink.trailers(headers)


class Course:
    """Where we are among errands, redirects and retries. ``next_request`` is asked by the exchanges after each outcome."""

    def __init__(self, settings: Settings, errands: Sequence[Errand], options: Options) -> None:
        self.home = self.settings = settings
        self.options = options
        self._waiting = deque(errands)
        self.errand = self._waiting.popleft()
        self.request: Request | None = self.errand.request
        self.url = self.errand.url
        self.hops = self.total_hops = 0
        self.attempts = 0
        self.pause: float | None = None
        self.moved = False  # the next request goes to another host
        self.error: str | None = None
        self.outcomes: list[Outcome] = []
        self.urls: list[str] = []

    @property
    def over(self) -> bool:
        return self.request is None

    def next_request(self, outcome: Outcome | None) -> Request | None:
        """The request to send now over this connection, or None where it has served."""
        if outcome is not None:
            self._settle(outcome)
        return None if self.moved or self.pause is not None or self.error else self.request

    def swallows(self, reply: HttpReply) -> bool:
        """True for a body that is not the answer to the errand."""
        if self._redirect_of(reply) is not None or self._will_retry(reply):
            return True
        return self.options.hide_errors and reply.status >= 400

    def _will_retry(self, reply: HttpReply) -> bool:
        return reply.status in TRANSIENT and self.attempts < self.options.retry

    def _redirect_of(self, reply: HttpReply) -> str | None:
        location = value_of(reply.headers, "location")
        if not self.options.location or reply.status not in REDIRECTS or not location:
            return None
        return urljoin(self.url, location.encode("latin-1").decode("utf-8", "replace"))

    def _settle(self, outcome: Outcome) -> None:
        """After an answer: the same again, the redirect, or the next errand."""
        reply = outcome.reply
        if reply is None or outcome.error:
            self.break_off(outcome)
            return
        if self._will_retry(reply):
            self._again(value_of(reply.headers, "retry-after"))
            return
        where = self._redirect_of(reply)
        if where is None:
            self._finish(outcome)
            return
        self.hops += 1
        self.total_hops += 1
        if self.hops > self.options.redirects:
            self.error = f"more than {self.options.redirects} redirects"
            self._finish(outcome)
        else:
            self._follow(outcome, reply.status, where)

    def _again(self, after: str | None) -> None:
        self.attempts += 1
        wait = float(after) if after and after.isdigit() else 2.0 ** (self.attempts - 1)
        pause = self.options.retry_pause
        self.pause = min(LONGEST_PAUSE, wait if pause is None else pause)
        self.rewind()

    def rewind(self) -> bool:
        """Make the body ready to be sent again; False (and an error) where that cannot be done."""
        if self.request is not None and self.request.body is not None and not self.request.body.restart():
            self.error = "the body cannot be sent a second time (it came through a pipe)"
        return self.error is None

    def break_off(self, outcome: Outcome) -> None:
        """An exchange broke: keep what there is of it, and go no further."""
        self.outcomes.append(outcome)
        self.urls.append(self.url)
        self.error = self.error or outcome.error or "the server closed the connection without an answer"

    def retry_connection(self) -> bool:
        """Nobody answered: True where it is tried again."""
        if self.attempts >= self.options.retry or self.request is None:
            return False
        self._again(None)
        return self.error is None

    def _finish(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.urls.append(self.url)
        self.hops = self.attempts = 0
        if not self._waiting or self.error:
            self.request = None
            return
        self.errand = self._waiting.popleft()
        self.request, self.url = self.errand.request, self.errand.url
        if self.settings is not self.home:
            self.settings, self.moved = self.home, True

    def _follow(self, outcome: Outcome, status: int, where: str) -> None:
        """Go where a redirect leads (RFC 9110, Section 15.4): with GET, unless the status keeps the method."""
        try:
            target = parse_target(where)
        except UsageError as exc:
            self.error = f"the redirect leads to '{where}': {exc.message}"
            self._finish(outcome)
            return
        if target.scheme != "https":
            self.error = f"the redirect leads to {target.scheme}://, where nothing is protected"
            self._finish(outcome)
            return
        request = outcome.request
        changes = status not in KEEPS_METHOD and not (request.method == "HEAD" or (status != 303 and request.method != "POST"))
        if changes:
            headers = tuple((name, value) for name, value in request.headers if name.lower() not in ABOUT_BODY)
            request = request._replace(method="GET", body=None, headers=headers, expect=False)
        elsewhere = (target.host.lower(), target.port) != (self.settings.target.host.lower(), self.settings.target.port)
        if elsewhere:
            request = self._leave(request, target)
        self.request = request._replace(target=target.url_path or "/")
        self.url = where
        if not changes:
            self.rewind()

    def _leave(self, request: Request, target: Target) -> Request:
        """Another host gets neither our certificate nor our passwords; coming home changes that again."""
        self.moved = True
        home = self.home.target
        if (target.host.lower(), target.port) == (home.host.lower(), home.port):
            self.settings = self.home
            return self.errand.request._replace(method=request.method, body=request.body)
        self.settings = self.home._replace(
            target=target, server_name=None, connect_to=None, addresses=(), starttls=None,
            credential=self.home.credential if self.options.any_host else None,
        )
        headers = request.headers
        if not self.options.any_host:
            headers = tuple((name, value) for name, value in headers if name.lower() not in PERSONAL)
        return request._replace(authority=steps.http_authority(self.settings), headers=headers)


def run(settings: Settings, errands: Sequence[Errand], options: Options) -> Generator[Step, Any, Result]:
    """Send the errands of one host. Raises UsageError where a request is not valid HTTP."""
    for errand in errands:
        validate(errand.request, options.http)
    course = Course(settings, errands, options)
    visits: list[Visit] = []
    failed_gate: gate.Answer | None = None
    while not course.over and course.error is None:
        if course.pause is not None:
            pause, course.pause = course.pause, None
            yield Pause(pause)
        course.moved = False
        began = len(course.outcomes)
        conversations: list[Exchanges] = []
        transcript = yield plan_of(course, conversations)
        visit = Visit(transcript, conversations[-1] if conversations else None, course.url)
        visits.append(visit)
        if transcript.first(ev.GateClosed) is not None:
            failed_gate = gate.first_failure(gate.judge(options.requirements, transcript))
            break
        if not _goes_on(course, visit, began):
            break
    return Result(
        tuple(visits), tuple(course.outcomes), tuple(course.urls), course.total_hops, failed_gate, course.error)


def _goes_on(course: Course, visit: Visit, began: int) -> bool:
    """After a connection: True where another one is to be made."""
    conversation = visit.conversation
    if course.moved or course.pause is not None:
        return course.error is None
    if conversation is None:
        return course.retry_connection() if visit.transcript.first(ev.HandshakeDone) is None else False
    if conversation.left_over is not None:
        return True
    if getattr(conversation, "wants_http1", False) and course.options.http == "both" and course.rewind():
        # as for a certificate that is asked for by path: HTTP/2 has no way to ask late (RFC 8740)
        course.options = course.options._replace(http="1.1")
        return True
    ended = visit.transcript.last(ev.Ended)
    broken = conversation.abandon((ended.detail or f"the connection ended: {ended.how}") if ended is not None else "")
    if broken is None or course.over:
        return False
    if broken.reply is None:
        # the server closed an idle connection instead of taking the next request: once more, over a new one
        if len(course.outcomes) > began and broken.request.method in IDEMPOTENT and course.rewind():
            return True
        if course.retry_connection():
            return True
    course.break_off(broken)
    return False


def plan_of(course: Course, conversations: list[Exchanges]) -> HandshakePlan:
    """The next connection's plan; what is spoken over it is put into ``conversations``."""
    options, settings = course.options, course.settings
    plan = handshake_plan(settings._replace(app="http"), "request")
    return plan._replace(
        alpn=settings.alpn if settings.alpn is not None else ALPN[options.http],
        gate=gate.closes(options.requirements),
        application=_maker(course, conversations),
    )


def _maker(course: Course, conversations: list[Exchanges]) -> Callable[[Channel], Conversation]:
    def make(channel: Channel) -> Conversation:
        from inspector.app import http1

        kind: type[Exchanges] = http1.Http1
        if channel.alpn == "h2":
            from inspector.app import http2

            kind = http2.Http2
        options = course.options
        conversation = kind(
            course.next_request, sink=_Valve(course), limits=options.limits, decode=options.decode, hashed=options.hashed)
        conversations.append(conversation)
        return conversation

    return make


def validate(request: Request, http: str) -> None:
    """Raises UsageError for a request that HTTP cannot carry."""
    from inspector.app import http1

    if http != "2":
        http1.head_of(request)


def report_of(result: Result, settings: Settings, *, fail: bool = False) -> tuple[Any, Any]:
    """The report of the last connection, and the exit code of the whole. ``fail``: HTTP errors count."""
    import msgspec
    from msgspec import UNSET

    from inspector.report.build import build_report
    from inspector.report.model import ReportError
    from inspector.report.outcome import ExitCode, exit_code

    visit = result.visits[-1]
    report = build_report("request", visit.transcript, settings)
    errors = [outcome.reply.status for outcome in result.outcomes if outcome.reply is not None and outcome.reply.status >= 400]
    code, told = exit_code(report), _told(result, visit)
    if told is None and fail and errors:
        told = "http-error", f"the server answered HTTP {errors[-1]}", "--fail makes this an error"
    if told is not None and report.error is UNSET:
        report = msgspec.structs.replace(report, error=ReportError(kind=told[0], message=told[1], hint=told[2]))
    if result.interrupted is not None:
        return report, ExitCode.TERMINATED if result.interrupted == "terminated" else ExitCode.INTERRUPTED
    last = result.outcomes[-1] if result.outcomes else None
    if code is ExitCode.NO:
        return report, code
    if result.gate is not None:
        return report, ExitCode.NO if result.gate.ok is False else ExitCode.UNDECIDED
    if last is None or last.reply is None or last.error or result.error or not last.reply.complete:
        return report, ExitCode.NO_TALK
    return report, ExitCode.NO if fail and errors else ExitCode.YES


def _told(result: Result, visit: Visit) -> tuple[str, str, str] | None:
    """Kind, message and hint of what kept a request from its answer; None where nothing did."""
    if result.interrupted is not None:
        return result.interrupted, f"{result.interrupted}: this is the report so far", ""
    if result.gate is not None:
        said = f"the gate is closed, nothing was sent: {result.gate.requirement} does not hold: {result.gate.seen}"
        return "gate-closed", said, "--require names what must hold; mtls diagnose finds out why it does not"
    judged = visit.transcript.last(ev.Judged)
    if judged is not None and judged.withheld:
        return "server-not-verified", "the server is not verified, so neither the certificate nor the request was sent", (
            "--cacert FILE trusts its CA; --insecure goes on without")
    if result.error:
        return "no-answer", result.error, ""
    last = result.outcomes[-1] if result.outcomes else None
    if last is not None and last.error:
        return "broken-response", last.error, "what came until then was kept"
    return None
