"""``would_send`` says what the real clients do: asked for the right authority, another, none, one that is equal only as text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from inspector.analysis.emulate import would_send
from inspector.credentials import mint
from inspector.engine.server import ServerSettings
from inspector.plan import TlsVersion
from tests.clients.listener import Listener
from tests.clients.programs import PROGRAMS, Files

pytestmark = pytest.mark.client

ROOT = mint.authority("Clients' Root")
INTERMEDIATE = mint.authority("Clients' Intermediate", ROOT)
SERVER = mint.server_leaf(["localhost", "127.0.0.1"], ROOT)
OTHER = mint.authority("Another Root")
NAMES: dict[str, tuple[bytes, ...]] = {
    "right": (OTHER.subject, ROOT.subject),
    "another": (OTHER.subject,),
    "none": (),
    "equal-as-text": (mint.name("Clients' Root", string="printable"),),
    "other-case": (mint.name("CLIENTS'  root"),),
}
CREDENTIALS = {
    "good": mint.leaf("client", INTERMEDIATE),
    "rsa": mint.leaf("client", INTERMEDIATE, key="rsa-2048"),
    "server-purpose": mint.leaf("client", INTERMEDIATE, purposes=("serverAuth",)),
    "no-digital-signature": mint.leaf("client", INTERMEDIATE, usage=("keyAgreement",)),
}
VERSIONS = (TlsVersion.TLS1_2, TlsVersion.TLS1_3)


@pytest.fixture(scope="module")
def listeners() -> Iterator[dict[tuple[str, TlsVersion], Listener]]:
    with ExitStack() as stack:
        yield {
            (case, version): stack.enter_context(Listener(ServerSettings(
                SERVER.credential(), verify="optional", strict=False, ca_names=names, minimum=version, maximum=version,
            )))
            for case, names in NAMES.items() for version in VERSIONS
        }


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Files]:
    return {label: Files(tmp_path_factory.mktemp(label), minted, ROOT) for label, minted in CREDENTIALS.items()}


@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize("client", PROGRAMS)
def test_real_client_sends_or_withholds_as_would_send_says(
    client: str, credential: str, listeners: dict[tuple[str, TlsVersion], Listener], files: dict[str, Files],
) -> None:
    before = {key: len(listener.visits) for key, listener in listeners.items()}
    output = PROGRAMS[client](files[credential], [listener.port for listener in listeners.values()])
    observed: dict[Any, bool | None] = {}
    expected: dict[Any, bool | None] = {}
    for key, listener in listeners.items():
        assert len(listener.settled()) > before[key], output
        # a client may give up before it is asked; each listener asks everybody for the same
        request = next(visit.request for visit in listener.visits if visit.request is not None)
        observed[key[0], key[1].name] = any(visit.chain for visit in listener.visits[before[key]:])
        told = {entry.client: entry.sends for entry in would_send(request, CREDENTIALS[credential].credential())}
        expected[key[0], key[1].name] = told[client]
    assert expected == observed, output
