"""``mtls request`` and ``mtls connect`` against real servers: the gate, receipts, redirects, retries, raw bytes, equivalents."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from tests.servers.http_lab import echo_backend, echo_nginx, echo_node, without_proxy_variables
from tests.servers.programs import find, free_port

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def node(lab):
    return echo_node(lab)


@pytest.fixture(scope="module")
def nginx(lab):
    return lab.nginx()


@pytest.fixture
def trust(pki):
    return ["--cacert", str(pki["root.pem"])]


@pytest.fixture
def good(pki, trust):
    return [*trust, "--cert", str(pki["client-good.pem"]), "--key", str(pki["client-good.key"])]


def spki_pin(pki) -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = x509.load_pem_x509_certificate(pki["server.pem"].read_bytes()).public_key()
    import base64

    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    return "sha256//" + base64.b64encode(digest).decode()


def test_an_unverified_server_gets_neither_certificate_nor_request(mtls, node, good):
    called = mtls("request", f"https://localhost:{node.port}/echo", *good[2:], "-d", "secret", "--json")
    assert [called.code, called.report["client_auth"]["sent"]] == [1, False]
    assert called.report["error"]["kind"] == "server-not-verified"
    insecure = mtls("request", f"https://localhost:{node.port}/echo", *good[2:], "--insecure")
    assert insecure.code == 0
    assert "not verified" in insecure.err


def test_the_gate_opens_only_where_all_of_it_holds(mtls, lab, pki, node, good):
    url = f"https://localhost:{node.port}/echo"
    pin = spki_pin(pki)
    for requirement, code in (
        ("client-accepted", 0), ("verified,client-accepted,tls>=1.3,alpn=h2", 0), (f"peer-spki={pin}", 0), ("client-requested", 0),
        ("alpn=http/1.1", 1), ("tls<=1.2", 1), (f"peer-spki=sha256//{'A' * 43}=", 1), ("group=P-521", 1),
    ):
        called = mtls("request", url, *good, "--require", requirement, "-o", "/dev/null")
        assert called.code == code, (requirement, called.err)
        assert ("nothing was sent" in called.err) is (code != 0)


def test_without_a_positive_sign_client_accepted_is_undecided_and_nothing_is_sent(mtls, lab, pki, good):
    """A server without tickets says nothing in TLS 1.3 until it is spoken to."""
    server = lab.s_server("-num_tickets", "0", tls="1.3")
    url = f"https://localhost:{server.port}/"
    quiet = mtls("request", url, *good, "--require", "client-accepted", "--json")
    assert [quiet.code, quiet.report["client_auth"]["verdict"], quiet.report["error"]["kind"]] == [5, "undecided", "gate-closed"]
    assert "http" not in quiet.report
    assert mtls("request", url, *good, "-o", "/dev/null").code == 0


@pytest.mark.parametrize("bad", ["untrusted", "expired"])
def test_a_rejected_certificate_is_exit_1_and_sends_nothing(mtls, lab, pki, trust, bad):
    server = lab.haproxy()
    called = mtls("request", f"https://localhost:{server.port}/", *trust, "--cert", str(pki[f"client-{bad}.pem"]), "--key",
                  str(pki[f"client-{bad}.key"]), "-d", "body", "--json")
    assert [called.code, called.report["client_auth"]["verdict"]] == [1, "rejected"]
    assert "http" not in called.report


def test_a_receipt_binds_the_exchange_to_the_channel(mtls, pki, node, good, tmp_path):
    path = tmp_path / "receipt.json"
    raw = tmp_path / "answer"
    url = f"https://localhost:{node.port}/echo"
    called = mtls("request", url, *good, "--http1.1", "-i", "-o", str(raw), "--receipt", str(path))
    assert called.code == 0
    receipt = json.loads(path.read_text())
    assert receipt["server"]["spki_sha256"] is not None
    der = subprocess.run([find("openssl"), "x509", "-in", str(pki["client-good.pem"]), "-outform", "DER"], capture_output=True,
                         check=True).stdout
    assert receipt["client"]["certificate_sha256"] == hashlib.sha256(der).hexdigest()
    assert len(bytes.fromhex(receipt["exporter"]["value"])) == 32
    request = f"GET /echo HTTP/1.1\r\nHost: localhost:{node.port}\r\nUser-Agent: mtls-inspector/"
    assert len(receipt["request"]["sha256"]) == 64
    from inspector.version import __version__

    whole = f"{request}{__version__}\r\nAccept: */*\r\n\r\n".encode()
    assert receipt["request"]["sha256"] == hashlib.sha256(whole).hexdigest()


@pytest.mark.parametrize("version", ["1.3", "1.2"])
def test_the_receipts_exporter_is_the_one_that_the_server_computes(mtls, pki, good, tmp_path, version):
    from OpenSSL import SSL

    seen: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.use_certificate_chain_file(str(pki["server.pem"]))
        context.use_privatekey_file(str(pki["server.key"]))
        with listener.accept()[0] as sock:
            connection = SSL.Connection(context, sock)
            connection.set_accept_state()
            connection.recv(4096)
            seen.append(connection.export_keying_material(b"EXPORTER-Channel-Binding", 32))
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            connection.shutdown()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        path = tmp_path / "receipt.json"
        called = mtls("request", f"https://localhost:{listener.getsockname()[1]}/", *good, "-4", "--tls-max", version, "--timeout",
                      "10", "--receipt", str(path))
        thread.join(timeout=10)
    assert called.code == 0, called.err
    assert json.loads(path.read_text())["exporter"]["value"] == seen[0].hex()


def test_redirects_stay_at_home_with_the_certificate(mtls, lab, node, good):
    """The other host asks for a certificate too: it gets none, unless it was said to be trusted."""
    other = lab.nginx("optional", locations='location / { return 200 "verify=$ssl_client_verify\\n"; }')
    url = f"https://localhost:{node.port}/elsewhere/{other.port}"
    assert mtls("request", url, *good).out == ""
    followed = mtls("request", url, *good, "-L")
    assert [followed.code, followed.out] == [0, "verify=NONE\n"], followed.err
    trusted = mtls("request", url, *good, "--location-trusted")
    assert [trusted.code, trusted.out] == [0, "verify=SUCCESS\n"], trusted.err


def test_several_urls_go_over_one_connection(mtls, lab, good):
    server = lab.nginx(locations="location / { return 200 \"$connection_requests\\n\"; }")
    urls = [f"https://localhost:{server.port}/{n}" for n in range(4)]
    called = mtls("request", *urls, *good, "-w", "%{http_code} ")
    assert [called.code, called.out] == [0, "1\n200 2\n200 3\n200 4\n200 "]


def test_a_server_that_closes_after_each_answer_is_met_again(mtls, lab, good):
    server = lab.nginx(more="keepalive_requests 1;", locations="location / { return 200 \"$connection_requests\\n\"; }")
    urls = [f"https://localhost:{server.port}/{n}" for n in range(3)]
    assert mtls("request", *urls, *good).out == "1\n1\n1\n"


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_passing_errors_are_tried_again(mtls, lab, good, version):
    server = echo_node(lab)
    words = [f"https://localhost:{server.port}/flaky", *good, "--retry-delay", "0.05", version]
    called = mtls("request", *words, "--retry", "3")
    assert [called.code, called.out] == [0, "try 3\n"]
    given_up = mtls("request", *words, "--retry", "1", "--fail")
    assert [given_up.code, given_up.out] == [1, ""]


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_trailers_are_shown_with_the_head(mtls, node, good, version):
    called = mtls("request", f"https://localhost:{node.port}/trailers", *good, "-i", version)
    assert called.code == 0
    assert called.out.endswith("body\nx-sum: 42\n")


def test_an_expected_continue_is_waited_for(mtls, node, good, tmp_path):
    body = tmp_path / "body"
    body.write_bytes(b"x" * 100_000)
    called = mtls("request", f"https://localhost:{node.port}/swallow", *good, "-T", str(body), "--expect100", "--http1.1")
    assert called.out == f"100000 {hashlib.sha256(body.read_bytes()).hexdigest()}\n"


def test_fields_of_the_report_are_written_out(mtls, node, good):
    called = mtls("request", f"https://localhost:{node.port}/echo", *good, "-o", "/dev/null", "-w",
                  "%{http_code} %{handshake.protocol} %{client_auth.verdict} %header{content-type} %{http_version}\\n")
    assert called.out == "200 TLSv1.3 accepted application/json 2\n"


def test_passwords_come_from_files_and_the_environment(mtls, node, good, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("pw\n")
    basic = mtls("request", f"https://localhost:{node.port}/echo", *good, "--user", "bob", "--user-file", str(secret))
    assert json.loads(basic.out)["headers"]["authorization"] == "Basic Ym9iOnB3"
    bearer = mtls("request", f"https://localhost:{node.port}/echo", *good, "--bearer-file", str(secret))
    assert json.loads(bearer.out)["headers"]["authorization"] == "Bearer pw"


def test_raw_bytes_go_out_as_they_are(mtls, lab, node, good, tmp_path):
    raw = tmp_path / "raw"
    raw.write_bytes(b"GET /echo HTTP/1.1\r\nhOsT:  odd\r\nX-Test:\ttab \r\nConnection: close\r\n\r\n")
    called = mtls("request", f"https://localhost:{node.port}/", *good, "--raw", str(raw))
    assert called.code == 0
    assert called.out.startswith("HTTP/1.1 200 OK\r\n") or called.out.startswith("HTTP/1.1 200 OK\n")
    hexed = mtls("request", f"https://localhost:{node.port}/", *good, "--raw", str(raw), "--hex")
    assert hexed.out.startswith("00000000  48 54 54 50 2f 31 2e 31 20 32 30 30 20 4f 4b 0d  HTTP/1.1 200 OK.\n")


def test_connect_is_a_pipe_in_both_directions(lab, pki, good):
    """What is typed is answered line by line, while both directions stay open."""
    port, run = free_port(), lab.place("rev")
    lab.start([find("openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-cert", str(pki["server.pem"]), "-key",
               str(pki["server.key"]), "-cert_chain", str(pki["int.pem"]), "-Verify", "3", "-verify_return_error", "-CAfile",
               str(pki["root.pem"]), "-rev"], port, run)
    command = [sys.executable, "-m", "inspector", "connect", f"localhost:{port}", *good, "--wait", "0.5", "--timeout", "15"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=without_proxy_variables()) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for word in (b"first", b"second"):
            process.stdin.write(word + b"\n")
            process.stdin.flush()
            assert process.stdout.readline() == word[::-1] + b"\n"
        process.stdin.close()
        assert process.wait(timeout=20) == 0
        assert process.stderr is not None
        assert b"server verified" in process.stderr.read()


def test_connect_sends_nothing_to_a_server_that_is_not_verified(mtls, node, good):
    called = mtls("connect", f"localhost:{node.port}", *good[2:], stdin="secret\n")
    assert [called.code, called.out] == [1, ""]


def test_the_equivalents_give_the_same_answer(mtls, lab, node, good, tmp_path):
    """curl, OpenSSL, Python and Go, run as they were printed."""
    url = f"https://localhost:{node.port}/echo?x=1"
    ours = json.loads(mtls("request", url, *good).out)
    environment = {**without_proxy_variables(), "HOME": str(tmp_path), "GO111MODULE": "off", "GOCACHE": str(tmp_path / "go")}

    def run(text: str, *command: str) -> str:
        done = subprocess.run([*command, text], capture_output=True, text=True, timeout=120, env=environment, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def printed(tool: str) -> str:
        called = mtls("request", url, *good, "--as", tool)
        assert called.code == 0
        return str(called.out)

    def same(answer: str) -> None:
        seen, _ = json.JSONDecoder().raw_decode(answer[answer.index("{") :])
        assert [seen["method"], seen["url"], seen["sha256"]] == [ours["method"], ours["url"], ours["sha256"]]

    same(run(printed("curl"), "sh", "-c"))
    same(run(printed("openssl"), "sh", "-c"))
    same(run(printed("python"), sys.executable, "-c"))
    program = tmp_path / "main.go"
    program.write_text(printed("go"))
    same(run(str(program), find("go"), "run"))


def test_the_java_equivalent_gives_the_same_answer(mtls, pki, node, trust, tmp_path):
    java, keytool = find("java"), find("keytool")
    store = tmp_path / "me.p12"
    subprocess.run([find("openssl"), "pkcs12", "-export", "-in", str(pki["client-good.pem"]), "-inkey", str(pki["client-good.key"]),
                    "-out", str(store), "-passout", "pass:changeit"], check=True, capture_output=True)
    (tmp_path / "passphrase").write_text("changeit\n")
    called = mtls("request", f"https://localhost:{node.port}/echo", *trust, "--pfx", str(store), "--passphrase-file",
                  str(tmp_path / "passphrase"), "--as", "java")
    (tmp_path / "Request.java").write_text(called.out)
    comments = [line.removeprefix("// ") for line in called.out.splitlines() if line.startswith("// ")]
    assert comments[0].startswith("keytool")
    environment = {**without_proxy_variables(), "PASSPHRASE": "changeit"}
    for line in (comments[0].replace("keytool", keytool, 1), comments[1].replace("java", java, 1)):
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120)
        if "class not found" in done.stderr.lower() or "unsupported" in done.stderr.lower():
            pytest.skip("this Java runs no source files")
        assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("200\n")


def test_a_pasted_curl_command_is_understood(mtls, pki, node):
    text = (f"curl -sS -X POST 'https://localhost:{node.port}/echo' \\\n  -H 'X-Test: pasted' --data-raw 'a=b' --compressed "
            f"--cacert {pki['root.pem']} -E {pki['client-good.pem']} --key {pki['client-good.key']} -u bob:pw")
    called = mtls("request", "--curl", "-", stdin=text)
    assert called.code == 0, called.err
    seen = json.loads(called.out)
    assert [seen["method"], seen["headers"]["x-test"], seen["size"]] == ["POST", "pasted", 3]
    assert seen["headers"]["authorization"] == "Basic Ym9iOnB3"


@pytest.mark.parametrize("text", ["wget https://x/", "curl --frobnicate https://x/", "curl 'https://x", "curl --pass x https://x/"])
def test_a_curl_command_that_is_not_understood_is_wrong_usage(mtls, text):
    assert mtls("request", "--curl", text).code == 2


def test_a_body_of_forty_megabytes_streams_both_ways(mtls, lab, good, tmp_path):
    """A smaller sibling of the benchmark: hashes right, memory flat."""
    server = echo_nginx(lab, echo_backend(lab))
    size = 40 * 1024 * 1024
    block = b"0123456789abcdef" * 4096
    whole = block * (size // len(block))
    digest = hashlib.sha256(whole).hexdigest()
    body = tmp_path / "big"
    body.write_bytes(whole)
    for version in ("--http1.1", "--http2"):
        down = tmp_path / "down"
        called = mtls("request", f"https://localhost:{server.port}/stream/{size}", *good, version, "-o", str(down))
        assert called.code == 0, called.err
        assert hashlib.sha256(down.read_bytes()).hexdigest() == digest
        up = mtls("request", f"https://localhost:{server.port}/swallow", *good, version, "-T", str(body))
        assert up.out == f"{size} {digest}\n"
    command = [sys.executable, "-m", "inspector", "request", "-o", os.devnull, *good]
    small = _peak([*command, f"https://localhost:{server.port}/stream/1"])
    assert _peak([*command, f"https://localhost:{server.port}/stream/{size}"]) - small < 30_000


def _peak(command: list[str]) -> int:
    """Kilobytes of memory at most."""
    process = subprocess.Popen(command, env=without_proxy_variables())
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss


def test_a_server_that_wants_http1_for_this_path_gets_it(mtls, lab, good):
    """Apache asks for a certificate by path, which it cannot over HTTP/2."""
    server = lab.apache("SSLVerifyClient none", location="SSLVerifyClient require", more="Protocols h2 http/1.1",
                        modules=("http2",))
    called = mtls("request", f"https://localhost:{server.port}/", *good, "-w", "%{http_code} %{http_version} %{client_auth.when}")
    assert [called.code, called.out] == [0, "ok\n200 1.1 post_handshake"], called.err


def test_more_than_was_asked_for_is_not_begun(mtls, node, good, tmp_path):
    part = tmp_path / "part"
    called = mtls("request", f"https://localhost:{node.port}/stream/5000000", *good, "--max-filesize", "100000", "-o", str(part))
    assert called.code == 3
    assert "longer than 100000 bytes" in called.err
    assert not part.exists()  # its length was announced


def test_an_interrupt_prints_the_report_so_far(good, node):
    command = [sys.executable, "-m", "inspector", "request", f"https://localhost:{node.port}/stream/50000000000", *good, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=without_proxy_variables()) as process:
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    report = json.loads(out)
    assert [process.returncode, report["error"]["kind"], report["client_auth"]["verdict"]] == [130, "interrupted", "accepted"], err


def test_a_slow_server_is_given_up_in_time(mtls, good, lab):
    """It takes the request and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        server = lab.nginx(locations=f"location / {{ proxy_pass http://127.0.0.1:{mute.getsockname()[1]}; }}")
        began = time.monotonic()
        called = mtls("request", f"https://localhost:{server.port}/", *good, "--timeout", "2", "--json")
    assert time.monotonic() - began < 8
    assert [called.code, called.report["error"]["kind"]] == [3, "no-answer"]
