"""``mtls read`` from the outside, and the round trip of a live run through ``--pcapng``."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import stat
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from inspector.report import schema
from tests.capture import forge, known, tshark
from tests.cli.peers import Handler, Pki, https, mtls_says, peer

ZEEK = known.FIXTURES / "zeek-tls"
NAMES = known.FIXTURES / "generated-ca-names"


def reports(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def without_times(value: Any) -> Any:
    """Without ``at_ms``: the live run counts from its beginning, a capture from the first packet."""
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key != "at_ms"}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def test_the_table_lists_every_connection_and_one_report_follows() -> None:
    said = mtls_says("read", str(ZEEK / "missing-intermediate.pcap"))
    lines = said.out.splitlines()
    assert [line.split()[:3] for line in lines[1:4]] == [
        ["0", "192.168.4.149:58529", "128.32.169.140:443"],
        ["1", "192.168.4.149:58530", "72.167.102.91:443"],
        ["2", "192.168.4.149:58532", "128.32.169.140:443"],
    ]
    assert "Stream 0" in lines
    assert (said.code, said.err) == (0, "")


def test_json_is_one_valid_document_a_line_in_the_order_of_first_packets() -> None:
    said = mtls_says("read", "--json", str(ZEEK / "tls13-ech.pcap"))
    found = reports(said.out)
    assert [report["capture"]["stream"] for report in found] == [0, 1, 2]
    assert found[1]["capture"]["server"] == {"host": "162.159.138.85", "port": 443}
    for report in found:
        jsonschema.validate(report, schema.schema())
    assert said.code == 5


def test_a_later_stream_that_ends_first_waits_for_its_turn(tmp_path: Path) -> None:
    long = forge.conversation(forge.PARTS, close=())
    short = forge.conversation(forge.PARTS, ports=(41000, 443), start=1000.0005)
    path = tmp_path / "two.pcap"
    path.write_bytes(forge.pcap(forge.packets([*long[:4], *short, *long[4:]])))
    assert [report["capture"]["stream"] for report in reports(mtls_says("read", "--json", str(path)).out)] == [0, 1]


@pytest.mark.parametrize(("arguments", "code"), [
    (("generated-ca-names/tls12-ca-names.pcap",), 0),
    (("zeek-tls/certificate-request-failed.pcap",), 1),
    (("zeek-tls/https-to-http.pcap",), 3),
    (("zeek-tls/ssl-v2.pcap",), 3),
    (("rfc8448/section6.pcap",), 5),
    (("zeek-tls/dtls1_2.pcap",), 0),
    (("pcapng-basic/le/test001.pcapng",), 0),
    (("pcapng-basic/expected.json",), 4),
    (("no-such-file.pcap",), 4),
    (("zeek-tls",), 4),
    (("zeek-tls/hrr.pcap", "--stream", "7"), 2),
    (("zeek-tls/hrr.pcap", "--port", "1"), 2),
    (("zeek-tls/hrr.pcap", "--cert", "x"), 2),
    (("zeek-tls/hrr.pcap", "--keylog", "no-such-file"), 4),
])
def test_exit_codes(arguments: tuple[str, ...], code: int) -> None:
    path, *more = arguments
    for output in ((), ("--json",)):
        assert mtls_says("read", str(known.FIXTURES / path), *more, *output).code == code


@pytest.mark.parametrize(("arguments", "kind", "words"), [
    (("zeek-tls/hrr.pcap", "--port", "1"), "usage", "no TLS connection with port 1 in "),
    (("zeek-tls/hrr.pcap", "--stream", "7"), "usage", "holds no TLS"),
])
def test_that_nothing_was_found_is_an_error_with_a_document(arguments: tuple[str, ...], kind: str, words: str) -> None:
    path, *more = arguments
    plain, document = (mtls_says("read", str(known.FIXTURES / path), *more, *output) for output in ((), ("--json",)))
    assert plain.out == ""
    assert words in plain.err
    assert document.document["error"]["kind"] == kind
    assert words in document.document["error"]["message"]


def test_a_capture_without_tls_is_said_to_hold_none() -> None:
    path = str(known.FIXTURES / "pcapng-basic/le/test001.pcapng")
    plain, document = mtls_says("read", path), mtls_says("read", path, "--json")
    assert plain.out.startswith("no TLS connection in ")
    assert plain.out.endswith("(4 packets, 0 TCP connections)\n")
    assert (document.out, "no TLS connection in " in document.err) == ("", True)


def test_the_table_fits_into_the_columns_that_there_are() -> None:
    said = mtls_says("read", "--quiet", str(NAMES / "tls13-ca-names.pcap"), env={"COLUMNS": "62"})
    assert max(map(len, said.out.splitlines())) <= 62
    assert said.out.split()[:3] == ["stream", "client", "server"]
    assert "accepted (TLS only)" in said.out


def test_what_is_no_capture_is_an_error_with_a_hint_and_a_document() -> None:
    said = mtls_says("read", "--json", str(NAMES / "tls13-ca-names.keylog"))
    assert said.document["error"]["kind"] == "not-a-capture"
    assert said.err.splitlines()[1].startswith("hint: ")


def test_the_same_report_from_standard_input_and_gzip() -> None:
    if shutil.which("gzip") is None:
        pytest.skip("gzip is not installed")
    path = NAMES / "tls12-ca-names.pcap"
    packed = subprocess.run(["gzip", "-c", str(path)], capture_output=True, check=True).stdout
    done = subprocess.run(
        [sys.executable, "-m", "inspector", "read", "-", "--json"], input=packed, capture_output=True, check=False, timeout=60,
    )
    assert reports(done.stdout.decode()) == reports(mtls_says("read", "--json", str(path)).out)


def test_the_hostile_ca_name_reaches_no_terminal_raw() -> None:
    said = mtls_says("read", "-v", str(NAMES / "tls13-ca-names.pcap"), "--keylog", str(NAMES / "tls13-ca-names.keylog"))
    assert not [c for c in said.out if c != "\n" and not c.isprintable()]
    assert "\nX-Injected" not in said.out


def test_chains_are_verified_at_the_time_of_the_capture() -> None:
    (report,) = reports(mtls_says("read", "--json", str(ZEEK / "tls12-decryption.pcap")).out)
    assert report["verification"]["verified_at"].startswith("2021")
    assert "certificate_expired" not in [error["name"] for error in report["verification"]["errors"]]


def test_without_keys_the_verdict_says_what_it_rests_on_and_how_sure_it_is() -> None:
    (report,) = reports(mtls_says("read", "--json", str(NAMES / "tls13-ca-names.pcap")).out)
    auth = report["client_auth"]
    assert (auth["verdict"], auth["requested"], auth["confidence"]) == ("accepted", None, 0.6)
    assert "as large as a certificate's (796 bytes)" in auth["rests_on"]
    assert report["handshake"]["opaque_records"] == [
        {"from": "client", "count": 5, "bytes": 1003}, {"from": "server", "count": 7, "bytes": 1969},
    ]


def test_a_handshake_without_request_is_told_by_its_finished() -> None:
    (report,) = reports(mtls_says("read", "--json", str(known.FIXTURES / "illustrated-tls/tls13.noDSB.pcapng")).out)
    assert report["client_auth"]["verdict"] == "not_requested"
    assert "a Finished alone (69 bytes)" in report["client_auth"]["rests_on"]


def test_diagnose_adds_causes() -> None:
    (report,) = reports(mtls_says("read", "--json", "--diagnose", str(ZEEK / "certificate-request-failed.pcap")).out)
    assert report["diagnosis"]["side"] == "server_rejected_client"
    assert report["diagnosis"]["causes"][0]["id"] == "no-certificate"


def test_keys_reach_no_output() -> None:
    secret = (NAMES / "tls13-ca-names.keylog").read_text().split()[2]
    said = mtls_says("read", "-v", "--json", str(NAMES / "tls13-ca-names.pcap"), "--keylog", str(NAMES / "tls13-ca-names.keylog"))
    assert secret not in said.out + said.err


# --- the round trip ---


def https2(pki: Pki) -> Handler:
    """A server that resets the connection after the client's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.path("server.pem"), pki.path("server.key"))
    context.load_verify_locations(pki.path("root.pem"))
    context.verify_mode = ssl.CERT_REQUIRED

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True):
            pass

    return handle


