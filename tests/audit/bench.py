"""An audit without a network: a function says what the server answers to each request, and transcripts are put together of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from inspector.credentials import mint
from inspector.credentials.model import Credential
from inspector.plan import Channel, HandshakePlan, Pause, Session
from inspector.session.audit.inputs import Inputs
from inspector.session.audit.run import Audited, run
from inspector.session.settings import Settings
from inspector.target import Target
from inspector.trace import events as ev
from inspector.trace.phase import Phase
from inspector.trace.transcript import Transcript
from inspector.wire.events import Alert, Side

NOW = 1_800_000_000.0


class Asked(NamedTuple):
    """One request as the server sees it. ``who`` is "nobody", "good", "given" (another one of the user's) or "throw-away"."""

    sni: str | None
    host: str
    method: str
    path: str
    headers: dict[str, str]
    who: str


DEAF = "deaf"
Serve = Callable[[Asked], "tuple[int, bytes] | tuple[int, bytes, dict[str, str]] | str | None"]


def good(**faults: Any) -> Credential:
    return mint.leaf("alice", mint.authority("CA", now=NOW), now=NOW, **faults).credential("good")._replace(throw_away=False)


def audited(serve: Serve, credential: Credential | None = None, **inputs: Any) -> Audited:
    """What an audit of this server comes to; ``serve`` returns None where TLS refuses, and DEAF where nothing ever comes."""
    settings = Settings(Target("127.0.0.1", 8443), credential=credential, server_name="localhost", insecure=True, now=NOW)
    given = {"paths": ("/orders",), "per_second": 0.0, "total_seconds": 1e9, **inputs}
    return answered(run(Inputs(settings, **given), random.Random(1)), serve, credential)


def answered(steps: Generator[Any, Any, Audited], serve: Serve, credential: Credential | None) -> Audited:
    transcript = None
    try:
        while True:
            step = steps.send(transcript)
            transcript = None if isinstance(step, Pause) else _transcript(step, serve, credential)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


def _transcript(plan: Any, serve: Serve, credential: Credential | None) -> Transcript:
    found = Transcript(plan=plan)
    found.append(ev.Attempt(0.0, "127.0.0.1", 8443, 0.001))
    found.append(ev.Connected(0.0, "127.0.0.1", 8443, "127.0.0.1", 5, 0.001))
    if not isinstance(plan, HandshakePlan) or plan.session is not None or plan.application is None:
        found.append(ev.Ended(1.0, "server", "fin", Phase.HELLO))
        return found
    conversation = plan.application(Channel("http/1.1", "TLSv1.3"))
    answer = serve(_asked(plan, conversation.data_to_send(), credential))
    if answer == DEAF:
        found.append(ev.Ended(1.0, "client", "deadline", Phase.HELLO))
        return found
    if answer is None:
        found.append(Alert(Side.SERVER, 1.0, 2, 116, True))
        return found
    found.append(Alert(Side.SERVER, 1.0, 1, 0, True))  # close_notify: TLS was spoken
    found.append(ev.HandshakeDone(0.5, "TLSv1.3", 0x1301, None, "http/1.1", False))
    if plan.keep_session:
        found.append(ev.SessionKept(0.6, Session(None, plan.server_name, NOW)))
    status, body, headers = (*answer, {})[:3]
    lines = "".join(f"{name}: {value}\r\n" for name, value in {"Content-Type": "text/html", **headers}.items())  # type: ignore[dict-item]
    conversation.receive_data(f"HTTP/1.1 {status} x\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    conversation.receive_eof()
    found.append(ev.ApplicationResult(1.0, conversation.result))
    return found


def _asked(plan: HandshakePlan, data: bytes, credential: Credential | None) -> Asked:
    first, *lines = data.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    method, path, _ = first.split(" ")
    mine = plan.credential
    same = mine is not None and credential is not None and mine.leaf == credential.leaf
    who = "nobody" if mine is None else "good" if same else "throw-away" if mine.throw_away else "given"
    return Asked(plan.server_name, headers.get("host", ""), method, path, headers, who)


def checks(result: Audited) -> dict[str, Any]:
    return {check.id: check for check in result.part.checks}


def connections(result: Audited) -> int:
    return int(next(note for note in result.part.notes if "connections" in note).split()[0])
