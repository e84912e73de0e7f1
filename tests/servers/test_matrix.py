"""Every server, version and client certificate: what `mtls handshake` must say.

The table was written from the servers' configurations and their logs, not from this tool's output. A cell is the verdict, by what
it was rejected, the alert's number and the HTTP status. The CA names are those of the trust file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from tests.servers.conftest import Mtls
from tests.servers.programs import Lab, Running

pytestmark = pytest.mark.server


class Cell(NamedTuple):
    """What must be reported. ``alert`` None: no fatal alert; ``status`` None: no HTTP answer."""

    verdict: str
    by: str | None = None
    alert: int | None = None
    status: int | None = None


OK = Cell("accepted", None, None, 200)
NOT_ASKED = Cell("not_requested", None, None, 200)


def alert(number: int) -> Cell:
    return Cell("rejected", "tls_alert", number)


def http(status: int) -> Cell:
    return Cell("rejected", "http", None, status)


CLOSED = Cell("rejected", "close")


class Server(NamedTuple):
    """A server, its cells by (version, certificate), whether it lists its CA, and when it asks."""

    start: Callable[[Lab, str], Running]
    cells: dict[tuple[str, str], Cell]
    names: bool = True
    when: str | None = "handshake"


def cells(none12: Cell, none13: Cell, untrusted: Cell, expired: Cell) -> dict[tuple[str, str], Cell]:
    return {
        ("1.2", "good"): OK, ("1.2", "none"): none12, ("1.2", "untrusted"): untrusted, ("1.2", "expired"): expired,
        ("1.3", "good"): OK, ("1.3", "none"): none13, ("1.3", "untrusted"): untrusted, ("1.3", "expired"): expired,
    }  # fmt: skip


# OpenSSL's alerts (X509_V_ERR to alert table in its statem_lib.c): missing is 40 in TLS 1.2 and 116 in TLS 1.3
OPENSSL = cells(alert(40), alert(116), alert(48), alert(45))

SERVERS: dict[str, Server] = {
    # nginx finishes every handshake and answers 400 with its own page
    "nginx-on": Server(lambda lab, tls: lab.nginx("on", tls=tls), cells(http(400), http(400), http(400), http(400))),
    "nginx-optional": Server(lambda lab, tls: lab.nginx("optional", tls=tls), cells(OK, OK, http(400), http(400))),
    "nginx-off": Server(
        lambda lab, tls: lab.nginx("off", tls=tls), cells(NOT_ASKED, NOT_ASKED, NOT_ASKED, NOT_ASKED)
        | {("1.2", "good"): NOT_ASKED, ("1.3", "good"): NOT_ASKED}, names=False, when=None),
    "apache": Server(lambda lab, tls: lab.apache(tls=tls), OPENSSL),
    # the certificate is asked for after the path is known: renegotiation in TLS 1.2, post-handshake authentication in TLS 1.3
    "apache-location": Server(
        lambda lab, tls: lab.apache("SSLVerifyClient none", tls=tls, location="SSLVerifyClient require"), OPENSSL, when="late"),
    "haproxy": Server(lambda lab, tls: lab.haproxy(tls=tls), OPENSSL),
    # Node closes without a word after a certificate that does not verify
    "node": Server(lambda lab, tls: lab.node("strict", tls=tls), cells(alert(40), alert(116), CLOSED, CLOSED)),
    "node-lenient": Server(lambda lab, tls: lab.node("lenient", tls=tls), cells(http(401), http(401), http(401), http(401))),
    "s_server": Server(lambda lab, tls: lab.s_server(tls=tls), OPENSSL),
    # Python's ssl does not tell clients which CAs it trusts
    "python": Server(lambda lab, tls: lab.python("required", tls=tls), OPENSSL, names=False),
    "python-optional": Server(lambda lab, tls: lab.python("optional", tls=tls), cells(OK, OK, alert(48), alert(45)), names=False),
}  # fmt: skip

CELLS = [(name, tls, kind) for name, server in SERVERS.items() for tls, kind in server.cells]
CODES = {"accepted": 0, "not_requested": 0, "rejected": 1}


@pytest.fixture(scope="module")
def running(lab: Lab) -> Callable[[str, str], Running]:
    started: dict[tuple[str, str], Running] = {}

    def start(name: str, tls: str) -> Running:
        if (name, tls) not in started:
            started[name, tls] = SERVERS[name].start(lab, tls)
        return started[name, tls]

    return start


def look(mtls: Mtls, lab: Lab, server: Running, kind: str, *more: str) -> Any:
    return mtls(
        "handshake", server.target, "--server-name", "localhost", "--cacert", lab.pki["root.pem"], *lab.pki.client_options(kind),
        "--json", *more)  # fmt: skip


@pytest.mark.parametrize(("name", "tls", "kind"), CELLS, ids=["-".join(cell) for cell in CELLS])
def test_cell(lab: Lab, mtls: Mtls, running: Callable[[str, str], Running], name: str, tls: str, kind: str) -> None:
    server, row = running(name, tls), SERVERS[name]
    called = look(mtls, lab, server, kind)
    expected = row.cells[tls, kind]
    report = called.report
    auth = report["client_auth"]
    fatal = [a["code"] for a in report["handshake"]["alerts"] if a["from"] == "server" and a["level"] == "fatal"]
    seen = Cell(auth["verdict"], auth["rejected_by"], fatal[0] if fatal else None, (report.get("http") or {}).get("status"))
    assert seen == expected, server.log()[-1500:]
    assert called.code == CODES[expected.verdict]
    assert report["handshake"]["protocol"] == f"TLSv{tls}"
    assert auth["requested"] is (row.when is not None)
    late = "renegotiation" if tls == "1.2" else "post_handshake"
    assert auth["when"] == (late if row.when == "late" else row.when)
    names = [a["name"] for a in auth["certificate_authorities"]]
    assert names == (["CN=Test Root,O=Test"] if row.names else [])
    assert auth["sent"] is (kind != "none" and row.when is not None)
    assert len(auth["sent_chain"]) == {"none": 0, "untrusted": 1}.get(kind, 2) * bool(row.when)
    assert report["verification"]["trusted"] is True
    assert report["verification"]["host_matches"] is True

