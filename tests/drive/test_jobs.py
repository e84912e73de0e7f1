"""Jobs over the loop: one after another, at the same time, paused, failing, interrupted."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Generator
from typing import Any

import pytest

from inspector import drive
from inspector.drive import jobs
from inspector.drive.loop import READ, Loop, Steps, Wait
from inspector.errors import CredentialError
from inspector.plan import Pause
from inspector.target import Target
from inspector.trace.events import Ended, Event
from inspector.trace.transcript import Transcript
from inspector.wire.events import Side
from tests.drive.peers import Ask, Peer, end_of, plan_for, read_until_closed, tls_server
from tests.engine.pairs import CLIENT, STRANGER

Job = Generator[Any, Any, Any]


def slow(peer: Peer, seconds: float) -> Any:
    plan = plan_for(peer.target)
    return plan._replace(timeouts=plan.timeouts._replace(handshake=seconds))


def test_plans_of_one_step_run_at_the_same_time_and_come_back_in_order() -> None:
    def job(peer: Peer) -> Job:
        transcripts = yield tuple(slow(peer, seconds)._replace(name=f"probe {seconds}") for seconds in (0.4, 0.2, 0.3))
        return [transcript.plan.name for transcript in transcripts]

    with Peer(read_until_closed) as peer:
        began = time.monotonic()
        names = drive.run(job(peer))
        took = time.monotonic() - began
    assert ["probe 0.4", "probe 0.2", "probe 0.3"] == names
    assert took < 0.8


def test_a_pause_takes_its_time_and_is_answered_by_nothing() -> None:
    def job() -> Job:
        return (yield Pause(0.1))

    began = time.monotonic()
    assert drive.run(job()) is None
    assert 0.1 <= time.monotonic() - began < 0.5


def test_a_step_of_no_plans_is_answered_by_no_transcripts() -> None:
    def job() -> Job:
        return (yield ())

    assert () == drive.run(job())


def test_a_thousand_plans_that_fail_at_once_do_not_pile_up() -> None:
    def job() -> Job:
        plan = plan_for(Target("", 443, unix_path="/nonexistent/socket"))
        ends = set()
        for _ in range(1000):
            ends.add(end_of((yield plan)))
        return ends

    assert {("network", "refused", "connect")} == drive.run(job())


def test_a_job_without_steps_returns_its_value() -> None:
    def job() -> Job:
        return 7
        yield

    assert 7 == drive.run(job())


def test_many_jobs_come_back_as_they_finish_within_the_limit() -> None:
    lock, now, most = threading.Lock(), [0], [0]

    def job(index: int) -> Job:
        with lock:
            now[0] += 1
            most[0] = max(most)
            most[0] = max(most[0], now[0])
        yield Pause(0.05 * (3 - index % 3))
        with lock:
            now[0] -= 1
        return index * index

    results = dict(drive.run_many((job(index) for index in range(9)), limit=3))
    assert {index: index * index for index in range(9)} == results
    assert 3 == most[0]


def test_a_plan_that_cannot_be_done_is_raised_inside_the_job() -> None:
    def job(peer: Peer) -> Job:
        plan = plan_for(peer.target, credential=CLIENT.credential()._replace(key=STRANGER.key))
        try:
            yield plan
        except CredentialError as exc:
            good = yield plan._replace(credential=CLIENT.credential())
            return exc.kind, end_of(good)[1]

    with tls_server() as peer:
        assert ("key-mismatch", "done") == drive.run(job(peer))


def test_what_a_job_raises_is_raised_to_the_caller() -> None:
    def job() -> Job:
        yield Pause(0.0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        drive.run(job())


class Terminated(KeyboardInterrupt):
    """What a handler of SIGTERM may raise."""


def test_an_interrupt_gives_the_job_what_there_is_and_its_result_to_the_caller() -> None:
    def job(peer: Peer) -> Job:
        first = yield plan_for(peer.target)
        second = yield plan_for(peer.target)  # answered at once: nothing begins after an interrupt
        return [end_of(first), end_of(second), len(first.messages(1, Side.CLIENT))]

    def handler(number: int, frame: object) -> None:
        raise Terminated

    before = signal.signal(signal.SIGALRM, handler)
    try:
        with Peer(read_until_closed) as peer:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(drive.Interrupted) as caught:
                drive.run(job(peer))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert [("client", "interrupted", "hello"), ("client", "interrupted", "resolve"), 1] == caught.value.result
    assert isinstance(caught.value.__cause__, Terminated)


def test_an_interrupt_while_a_connection_is_made_gives_the_job_one_in_which_nothing_happened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Contexts are made then, which takes time: a trust store is read."""
    makes = jobs.connection_for

    def pressed(plan: Any, loop: Loop) -> Any:
        if plan.name == "second":
            raise KeyboardInterrupt
        return makes(plan, loop)

    def job(peer: Peer) -> Job:
        first = yield plan_for(peer.target)._replace(name="first")
        second = yield plan_for(peer.target)._replace(name="second")
        return first.plan.name, second.plan.name, end_of(second)

    monkeypatch.setattr(jobs, "connection_for", pressed)
    with tls_server() as peer, pytest.raises(drive.Interrupted) as caught:
        drive.run(job(peer))
    assert caught.value.result == ("first", "second", ("client", "interrupted", "resolve"))


def test_an_interrupt_while_a_connection_is_at_work_is_noted_too() -> None:
    class Pressing(Ask):
        """Somebody presses Ctrl-C while the answer is looked at."""

        def receive_data(self, data: bytes) -> None:
            raise KeyboardInterrupt

    def job(peer: Peer) -> Job:
        return end_of((yield plan_for(peer.target, application=lambda channel: Pressing())))

    with tls_server() as peer, pytest.raises(drive.Interrupted) as caught:
        drive.run(job(peer))
    assert ("client", "interrupted", "application") == caught.value.result


class Watching:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.bytes = {Side.CLIENT: 0, Side.SERVER: 0}
        self.closed: list[Transcript] = []

    def on_event(self, transcript: Transcript, event: Event) -> None:
        self.events.append(event)

    def on_bytes(self, transcript: Transcript, side: Side, data: bytes, at: float) -> None:
        self.bytes[side] += len(data)

    def on_closed(self, transcript: Transcript) -> None:
        self.closed.append(transcript)


def test_observers_see_every_event_and_byte_in_order() -> None:
    watching = Watching()

    def job(peer: Peer) -> Job:
        return (yield plan_for(peer.target))

    with tls_server() as peer:
        transcript = drive.run(job(peer), observers=[watching])
    assert list(transcript.events) == watching.events
    assert [transcript] == watching.closed
    assert min(watching.bytes.values()) > 1000
    assert isinstance(transcript.last(Ended), Ended)


def test_times_never_run_backwards() -> None:
    def job(peer: Peer) -> Job:
        return (yield plan_for(peer.target))

    with tls_server() as peer:
        times = [event.at for event in drive.run(job(peer)).events]
    assert sorted(times) == times


def test_a_socket_is_closed_although_an_interrupt_came_while_it_was_forgotten() -> None:
    """Ctrl-C can come between any two steps of the loop's bookkeeping."""
    loop = Loop()
    ours, theirs = socket.socketpair()

    def waits() -> Steps:
        yield Wait(loop.now() + 5, ((ours, READ),))

    loop.spawn(waits(), lambda: None)
    loop.turn()
    loop._selector.unregister(ours)
    loop.close(ours)
    loop.shut()
    assert ours.fileno() == -1
    theirs.close()
