"""Every road to the server: proxies that see no certificate, other addresses, Unix sockets, the PROXY protocol."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers import plain_lab
from tests.servers.programs import Lab, find, free_port

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def nginx(lab):
    return lab.nginx()


@pytest.fixture
def good(pki):
    return ["--cacert", str(pki["root.pem"]), "--cert", str(pki["client-good.pem"]), "--key", str(pki["client-good.key"])]


@contextlib.contextmanager
def listening_in(port: int) -> Iterator[tuple[int, bytearray]]:
    """A relay to ``port`` that keeps all that the client says: what a proxy gets to see."""
    seen = bytearray()
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, sink: socket.socket, keep: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if keep:
                    seen.extend(data)
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", port))
                threading.Thread(target=pump, args=(client, server, True), daemon=True).start()
                threading.Thread(target=pump, args=(server, client, False), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1], seen
    finally:
        listener.close()


def answered(called: Any) -> None:
    report = called.report
    assert [called.code, report["http"]["status"], report["client_auth"]["verdict"]] == [0, 200, "accepted"], called.err


def test_a_connect_proxy_carries_the_request_and_sees_no_certificate(mtls, lab, pki, nginx, good):
    proxy = plain_lab.tinyproxy(lab)
    with listening_in(proxy.port) as (port, seen):
        answered(mtls("request", f"https://localhost:{nginx.port}/", *good, "--proxy", f"http://127.0.0.1:{port}", "--json"))
    assert seen.startswith(f"CONNECT localhost:{nginx.port} HTTP/1.1\r\n".encode())
    assert b"alice" not in seen
    der = subprocess.run([find("openssl"), "x509", "-in", str(pki["client-good.pem"]), "-outform", "DER"],
                         capture_output=True, check=True)
    assert der.stdout[100:200] not in seen


def test_a_connect_proxy_that_asks_for_a_password_gets_it_from_the_environment(mtls, lab, nginx, good, monkeypatch):
    proxy = plain_lab.tinyproxy(lab, "bob secret")
    words = ["request", f"https://localhost:{nginx.port}/", *good, "--json"]
    refused = mtls(*words, "--proxy", f"http://127.0.0.1:{proxy.port}")
    assert [refused.code, refused.report["network"]["error"]["kind"]] == [3, "prelude"]
    assert "407" in refused.report["network"]["error"]["detail"] or "401" in refused.report["network"]["error"]["detail"]
    env = {**os.environ, "MTLS_PROXY_PASSWORD": "secret"}
    road = ["--proxy", f"http://127.0.0.1:{proxy.port}", "--proxy-user", "bob"]
    done = subprocess.run([sys.executable, "-m", "inspector", *words[:-1], *road], env=env, capture_output=True, timeout=30)
    assert [done.returncode, done.stdout] == [0, b"ok\n"], done.stderr


def test_a_password_on_the_command_line_is_refused(mtls, nginx, good):
    for words in (["--proxy", "http://bob:secret@127.0.0.1:1"], ["--proxy", "http://127.0.0.1:1", "--proxy-user", "bob:secret"],
                  ["--user", "bob:secret"]):
        called = mtls("request", f"https://localhost:{nginx.port}/", *good, *words)
        assert called.code == 2
        assert "secret" not in called.err


def test_https_proxy_of_the_environment_is_used_unless_no_proxy_covers_the_host(lab, nginx, good):
    proxy = plain_lab.tinyproxy(lab)
    base = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    variable = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}
    elsewhere, here = ["https://a.test/", "--connect-to", f"127.0.0.1:{nginx.port}"], [f"https://localhost:{nginx.port}/"]
    for words, extra, used in (
        (elsewhere, variable, True), (elsewhere, {**variable, "NO_PROXY": "example.org,.test"}, False), (here, variable, False),
    ):
        before = proxy.log().count("CONNECT 127.0.0.1")
        command = [sys.executable, "-m", "inspector", "request", *words, *good]
        done = subprocess.run(command, env={**base, **extra}, capture_output=True, timeout=30)
        assert [done.returncode, done.stdout] == [0, b"ok\n"], done.stderr
        assert (proxy.log().count("CONNECT 127.0.0.1") > before) is used


def test_a_proxy_that_wants_tls_itself_is_verified_and_gets_no_certificate(mtls, lab: Lab, pki, nginx, good):
    inner, port, run = plain_lab.tinyproxy(lab), free_port(), lab.place("stunnel")
    config = run / "stunnel.conf"
    config.write_text(f"foreground = yes\npid =\n[proxy]\naccept = 127.0.0.1:{port}\nconnect = 127.0.0.1:{inner.port}\n"
                      f"cert = {pki['server.pem']}\nkey = {pki['server.key']}\n")
    lab.start([find("stunnel"), str(config)], port, run)
    answered(mtls("request", f"https://localhost:{nginx.port}/", *good, "--proxy", f"https://localhost:{port}", "--json"))
    unverified = mtls("request", f"https://localhost:{nginx.port}/", *good[2:], "--proxy", f"https://localhost:{port}", "--json")
    assert unverified.code in (1, 3)


def test_a_socks5_server_resolves_the_name_and_sees_no_certificate(mtls, lab, nginx, good):
    proxy = plain_lab.dante(lab)
    with listening_in(proxy.port) as (port, seen):
        answered(mtls("request", f"https://localhost:{nginx.port}/", *good, "--proxy", f"socks5://127.0.0.1:{port}", "--json"))
    assert b"localhost" in seen[:40]
    assert b"alice" not in seen


@pytest.mark.parametrize("command", ["handshake", "diagnose", "audit"])
def test_other_commands_take_the_same_roads(mtls, lab, nginx, good, command):
    proxy = plain_lab.tinyproxy(lab)
    called = mtls(command, f"localhost:{nginx.port}", *good, "--proxy", f"http://127.0.0.1:{proxy.port}", "--json")
    assert called.code in (0, 1, 5), called.err
    assert "CONNECT localhost" in proxy.log()


def test_connect_to_and_resolve_go_elsewhere_under_the_same_name(mtls, nginx, good, pki):
    for road in (["--connect-to", f"127.0.0.1:{nginx.port}"], ["--connect-to", f"a.test:443:localhost:{nginx.port}"]):
        answered(mtls("request", "https://a.test/", *good, *road, "--json"))
    answered(mtls("request", f"https://a.test:{nginx.port}/", *good, "--resolve", f"a.test:{nginx.port}:127.0.0.1", "--json"))
    elsewhere = mtls("request", f"https://a.test:{nginx.port}/", *good, "--resolve", f"a.test:{nginx.port}:nonsense")
    assert elsewhere.code == 2


def test_a_unix_socket_is_a_road_too(mtls, lab, good):
    path = lab.place("unix") / "s"
    server = lab.nginx(servers=f"server {{ listen unix:{path} ssl; ssl_certificate {lab.pki['server.pem']}; ssl_certificate_key "
                       f"{lab.pki['server.key']}; ssl_client_certificate {lab.pki['root.pem']}; ssl_verify_client on; "
                       "ssl_verify_depth 3; return 200 \"unix\\n\"; }")
    called = mtls("handshake", f"unix:{path}", *good, "--server-name", "localhost", "--json")
    assert [called.code, called.report["client_auth"]["verdict"]] == [0, "accepted"], (called.err, server.log())


@pytest.mark.parametrize("version", ["1", "2"])
def test_the_proxy_protocol_header_is_understood(mtls, lab, good, version):
    port = free_port()
    lab.nginx(http="log_format p '$proxy_protocol_addr';", servers=(
        f"server {{ listen 127.0.0.1:{port} ssl proxy_protocol; ssl_certificate {lab.pki['server.pem']}; ssl_certificate_key "
        f"{lab.pki['server.key']}; ssl_client_certificate {lab.pki['root.pem']}; ssl_verify_client on; ssl_verify_depth 3; "
        "location / { return 200 \"from $proxy_protocol_addr\\n\"; } }"))
    called = mtls("request", f"https://localhost:{port}/", *good, "--proxy-protocol", version)
    assert [called.code, called.out] == [0, "from 127.0.0.1\n"], called.err


def test_an_address_family_that_the_server_does_not_have_is_not_reached(mtls, nginx, good):
    answered(mtls("request", f"https://localhost:{nginx.port}/", *good, "-4", "--json"))
    assert mtls("request", f"https://localhost:{nginx.port}/", *good, "-6", "--timeout", "5").code == 3


def test_a_local_address_is_used_where_one_is_asked_for(mtls, nginx, good):
    called = mtls("request", f"https://localhost:{nginx.port}/", *good, "-4", "--interface", "127.0.0.9", "-o", "/dev/null",
                  "-w", "%{local_ip}")
    assert [called.code, called.out] == [0, "127.0.0.9"], called.err
