"""The one selectors loop. It drives one connection as it drives ten thousand.

Theory of operation. Whatever waits is a *task*: a generator that yields a ``Wait`` (sockets to read or write, a moment at which
to go on anyway) and is resumed with the sockets that are ready; an empty answer means that the moment has come. Connections are
tasks (``drive.jobs`` starts them). Nothing blocks but ``select``; name resolution happens in threads that answer through a socket.

Sockets stay registered between two waits that want the same, so a connection costs few system calls; whoever closes a socket does
it with ``Loop.close``, which forgets it first.
"""

from __future__ import annotations

import contextlib
import heapq
import selectors
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Any, NamedTuple

from inspector.drive.resolve import Resolver
from inspector.trace.observer import Observer

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE


class Wait(NamedTuple):
    """What a task waits for. ``until`` is loop time; ``sockets`` maps each socket (or file) to READ and/or WRITE."""

    until: float
    sockets: tuple[tuple[Any, int], ...] = ()


Ready = dict[Any, int]  # socket -> READ and/or WRITE; empty: the moment has come
Steps = Generator[Wait, Ready, None]


class Stop(Exception):
    """Thrown into tasks when the run is interrupted."""


class _Task:
    __slots__ = ("finished", "registered", "serial", "sockets", "steps")

    def __init__(self, steps: Steps, finished: Callable[[], None]) -> None:
        self.steps = steps
        self.finished = finished
        self.sockets: tuple[tuple[Any, int], ...] = ()  # of the last wait
        self.registered: dict[int, tuple[Any, int]] = {}
        self.serial = 0  # counts resumptions: a timer of an earlier wait is void


class Loop:
    """Sockets, timers, tasks. One per run; ``close`` frees what it holds."""

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self.observers = tuple(observers)
        self.resolver = Resolver()
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, _Task, int]] = []
        self._count = 0
        self._tasks: set[_Task] = set()
        self._owners: dict[int, _Task] = {}
        self._begun: deque[_Task] = deque()  # tasks that have not taken their first step

    now = staticmethod(time.monotonic)

    def spawn(self, steps: Steps, finished: Callable[[], None]) -> None:
        """Run a task from the next turn on; ``finished`` is called when it is over."""
        task = _Task(steps, finished)
        self._tasks.add(task)
        self._begun.append(task)

    def close(self, sock: Any) -> None:
        """Forget a socket and close it."""
        fd = sock.fileno()
        owner = self._owners.pop(fd, None)
        if owner is not None:
            owner.registered.pop(fd, None)
            owner.sockets = ()
            with contextlib.suppress(KeyError):  # an interrupt came while ``_arm`` was at it
                self._selector.unregister(fd)
        sock.close()

    def shut(self) -> None:
        """Close every task and all that the loop holds."""
        for task in list(self._tasks):
            task.steps.close()
        self._tasks.clear()
        self._selector.close()
        self.resolver.close()

    def interrupt(self) -> None:
        """End every task where it stands; connections note that they were interrupted."""
        for task in list(self._tasks):
            try:
                task.steps.throw(Stop())
            except (Stop, StopIteration):
                pass
        self._tasks.clear()
        self._begun.clear()

    def turn(self) -> None:
        """Wait for the next thing to happen, and resume whom it concerns."""
        begun = len(self._begun)
        for _ in range(begun):
            self._resume(self._begun.popleft(), None)
        # nothing may be left to wait for after first steps: look, do not wait; the caller decides whether to call again
        events = self._selector.select(0.0 if begun else self._timeout())
        ready: dict[_Task, Ready] = {}
        for key, mask in events:
            task = self._owners.get(key.fd)
            if task is not None:
                ready.setdefault(task, {})[key.fileobj] = mask
        for task, sockets in ready.items():
            if task in self._tasks:
                self._resume(task, sockets)
        self._expire()

    def _timeout(self) -> float | None:
        while self._timers and self._timers[0][2].serial != self._timers[0][3]:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - self.now()) if self._timers else None

    def _expire(self) -> None:
        now = self.now()
        while self._timers and self._timers[0][0] <= now:
            _, _, task, serial = heapq.heappop(self._timers)
            if task.serial == serial and task in self._tasks:
                self._resume(task, {})

    def _resume(self, task: _Task, ready: Ready | None) -> None:
        task.serial += 1
        try:
            wait = next(task.steps) if ready is None else task.steps.send(ready)
        except StopIteration:
            self._arm(task, ())
            self._tasks.discard(task)
            task.serial += 1
            task.finished()
            return
        self._arm(task, wait.sockets)
        if wait.until != float("inf"):
            self._count += 1
            heapq.heappush(self._timers, (wait.until, self._count, task, task.serial))

    def _arm(self, task: _Task, sockets: tuple[tuple[Any, int], ...]) -> None:
        """Register what the task waits for; what stays the same costs nothing."""
        if sockets == task.sockets:
            return
        task.sockets = sockets
        wanted = {sock.fileno(): (sock, mask) for sock, mask in sockets}
        for fd in [fd for fd in task.registered if fd not in wanted]:
            self._selector.unregister(fd)
            del task.registered[fd]
            self._owners.pop(fd, None)
        for fd, (sock, mask) in wanted.items():
            known = task.registered.get(fd)
            if known is None:
                self._selector.register(sock, mask, None)
            elif known[1] != mask:
                self._selector.modify(sock, mask, None)
            else:
                continue
            task.registered[fd] = (sock, mask)
            self._owners[fd] = task
