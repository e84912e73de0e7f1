"""No alert is lost: twenty rejections in a row against each server that sends one, and what the others do instead.

Expected values are from the servers' documentation and configuration: which alert (RFC 8446, Section 6.2), or which other end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from inspector import drive
from inspector.app import steps
from inspector.credentials.model import Credential
from inspector.plan import HandshakePlan, Road, TlsVersion, Trust
from inspector.session.settings import Settings
from inspector.target import Target
from inspector.trace.events import ApplicationResult, Ended, SessionKept
from inspector.trace.transcript import Transcript
from inspector.wire.events import Alert, ApplicationData, Side
from tests.servers.programs import Lab, Running, find, free_port

pytestmark = pytest.mark.server

RUNS = 20
TLS = {"1.2": TlsVersion.TLS1_2, "1.3": TlsVersion.TLS1_3}


def credential(lab: Lab, kind: str) -> Credential | None:
    entity = lab.pki.clients.get(kind)
    if entity is None:
        return None
    return Credential(kind, tuple(cert.public_bytes(Encoding.DER) for cert in entity.sent), entity.key)


def call(server: Running, lab: Lab, kind: str, tls: str, **changes: Any) -> Transcript:
    """One handshake and its GET, as the command would do it."""
    ours = credential(lab, kind)
    settings = Settings(Target("127.0.0.1", server.port), credential=ours)
    plan = HandshakePlan(
        Road(Target("127.0.0.1", server.port)), server_name="localhost", verify_name="localhost", credential=ours,
        trust=Trust((lab.pki.root.cert.public_bytes(Encoding.DER),)), minimum=TLS[tls], maximum=TLS[tls],
        alpn=("http/1.1",), application=steps.first_step("http", settings),
    )

    def job() -> Generator[Any, Any, Transcript]:
        return (yield plan._replace(**changes))

    return drive.run(job())


def outcome(transcript: Transcript) -> str:
    """What the client could see, as "alert 48", "http 200", "closed"."""
    alerts = [alert.description for alert in transcript.all(Alert) if alert.side is Side.SERVER and alert.level == 2]
    if alerts:
        return f"alert {alerts[0]}"
    result = transcript.last(ApplicationResult)
    if result is not None and result.result.http is not None:
        return f"http {result.result.http.status}"
    ended = transcript.last(Ended)
    assert ended is not None
    return "closed" if ended.by == "server" else f"{ended.by} {ended.how}"


def gnutls(lab: Lab, tls: str) -> Running:
    program, port, run = find("gnutls-serv"), free_port(), lab.place("gnutls")
    pki = lab.pki
    return lab.start(
        [program, "--http", "--port", str(port), "--x509certfile", str(pki["server.pem"]), "--x509keyfile", str(pki["server.key"]),
         "--x509cafile", str(pki["root.pem"]), "--require-client-cert", "--verify-client-cert",
         "--priority", f"NORMAL:-VERS-ALL:+VERS-TLS{tls}"], port, run)


START: dict[str, Callable[[Lab, str], Running]] = {
    "haproxy": lambda lab, tls: lab.haproxy(tls=tls),
    "s_server": lambda lab, tls: lab.s_server(tls=tls),
    "go": lambda lab, tls: lab.go(tls=tls),
    "node": lambda lab, tls: lab.node(tls=tls),
    "python": lambda lab, tls: lab.python(tls=tls),
    "apache": lambda lab, tls: lab.apache(tls=tls),
    "nginx": lambda lab, tls: lab.nginx(tls=tls),
    "gnutls": gnutls,
}

# server, TLS, credential -> what every single run must show
CELLS: list[tuple[str, str, str, str]] = [
    (server, "1.3", kind, seen)
    for server in ("haproxy", "s_server", "python", "apache")
    for kind, seen in (("untrusted", "alert 48"), ("expired", "alert 45"), ("none", "alert 116"))
] + [
    ("node", "1.3", "none", "alert 116"),
    ("node", "1.3", "untrusted", "closed"),
    ("node", "1.2", "untrusted", "closed"),
    ("nginx", "1.3", "none", "http 400"),
    ("nginx", "1.3", "untrusted", "http 400"),
    ("gnutls", "1.3", "none", "alert 116"),
    ("gnutls", "1.3", "untrusted", "alert 49"),
    ("gnutls", "1.2", "untrusted", "alert 49"),
    ("haproxy", "1.2", "untrusted", "alert 48"),
    ("haproxy", "1.2", "none", "alert 40"),
]


@pytest.fixture(scope="module")
def started(lab: Lab) -> Callable[[str, str], Running]:
    """Servers by name and version, each started once."""
    running: dict[tuple[str, str], Running] = {}

    def get(server: str, tls: str) -> Running:
        if (server, tls) not in running:
            running[server, tls] = START[server](lab, tls)
        return running[server, tls]

    return get


@pytest.mark.parametrize(("server", "tls", "kind", "seen"), CELLS)
def test_twenty_rejections_in_a_row_look_the_same(
    server: str, tls: str, kind: str, seen: str, lab: Lab, started: Callable[[str, str], Running],
) -> None:
    running = started(server, tls)
    assert Counter({seen: RUNS}) == Counter(outcome(call(running, lab, kind, tls)) for _ in range(RUNS))


def test_go_rejects_with_an_alert_in_every_run(lab: Lab, started: Callable[[str, str], Running]) -> None:
    """Which alert depends on Go's version; that there is one does not."""
    running = started("go", "1.3")
    for kind in ("none", "untrusted"):
        seen = Counter(outcome(call(running, lab, kind, "1.3")) for _ in range(RUNS))
        assert 1 == len(seen)
        assert next(iter(seen)).startswith("alert ")


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
@pytest.mark.parametrize("server", list(START))
def test_a_good_credential_is_served(server: str, tls: str, lab: Lab, started: Callable[[str, str], Running]) -> None:
    assert "http 200" == outcome(call(started(server, tls), lab, "good", tls))


