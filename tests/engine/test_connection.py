from __future__ import annotations

import pytest

from inspector.credentials import mint
from inspector.engine import context
from inspector.engine.connection import ClientConnection, Data
from inspector.errors import CredentialError, UsageError
from inspector.plan import TlsVersion, Trust
from inspector.trace.events import CertificateError, EngineError, HandshakeDone, Judged, SecretLine
from tests.engine.pairs import (
    BOTH,
    CLIENT,
    INTERMEDIATE,
    OTHER_ROOT,
    ROOT,
    SERVER,
    STRANGER,
    Pair,
    StdlibServer,
    begin,
    certificates_sent,
    events_of,
    exchange,
    plan,
    settings,
    shake,
)

TLS_1_2, TLS_1_3 = BOTH
each_version = pytest.mark.parametrize("version", BOTH, ids=lambda version: version.name)


def judged(pair: Pair) -> tuple[bool, bool | None, bool]:
    verdict = events_of(pair, Judged)[0]
    return verdict.trusted, verdict.host_matches, verdict.withheld


@each_version
@pytest.mark.parametrize("chain", [
    (CLIENT.cert,),
    (CLIENT.cert, INTERMEDIATE.cert),
    (CLIENT.cert, INTERMEDIATE.cert, ROOT.cert),
    (CLIENT.cert, ROOT.cert, INTERMEDIATE.cert),
], ids=["leaf", "good", "with-root", "wrong-order"])
def test_the_certificate_message_holds_exactly_the_chain_given(version: TlsVersion, chain: tuple[bytes, ...]) -> None:
    """Even where the trust store could complete it: else a missing intermediate would hide itself."""
    trust = Trust((ROOT.cert, INTERMEDIATE.cert))
    pair = begin(plan(version, trust=trust, credential=CLIENT.credential(chain=chain)), StdlibServer(version))
    assert [chain] == certificates_sent(pair)


@each_version
def test_a_good_credential_is_accepted_by_another_binding_of_openssl(version: TlsVersion) -> None:
    server = StdlibServer(version)
    pair = begin(plan(version), server)
    assert (True, None) == (server.handshake_complete, server.error)
    assert (True, True, False) == judged(pair)
    assert [f"TLSv{version.name[3:].replace('_', '.')}"] == [done.protocol for done in events_of(pair, HandshakeDone)]


@each_version
@pytest.mark.parametrize("changes", [
    {"trust": Trust((OTHER_ROOT.cert,))},
    {"trust": Trust()},
    {"verify_name": "other.example"},
    {"verify_name": "127.0.0.2"},
], ids=["other-root", "no-root", "other-name", "other-address"])
@pytest.mark.parametrize("credential", [CLIENT.credential(throw_away=False), None], ids=["own", "none"])
def test_no_byte_after_the_hello_reaches_an_unverified_server(version: TlsVersion, changes: dict, credential: object) -> None:
    pair = begin(plan(version, credential=credential, **changes), StdlibServer(version))
    assert [1] == [flight[5] for flight in pair.sent]  # one flight: client_hello
    assert judged(pair)[2]
    assert [] == events_of(pair, HandshakeDone)
    assert b"" == pair.client.data_to_send()


@each_version
def test_nothing_is_said_to_an_unverified_server_when_closing_either(version: TlsVersion) -> None:
    pair = shake(plan(version, verify_name="other.example"))
    pair.client.close()
    assert not pair.client.write(b"GET /", 0.0)
    assert b"" == pair.client.data_to_send()


@each_version
def test_insecure_goes_on_and_keeps_the_verdict(version: TlsVersion) -> None:
    pair = shake(plan(version, verify_name="other.example", insecure=True))
    assert (True, False, False) == judged(pair)
    assert pair.server.handshake_complete


