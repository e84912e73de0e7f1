"""Pairs of server configurations for the audit: one that is open on purpose, and the same one mended.

A vulnerable one is an explicit misconfiguration. ``options`` are what the user of ``mtls audit`` gives beside the good credential.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

from tests.servers.pki import Pki
from tests.servers.programs import Lab, Running

Start = Callable[[Lab], Running]


class Pair(NamedTuple):
    """One check's pair."""

    check: str
    server: str
    vulnerable: Start
    fixed: Start
    options: Callable[[Pki, Running], list[str]] = lambda pki, running: []
    enforcement: str = "BYPASSABLE"


def given(kind: str, option: str) -> Callable[[Pki, Running], list[str]]:
    return lambda pki, running: [option, f"{pki.client(kind)[0]}:{pki.client(kind)[1]}"]


def paths(*names: str) -> Callable[[Pki, Running], list[str]]:
    return lambda pki, running: [word for name in names for word in ("--path", name)]


def other(name: str = "b.test") -> Callable[[Pki, Running], list[str]]:
    return lambda pki, running: ["--other-name", name]


def issue(pki: Pki, running: Running) -> list[str]:
    from tests.servers.pki import key_pem, pem

    pki.file("client-ca.pem", pem(pki.intermediate.cert))
    pki.file("client-ca.key", key_pem(pki.intermediate.key)).chmod(0o600)
    return ["--issue", f"{pki['client-ca.pem']}:{pki['client-ca.key']}"]


OK = 'location / { return 200 "ok\\n"; }'


def node_app(lab: Lab, **settings: object) -> Running:
    """Node's https with the settings of ``apps/tenant.js``."""
    from tests.servers.programs import APPS, find, free_port

    port, run = free_port(), lab.place("node-app")
    file = run / "settings.json"
    file.write_text(json.dumps({"port": port, "pki": str(lab.pki.folder), **settings}))
    return lab.start([find("node"), str(APPS / "tenant.js"), str(file)], port, run)


def named(lab: Lab) -> Running:
    """Only alice is let in."""
    return node_app(lab, gate="named-by-certificate", reject=True)


def haproxy_spoof(lab: Lab, clean: bool) -> Running:
    """The application believes X-SSL-Client-Verify; the proxy forgets to remove it, or does."""
    rules = "http-request del-header X-SSL-Client-Verify\n  " if clean else ""
    return lab.haproxy(
        "verify optional",
        rules=rules
        + (
            "http-request set-header X-SSL-Client-Verify SUCCESS if { ssl_c_used } { ssl_c_verify 0 }\n  "
            "http-request deny deny_status 403 if !{ req.hdr(X-SSL-Client-Verify) SUCCESS }"
        ),
    )


def haproxy_within(lab: Lab, believe: str) -> Running:
    """Of a client on the private network no certificate is asked; whether it is there, a header may say."""
    deny = "http-request deny deny_status 403 if !{ src 10.0.0.0/8 } !{ ssl_c_used }"
    return lab.haproxy("verify optional", rules=f"{believe}\n  {deny}")


def redis(lab: Lab, *, plain: bool) -> Running:
    """Redis that requires a certificate, and perhaps serves the same without TLS beside it."""
    from tests.servers.programs import find, free_port

    pki, port, other, run = lab.pki, free_port(), free_port(), lab.place("redis")
    command = [
        find("redis-server"), "--port", str(other if plain else 0), "--tls-port", str(port), "--bind", "127.0.0.1",
        "--tls-cert-file", str(pki["server.pem"]), "--tls-key-file", str(pki["server.key"]),
        "--tls-ca-cert-file", str(pki["root.pem"]), "--save", "",
    ]  # fmt: skip
    server = lab.start(command, port, run)
    server.plain_port = other  # type: ignore[attr-defined]
    return server


def redis_port(pki: Pki, running: Running) -> list[str]:
    return ["--app", "redis", *plain_port(pki, running)]


