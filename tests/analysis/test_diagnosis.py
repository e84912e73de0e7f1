"""The ranking of causes, from observations made by hand."""

from __future__ import annotations

import msgspec
import pytest

from inspector.analysis import diagnosis
from inspector.analysis.answers import Row
from inspector.analysis.cause_texts import CAUSE_TEXTS
from inspector.analysis.causes import CAUSES, HELLO_CAUSES
from inspector.analysis.families import FAMILIES
from inspector.analysis.observations import CODE_CAUSES, WORDS, ProbeSeen, causes_in_words
from inspector.analysis.stacks import SCHEME_ORDERS
from tests.analysis.observations_by_hand import confidence, first, probed, seen, unsent

VISIBLE = (
    "expired", "not-yet-valid", "intermediate-expired", "wrong-eku", "wrong-key-usage", "weak-signature", "weak-key",
    "issuer-not-ca", "path-length", "name-constraint", "critical-extension",
)
# an answer that says nothing by itself
UNIFORM = {"closes": "close", "resets": "reset", "nginx's page": "page:invalid", "a gate": "denied"}


@pytest.mark.parametrize("fault", VISIBLE)
@pytest.mark.parametrize("signal", UNIFORM.values(), ids=UNIFORM)
@pytest.mark.parametrize("stack", ["openssl", "jsse", "go", ""])
def test_fault_that_shows_comes_first_where_the_answer_tells_nothing(fault: str, signal: str, stack: str) -> None:
    assert first(seen(signal, fault, stack=stack)) == fault


@pytest.mark.parametrize(("fault", "alert"), [
    ("expired", 45), ("not-yet-valid", 42), ("intermediate-expired", 45), ("wrong-eku", 43), ("wrong-key-usage", 43),
    ("weak-signature", 42), ("weak-key", 42), ("issuer-not-ca", 48), ("path-length", 48), ("name-constraint", 46),
    ("critical-extension", 46),
])
def test_alert_that_fits_makes_a_visible_fault_all_but_certain(fault: str, alert: int) -> None:
    assert confidence(seen(f"alert:{alert}", fault), fault) > 0.9


def test_same_alert_means_different_things_by_who_sends_it() -> None:
    """42 is 'not yet valid' from OpenSSL, and anything from an older Go."""
    healthy = {"signal": "alert:42"}
    assert confidence(seen("alert:42", "expired", stack="go"), "expired") > confidence(seen("alert:42", "expired"), "expired")
    assert first(seen(healthy["signal"], "expired", stack="go")) == "expired"


def test_application_that_drops_the_connection_is_asked_about_before_tls_is() -> None:
    """TLS refuses before the first step; who drops the connection in answer to it has let us in before."""
    dropped, closed = seen("dropped"), seen("close")
    assert first(dropped) == "not-authorised"
    assert first(closed) != "not-authorised"
    assert first(seen("dropped", "expired")) == "expired"


YEAR = 365 * 86400.0


def test_clock_is_blamed_by_how_wrong_it_would_have_to_be() -> None:
    near, week, years = (confidence(seen("alert:45", edge=edge), "server-clock") for edge in (3600.0, 7 * 86400.0, 3 * YEAR))
    assert near > week > years


@pytest.mark.parametrize("alike", [{}, {"throw_away": "alert:42"}, {"throw_away": "alert:42", "lookalike": "alert:42"}])
def test_go_that_says_42_to_a_valid_certificate_judges_the_identity_and_not_the_dates(alike: dict[str, str]) -> None:
    """Its hook in the handshake answers 42 to all, throw-aways included: that says nothing about dates."""
    observed = probed(seen("alert:42", stack="go", edge=2 * YEAR), **alike)
    assert first(observed) == "not-authorised"
    assert confidence(observed, "server-clock") < 0.3


def test_server_that_says_42_to_throw_aways_of_a_ca_it_lists_has_a_check_of_its_own() -> None:
    """Libraries say 48 or 51 to a look-alike: 42 to everything, dates being right, is somebody's own code."""
    observed = probed(seen("alert:42", stack="", edge=6 * 3600.0), throw_away="alert:42", lookalike="alert:42")
    assert first(observed) == "not-authorised"


def test_expiry_alert_for_a_certificate_that_is_valid_is_not_all_put_on_revocation_lists() -> None:
    """Nobody saw a CRL: the server's clock is the other one that can be out of date."""
    observed = seen("alert:45", edge=10 * 86400.0)
    assert first(observed) == "server-crl"
    assert confidence(observed, "server-crl") < 0.75
    assert confidence(observed, "server-clock") > 0.2


