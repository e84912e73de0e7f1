"""``--write-out``, and where heads and bodies go."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.peers import Pki, mtls_says
from tests.cli.recorder import ANSWER, by_curl, recorder
from tests.cli.web import web

MOVED = b"HTTP/1.1 302 Found\r\nLocation: ../to?x\r\nContent-Length: 0\r\nSet-Cookie: a\r\nset-cookie: b\r\n\r\n"
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ANSWER


def road(pki: Pki, port: int) -> list[str]:
    return ["--connect-to", f"127.0.0.1:{port}", "--cacert", pki.path("root.pem"), "--no-system-trust", "--proxy", "none",
            "--http1.1"]


def ours(pki: Pki, port: int, *words: str, paths: tuple[str, ...] = ("/a",)) -> Any:
    return mtls_says("request", *road(pki, port), *words, *(f"https://localhost:{port}{path}" for path in paths))


def test_each_text_comes_right_after_its_own_body(pki: Pki, tmp_path: Path) -> None:
    template = tmp_path / "format"
    template.write_text("[%{http_code} %{num_connects} %{url}]\\n")
    with recorder(pki) as (port, seen):
        said = ours(pki, port, "-w", f"@{template}", paths=("/a", "/b", "/c"))
    expected = [f"ok\n[200 {number} https://localhost:{port}/{path}]\n" for path, number in (("a", 1), ("b", 0), ("c", 0))]
    assert said.out == "".join(expected)
    assert len(seen) == 3


SAME = [
    "http_code", "http_version", "size_header", "size_download", "size_upload", "redirect_url", "num_redirects", "num_connects",
    "num_headers", "method", "content_type", "url_effective", "filename_effective", "referer", "header_json", "response_code",
    "ssl_verify_result", "remote_port", "num_certs", "time_redirect", r"x}\\n\\q%{http_code",
]


@pytest.mark.client
@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("answer", [ANSWER, MOVED], ids=["answer", "moved"])
def test_a_variable_says_what_curls_says(pki: Pki, tmp_path: Path, name: str, answer: bytes) -> None:
    words = ["-w", f"%{{{name}}}", "-o", "answer", "-e", "https://r/", "-d", "four"]
    with recorder(pki, answer) as (port, _), pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        said = ours(pki, port, *words)
        theirs = by_curl(pki, *words, f"https://localhost:{port}/a", folder=tmp_path).stdout.decode()
    if name == "header_json":
        assert json.loads(said.out) == json.loads(theirs)
    else:
        assert said.out == theirs


def test_times_and_speeds_are_numbers_in_their_order(pki: Pki) -> None:
    names = ["namelookup", "connect", "appconnect", "pretransfer", "starttransfer", "total"]
    template = " ".join(f"%{{time_{name}}}" for name in names) + " %{speed_download} %{speed_upload} %{size_request} %{exitcode}"
    with recorder(pki) as (port, _):
        said = ours(pki, port, "-s", "-o", "/dev/null", "-w", template, "-d", "x")
    *times, down, up, size, code = map(float, said.out.split())
    assert times == sorted(times)
    assert times[1] > 0
    assert down > up >= 0
    assert (size > 100, code) == (True, 0)


def test_an_unknown_variable_is_said_and_streams_are_switched(pki: Pki) -> None:
    with recorder(pki) as (port, _):
        said = ours(pki, port, "-w", "a%{nonsense}b%{stderr}c %{http_code}\\n%{stdout}d%{http.status}%{absent.too}%{tool.absent}")
    assert said.out == "ok\nabd200"
    assert "c 200\n" in said.err
    assert [line for line in said.err.splitlines() if "unknown" in line] == [
        "warning: unknown --write-out variable: 'nonsense'", "warning: unknown --write-out variable: 'absent.too'"]


def test_what_kept_the_answer_back_is_written_out(pki: Pki) -> None:
    with recorder(pki) as (port, _):
        pass
    said = ours(pki, port, "-w", "%{http_code} %{exitcode} %{errormsg}", "-s")
    assert (said.code, said.err) == (3, "")
    assert said.out.startswith("000 3 nobody listens on ")


def test_an_answer_that_leads_nowhere_is_one_transfer(pki: Pki) -> None:
    with recorder(pki, MOVED) as (port, _):
        said = ours(pki, port, "-L", "--max-redirs", "0", "-w", "%{http_code} %{num_connects} %{errormsg}\\n", paths=("/a", "/b"))
    assert said.out == "302 1 more than 0 redirects\n302 0 more than 0 redirects\n"


def test_heads_go_to_a_file_and_interim_ones_are_shown(pki: Pki, tmp_path: Path) -> None:
    heads = tmp_path / "heads"
    with recorder(pki, EARLY) as (port, _):
        said = ours(pki, port, "-D", str(heads), paths=("/a", "/b"))
        shown = ours(pki, port, "-i")
    assert said.out == "ok\nok\n"
    assert heads.read_bytes() == EARLY.removesuffix(b"ok\n") * 2
    assert shown.out.encode() == EARLY.replace(b"\r", b"")


def test_bodies_are_named_as_their_urls_and_folders_are_made(pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with recorder(pki) as (port, seen):
        said = ours(pki, port, "-O", "-o", "x/y/z", "-O", "--create-dirs", paths=("/d/one?q/w", "/two", "/three"))
        refused = [ours(pki, port, "-O", paths=(path,)).code for path in ("/", "/d/", "/a/..")]
    assert (said.code, said.out, len(seen), refused) == (0, "", 3, [2, 2, 2])
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == {"one", "x/y/z", "three"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_file_that_takes_nothing_is_named(pki: Pki) -> None:
    with recorder(pki) as (port, _):
        for words in (("-o", "/dev/full"), ("-D", "/dev/full")):
            said = ours(pki, port, *words)
            assert said.code == 4, said
            assert "error: cannot write '/dev/full': " in said.err
            assert "stdout" not in said.err


def test_an_answer_for_a_stdout_that_is_closed_is_an_error(pki: Pki) -> None:
    program = "import os, sys; os.close(1); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    with recorder(pki) as (port, _):
        url = f"https://localhost:{port}/"
        command = [sys.executable, "-c", program, "-m", "inspector", "request", *road(pki, port), url]
        done = subprocess.run(command, capture_output=True, timeout=30, check=False, text=True)
    assert done.returncode == 4, done
    assert "error: the answer cannot be written: stdout is closed" in done.stderr


def test_silence_is_kept_unless_errors_are_to_be_shown(pki: Pki) -> None:
    with recorder(pki) as (port, _):
        words = ["--require", "alpn=h2"]
        assert "error: " in ours(pki, port, *words).err
        silent, shown = ours(pki, port, *words, "-s"), ours(pki, port, *words, "-sS")
    assert (silent.code, silent.err) == (1, "")
    assert shown.err.startswith("error: ")


def test_times_of_curls_options_are_kept(pki: Pki) -> None:
    from tests.cli.peers import peer, silent

    with peer(silent) as port:
        for words in (["-m", "0.5"], ["--connect-timeout", "0.5"]):
            said = ours(pki, port, *words)
            assert said.code == 3
            assert "within 0." in said.err or "0.5" in said.err, said.err


def test_what_is_for_errors_only_is_said_for_errors_only(pki: Pki) -> None:
    with recorder(pki) as (port, _):
        good = ours(pki, port, "-w", "%{urlnum}|%{onerror}bad", paths=("/a", "/b"))
    assert [text in good.out for text in ("0|", "1|", "bad")] == [True, True, False]
    refused = mtls_says("request", "https://localhost:1/", "-w", "%{onerror}%{exitcode}")
    assert refused.out == "3"


def test_variables_of_newer_curls_are_known(pki: Pki, tmp_path: Path) -> None:
    names = ("conn_id", "xfer_id", "url.host", "url.port", "url.path", "url.query", "url.fragment", "urle.scheme", "url.user")
    with recorder(pki) as (port, _):
        said = ours(pki, port, "-o", str(tmp_path / "a"), "-o", str(tmp_path / "b"), "-w",
                    " ".join(f"%{{{name}}}" for name in names) + "\\n", paths=("/a?x#y", "/b"))
    assert said.out.splitlines() == [f"0 0 localhost {port} /a x y https ", f"0 1 localhost {port} /b   https "]
    assert "warning" not in said.err


@pytest.mark.client
def test_the_chain_is_written_out_in_pem(pki: Pki, tmp_path: Path) -> None:
    def pem(text: str) -> str:
        return text[text.index("-----BEGIN") :].strip()

    with recorder(pki) as (port, _):
        said = ours(pki, port, "-o", str(tmp_path / "a"), "-w", "%{certs}")
        theirs = by_curl(pki, "-o", "b", "-w", "%{certs}", f"https://localhost:{port}/a", folder=tmp_path).stdout.decode()
    assert pem(said.out) == pem(theirs)
    assert "Subject:" in said.out


def test_a_redirects_time_is_told_apart(pki: Pki) -> None:
    answers = iter([MOVED, ANSWER])
    with web(pki, lambda *_: next(answers)) as (port, _):
        said = ours(pki, port, "-L", "-o", "/dev/null", "-w", "%{time_redirect} %{time_starttransfer}")
    redirect, start = map(float, said.out.split())
    assert 0 < redirect < start


@pytest.mark.parametrize("word", ["%output{f}", "%time{%H}"])
def test_what_cannot_be_written_out_is_wrong_usage(word: str) -> None:
    assert mtls_says("request", "-w", word, "https://localhost:1/").code == 2
