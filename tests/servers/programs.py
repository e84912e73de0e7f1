"""Real server programs, each with its own configuration on a free loopback port, stopped by the pid that was started.

``Lab(pki)`` starts them; ``lab.nginx(...)`` and so on return a ``Running`` with its port and its log. A program that is missing
raises pytest's skip with the reason.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from tests.servers.pki import Pki

APPS = Path(__file__).parent / "apps"
START_SECONDS = 20.0
PLACES = "/usr/sbin:/usr/local/sbin:/usr/lib/postgresql/15/bin:/usr/lib/postgresql/16/bin:/usr/lib/postgresql/17/bin"


def find(program: str) -> str:
    """The program's path, or a skip that names it."""
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":" + PLACES)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Running:
    """A server process in its own session. ``log()`` is everything that it wrote so far."""

    def __init__(
        self,
        command: list[str],
        port: int,
        folder: Path,
        logs: tuple[Path, ...] = (),
        *,
        host: str = "127.0.0.1",
        env: dict[str, str] | None = None,
        user: str | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.port, self.host, self.folder = port, host, folder
        self.output = folder / "output.log"
        self.logs = (self.output, *logs)
        with self.output.open("wb") as sink:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **(env or {})},
                user=user if user and os.geteuid() == 0 else None,
                cwd=cwd or folder,
            )
        self._wait(command)

    def _wait(self, command: list[str]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), timeout=1):
                return
            time.sleep(0.05)
        self.stop()
        pytest.fail(f"{command[0]} did not start: {self.log()[-2000:]}")

    def log(self) -> str:
        return "".join(path.read_text(errors="replace") for path in self.logs if path.exists())

    @property
    def target(self) -> str:
        return f"{self.host}:{self.port}"

    def stop(self) -> None:
        """End the session that was started here, and nothing else."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=3)
        # children that outlive their leader share its process group
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=5)


NGINX_VERSIONS = {"old": "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3", "1.2": "TLSv1.2", "1.3": "TLSv1.3", "both": "TLSv1.2 TLSv1.3"}
APACHE_VERSIONS = {"1.2": "+TLSv1.2", "1.3": "+TLSv1.3", "both": "+TLSv1.2 +TLSv1.3"}
LOW_HIGH = {"1.2": ("1.2", "1.2"), "1.3": ("1.3", "1.3"), "both": ("1.2", "1.3")}
OPENSSL_FLAGS = {"1.2": ["-tls1_2"], "1.3": ["-tls1_3"], "both": []}


class Lab:
    """Starts servers and stops them all in the end (``with Lab(pki) as lab``)."""

    def __init__(self, pki: Pki) -> None:
        self.pki = pki
        self._base = Path(tempfile.mkdtemp(prefix="mtls-servers-"))
        self._base.chmod(0o755)
        self._running: list[Running] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._running:
            server.stop()
        shutil.rmtree(self._base, ignore_errors=True)

    def place(self, label: str) -> Path:
        """A folder of its own, that the servers' users may read."""
        folder = Path(tempfile.mkdtemp(prefix=f"{label}-", dir=self._base))
        folder.chmod(0o755)
        return folder

    def start(self, command: list[str], port: int, folder: Path, logs: tuple[Path, ...] = (), **more: object) -> Running:
        server = Running(command, port, folder, logs, **more)  # type: ignore[arg-type]
        self._running.append(server)
        return server

    def nginx(
        self,
        verify: str = "on",
        *,
        tls: str = "both",
        trust: str = "root.pem",
        crl: str = "",
        locations: str = "",
        more: str = "",
        servers: str = "",
        http: str = "",
    ) -> Running:
        """nginx with one TLS server; ``servers`` is more text for http {}, where PORT stands for the port."""
        program, port, run = find("nginx"), free_port(), self.place("nginx")
        location = locations or 'location / { add_header X-Verify $ssl_client_verify always; return 200 "ok\\n"; }'
        crl_line = f"ssl_crl {self.pki[crl]};" if crl else ""
        verify_lines = f"ssl_client_certificate {self.pki[trust]}; ssl_verify_client {verify};" if verify != "off" else ""
        config = run / "nginx.conf"
        config.write_text(f"""
daemon off; master_process off; pid {run}/nginx.pid; error_log {run}/error.log info;
events {{ worker_connections 128; }}
http {{
  log_format t 'verify=$ssl_client_verify status=$status sni=$ssl_server_name'; access_log {run}/access.log t;
  client_body_temp_path {run}/t1; proxy_temp_path {run}/t2; fastcgi_temp_path {run}/t3; uwsgi_temp_path {run}/t4;
  scgi_temp_path {run}/t5; {http}
  server {{
    listen 127.0.0.1:{port} ssl; server_name localhost;
    ssl_protocols {NGINX_VERSIONS[tls]}; ssl_certificate {self.pki["server.pem"]}; ssl_certificate_key {self.pki["server.key"]};
    {verify_lines} {crl_line} ssl_verify_depth 3; {more}
    {location}
  }}
  {servers.replace("PORT", str(port))}
}}
""")
        return self.start(
            [program, "-e", str(run / "error.log"), "-c", str(config), "-p", str(run)],
            port,
            run,
            (run / "error.log", run / "access.log"),
        )

    def apache(
        self,
        level: str = "SSLVerifyClient require",
        *,
        tls: str = "both",
        trust: str = "root.pem",
        location: str = "",
        more: str = "",
        after: str = "",
        modules: tuple[str, ...] = (),
    ) -> Running:
        """Apache httpd with one TLS host. ``location`` is text inside <Location "/">."""
        program, port, run = find("apache2"), free_port(), self.place("apache")
        folder = "/usr/lib/apache2/modules"
        names = ("mpm_event", "authn_core", "authz_core", "dir", "ssl", "socache_shmcb", "headers", *modules)
        load = "\n".join(f"LoadModule {n}_module {folder}/mod_{n}.so" for n in names)
        (run / "htdocs").mkdir()
        (run / "htdocs" / "index.html").write_text("ok\n")
        config = run / "apache.conf"
        owner = "User www-data\nGroup www-data\n" if os.geteuid() == 0 else ""
        config.write_text(f"""
ServerRoot {run}
ServerName localhost
PidFile {run}/apache.pid
DefaultRuntimeDir {run}
{load}
{owner}Listen 127.0.0.1:{port}
ErrorLog {run}/error.log
LogLevel warn ssl:info
DocumentRoot {run}/htdocs
DirectoryIndex index.html
SSLEngine on
SSLProtocol -all {APACHE_VERSIONS[tls]}
SSLCertificateFile {self.pki["server.pem"]}
SSLCertificateKeyFile {self.pki["server.key"]}
SSLCACertificateFile {self.pki[trust]}
SSLVerifyDepth 3
{level}
{more}
<Location "/">
  Require all granted
  {location}
</Location>
{after.replace("PORT", str(port))}
""")
        return self.start([program, "-f", str(config), "-DFOREGROUND"], port, run, (run / "error.log",))

    def haproxy(
        self, bind: str = "verify required", *, tls: str = "both", trust: str = "root.pem", rules: str = "", more: str = ""
    ) -> Running:
        """HAProxy that answers 200 by itself."""
        program, port, run = find("haproxy"), free_port(), self.place("haproxy")
        low, high = LOW_HIGH[tls]
        ca = f"ca-file {self.pki[trust]}" if "verify" in bind else ""
        config = run / "haproxy.cfg"
        config.write_text(f"""
global
  log stdout format raw local0 info
  ssl-default-bind-options ssl-min-ver TLSv{low} ssl-max-ver TLSv{high}
  {more}
defaults
  mode http
  log global
  timeout connect 3s
  timeout client 5s
  timeout server 5s
  log-format "status=%ST verify=%[ssl_c_verify] ca_err=%[ssl_c_ca_err]"
  error-log-format "handshake_error=%[ssl_fc_err_str] verify=%[ssl_c_err] ca_err=%[ssl_c_ca_err]"
frontend t
  bind 127.0.0.1:{port} ssl crt {self.pki["server-combined.pem"]} {ca} {bind}
  {rules}
  http-request return status 200 content-type text/plain string "ok"
""")
        return self.start([program, "-db", "-f", str(config)], port, run)

    def node(self, mode: str = "strict", *, tls: str = "both", trust: str = "root.pem") -> Running:
        """Node's https: "strict" rejects unauthorised, "lenient" answers 401, "any" lets everybody in, "none" never asks."""
        program, port, run = find("node"), free_port(), self.place("node")
        return self.start([program, str(APPS / "server.js"), str(port), str(self.pki.folder), tls, mode, trust], port, run)

    def s_server(self, *options: str, tls: str = "both", trust: str = "root.pem", verify: bool = True) -> Running:
        """`openssl s_server -www`, which by default requires a certificate that verifies."""
        program, port, run = find("openssl"), free_port(), self.place("s_server")
        ask = ["-Verify", "3", "-verify_return_error", "-CAfile", str(self.pki[trust])] if verify else []
        return self.start(
            [
                program,
                "s_server",
                "-accept",
                f"127.0.0.1:{port}",
                "-cert",
                str(self.pki["server.pem"]),
                "-key",
                str(self.pki["server.key"]),
                "-cert_chain",
                str(self.pki["int.pem"]),
                "-www",
                *ask,
                *OPENSSL_FLAGS[tls],
                *options,
            ],
            port,
            run,
        )

    def python(self, mode: str = "required", *, tls: str = "both", trust: str = "root.pem") -> Running:
        """Python's ssl under http.server: "required", "optional" or "none"."""
        port, run = free_port(), self.place("python")
        return self.start(
            [find("python3"), "-u", str(APPS / "server.py"), str(port), str(self.pki.folder), tls, mode, trust], port, run
        )

    def go(self, mode: str = "require-and-verify", *, tls: str = "both", trust: str = "root.pem") -> Running:
        """Go's net/http. Modes: none, request, require-any, verify-if-given, require-and-verify."""
        compiler, port, run = find("go"), free_port(), self.place("go")
        program = self._base / "go-server"
        if not program.exists():
            env = {
                **os.environ,
                "GO111MODULE": "off",
                "GOCACHE": str(self._base / "go-cache"),
                "HOME": str(self._base),
                "GOFLAGS": "",
                "GOTOOLCHAIN": "local",
            }
            subprocess.run([compiler, "build", "-o", str(program), str(APPS / "server.go")], env=env, check=True, timeout=300)
        return self.start([str(program), str(port), str(self.pki.folder), tls, mode, trust], port, run)

    def postgres(
        self, hba: str = "hostssl all all 127.0.0.1/32 trust clientcert=verify-full", *, tls: str = "both", trust: str = "root.pem"
    ) -> Running:
        """PostgreSQL with the user alice."""
        program, initdb, port, run = find("postgres"), find("initdb"), free_port(), self.place("postgres")
        user = "postgres" if os.geteuid() == 0 else None
        data = run / "data"
        if user:
            shutil.chown(run, user)
        subprocess.run(
            [initdb, "-D", str(data), "-U", "alice", "-A", "trust", "--no-sync"],
            check=True,
            timeout=120,
            user=user,
            capture_output=True,
            cwd=run,
        )
        own = run / "pg.key"
        shutil.copy(self.pki["server.key"], own)
        if user:
            shutil.chown(own, user)
        own.chmod(0o600)
        (data / "pg_hba.conf").write_text(hba + "\n")
        low, high = LOW_HIGH[tls]
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": "",
            "ssl": "on",
            "ssl_cert_file": self.pki["server.pem"],
            "ssl_key_file": own,
            "ssl_ca_file": self.pki[trust],
            "ssl_min_protocol_version": f"TLSv{low}",
            "ssl_max_protocol_version": f"TLSv{high}",
            "fsync": "off",
            "shared_buffers": "4MB",
        }
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        return self.start([program, "-D", str(data), *options], port, run, user=user)


@contextlib.contextmanager
def laboratory() -> Iterator[Lab]:
    """A PKI and a lab around it, both gone in the end."""
    folder = Path(tempfile.mkdtemp(prefix="mtls-pki-"))
    folder.chmod(0o755)
    try:
        with Lab(Pki(folder)) as lab:
            yield lab
    finally:
        shutil.rmtree(folder, ignore_errors=True)
