"""Servers for HTTP: one application, by itself and behind nginx and Apache httpd, with HTTP/2 and a required client certificate."""

from __future__ import annotations

import os

from tests.servers.programs import APPS, Lab, Running, find, free_port


def echo_backend(lab: Lab) -> Running:
    """The application in the clear."""
    port, run = free_port(), lab.place("echo")
    return lab.start([find("node"), str(APPS / "echo.js"), str(port)], port, run)


def echo_node(lab: Lab) -> Running:
    """The application with TLS of its own."""
    port, run = free_port(), lab.place("echo-tls")
    return lab.start([find("node"), str(APPS / "echo.js"), str(port), str(lab.pki.folder)], port, run)


def echo_nginx(lab: Lab, backend: Running) -> Running:
    location = (f"location / {{ proxy_pass http://127.0.0.1:{backend.port}; proxy_http_version 1.1; proxy_request_buffering off; "
                "proxy_set_header Connection ''; proxy_buffer_size 32k; proxy_buffers 8 32k; client_max_body_size 0; }")
    program, port, run = find("nginx"), free_port(), lab.place("nginx")
    config = run / "nginx.conf"
    config.write_text(f"""
daemon off; master_process off; pid {run}/nginx.pid; error_log {run}/error.log info;
events {{ worker_connections 128; }}
http {{
  access_log off; client_body_temp_path {run}/t1; proxy_temp_path {run}/t2; fastcgi_temp_path {run}/t3; uwsgi_temp_path {run}/t4;
  scgi_temp_path {run}/t5;
  server {{
    listen 127.0.0.1:{port} ssl http2; server_name localhost;
    ssl_certificate {lab.pki["server.pem"]}; ssl_certificate_key {lab.pki["server.key"]};
    ssl_client_certificate {lab.pki["root.pem"]}; ssl_verify_client on; ssl_verify_depth 3;
    {location}
  }}
}}
""")
    return lab.start([program, "-e", str(run / "error.log"), "-c", str(config), "-p", str(run)], port, run, (run / "error.log",))


def echo_apache(lab: Lab, backend: Running) -> Running:
    modules = ("http2", "proxy", "proxy_http")
    more = f"""
Protocols h2 http/1.1
ProxyPass / http://127.0.0.1:{backend.port}/
LimitRequestBody 0
"""
    return lab.apache("SSLVerifyClient require", more=more, modules=modules)


def without_proxy_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
