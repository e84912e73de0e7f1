"""The verdict on the client certificate, from conversations as servers really have them."""

from __future__ import annotations

import pytest

from inspector.analysis.client_auth import judge
from inspector.app.result import AppResult
from inspector.trace import events as ev
from inspector.trace.phase import Phase
from inspector.wire import events as wire
from inspector.wire.events import Side
from tests.analysis.scenes import ALICE, CA, SERVER, Scene, asked_and_sent, completed, never_asked

NGINX_MISSING = b"<html><head><title>400 No required SSL certificate was sent</title></head></html>"
NGINX_INVALID = b"<html><head><title>400 The SSL certificate error</title></head></html>"
BOTH = pytest.mark.parametrize("tls13", [True, False], ids=["1.3", "1.2"])


def verdict(scene: Scene) -> tuple[str, str | None]:
    judged = judge(scene.transcript)
    return judged.verdict, judged.rejected_by


@BOTH
@pytest.mark.parametrize("description", [42, 43, 44, 45, 46, 48, 49, 50, 51, 80, 47])
def test_any_fatal_alert_after_our_certificate_is_a_rejection(tls13: bool, description: int) -> None:
    assert verdict(asked_and_sent(tls13=tls13).alert(description).ended("server", "fin")) == ("rejected", "tls_alert")


@pytest.mark.parametrize(
    ("tls13", "description"), [(True, 116), (True, 42), (True, 40), (False, 40), (False, 42), (False, 50), (False, 41)],
)
def test_an_alert_in_answer_to_an_empty_certificate_is_a_rejection(tls13: bool, description: int) -> None:
    scene = asked_and_sent(tls13=tls13, chain=()).alert(description).ended("server", "reset")
    judged = judge(scene.transcript)
    assert (judged.verdict, judged.rejected_by, judged.sent) == ("rejected", "tls_alert", False)


@pytest.mark.parametrize("description", [40, 70, 112, 120, 80])
def test_an_alert_before_the_server_hello_says_nothing_about_certificates(description: int) -> None:
    judged = judge(Scene().connected().alert(description).ended("server", "fin").transcript)
    assert (judged.verdict, judged.rejected_by, judged.requested) == ("undecided", None, None)


def test_a_warning_is_no_rejection() -> None:
    assert verdict(asked_and_sent(tls13=False).alert(112, level=1).server_finished().http(200)) == ("accepted", None)


@BOTH
def test_a_close_in_the_handshake_after_our_certificate_is_a_rejection(tls13: bool) -> None:
    assert verdict(asked_and_sent(tls13=tls13).ended("server", "fin")) == ("rejected", "close")


@BOTH
@pytest.mark.parametrize("how", ["fin", "reset"])
def test_a_close_before_anything_was_asked_is_a_rejection(tls13: bool, how: str) -> None:
    judged = judge(completed(tls13=tls13).ended("server", how).transcript)
    assert (judged.verdict, judged.rejected_by, judged.ground) == ("rejected", "close", "close")


@BOTH
def test_words_and_a_close_before_anything_was_asked_are_no_acceptance(tls13: bool) -> None:
    """'ERR access denied', say. A greeting with the connection left open is a sign of consent, as ever."""
    said = wire.ApplicationData(Side.SERVER, 1.0, 17, b"ERR access denied")
    judged = judge(completed(tls13=tls13).add(said).ended("server", "fin").transcript)
    assert (judged.verdict, judged.ground) == ("undecided", "step")
    assert "ERR access denied" in judged.rests_on
    assert verdict(completed(tls13=tls13).add(said)) == ("accepted", None)


@BOTH
@pytest.mark.parametrize("how", ["fin", "reset"])
def test_a_close_that_comes_only_in_answer_to_the_first_step_is_no_verdict(tls13: bool, how: str) -> None:
    """The server had time to refuse before we spoke; the first step may not be of its protocol."""
    judged = judge(completed(tls13=tls13).data(Side.CLIENT).ended("server", how).transcript)
    assert (judged.verdict, judged.rejected_by, judged.ground) == ("undecided", None, "step")
    assert "first step" in judged.rests_on


def test_a_close_after_a_client_wrote_without_listening_is_still_taken_for_a_rejection() -> None:
    """As in a capture: nothing says that the server would not have closed in any case."""
    scene = completed().data(Side.CLIENT).ended("server", "fin")
    scene.transcript.plan = None
    assert verdict(scene) == ("rejected", "close")


@pytest.mark.parametrize("more", [False, True], ids=["nothing", "a part"])
@BOTH
def test_an_answer_that_does_not_come_outweighs_a_ticket(tls13: bool, more: bool) -> None:
    """A ticket speaks for TLS; what was asked of the application was not answered."""
    scene = completed(tls13=tls13)
    scene = scene.ticket() if tls13 else scene
    scene = scene.phase(Phase.APPLICATION).data(Side.CLIENT)
    scene = scene.data(Side.SERVER) if more else scene
    judged = judge(scene.ended("client", "deadline").transcript)
    assert (judged.verdict, judged.ground) == ("undecided", "no-answer")
    assert "to the first step within" in judged.rests_on