@pytest.mark.parametrize(("name", "matches", "codes"), [
    ("localhost", True, []),
    ("LOCALHOST", True, []),
    ("localhost.", True, []),
    ("127.0.0.1", True, []),
    ("::1", False, [64]),
    ("127.0.0.2", False, [64]),
    ("other.example", False, [62]),
    (None, None, []),
])
def test_the_name_is_judged_by_openssl_with_depth_zero(name: str | None, matches: bool | None, codes: list[int]) -> None:
    pair = shake(plan(verify_name=name))
    assert (matches, codes) == (judged(pair)[1], [error.code for error in events_of(pair, CertificateError)])
    assert all(error.depth == 0 for error in events_of(pair, CertificateError))


def test_a_common_name_alone_never_matches() -> None:
    server = mint.server_leaf(["localhost"], issuer=ROOT, names=())
    pair = shake(credential=server.credential())
    assert (True, False, True) == judged(pair)


def test_every_error_of_the_chain_is_collected() -> None:
    expired = mint.server_leaf(["other.example"], issuer=OTHER_ROOT, not_before=0.0, not_after=1e9, purposes=("clientAuth",))
    pair = shake(credential=expired.credential())
    assert {10, 20, 26, 62} <= {error.code for error in events_of(pair, CertificateError)}
    assert {expired.cert} == {error.certificate for error in events_of(pair, CertificateError)}


def test_the_verified_path_runs_from_leaf_to_anchor() -> None:
    assert [(SERVER.cert, ROOT.cert)] == [verdict.path for verdict in events_of(shake(), Judged)]


def test_an_anchor_need_not_be_a_root() -> None:
    server = mint.server_leaf(["localhost"], issuer=INTERMEDIATE)
    pair = shake(plan(trust=Trust((INTERMEDIATE.cert,))), credential=server.credential())
    assert (True, True, False) == judged(pair)


def test_openssl_of_the_server_names_its_reason_in_an_alert() -> None:
    pair = shake(plan(credential=STRANGER.credential()))
    assert events_of(pair, EngineError)
    alerts = [(event.level, event.description) for event in pair.decoder.events() if hasattr(event, "description")]
    assert [(2, 48)] == alerts


def test_a_tolerant_server_lets_a_stranger_in_and_says_what_was_wrong() -> None:
    pair = shake(plan(credential=STRANGER.credential()), strict=False)
    assert pair.server.handshake_complete
    assert [(0, 20)] == [(error.depth, error.code) for error in pair.server.errors][:1]
    assert (STRANGER.cert,) == pair.server.client_chain[:1]


@each_version
def test_a_certificate_asked_for_late_is_sent(version: TlsVersion) -> None:
    """Post-handshake authentication in TLS 1.3, renegotiation in TLS 1.2."""
    pair = shake(plan(version), late=True)
    assert () == pair.server.client_chain
    assert pair.server.ask_for_certificate(1.0)
    exchange(pair)
    assert CLIENT.sent == certificates_sent(pair)[-1]
    assert CLIENT.cert == pair.server.client_chain[0]


@each_version
def test_application_data_crosses_in_both_directions(version: TlsVersion) -> None:
    pair = shake(plan(version))
    assert pair.client.write(b"ping", 1.0)
    pair.server.receive_data(pair.client.data_to_send(), 1.0)
    assert Data(b"ping") == pair.server.next_event()
    pair.server.write(b"x" * 40_000, 1.0)
    pair.client.receive_data(pair.server.data_to_send(), 1.0)
    pieces = []
    while (event := pair.client.next_event()) is not None:
        pieces.append(event.data)
    assert (b"x" * 40_000, True) == (b"".join(pieces), max(map(len, pieces)) <= 16_384)


@each_version
def test_a_session_is_resumed_across_contexts_with_its_verdict(version: TlsVersion) -> None:
    first = shake(plan(version))
    first.client.close()
    session = first.client.session(1.0)
    again = plan(version, session=session, credential=None, ciphers="DEFAULT:@SECLEVEL=1")
    second = begin(again, type(first.server)(settings()))
    assert [True] == [done.resumed for done in events_of(second, HandshakeDone)]
    assert events_of(first, Judged)[0][1:] == events_of(second, Judged)[0][1:]


