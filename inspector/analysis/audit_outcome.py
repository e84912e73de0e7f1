"""The oracle of the audit: when is a request accepted? Every verdict rests on a real request and its baselines.

Accept or refuse shows in five ways (a fatal alert, an alert after the client's Finished, an HTTP page of the TLS layer, 401 or 403
of the application, a silent close); ``classify`` folds them into one ``Outcome``, and ``relate`` holds that against what the
application said to the good credential (baseline G), which is the only way to tell "served" from "answered".
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from inspector.trace import events as ev
from inspector.trace.transcript import Transcript
from inspector.wire import events as wire
from inspector.wire.events import Side
from inspector.wire.registry import AlertDescription, HandshakeType

ACCEPTED, REFUSED, UNDECIDED, UNREACHABLE = "accepted", "refused", "undecided", "unreachable"
FATAL = 2
CLOSE_NOTIFY, USER_CANCELED = 0, 90
INTERRUPTED = "interrupted"
# RFC 9110, 15.5.20: the server itself says that this name does not belong here; 495, 496 are nginx's own
REFUSING_STATUSES = {401: "401", 403: "403", 421: "421 misdirected request", 495: "495", 496: "496"}
REDIRECTS_TO_TLS = {301, 302, 307, 308, 426}
NGINX_REFUSALS = (b"No required SSL certificate was sent", b"The SSL certificate error")
TOO_MANY_REQUESTS = 429
LAYERS = {495, 496}
ALIKE = 0.5  # share of lines, or (more than this) of words, that two pages have in common which are the same page
# words of a page that turns somebody away, and the ways in which JSON says that it failed
_DENIAL = re.compile(
    rb"(?i)denied|forbidden|restricted|unauthori[sz]ed\b|not (?:allowed|permitted)|required|needed|log ?in\b|sign in"
    rb"|identify yourself|please (?:present|provide|send|insert|select|choose|identify|authenticate)"
    rb'|"errors?"\s*:\s*(?!null|false|""|\[\s*\]|\{\s*\}|0\b)\S|"(?:status|result|state)"\s*:\s*"(?:error|fail)'
    rb'|"(?:success|ok|allowed|permitted|granted)"\s*:\s*false'
)
# tags without attributes are the frame of any page
_FRAME = re.compile(rb"(?i)</?[a-z][a-z0-9]*\s*/?>|<!doctype\b[^>]*>")
# where a redirect leads that asks who one is, and a page that does
_LOGIN = re.compile(r"(?i)(?<![a-z])(?:log[-_]?[io]n|sign[-_]?[io]n|sso|oauth2?|saml2?|openid(?:-connect)?|authorize)(?![a-z])")
_PASSWORD = re.compile(rb"(?i)<input\b[^>]*\btype\s*=\s*[\"']?password")
_UNSEEN = re.compile(rb"(?is)<(script|style|title|noscript)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>|&\w+;")
_WORD = re.compile(rb"[A-Za-z0-9_]+")
# what differs between two answers that are the same: dates, long numbers, ids in hex or base64
_VOLATILE = re.compile(rb"\d{1,2}:\d\d:\d\d|\d{4}-\d\d-\d\d|\b[0-9a-fA-F]{8,}\b|[A-Za-z0-9+/_-]{24,}=*|\d{5,}")


class Fingerprint(NamedTuple):
    """What makes two answers the same page: status, media type, where it redirects to, body without what varies."""

    status: int
    media_type: str
    location: str
    digest: str


class Outcome(NamedTuple):
    """What one probe came to. ``how`` names it in words (``alert 48 unknown_ca``); ``body`` is the answer's first 200 bytes."""

    kind: str
    how: str
    name: str = ""  # of the probe
    number: int = 0  # of the probe, in order
    status: int | None = None
    alert: int | None = None
    fingerprint: Fingerprint | None = None
    requested: bool = False  # a CertificateRequest was seen
    late: bool = False  # ... after the first handshake
    resumed: bool = False
    offered_session: bool = False
    protocol: str | None = None
    body: bytes = b""
    lines: frozenset[bytes] = frozenset()  # of the whole page, without what varies
    words: frozenset[bytes] = frozenset()  # likewise; numbers count as varying
    empty: bool = False  # an HTTP answer without a body
    login: bool = False  # it asks who one is: a form for a password, or a redirect to one
    blank: bool = False  # a page of HTML without a word to read: a frame that a script fills
    depth: int = 0  # how many steps of a protocol the server had gone along with before
    word: str = ""  # what it said then, where that is no HTTP answer
    furthest: str = ""  # of the good credential: the word that is as far as it gets, past those without one
    who: str | None = None  # whom the server takes us for, where its protocol says so
    tls_layer: bool = False  # refused by the TLS layer: an alert, a close, or the server's own page about the certificate
    headers: tuple[tuple[str, str], ...] = ()
    redirect: str | None = None
    transcript: Transcript | None = None
    what: str = ""  # the probe in words: SNI, Host, path, credential

    @property
    def accepted(self) -> bool:
        return self.kind == ACCEPTED

    @property
    def refused(self) -> bool:
        return self.kind == REFUSED

    @property
    def silent(self) -> bool:
        """Refused by a close without a word: one such refusal proves little."""
        return self.kind == REFUSED and self.alert is None and self.status is None