def apache_basic(lab: Lab, level: str) -> Running:
    """Each certificate becomes a user of HTTP Basic, whose password is the same for all.

    mod_ssl itself turns away who claims a name with slashes, and believes the other notation, which admins list beside it.
    """
    users = lab.pki.file("users", b"/O=Test/CN=alice:xxj31ZMTZzkVA\nCN=alice,O=Test:xxj31ZMTZzkVA\n")
    users.chmod(0o644)
    return lab.apache(
        level,
        after=(
            '<Location "/">\nSSLOptions +FakeBasicAuth\nAuthType Basic\nAuthName certificates\nAuthBasicProvider file\n'
            f"AuthUserFile {users}\nRequire valid-user\n</Location>"
        ),
        modules=("auth_basic", "authn_file", "authz_user"),
    )


def nginx_plain(lab: Lab, open_: bool) -> Running:
    """A plain port beside the TLS one."""
    from tests.servers.programs import free_port

    port = free_port()
    say = OK if open_ else "location / { return 301 https://localhost$request_uri; }"
    server = lab.nginx("on", locations=OK, servers=f"server {{ listen 127.0.0.1:{port}; server_name localhost; {say} }}")
    server.plain_port = port  # type: ignore[attr-defined]
    return server


STOCK = (
    'default_type text/html; location / { return 200 "<html><body><h1>Stock</h1><p>12 pallets of bolts</p></body></html>"; }'
)
LOBBY = 'default_type text/html; location / { return 200 "<html><body><h1>Lobby</h1><p>opening hours</p></body></html>"; }'
ASKS = 'location = /please.html { return 200 "<html><body><h1>Hello</h1><p>no such luck</p></body></html>"; }'


def nginx_default(lab: Lab, say: str, own_page: str = OK) -> Running:
    """A default server without verification, in front of the same application or of none."""
    pki = lab.pki
    own = f"ssl_certificate {pki['server.pem']}; ssl_certificate_key {pki['server.key']};"
    return lab.nginx(
        "on", locations=own_page, servers=f"server {{ listen 127.0.0.1:PORT ssl default_server; server_name _; {own} {say} }}"
    )


def nghttpx(lab: Lab, *options: str) -> Running:
    """nghttpx in front of nginx. It takes early data, and by itself waits with it until the handshake is over."""
    from tests.servers.programs import find, free_port

    behind: int = nginx_plain(lab, True).plain_port  # type: ignore[attr-defined]
    pki, port, run = lab.pki, free_port(), lab.place("nghttpx")
    command = [
        find("nghttpx"), f"--frontend=127.0.0.1,{port}", f"--backend=127.0.0.1,{behind}", "--workers=1", "--no-ocsp",
        "--verify-client", f"--verify-client-cacert={pki['root.pem']}", "--conf=/dev/null", *options,
        str(pki["server.key"]), str(pki["server.pem"]),
    ]  # fmt: skip
    return lab.start(command, port, run)


def nghttpx_waits(lab: Lab) -> Running:
    return nghttpx(lab)


def plain_port(pki: Pki, running: Running) -> list[str]:
    return ["--plain-port", str(running.plain_port)]  # type: ignore[attr-defined]


NEVER = 'if ($ssl_client_verify != SUCCESS) { return 403 "certificate needed\\n"; }'

