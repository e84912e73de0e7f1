"""How fast `mtls read` is beside tshark, and how much memory both take: python tests/benchmarks/captures.py [COUNT] [FOLDER]

Makes COUNT (20,000) mutual handshakes in memory, half TLS 1.2 and half TLS 1.3, each with an HTTP request and its answer, writes
them interleaved into a pcap with a key log beside it, and reads both with each program in turn. Peak memory is that of the child
process. The same is done with a tenth of the file, to show what grows with it.
"""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from inspector.credentials import mint
from tests.capture import forge

AT_ONCE = 50  # connections that are open at the same time


def contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A client and a server that ask each other for certificates; both log their secrets to one file."""
    authority = mint.authority("Benchmark CA")
    files = {}
    for name, made in (("server", mint.server_leaf(["localhost"], authority)), ("client", mint.leaf("client", authority))):
        files[name] = folder / f"{name}.pem"
        files[name].write_bytes(made.key_pem() + mint.certificates_pem([made.cert]))
    ca = folder / "ca.pem"
    ca.write_bytes(mint.certificates_pem([authority.cert]))
    client, server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for context, name in ((client, "client"), (server, "server")):
        context.load_cert_chain(files[name])
        context.load_verify_locations(ca)
        context.verify_mode = ssl.CERT_REQUIRED
    client.keylog_filename = str(folder / "keys.log")
    return client, server


def conversation(client_context: ssl.SSLContext, server_context: ssl.SSLContext) -> list[tuple[int, bytes]]:
    """One handshake, a request, an answer: (way, bytes)."""
    pipes = [(ssl.MemoryBIO(), ssl.MemoryBIO()) for _ in range(2)]
    client = client_context.wrap_bio(*pipes[0], server_hostname="localhost")
    server = server_context.wrap_bio(*pipes[1], server_side=True)
    parts: list[tuple[int, bytes]] = []

    def carry(way: int) -> None:
        data = pipes[way][1].read()
        if data:
            parts.append((way, data))
            pipes[1 - way][0].write(data)

    for _ in range(3):
        for way, side in ((forge.CLIENT, client), (forge.SERVER, server)):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
            carry(way)
    client.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    carry(forge.CLIENT)
    server.read(1000)
    server.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000)
    carry(forge.SERVER)
    return parts


def make(count: int, folder: Path) -> Path:
    """The capture; its key log is ``keys.log`` beside it."""
    client, server = contexts(folder)
    path = folder / "many.pcap"
    with path.open("wb") as out:
        out.write(forge.pcap([]))
        for first in range(0, count, AT_ONCE):
            segments = []
            for number in range(first, min(first + AT_ONCE, count)):
                client.maximum_version = ssl.TLSVersion.TLSv1_2 if number % 2 else ssl.TLSVersion.TLSv1_3
                ports = (1024 + number % 60_000, 443 + number // 60_000)
                start = 1000 + first * 0.001 + (number - first) * 0.0001
                segments += forge.conversation(conversation(client, server), ports=ports, start=start, isn=(number, number))
            segments.sort(key=lambda segment: segment.at)
            out.write(forge.pcap(forge.packets(segments))[24:])
    return path


def run(command: list[str]) -> tuple[float, float, int, int]:
    """Seconds of CPU, seconds by the clock, peak memory in MiB, lines printed."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
        out.seek(0)
        lines = sum(1 for _ in out)
    return usage.ru_utime + usage.ru_stime, time.monotonic() - began, usage.ru_maxrss // 1024, lines


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    mtls = [sys.executable, "-m", "inspector", "read"]
    print(f"{'handshakes':>10} {'MiB':>6}  {'program':<42} {'CPU s':>7} {'clock s':>8} {'peak MiB':>9} {'lines':>7}")
    for part in (count // 10, count):
        path = make(part, folder)
        keys = folder / "keys.log"
        commands = {
            "mtls read --quiet (the table)": [*mtls, str(path), "--quiet"],
            "mtls read --quiet --keylog": [*mtls, str(path), "--quiet", "--keylog", str(keys)],
            "mtls read --json --keylog (all reports)": [*mtls, str(path), "--json", "--keylog", str(keys)],
            "tshark -Y tls.handshake.type==13": ["tshark", "-r", str(path), "-Y", "tls.handshake.type==13"],
            "the same with its key log": [
                "tshark", "-r", str(path), "-o", f"tls.keylog_file:{keys}", "-Y", "tls.handshake.type==13"],
        }
        for name, command in commands.items():
            cpu, clock, memory, lines = run(command)
            size = path.stat().st_size >> 20
            print(f"{part:>10} {size:>6}  {name:<42} {cpu:>7.1f} {clock:>8.1f} {memory:>9} {lines:>7}", flush=True)
        keys.unlink()


if __name__ == "__main__":
    main()
