"""The oracle: what counts as accepted, refused, undecided. Transcripts are put together by hand."""

from __future__ import annotations

import pytest

from inspector.analysis import audit_outcome as oracle
from inspector.app.result import AppResult, HttpReply
from inspector.trace import events as ev
from inspector.trace.phase import Phase
from inspector.trace.transcript import Transcript
from inspector.wire.events import Alert, Side

CONNECTED = ev.Connected(0.0, "127.0.0.1", 443, "127.0.0.1", 5, 0.001)


def transcript(*events: ev.Event) -> Transcript:
    found = Transcript()
    for event in (CONNECTED, *events):
        found.append(event)
    return found


def http(status: int, body: bytes = b"page\n", *headers: tuple[str, str]) -> ev.ApplicationResult:
    reply = HttpReply(status, "1.1", "", (("Content-Type", "text/plain"), *headers), len(body), body)
    return ev.ApplicationResult(1.0, AppResult("http", True, None, str(status), "", body, reply))


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([http(200)], ("accepted", "HTTP 200")),
        ([http(301)], ("accepted", "HTTP 301")),
        ([http(401)], ("refused", "HTTP 401")),
        ([http(403)], ("refused", "HTTP 403")),
        ([http(421)], ("refused", "HTTP 421 misdirected request")),
        (
            [http(400, b"<center>No required SSL certificate was sent</center>")],
            ("refused", "HTTP 400 (nginx: client certificate)"),
        ),
        ([http(400, b"The SSL certificate error")], ("refused", "HTTP 400 (nginx: client certificate)")),
        ([http(404)], ("undecided", "HTTP 404")),
        ([http(503)], ("undecided", "HTTP 503")),
        ([Alert(Side.SERVER, 1.0, 2, 48, True)], ("refused", "alert 48 unknown_ca")),
        ([ev.Ended(1.0, "server", "fin", Phase.APPLICATION)], ("refused", "closed without a word (fin)")),
        ([ev.Ended(1.0, "client", "deadline", Phase.APPLICATION)], ("undecided", "timeout")),
    ],
)
def test_an_answer_is_accepted_refused_or_undecided(events: list[ev.Event], expected: tuple[str, str]) -> None:
    outcome = oracle.classify(transcript(*events))
    assert (outcome.kind, outcome.how) == expected


def test_a_goodbye_of_user_canceled_and_close_notify_is_no_refusal() -> None:
    events = [http(200), Alert(Side.SERVER, 1.0, 2, 90, True), Alert(Side.SERVER, 1.0, 1, 0, True)]
    assert oracle.classify(transcript(*events)).kind == "accepted"


def related(good: ev.ApplicationResult, other: ev.ApplicationResult) -> str:
    found = oracle.classify(transcript(good))._replace(kind="accepted")
    return oracle.relate(oracle.classify(transcript(other)), found, frozenset({b"alice", b"CN"})).kind


@pytest.mark.parametrize(
    ("good", "other", "expected"),
    [
        (http(200, b"secret"), http(200, b"secret"), "accepted"),
        (http(200, b"secret"), http(200, b"please log in"), "refused"),
        (http(200, b"secret"), http(404), "refused"),
        (http(200, b"secret"), http(302, b"", ("Location", "/login")), "refused"),
        (http(200, b"secret"), http(500), "undecided"),
        (http(200, b"secret"), http(503), "undecided"),
        (http(404, b"nothing here"), http(404, b"nothing here"), "accepted"),
        (http(404, b"nothing here"), http(404, b"<html>another one"), "undecided"),
        (http(302, b"", ("Location", "/app")), http(302, b"", ("Location", "/app?state=4af1")), "accepted"),
        (http(302, b"", ("Location", "/app")), http(302, b"", ("Location", "/login")), "refused"),
        (http(200, b"ok verify=SUCCESS CN=alice"), http(200, b"ok verify=NONE CN="), "accepted"),
        (http(200, b"hello alice"), http(200, b"hello anonymous"), "accepted"),
        (http(200, b'{"status":"ok","message":"secret"}'), http(200, b'{"status":"error","message":"no certificate"}'), "refused"),
        (http(200, b"welcome alice"), http(200, b"welcome, a certificate is required"), "refused"),
        (http(500, b"broken"), http(500, b"broken"), "accepted"),
        # what two pages of HTML have in common for being HTML is nothing
        (
            http(200, b"<html><body><h1>Stock</h1><p>bolts and nuts</p></body></html>"),
            http(200, b"<html><body><h1>Lobby</h1><p>opening hours</p></body></html>"),
            "refused",
        ),
        (
            http(200, b"<html><body><h1>Stock</h1><p>bolts for alice</p></body></html>"),
            http(200, b"<html><body><h1>Stock</h1><p>bolts for nobody</p></body></html>"),
            "accepted",
        ),
        (
            http(200, b'{"status":"ok","data":[1],"user":"alice","version":"1"}'),
            http(200, b'{"status":"error","data":null,"user":null,"version":"1"}'),
            "refused",
        ),
        (http(200, b'{"error":null,"name":"alice"}'), http(200, b'{"error":null,"name":"x"}'), "accepted"),
        (http(200, b'{"error":null,"name":"alice"}'), http(200, b'{"error":"no name","name":null}'), "refused"),
    ],
)
def test_who_does_not_get_the_page_of_the_good_credential_is_not_let_in(
    good: ev.ApplicationResult, other: ev.ApplicationResult, expected: str
) -> None:
    assert related(good, other) == expected


@pytest.mark.parametrize(("who", "expected"), [("dn:cn=alice", "accepted"), ("anonymous", "refused")])
def test_where_the_answer_is_a_name_the_name_is_the_page(who: str, expected: str) -> None:
    known = [AppResult("ldap", True, True, "0", "known as x", who=name) for name in ("dn:cn=alice", who)]
    good, other = (oracle.classify(transcript(ev.ApplicationResult(1.0, result))) for result in known)
    assert oracle.relate(other, good).kind == expected


def test_pages_are_the_same_whatever_their_dates_and_ids() -> None:
    one = oracle.classify(transcript(http(200, b"at 12:00:01 id 8f14e45fceea167a\n")))
    other = oracle.classify(transcript(http(200, b"at 12:59:59 id c9f0f895fb98ab91\n")))
    assert one.fingerprint == other.fingerprint


def test_pages_about_different_readers_are_alike_and_a_login_page_is_not() -> None:
    rows = b"".join(b"row %d\n" % number for number in range(20))
    mine = oracle.classify(transcript(http(200, rows + b"hello alice\n")))
    yours = oracle.classify(transcript(http(200, rows + b"hello nobody\n")))
    login = oracle.classify(transcript(http(200, b"please log in\n")))
    assert (oracle.alike(mine, yours), oracle.alike(mine, login)) == (True, False)
