"""How `mtls audit` runs against real servers: several targets, limits, interrupts, dry runs, commands that repeat a finding."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from inspector.report.model import Report
from tests.servers.audit_pairs import issue, nghttpx_waits, node_app
from tests.servers.conftest import Mtls
from tests.servers.programs import Lab, Running, find, free_port

DATED = 'http-request return status 200 content-type text/plain hdr date "%[date,http_date]" string "ok"'

pytestmark = pytest.mark.server


def options(lab: Lab) -> list[str]:
    return ["--server-name", "localhost", "--cacert", str(lab.pki["root.pem"]), *lab.pki.client_options("good")]


def reports(out: str) -> list[Any]:
    """The documents, one a line, each of which the model of the format accepts."""
    lines = out.splitlines()
    for line in lines:
        msgspec.json.decode(line, type=Report)
    return [json.loads(line) for line in lines]


def made(report: Any) -> int:
    return int(next(note for note in report["audit"]["notes"] if "connections" in note).split()[0])


def test_each_target_is_one_line_as_it_finishes_and_the_first_code_that_counts_is_returned(lab: Lab, mtls: Mtls) -> None:
    strict, closed = lab.node("strict"), f"127.0.0.1:{free_port()}"
    called = mtls("audit", strict.target, closed, *options(lab), "--json")
    found = {report["target"]["port"]: report for report in reports(called.out)}
    assert {port: report["audit"]["enforcement"] for port, report in found.items()} == {
        strict.port: "ENFORCED",
        int(closed.rpartition(":")[2]): "NOT_DETERMINED",
    }
    assert found[int(closed.rpartition(":")[2])]["error"]["kind"] == "unreachable"
    assert called.code == 3


def test_all_options_fit_the_cap_on_a_server_that_closes_silently(lab: Lab, mtls: Mtls) -> None:
    server = lab.node("strict")
    pair = {kind: "{}:{}".format(*lab.pki.client(kind)) for kind in ("expired", "wrong-eku", "revoked")}
    token = lab.pki.file("token.txt", b"tok\n")
    called = mtls(
        "audit", server.target, *options(lab), "--other-name", "b.test", "--expired", pair["expired"], "--wrong-eku",
        pair["wrong-eku"], "--revoked", pair["revoked"], "--plain-port", str(free_port()), "--token-file", str(token),
        *issue(lab.pki, server), "--json", timeout=120,
    )  # fmt: skip
    (report,) = reports(called.out)
    assert made(report) <= 80
    assert not [note for note in report["audit"]["notes"] if "ended early" in note]


@pytest.mark.parametrize(
    ("limit", "words"), [(("--max-connections", "5"), "cap of 5 connections"), (("--max-time", "1"), "time limit of 1 s")]
)
def test_a_limit_ends_the_audit_and_what_was_not_reached_is_not_run(
    lab: Lab, mtls: Mtls, limit: tuple[str, str], words: str
) -> None:
    server = lab.nginx("on")  # with --issue there is a pause of some seconds, until a certificate has expired
    (report,) = reports(mtls("audit", server.target, *options(lab), *issue(lab.pki, server), *limit, "--json").out)
    assert words in next(note for note in report["audit"]["notes"] if "ended early" in note)
    assert report["audit"]["checks"][-1]["status"] == "not_run"


def test_a_server_that_says_too_many_requests_is_left_alone(lab: Lab, mtls: Mtls) -> None:
    server = lab.nginx(
        "optional",
        locations="location / { root /nonexistent; }",
        http="limit_req_zone $server_name zone=one:1m rate=1r/m;",
        more="limit_req zone=one burst=2 nodelay; limit_req_status 429;",
    )
    (report,) = reports(mtls("audit", server.target, *options(lab), "--json").out)
    assert made(report) <= 5
    assert any("429" in note for note in report["audit"]["notes"])
    assert report["audit"]["enforcement"] == "NOT_DETERMINED"


def test_closed_plain_ports_do_not_end_the_audit(lab: Lab, mtls: Mtls) -> None:
    server = lab.haproxy()
    ports = [word for _ in range(4) for word in ("--plain-port", str(free_port()))]
    (report,) = reports(mtls("audit", server.target, *options(lab), *ports, "--json").out)
    assert report["audit"]["enforcement"] == "ENFORCED"


def test_a_dry_run_sends_nothing_and_lists_every_probe(lab: Lab, mtls: Mtls) -> None:
    called = mtls("audit", f"127.0.0.1:{free_port()}", *options(lab), "--path", "/a", "--dry-run", "--json")
    (report,) = reports(called.out)
    assert (called.code, {check["status"] for check in report["audit"]["checks"]}) == (0, {"not_run"})
    text = "\n".join(report["audit"]["notes"])
    for words in ("no certificate", "good credential", "self-signed", "look-alike", "no SNI", "early data", "SSLv2 alone", "//a"):
        assert words in text


@pytest.mark.parametrize(("number", "code", "kind"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")])
def test_an_interrupt_prints_the_report_so_far(lab: Lab, number: int, code: int, kind: str) -> None:
    server = lab.nginx("on")  # with --issue there is a pause of some seconds, until a certificate has expired
    command = [sys.executable, "-m", "inspector", "audit", server.target, *options(lab), *issue(lab.pki, server), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(2.5)
    process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    (report,) = reports(out)
    assert (process.returncode, report["error"]["kind"]) == (code, kind)
    assert "not_run" in {check["status"] for check in report["audit"]["checks"]}


@pytest.mark.parametrize("server", [nghttpx_waits, lambda lab: lab.haproxy("verify required allow-0rtt", rules=DATED)])
def test_early_data_that_waits_for_the_end_of_the_handshake_is_no_finding(
    lab: Lab, mtls: Mtls, server: Callable[[Lab], Running]
) -> None:
    (report,) = reports(mtls("audit", server(lab).target, *options(lab), "--json").out)
    check = next(c for c in report["audit"]["checks"] if c["id"] == "PROTO-EARLY")
    assert check["status"] == "pass"
    assert "early data waits" in check["summary"]


def replayed(lines: list[str], place: Path) -> list[str]:
    """What each command of a finding's ``repeat`` prints; our own program is found beside this Python."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    env = {**os.environ, "PATH": path, "XDG_CONFIG_HOME": str(place / "config")}
    bash, said = find("bash"), []
    for line in lines:
        done = subprocess.run(
            [bash, "-c", line], cwd=place, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30
        )
        said.append(done.stdout)
    return said