PAIRS: tuple[Pair, ...] = (
    Pair("ENF-NONE", "nginx", lambda lab: lab.nginx("optional"), lambda lab: lab.nginx("on"), enforcement="NOT_ENFORCED"),
    Pair(
        "ENF-NONE",
        "apache",
        lambda lab: lab.apache("SSLVerifyClient optional"),
        lambda lab: lab.apache(),
        enforcement="NOT_ENFORCED",
    ),
    Pair("ENF-NONE", "haproxy", lambda lab: lab.haproxy("verify optional"), lambda lab: lab.haproxy(), enforcement="NOT_ENFORCED"),
    Pair("ENF-NONE", "go", lambda lab: lab.go("verify-if-given"), lambda lab: lab.go(), enforcement="NOT_ENFORCED"),
    Pair("ENF-NONE", "python", lambda lab: lab.python("optional"), lambda lab: lab.python(), enforcement="NOT_ENFORCED"),
    Pair(
        "ENF-NONE",
        "s_server",
        lambda lab: lab.s_server("-verify", "3", verify=False),
        lambda lab: lab.s_server(),
        enforcement="NOT_ENFORCED",
    ),
    Pair(
        "TRUST-ANY", "node", lambda lab: node_app(lab, gate="present"), lambda lab: lab.node("strict"), enforcement="NOT_ENFORCED"
    ),
    Pair("TRUST-ANY", "go", lambda lab: lab.go("require-any"), lambda lab: lab.go(), enforcement="NOT_ENFORCED"),
    Pair(
        "TRUST-ANY",
        "nginx",
        lambda lab: lab.nginx(
            "optional_no_ca", locations=('location / { if ($ssl_client_s_dn = "") { return 403; } return 200 "ok\\n"; }')
        ),
        lambda lab: lab.nginx("on"),
        enforcement="NOT_ENFORCED",
    ),
    Pair(
        "TRUST-ANY",
        "haproxy-unknown-issuer",
        # a chain that ends nowhere is forgiven, one that ends in a root of the sender's own is not
        lambda lab: lab.haproxy("verify required ca-ignore-err 2,20,21 crt-ignore-err 20,21"),
        lambda lab: lab.haproxy(),
        enforcement="NOT_ENFORCED",
    ),
    Pair("TRUST-DN", "node", lambda lab: node_app(lab, gate="issuer"), lambda lab: lab.node("strict")),
    Pair("TRUST-CHAIN", "go", lambda lab: lab.go("any-in-chain"), lambda lab: lab.go()),
    Pair(
        "ENF-PATH",
        "nginx",
        lambda lab: lab.nginx(
            "optional",
            locations=(
                f'location = /admin {{ {NEVER} return 200 "secret\\n"; }} location ~* ^/+admin {{ return 200 "secret\\n"; }} '
                "location / { return 404; }"
            ),
        ),
        lambda lab: lab.nginx("optional", locations=f'location / {{ {NEVER} return 200 "secret\\n"; }}'),
        paths("/admin"),
    ),
    Pair(
        "ENF-PATH",
        "apache",
        lambda lab: lab.apache(
            "SSLVerifyClient optional",
            after=(
                "<Location \"/index.html\">\nRequire expr %{SSL_CLIENT_VERIFY} == 'SUCCESS'\n</Location>\n"
                '<Location "/copy.html">\nAlias "%{DOCUMENT_ROOT}/index.html"\n</Location>'
            ),
            modules=("alias",),
        ),
        lambda lab: lab.apache(),
        paths("/index.html", "/copy.html"),
    ),
    Pair(
        "ENF-HOST",
        "haproxy",
        lambda lab: haproxy_names(lab, shared=True, check_host=False),
        lambda lab: haproxy_names(lab, shared=False, check_host=True),
        other("b.test"),
    ),
    Pair("ENF-HOST", "node", lambda lab: node_app(lab, gate="by-sni"), lambda lab: lab.node("strict"), other("b.test")),
    Pair("ENF-HOST", "node-by-host", lambda lab: node_app(lab, gate="by-host"), lambda lab: lab.node("strict")),
    Pair(
        "ENF-HOST",
        "haproxy-by-host",
        lambda lab: lab.haproxy(
            "verify optional", rules="http-request deny deny_status 403 if { req.hdr(host) -m beg localhost } !{ ssl_c_used }"
        ),
        lambda lab: lab.haproxy("verify optional", rules="http-request deny deny_status 403 if !{ ssl_c_used }"),
        other("other.test"),
    ),
    Pair(
        "ENF-SNI", "nginx-default-server", lambda lab: nginx_default(lab, OK), lambda lab: nginx_default(lab, "return 421;")
    ),
    Pair(
        # two pages that have no more in common than being HTML
        "ENF-SNI",
        "nginx-default-html",
        lambda lab: nginx_default(lab, STOCK, STOCK),
        lambda lab: nginx_default(lab, LOBBY, STOCK),
    ),
    Pair(
        "ENF-NONE",
        "nginx-error-page",
        lambda lab: lab.nginx("on", locations=STOCK, more="error_page 495 496 =200 /stock.html;"),
        lambda lab: lab.nginx("on", locations=f"{STOCK} {ASKS}", more="error_page 495 496 =200 /please.html;"),
        enforcement="NOT_ENFORCED",
    ),
    Pair(
        "ENF-SNI",
        "node-default-context",
        lambda lab: node_app(lab, gate="any", reject=True, contexts={"*": "other-root.pem", "localhost": "root.pem"}),
        lambda lab: node_app(lab, gate="any", reject=True, contexts={"localhost": "root.pem"}),
        given("untrusted", "--second-client"),
    ),
    Pair("ENF-SNI", "node", lambda lab: node_app(lab, gate="by-exact-sni"), lambda lab: lab.node("strict")),
    Pair(
        "ENF-RESUME-XVHOST",
        "haproxy",
        lambda lab: haproxy_names(lab, shared=True),
        lambda lab: haproxy_names(lab, shared=False),
        other("b.test"),
    ),
    Pair(
        "ENF-LATE",
        "apache",
        lambda lab: lab.apache("SSLVerifyClient none", location="SSLVerifyClient require"),
        lambda lab: lab.apache(),
        enforcement="ENFORCED",
    ),
    Pair("ENF-PLAINTEXT", "redis", lambda lab: redis(lab, plain=True), lambda lab: redis(lab, plain=False), redis_port),
    Pair("ENF-PLAINTEXT", "nginx", lambda lab: nginx_plain(lab, True), lambda lab: nginx_plain(lab, False), plain_port),
    Pair(
        "ENF-PATH",
        "node",
        lambda lab: node_app(lab, gate="exact-path", pages=["/admin"]),
        lambda lab: node_app(lab, gate="authorized", reject=True, pages=["/admin"]),
        paths("/admin"),
    ),
    Pair(
        "ENF-PATH",
        "node-head",
        lambda lab: node_app(lab, gate="get-only", pages=["/admin"]),
        lambda lab: node_app(lab, gate="authorized", reject=True, pages=["/admin"]),
        paths("/admin"),
    ),
    Pair(
        "ENF-RESUME-STALE",
        "nginx",
        lambda lab: lab.nginx("on", more="ssl_session_timeout 2d;"),
        lambda lab: lab.nginx("on", more="ssl_session_tickets off; ssl_session_timeout 5m;"),
        issue,
    ),
    Pair(
        "ENF-STARTTLS",
        "postgres",
        lambda lab: lab.postgres(
            "host all all 127.0.0.1/32 trust\nhostssl all all 127.0.0.1/32 trust clientcert=verify-full"
        ),
        lambda lab: lab.postgres(),
        lambda pki, running: ["--starttls", "postgres"],
        enforcement="NOT_ENFORCED",
    ),
    Pair(
        "HTTP-SPOOF",
        "node-over-certificate",
        lambda lab: node_app(lab, gate="named-by-header", reject=True),
        lambda lab: node_app(lab, gate="named-by-certificate", reject=True),
    ),
    Pair(
        "HTTP-BOUND",
        "node",
        lambda lab: node_app(lab, gate="token"),
        lambda lab: node_app(lab, gate="bound-token"),
        lambda pki, running: ["--token-file", str(pki.file("token.txt", b"tok\n"))],
    ),
    Pair("TRUST-IDENTITY", "python", lambda lab: lab.python(), named, given("other", "--second-client")),
    Pair(
        "TRUST-REVOKED",
        "python",
        lambda lab: lab.python(),
        lambda lab: lab.haproxy(f"verify required crl-file {lab.pki['crl.pem']}"),
        given("revoked", "--revoked"),
    ),
    Pair("ENF-PARITY", "node", lambda lab: node_app(lab, gate="tls12-open"), lambda lab: lab.node("strict")),
    Pair(
        "TRUST-EXPIRED",
        "haproxy",
        lambda lab: lab.haproxy("verify required crt-ignore-err 10"),
        lambda lab: lab.haproxy(),
        given("expired", "--expired"),
    ),
    Pair("TRUST-EXPIRED", "node", lambda lab: node_app(lab, gate="ignore-dates"), lambda lab: lab.haproxy(), issue),
    Pair(
        "TRUST-EKU",
        "haproxy",
        lambda lab: lab.haproxy("verify required crt-ignore-err 26"),
        lambda lab: lab.haproxy(),
        given("wrong-eku", "--wrong-eku"),
    ),
    Pair(
        "TRUST-REVOKED",
        "nginx",
        lambda lab: lab.nginx("on"),
        lambda lab: lab.nginx("on", crl="crl.pem"),
        given("revoked", "--revoked"),
    ),
    Pair(
        "TRUST-REVOKED",
        "apache",
        lambda lab: lab.apache(more=f"SSLCARevocationFile {lab.pki['crl.pem']}"),
        lambda lab: lab.apache(more=f"SSLCARevocationFile {lab.pki['crl.pem']}\nSSLCARevocationCheck chain"),
        given("revoked", "--revoked"),
    ),
    Pair(
        "TRUST-IDENTITY",
        "nginx",
        lambda lab: lab.nginx("on"),
        lambda lab: lab.nginx(
            "on", locations=('location / { if ($ssl_client_s_dn !~ "CN=alice") { return 403 "not you\\n"; } return 200 "ok\\n"; }')
        ),
        given("other", "--second-client"),
    ),
    Pair(
        "TRUST-WEAKSIG",
        "s_server",
        lambda lab: lab.s_server("-cipher", "ALL:@SECLEVEL=0"),
        lambda lab: lab.s_server("-cipher", "ALL:@SECLEVEL=2"),
        issue,
        enforcement="ENFORCED",
    ),
    Pair(
        "TRUST-STORE", "nginx", lambda lab: lab.nginx("on", trust="public.pem"), lambda lab: lab.nginx("on"), enforcement="ENFORCED"
    ),
    Pair(
        "HTTP-SPOOF",
        "apache-fake-basic",
        lambda lab: apache_basic(lab, "SSLVerifyClient optional"),
        lambda lab: apache_basic(lab, "SSLVerifyClient require"),
        paths("/index.html"),
    ),
    Pair("HTTP-SPOOF", "node-local", lambda lab: node_app(lab, gate="local"), lambda lab: lab.node("strict")),
    Pair(
        "HTTP-SPOOF",
        "node-rewritten",
        lambda lab: node_app(lab, gate="rewritten", pages=["/admin"]),
        lambda lab: lab.node("strict"),
        paths("/admin"),
    ),
    Pair("HTTP-SPOOF", "haproxy", lambda lab: haproxy_spoof(lab, False), lambda lab: haproxy_spoof(lab, True)),
    Pair(
        "HTTP-SPOOF",
        "haproxy-from-within",
        lambda lab: haproxy_within(lab, "http-request set-src req.hdr(X-Forwarded-For)"),
        lambda lab: haproxy_within(lab, ""),
    ),
    Pair("HTTP-SPOOF", "node", lambda lab: node_app(lab, gate="header"), lambda lab: lab.node("strict")),
    Pair(
        "PROTO-EARLY",
        "nginx",
        lambda lab: lab.nginx("on", more="ssl_early_data on;"),
        lambda lab: lab.nginx("on"),
        enforcement="ENFORCED",
    ),
    Pair(
        "PROTO-EARLY",
        "nghttpx",
        lambda lab: nghttpx(lab, "--tls-no-postpone-early-data"),
        nghttpx_waits,
        enforcement="ENFORCED",
    ),
    Pair(
        "PROTO-VERSION",
        "nginx",
        lambda lab: lab.nginx("on", tls="old", more="ssl_ciphers ALL:@SECLEVEL=0;"),
        lambda lab: lab.nginx("on"),
        enforcement="ENFORCED",
    ),
    Pair(
        "PROTO-VERSION",
        "s_server",
        lambda lab: lab.s_server("-cipher", "ALL:@SECLEVEL=0"),
        lambda lab: lab.s_server("-no_tls1_1", "-no_tls1"),
        enforcement="ENFORCED",
    ),
    Pair(
        "PROTO-CIPHERS",
        "nginx",
        lambda lab: lab.nginx("on", more="ssl_ciphers ALL:aNULL:@SECLEVEL=0;"),
        lambda lab: lab.nginx("on", more="ssl_ciphers ECDHE+AESGCM;"),
        enforcement="ENFORCED",
    ),
    Pair(
        "PROTO-TICKET",
        "apache",
        lambda lab: lab.apache(more="SSLSessionCacheTimeout 300000"),
        lambda lab: lab.apache(),
        enforcement="ENFORCED",
    ),
    Pair(
        "REQ-CALIST", "nginx", lambda lab: lab.nginx("on", trust="many.pem"), lambda lab: lab.nginx("on"), enforcement="ENFORCED"
    ),
    Pair(
        "REQ-MATCH",
        "haproxy",
        lambda lab: lab.haproxy(f"verify required ca-verify-file {lab.pki['root.pem']}", trust="other-root.pem"),
        lambda lab: lab.haproxy(),
        enforcement="ENFORCED",
    ),
    Pair(
        "REQ-SIGALGS",
        "s_server",
        lambda lab: lab.s_server("-client_sigalgs", "RSA+SHA1:ECDSA+SHA256:ECDSA+SHA1", "-cipher", "ALL:@SECLEVEL=0"),
        lambda lab: lab.s_server(),
        enforcement="ENFORCED",
    ),
    Pair(
        "HTTP-LEAK",
        "nginx",
        lambda lab: lab.nginx("on", more="add_header X-SSL-Issuer 'CN=Test Intermediate,O=Test' always;"),
        lambda lab: lab.nginx("on"),
        enforcement="ENFORCED",
    ),
)


