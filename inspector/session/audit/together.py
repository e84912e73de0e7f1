"""Several audits at once in one generator: the next step of each goes out in one tuple, so no host waits for another's pauses."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from typing import Any

from inspector.plan import Pause
from inspector.session.audit.inputs import Inputs
from inspector.session.audit.run import Audited, run

Take = Callable[[Inputs, Audited], None]


class _Row:
    """The targets of one host, one after the other."""

    def __init__(self, targets: list[Inputs]) -> None:
        self.waiting = list(targets)
        self.current: Inputs | None = None
        self.job: Generator[Any, Any, Audited] | None = None
        self.step: Any = None

    def advance(self, answer: Any, take: Take) -> bool:
        """Go on with ``answer`` to the next step; False when this host is done."""
        while True:
            if self.job is None:
                if not self.waiting:
                    return False
                self.current = self.waiting.pop(0)
                self.job, answer = run(self.current, random.Random()), None  # noqa: S311 - names of random paths, no secret
            try:
                self.step = self.job.send(answer)
                return True
            except StopIteration as end:
                assert self.current is not None
                take(self.current, end.value)
                self.job, answer = None, None


def side_by_side(hosts: list[list[Inputs]], take: Take, at_once: int) -> Generator[Any, Any, None]:
    """Audit the hosts side by side, at most ``at_once`` at a time; each target is handed to ``take`` as it finishes."""
    waiting = [_Row(targets) for targets in hosts]
    active: list[_Row] = []
    while waiting or active:
        while waiting and len(active) < at_once:
            row = waiting.pop(0)
            if row.advance(None, take):
                active.append(row)
        plans = [row for row in active if not isinstance(row.step, Pause)]
        if plans:
            answers = yield tuple(row.step for row in plans)
            finished = [row for row, answer in zip(plans, answers, strict=True) if not row.advance(answer, take)]
        else:
            yield Pause(max((row.step.seconds for row in active), default=0.0))
            finished = [row for row in list(active) if not row.advance(None, take)]
        active = [row for row in active if row not in finished]
