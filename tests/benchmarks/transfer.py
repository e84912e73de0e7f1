"""A large download and a large upload beside curl: hashes, peak memory, throughput.

    python tests/benchmarks/transfer.py [MIB] [ROUNDS]

1024 MiB by default, to and from nginx on loopback, over TLS 1.3 with a client certificate, by HTTP/1.1 and HTTP/2, rounds of both
in turn, another one first each time. The server's files lie in memory where there is room (/dev/shm): on a disk an upload waits for
the server's writeback, and pays for the pages that the one before it left behind, so that the figure speaks of whoever went before.
A virtual machine gives pages that fall free back to its host within seconds, and to have them again costs the server as much as the
upload: so it rests before each, and both tools meet a server for which all pages are new.
The second figure is each tool's own, -w '%{speed_download}' and '%{speed_upload}': without the start of the process, which is a
third of a second for Python and nothing for curl, whatever the size.
Needs nginx, curl and /usr/bin/time. On a machine whose cores are busy the numbers say little: look at the CPU seconds.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.servers.http_lab import without_proxy_variables  # noqa: E402
from tests.servers.programs import Lab, free_port, laboratory  # noqa: E402

REST = 3.0  # seconds
MEMORY_LIMIT = 60 * 1024  # kilobytes over a tiny transfer
LOCATION = "location / {{ root {run}; client_max_body_size 0; dav_methods PUT; client_body_buffer_size 64k; }}"
HTTP2 = """server {{ listen 127.0.0.1:{port} ssl http2; server_name localhost; ssl_verify_client on; ssl_verify_depth 3;
ssl_certificate {pki[server.pem]}; ssl_certificate_key {pki[server.key]}; ssl_client_certificate {pki[root.pem]}; {location} }}"""


class Measured(NamedTuple):
    """Seconds of wall time and of CPU, kilobytes of memory at most, and bytes a second by the tool's own account."""

    wall: float
    cpu: float
    peak: int
    speed: float


def measured(command: list[str]) -> Measured:
    # compiled, as an installed program is
    env = {name: value for name, value in without_proxy_variables().items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.monotonic()
    timed = ["/usr/bin/time", "-f", "%U %S %M", *command, "-w", "%{speed_download} %{speed_upload}"]
    done = subprocess.run(timed, capture_output=True, text=True, check=True, env=env)
    user, system, peak = done.stderr.split()[-3:]
    speeds = map(float, done.stdout.split())
    return Measured(time.monotonic() - began, float(user) + float(system), int(peak), max(speeds))


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def compare(lab: Lab, mib: int, rounds: int) -> bool:
    run = lab.place("files")
    run.chmod(0o777)
    big, back = run / "big", run / "back"
    block = os.urandom(1 << 20)
    with big.open("wb") as file:
        for _ in range(mib):
            file.write(block)
    (run / "tiny").write_bytes(b"x")
    location, pki, port = LOCATION.format(run=run), lab.pki, free_port()
    server = lab.nginx(locations=location, http="sendfile on;", servers=HTTP2.format(port=port, pki=pki, location=location))
    versions = {"--http1.1": f"https://localhost:{server.port}", "--http2": f"https://localhost:{port}"}
    credential = ["--cacert", str(pki["root.pem"]), "--cert", str(pki["client-good.pem"]), "--key", str(pki["client-good.key"])]
    ours = [sys.executable, "-m", "inspector", "request", *credential]
    commands = {"curl": ["curl", "-s", *credential], "ours": ours}
    start = measured([*ours, "--http1.1", f"{versions['--http1.1']}/tiny", "-o", os.devnull]).peak
    good = True
    for version, base in versions.items():
        for name, words in (("download", [f"{base}/big"]), ("upload", ["-T", str(big), f"{base}/up"])):
            print(f"{version.strip('-')} {name}: ", end="", flush=True)
            grown = beside(commands, [version, *words, "-o", os.devnull], run / "up", mib, rounds) - start
            print(f", memory {grown:+d} KB over a tiny request")
            good = good and grown < MEMORY_LIMIT
        measured([*ours, version, f"{base}/big", "-o", str(back)])
        same = digest(big) == digest(back) == digest(run / "up")
        print(f"hashes {'agree' if same else 'DIFFER'}")
        good = good and same
    return good


def beside(commands: dict[str, list[str]], words: list[str], uploaded: Path, mib: int, rounds: int) -> int:
    """Run both tools so many times in turn, and print how they did; returns what ours took of memory at most, in kilobytes."""
    results: dict[str, list[Measured]] = {tool: [] for tool in commands}
    for turn in range(rounds):
        for tool in sorted(commands, reverse=bool(turn % 2)):
            if uploaded.exists():
                uploaded.unlink()
                time.sleep(REST)
            results[tool].append(measured([*commands[tool], *words]))
    middle, own = {}, {}
    for tool, found in results.items():
        wall, cpu, _, speed = zip(*found, strict=True)
        middle[tool], own[tool] = median(wall), median(speed)
        print(f"{tool} {mib / median(wall):.0f} MiB/s ({min(wall):.2f}..{max(wall):.2f} s, CPU {median(cpu):.2f} s), ", end="")
    print(f"{middle['curl'] / middle['ours']:.2f} of curl's speed, {own['ours'] / own['curl']:.2f} by their own account", end="")
    return max(result.peak for result in results["ours"])


def in_memory(mib: int) -> None:
    """Lay temporary files in memory where three files of that size fit."""
    memory = Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free > 4 * mib * 1024 * 1024:
        tempfile.tempdir = str(memory)


def main() -> int:
    mib = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    in_memory(mib)
    with laboratory() as lab:
        return 0 if compare(lab, mib, rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