def fingerprint(status: int, headers: tuple[tuple[str, str], ...], body: bytes) -> Fingerprint:
    """The fingerprint of one HTTP answer."""
    media = next((value.split(";", 1)[0].strip().lower() for name, value in headers if name.lower() == "content-type"), "")
    location = next((value for name, value in headers if name.lower() == "location"), "")
    target = _VOLATILE.sub(b"#", location.split("?", 1)[0].encode("utf-8", "replace")).decode("utf-8", "replace")
    return Fingerprint(status, media, target, hashlib.sha256(_VOLATILE.sub(b"#", body)).hexdigest()[:16])


def _alert(transcript: Transcript) -> wire.Alert | None:
    """The server's first alert that ends something; user_canceled before close_notify is how some stacks say goodbye."""
    for alert in transcript.all(wire.Alert):
        if alert.side is Side.SERVER and alert.description not in (CLOSE_NOTIFY, USER_CANCELED) and alert.level == FATAL:
            return alert
    return None


def _offered_session(transcript: Transcript) -> bool:
    """Did our ClientHello offer to resume? (pre_shared_key, a non-empty session_ticket, or a session that the hello names)"""
    hello = next(iter(transcript.messages(HandshakeType.CLIENT_HELLO, Side.CLIENT)), None)
    if hello is None or transcript.plan is None or getattr(transcript.plan, "session", None) is None:
        return False
    extensions = {int(kind): data for kind, data in _extensions(hello.value)}
    session_id = getattr(hello.value, "session_id", b"")
    return 41 in extensions or bool(extensions.get(35)) or bool(session_id)


def _extensions(value: object) -> list[tuple[int, bytes]]:
    return [(int(e.type), bytes(getattr(e, "data", b""))) for e in getattr(value, "extensions", ())]


def classify(transcript: Transcript) -> Outcome:
    """What the server's answer to one request was, taken by itself."""
    done, result = transcript.first(ev.HandshakeDone), transcript.last(ev.ApplicationResult)
    requests = transcript.messages(HandshakeType.CERTIFICATE_REQUEST, Side.SERVER)
    base = Outcome(
        UNDECIDED,
        "no answer",
        requested=bool(requests),
        late=any(m.late for m in requests),
        resumed=bool(done and done.resumed),
        offered_session=_offered_session(transcript),
        protocol=done.protocol if done else None,
        transcript=transcript,
    )
    app = result.result if result else None
    if app is not None and app.http is not None:
        return with_answer(base, app.http)
    if app is not None and app.answered:
        said = f"{app.depth} {app.status or app.error or ''}"
        base = base._replace(depth=app.depth, word=said, how=f"{app.protocol}: {app.error or app.summary}")
    if app is not None and app.answered and app.accepted is not None:
        kind = ACCEPTED if app.accepted else REFUSED
        return base._replace(kind=kind, how=f"{app.protocol} {app.summary}", body=app.reply[:200], who=app.who)
    return _classify_tls(base, transcript, app.answered if app is not None else False)


def with_answer(base: Outcome, http: object) -> Outcome:
    """The outcome with an HTTP answer (an ``app.result.HttpReply``), taken by itself."""
    status, headers, body = http.status, http.headers, http.body  # type: ignore[attr-defined]
    found = base._replace(
        status=status,
        fingerprint=fingerprint(status, headers, body),
        body=body[:200],
        lines=lines_of(body),
        words=words_of(body),
        empty=not body,
        headers=headers,
        how=f"HTTP {status}",
        redirect=next((value for name, value in headers if name.lower() == "location"), None),
    )
    found = found._replace(login=_asks_who(status, found.redirect, body), blank=_is_blank(found.fingerprint, body))
    if any(words in body for words in NGINX_REFUSALS):
        return found._replace(kind=REFUSED, how=f"HTTP {status} (nginx: client certificate)", tls_layer=True)
    if status in REFUSING_STATUSES:
        return found._replace(kind=REFUSED, how=f"HTTP {REFUSING_STATUSES[status]}", tls_layer=status in LAYERS)
    if status < 400:
        return found._replace(kind=ACCEPTED)
    if status == 400 and b"certificate" in body.lower():
        return found._replace(kind=REFUSED, how="HTTP 400 (about the certificate)", tls_layer=True)
    return found


def _asks_who(status: int, redirect: str | None, body: bytes) -> bool:
    if 300 <= status < 400:
        return redirect is not None and _LOGIN.search(redirect.split("?", 1)[0]) is not None
    return status < 300 and _PASSWORD.search(body) is not None


def _is_blank(page: Fingerprint | None, body: bytes) -> bool:
    html = page is not None and "html" in page.media_type
    return html and bool(body) and _WORD.search(_UNSEEN.sub(b"", body)) is None


