"""Handshakes that OpenSSL makes here and now are opened with the secrets it logs, and agree with what OpenSSL says of them."""

from __future__ import annotations

from typing import Any

import pytest
from OpenSSL import SSL

from inspector.wire import messages as m
from inspector.wire.events import Alert, ApplicationData, Message, OpaqueRecord, Side, WireEvent
from inspector.wire.registry import CipherSuite
from tests.wire.live import NO_ENCRYPT_THEN_MAC, NO_EXTENDED_MASTER_SECRET, Pair, context, credentials
from tests.wire.traces import decode, facts

V10, V11, V12, V13 = SSL.TLS1_VERSION, SSL.TLS1_1_VERSION, SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION

# (version, OpenSSL's name, IANA's name, key)
SUITES = [
    (V13, "TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256", "ec-p256"),
    (V13, "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384", "rsa-2048"),
    (V13, "TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256", "ed25519"),
    (V13, "TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_SHA256", "ec-p256"),
    (V13, "TLS_AES_128_CCM_8_SHA256", "TLS_AES_128_CCM_8_SHA256", "ec-p256"),
    (V12, "ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ec-p256"),
    (V12, "ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "rsa-2048"),
    (V12, "AES256-GCM-SHA384", "TLS_RSA_WITH_AES_256_GCM_SHA384", "rsa-2048"),
    (V12, "ECDHE-ECDSA-AES128-CCM", "TLS_ECDHE_ECDSA_WITH_AES_128_CCM", "ec-p256"),
    (V12, "ECDHE-ECDSA-AES256-CCM8", "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8", "ec-p256"),
    (V12, "ECDHE-RSA-CHACHA20-POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "rsa-2048"),
    (V12, "ECDHE-RSA-AES128-SHA", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "rsa-2048"),
    (V12, "ECDHE-RSA-AES128-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "rsa-2048"),
    (V12, "ECDHE-ECDSA-AES256-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", "ec-p256"),
    (V12, "AES128-SHA", "TLS_RSA_WITH_AES_128_CBC_SHA", "rsa-2048"),
    (V12, "CAMELLIA256-SHA", "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA", "rsa-2048"),
    (V12, "SEED-SHA", "TLS_RSA_WITH_SEED_CBC_SHA", "rsa-2048"),
    (V12, "NULL-SHA256", "TLS_RSA_WITH_NULL_SHA256", "rsa-2048"),
    (V11, "ECDHE-RSA-AES256-SHA", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "rsa-2048"),
    (V10, "ECDHE-RSA-AES128-SHA", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "rsa-2048"),
    (V10, "IDEA-CBC-SHA", "TLS_RSA_WITH_IDEA_CBC_SHA", "rsa-2048"),
]
OPTIONS = {
    "": 0,
    "no EtM": NO_ENCRYPT_THEN_MAC,
    "no EMS": NO_EXTENDED_MASTER_SECRET,
    "neither": NO_ENCRYPT_THEN_MAC | NO_EXTENDED_MASTER_SECRET,
}


def pair_of(version: int, suite: str, kind: str, options: int = 0, **how: Any) -> Pair:
    client = context(SSL.TLS_METHOD, kind, version=version, suite=suite, options=options)
    server = context(SSL.TLS_METHOD, kind, version=version, suite=suite, options=options)
    return Pair(client, server, **how)


def labels(events: list[WireEvent], side: Side) -> list[str]:
    return [e.type.label for e in events if isinstance(e, Message) and e.side is side]


@pytest.mark.parametrize(
    ("version", "suite", "name", "kind", "options"),
    [
        pytest.param(*row, options, id=" ".join((row[1], str(row[0]), words)))
        for row in SUITES
        for words, options in OPTIONS.items()
        if not (row[0] == V13 and options)
    ],
)
def test_a_mutual_handshake_is_opened_whole(version: int, suite: str, name: str, kind: str, options: int) -> None:
    pair = pair_of(version, suite, kind, options)
    pair.until_quiet()
    texts = {Side.CLIENT: b"ping " * 300, Side.SERVER: b"pong"}
    assert pair.say(Side.CLIENT, texts[Side.CLIENT]) == texts[Side.CLIENT]
    assert pair.say(Side.SERVER, texts[Side.SERVER]) == texts[Side.SERVER]
    pair.close()
    events = pair.finish()
    answer = next(e.value for e in events if isinstance(e, Message) and isinstance(e.value, m.ServerHello))
    chains = [m.certificate_of(e.value).chain for e in events if isinstance(e, Message) and m.certificate_of(e.value)]  # type: ignore[union-attr]
    data = {side: b"".join(e.data or b"" for e in events if isinstance(e, ApplicationData) and e.side is side) for side in Side}
    assert answer.cipher_suite == CipherSuite.named(name)
    assert [e for e in events if isinstance(e, OpaqueRecord)] == []
    assert labels(events, Side.CLIENT)[-1] == "finished"
    assert "finished" in labels(events, Side.SERVER)
    assert [chain[0] for chain in chains] == [credentials(kind)[0]] * 2
    assert data == texts
    alerts = [(e.side, e.level, e.description, e.encrypted) for e in events if isinstance(e, Alert)]
    assert alerts == [(Side.CLIENT, 1, 0, "NULL" not in suite)]


@pytest.mark.parametrize("suite", ["NULL-SHA256", "NULL-SHA", "NULL-MD5"])
def test_what_nobody_encrypted_is_read_without_keys(suite: str) -> None:
    pair = pair_of(V12, suite, "rsa-2048")
    pair.until_quiet()
    pair.say(Side.SERVER, b"after")
    pair.close()
    events = decode(pair.transcript, [])
    assert facts(events) == facts(decode(pair.transcript, pair.lines))
    assert labels(events, Side.CLIENT)[-1] == labels(events, Side.SERVER)[-1] == "finished"
    assert [e.data for e in events if isinstance(e, ApplicationData)] == [b"after"]
    assert [e.encrypted for e in events if isinstance(e, Alert)] == [False]


@pytest.mark.parametrize(("version", "suite", "name", "kind"), SUITES, ids=str)
def test_late_secrets_and_single_bytes_change_nothing(version: int, suite: str, name: str, kind: str) -> None:
    pair = pair_of(version, suite, kind, late_keys=True)
    pair.until_quiet()
    pair.say(Side.CLIENT, b"hello")
    late = pair.finish()
    single = [(side, data[i : i + 1]) for side, data in pair.transcript for i in range(len(data))]
    assert facts(decode(single, pair.lines)) == facts(late)
    assert not any(isinstance(e, OpaqueRecord) for e in late)


def test_renegotiation_inside_encryption_is_opened() -> None:
    client = context(SSL.TLS_METHOD, "rsa-2048", version=V12, suite="ECDHE-RSA-AES128-SHA256")
    server = context(SSL.TLS_METHOD, "rsa-2048", version=V12, suite="ECDHE-RSA-AES128-SHA256", options=SSL.OP_NO_TICKET)
    server.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    pair = Pair(client, server)
    pair.until_quiet()
    pair.server.renegotiate()
    pair.until_quiet()
    pair.say(Side.SERVER, b"after")
    events = pair.finish()
    late = [e.type.label for e in events if isinstance(e, Message) and e.late and e.side is Side.CLIENT]
    assert late == ["client_hello", "certificate", "client_key_exchange", "certificate_verify", "finished"]
    assert [e.data for e in events if isinstance(e, ApplicationData)] == [b"after"]
    assert not any(isinstance(e, OpaqueRecord) for e in events)


def test_session_tickets_of_tls_13_are_opened_and_late() -> None:
    pair = pair_of(V13, "TLS_AES_128_GCM_SHA256", "ec-p256")
    pair.until_quiet()
    tickets = [e for e in pair.finish() if isinstance(e, Message) and e.type.label == "new_session_ticket"]
    assert [(t.late, t.encrypted, t.value.lifetime > 0) for t in tickets] == [(True, True, True)] * 2


def test_post_handshake_authentication_is_decoded() -> None:
    lib: Any = SSL._lib
    client = context(SSL.TLS_METHOD, "ec-p256", version=V13, suite="TLS_AES_128_GCM_SHA256")
    server = context(SSL.TLS_METHOD, "ec-p256", version=V13, suite="TLS_AES_128_GCM_SHA256")
    server.set_verify(SSL.VERIFY_NONE, lambda *_: True)
    lib.SSL_CTX_set_post_handshake_auth(client._context, 1)
    pair = Pair(client, server)
    pair.until_quiet()
    pair.server.set_verify(SSL.VERIFY_PEER, lambda *_: True)
    assert lib.SSL_verify_client_post_handshake(pair.server._ssl) == 1
    pair.until_quiet()
    pair.say(Side.SERVER, b"now")
    pair.say(Side.CLIENT, b"yes")
    late = [(e.side.value, e.type.label) for e in pair.finish() if isinstance(e, Message) and e.late]
    assert late[2:] == [
        ("server", "certificate_request"),
        ("client", "certificate"),
        ("client", "certificate_verify"),
        ("client", "finished"),
        ("server", "new_session_ticket"),
    ] or late[2:6] == [
        ("server", "certificate_request"),
        ("client", "certificate"),
        ("client", "certificate_verify"),
        ("client", "finished"),
    ]


def resume_with_early_data(first_server: SSL.Context, second_server: SSL.Context) -> Pair:
    """A second connection whose client sends early data with the session of a first one."""
    lib: Any = SSL._lib
    ffi: Any = SSL._ffi
    client = context(SSL.TLS_METHOD, "ec-p256", version=V13, suite="TLS_AES_128_GCM_SHA256")
    for server in (first_server, second_server):
        lib.SSL_CTX_set_max_early_data(server._context, 16384)
    first = Pair(client, first_server)
    first.until_quiet()
    session = first.client.get_session()
    first.client.shutdown()
    second = Pair(client, second_server)
    assert session is not None
    second.client.set_session(session)
    written = ffi.new("size_t *")
    assert lib.SSL_write_early_data(second.client._ssl, b"early", 5, written) == 1
    second.move()
    buffer, read = ffi.new("char[]", 100), ffi.new("size_t *")
    lib.SSL_read_early_data(second.server._ssl, buffer, 100, read)
    second.until_quiet()
    return second


def test_early_data_is_opened_and_the_handshake_after_it() -> None:
    server = context(SSL.TLS_METHOD, "ec-p256", version=V13, suite="TLS_AES_128_GCM_SHA256")
    events = resume_with_early_data(server, server).finish()
    assert [(e.side, e.data) for e in events if isinstance(e, ApplicationData)] == [(Side.CLIENT, b"early")]
    assert labels(events, Side.CLIENT) == ["client_hello", "end_of_early_data", "finished"]
    assert not any(isinstance(e, OpaqueRecord) for e in events)


def test_early_data_that_the_server_rejects_is_opened_all_the_same() -> None:
    servers = [context(SSL.TLS_METHOD, "ec-p256", version=V13, suite="TLS_AES_128_GCM_SHA256") for _ in range(2)]
    pair = resume_with_early_data(*servers)
    pair.say(Side.CLIENT, b"again")
    events = pair.finish()
    assert [(e.side, e.data) for e in events if isinstance(e, ApplicationData)] == [
        (Side.CLIENT, b"early"),
        (Side.CLIENT, b"again"),
    ]
    assert labels(events, Side.CLIENT) == ["client_hello", "certificate", "certificate_verify", "finished"]
    assert not any(isinstance(e, OpaqueRecord) for e in events)


def test_a_rejection_in_tls_13_shows_its_alert() -> None:
    pair = pair_of(V13, "TLS_AES_128_GCM_SHA256", "ec-p256")
    pair.server.set_verify(SSL.VERIFY_PEER, lambda *_: False)
    with pytest.raises(SSL.Error):
        pair.until_quiet()
    pair.move()
    alerts = [e for e in pair.finish() if isinstance(e, Alert)]
    assert [(a.side, a.level, a.encrypted) for a in alerts] == [(Side.SERVER, 2, True)]


def test_skipped_data_keeps_the_record_numbers_right() -> None:
    pair = pair_of(V13, "TLS_AES_128_GCM_SHA256", "ec-p256")
    pair.until_quiet()
    pair.say(Side.CLIENT, b"first")
    pair.decoder.skip_data = True
    for _ in range(5):
        pair.say(Side.CLIENT, b"x" * 16000)
    pair.say(Side.CLIENT, b"last")
    data = [(e.size, e.data) for e in pair.finish() if isinstance(e, ApplicationData)]
    assert data == [(5, b"first"), *[(16000, None)] * 5, (4, b"last")]
