"""The judged channel itself: handshake, gate, and then any conversation over it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from inspector.app.raw import Raw
from inspector.plan import Channel, Conversation, Step
from inspector.report.build import build_report
from inspector.report.model import Report, ReportError
from inspector.report.outcome import ExitCode, exit_code
from inspector.session import gate
from inspector.session.gate import Requirement
from inspector.session.settings import Settings, handshake_plan
from inspector.trace import events as ev
from inspector.trace.transcript import Transcript


class Result(NamedTuple):
    """What became of the channel; ``answered`` is True where the server said anything over it."""

    report: Report
    code: ExitCode
    answered: bool
    interrupted: str | None = None


def run(
    settings: Settings, requirements: tuple[Requirement, ...], make: Callable[[], Raw], *, quiet_after: float,
    opened: Callable[[Transcript], None] | None = None, command: str = "connect",
) -> Generator[Step, Any, Result]:
    """Speak over the channel once the gate holds. ``quiet_after``: seconds of silence, with nothing left to send, that end it.

    ``opened`` is told when the gate has opened, before anything is said.
    """
    closes = gate.closes(requirements)

    def held(transcript: Transcript) -> str | None:
        reason = closes(transcript)
        if reason is None and opened is not None:
            opened(transcript)
        return reason

    def application(_: Channel) -> Conversation:
        return make()

    plan = handshake_plan(settings._replace(app="none"), command)
    plan = plan._replace(
        application=application, gate=held, alpn=settings.alpn or (), timeouts=plan.timeouts._replace(response=quiet_after))
    transcript = yield plan
    return judged(transcript, settings, requirements, command)


def judged(transcript: Transcript, settings: Settings, requirements: tuple[Requirement, ...], command: str) -> Result:
    """The report and how it ended: open and answered is yes, whatever the server thinks of us."""
    import msgspec

    report = build_report(command, transcript, settings)
    code = exit_code(report)
    spoken = transcript.last(ev.ApplicationResult)
    answered = spoken is not None and spoken.result.answered
    if transcript.first(ev.GateClosed) is not None:
        failure = gate.first_failure(gate.judge(requirements, transcript))
        assert failure is not None
        message = f"the gate is closed, nothing was sent: {failure.requirement} does not hold: {failure.seen}"
        hint = "--require names what must hold; mtls diagnose finds out why it does not"
        report = msgspec.structs.replace(report, error=ReportError(kind="gate-closed", message=message, hint=hint))
        return Result(report, ExitCode.NO if failure.ok is False else ExitCode.UNDECIDED, answered)
    ended = transcript.last(ev.Ended)
    if spoken is not None and ended is not None and ended.how == "deadline" and ended.at >= transcript.plan.timeouts.total:
        message = f"the time that --timeout gives was over after {ended.at:.0f} s"
        hint = "without --timeout it may last as long as somebody speaks"
        return Result(msgspec.structs.replace(report, error=ReportError(kind="timeout", message=message, hint=hint)),
                      ExitCode.NO_TALK, answered)
    if spoken is not None and code is ExitCode.UNDECIDED:
        code = ExitCode.YES if answered else ExitCode.NO_TALK
    return Result(report, code, answered)
