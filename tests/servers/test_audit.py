"""`mtls audit` against pairs of real servers: the open one yields its finding, the mended one none of those groups."""

from __future__ import annotations

import pytest

from tests.servers.audit_pairs import PAIRS, Pair
from tests.servers.conftest import Called, Mtls
from tests.servers.pki import issue, pem
from tests.servers.programs import Lab, Running

pytestmark = pytest.mark.server

GROUPS = ("ENF-", "TRUST-", "HTTP-")
NAMES = [f"{pair.check}-{pair.server}" for pair in PAIRS]


def audit(mtls: Mtls, lab: Lab, server: Running, pair: Pair) -> Called:
    return mtls(
        "audit",
        server.target,
        "--server-name",
        "localhost",
        "--cacert",
        lab.pki["root.pem"],
        *lab.pki.client_options("good"),
        *pair.options(lab.pki, server),
        "--json",
        timeout=120,
    )


def findings(called: Called, wanted: str) -> dict[str, dict[str, str]]:
    """Findings of the groups that speak of getting in; ``wanted`` is the id of another group that is looked for."""
    return {
        c["id"]: c
        for c in called.report["audit"]["checks"]
        if c["status"] == "finding" and (c["id"].startswith(GROUPS) or c["id"] == wanted)
    }


@pytest.fixture(scope="module", autouse=True)
def public_roots(lab: Lab) -> None:
    import certifi

    with open(certifi.where(), "rb") as bundle:
        lab.pki.file("public.pem", lab.pki["root.pem"].read_bytes() + bundle.read())
    # a list of more than 16 KiB
    many = [
        issue(f"authority {number} of a list that grew and grew over the years", ca=True).cert
        for number in range(230)
    ]
    lab.pki.file("many.pem", lab.pki["root.pem"].read_bytes() + pem(*many))


@pytest.mark.parametrize("pair", PAIRS, ids=NAMES)
def test_open_server_yields_its_finding(lab: Lab, mtls: Mtls, pair: Pair) -> None:
    server = pair.vulnerable(lab)
    called = audit(mtls, lab, server, pair)
    found = findings(called, pair.check)
    assert pair.check in found, (found, [c["summary"] for c in called.report["audit"]["checks"] if c["id"] == pair.check])
    assert called.report["audit"]["enforcement"] == pair.enforcement
    finding = found[pair.check]
    assert finding["evidence"]
    assert finding["control"]
    assert finding["confidence"] in (("confirmed",) if pair.check != "TRUST-STORE" else ("likely",))


@pytest.mark.parametrize("pair", PAIRS, ids=NAMES)
def test_mended_server_yields_none(lab: Lab, mtls: Mtls, pair: Pair) -> None:
    server = pair.fixed(lab)
    called = audit(mtls, lab, server, pair)
    assert findings(called, pair.check) == {}
    assert called.report["audit"]["enforcement"] == "ENFORCED"
