"""What people read: who rejected whom, what it rests on, what cannot be told."""

from __future__ import annotations

import msgspec
import pytest

from inspector.analysis.evidence import signal_words
from inspector.analysis.explanation import explain
from inspector.analysis.findings import Evidence
from inspector.analysis.observations import Observed, ProbeSeen
from inspector.session.gathering import gather
from inspector.wire.events import NotTls, Side
from tests.analysis.observations_by_hand import probed, seen, unsent
from tests.analysis.scenes import Scene


def texts(observed: Observed, cause: str) -> str:
    return " | ".join(e.text for c in explain(observed).causes if c.id == cause for e in c.evidence)


def test_headline_says_who_how_when_and_why() -> None:
    headline = explain(seen("alert:45", "expired")).headline
    assert headline.startswith("The server rejected you: it sent alert 45 certificate_expired, after the handshake was complete")
    assert "the client certificate has expired" in headline


def test_fault_that_waits_behind_the_gap_is_announced() -> None:
    """Whoever appends the intermediate should not have to come back to learn of the next fault."""
    gap = seen("alert:48", "missing-intermediate", relation="gap", key_check="unknown")
    notes = " | ".join(explain(probed(gap, whole="alert:44")).notes)
    assert "mending this is not enough" in notes
    assert "most likely then: revoked" in notes
    for whole in ("accepted", "alert:48"):
        assert "not enough" not in " | ".join(explain(probed(gap, whole=whole)).notes)


def test_findings_of_the_credential_are_the_evidence_for_their_cause() -> None:
    found = {"expired": (Evidence(text="it expired two days ago"),)}
    cause = explain(seen("alert:45", "expired"), found).causes[0]
    assert "it expired two days ago" in [e.text for e in cause.evidence]


def test_every_cause_says_what_would_refute_it_what_to_change_and_what_to_ask() -> None:
    for cause in explain(seen("page:invalid")).causes:
        assert cause.refuted_by
        assert cause.remedy
        assert cause.ask_operator


def test_operator_is_asked_in_the_words_of_the_servers_family() -> None:
    nginx = explain(seen("page:invalid", "expired", product="nginx")).causes[0].ask_operator
    go = explain(seen("alert:42", "expired", stack="go")).causes[0].ask_operator
    java = explain(seen("alert:46", "expired", stack="jsse")).causes[0].ask_operator
    assert "$ssl_client_verify" in nginx
    assert "x509: certificate has expired" in go
    assert "CertificateExpiredException" in java


@pytest.mark.parametrize(("signal", "stack"), [("close", "openssl"), ("alert:43", "boringssl"), ("page:invalid", "openssl")])
def test_server_that_is_known_by_its_habit_alone_is_not_called_by_a_products_name(signal: str, stack: str) -> None:
    """A habit is shared by many: a product's own log line is an example beside the words that any log would have."""
    explained = explain(seen(signal, "wrong-eku", stack=stack))
    asked = explained.causes[0].ask_operator
    assert asked.startswith("the server's")
    assert "26: unsuitable certificate purpose" in asked.split("(")[0]
    assert not (explained.family or "").startswith(("Node", "nginx", "Envoy"))


def test_what_speaks_against_a_cause_is_marked_and_comes_last() -> None:
    clock = next(c for c in explain(seen("alert:45", edge=400 * 86400.0)).causes if c.id == "server-clock")
    assert clock.evidence[-1].text == "against it: the server's clock would have to be wrong by 400 days or more"
    explained = explain(seen("alert:48", relation_detail="ends in 'Root A', which the server lists"))
    for cause in explained.causes:
        marks = [e.text.startswith("against it: ") for e in cause.evidence]
        assert marks == sorted(marks)


def test_protocol_that_is_not_known_is_shown_by_its_first_bytes() -> None:
    """NATS greets in the clear, and its greeting is nobody else's."""
    scene = Scene().connected()
    scene.add(NotTls(Side.SERVER, scene.at, b'INFO {"server_id":"NB", "version":"2.9.10\x1b[2J"}\r\n', "not a record"))
    observed = gather(scene.ended("client", "error").transcript, None, protocol="http").observed
    headline = explain(observed)
    words = " ".join(e.text for cause in headline.causes for e in cause.evidence)
    assert r"""first bytes are 'INFO {"server_id":"NB"""  in words
    assert "\x1b" not in words


def test_tie_is_admitted_with_what_would_decide() -> None:
    notes = explain(seen("page:invalid")).notes
    assert any("cannot be told apart" in note and "log" in note for note in notes)


def test_clear_case_admits_no_tie() -> None:
    assert not any("told apart" in note for note in explain(seen("alert:45", "expired")).notes)


def test_unknown_server_is_said_to_be_unknown() -> None:
    assert any("what kind of server" in note for note in explain(seen("alert:42", "expired", stack="")).notes)


