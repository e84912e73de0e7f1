"""What one probe is, and the types of those who send it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple, TypeVar

from inspector.analysis.audit_outcome import Outcome
from inspector.analysis.findings import CheckResult
from inspector.credentials.model import Credential
from inspector.plan import Session, Step

T = TypeVar("T")
Doing = Generator[Step, Any, T]  # yields plans, receives transcripts, returns T
Probing = Doing[Outcome]
Checking = Doing[CheckResult]

SILENT_REPEATS = 1  # more tries after a refusal without a word, where the check wants no more
KEEP = "\0keep"


class Shape(NamedTuple):
    """One probe: what differs from a plain request to the target. ``KEEP`` stands for the target's own."""

    name: str
    path: str = "/"
    sni: str | None = KEEP
    host: str = KEEP
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    credential: Credential | None = None
    version: str | None = None  # "1.2" or "1.3"
    session: Session | None = None
    keep_session: bool = False
    alpn: tuple[str, ...] | None = None
    address: str | None = None
    split: int = 0
    repeats: int = SILENT_REPEATS
    like: str | None = KEEP  # the path whose baselines the answer is held against; None: none, as for another host

    @property
    def key(self) -> tuple[Any, ...] | None:
        """Two probes with one key are one probe; None where sessions make each unlike the other."""
        if self.session is not None or self.keep_session:
            return None
        return self._replace(name="", repeats=0, credential=None, like=None), self.credential.leaf if self.credential else None
