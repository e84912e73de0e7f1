"""``inspector.request`` and the transport for httpx, against a server on loopback."""

from __future__ import annotations

import gzip
import socket
import time
from pathlib import Path

import httpx
import pytest

import inspector
from inspector.errors import TransportError, UsageError
from inspector.httpx_transport import InspectorTransport
from inspector.library import NoAnswer, TimedOut
from tests.cli.peers import Pki, make_pki, peer, silent
from tests.cli.web import ok, web


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def closed() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("body", [b"abc", bytearray(b"abc"), memoryview(b"abc")])
def test_a_body_is_any_bytes_and_headers_are_text_or_bytes(pki, body):
    with web(pki, lambda request, before: ok()) as (port, asked):
        headers = [("X-A", "é"), (b"X-B", b"\xff"), ("Host", "other.test")]
        inspector.request(f"https://localhost:{port}/", body=body, headers=headers, cacert=pki.path("root.pem"))
    assert [asked[0].body, asked[0].line] == [b"abc", "POST / HTTP/1.1"]
    for line in (b"\r\nX-A: \xc3\xa9\r\n", b"\r\nX-B: \xff\r\n", b"\r\nHost: other.test\r\n"):
        assert line in asked[0].head


@pytest.mark.parametrize("more", [{"body": "text"}, {"body": 7}, {"headers": {"X": 1}}, {"headers": [(1, "x")]}])
def test_what_is_of_the_wrong_type_is_told_as_such(pki, closed, more):
    with pytest.raises(TypeError, match=r"not (str|int)"):
        inspector.request(f"https://localhost:{closed}/", cacert=pki.path("root.pem"), **more)


@pytest.mark.parametrize(("url", "more"), [
    ("http://localhost/", {}), ("ftp://localhost/", {}),
    ("https://localhost/", {"tls_min": "1.4"}), ("https://localhost/", {"http": "3"}),
    ("https://localhost/", {"headers": {"X": "a\r\nb"}, "http": "2"}),
    ("https://localhost/", {"headers": {":path": "/x"}, "http": "2"}),
    ("https://localhost/", {"tls_max": "1"}), ("https://localhost/", {"method": "G T"}),
])
def test_what_makes_no_sense_is_wrong_usage(pki, url, more):
    with pytest.raises(UsageError) as caught:
        inspector.request(url, cacert=pki.path("root.pem"), **more)
    assert caught.value.hint


def test_a_post_without_a_body_says_so(pki):
    with web(pki, lambda request, before: ok()) as (port, asked):
        inspector.request(f"https://localhost:{port}/", method="POST", cacert=pki.path("root.pem"))
        inspector.request(f"https://localhost:{port}/", cacert=pki.path("root.pem"))
    assert [b"\r\nContent-Length: 0" in request.head for request in asked] == [True, False]


def test_nobody_there_has_a_report(pki, closed):
    with pytest.raises(NoAnswer) as caught:
        inspector.request(f"https://localhost:{closed}/", cacert=pki.path("root.pem"))
    assert [caught.value.kind, caught.value.report.network.connected] == ["refused", False]
    assert isinstance(caught.value, TransportError)


def test_an_answer_that_takes_too_long_timed_out(pki):
    with web(pki, lambda request, before: time.sleep(3)) as (port, _), pytest.raises(TimedOut):
        inspector.request(f"https://localhost:{port}/", cacert=pki.path("root.pem"), timeout=1)


def client(pki: Pki, **more) -> httpx.Client:
    return httpx.Client(transport=InspectorTransport(cacert=pki.path("root.pem"), **more))


def test_httpx_sends_the_callers_host_and_a_length_and_gets_any_bytes_back(pki):
    with web(pki, lambda request, before: ok(head=b"X-B: \xe9\r\n")) as (port, asked), client(pki) as http:
        answer = http.post(f"https://localhost:{port}/", headers={"Host": "other.test"})
    assert b"\r\nHost: other.test\r\n" in asked[0].head
    assert b"\r\nContent-Length: 0" in asked[0].head
    assert dict(answer.headers.raw)[b"X-B"] == b"\xe9"


def test_httpx_can_stream_an_answer_raw_or_decoded(pki):
    packed = gzip.compress(b"much " * 1000)
    with web(pki, lambda *_: ok(packed, head=b"Content-Encoding: gzip\r\n")) as (port, _), client(pki) as http:
        with http.stream("GET", f"https://localhost:{port}/") as answer:
            assert b"".join(answer.iter_raw()) == packed
        with http.stream("GET", f"https://localhost:{port}/") as answer:
            assert b"".join(answer.iter_bytes()) == b"much " * 1000
        assert http.get(f"https://localhost:{port}/").content == b"much " * 1000


def test_httpx_is_told_a_refusal_as_a_connect_error(pki, closed):
    transport = InspectorTransport(cacert=pki.path("root.pem"))
    with httpx.Client(transport=transport) as http, pytest.raises(httpx.ConnectError):
        http.get(f"https://localhost:{closed}/")
    assert transport.reports[-1].network.connected is False


def test_httpx_does_not_speak_tls_for_http(pki):
    with client(pki) as http, pytest.raises(httpx.UnsupportedProtocol):
        http.get("http://localhost:1/")


def test_the_timeouts_of_httpx_hold(pki):
    began = time.monotonic()
    with web(pki, lambda request, before: time.sleep(2)) as (port, _), client(pki) as http:
        with pytest.raises(httpx.ReadTimeout):
            http.get(f"https://localhost:{port}/", timeout=httpx.Timeout(5, read=0.4))
        assert time.monotonic() - began < 2
    began = time.monotonic()
    with peer(silent) as port, client(pki) as http, pytest.raises(httpx.ConnectTimeout):
        http.get(f"https://localhost:{port}/", timeout=httpx.Timeout(5, connect=0.4))
    assert time.monotonic() - began < 3


def test_a_socket_is_asked_by_its_own_name(pki: Pki, tmp_path: Path) -> None:
    with pytest.raises(NoAnswer) as caught:
        inspector.request(f"unix:{tmp_path}/none", server_name="localhost", cacert=pki.path("root.pem"))
    assert caught.value.kind == "refused"