@pytest.mark.parametrize("relation", ["partial", "cousin"])
@pytest.mark.parametrize("fault", VISIBLE)
@pytest.mark.parametrize("signal", UNIFORM.values(), ids=UNIFORM)
def test_list_of_cas_alone_never_puts_the_servers_trust_above_a_fault_that_shows(relation: str, fault: str, signal: str) -> None:
    """A list names what its operator wrote down, not all that is trusted."""
    assert first(seen(signal, fault, relation=relation)) == fault


@pytest.mark.parametrize(("findings", "signal", "cause"), [
    (("ca-as-leaf",), "alert:46", "ca-as-leaf"), ((), "alert:48", "server-crl"),
])
def test_rustls_alerts_mean_what_its_source_says(findings: tuple[str, ...], signal: str, cause: str) -> None:
    by_rustls, by_openssl = (confidence(seen(signal, *findings, stack=stack), cause) for stack in ("rustls", "openssl"))
    assert by_rustls > by_openssl


@pytest.mark.parametrize("signal", ["page:invalid", "close", "alert:40"])
def test_signature_that_is_not_among_those_asked_for_comes_before_what_is_hidden(signal: str) -> None:
    assert first(seen(signal, unlisted=True, unusual=("not listed",))) == "signature-algorithm"
    assert first(seen(signal, "weak-signature", unlisted=True, unusual=("not listed",))) == "weak-signature"


@pytest.mark.parametrize("fault", ["wrong-eku", "weak-key"])
def test_fault_that_the_family_often_tolerates_still_comes_first_when_it_is_all_there_is(fault: str) -> None:
    assert first(seen("alert:49", fault, stack="gnutls")) == fault


@pytest.mark.parametrize("mark", ["chain-order", "ca-as-leaf"])
@pytest.mark.parametrize("signal", ["alert:45", "page:invalid"])
def test_oddity_that_servers_take_is_not_blamed_before_the_servers_own_faults(mark: str, signal: str) -> None:
    assert first(seen(signal, mark)) == "server-crl"


@pytest.mark.parametrize(("tls", "signal"), [("1.2", "alert:40"), ("1.3", "alert:116"), ("1.3", "close"), ("1.2", "page:missing"),
                                             ("1.3", "denied"), ("1.2", "alert:42"), ("1.2", "alert:50"), ("1.3", "alert:41")])
def test_nothing_sent_and_refused_is_a_missing_certificate_whatever_the_answer(tls: str, signal: str) -> None:
    assert confidence(unsent(signal, tls=tls), "no-certificate") > 0.99


@pytest.mark.parametrize(("alert", "cause"), [(44, "revoked"), (45, "server-crl")])
def test_alert_names_the_hidden_cause_of_a_healthy_credential(alert: int, cause: str) -> None:
    assert first(seen(f"alert:{alert}")) == cause


def test_healthy_credential_and_http_403_is_authorisation() -> None:
    assert first(seen("denied", status="403")) == "not-authorised"


def test_names_alone_do_not_tell_a_lookalike_and_keys_do() -> None:
    by_name = seen("alert:48", key_check="unknown")
    by_key = seen("alert:48", key_check="lookalike")
    assert confidence(by_name, "lookalike-ca") > confidence(seen("alert:48"), "lookalike-ca") * 5
    assert confidence(by_key, "lookalike-ca") > 0.9


@pytest.mark.parametrize("signal", ["alert:48", "page:invalid", "close"])
def test_chain_that_leads_nowhere_the_server_lists_is_of_an_unknown_ca(signal: str) -> None:
    assert first(seen(signal, relation="stranger", key_check="unknown")) == "unknown-ca"


@pytest.mark.parametrize("signal", ["alert:48", "page:invalid", "close"])
def test_gap_that_known_certificates_close_is_a_missing_intermediate(signal: str) -> None:
    assert first(seen(signal, "missing-intermediate", relation="gap", issuers=1, sent=1)) == "missing-intermediate"


@pytest.mark.parametrize("relation", ["partial", "cousin"])
def test_server_that_lists_an_intermediate_and_not_its_root_trusts_part_of_the_chain(relation: str) -> None:
    assert first(seen("page:invalid", relation=relation)) == "server-trust"