@pytest.mark.parametrize(("tls", "messages"), [("1.2", [0, 13]), ("1.3", [13])])
def test_apache_asks_late_and_is_answered(tls: str, messages: list[int], lab: Lab) -> None:
    """A Location that requires a certificate: renegotiation in TLS 1.2, post-handshake authentication in TLS 1.3."""
    server = lab.apache("SSLVerifyClient none", tls=tls, location="SSLVerifyClient require")
    good, none, untrusted = (call(server, lab, kind, tls) for kind in ("good", "none", "untrusted"))
    assert ["http 200", {"1.2": "alert 40", "1.3": "alert 116"}[tls], "alert 48"] == [outcome(t) for t in (good, none, untrusted)]
    late = [message for message in good.messages(side=Side.SERVER) if message.late and message.type in (0, 13)]
    assert messages == [message.type for message in late]
    assert [True] == [message.late for message in good.messages(11, Side.CLIENT)]
    assert [1] == [len(message.value.authorities) for message in late if message.type == 13]
    assert ["application"] == [good.phase_of(message).value for message in late if message.type == 13]


def test_early_data_reaches_a_server_that_takes_it(lab: Lab) -> None:
    program, port, run = find("openssl"), free_port(), lab.place("early")
    server = lab.start(
        [program, "s_server", "-accept", f"127.0.0.1:{port}", "-cert", str(lab.pki["server.pem"]),
         "-key", str(lab.pki["server.key"]), "-cert_chain", str(lab.pki["int.pem"]), "-tls1_3", "-early_data", "-quiet"], port, run)
    first = call(server, lab, "none", "1.3", keep_session=True, application=None)
    kept = first.last(SessionKept)
    assert kept is not None
    second = call(server, lab, "none", "1.3", session=kept.session, early_data=b"GET / HTTP/1.0\r\n\r\n", application=None)
    sizes = [event.size for event in second.all(ApplicationData) if event.side is Side.CLIENT]
    assert [18] == sizes
    assert second.messages(5, Side.CLIENT)  # end_of_early_data: the server took it
