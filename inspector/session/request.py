"""HTTP requests over judged channels: handshake, gate, request after request, redirects and retries.

One ``Errand`` is one URL. Errands of one host go over one connection as long as it lasts. A redirect to another host is followed
without the credential, unless that was asked for: who the certificate may be shown to is the user's word, not a server's.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple

from inspector.app.http_exchange import OTHER_LENGTH, Exchanges
from inspector.app.http_message import Outcome, Request
from inspector.plan import Channel, Conversation, HandshakePlan, Pause, Step
from inspector.session import gate
from inspector.session.course import IDEMPOTENT, NO_ANSWER, Course, Errand, Options, Valve, check_pause
from inspector.session.first_try import first_try
from inspector.session.redirect import REDIRECTS
from inspector.session.settings import Settings, handshake_plan
from inspector.trace import events as ev
from inspector.trace.transcript import Transcript

__all__ = ["ALPN", "Errand", "Options", "Result", "Visit", "report_of", "run"]

NOT_FOR_THE_CERTIFICATE = (
    "the server closed the connection in answer to this request; a moment before it had accepted the same certificate")
ALPN = {"both": ("h2", "http/1.1"), "1.1": ("http/1.1",), "2": ("h2",)}


class Visit(NamedTuple):
    """One connection and what was exchanged over it."""

    transcript: Transcript
    conversation: Exchanges | None
    url: str


class Result(NamedTuple):
    """What became of the errands of one host. ``gate`` is the requirement that did not hold, where one kept everything back.

    ``outcomes`` has the last outcome of each errand that was begun, and ``urls`` where it came from in the end. ``error`` is that
    of the first errand that failed; ``whole``: each errand came to its end, good or bad.
    """

    visits: tuple[Visit, ...]
    outcomes: tuple[Outcome, ...]
    urls: tuple[str, ...]
    redirects: int
    gate: gate.Answer | None
    error: str | None
    whole: bool = True
    interrupted: str | None = None


def run(settings: Settings, errands: Sequence[Errand], options: Options) -> Generator[Step, Any, Result]:
    """Send the errands of one host. Raises UsageError where a request is not valid HTTP."""
    check_pause(options.retry_pause)
    for errand in errands:
        validate(errand.request, options.http)
    course = Course(settings, errands, options)
    visits: list[Visit] = []
    failed_gate: gate.Answer | None = None
    while not course.over:
        if course.pause is not None:
            pause, course.pause = course.pause, None
            yield Pause(pause)
        course.moved = False
        began = len(course.outcomes)
        conversations: list[Exchanges] = []
        transcript = yield from first_try(plan_of(course, conversations))
        visit = Visit(transcript, conversations[-1] if conversations else None, course.url)
        visits.append(visit)
        if transcript.first(ev.GateClosed) is not None:
            failed_gate = gate.first_failure(gate.judge(options.requirements, transcript))
            break
        if not _goes_on(course, visit, began):
            break
    error = next((outcome.error for outcome in course.outcomes if outcome.error), None)
    return Result(
        tuple(visits), tuple(course.outcomes), tuple(course.urls), course.total_hops, failed_gate, error, course.over)


def _goes_on(course: Course, visit: Visit, began: int) -> bool:
    """After a connection: True where another one is to be made."""
    conversation, ended = visit.conversation, visit.transcript.last(ev.Ended)
    if course.over:
        return False
    interrupted = ended is not None and ended.how == "interrupted"
    if not interrupted:
        if course.moved or course.pause is not None:
            return True
        if conversation is None:
            return visit.transcript.first(ev.HandshakeDone) is None and course.retry_unanswered(None)
        if conversation.left_over is not None:
            return True
        if getattr(conversation, "wants_http1", False) and course.options.http == "both" and course.rewind():
            # as for a certificate that is asked for by path: HTTP/2 has no way to ask late (RFC 8740)
            course.options = course.options._replace(http="1.1")
            return True
    if conversation is None:
        return False
    broken = conversation.abandon((ended.detail or f"the connection ended: {ended.how}") if ended is not None else "")
    if broken is None:
        return False
    if not interrupted and broken.reply is None and _once_more(course, conversation, broken, len(course.outcomes) > began):
        return True
    course.finish(broken, broken.error or NO_ANSWER)
    return not (course.over or interrupted)


def _once_more(course: Course, conversation: Exchanges, broken: Outcome, served: bool) -> bool:
    """True where a request without an answer goes again. ``served``: this connection has answered others before."""
    if served and broken.request.method in IDEMPOTENT and course.rewind():
        return True  # the server closed an idle connection instead of taking the next request
    return course.retry_unanswered(broken, passed_over=getattr(conversation, "unprocessed", False))


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
            course.next_request, sink=Valve(course), limits=options.limits, decode=options.decode, hashed=options.hashed)
        conversations.append(conversation)
        return conversation

    return make


def validate(request: Request, http: str) -> None:
    """Raises UsageError for a request that HTTP cannot carry."""
    from inspector.app import http1, http_rules

    if http == "2":
        http_rules.check(request)
    else:
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
    if report.client_auth is not UNSET and _had_taken_it(result):
        auth = msgspec.structs.replace(report.client_auth, verdict="undecided", rejected_by=None, rests_on=NOT_FOR_THE_CERTIFICATE)
        report = msgspec.structs.replace(report, client_auth=auth)
    errors = [outcome.reply.status for outcome in result.outcomes if outcome.reply is not None and outcome.reply.status >= 400]
    code, told = exit_code(report), _told(result, visit)
    if told is None and fail and errors:
        told = "http-error", f"the server answered HTTP {errors[-1]}", "--fail makes this an error"
    if told is not None and report.error is UNSET:
        report = msgspec.structs.replace(report, error=ReportError(kind=told[0], message=told[1], hint=told[2]))
    if result.interrupted is not None:
        return report, ExitCode.TERMINATED if result.interrupted == "terminated" else ExitCode.INTERRUPTED
    if code is ExitCode.NO:
        return report, code
    if result.gate is not None:
        return report, ExitCode.NO if result.gate.ok is False else ExitCode.UNDECIDED
    if not result.whole or not result.outcomes or any(_is_broken(outcome) for outcome in result.outcomes):
        return report, ExitCode.NO_TALK
    return report, ExitCode.NO if fail and errors else ExitCode.YES


def _had_taken_it(result: Result) -> bool:
    """True where the last connection ended as if the certificate were refused, and an earlier one to the same server took it."""
    from inspector.analysis.client_auth import judge

    *earlier, last = result.visits
    if not earlier or judge(last.transcript).ground != "step":
        return False
    place = _place(last)
    return any(_has_served(visit) and judge(visit.transcript).sent for visit in earlier if _place(visit) == place)


def _has_served(visit: Visit) -> bool:
    from inspector.app.http_verdict import verdict

    outcomes = visit.conversation.outcomes if visit.conversation is not None else ()
    return any(verdict(outcome.reply) for outcome in outcomes if outcome.reply is not None)


def _place(visit: Visit) -> tuple[str, int, str | None] | None:
    plan = visit.transcript.plan
    return (plan.road.target.host.lower(), plan.road.target.port, plan.road.target.unix_path) if plan is not None else None


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
    failed = next(((outcome, url) for outcome, url in zip(result.outcomes, result.urls, strict=True) if outcome.error), None)
    if failed is None:
        return None
    outcome, url = failed
    said = f"{url}: {outcome.error}" if len(result.outcomes) > 1 else str(outcome.error)
    ended = visit.transcript.last(ev.Ended)
    if ended is not None and ended.how == "deadline" and outcome is result.outcomes[-1]:
        kind = "no-answer" if outcome.reply is None else "broken-response"
        return kind, said, "--timeout SECONDS waits longer; what came until then was kept"
    if outcome.error == OTHER_LENGTH:
        return "no-answer", said, "the file changed while it was sent: send a copy that nobody writes to"
    if outcome.reply is None and outcome.error != NO_ANSWER:
        return "no-answer", said, "--raw FILE shows the bytes as they come"
    if outcome.reply is None:
        return "no-answer", said, "mtls handshake shows how the server ends a connection without a request"
    if outcome.reply.status in REDIRECTS and outcome.reply.complete:
        return "no-answer", said, "without --location the redirect itself is the answer"
    return "broken-response", said, "what came until then was kept; --raw FILE shows the bytes as they come"


def _is_broken(outcome: Outcome) -> bool:
    return outcome.reply is None or bool(outcome.error) or not outcome.reply.complete