def test_server_that_lists_the_root_does_not_lack_it() -> None:
    assert confidence(seen("alert:48", root_listed=True), "server-trust") < 0.02
    assert confidence(seen("alert:48", root_listed=False), "server-trust") > 0.2


def test_gap_below_certificates_that_lead_to_a_listed_ca_is_a_gap_and_no_stranger() -> None:
    torn = seen("alert:48", "missing-intermediate", relation="torn", key_check="unknown")
    assert confidence(torn, "missing-intermediate") > 0.8
    assert confidence(torn, "unknown-ca") > 0.02  # the loose certificates may be the wrong ones


def test_certificates_at_hand_that_were_not_sent_keep_the_gap_in_question() -> None:
    """The server lists others only: it may not know our CA, or may not list all that it trusts."""
    ranked = [c.id for c in diagnosis.rank(seen("alert:48", relation="stranger", key_check="genuine", unsent=1)).candidates]
    assert ranked[:2] == ["unknown-ca", "missing-intermediate"]


@pytest.mark.parametrize("signal", ["close", "denied", "alert:42"])
def test_depth_is_suspected_where_servers_have_a_small_limit_and_not_elsewhere(signal: str) -> None:
    assert confidence(seen(signal, issuers=2, stack="go" if signal == "alert:42" else ""), "server-depth") < 0.2


def test_same_answer_to_the_same_credential_over_another_version_is_no_second_witness() -> None:
    once = seen("alert:42", edge=10 * 86400.0)
    again = msgspec.structs.replace(once, probes=(ProbeSeen(name="over TLS 1.2", signal="alert:42"),))
    for cause in ("server-clock", "not-authorised"):
        assert confidence(again, cause) == pytest.approx(confidence(once, cause), abs=0.03)


def test_refusal_of_a_certificate_that_has_been_valid_for_days_may_be_a_check_of_the_servers_own() -> None:
    """A pinned certificate, a callback: OpenSSL says 42 for X509_V_ERR_CERT_REJECTED as it does for a date to come."""
    observed = seen("alert:42", edge=9 * 86400.0)
    assert {c.id for c in diagnosis.rank(observed).candidates[:2]} == {"server-clock", "not-authorised"}
    assert confidence(observed, "server-clock") < 0.6


@pytest.mark.parametrize(("stack", "signal"), [("go", "alert:42"), ("openssl", "alert:47"), ("openssl", "close")])
def test_key_on_a_curve_that_no_library_allows_by_default_is_suspected_first(stack: str, signal: str) -> None:
    observed = seen(signal, stack=stack, tls="1.2", unusual=("its key is on the curve brainpoolP256r1",), unlisted=True)
    assert first(observed) == "signature-algorithm"


def test_trust_in_an_intermediate_is_no_fault_of_a_server_that_takes_any_anchor() -> None:
    go = seen("alert:42", relation="partial", stack="go")
    assert confidence(go, "server-trust") < confidence(seen("alert:48", relation="partial"), "server-trust") - 0.2


def test_two_intermediates_before_nginx_suggest_its_depth_of_one() -> None:
    assert first(seen("page:invalid", issuers=2, product="nginx")) == "server-depth"
    assert first(seen("page:invalid", issuers=1, product="nginx")) == "server-crl"


def test_internal_error_is_a_callback_that_refuses_without_a_reason_and_not_always_the_depth() -> None:
    """Apache's check of the depth and stunnel's of the name end in the same alert."""
    observed = seen("alert:80")
    assert {c.id for c in diagnosis.rank(observed).candidates[:2]} == {"server-depth", "not-authorised"}
    assert confidence(observed, "server-depth") < 0.7
    assert first(seen("alert:80", issuers=2)) == "server-depth"
    assert first(seen("alert:80", issuers=0)) == "not-authorised"


def test_handshake_failure_of_erlang_is_its_verify_fun_as_well_as_its_depth() -> None:
    one, two = (probed(seen("alert:40", stack="erlang", issuers=issuers), lookalike="alert:48") for issuers in (1, 2))
    assert [c.id for c in diagnosis.rank(one).candidates[:2]] == ["not-authorised", "server-depth"]
    assert first(two) == "server-depth"


