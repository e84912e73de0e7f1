"""The same forty requests through curl and through this tool, over HTTP/1.1 and HTTP/2, to three servers: the same answers."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from inspector.cli.main import mtls
from tests.servers.http_lab import echo_apache, echo_backend, echo_nginx, echo_node, without_proxy_variables
from tests.servers.programs import find

pytestmark = pytest.mark.server

# headers that differ between two runs of the same request, or belong to the connection
OWN = {"date", "connection", "keep-alive", "transfer-encoding", "etag", "last-modified", "upgrade"}


class Case(NamedTuple):
    name: str
    path: str
    flags: tuple[str, ...] = ()
    stdin: bytes | None = None


CASES = [
    # methods
    Case("get", "/echo?a=1&b=%20"),
    Case("head", "/echo", ("-I",)),
    Case("post", "/echo", ("-X", "POST")),
    Case("put", "/echo", ("-X", "PUT", "-d", "x")),
    Case("delete", "/echo/7", ("-X", "DELETE")),
    Case("options", "/echo", ("-X", "OPTIONS")),
    # bodies
    Case("body-form", "/echo", ("-d", "a=b", "-d", "c=d")),
    Case("body-raw", "/echo", ("--data-raw", "@not-a-file")),
    Case("body-binary", "/echo", ("--data-binary", "@FOLDER/big.bin", "-H", "Content-Type: application/octet-stream")),
    Case("body-urlencode", "/echo", ("--data-urlencode", "q=a b&c/d", "--data-urlencode", "=x y")),
    Case("body-json", "/echo", ("--data-json", '{"n": [1, 2]}')),
    Case("body-multipart", "/echo", ("-F", "name=value", "-F", "file=@FOLDER/small.txt;type=text/plain")),
    Case("body-put-file", "/echo/f", ("-T", "FOLDER/big.bin")),
    Case("body-stdin", "/echo", ("-T", "-"), b"piped " * 1000),
    # content codings
    *(Case(f"coding-{name}", f"/coding/{name}", ("--compressed",)) for name in ("identity", "gzip", "deflate", "br", "raw")),
    Case("coding-as-it-is", "/coding/gzip"),
    # statuses
    *(Case(f"status-{code}", f"/status/{code}") for code in (200, 201, 204, 304, 400, 404, 500, 503)),
    # redirects
    Case("redirect-301", "/redirect/301", ("-L", "-d", "a=b")),
    Case("redirect-302", "/redirect/302", ("-L",)),
    Case("redirect-303", "/redirect/303", ("-L", "-d", "a=b")),
    Case("redirect-307", "/redirect/307", ("-L", "-d", "a=b")),
    # shapes of headers
    *(Case(f"shape-{name}", f"/shape/{name}") for name in ("twice", "long", "empty", "bytes")),
    # ranges
    *(Case(f"range-{text}", "/range", ("-r", text)) for text in ("0-9", "100-", "-5", "99999-")),
]


class Answer(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    sha256: str
    text: bytes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("bodies")
    (place / "big.bin").write_bytes(bytes(range(256)) * 1200)
    (place / "small.txt").write_text("small\nfile\n")
    return place


@pytest.fixture(scope="module")
def servers(lab: Any) -> dict[str, Any]:
    backend = echo_backend(lab)
    return {"nginx": echo_nginx(lab, backend), "apache": echo_apache(lab, backend), "node": echo_node(lab)}


def test_there_are_forty_requests():
    assert len(CASES) == 40


def _headers(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted((name.lower(), value.strip()) for name, value in pairs if name.lower() not in OWN)


def _curl(case: Case, url: str, version: str, credential: list[str], folder: Path) -> Answer:
    flags = [flag.replace("FOLDER", str(folder)).replace("--data-json", "--json") for flag in case.flags]
    head, body = folder / "curl.head", folder / "curl.body"
    body.write_bytes(b"")
    out = [] if "-I" in flags else ["-o", str(body)]
    subprocess.run(
        [find("curl"), "-sS", *credential, "--http1.1" if version == "1.1" else "--http2", "-D", str(head), *out, *flags, url],
        input=case.stdin, check=True, capture_output=True, timeout=30, env=without_proxy_variables())
    # the last head: redirects and interim responses come before it
    block = head.read_bytes().replace(b"\r\n", b"\n").strip().split(b"\n\n")[-1].decode("latin-1").split("\n")
    pairs = [(name, value.strip()) for name, _, value in (line.partition(":") for line in block[1:])]
    content = body.read_bytes()
    return Answer(int(block[0].split()[1]), _headers(pairs), hashlib.sha256(content).hexdigest(), content)


def _ours(case: Case, url: str, version: str, credential: list[str], folder: Path) -> Answer:
    """The whole command, in this process (240 processes would take minutes)."""
    flags = [flag.replace("FOLDER", str(folder)) for flag in case.flags]
    body = folder / "our.body"
    with pytest.MonkeyPatch.context() as patch:
        out = io.TextIOWrapper(io.BytesIO(), write_through=True)
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(case.stdin or b"")))
        command = ["request", "--proxy", "none", *credential, f"--http{version}", "-o", str(body), *flags, "--json", url]
        mtls.main(command, prog_name="mtls", standalone_mode=False)
    http = json.loads(out.buffer.getvalue())["http"]
    content = body.read_bytes() if "-I" not in flags else b""
    return Answer(http["status"], _headers(http["headers"]), hashlib.sha256(content).hexdigest(), content)


@pytest.mark.parametrize("version", ["1.1", "2"])
@pytest.mark.parametrize("server", ["nginx", "apache", "node"])
def test_status_headers_and_body_agree_with_curl(servers, pki, folder, server, version):
    credential = ["--cacert", str(pki["root.pem"]), "--cert", str(pki["client-good.pem"]), "--key", str(pki["client-good.key"])]
    differ = {}
    for case in CASES:
        url = f"https://localhost:{servers[server].port}{case.path}"
        theirs = _curl(case, url, version, credential, folder)
        ours = _ours(case, url, version, credential, folder)
        if theirs[:3] != ours[:3]:
            differ[case.name] = {"curl": _shown(theirs), "ours": _shown(ours)}
    assert not differ, json.dumps(differ, indent=1)


def _shown(answer: Answer) -> Any:
    return [answer.status, answer.headers, answer.text[:400].decode("latin-1")]
