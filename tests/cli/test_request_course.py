"""Redirects, retries and lists of URLs, against a server that answers what a test wants."""

from __future__ import annotations

import json
import ssl
import time

import pytest

from tests.cli.peers import Pki, mtls_says
from tests.cli.web import Asked, ok, web


def trusting(pki: Pki) -> list[str]:
    return ["--cacert", pki.path("root.pem"), "--cert", pki.path("alice.pem"), "--key", pki.path("alice.key"), "--timeout", "8"]


def redirect(location: bytes, status: bytes = b"302 Found") -> bytes:
    return ok(b"", head=b"Location: " + location + b"\r\n", status=status)


@pytest.mark.parametrize(("method", "times"), [("POST", 1), ("GET", 3)])
def test_a_request_that_may_have_had_its_effect_is_not_sent_twice(pki: Pki, method: str, times: int) -> None:
    with web(pki, lambda request, before: None, verify=ssl.CERT_NONE) as (port, asked):
        words = ["--cacert", pki.path("root.pem"), "-X", method, "--retry", "2", "--retry-delay", "0"]
        said = mtls_says("request", f"https://localhost:{port}/", *words)
    assert [said.code, len(asked)] == [3, times]
    assert "closed the connection without an answer" in said.err
    assert "hint: " in said.err


def test_a_post_is_tried_again_where_the_server_says_that_it_will_pass(pki: Pki) -> None:
    with web(pki, lambda request, before: ok(b"done") if before else ok(status=b"503 Busy")) as (port, asked):
        said = mtls_says("request", f"https://localhost:{port}/", *trusting(pki), "-d", "a=1", "--retry", "2", "--retry-delay", "0")
    assert [said.code, said.out, [request.body for request in asked]] == [0, "done", [b"a=1", b"a=1"]]


def test_a_broken_answer_does_not_end_the_list(pki: Pki) -> None:
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"
    with web(pki, lambda request, before: (cut,) if request.path == "/cut" else ok(b" whole")) as (port, asked):
        urls = [f"https://localhost:{port}/{name}" for name in ("cut", "2", "3")]
        said = mtls_says("request", *urls, *trusting(pki))
    assert [said.code, said.out, len(asked)] == [3, "hello whole whole", 3]
    assert f"error: https://localhost:{port}/cut: " in said.err


def test_a_redirect_that_leads_nowhere_does_not_end_the_list(pki: Pki) -> None:
    with web(pki, lambda request, before: ok(b"2") if request.path == "/2" else redirect(b"http://localhost/")) as (port, _):
        said = mtls_says("request", f"https://localhost:{port}/1", f"https://localhost:{port}/2", *trusting(pki), "-L")
    assert [said.code, said.out] == [3, "2"]
    assert "where nothing is protected" in said.err


@pytest.mark.parametrize("location", [
    b"https://[::1/", b"https://\x1b[31mevil/", b"//[", b"https://[x]/", b"https://localhost:99999/", b"unix:/tmp/x",
    b"mailto:x", b"https://2130706433/", b"https://\xff/", "https://\u2100/".encode(), b"javascript:1",
])
def test_a_location_that_is_no_url_is_an_error_of_the_server_and_not_ours(pki: Pki, location: bytes) -> None:
    with web(pki, lambda request, before: redirect(location)) as (port, _):
        said = mtls_says("request", f"https://localhost:{port}/", *trusting(pki), "-L", "--json")
        import inspector
        from inspector.errors import TransportError

        with pytest.raises(TransportError):
            inspector.request(f"https://localhost:{port}/", cacert=pki.path("root.pem"), follow_redirects=True)
    assert said.code == 3
    assert "the redirect leads to" in json.loads(said.out)["error"]["message"]
    assert "\x1b" not in said.err