def test_close_of_a_go_server_that_speaks_otherwise_is_a_check_of_its_own() -> None:
    """etcd looks into its CRL file when the handshake is over, and closes: Go itself would have sent an alert."""
    observed = probed(seen("close", stack="go"), none="alert:42", lookalike="alert:42")
    assert {c.id for c in diagnosis.rank(observed).candidates[:2]} == {"revoked", "not-authorised"}


def test_chain_that_is_refused_in_another_way_when_whole_lacked_something_all_the_same() -> None:
    for then in ("alert:80", "alert:44", "close", "denied"):
        observed = probed(seen("alert:48", "missing-intermediate", relation="gap", key_check="unknown"), whole=then)
        assert first(observed) == "missing-intermediate"


def test_gap_before_a_server_that_lists_the_missing_ca_is_decided_by_sending_it() -> None:
    alone = seen("alert:48", relation="partial", key_check="unknown", unsent=1)
    assert first(alone) == "server-trust"
    assert first(probed(alone, whole="accepted")) == "missing-intermediate"
    assert first(probed(alone, whole="alert:48")) == "server-trust"


def test_clock_that_agrees_clears_the_servers_clock_and_one_that_does_not_accuses_it() -> None:
    assert confidence(seen("page:invalid", clock_skew=3.0), "server-clock") < 0.001
    assert first(seen("page:invalid", clock_skew=-86400.0 * 400)) == "server-clock"


def test_sentence_for_both_kinds_of_wrong_dates_speaks_against_neither() -> None:
    said, words = causes_in_words("x509: certificate has expired or is not yet valid: current time 2026-11-30 is after 2025-01-01")
    assert {"expired", "not-yet-valid"} <= set(said)
    assert confidence(seen("page:invalid", "expired", said=said, said_words=words), "expired") > 0.9


def test_words_of_the_reply_outweigh_the_odds() -> None:
    assert first(seen("page:invalid", said=("revoked",), said_words="revoked")) == "revoked"


def test_names_equal_as_text_only_are_unknown_to_go_and_not_to_openssl() -> None:
    differ = {"names_differ": "UTF8String against PrintableString"}
    assert first(seen("alert:42", stack="go", tls="1.2", **differ)) == "unknown-ca"
    assert confidence(seen("alert:48", **differ), "unknown-ca") < 0.2


def test_key_of_a_kind_that_servers_refuse_is_named_when_the_signature_was_refused() -> None:
    assert first(seen("alert:47", unusual=("its key is on the curve P-521",))) == "signature-algorithm"


def test_verification_with_the_servers_own_files_clears_what_it_did_not_find() -> None:
    before, after = seen("page:invalid", "wrong-eku"), seen("page:invalid", "wrong-eku", opinion=())
    assert confidence(after, "wrong-eku") < confidence(before, "wrong-eku")
    assert first(seen("page:invalid", opinion=("server-crl",))) == "server-crl"


def test_request_for_a_name_that_is_not_served_here_is_about_the_name() -> None:
    assert first(seen("misdirected", status="421")) == "server-name"


def test_page_that_asks_for_a_certificate_which_the_handshake_never_asked_for_means_that_none_was_sent() -> None:
    assert first(unsent("page:missing", sent=None, requested=False, has_credential=True)) == "no-certificate"
    assert first(unsent("page:late", sent=None, requested=False, has_credential=True)) == "no-certificate"


# ---- probes ---------------------------------------------------------------------------------------
def test_another_answer_for_a_throw_away_says_that_yours_is_not_refused_as_untrusted() -> None:
    before = seen("alert:42", stack="")
    same, other = probed(before, throw_away="alert:42"), probed(before, throw_away="alert:48")
    trust = ("unknown-ca", "server-trust", "lookalike-ca", "missing-intermediate")
    assert sum(confidence(other, c) for c in trust) < sum(confidence(before, c) for c in trust)
    assert sum(confidence(same, c) for c in trust) > sum(confidence(other, c) for c in trust)


def test_whole_chain_that_is_accepted_proves_the_gap() -> None:
    gap = seen("close", "missing-intermediate", relation="unknown", listed=(), sent=1, key_check="unknown")
    assert confidence(probed(gap, whole="accepted"), "missing-intermediate") > 0.98
    assert confidence(probed(gap, whole="close"), "missing-intermediate") < confidence(gap, "missing-intermediate")


def test_probe_that_never_came_to_certificates_says_nothing() -> None:
    assert diagnosis.rank(probed(seen("close"), none="hello/reset")).candidates == diagnosis.rank(seen("close")).candidates


