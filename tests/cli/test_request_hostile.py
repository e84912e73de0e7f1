"""Answers of servers that mean no good, or know no better: what comes of them is bounded, and is never more than what came."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import h2.connection
import h2.settings
import pytest

from inspector.app.http1 import Http1
from inspector.app.http2 import MOST_ANSWERS, Http2
from inspector.app.http_message import Request, one
from tests.cli.peers import Pki, mtls_says, peer
from tests.cli.test_request_http2 import full, http2
from tests.cli.web import ok, read_request, web

EVIL = ok(b"evil")


@contextlib.contextmanager
def talker(pki: Pki, talk: Callable[[ssl.SSLSocket], None], *, late: bool = False) -> Iterator[int]:
    """A TLS 1.3 server, which can ask for a certificate ``late``; yields its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.path("server.pem"), pki.path("server.key"))
    if late:
        context.load_verify_locations(pki.path("root.pem"))
        context.verify_mode, context.post_handshake_auth = ssl.CERT_REQUIRED, True

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as tls:
            talk(tls)

    with peer(handle) as port:
        yield port


@pytest.mark.parametrize(("answer", "options"), [
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + EVIL, ()),
    (b"HTTP/1.1 204 No Content\r\n\r\n" + EVIL, ()),
    (ok(b"") + EVIL, ()),
    (EVIL + EVIL, ("-I",)),
], ids=["chunked", "204", "counted", "head"])
def test_what_follows_an_answer_does_not_answer_the_next_request(pki: Pki, answer: bytes, options: tuple[str, ...]) -> None:
    with web(pki, lambda asked, _: answer if asked.path == "/first" else ok(b"", head=b"X-True: 1\r\n")) as (port, asked):
        urls = [f"https://localhost:{port}/{name}" for name in ("first", "second")]
        said = mtls_says("request", *urls, "-i", *options, "--cacert", pki.path("root.pem"), "--timeout", "8")
    assert ["X-True: 1" in said.out, [each.path for each in asked], said.code] == [True, ["/first", "/second"], 0], said.err


@pytest.mark.parametrize(("notify", "code"), [(True, 0), (False, 3)])
def test_a_body_as_long_as_the_connection_is_whole_only_where_the_server_says_so(pki: Pki, notify: bool, code: int) -> None:
    def talk(tls: ssl.SSLSocket) -> None:
        read_request(tls)
        tls.sendall(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        if notify:
            tls.unwrap()

    with talker(pki, talk) as port:
        said = mtls_says("request", f"https://localhost:{port}/", "--cacert", pki.path("root.pem"), "--timeout", "8")
    assert [said.code, said.out, "close_notify" in said.err] == [code, "all of it", not notify]


def test_a_server_may_say_for_a_long_while_that_it_works(pki: Pki) -> None:
    with web(pki, lambda *_: b"HTTP/1.1 102 Processing\r\n\r\n" * 200 + ok()) as (port, _):
        said = mtls_says("request", f"https://localhost:{port}/", "--cacert", pki.path("root.pem"), "--timeout", "8")
    assert [said.code, said.out] == [0, "ok"], said.err


@pytest.mark.parametrize("what", ["number", "bytes"])
def test_interim_answers_without_end_are_left(what: str) -> None:
    conversation = Http1(one(Request("GET", "localhost")))
    conversation.data_to_send()
    head = b"HTTP/1.1 103 Early Hints\r\n" + (b"X: " + b"a" * 10_000 + b"\r\n" if what == "bytes" else b"") + b"\r\n"
    for _ in range(40 if what == "bytes" else 1001):
        conversation.receive_data(head)
    assert conversation.done
    assert "interim" in (conversation.result.error or "")


@pytest.mark.parametrize("status", ["7", "20x", "2" * 5000, "099"])
def test_a_status_that_is_none_breaks_the_protocol(pki: Pki, status: str) -> None:
    def answer(machine: h2.connection.H2Connection, connection: int, stream: int) -> None:
        machine.config.validate_outbound_headers = False
        machine.send_headers(stream, [(":status", status)])
        machine.send_data(stream, b"ok", end_stream=True)

    with http2(pki, answer) as (port, _):
        said = mtls_says("request", f"https://localhost:{port}/", "--cacert", pki.path("root.pem"), "--timeout", "8")
    assert [said.code, said.out] == [3, ""]
    assert f"its status is '{status[:30]}" in said.err


@pytest.mark.parametrize(("status", "options"), [("204", ()), ("304", ()), ("200", ("-I",))])
def test_content_where_none_may_be_is_not_shown(pki: Pki, status: str, options: tuple[str, ...]) -> None:
    def answer(machine: h2.connection.H2Connection, connection: int, stream: int) -> None:
        machine.send_headers(stream, [(":status", status)])
        machine.send_data(stream, b"hidden", end_stream=True)

    with http2(pki, answer) as (port, _):
        said = mtls_says("request", f"https://localhost:{port}/", *options, "--cacert", pki.path("root.pem"), "--timeout", "8")
    assert [said.code, "hidden" in said.out, "content where none may be" in said.err] == [3, False, True]


def test_a_server_that_takes_no_more_streams_gets_the_next_request_over_a_new_connection(pki: Pki) -> None:
    def answer(machine: h2.connection.H2Connection, connection: int, stream: int) -> None:
        machine.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 0})
        full(machine, stream)

    with http2(pki, answer) as (port, _):
        urls = [f"https://localhost:{port}/{n}" for n in range(2)]
        said = mtls_says("request", *urls, "-w", "[%{num_connects}]", "--cacert", pki.path("root.pem"), "--timeout", "8")
    assert [said.code, said.out] == [0, "ok[1]ok[1]"], said.err


