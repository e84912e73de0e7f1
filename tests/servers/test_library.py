"""The examples of docs/library.md are run as they stand, and the library's errors are what it promises."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.servers.http_lab import echo_node

pytestmark = pytest.mark.server

DOCUMENT = Path(__file__).parents[2] / "docs" / "library.md"


def test_the_documented_examples_run(lab, pki, tmp_path, monkeypatch):
    server = echo_node(lab)
    for ours, theirs in (("client", "client-good"), ("expired", "client-expired")):
        shutil.copy(pki[f"{theirs}.pem"], tmp_path / f"{ours}.pem")
        shutil.copy(pki[f"{theirs}.key"], tmp_path / f"{ours}.key")
    shutil.copy(pki["root.pem"], tmp_path / "root.pem")
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert len(examples) == 5
    names: dict[str, object] = {"host": f"localhost:{server.port}"}
    for example in examples:
        exec(compile(example, str(DOCUMENT), "exec"), names)


def test_httpx_is_told_what_happened(lab, pki):
    import httpx

    from inspector.httpx_transport import InspectorTransport

    server = echo_node(lab)
    with httpx.Client(transport=InspectorTransport(cacert=pki["root.pem"], cert=pki["client-good.pem"], key=pki["client-good.key"],
                                                   http="1.1")) as client:
        answer = client.post(f"https://localhost:{server.port}/echo", json={"n": 1}, headers={"X-Test": "1"})
        assert [answer.json()["method"], answer.json()["headers"]["x-test"], answer.http_version] == ["POST", "1", "HTTP/1.1"]
    transport = InspectorTransport(cert=pki["client-good.pem"], key=pki["client-good.key"])
    with httpx.Client(transport=transport) as client, pytest.raises(httpx.ConnectError):
        client.get(f"https://localhost:{server.port}/")
    assert transport.reports[-1].client_auth.sent is False


def test_nobody_there_is_a_transport_error():
    import inspector
    from inspector.errors import TransportError

    with pytest.raises(TransportError):
        inspector.request("https://localhost:1/", timeout=2)
