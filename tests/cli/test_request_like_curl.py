"""What is sent, next to what curl sends for the same words."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from tests.cli.peers import Pki, mtls_says
from tests.cli.recorder import Seen, by_curl, recorder

pytestmark = pytest.mark.client


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "f.txt").write_bytes(b"first\r\nsecond\n\0")
    (tmp_path / "b.bin").write_bytes(bytes(range(256)))
    (tmp_path / "q;r.txt").write_bytes(b"odd name")
    (tmp_path / "a,b.png").write_bytes(b"odd name")
    (tmp_path / "heads").write_bytes(b"#no-comment: here\nX-One: 1\r\n\nX-Two: 2\nX-Gone:\nX-Empty;\n")
    (tmp_path / "part").write_bytes(b"# a comment\nX-Part: 1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ours(pki: Pki, port: int, *words: str, path: str = "/p?x=1") -> Any:
    own = ["--connect-to", f"127.0.0.1:{port}", "--cacert", pki.path("root.pem"), "--no-system-trust", "--proxy", "none"]
    return mtls_says("request", *own, "--http1.1", *words, f"https://localhost:{port}{path}")


def both(pki: Pki, place: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], **more: Any) -> tuple[Seen, Seen]:
    """The request as we send it and as curl does."""
    stdin, path = more.pop("stdin", b""), more.pop("path", "/p?x=1")
    with recorder(pki) as (port, seen):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        from inspector.cli.main import mtls

        own = ["request", "--connect-to", f"127.0.0.1:{port}", "--cacert", pki.path("root.pem"), "--no-system-trust", "--proxy",
               "none", "--http1.1", "-o", "ours.out", *words, f"https://localhost:{port}{path}"]
        assert not mtls.main(own, prog_name="mtls", standalone_mode=False)
        theirs = ["--json" if word == "--data-json" else word for word in words]
        done = by_curl(pki, "-o", "curl.out", *theirs, f"https://localhost:{port}{path}", stdin=stdin, folder=place)
        assert done.returncode == 0, done.stderr
    first, second = seen
    return first, second


FORMS = [
    ("-F", "a=b"), ("-F", "a=x;y"), ("-F", 'a="x;y"'), ("-F", 'a="x;y";type=t/p'), ("-F", r'a="x\"y\\z\q"'), ("-F", 'a="open'),
    ("-F", "a=v;type=text/plain; charset=utf-8"), ("-F", "a=v;type=text/plain; charset=utf-8;filename=n"), ("-F", "a= v "),
    ("-F", "a=v;filename=x.txt"), ("-F", "a=v;filename=x.unknown"), ("-F", 'a=v;filename="q;r.txt";type=a/b'),
    ("-F", "f=@f.txt"), ("-F", 'f=@"f.txt"'), ("-F", 'f=@"q;r.txt"'), ("-F", 'f=@"q;r.txt";filename="n;m.txt"'), ("-F", "f=@b.bin"),
    ("-F", r"f=@f.txt;filename=a\b.txt"), ("-F", 'f=@f.txt;filename="a\\"b"'), ("-F", "f=@f.txt;type=text/x; v=1;filename=n"),
    ("-F", "f=@f.txt,b.bin"), ("-F", 'f=@"a,b.png",f.txt;type=t/p'), ("-F", "f=<f.txt"), ("-F", "f=<f.txt;type=text/csv"),
    ("-F", "a=b;headers=X-A: 1"), ("-F", 'a=b;headers="X-A: 1;2";headers=X-B: 3'), ("-F", "a=b;headers=@part"),
    ("-F", "f=@f.txt;headers=Content-Type: own/type"), ("-F", "f=@-"), ("-F", "f=@-;filename=x.png"), ("-F", "f=<-"),
    ("--form-string", "a=@b;type=c"), ("-F", "a=1", "--form-string", "b=2", "-F", "c=3"), ("-F", "=v"), ("-F", 'n"m=v'),
    ("-F", "a=b", "-H", "Content-Type: multipart/related"), ("-F", "a=b", "-F", "f=@f.txt", "-H", "Content-Type: multipart/mixed"),
    ("-F", "a=\udcff"), ("-F", "\udcff=@f.txt;filename=\udcfe"), ("-F", "a=" + "long " * 20_000),
]
DATA = [
    ("-d", "a", "--data-raw", "b", "-d", "c"), ("--data-urlencode", "q=a b", "-d", "@f.txt", "--data-binary", "@b.bin"),
    ("-d", "\udcff"), ("--data-raw", "@\udcff"), ("--data-binary", "\udcff"), ("--data-urlencode", "n=\udcff\u00e9"),
    ("--data-urlencode", "n@f.txt"), ("--data-urlencode", "@f.txt"), ("--data-json", "[\udcff]"), ("-d", "@-"), ("-d", ""),
    ("--data-json", "[1,", "--data-json", "2]"), ("-X", "PATCH", "-d", "\U0001f600"),
    ("-G", "--data-binary", "@heads.one"), ("-G", "-d", "a=1", "-d", "b=2"), ("-G", "-I", "-d", "a=1"),
    ("-A", ""), ("-A", "me"), ("-e", "https://r/"), ("-H", "@heads"), ("-H", "User-Agent:"), ("-H", "X-E;"), ("-H", "X-U: \u00e9"),
    ("-b", "a=1; b=2"), ("-r", "0-9"), ("-H", "Host: other.test"), ("-I",),
]


@pytest.mark.parametrize("words", FORMS + DATA, ids=lambda words: " ".join(words)[:60].encode("ascii", "replace").decode())
def test_the_same_request_is_sent(pki: Pki, place: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    (place / "heads.one").write_bytes(b"a=1&b=2")
    mine, theirs = both(pki, place, monkeypatch, words, stdin=b"from\r\nstdin\n")
    assert mine.comparable() == theirs.comparable()


@pytest.mark.parametrize("path", ["/", "/dir/", "/dir/?x=1", "/dir", "/dir/name"])
@pytest.mark.parametrize("name", ["b.bin", "q;r.txt"])
def test_a_folder_is_completed_by_the_name_of_the_uploaded_file(
    pki: Pki, place: Path, monkeypatch: pytest.MonkeyPatch, path: str, name: str,
) -> None:
    mine, theirs = both(pki, place, monkeypatch, ("-T", name), path=path)
    if path == "/dir/?x=1":  # curl looks at the whole text here, and then at nothing
        assert mine.line == f"PUT /dir/{theirs_name(name)}?x=1 HTTP/1.1"
    else:
        assert (mine.line.lower(), mine.body) == (theirs.line.lower(), theirs.body)


def theirs_name(name: str) -> str:
    return name.replace(";", "%3B")


def test_data_that_is_empty_adds_nothing_to_the_query_and_cookies_are_one_header(pki: Pki, place: Path) -> None:
    with recorder(pki) as (port, seen):
        assert ours(pki, port, "-G", "-d", "", "-b", "a=1", "-b", "c=2", path="/p").code == 0
    assert seen[0].line == "GET /p HTTP/1.1"
    assert seen[0].header("cookie") == "a=1; c=2"


def test_stdin_is_sent_to_every_url(pki: Pki, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.cli.peers.STDIN", b"x\ny")
    with recorder(pki) as (port, seen):
        for words in (["-d", "@-"], ["--data-binary", "@-"], ["-F", "a=@-"]):
            assert ours(pki, port, *words, f"https://localhost:{port}/first").code == 0
    assert [request.line.split()[1] for request in seen] == ["/first", "/p?x=1"] * 3
    assert [b"xy", b"xy", b"x\ny", b"x\ny"] == [request.body for request in seen[:4]]
    assert seen[4].body.count(b"x\ny") == seen[5].body.count(b"x\ny") == 1


def test_stdin_is_not_uploaded_twice(pki: Pki, place: Path) -> None:
    with recorder(pki) as (port, seen):
        said = ours(pki, port, "-T", "-", f"https://localhost:{port}/first")
    assert (said.code, seen) == (2, [])
    assert "stdin can be uploaded once" in said.err


@pytest.mark.parametrize("words", [
    ("-I", "-d", "a"), ("-I", "-F", "a=b"), ("-I", "-T", "b.bin"), ("-F", "a"), ("-F", "a=v;type=nonsense"), ("-G", "-F", "a=b"),
    ("-F", "a=b;encoder=base64"), ("-F", "a=(;type=multipart/mixed"), ("-H", "Host:"), ("-b", "jar"), ("-H", "nonsense"),
])
def test_what_makes_no_request_is_refused_before_anything_is_sent(pki: Pki, place: Path, words: tuple[str, ...]) -> None:
    with recorder(pki) as (port, seen):
        said = ours(pki, port, *words)
    assert (said.code, seen, said.out) == (2, [], ""), said
    assert said.err.startswith("error: ")