def test_same_and_another_answer_of_a_throw_away_are_told_apart() -> None:
    same = probed(seen("alert:48", key_check="unknown"), throw_away="alert:48")
    other = probed(seen("alert:44"), throw_away="alert:48")
    assert "the same answer as to yours" in texts(same, "lookalike-ca")
    assert "another answer than to yours" in texts(other, "revoked")
    assert "not refused as an untrusted one" in texts(other, "revoked")


def test_probes_are_listed_with_their_outcomes() -> None:
    outcomes = {p.name: p.outcome for p in explain(probed(seen("close"), none="alert:116", throw_away="close")).probes}
    assert outcomes == {
        "no certificate": "alert 116 certificate_required",
        "throw-away self-signed certificate": "closed the connection without an alert",
    }


def test_key_that_fits_no_scheme_is_said_to_be_why_nothing_was_sent() -> None:
    observed = unsent("alert:116", has_credential=True, scheme_fits=False)
    explained = explain(observed)
    assert [c.id for c in explained.causes[:2]] == ["no-certificate", "signature-algorithm"]
    assert "fits none of the signature schemes" in texts(observed, "signature-algorithm")
    for cause in explained.causes[:2]:  # to configure one is no advice where one is configured
        assert "ecdsa_secp256r1_sha256" in cause.remedy


def test_difference_to_the_servers_own_files_is_said() -> None:
    assert any("OpenSSL accepts this chain" in note for note in explain(seen("page:invalid", opinion=())).notes)
    assert any("refuses this chain as well" in note for note in explain(seen("alert:45", "expired", opinion=("expired",))).notes)


def test_clocks_that_differ_are_said_to_differ() -> None:
    notes = explain(seen("page:invalid", clock_skew=3600.0)).notes
    assert any("our clock and the server's differ by 60 minutes" in note for note in notes)


@pytest.mark.parametrize(("seconds", "words"), [(130.0, "2 minutes"), (7300.0, "2 hours"), (-40 * 86400.0, "40 days")])
def test_difference_of_clocks_is_said_in_units_that_people_use(seconds: float, words: str) -> None:
    assert any(words in note for note in explain(seen("page:invalid", clock_skew=seconds)).notes)


@pytest.mark.parametrize("stack", ["openssl", "go", "jsse"])
def test_who_was_verified_and_refused_is_sent_to_the_application_and_not_to_the_log_of_tls(stack: str) -> None:
    cause = next(c for c in explain(seen("denied", stack=stack)).causes if c.id == "not-authorised")
    assert "application's own log" in cause.ask_operator
    assert "x509" not in cause.ask_operator


def test_our_own_refusal_is_never_put_on_the_server() -> None:
    refused = msgspec.structs.replace(
        seen("silence"), verdict="undecided", withheld=True, server_problems=("certificate_expired at depth 0",), sent=None)
    explained = explain(refused)
    assert (explained.side, [c.id for c in explained.causes]) == ("client_rejected_server", ["server-not-trusted"])
    assert "certificate_expired at depth 0" in explained.headline


@pytest.mark.parametrize(("signal", "side", "cause"), [
    ("hello/network", "network", "unreachable"), ("hello/plain", "network", "not-tls"),
    ("hello/alert:70", "server_rejected_client", "protocol-version"),
    ("hello/alert:40", "server_rejected_client", "no-shared-cipher"),
    ("hello/alert:112", "server_rejected_client", "server-name"),
    ("hello/alert:120", "server_rejected_client", "no-shared-alpn"),
    ("hello/prelude:name", "server_rejected_client", "server-name"),
    ("hello/prelude:refused", "server_rejected_client", "refused-before-tls"),
])
def test_what_never_came_to_certificates_is_named(signal: str, side: str, cause: str) -> None:
    explained = explain(Observed(verdict="undecided", signal=signal))
    assert (explained.side, explained.causes[0].id) == (side, cause)


def test_small_hello_that_gets_through_names_the_large_one() -> None:
    dropped = Observed(verdict="undecided", signal="hello/silence", hello_size=1500)
    through = msgspec.structs.replace(dropped, probes=(ProbeSeen(name="small ClientHello", signal="accepted"),))
    assert explain(through).causes[0].id == "large-client-hello"


@pytest.mark.parametrize(("verdict", "words"), [
    ("accepted", "Nothing is wrong"), ("not_requested", "never asked"), ("undecided", "cannot be told")])
def test_no_rejection_has_no_causes(verdict: str, words: str) -> None:
    explained = explain(msgspec.structs.replace(seen("accepted" if verdict != "undecided" else "silence"), verdict=verdict))
    assert (explained.side, explained.causes) == ("nobody", ())
    assert words in explained.headline


@pytest.mark.parametrize(("signal", "words"), [
    ("alert:48", "sent alert 48 unknown_ca"), ("hello/reset", "reset the connection without an alert"),
    ("alert:200", "sent alert 200"),
])
def test_signals_read_as_sentences(signal: str, words: str) -> None:
    assert signal_words(signal).startswith(words)
