"""OpenSSL's verification offline: every error at every depth, the alert, the path, for servers and for clients."""

from __future__ import annotations

import time
from typing import Any

import pytest

from inspector.credentials import mint
from inspector.engine.verify import verify_client, verify_server
from inspector.errors import InputError
from inspector.plan import TlsVersion, Trust
from inspector.wire.events import Alert
from tests.engine import pairs

NOW = time.time()
DAY = 86400.0
ROOT = mint.authority("Root")
INTERMEDIATE = mint.authority("Intermediate", ROOT)
OTHER = mint.authority("Other")
SERVER = mint.server_leaf(["localhost", "*.example.org", "127.0.0.1"], INTERMEDIATE)


def found(opinion: Any) -> list[tuple[int, str]]:
    return [(error.depth, error.name) for error in opinion.errors]


def test_good_server_is_accepted_with_its_path() -> None:
    opinion = verify_server(SERVER.sent, Trust((ROOT.cert,)), host="localhost")
    assert (opinion.accepted, opinion.alert, opinion.errors) == (True, None, ())
    assert opinion.path == (SERVER.cert, INTERMEDIATE.cert, ROOT.cert)


@pytest.mark.parametrize(("host", "accepted"), [
    ("localhost", True), ("a.example.org", True), ("127.0.0.1", True), (None, True),
    ("a.b.example.org", False), ("127.0.0.2", False),
])
def test_host_is_held_against_the_names(host: str | None, accepted: bool) -> None:
    assert verify_server(SERVER.sent, Trust((ROOT.cert,)), host=host).accepted is accepted


def test_all_errors_at_all_depths_are_told_at_once() -> None:
    late = mint.authority("Late", ROOT, not_after=NOW - DAY)
    leaf = mint.server_leaf(["other.example"], late, not_after=NOW - DAY, purposes=("clientAuth",))
    opinion = verify_server(leaf.sent, Trust((ROOT.cert,)), host="localhost")
    assert sorted(found(opinion)) == [
        (0, "cert_has_expired"), (0, "hostname_mismatch"), (0, "invalid_purpose"), (1, "cert_has_expired"),
    ]
    assert opinion.accepted is False


def test_time_can_be_chosen() -> None:
    assert found(verify_server(SERVER.sent, Trust((ROOT.cert,)), now=NOW + 500 * DAY)) == [(0, "cert_has_expired")]


@pytest.mark.parametrize(("faults", "anchors", "errors", "alert"), [
    ({}, (ROOT,), [], None),
    ({}, (OTHER,), [(0, "unable_to_get_issuer_cert_locally"), (0, "unable_to_verify_leaf_signature")], 48),
    ({"not_after": NOW - DAY}, (ROOT,), [(0, "cert_has_expired")], 45),
    ({"not_before": NOW + DAY}, (ROOT,), [(0, "cert_not_yet_valid")], 42),
    ({"purposes": ("serverAuth",)}, (ROOT,), [(0, "invalid_purpose")], 43),
    ({"wrong_signature": True}, (ROOT,), [(0, "cert_signature_failure")], 51),
    ({"critical_unknown": True}, (ROOT,), [(0, "unhandled_critical_extension")], 46),
])
def test_client_gets_the_alert_that_openssl_sends(
    faults: dict[str, Any], anchors: tuple[mint.Minted, ...], errors: list[tuple[int, str]], alert: int | None,
) -> None:
    opinion = verify_client(mint.leaf("client", ROOT, **faults).credential(), [anchor.cert for anchor in anchors])
    assert (found(opinion), opinion.alert, opinion.accepted) == (errors, alert, alert is None)


def test_alert_is_the_one_that_a_real_handshake_ends_with() -> None:
    """The judgement without a key, and a whole handshake with it, agree."""
    for faults in ({}, {"not_after": NOW - DAY}, {"purposes": ("serverAuth",)}):
        credential = mint.leaf("client", pairs.ROOT, **faults).credential()
        joined = pairs.shake(pairs.plan(TlsVersion.TLS1_2, credential=credential))
        alerts = [event.description for event in joined.decoder.events() if isinstance(event, Alert)]
        opinion = verify_client(credential, [pairs.ROOT.cert])
        assert (joined.server.handshake_complete, alerts) == (opinion.accepted, [opinion.alert] if opinion.alert else [])


def test_revoked_client_is_found_in_the_list() -> None:
    client = mint.leaf("client", ROOT)
    revoked = mint.revocation_list(ROOT, [client.serial])
    clean = mint.revocation_list(ROOT, [])
    assert (found(verify_client(client.credential(), [ROOT.cert], [revoked])), verify_client(
        client.credential(), [ROOT.cert], [revoked]).alert) == ([(0, "cert_revoked")], 44)
    assert verify_client(client.credential(), [ROOT.cert], [clean]).accepted


def test_list_that_is_missing_or_stale_is_the_servers_own_fault() -> None:
    client = mint.leaf("client", INTERMEDIATE)
    other = mint.revocation_list(OTHER, [])
    stale = mint.revocation_list(ROOT, [], this_update=NOW - 20 * DAY, next_update=NOW - 10 * DAY)
    assert (0, "unable_to_get_crl") in found(verify_client(client.credential(), [ROOT.cert], [other]))
    assert found(verify_client(mint.leaf("client", ROOT).credential(), [ROOT.cert], [stale])) == [(0, "crl_has_expired")]


def test_verify_depth_that_is_too_small_is_found() -> None:
    client = mint.leaf("client", mint.authority("Second", INTERMEDIATE))
    assert verify_client(client.credential(), [ROOT.cert], depth=2).accepted
    assert "cert_chain_too_long" in {name for _, name in found(verify_client(client.credential(), [ROOT.cert], depth=0))}


def test_trust_in_an_intermediate_alone_needs_partial_chains() -> None:
    client = mint.leaf("client", INTERMEDIATE)
    assert verify_client(client.credential(), [INTERMEDIATE.cert]).accepted is False
    assert verify_client(client.credential(), [INTERMEDIATE.cert], partial=True).accepted is True


@pytest.mark.parametrize(("version", "alert"), [(TlsVersion.TLS1_2, 40), (TlsVersion.TLS1_3, 116)])
def test_no_certificate_has_an_alert_of_its_own(version: TlsVersion, alert: int) -> None:
    assert verify_client((), [ROOT.cert], version=version).alert == alert


def test_certificate_that_openssl_cannot_read_is_refused_unjudged() -> None:
    opinion = verify_server([b"\x30\x03\x02\x01\x01"], Trust((ROOT.cert,)))
    assert (opinion.accepted, opinion.judged, opinion.errors) == (False, False, ())


def test_strict_adds_the_fine_print() -> None:
    bare = mint.authority("Bare", usage=None)
    leaf = mint.server_leaf(["localhost"], bare)
    assert verify_server(leaf.sent, Trust((bare.cert,)), partial=False).accepted
    assert (1, "ca_cert_missing_key_usage") in found(verify_server(leaf.sent, Trust((bare.cert,)), strict=True, partial=False))


def test_trusted_file_that_is_no_certificate_is_an_input_error() -> None:
    with pytest.raises(InputError):
        verify_client(mint.leaf("client", ROOT).credential(), [b"no"])
    with pytest.raises(InputError):
        verify_client(mint.leaf("client", ROOT).credential(), [ROOT.cert], [b"no"])


def test_a_hundred_judgements_take_a_moment() -> None:
    credential = mint.leaf("client", ROOT).credential()
    start = time.perf_counter()
    for _ in range(100):
        verify_client(credential, [ROOT.cert])
    assert time.perf_counter() - start < 2.0
