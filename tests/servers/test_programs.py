"""The servers that the other tests rely on do what their names say, as seen by curl, a client that is not ours."""

from __future__ import annotations

import subprocess

import pytest

from tests.servers.programs import Lab, find

pytestmark = pytest.mark.server

STARTERS = {
    "nginx": lambda lab: lab.nginx(),
    "apache": lambda lab: lab.apache(),
    "haproxy": lambda lab: lab.haproxy(),
    "node": lambda lab: lab.node(),
    "s_server": lambda lab: lab.s_server(),
    "python": lambda lab: lab.python(),
    "go": lambda lab: lab.go(),
}


@pytest.mark.parametrize("name", STARTERS)
def test_server_lets_the_good_certificate_in_and_nobody_else(lab: Lab, name: str) -> None:
    server = STARTERS[name](lab)
    codes = {}
    for kind in ("good", "none", "untrusted"):
        cert, key = lab.pki.client(kind)
        command = [
            find("curl"),
            "-sS",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "--noproxy",
            "*",
            "--max-time",
            "10",
            "--cacert",
            str(lab.pki["root.pem"]),
            *(["--cert", str(cert), "--key", str(key)] if cert else []),
            f"https://localhost:{server.port}/",
        ]
        codes[kind] = subprocess.run(command, capture_output=True, text=True, timeout=20).stdout
    refused = "400" if name == "nginx" else "000"
    assert codes == {"good": "200", "none": refused, "untrusted": refused}, server.log()