ROUNDS: dict[str, tuple[Any, tuple[str, ...], str | None]] = {
    "accepted, TLS 1.3": (https, (), "alice"),
    "accepted, TLS 1.2": (https, ("--tls-max", "1.2"), "alice"),
    "rejected, TLS 1.3": (https, (), "mallory"),
    "rejected, TLS 1.2": (https, ("--tls-max", "1.2"), "mallory"),
    "no certificate": (https, (), None),
    "no certificate, TLS 1.2": (https, ("--tls-max", "1.2"), None),
    "no first step": (https, ("--no-http",), "alice"),
    "closed after the handshake": (https2, (), "alice"),
    "not requested": (lambda pki: https(pki, verify=ssl.CERT_NONE), (), "alice"),
    "HTTP 403": (lambda pki: https(pki, status="403 Forbidden"), (), "alice"),
}


def live(pki: Pki, name: str, path: Path) -> Any:
    make, more, who = ROUNDS[name]
    files = ["--cert", pki.path(f"{who}.pem"), "--key", pki.path(f"{who}.key")] if who else []
    with peer(make(pki)) as port:
        said = mtls_says(
            "handshake", f"localhost:{port}", "--connect-to", f"127.0.0.1:{port}", "--cacert", pki.path("root.pem"),
            "--no-system-trust", *files, *more, "--json", "--pcapng", str(path),
        )
    return said.document