# ---- who the server is ------------------------------------------------------------------------------
@pytest.mark.parametrize("stack", SCHEME_ORDERS)
def test_request_in_a_librarys_own_order_makes_that_library_the_likeliest(stack: str) -> None:
    likely = diagnosis.stack_likelihoods(seen("close", stack=stack, tls="1.2"))
    assert max(likely, key=lambda name: likely[name]) == stack


def test_schemes_that_a_newer_version_puts_in_front_do_not_hide_the_library() -> None:
    known = seen("close", stack="openssl")
    newer = msgspec.structs.replace(known, schemes=(0x0904, 0x0905, 0x0906, *known.schemes))
    assert diagnosis.stack_likelihoods(newer) == diagnosis.stack_likelihoods(known)


def test_family_is_a_matter_of_degree_and_adds_up_to_one() -> None:
    priors = diagnosis.family_priors(seen("close", stack=""))
    assert sum(priors.values()) == pytest.approx(1.0)
    assert max(priors.values()) < 0.6


def test_server_header_speaks_for_its_family_and_an_unknown_one_for_none() -> None:
    plain = diagnosis.family_priors(seen("page:invalid"))
    assert diagnosis.family_priors(seen("page:invalid", product="nginx/1.27"))["nginx"] > plain["nginx"]
    assert diagnosis.family_priors(seen("page:invalid", product="acme-frontend")) == plain


# ---- the shape of the model --------------------------------------------------------------------------
def test_confidences_of_all_causes_add_up_to_one() -> None:
    assert sum(c.confidence for c in diagnosis.rank(seen("alert:42", stack="")).candidates) == pytest.approx(1.0)


def test_no_observation_rules_a_cause_out() -> None:
    ranking = diagnosis.rank(probed(seen("alert:44", "expired"), none="alert:40", throw_away="close"))
    assert all(c.confidence > 0 for c in ranking.candidates)


def test_every_cause_has_its_texts() -> None:
    ranked = {row.id for row in CAUSES} | set(HELLO_CAUSES) | {"server-not-trusted"}
    assert ranked <= set(CAUSE_TEXTS)
    assert all(text.summary and text.remedy and text.refuted_by for text in CAUSE_TEXTS.values())


def test_tables_name_only_causes_and_signals_that_exist() -> None:
    causes, signals = {row.id for row in CAUSES}, {*diagnosis.ANYTHING, "alert:41", "page:late", "misdirected"}
    rows: list[Row] = [row for f in FAMILIES for row in (*f.answers.values(), *f.missing.values(), f.denial)]
    assert {signal for row in rows for signal in row} <= signals
    assert {cause for f in FAMILIES for cause in (*f.answers, *f.refuses)} <= causes | {"*", diagnosis.NAMES_DIFFER}
    assert {cause for listed in (*CODE_CAUSES.values(), *(c for _, c in WORDS)) for cause in listed} <= causes


def test_priors_of_the_families_add_up_to_about_one() -> None:
    assert sum(f.prior for f in FAMILIES) == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize(("text", "cause"), [
    ("client certificate not authorized: CERT_HAS_EXPIRED", "expired"),
    ("FAILED:certificate is not yet valid", "not-yet-valid"),
    ("verify=23,ca=0", "revoked"),
    ("x509: certificate specifies an incompatible key usage", "wrong-eku"),
    ("x509: certificate signed by unknown authority", "unknown-ca"),
    ("PKIX path building failed: unable to find valid certification path to requested target", "unknown-ca"),
    ("Access denied. Reason: Client cert using an insecure Signature Algorithm", "weak-signature"),
    ("FAILED:CRL has expired", "server-crl"),
    ("DEPTH_ZERO_SELF_SIGNED_CERT", "self-signed"),
])
def test_words_that_servers_use_are_understood(text: str, cause: str) -> None:
    assert cause in causes_in_words(text)[0]


def test_words_about_something_else_name_nothing() -> None:
    assert causes_in_words("<h1>403 Forbidden</h1><p>you do not have access to this resource</p>") == ((), "")


def test_a_server_that_answered_in_tls_is_neither_unreachable_nor_without_tls() -> None:
    silent = msgspec.structs.replace(seen("hello/close"), tls=None)
    assert "not-tls" in {candidate.id for candidate in diagnosis.rank_hello(silent)}
    assert diagnosis.rank_hello(msgspec.structs.replace(silent, tls="1.3")) == ()
