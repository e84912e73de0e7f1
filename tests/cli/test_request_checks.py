"""What cannot come to its end does not begin; and what the options say of a host holds where a redirect leads to it."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

from tests.cli.peers import Pki, mtls_says
from tests.cli.test_request_course import redirect, trusting
from tests.cli.web import Asked, ok, read_request, web


@pytest.mark.parametrize("second", ["ftp://x/", "https://[::1/", "https://localhost:99999/", "http://localhost/", "https://h/a b"])
def test_a_bad_url_is_found_before_the_first_is_sent(pki: Pki, second: str) -> None:
    with web(pki, lambda request, before: ok()) as (port, asked):
        said = mtls_says("request", f"https://localhost:{port}/", second, *trusting(pki))
    assert [said.code, asked] == [2, []]


def test_a_receipt_that_cannot_be_written_sends_nothing(pki: Pki, tmp_path: Path) -> None:
    with web(pki, lambda request, before: ok()) as (port, asked):
        for path in (tmp_path / "none" / "receipt", tmp_path):
            said = mtls_says("request", f"https://localhost:{port}/", *trusting(pki), "--receipt", str(path))
            assert said.code in (2, 4)
            assert "error: " in said.err
    assert asked == []


def test_a_receipt_that_is_there_stays_until_there_is_a_new_one(pki: Pki, tmp_path: Path) -> None:
    path = tmp_path / "receipt"
    path.write_text("old")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert mtls_says("request", f"https://localhost:{port}/", *trusting(pki), "--receipt", str(path)).code == 3
    assert path.read_text() == "old"
    mtls_says("request", f"https://localhost:{port}/", *trusting(pki), "--receipt", str(tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_a_receipt_and_raw_bytes_exclude_each_other(pki: Pki, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.write_bytes(b"x")
    said = mtls_says("request", "https://localhost:1/", *trusting(pki), "--raw", str(raw), "--receipt", str(tmp_path / "r"))
    assert said.code == 2
    assert "--raw" in said.err


@pytest.mark.parametrize("how", ["--resolve", "--connect-to"])
def test_a_redirect_finds_the_place_that_was_named_for_its_host(pki: Pki, how: str) -> None:
    def leads_there(request: Asked, before: list[Asked]) -> bytes:
        return redirect(f"https://other.invalid:{other}/x".encode())

    with web(pki, lambda request, before: ok(b"there")) as (other, asked), web(pki, leads_there) as (port, _):
        place = f"other.invalid:{other}:127.0.0.1" + (f":{other}" if how == "--connect-to" else "")
        said = mtls_says("request", f"https://localhost:{port}/", *trusting(pki), "-L", how, place, "--insecure")
    assert [said.code, said.out] == [0, "there"], said.err
    assert f"Host: other.invalid:{other}".encode() in asked[0].head


def test_a_redirect_meets_the_proxy_of_the_environment_by_its_own_name(pki: Pki) -> None:
    """localhost is never asked for through the proxy; the host that the redirect names is."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    with web(pki, lambda request, before: redirect(b"https://other.invalid/")) as (port, _):
        said = mtls_says("request", f"https://localhost:{port}/", *trusting(pki), "-L", env={
            "HTTPS_PROXY": f"http://127.0.0.1:{closed}", "NO_PROXY": "", "https_proxy": "", "no_proxy": ""})
    assert said.code == 3
    assert f"the proxy http://127.0.0.1:{closed}" in said.err


@pytest.mark.parametrize("location", [b"/next", b"https://localhost/next", b"https://elsewhere.invalid/next"])
def test_redirects_stay_on_the_socket(pki: Pki, tmp_path: Path, location: bytes) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.path("server.pem"), pki.path("server.key"))
    asked: list[Asked] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        listener.settimeout(10)

        def serve() -> None:
            while len(asked) < 2:
                with listener.accept()[0] as sock, context.wrap_socket(sock, server_side=True) as tls:
                    while len(asked) < 2 and (request := read_request(tls)) is not None:
                        asked.append(request)
                        tls.sendall(ok(b"end") if request.path == "/next" else redirect(location))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        said = mtls_says("request", f"unix:{tmp_path}/s", *trusting(pki), "--insecure", "-L")
        thread.join(10)
    assert [said.code, said.out, [request.path for request in asked]] == [0, "end", ["/", "/next"]], said.err


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no Unix sockets")
def test_a_socket_is_the_road_to_the_host_of_the_url(pki: Pki, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.path("server.pem"), pki.path("server.key"))
    asked = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()

        def serve() -> None:
            with listener.accept()[0] as sock, context.wrap_socket(sock, server_side=True) as tls:
                asked.append(read_request(tls))
                tls.sendall(ok(b"end"))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        said = mtls_says("request", "https://localhost:44/x", "--unix-socket", str(tmp_path / "s"), *trusting(pki))
        thread.join(10)
    assert (said.code, said.out) == (0, "end"), said.err
    assert asked[0] is not None
    assert b"Host: localhost:44\r\n" in asked[0].head + b"\r\n"


@pytest.mark.parametrize(("path", "more", "noted"), [
    ("/a[1-3]", (), True), ("/{a,b}", (), True), ("/[a-z:2]", (), True), ("/[a-z:2]", ("-g",), False), ("/[a-z:2]", ("-s",), False),
    ("/[1]?q={}&r=[x,y]", (), False),
])
def test_who_expects_several_urls_of_one_hears_that_it_is_one(pki: Pki, path: str, more: tuple[str, ...], noted: bool) -> None:
    with web(pki, lambda request, before: ok()) as (port, asked):
        said = mtls_says("request", f"https://localhost:{port}{path}", *more, *trusting(pki))
    assert ([said.code, [request.path for request in asked]], "sent as they are typed" in said.err) == ([0, [path]], noted)