def haproxy_names(lab: Lab, *, shared: bool, check_host: bool = True) -> Running:
    """b.test asks nobody for a certificate. One session cache for both names, or none; the Host is held against the SNI, or not."""
    pki = lab.pki
    listed = lab.place("crt") / "list"
    listed.write_text(
        f"{pki['server-combined.pem']} [ca-file {pki['root.pem']} verify required] localhost\n"
        f"{pki['server-combined.pem']} [verify none] b.test\n"
    )
    from tests.servers.programs import find, free_port

    program, port, run = find("haproxy"), free_port(), lab.place("haproxy")
    rule = (
        (
            "http-request set-var(txn.host) req.hdr(host),field(1,:),lower\n  "
            "http-request return status 421 if !{ ssl_fc_sni,lower,strcmp(txn.host) eq 0 }"
        )
        if check_host
        else ""
    )
    more = "" if shared else "tune.ssl.cachesize 0\n  ssl-default-bind-options no-tls-tickets"
    config = run / "haproxy.cfg"
    config.write_text(f"""
global
  log stdout format raw local0 info
  {more}
defaults
  mode http
  log global
  timeout connect 3s
  timeout client 5s
  timeout server 5s
frontend t
  bind 127.0.0.1:{port} ssl crt-list {listed} strict-sni
  {rule}
  http-request return status 200 content-type text/plain string "ok"
""")
    return lab.start([program, "-db", "-f", str(config)], port, run)
