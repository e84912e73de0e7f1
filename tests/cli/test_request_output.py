"""Where an answer goes: what a terminal is spared, and what a refusal leaves alone."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from inspector.cli.request_output import Output
from tests.cli.peers import Pki, answers, https, mtls_says, peer

REFUSAL = b"\x15\x03\x03\x00\x02\x02\x30"  # fatal alert 48, unknown_ca


def request(pki: Pki, port: int, *more: str) -> Any:
    road = ["--connect-to", f"127.0.0.1:{port}", "--cacert", pki.path("root.pem"), "--no-system-trust"]
    own = ["--cert", pki.path("alice.pem"), "--key", pki.path("alice.key")]
    return mtls_says("request", f"https://localhost:{port}/", *road, *own, *more)


def test_without_an_answer_the_file_stays_what_it_was(pki: Pki, tmp_path: Path) -> None:
    kept, new = tmp_path / "kept", tmp_path / "new"
    kept.write_text("before")
    for path in (kept, new):
        with peer(answers(REFUSAL)) as port:
            assert request(pki, port, "-o", str(path)).code != 0
    assert (kept.read_text(), new.exists()) == ("before", False)


def test_an_answer_replaces_it(pki: Pki, tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_text("before")
    with peer(https(pki)) as port:
        assert request(pki, port, "-o", str(path)).code == 0
    assert path.read_text() == "ok"


@pytest.mark.parametrize(
    ("path", "expected"),
    [(None, b"before"), ("-", b"before\x00\x1b[31mafter")],
)
def test_a_terminal_gets_binary_content_only_if_it_was_asked_to(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], path: str | None, expected: bytes,
) -> None:
    class Terminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    screen = io.BytesIO()
    monkeypatch.setattr("sys.stdout", Terminal(screen, write_through=True))
    sink = Output(path, include=False, head_only=False)
    for piece in (b"before", b"\x00\x1b[31m", b"after"):
        sink.data(piece)
    sink.close()
    assert screen.getvalue() == expected
    assert capsys.readouterr().err.count("the answer is binary") == (path is None)


@pytest.mark.parametrize("more", [(), ("-i",)])
def test_an_error_that_is_not_shown_leaves_the_file_alone(pki: Pki, tmp_path: Path, more: tuple[str, ...]) -> None:
    kept, new = tmp_path / "kept", tmp_path / "new"
    for path in (kept, new):
        kept.write_text("before")
        with peer(https(pki, status="500 Oh")) as port:
            assert request(pki, port, "--fail", "-o", str(path), *more).code == 1
    if more:  # as with curl, a head is wanted all the same
        assert new.read_bytes().startswith(b"HTTP/1.1 500 Oh\r\n")
    else:
        assert (kept.read_text(), new.exists()) == ("before", False)


def test_heads_only_are_shown_whatever_the_method(pki: Pki) -> None:
    with peer(https(pki)) as port:
        said = request(pki, port, "-I", "-X", "GET")
    assert (said.out.startswith("HTTP/1.1 200 OK"), said.out.endswith("\n\n")) == (True, True)


def test_files_go_into_the_folder_that_is_named(pki: Pki, tmp_path: Path) -> None:
    with peer(https(pki)) as port:
        assert request(pki, port, "-o", "a/b", "--output-dir", str(tmp_path), "--create-dirs").code == 0
    assert (tmp_path / "a" / "b").read_text() == "ok"


def test_a_receipt_that_finds_no_room_is_named(pki: Pki) -> None:
    with peer(https(pki)) as port:
        said = request(pki, port, "--receipt", "/dev/full")
    assert (said.code, "cannot write '/dev/full'" in said.err) == (4, True)