@pytest.mark.parametrize("name", ROUNDS)
def test_reading_our_own_capture_gives_the_live_report_again(pki: Pki, tmp_path: Path, name: str) -> None:
    path = tmp_path / "own.pcapng"
    ours = live(pki, name, path)
    (read,) = reports(mtls_says("read", "--json", str(path), "--cacert", pki.path("root.pem"), "--no-system-trust").out)
    for part in ("handshake", "server_chain"):
        assert without_times(read[part]) == without_times(ours[part])
    # what our credential would have met and what others would have sent is not in a capture where nothing was sent
    sides = [{key: value for key, value in report["client_auth"].items() if ours["client_auth"]["sent"] or key not in
              ("match", "would_send")} for report in (read, ours)]
    assert sides[0] == sides[1]
    assert read.get("http", {}).get("status") == ours.get("http", {}).get("status")
    assert read["verification"]["trusted"] is True
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["accepted, TLS 1.3", "accepted, TLS 1.2", "rejected, TLS 1.3"])
def test_tshark_opens_our_own_capture_without_more_keys_or_complaints(pki: Pki, tmp_path: Path, name: str) -> None:
    path = tmp_path / "own.pcapng"
    ours = live(pki, name, path)
    (listed,) = tshark.listed(path).values()
    kinds = [message["type"] for message in ours["handshake"]["messages"] if message["type"] != "change_cipher_spec"]
    assert [known.NAMES.get(kind) or kind for kind in map(known.HandshakeType, (kind for _, kind in listed.messages))] == [
        known.HandshakeType.named(kind) for kind in kinds
    ]
    complaints = tshark.tshark(
        "-r", str(path), "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-Y", "_ws.expert.severity >= 0x600000",
    )
    assert complaints == ""


