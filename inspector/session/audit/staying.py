"""Does the server in the end still answer as it did? Some shut out an address from which bad certificates came.

Who is refused then is refused for where he comes from, and that says nothing of certificates.
"""

from __future__ import annotations

import msgspec

from inspector.analysis.audit_outcome import Outcome
from inspector.credentials.model import Credential
from inspector.session.audit.auditor import Auditor, Doing, Shape, Stop

TRIES = 2


def check(audit: Auditor, last_sent: dict[str, int]) -> Doing[None]:
    """Try the good credential once more; without one, see whether who has none is still told the same. Where that is not so, what
    passed since the server last answered as before is undecided. ``last_sent``: by check, the number of its last connection.
    """
    if audit.inputs.dry_run or (audit.stopped and not audit.capped):
        return
    good = audit.credential if audit.reached else None
    again = yield from _again(audit, good)
    if again is None:
        return
    audit.shut_out = _last_welcome(audit, good)
    for number, result in enumerate(audit.results):
        if result.status == "pass" and last_sent.get(result.id, 0) > audit.shut_out:
            why = f"in the end the server no longer answered as before ({again.how}), so that a refusal says nothing"
            audit.results[number] = msgspec.structs.replace(result, status="undecided", summary=f"{why}: {result.summary}")


def _again(audit: Auditor, good: Credential | None) -> Doing[Outcome | None]:
    """The answer that is not what it was, or None."""
    ended, audit.stopped, audit.reserved = audit.stopped, None, 0
    shape = Shape("the same again in the end", audit.path, credential=good, headers=audit.token if good else (), repeats=0)
    again = None
    try:
        for _ in range(1 if ended else TRIES):
            again = yield from audit.probe(shape, anew=True)
            if again.accepted if good is not None else _as_before(again, audit):
                return None
    except Stop as stop:
        ended = ended or str(stop)
    finally:
        audit.stopped = ended
    return again


def _as_before(outcome: Outcome, audit: Auditor) -> bool:
    none = audit.none[audit.path]
    return (outcome.kind, outcome.status, outcome.alert) == (none.kind, none.status, none.alert)


def _last_welcome(audit: Auditor, good: Credential | None) -> int:
    """The number of the last probe at which the server still judged."""
    if good is None:
        return max((o.number for o in audit.outcomes if _as_before(o, audit)), default=0)
    mine = [o for o in audit.outcomes if o.transcript is not None and getattr(o.transcript.plan, "credential", None) is good]
    return max((o.number for o in mine if o.accepted), default=0)
