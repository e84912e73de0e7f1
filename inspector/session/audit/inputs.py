"""What an audit is given: data only."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from inspector.credentials.model import Credential
from inspector.session.settings import Settings

MAX_CONNECTIONS = 80
PER_SECOND = 2.0
TOTAL_SECONDS = 600.0


class Waiver(NamedTuple):
    """Somebody accepted a finding: which, where, why, and until when (epoch seconds)."""

    id: str
    host: str
    reason: str
    until: float


class Inputs(NamedTuple):
    """One target and all that the user gave to audit it with. ``issuer`` is a ``credentials.mint.Minted`` CA."""

    settings: Settings
    paths: tuple[str, ...] = ("/",)
    other_names: tuple[str, ...] = ()
    plain_ports: tuple[int, ...] = ()
    expired: tuple[Credential, ...] = ()
    revoked: tuple[Credential, ...] = ()
    wrong_eku: tuple[Credential, ...] = ()
    second_client: tuple[Credential, ...] = ()
    issuer: Any = None
    issuer_files: tuple[str, ...] = ()  # where it was read from, to be named in commands
    token: str | None = None
    token_file: str = ""  # where it was read from, to be named in commands
    consent: bool = False  # --i-own-this, or a private address
    max_connections: int = MAX_CONNECTIONS
    per_second: float = PER_SECOND  # 0: as fast as it goes (loopback)
    total_seconds: float = TOTAL_SECONDS
    dry_run: bool = False
    audit_id: str = ""
    profile: str = "mozilla-intermediate"
    waivers: tuple[Waiver, ...] = ()
    clock: Callable[[], float] = time.monotonic  # for the time limit