@pytest.mark.parametrize(("location", "path"), [
    ("/é".encode(), "/%C3%A9"), (b"/a b", "/a%20b"), (b"/a\tb", "/a%09b"), (b"/\xff", "/%FF"), (b"b?", "/a/b?"),
    (b"?x", "/a/first?x"),
    (b"https://u:p@localhost:PORT/x", "/x"), (b"HTTPS://LOCALHOST:PORT", "/"), (b"/c#d", "/c"),
])
def test_a_location_is_followed_as_curl_does(pki: Pki, location: bytes, path: str) -> None:
    with web(pki, lambda request, before: ok(b"there") if before else redirect(location.replace(b"PORT", str(port).encode()))) as (
            port, asked):
        said = mtls_says("request", f"https://localhost:{port}/a/first", *trusting(pki), "-L", "-w", " %{url_effective}")
    assert [said.code, asked[-1].path] == [0, path], said.err
    assert said.out == f"there https://localhost:{port}{path}"


@pytest.mark.parametrize("after", [b"\xb2", b"-1", b"nan", b"Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_retry_after_that_is_no_number_is_left_aside(pki: Pki, after: bytes) -> None:
    busy = ok(head=b"Retry-After: " + after + b"\r\n", status=b"503 Busy")
    with web(pki, lambda request, before: ok(b"done") if before else busy) as (port, _):
        began = time.monotonic()
        said = mtls_says("request", f"https://localhost:{port}/", *trusting(pki), "--retry", "1")
    assert [said.code, said.out] == [0, "done"]
    assert time.monotonic() - began < 6


def test_who_is_told_to_come_back_later_comes_no_sooner(pki: Pki) -> None:
    dates = b"Date: Wed, 21 Oct 2015 07:28:00 GMT\r\nRetry-After: Wed, 21 Oct 2015 07:28:02 GMT\r\n"
    for head in (dates, b"Retry-After: 2\r\n"):
        busy = ok(head=head, status=b"503 Busy")
        with web(pki, lambda request, before, busy=busy: ok(b"done") if before else busy) as (port, _):  # type: ignore[misc]
            began = time.monotonic()
            said = mtls_says("request", f"https://localhost:{port}/", *trusting(pki), "--retry", "1", "--retry-delay", "0")
            took = time.monotonic() - began
        assert [said.code, said.out, took >= 2] == [0, "done", True]


def test_who_is_told_to_come_back_in_an_hour_takes_that_for_the_answer(pki: Pki) -> None:
    busy = ok(b"later", head=b"Retry-After: 3600\r\n", status=b"503 Busy")
    with web(pki, lambda *_: busy) as (port, asked):
        said = mtls_says("request", f"https://localhost:{port}/", *trusting(pki), "--retry", "3", "--timeout", "9")
    assert [said.code, said.out, len(asked)] == [0, "later", 1]


@pytest.mark.parametrize(("status", "options", "line"), [
    ("302 Found", ("-X", "POST", "-d", "x"), "POST"), ("303 See Other", ("-X", "DELETE"), "DELETE"),
    ("302 Found", ("-d", "x"), "GET"), ("303 See Other", ("-X", "PUT", "-d", "x"), "PUT"), ("300 Choose", ("-d", "x"), "POST"),
])
def test_a_method_that_was_typed_holds_on_all_the_way_and_a_body_does_not(
    pki: Pki, status: str, options: tuple[str, ...], line: str,
) -> None:
    there = redirect(b"/there", status.encode())
    with web(pki, lambda request, before: ok(b"there") if before else there) as (port, asked):
        said = mtls_says("request", f"https://localhost:{port}/", *trusting(pki), "-L", *options)
    assert [said.code, asked[-1].line.split()[:2], asked[-1].body] == [0, [line, "/there"], b"x" if status[:3] == "300" else b""]


@pytest.mark.parametrize(("text", "code"), [("1k", 0), ("0", 0), ("5", 3), ("5x", 2), ("", 2), ("-1", 2)])
def test_a_size_is_read_as_curl_reads_it(pki: Pki, text: str, code: int) -> None:
    with web(pki, lambda *_: ok(b"six it")) as (port, _):
        said = mtls_says("request", f"https://localhost:{port}/", *trusting(pki), f"--max-filesize={text}")
    assert [said.code, said.out] == [code, "" if code else "six it"], said.err


@pytest.mark.parametrize("words", [("--url", "https://localhost:1/a"), ("-e", "https://x/;auto")])
def test_what_cannot_be_done_as_it_is_meant_is_wrong_usage(words: tuple[str, ...]) -> None:
    assert mtls_says("request", "https://localhost:1/", *words).code == 2


@pytest.mark.parametrize("delay", ["nan", "-1", "inf"])
def test_a_delay_that_is_none_is_wrong_usage(delay: str) -> None:
    said = mtls_says("request", "https://localhost:1/", f"--retry-delay={delay}", "--retry", "1")
    assert said.code == 2
    assert "--retry-delay" in said.err


def test_an_expectation_that_fails_is_dropped(pki: Pki) -> None:
    with web(pki, lambda request, before: ok(b"taken") if before else ok(b"no", status=b"417 Expectation Failed")) as (port, asked):
        said = mtls_says("request", f"https://localhost:{port}/", *trusting(pki), "-d", "body", "--expect100")
    assert [said.code, said.out, asked[-1].body] == [0, "taken", b"body"]
    assert [b"Expect" in request.head for request in asked] == [True, False]


def test_who_comes_home_without_a_body_says_nothing_about_one(pki: Pki) -> None:
    """303 abroad makes it a GET; the 302 home must not bring the first request's Content-Type back."""
    def at_home(request: Asked, before: list[Asked]) -> bytes:
        return ok(b"end") if before else redirect(f"https://127.0.0.1:{abroad}/".encode(), b"303 See Other")

    def away(request: Asked, before: list[Asked]) -> bytes:
        return redirect(f"https://localhost:{home}/end".encode())

    with web(pki, away) as (abroad, _), web(pki, at_home) as (home, asked):
        said = mtls_says("request", f"https://localhost:{home}/", *trusting(pki), "-L", "-d", "a=1", "-H", "X-Mine: 1")
    assert [said.code, said.out, asked[-1].line] == [0, "end", "GET /end HTTP/1.1"]
    assert b"Content-Type" not in asked[-1].head
    assert b"X-Mine: 1" in asked[-1].head


def test_the_name_that_was_given_for_an_address_is_home(pki: Pki) -> None:
    def answer(request: Asked, before: list[Asked]) -> bytes:
        return ok(b"home") if before else redirect(f"https://localhost:{port}/x".encode())

    with web(pki, answer) as (port, asked):
        said = mtls_says("request", f"https://127.0.0.1:{port}/", "--server-name", "localhost", *trusting(pki), "-L")
    assert [said.code, said.out] == [0, "home"]
    assert b"Host: localhost" in asked[-1].head


def test_an_answer_that_took_too_long_is_told_with_the_option_that_waits_longer(pki: Pki) -> None:
    with web(pki, lambda request, before: time.sleep(2), verify=ssl.CERT_NONE) as (port, _):
        said = mtls_says("request", f"https://localhost:{port}/", "--cacert", pki.path("root.pem"), "--timeout", "1")
    assert said.code == 3
    assert "hint: --timeout SECONDS waits longer" in said.err


def test_a_host_header_does_not_change_where_a_relative_location_leads(pki: Pki) -> None:
    with web(pki, lambda request, before: ok(b"next") if before else redirect(b"/next")) as (port, asked):
        said = mtls_says("request", f"https://localhost:{port}/", *trusting(pki), "-L", "-H", "Host: other.test")
    assert [said.code, said.out, asked[1].line] == [0, "next", "GET /next HTTP/1.1"], said.err
    assert b"\r\nHost: other.test\r\n" in asked[1].head


@pytest.mark.parametrize("first", ["/good", "/drop"])
def test_who_took_the_certificate_a_moment_ago_does_not_refuse_it_by_hanging_up(pki: Pki, first: str) -> None:
    def answering(request: Asked, _before: list[Asked]) -> bytes | None:
        return None if request.path == "/drop" else ok()

    with web(pki, answering, verify=ssl.CERT_REQUIRED, alpn=("http/1.1",)) as (port, asked):
        urls = [f"https://localhost:{port}{path}" for path in dict.fromkeys((first, "/drop"))]
        said = mtls_says("request", *urls, *trusting(pki), "--json")
    auth = said.document["client_auth"]
    # without an answer to compare it with, a server that hangs up on what it had agreed to speak is taken to refuse
    expected = ("undecided", None, 3) if first == "/good" else ("rejected", "close", 1)
    assert (auth["verdict"], auth["rejected_by"], said.code) == expected
    assert len(asked) == (3 if first == "/good" else 1)