@pytest.mark.parametrize("offset", [2**63 - 1, -2**63, 253_402_300_800, -10**12])
def test_a_time_that_no_calendar_knows_is_no_crash(tmp_path: Path, offset: int) -> None:
    options = forge.option(14, struct.pack("<q", offset))
    packets = b"".join(forge.enhanced((0.0, *packet[1:])) for packet in forge.packets(forge.SEGMENTS))
    path = tmp_path / "odd.pcapng"
    path.write_bytes(forge.section() + forge.interface(options=options) + packets)
    said = mtls_says("read", "--json", str(path), "--keylog", str(NAMES / "tls13-ca-names.keylog"))
    assert said.code in (0, 1, 5)
    assert reports(said.out)[0]["verification"]["verified_at"] is None


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_secrets_at_the_end_of_a_file_open_what_is_over(tmp_path: Path, jobs: str) -> None:
    keys = (NAMES / "tls13-ca-names.keylog").read_bytes().splitlines()
    second = forge.conversation(forge.PARTS, ports=(41000, 443), start=1100.0)
    path = tmp_path / "end.pcapng"
    path.write_bytes(forge.pcapng(forge.packets([*forge.SEGMENTS, *second])) + forge.secrets(keys))
    read = reports(mtls_says("read", "--json", str(path), "--jobs", jobs).out)
    assert [report["client_auth"]["requested"] for report in read] == [True, True]


def test_what_the_client_said_is_shown_where_the_server_said_nothing(tmp_path: Path) -> None:
    hello = [part for part in forge.PARTS if part[0] == forge.CLIENT][:1]
    path = tmp_path / "silent.pcap"
    path.write_bytes(forge.pcap(forge.packets(forge.conversation(hello))))
    (report,) = reports(mtls_says("read", "--json", str(path)).out)
    assert [message["type"] for message in report["handshake"]["messages"]] == ["client_hello"]
    assert "client_auth" not in report
    assert "the client left" in report["error"]["message"]
    jsonschema.validate(report, schema.schema())


def test_a_certificate_of_a_capture_is_of_no_file() -> None:
    (report,) = reports(mtls_says(
        "read", "--json", str(NAMES / "tls13-ca-names.pcap"), "--keylog", str(NAMES / "tls13-ca-names.keylog"),
    ).out)
    assert (report["credential"]["source"], report["credential"]["format"]) == ("the capture", None)


def test_a_tunnel_that_is_not_followed_is_named(tmp_path: Path) -> None:
    inside = [(at, data[:23] + bytes([47]) + data[24:], length) for at, data, length in forge.packets(forge.SEGMENTS)]
    path = tmp_path / "gre.pcap"
    path.write_bytes(forge.pcap(inside))
    assert f"note: {len(inside)} packets are GRE of an unknown kind, which is not followed" in mtls_says("read", str(path)).err


def test_a_key_log_without_a_secret_is_pointed_out(tmp_path: Path) -> None:
    wrong = tmp_path / "client.pem"
    wrong.write_text("-----BEGIN CERTIFICATE-----\n")
    said = mtls_says("read", str(NAMES / "tls13-ca-names.pcap"), "--keylog", str(wrong))
    assert f"note: '{wrong}' holds no session secret" in said.err


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_key_log_of_other_sessions_is_told(jobs: str) -> None:
    other = str(known.FIXTURES / "illustrated-tls/tls13.keylog")
    capture = str(NAMES / "tls13-ca-names.pcap")
    said = mtls_says("read", capture, "-q", "--keylog", other, "--jobs", jobs)
    assert "is of other sessions" in said.err
    assert mtls_says("read", capture, "-q", "--keylog", str(NAMES / "tls13-ca-names.keylog"), "--jobs", jobs).err == ""


def test_what_cannot_be_seen_is_not_called_absent() -> None:
    said = mtls_says("read", str(NAMES / "tls13-ca-names.pcap"))
    assert "ALPN not visible" in said.out
    assert "no ALPN" in mtls_says("read", str(NAMES / "tls13-ca-names.pcap"), "--keylog", str(NAMES / "tls13-ca-names.keylog")).out


def test_the_name_that_a_certificate_is_held_against_is_the_sni() -> None:
    said = mtls_says("read", str(ZEEK / "tls12-decryption.pcap"), "--no-system-trust")
    (report,) = reports(mtls_says("read", "--json", str(ZEEK / "tls12-decryption.pcap")).out)
    name = next(m["fields"]["server_name"] for m in report["handshake"]["messages"] if m["type"] == "client_hello")
    assert f"name        matches {name}" in said.out or f"name        DOES NOT MATCH {name}" in said.out