@each_version
@pytest.mark.parametrize("changes", [{"verify_name": "other.example"}, {"trust": Trust((OTHER_ROOT.cert,))}])
def test_a_session_does_not_vouch_for_another_name_or_trust(version: TlsVersion, changes: dict) -> None:
    first = shake(plan(version))
    first.client.close()
    second = begin(plan(version, session=first.client.session(1.0), **changes), type(first.server)(settings()))
    assert judged(second)[2]
    assert [] == events_of(second, HandshakeDone)


@each_version
def test_a_weak_credential_is_presented_for_the_server_to_judge(version: TlsVersion) -> None:
    weak = mint.leaf("weak", issuer=ROOT, key="rsa-1024").credential()
    assert (True, False) == (context.needs_lower_level(weak), context.needs_lower_level(CLIENT.credential()))
    pair = shake(plan(version, credential=weak), security_level=0)
    assert weak.chain == pair.server.client_chain


@pytest.mark.parametrize(("faults", "code"), [({"key": "rsa-1024"}, 66), ({"signature": "sha1"}, 68)])
def test_our_own_weak_credential_does_not_lower_what_is_asked_of_the_server(faults: dict, code: int) -> None:
    weak = mint.leaf("weak", issuer=ROOT, key="rsa-1024").credential()
    server = mint.server_leaf(["localhost"], issuer=ROOT, **faults)
    pair = shake(plan(TLS_1_2, credential=weak), credential=server.credential(), security_level=0)
    assert [(0, code)] == [(error.depth, error.code) for error in events_of(pair, CertificateError)]
    assert (False, True, True) == judged(pair)


@pytest.mark.parametrize("version", [TlsVersion.TLS1_0, TlsVersion.TLS1_1])
def test_old_versions_are_spoken_at_a_lower_security_level(version: TlsVersion) -> None:
    pair = shake(plan(version), security_level=0, minimum=version)
    assert ["TLSv1" if version is TlsVersion.TLS1_0 else "TLSv1.1"] == [done.protocol for done in events_of(pair, HandshakeDone)]
    assert 0 == context.security_level(plan(version))
    assert context.security_level(plan()) is None


def test_a_key_of_another_certificate_is_found_before_connecting() -> None:
    mixed = CLIENT.credential()._replace(key=STRANGER.key)
    with pytest.raises(CredentialError) as caught:
        ClientConnection(plan(credential=mixed))
    assert "key-mismatch" == caught.value.kind


@pytest.mark.parametrize("changes", [
    {"ciphers": "NONSENSE"}, {"ciphers": "TLS_NONSENSE"}, {"groups": "nonsense"}, {"sigalgs": "nonsense"},
])
def test_what_openssl_does_not_know_is_wrong_usage(changes: dict) -> None:
    with pytest.raises(UsageError):
        ClientConnection(plan(**changes))


def test_contexts_are_made_once_for_the_same_settings() -> None:
    assert context.client_context(plan()) is context.client_context(plan(verify_name="other.example", server_name=None))
    assert context.client_context(plan()) is not context.client_context(plan(credential=STRANGER.credential()))


def test_secrets_are_told_and_never_shown() -> None:
    secrets = events_of(shake(), SecretLine)
    assert 5 == len(secrets)
    assert not any(word.decode() in repr(secrets) for line in secrets for word in line.line.split())


def test_rubbish_instead_of_a_server_hello_is_an_event() -> None:
    client = ClientConnection(plan())
    client.start(0.0)
    client.receive_data(b"HTTP/1.1 400 Bad Request\r\n\r\n", 1.0)
    assert isinstance(client.next_event(), EngineError)
    assert client.failed
