"""Where a chain is not trusted, each set of roots is asked by itself."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from inspector.credentials import mint
from inspector.plan import Trust
from inspector.session import trust
from inspector.session.stores import _part

ROOT, OTHER = mint.authority("Root"), mint.authority("Other")
SERVER = mint.server_leaf(["localhost"], ROOT)


@pytest.mark.parametrize(("anchor", "trusted", "errors"), [
    (ROOT, True, ()), (OTHER, False, ("unable_to_get_issuer_cert_locally",)),
])
def test_each_store_has_its_own_verdict(anchor: mint.Minted, trusted: bool, errors: tuple[str, ...]) -> None:
    part = _part(SERVER.sent, Trust((anchor.cert,), source="mine"), time.time())
    assert (part.source, part.trusted, part.errors) == ("mine", trusted, errors)


def test_stores_at_hand_are_listed_once_each(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(ROOT.pem())
    found = trust.stores([str(file)], environment={"SSL_CERT_FILE": str(file)}, stored=[("bank", OTHER.cert)])
    sources = [store.source.partition(" (")[0] for store in found]
    assert sources == [f"SSL_CERT_FILE={file}", "certifi", f"--cacert {file}", "stored CA bank"]
    assert found[2].anchors == (ROOT.cert,)