def tells_nobody_apart(outcome: Outcome) -> bool:
    """True for an answer that, if everybody gets it, shows no open door: an error, a redirect, a login, a frame without words."""
    return outcome.status is not None and (outcome.status >= 300 or outcome.login or outcome.blank)


def relate(outcome: Outcome, good: Outcome | None, identity: frozenset[bytes] = frozenset(), *, varies: bool = False) -> Outcome:
    """The outcome once more, now that the answer to the good credential is known: who does not get that page was not let in.

    ``identity`` are the words by which a page may name the good credential's bearer; ``varies``: two answers to the good
    credential itself were not alike, so that pages cannot be compared and only the status speaks.
    """
    if good is not None and good.who is not None and outcome.who is not None and outcome.who != good.who:
        # where the answer is a name, the name is the page
        return outcome._replace(kind=REFUSED, how=f"{outcome.how}, where your credential is known as {good.who}")
    if good is not None and good.furthest and outcome.word == good.furthest:
        return outcome._replace(kind=ACCEPTED)
    if outcome.status is None or good is None or good.status is None or outcome.tls_layer:
        return outcome
    if alike(outcome, good, identity):
        return outcome._replace(kind=ACCEPTED)
    if outcome.status in REFUSING_STATUSES:
        return outcome._replace(kind=REFUSED)
    if outcome.status >= 500 or outcome.status in (408, TOO_MANY_REQUESTS):
        return outcome._replace(kind=UNDECIDED)
    if good.status >= 400:
        return outcome._replace(kind=ACCEPTED if outcome.status < 300 else UNDECIDED)
    if varies and outcome.status == good.status:
        return outcome
    if outcome.status < 300:
        return outcome._replace(kind=REFUSED, how=f"HTTP {outcome.status}, but not the page that your credential gets")
    return outcome._replace(kind=REFUSED, how=f"HTTP {outcome.status}, where your credential gets {good.status}")


def _classify_tls(base: Outcome, transcript: Transcript, answered: bool) -> Outcome:
    alert, ended = _alert(transcript), transcript.last(ev.Ended)
    refused = base._replace(kind=REFUSED, tls_layer=True)
    if alert is not None:
        name = AlertDescription(alert.description).label
        return refused._replace(how=f"alert {alert.description} {name}", alert=alert.description)
    if transcript.first(ev.Connected) is None:
        return base._replace(kind=UNREACHABLE, how="no connection")
    judged = transcript.last(ev.Judged)
    if judged is not None and judged.withheld:
        return base._replace(how="our side did not trust the server")
    if transcript.first(ev.GateClosed) is not None:
        return base._replace(how="not sent")
    if ended is not None and ended.how in ("deadline", INTERRUPTED):
        return base._replace(how="timeout" if ended.how == "deadline" else INTERRUPTED)
    if ended is not None and ended.by in ("server", "network") and not answered:
        return refused._replace(how=f"closed without a word ({ended.how})")
    if transcript.last(ev.ApplicationResult) is not None and not answered:
        return refused._replace(how="closed without a word")
    return base


def lines_of(body: bytes) -> frozenset[bytes]:
    """The lines and tags of a page, without what varies and without its mere frame."""
    text = _FRAME.sub(b"\n", _VOLATILE.sub(b"#", body))
    return frozenset(part.strip() for part in re.split(rb"[\r\n]+|(?<=>)", text) if part.strip())


def words_of(body: bytes) -> frozenset[bytes]:
    """The words of a page, without numbers, the names of bare tags and what else varies."""
    text = _FRAME.sub(b"\n", _VOLATILE.sub(b"#", body))
    return frozenset(word for word in _WORD.findall(text) if not word.isdigit())


def alike(one: Outcome, other: Outcome, identity: frozenset[bytes] = frozenset()) -> bool:
    """True if both are the same page, or the same page about somebody else.

    That is: the same status, media type and redirect; half of the lines, or more than half of the words that name nobody; and
    ``one`` does not turn its reader away where ``other`` does not.
    """
    if one.fingerprint is None or other.fingerprint is None:
        return False
    if one.fingerprint == other.fingerprint:
        return True
    if one.fingerprint[:3] != other.fingerprint[:3] or one.empty != other.empty:
        return False
    if _turns_away(one) and not _turns_away(other):
        return False
    if _share(one.lines, other.lines) >= ALIKE:
        return True
    mine, theirs = one.words - identity, other.words - identity
    return 2 * len(mine & theirs) > (len(mine) + len(theirs)) * ALIKE


def _turns_away(outcome: Outcome) -> bool:
    return any(_DENIAL.search(line) for line in outcome.lines)


def _share(one: frozenset[bytes], other: frozenset[bytes]) -> float:
    return len(one & other) / len(one | other) if one or other else 0.0


def same_page(one: Outcome, other: Outcome) -> bool:
    """True if both got an answer and it was the same page."""
    return one.fingerprint is not None and one.fingerprint == other.fingerprint