@pytest.mark.parametrize("frame", [b"\0\0\x08\x06\0" + bytes(12), b"\0\0\0\x04\0" + bytes(4)], ids=["PING", "SETTINGS"])
def test_answers_that_nobody_takes_are_not_gathered_without_end(frame: bytes) -> None:
    conversation = Http2(one(Request("GET", "localhost")))
    conversation.data_to_send()
    for _ in range(MOST_ANSWERS // 1000 + 2):
        conversation.receive_data(frame * 1000)
    assert conversation.done
    assert "takes no answer" in (conversation.result.error or "")


def test_a_certificate_that_is_asked_for_late_in_a_long_upload_is_in_report_and_receipt(pki: Pki, tmp_path: Path) -> None:
    size = 24 * 1024 * 1024

    def talk(tls: ssl.SSLSocket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += tls.recv(65536)
        left = size - len(data.partition(b"\r\n\r\n")[2])
        while left > 2 * 1024 * 1024:
            left -= len(tls.recv(65536))
        tls.verify_client_post_handshake()
        while left:
            left -= len(tls.recv(min(left, 65536)))
        tls.sendall(ok())
        tls.recv(1)  # the certificate that is still on its way, and then the client's end

    body, receipt = tmp_path / "body", tmp_path / "receipt"
    body.write_bytes(bytes(size))
    with talker(pki, talk, late=True) as port:
        said = mtls_says(
            "request", f"https://localhost:{port}/", "--cacert", pki.path("root.pem"), "--cert", pki.path("alice.pem"), "--key",
            pki.path("alice.key"), "-T", str(body), "--json", "--receipt", str(receipt), "--timeout", "30")
    client_auth = json.loads(said.out)["client_auth"]
    assert [client_auth["when"], client_auth["sent"], client_auth["verdict"]] == ["post_handshake", True, "accepted"], said.err
    assert json.loads(receipt.read_text())["client"]["certificate_sha256"] == client_auth["sent_chain"][0]["sha256"]


def test_a_server_that_has_answered_and_reads_no_more_is_not_waited_for(pki: Pki, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.path("server.pem"), pki.path("server.key"))
    over = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with context.wrap_socket(connection, server_side=True) as tls:
            tls.recv(100)
            over.wait(0.5)  # what comes fills the socket
            tls.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
            over.wait(20)

    body = tmp_path / "body"
    body.write_bytes(bytes(30_000_000))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        began = time.monotonic()
        said = mtls_says(
            "request", f"unix:{tmp_path / 's'}", "--server-name", "localhost", "--cacert", pki.path("root.pem"), "-T", str(body))
        took = time.monotonic() - began
        over.set()
        thread.join()
    assert [said.code, said.out, took < 10] == [0, "big", True], said.err


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl here")
def test_key_updates_in_a_long_upload_cost_no_keys(pki: Pki, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    files = ["-cert", pki.path("server.pem"), "-key", pki.path("server.key")]
    words = ["openssl", "s_server", "-accept", str(port), *files, "-tls1_3"]
    over, body = threading.Event(), tmp_path / "body"
    body.write_bytes(bytes(48 * 1024 * 1024))
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        assert server.stdin is not None
        time.sleep(0.5)

        def turn() -> None:
            while not over.wait(0.03):
                with contextlib.suppress(OSError):
                    server.stdin.write(b"k\n")  # type: ignore[union-attr]  # a KeyUpdate that asks for none
                    server.stdin.flush()  # type: ignore[union-attr]

        thread = threading.Thread(target=turn)
        thread.start()
        said = mtls_says(
            "request", "--raw", str(body), f"localhost:{port}", "--cacert", pki.path("root.pem"), "--json", "--timeout", "8")
        over.set()
        thread.join()
        server.kill()
    handshake = json.loads(said.out)["handshake"]
    assert [message["type"] for message in handshake["messages"]].count("key_update") > 1, said.err
    assert handshake["opaque_records"] == []