def test_a_stream_that_is_reset_is_no_acceptance() -> None:
    """HTTP/2: the settings came, and then no answer."""
    scene = completed().ticket().phase(Phase.APPLICATION).data(Side.CLIENT).data(Side.SERVER)
    error = "the server reset the stream"
    scene.add(ev.ApplicationResult(scene.at, AppResult("http", True, None, None, error, b"settings", error=error)))
    judged = judge(scene.ended("client", "done").transcript)
    assert (judged.verdict, judged.ground) == ("undecided", "status")
    assert "reset the stream" in judged.rests_on


def test_an_answer_that_is_cut_off_is_no_acceptance() -> None:
    """As HTTP/2's settings, which everybody gets, before the connection is closed."""
    scene = completed().ticket().phase(Phase.APPLICATION).data(Side.CLIENT).data(Side.SERVER).ended("server", "fin")
    assert verdict(scene) == ("undecided", None)


def test_a_ticket_does_not_outweigh_the_close_that_follows() -> None:
    """Node issues tickets before it looks at the certificate."""
    assert verdict(completed().ticket().ended("server", "fin")) == ("rejected", "close")


def test_java_closing_normally_after_its_answer_is_no_rejection() -> None:
    scene = completed().http(200).alert(90, level=1).alert(0, level=1).ended("server", "fin")
    assert verdict(scene) == ("accepted", None)


def test_user_canceled_alone_is_no_alert_about_a_certificate() -> None:
    judged = judge(completed().data(Side.CLIENT).alert(90, level=1).alert(0, level=1).ended("server", "fin").transcript)
    assert (judged.verdict, judged.alert) == ("undecided", None)


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (400, NGINX_MISSING, ()),
        (400, NGINX_INVALID, ()),
        (495, b"", ()),
        (496, b"", ()),
        (401, b"client certificate not authorized: CERT_HAS_EXPIRED", ()),
        (401, b"", ()),
        (403, b"", ()),
        (403, b'{"message":"Forbidden"}', (("x-amzn-ErrorType", "ForbiddenException"),)),
        (421, b"Misdirected Request", ()),
        (400, b"<center>Microsoft-Azure-Application-Gateway/v2</center>", ()),
    ],
)
@BOTH
def test_a_refusal_of_the_application_is_one_of_the_certificate_where_one_was_asked_for(
    tls13: bool, status: int, body: bytes, headers: tuple[tuple[str, str], ...],
) -> None:
    assert verdict(completed(tls13=tls13).http(status, body, *headers)) == ("rejected", "http")


@pytest.mark.parametrize("status", [200, 204, 301, 404, 405, 500, 502, 503])
def test_other_statuses_are_no_refusal_of_the_certificate(status: int) -> None:
    assert verdict(completed().http(status)) == ("accepted", None)


@pytest.mark.parametrize("status", [301, 404, 405, 500, 502, 503])
def test_what_is_no_plain_success_says_that_tls_let_us_in_and_no_more(status: int) -> None:
    judged = judge(completed().http(status).transcript)
    assert (judged.ground, judged.confidence) == ("status", 0.5)
    assert "whether the application took the certificate is not said" in judged.rests_on
    assert judge(completed().http(200).transcript).ground == "yes"


def test_a_page_that_asks_for_a_password_is_no_plain_success() -> None:
    body = b"<form method=post><input name=user><input name=p type='password'></form>"
    assert judge(completed().http(200, body).transcript).ground == "status"


def test_a_400_without_a_word_about_certificates_is_no_verdict_on_one() -> None:
    """Vault's 'missing client token' and a missing parameter look like it."""
    judged = judge(completed().http(400, b'{"error":"missing parameter: q"}').transcript)
    assert (judged.verdict, judged.ground) == ("undecided", "status")


def test_a_page_that_misses_what_was_sent_is_told_as_one_that_did_not_get_it() -> None:
    body = b'{"kind":"Status","message":"forbidden: User \\"system:anonymous\\" cannot get path"}'
    judged = judge(completed().http(403, body).transcript)
    assert judged.verdict == "rejected"
    assert "did not reach the application" in judged.rests_on


@pytest.mark.parametrize(("protocol", "status"), [("smtp", "250"), ("imap", "OK"), ("redis", "-NOAUTH")])
def test_a_step_that_anybody_may_take_is_a_weak_yes(protocol: str, status: str) -> None:
    scene = completed().phase(Phase.APPLICATION).data(Side.CLIENT).data(Side.SERVER)
    scene.add(ev.ApplicationResult(scene.at, AppResult(protocol, True, True, status, "hello")))
    judged = judge(scene.transcript)
    assert (judged.verdict, judged.ground, judged.confidence) == ("accepted", "anybody", 0.5)


def test_a_demand_for_a_password_is_no_refusal_of_the_certificate() -> None:
    assert verdict(completed().http(401, b"", ("WWW-Authenticate", 'Basic realm="x"'))) == ("accepted", None)


def test_a_rate_limit_decides_nothing() -> None:
    assert verdict(completed().http(429)) == ("undecided", None)


