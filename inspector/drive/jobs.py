"""Jobs over the loop. A job is a command's generator: it yields plans, and is resumed with their transcripts when they are over."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from inspector.drive.connection import Connection
from inspector.drive.kinds import connection_for
from inspector.drive.loop import Loop, Steps, Wait
from inspector.plan import Pause, Plan, Step
from inspector.trace.events import Ended
from inspector.trace.observer import Observer
from inspector.trace.phase import Phase
from inspector.trace.transcript import Transcript

R = TypeVar("R")
Job = Generator[Any, Any, R]  # yields Steps, receives Transcript | tuple[Transcript, ...] | None (after a Pause)

STEPS_AFTER_INTERRUPT = 1000  # plans that an interrupted job may still yield; each is answered at once


class Interrupted(KeyboardInterrupt, Generic[R]):
    """Ctrl-C: every job was given the transcripts so far (each ends with ``Ended(how="interrupted")``) and has returned.

    ``result`` is what the (first) job made of them, None if it made nothing; ``results`` has those of all, by index. The interrupt
    itself is ``__cause__``, so that a signal handler may raise its own subclass of KeyboardInterrupt.
    """

    def __init__(self, results: Sequence[tuple[int, R]]) -> None:
        super().__init__()
        self.results = tuple(results)

    @property
    def result(self) -> R | None:
        return self.results[0][1] if self.results else None


class _Running(Generic[R]):
    """A job that waits for its transcripts."""

    def __init__(self, index: int, job: Job[R]) -> None:
        self.index = index
        self.job = job
        self.transcripts: list[Transcript] = []
        self.wanted: Step | None = None  # the step that it waits for
        self.single = True
        self.pending = 0

    def answer(self) -> Transcript | tuple[Transcript, ...]:
        return self.transcripts[0] if self.single else tuple(self.transcripts)


class _Runner(Generic[R]):
    """Jobs over one loop."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._live: dict[int, _Running[R]] = {}
        self.finished: deque[tuple[int, R]] = deque()

    @property
    def live(self) -> int:
        return len(self._live)

    def start(self, index: int, job: Job[R]) -> None:
        self._live[index] = running = _Running(index, job)
        self._advance(running, partial(next, job))

    def _advance(self, running: _Running[R], step: Callable[[], Step]) -> None:
        """Let the job take one step, and begin what it asks for. What a plan cannot be made of is raised inside the job."""
        connections: list[Connection] = []
        while not connections:
            try:
                wanted = step()
            except StopIteration as stop:
                del self._live[running.index]
                self.finished.append((running.index, stop.value))
                return
            running.wanted, running.transcripts = wanted, []
            if isinstance(wanted, Pause):
                after = partial(self._advance, running, partial(running.job.send, None))
                self._loop.spawn(_sleep(self._loop, wanted.seconds), after)
                return
            if wanted == ():
                step = partial(running.job.send, ())
                continue
            try:
                connections = [connection_for(plan, self._loop) for plan in _plans_of(wanted)]
            except Exception as exc:  # noqa: BLE001  # the plan's author gets it, whatever it is
                step = partial(running.job.throw, exc)
        running.single = hasattr(wanted, "_fields")
        running.transcripts = [connection.transcript for connection in connections]
        running.pending = len(connections) + 1
        for connection in connections:
            self._loop.spawn(connection.steps(), partial(self._one_over, running))
        self._one_over(running)

    def _one_over(self, running: _Running[R]) -> None:
        running.pending -= 1
        if not running.pending:
            self._advance(running, partial(running.job.send, running.answer()))

    def interrupt(self) -> list[tuple[int, R]]:
        """Give every live job what there is so far, and take what it returns."""
        results = list(self.finished)
        for running in list(self._live.values()):
            for transcript in running.transcripts:
                if transcript.last(Ended) is None:
                    transcript.append(Ended(0.0, "client", "interrupted", transcript.phase))
            try:
                # Ctrl-C may come while the connections of a step are being made
                answer = running.answer() if running.transcripts else _unstarted(running.wanted)
                wanted = running.job.send(answer)
                for _ in range(STEPS_AFTER_INTERRUPT):
                    wanted = running.job.send(_unstarted(wanted))
                running.job.close()
            except StopIteration as stop:
                results.append((running.index, stop.value))
        return sorted(results, key=lambda item: item[0])


def _plans_of(step: Any) -> tuple[Plan, ...]:
    """The plans of a step: a plain tuple holds several, a NamedTuple is one."""
    return (step,) if hasattr(step, "_fields") else tuple(step)


def _unstarted(step: Any) -> Any:
    """The answer to a step after an interrupt: transcripts in which nothing happened."""
    if step is None or isinstance(step, Pause):
        return None
    transcripts = []
    for plan in _plans_of(step):
        transcript = Transcript(plan, started=time.time())
        transcript.append(Ended(0.0, "client", "interrupted", Phase.RESOLVE))
        transcripts.append(transcript)
    return transcripts[0] if hasattr(step, "_fields") else tuple(transcripts)


def _sleep(loop: Loop, seconds: float) -> Steps:
    yield Wait(loop.now() + seconds)


def run_many(jobs: Iterable[Job[R]], *, observers: Iterable[Observer] = (), limit: int = 64) -> Iterator[tuple[int, R]]:
    """Drive jobs, at most ``limit`` of them at a time; yield each one's index and return value as it finishes.

    Raises Interrupted on Ctrl-C; what a job raises is raised here, and ends the others.
    """
    loop = Loop(observers)
    runner: _Runner[R] = _Runner(loop)
    waiting = enumerate(jobs)
    more = True
    try:
        while True:
            while more and runner.live < limit:
                following = next(waiting, None)
                more = following is not None
                if following is not None:
                    runner.start(*following)
            while runner.finished:
                yield runner.finished.popleft()
            if runner.live:
                loop.turn()
            elif not more:
                return
    except KeyboardInterrupt as exc:
        loop.interrupt()
        raise Interrupted(runner.interrupt()) from exc
    finally:
        loop.shut()


def run(job: Job[R], *, observers: Iterable[Observer] = ()) -> R:
    """Drive one job to its return value. Raises what the job raises, and Interrupted on Ctrl-C."""
    for _, result in run_many([job], observers=observers, limit=1):
        return result
    raise AssertionError("a job ended without a result")

