"""What two handshakes say together that one cannot: ours, and the same without our certificate. Pure; a table decides.

Theory of operation. An application's 404 to us may be its 404 to everybody: one transcript cannot tell. Held against the same step
without a certificate,

- where that is refused in TLS, the server judges certificates in TLS, speaks when it refuses, and took ours;
- where it is answered worse, ours made the difference, and was taken; where it is answered better, ours was refused;
- where it is answered in the same way, the certificate changed nothing, and nothing is known.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from inspector.analysis import flights
from inspector.analysis.audit_outcome import fingerprint
from inspector.analysis.causes import CAUSES, SERVER_FAULTS
from inspector.analysis.client_auth import ClientAuth
from inspector.analysis.judgement import Ground, RejectedBy, Verdict
from inspector.analysis.observations import Observed
from inspector.trace.transcript import Transcript

# how an answer stands to others; "tls": refused by TLS; "unknown": it says nothing
Kind = Literal["served", "answered", "elsewhere", "denied", "ended", "tls", "unknown"]
RANK: dict[Kind, int] = {"served": 3, "answered": 2, "elsewhere": 1, "denied": 1, "ended": 0, "unknown": -1, "tls": -1}
DENIALS = frozenset({400, 401, 403, 407, 495, 496, 511})
# findings with lower odds are what servers take as a matter of course
OUGHT_TO_REFUSE = 0.5
# critical findings that are no causes of the model, in words
NO_CAUSES = {"bad-signature": "a signature in its chain does not verify"}
TOO_MANY_REQUESTS = 429
BY_COMPARISON = 0.85  # how sure
WHOLE_ANSWERS: frozenset[Ground] = frozenset({"yes", "anybody", "words", "status"})


class Answer(NamedTuple):
    """One try: its kind, its HTTP status and page where it had one, and the words for it."""

    kind: Kind
    words: str
    page: object = None
    status: int | None = None


class Settled(NamedTuple):
    """What both tries say together."""

    verdict: Verdict
    told: str
    confidence: float
    rejected_by: RejectedBy | None = None


def answer_of(transcript: Transcript, auth: ClientAuth) -> Answer:
    """How a server answered one try."""
    reply = getattr(flights.survey(transcript).answer, "http", None)
    if auth.verdict == "rejected" and auth.rejected_by in {"tls_alert", "close"} and auth.ground != "step":
        return Answer("tls", auth.rests_on)
    if auth.ground == "sign" and getattr(transcript.plan, "application", None) is not None:
        return Answer("answered", auth.rests_on)
    if auth.ground not in {*WHOLE_ANSWERS, "step", "no-answer"}:
        return Answer("unknown", auth.rests_on)
    if reply is not None:
        return Answer(_kind_of(reply.status, auth), f"HTTP {reply.status}", fingerprint(reply.status, reply.headers, reply.body),
                      reply.status)
    if auth.ground == "status":
        return Answer("answered", auth.rests_on.split(":", 1)[0])
    if auth.ground in WHOLE_ANSWERS:
        return Answer("denied" if auth.verdict == "rejected" else "served", auth.rests_on)
    return Answer("ended", auth.rests_on.split(":", 1)[0])


def _kind_of(status: int, auth: ClientAuth) -> Kind:
    if status == TOO_MANY_REQUESTS:
        return "unknown"
    if auth.ground == "words" or status in DENIALS or (200 <= status < 300 and auth.ground == "status"):
        return "denied"
    if 200 <= status < 300:
        return "served"
    return "elsewhere" if status < 400 else "answered"


def _same(ours: Answer, theirs: Answer) -> bool:
    """The same answer. A page that is no success may hold an id of its own; a success is compared as a page."""
    if ours.kind == theirs.kind == "served":
        return ours.page == theirs.page
    return ours.kind == theirs.kind and ours.status == theirs.status


def compare(ours: Answer, theirs: Answer) -> Settled | None:
    """The verdict on our certificate, by how the server answered with it and without one; None where nothing is learned."""
    if theirs.kind == "unknown" or ours.kind in {"unknown", "tls"}:
        return None
    both = f"with our certificate: {ours.words}; without one: {theirs.words}"
    if ours.kind == "ended" and theirs.kind in {"tls", "ended"}:
        judged = "TLS took our certificate; what" if theirs.kind == "tls" else "What"
        return Settled("undecided", f"{both}. {judged} the application makes of it is not known", 0.7)
    if theirs.kind == "tls":
        return Settled("accepted", f"{both}. So the server judges certificates in TLS, and took ours", BY_COMPARISON)
    if _same(ours, theirs):
        told = f"the certificate changed nothing: the same answer with it and without one ({ours.words})"
        return Settled("undecided", told, BY_COMPARISON)
    difference = RANK[ours.kind] - RANK[theirs.kind]
    if difference > 0:
        return Settled("accepted", f"{both}. So our certificate made the difference", BY_COMPARISON)
    if difference < 0:
        by: RejectedBy | None = "http" if ours.status else "close"
        return Settled("rejected", f"{both}. So our certificate is worse than none", 0.7, by)
    if ours.kind == "served":
        return Settled("accepted", f"{both}, and another page", 0.7)
    return Settled("undecided", f"{both}. Neither answer says what the server makes of certificates", 0.6)


def faults_that_show(observed: Observed) -> tuple[str, ...]:
    """The faults of the credential that are plain to see, and that a server ought to refuse."""
    if not observed.sent:
        return ()
    shown = tuple(
        row.id for row in CAUSES
        if row.id not in SERVER_FAULTS and row.odds.get("shown", 0.0) >= OUGHT_TO_REFUSE and row.see(observed) == "shown"
    )
    return (*shown, *(fault for fault in NO_CAUSES if fault in observed.findings))
