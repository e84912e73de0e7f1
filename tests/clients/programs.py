"""Real TLS clients, each told to present one credential. ``PROGRAMS``: name in ``would_send`` -> how it is run against ports."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

APPS = Path(__file__).parent / "apps"
SECONDS = 120
PASSWORD = b"changeit"


def find(program: str) -> str:
    """The program's path, or a skip that names it."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


def run(command: Sequence[str], folder: Path, **env: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=SECONDS, check=False,
    )
    return done.stdout.decode(errors="replace")


class Files:
    """A credential and the root that is to be trusted, in the forms that programs want."""

    def __init__(self, folder: Path, client: Any, root: Any) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

        self.folder = folder
        self.cert, self.key, self.ca = folder / "client.pem", folder / "client.key", folder / "root.pem"
        self.cert.write_bytes(client.pem())
        self.key.write_bytes(client.key_pem())
        self.ca.write_bytes(root.pem())
        chain = [x509.load_der_x509_certificate(der) for der in client.sent]
        self.keystore, self.truststore = folder / "client.p12", folder / "roots.p12"
        lock = BestAvailableEncryption(PASSWORD)
        self.keystore.write_bytes(pkcs12.serialize_key_and_certificates(b"client", client.key, chain[0], chain[1:], lock))
        trusted = pkcs12.PKCS12Certificate(x509.load_der_x509_certificate(root.cert), b"root")
        self.truststore.write_bytes(pkcs12.serialize_java_truststore([trusted], lock))

    @property
    def pem(self) -> tuple[str, str, str]:
        return str(self.cert), str(self.key), str(self.ca)


def _curl(files: Files, ports: Sequence[int]) -> str:
    cert, key, ca = files.pem
    return "".join(
        run([find("curl"), "-sS", "--max-time", "8", "--noproxy", "*", "--cert", cert, "--key", key, "--cacert", ca,
             f"https://localhost:{port}/"], files.folder)
        for port in ports
    )


def _openssl(files: Files, ports: Sequence[int]) -> str:
    cert, key, ca = files.pem
    return "".join(
        run([find("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost", "-cert", cert, "-key", key,
             "-cert_chain", cert, "-CAfile", ca], files.folder)
        for port in ports
    )


def _wget(files: Files, ports: Sequence[int]) -> str:
    cert, key, ca = files.pem
    wget = find("wget")
    if "+ssl/gnutls" not in run([wget, "--version"], files.folder):
        pytest.skip("this wget does not use GnuTLS")
    return "".join(
        run([wget, "-q", "-O", "-", "--tries=1", "--timeout=8", "--no-proxy", f"--certificate={cert}", f"--private-key={key}",
             f"--ca-certificate={ca}", f"https://localhost:{port}/"], files.folder)
        for port in ports
    )


def _gnutls_cli(files: Files, ports: Sequence[int]) -> str:
    cert, key, ca = files.pem
    return "".join(
        run([find("gnutls-cli"), "--x509certfile", cert, "--x509keyfile", key, "--x509cafile", ca, "-p", str(port), "localhost"],
            files.folder)
        for port in ports
    )


def _node(files: Files, ports: Sequence[int]) -> str:
    return run([find("node"), str(APPS / "client.js"), *files.pem, *map(str, ports)], files.folder)


def _go(files: Files, ports: Sequence[int]) -> str:
    program = files.folder / "go-client"
    if not program.exists():
        said = run([find("go"), "build", "-o", str(program), str(APPS / "client.go")], files.folder, GO111MODULE="off")
        assert program.exists(), said
    return run([str(program), *files.pem, *map(str, ports)], files.folder)


def _java(algorithm: str) -> Callable[[Files, Sequence[int]], str]:
    def connect(files: Files, ports: Sequence[int]) -> str:
        compiled = files.folder / "Client.class"
        if not compiled.exists():
            said = run([find("javac"), "-d", str(files.folder), str(APPS / "Client.java")], files.folder)
            assert compiled.exists(), said
        return run(
            [find("java"), "-XX:TieredStopAtLevel=1", "-cp", str(files.folder), "Client", algorithm, str(files.keystore),
             str(files.truststore), *map(str, ports)], files.folder)

    return connect


def _nss(files: Files, ports: Sequence[int]) -> str:
    database = f"sql:{files.folder / 'nss'}"
    said = ""
    if not (files.folder / "nss").exists():
        tool, importer = find("certutil"), find("pk12util")
        (files.folder / "nss").mkdir()
        said += run([tool, "-N", "-d", database, "--empty-password"], files.folder)
        said += run([tool, "-A", "-d", database, "-n", "root", "-t", "C,,", "-i", str(files.ca)], files.folder)
        said += run([importer, "-i", str(files.keystore), "-d", database, "-W", PASSWORD.decode(), "-K", ""], files.folder)
    return said + "".join(
        run([find("tstclnt"), "-d", database, "-h", "127.0.0.1", "-a", "localhost", "-p", str(port), "-Q", "-o"], files.folder)
        for port in ports
    )


PROGRAMS: dict[str, Callable[[Files, Sequence[int]], str]] = {
    "OpenSSL": _openssl,
    "curl (OpenSSL)": _curl,
    "Node.js": _node,
    "Go crypto/tls": _go,
    "Java SunX509": _java("SunX509"),
    "Java NewSunX509 (PKIX)": _java("NewSunX509"),
    "GnuTLS (gnutls-cli)": _gnutls_cli,
    "GnuTLS (library)": _wget,
    "NSS": _nss,
}
