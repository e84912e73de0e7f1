"""`mtls audit` against pairs of real servers: the open one yields its finding, the mended one none of those groups."""

from __future__ import annotations

import pytest

from tests.servers.audit_pairs import PAIRS, Pair
from tests.servers.audit_pairs_more import MORE, client, nginx_http2
from tests.servers.conftest import Called, Mtls
from tests.servers.pki import DAY, NOW, issue, pem
from tests.servers.programs import Lab, Running

pytestmark = pytest.mark.server

GROUPS = ("ENF-", "TRUST-", "HTTP-")
ALL = PAIRS + MORE
NAMES = [f"{pair.check}-{pair.server}" for pair in ALL]


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


@pytest.mark.parametrize("pair", ALL, ids=NAMES)
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


@pytest.mark.parametrize("pair", ALL, ids=NAMES)
def test_mended_server_yields_none(lab: Lab, mtls: Mtls, pair: Pair) -> None:
    server = pair.fixed(lab)
    called = audit(mtls, lab, server, pair)
    assert findings(called, pair.check) == {}
    assert called.report["audit"]["enforcement"] == "ENFORCED"


def test_a_credential_that_lives_for_years_is_a_finding_of_its_own(lab: Lab, mtls: Mtls) -> None:
    server = lab.nginx("on")
    for days, found in ((900, "low"), (300, None)):
        pair = Pair("CLI-CRED", "nginx", lambda lab: server, lambda lab: server, client("long", after=NOW + days * DAY))
        check = findings(audit(mtls, lab, server, pair), "CLI-CRED").get("CLI-CRED")
        assert (check and check["severity"]) == found


def test_what_is_open_over_http2_under_every_name_is_no_matter_of_names(lab: Lab, mtls: Mtls) -> None:
    pair = Pair("ENF-PARITY", "nginx-http2", nginx_http2, nginx_http2)
    assert set(findings(audit(mtls, lab, nginx_http2(lab), pair), "ENF-PARITY")) == {"ENF-PARITY"}
