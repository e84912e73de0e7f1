"""A large download and a large upload beside curl: hashes, peak memory, throughput.

    python tests/benchmarks/transfer.py [MIB] [ROUNDS]

1024 MiB by default, to and from nginx on loopback, over TLS 1.3 with a client certificate, rounds of both in turn, another one
first each time. The server's files lie in memory where there is room (/dev/shm): on a disk an upload waits for the server's
writeback, and pays for the pages that the one before it left behind, so that the figure speaks of whoever went before. Needs
nginx, curl and /usr/bin/time. On a machine whose cores are busy the numbers say little: look at the CPU seconds.
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

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.servers.http_lab import without_proxy_variables  # noqa: E402
from tests.servers.programs import Lab, laboratory  # noqa: E402

MEMORY_LIMIT = 60 * 1024  # kilobytes over a tiny transfer
LOCATION = "location / {{ root {run}; client_max_body_size 0; dav_methods PUT; client_body_buffer_size 64k; }}"


def measured(command: list[str]) -> tuple[float, float, int]:
    """Seconds of wall time and of CPU, and kilobytes of memory at most."""
    # compiled, as an installed program is
    env = {name: value for name, value in without_proxy_variables().items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.monotonic()
    done = subprocess.run(["/usr/bin/time", "-f", "%U %S %M", *command], capture_output=True, text=True, check=True, env=env)
    user, system, peak = done.stderr.split()[-3:]
    return time.monotonic() - began, float(user) + float(system), int(peak)


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
    server = lab.nginx(locations=LOCATION.format(run=run), http="sendfile on;")
    base, pki = f"https://localhost:{server.port}", lab.pki
    credential = ["--cacert", str(pki["root.pem"]), "--cert", str(pki["client-good.pem"]), "--key", str(pki["client-good.key"])]
    tools = {"curl": ["curl", "-s"], "ours": [sys.executable, "-m", "inspector", "request"]}
    words = {
        "download": [f"{base}/big", "-o", os.devnull],
        "upload": ["-T", str(big), f"{base}/up", "-o", os.devnull],
    }
    _, _, start = measured([*tools["ours"], *credential, "--http1.1", f"{base}/tiny", "-o", os.devnull])
    good = True
    for name, options in words.items():
        results: dict[str, list[tuple[float, float, int]]] = {tool: [] for tool in tools}
        for turn in range(rounds):
            for tool in sorted(tools, reverse=bool(turn % 2)):
                (run / "up").unlink(missing_ok=True)  # its pages are freed before the clock runs
                results[tool].append(measured([*tools[tool], *credential, "--http1.1", *options]))
        wall = {tool: median(result[0] for result in found) for tool, found in results.items()}
        cpu = {tool: median(result[1] for result in found) for tool, found in results.items()}
        grown = max(result[2] for result in results["ours"]) - start
        ratio = wall["curl"] / wall["ours"]
        speeds = ", ".join(f"{tool} {mib / wall[tool]:.0f} MiB/s ({cpu[tool]:.2f} s CPU)" for tool in tools)
        span = ", ".join(f"{tool} {min(seconds):.2f}..{max(seconds):.2f} s" for tool, seconds in (
            (tool, [result[0] for result in found]) for tool, found in results.items()))
        print(f"{name}: {speeds}, {ratio:.2f} of curl's speed ({span}), memory {grown:+d} KB over a tiny request")
        good = good and grown < MEMORY_LIMIT
    measured([*tools["ours"], *credential, "--http1.1", f"{base}/big", "-o", str(back)])
    same = digest(big) == digest(back) == digest(run / "up")
    print(f"hashes {'agree' if same else 'DIFFER'}")
    return good and same


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