def test_a_proxy_that_fails_towards_its_own_server_did_not_refuse_us() -> None:
    body = b"upstream connect error or disconnect/reset before headers. transport failure: TLS_error: CERTIFICATE_VERIFY_FAILED"
    assert verdict(completed().http(503, body)) == ("accepted", None)


def test_being_let_in_without_a_certificate_is_acceptance() -> None:
    judged = judge(completed(chain=()).http(200).transcript)
    assert (judged.verdict, judged.sent) == ("accepted", False)
    assert judged.rests_on == "the server answered HTTP 200, without a certificate"


@BOTH
@pytest.mark.parametrize("status", [200, 403, 401, 404])
def test_who_never_asked_neither_accepted_nor_rejected(tls13: bool, status: int) -> None:
    judged = judge(never_asked(tls13=tls13).http(status).transcript)
    assert (judged.verdict, judged.requested, judged.sent) == ("not_requested", False, False)


def test_a_page_that_says_that_post_handshake_authentication_failed_is_a_rejection() -> None:
    body = b"Reason: Cannot perform Post-Handshake Authentication."
    assert verdict(never_asked().http(403, body)) == ("rejected", "http")


def test_the_refusal_of_another_protocol_is_a_rejection() -> None:
    assert verdict(completed().protocol(False, "28000 connection requires a valid client certificate")) == ("rejected", "protocol")
    assert verdict(completed().protocol(True, "AuthenticationOk")) == ("accepted", None)


def test_a_protocol_that_answers_without_a_verdict_has_accepted_the_channel() -> None:
    assert verdict(completed().protocol(None, "220 ready")) == ("accepted", None)


def test_a_protocol_cut_off_without_a_word_is_no_verdict() -> None:
    assert verdict(completed().protocol(None, "no answer", answered=False).ended("server", "fin")) == ("undecided", None)


def test_silence_in_tls_1_3_is_neither_yes_nor_no() -> None:
    assert verdict(completed().ended("client", "done")) == ("undecided", None)


def test_a_ticket_after_our_finished_is_acceptance() -> None:
    assert verdict(completed().ticket().ended("client", "done")) == ("accepted", None)


def test_the_servers_finished_is_acceptance_up_to_tls_1_2() -> None:
    assert verdict(completed(tls13=False).ended("client", "done")) == ("accepted", None)


def test_nothing_was_judged_where_we_refused_the_server() -> None:
    scene = Scene().server_flight()
    scene.add(ev.Judged(scene.at, trusted=False, host_matches=True, withheld=True)).ended("client", "refused_to_send")
    judged = judge(scene.transcript)
    assert (judged.verdict, judged.requested, judged.sent, judged.authorities) == ("undecided", True, False, (CA.subject,))


@pytest.mark.parametrize(("tls13", "when"), [(True, "post_handshake"), (False, "renegotiation")])
def test_a_late_request_is_reported_like_an_early_one(tls13: bool, when: str) -> None:
    scene = never_asked(tls13=tls13).data(Side.CLIENT).request(CA.subject, late=True)
    scene.certificate(Side.CLIENT, ALICE.cert, late=True)
    judged = judge(scene.alert(48).ended("server", "fin").transcript)
    assert (judged.verdict, judged.rejected_by, judged.when, judged.sent_chain) == ("rejected", "tls_alert", when, (ALICE.cert,))


def test_what_was_asked_and_sent_is_in_the_verdict() -> None:
    judged = judge(completed().http(200).transcript)
    listed = completed().transcript.listed
    assert judged.requested is True
    assert judged.when == "handshake"
    assert judged.authorities == (CA.subject,)
    assert judged.schemes == (0x0403,)
    assert judged.sent_chain == (ALICE.cert,)
    assert SERVER.cert not in judged.sent_chain
    assert judged.request_index is not None
    assert listed[judged.request_index].type == 13  # type: ignore[union-attr]
    assert judged.certificate_index is not None
    assert listed[judged.certificate_index].side is Side.CLIENT


def test_a_resumed_session_is_accepted_without_asking_again() -> None:
    scene = Scene().hello().message(Side.SERVER, 20, None).message(Side.CLIENT, 20, None)
    judged = judge(scene.done(resumed=True).http(200).transcript)
    assert (judged.verdict, judged.requested) == ("accepted", None)


def test_an_unfinished_handshake_without_an_alert_decides_nothing() -> None:
    assert verdict(Scene().hello().ended("client", "deadline")) == ("undecided", None)


def test_a_server_that_never_spoke_tls_decides_nothing() -> None:
    judged = judge(Scene().connected().ended("server", "fin").transcript)
    assert (judged.verdict, judged.requested, judged.sent) == ("undecided", None, None)


def test_our_own_side_stopping_is_told_as_such() -> None:
    scene = Scene().server_flight()
    scene.add(ev.EngineError(scene.at, ("excessive message size",))).alert(47, side=Side.CLIENT).ended("client", "done")
    judged = judge(scene.transcript)
    assert (judged.verdict, judged.rejected_by) == ("undecided", None)
    assert judged.rests_on == "our own side stopped: OpenSSL says 'excessive message size'"