def opened(lab: Lab, mtls: Mtls, server: Running, check: str, *more: str) -> list[str]:
    given = more or ("--path", "/admin")
    (report,) = reports(mtls("audit", server.target, *options(lab), *given, "--json").out)
    finding = next(c for c in report["audit"]["checks"] if c["id"] == check)
    assert finding["status"] == "finding"
    return list(finding["repeat"].splitlines())


@pytest.mark.parametrize(
    ("check", "gate"), [("TRUST-ANY", "present"), ("TRUST-DN", "issuer"), ("ENF-PATH", "exact-path"), ("HTTP-SPOOF", "header")]
)
def test_the_commands_of_a_finding_repeat_it(lab: Lab, mtls: Mtls, check: str, gate: str) -> None:
    server = node_app(lab, gate=gate, pages=["/admin"])
    ours, theirs = replayed(opened(lab, mtls, server, check), lab.place("repeat"))[-2:]
    assert "secret" in ours
    assert "secret" in theirs


def test_the_commands_repeat_a_fault_of_a_certificate_that_was_made_for_the_audit(lab: Lab, mtls: Mtls) -> None:
    server = lab.s_server("-no_check_time")
    said = replayed(opened(lab, mtls, server, "TRUST-EXPIRED", *issue(lab.pki, server)), lab.place("repeat"))
    assert all("Cipher" in answer for answer in said[-2:])


def test_the_commands_offer_the_very_suites_that_a_finding_names(lab: Lab, mtls: Mtls) -> None:
    server = lab.nginx("on", more="ssl_ciphers ALL:aNULL:@SECLEVEL=0;")
    lines = opened(lab, mtls, server, "PROTO-CIPHERS", "--path", "/")
    assert len(lines) > 2
    for line, said in zip(lines, replayed(lines, lab.place("repeat")), strict=True):
        name = line.partition("-cipher ")[2].partition(":")[0]
        assert f"Cipher is {name}\n" in said


def test_a_door_that_is_open_over_http2_alone_is_repeated_over_http2(lab: Lab, mtls: Mtls) -> None:
    rule = "http-request deny deny_status 403 if HTTP_1.1 !{ ssl_c_used }"
    lines = opened(lab, mtls, lab.haproxy("verify optional alpn h2,http/1.1", rules=rule), "ENF-PARITY", "--path", "/")
    (said,) = replayed(lines, lab.place("repeat"))
    assert said.startswith("HTTP/2 200")


def test_suites_have_the_names_that_openssl_gives_them() -> None:
    from inspector.session.audit.repeating import openssl_suite

    listed = subprocess.run(
        [find("openssl"), "ciphers", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"], capture_output=True, text=True, check=True
    )
    pairs = [line.split()[::2][:2] for line in listed.stdout.splitlines()]
    known = {standard: name for standard, name in pairs if "_WITH_" in standard and "PSK" not in standard and "SRP" not in standard}
    assert len(known) > 40
    assert {standard: openssl_suite(standard) for standard in known} == known
