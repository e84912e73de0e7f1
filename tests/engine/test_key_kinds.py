"""Every kind of key that is loaded can also be used: a handshake with each, accepted by another binding of OpenSSL."""

from __future__ import annotations

import pytest

from inspector.credentials import mint
from inspector.credentials.load import load_credential
from inspector.plan import TlsVersion
from tests.engine.pairs import INTERMEDIATE, StdlibServer, begin, plan

KINDS = [
    ("ec-p256", False), ("ec-p384", False), ("ec-p521", False), ("rsa-2048", False), ("rsa-2048", True),
    ("ed25519", False), ("ed448", False),
]


@pytest.mark.parametrize("version", [TlsVersion.TLS1_2, TlsVersion.TLS1_3])
@pytest.mark.parametrize(("kind", "pss"), KINDS, ids=[f"{kind}{'-pss' if pss else ''}" for kind, pss in KINDS])
def test_loaded_key_signs_a_handshake(kind: str, pss: bool, version: TlsVersion) -> None:
    leaf = mint.leaf("client", INTERMEDIATE, key=kind, pss_key=pss)
    credential = load_credential([("client.pem", leaf.pem()), ("client.key", leaf.key_pem())], lambda _: None)
    server = StdlibServer(version)
    begin(plan(version, credential=credential), server)
    assert (server.handshake_complete, server.error) == (True, None)
