"""The report as text: who said no comes first, and the three kinds of asking are told apart."""

from __future__ import annotations

import pytest

from inspector.credentials import mint
from inspector.report.as_text import render
from inspector.report.build import build_report
from inspector.report.layout import columns
from inspector.report.outcome import ExitCode, exit_code, worst
from inspector.session.settings import Settings
from inspector.target import Target
from inspector.trace import events as ev
from inspector.wire.events import Side
from tests.analysis.scenes import ALICE, CA, SERVER, Scene, asked_and_sent, completed, never_asked


def text(scene: Scene, **options: object) -> str:
    return render(build_report("handshake", scene.transcript), **options)  # type: ignore[arg-type]


def refused_by_us() -> Scene:
    scene = Scene().server_flight()
    scene.add(ev.CertificateError(scene.at, 0, 10, "certificate_expired", SERVER.cert))
    return scene.add(ev.Judged(scene.at, trusted=False, host_matches=True, withheld=True)).ended("client", "refused_to_send")


def insecure_and_silent() -> Scene:
    scene = Scene().server_flight()
    scene.add(ev.Judged(scene.at, trusted=False, host_matches=True))
    return scene.our_flight(ALICE.cert).ended("client", "done")


def nobody_there() -> Scene:
    scene = Scene()
    scene.add(ev.Resolved(scene.at, "api.test", ("192.0.2.1",)))
    scene.add(ev.Attempt(scene.at, "192.0.2.1", 443, 0.1, "connection refused", "refused"))
    return scene.ended("network", "refused")


def no_names() -> Scene:
    scene = Scene().hello().request().certificate(Side.SERVER, SERVER.cert)
    return scene.our_flight(ALICE.cert).http(200)


@pytest.mark.parametrize(
    ("scene", "beginning", "code"),
    [
        (completed().http(200), "ACCEPTED  api.test:443 asked for a client certificate and accepted your certificate", 0),
        (completed(chain=()).http(200), "ACCEPTED  api.test:443 asked for a client certificate and accepted you without", 0),
        (asked_and_sent().alert(48), "SERVER REJECTED YOU  api.test:443 refused your certificate CN=alice", 1),
        (asked_and_sent(chain=()).alert(116), "SERVER REJECTED YOU  api.test:443 wants a client certificate, and got none", 1),
        (refused_by_us(), "YOU REJECTED THE SERVER  api.test:443 is not verified", 1),
        (never_asked().http(200), "NOT REQUESTED  api.test:443 did not ask for a client certificate", 0),
        (completed().ended("client", "done"), "UNDECIDED  api.test:443", 5),
        (insecure_and_silent(), "UNDECIDED  api.test:443", 5),
        (nobody_there(), "NETWORK  api.test:443 refused the connection", 3),
    ],
)
def test_the_first_words_say_who_and_the_exit_code_agrees(scene: Scene, beginning: str, code: int) -> None:
    assert text(scene, width=200).startswith(beginning)
    assert exit_code(build_report("handshake", scene.transcript)) == code


def test_not_asked_asked_without_names_and_asked_with_names_are_told_apart() -> None:
    assert "  requested   no\n" in text(never_asked().http(200))
    assert "  from        any authority: the server names none\n" in text(no_names())
    assert "asks for a client certificate, of any authority" in text(no_names())
    assert "  from        CN=Root A,O=mtls-inspector\n" in text(completed().http(200))
    assert "asks for a client certificate from: CN=Root A" in text(completed().http(200), width=160)


def test_a_late_request_says_so() -> None:
    scene = never_asked().data(Side.CLIENT).request(CA.subject, late=True).certificate(Side.CLIENT, ALICE.cert, late=True)
    shown = text(scene.http(200))
    assert "yes, late: after the handshake (post-handshake authentication)" in shown
    assert "asked, late, for a client certificate" in " ".join(shown.split())


def test_the_chain_that_was_sent_is_shown_with_its_length() -> None:
    alone, with_more = text(completed().http(200), width=160), text(completed(chain=(ALICE.cert, CA.cert)).http(200), width=160)
    assert "alone, without intermediates" in alone
    assert "with 1 more certificate" in with_more


HOSTILE = mint.name("evil\x1b[2J\u202e\x9b31m\r\nACCEPTED")


def hostile() -> Scene:
    scene = Scene().hello().request(HOSTILE)
    leaf = mint.server_leaf(["api.test"], mint.authority("x\x1b]0;owned\x07"), subject=HOSTILE)
    return scene.certificate(Side.SERVER, leaf.cert).http(400, b"\x1b[2J", ("Server", "\x1b[2J"))


@pytest.mark.parametrize("options", [{}, {"verbose": True}, {"explain": True}, {"verbose": True, "color": False}])
def test_no_text_of_a_peer_acts_upon_the_terminal(options: dict[str, bool]) -> None:
    shown = text(hostile(), **options)
    assert all(line.isprintable() for line in shown.split("\n"))
    assert not any(line.startswith("ACCEPTED") for line in shown.split("\n"))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_lines_fit_whatever_a_peer_sent(width: int) -> None:
    scene = Scene().hello().request(*(mint.name("日本" * 40 + str(i)) for i in range(30)))
    scene.certificate(Side.SERVER, SERVER.cert)
    for verbose in (False, True):
        assert max(map(columns, text(scene, width=width, verbose=verbose).split("\n"))) <= width


def test_a_long_list_of_names_is_cut_and_says_where_the_rest_is() -> None:
    scene = Scene().hello().request(*(mint.name(f"CA {i}") for i in range(60))).certificate(Side.SERVER, SERVER.cert)
    shown = text(scene)
    assert "and 40 more (all in --json)" in shown
    assert "CN=CA 19," in shown
    assert "CN=CA 20," not in shown


def test_verbose_shows_fields_and_what_others_would_do() -> None:
    settings = Settings(Target("api.test", 443), credential=ALICE.credential("a.pem", throw_away=False), now=1_800_000_000.0)
    report = build_report("handshake", completed().http(200).transcript, settings)
    assert "curl" in render(report, verbose=True)
    assert "legacy_version: TLSv1.2" in render(report, verbose=True)
    assert "legacy_version" not in render(report)


def test_a_rejection_says_where_to_go_from_there() -> None:
    assert "mtls diagnose api.test:443" in text(asked_and_sent().alert(48))
    assert "mtls diagnose" not in text(completed().http(200))


def test_quiet_leaves_only_the_headline() -> None:
    assert text(completed().http(200), quiet=True, width=200).count("\n") == 0


def test_of_several_codes_the_gravest_is_taken() -> None:
    assert worst([ExitCode.YES, ExitCode.UNDECIDED, ExitCode.NO]) is ExitCode.NO
    assert worst([ExitCode.NO, ExitCode.NO_TALK, ExitCode.UNUSABLE]) is ExitCode.UNUSABLE
    assert worst([]) is ExitCode.YES


def test_an_answer_stands_before_the_close_that_follows_it() -> None:
    scene = completed().http(200).alert(0, level=1).ended("server", "fin")
    steps = [line for line in text(scene).split("\n") if line[8:10] in ("->", "<-")]
    assert [step[11:].split()[0] for step in steps][-2:] == ["http", "alert"]
