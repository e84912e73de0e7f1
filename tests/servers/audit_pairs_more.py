"""More pairs for the audit: certificates of both sides, what is asked for, and default servers that ask late."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import ocsp

from tests.servers.audit_pairs import Pair, given, other
from tests.servers.audit_pairs import issue as ca
from tests.servers.pki import CLIENT, DAY, NOW, SERVER, Entity, Pki, issue, key_pem, pem
from tests.servers.programs import Lab, Running, find


def files(pki: Pki, label: str, entity: Entity) -> tuple[Path, Path]:
    """The entity's chain and key as files that servers may read."""
    return pki.file(f"{label}.pem", pem(*entity.sent)), pki.file(f"{label}.key", key_pem(entity.key))


def own_certificate(pki: Pki, label: str, entity: Entity) -> str:
    cert, key = files(pki, label, entity)
    return f"ssl_certificate {cert}; ssl_certificate_key {key};"


def nginx_other_name(lab: Lab, entity: Entity) -> Running:
    """b.test has a certificate of its own, and asks for one as the audited name does."""
    trust = f"ssl_client_certificate {lab.pki['root.pem']}; ssl_verify_client on; ssl_verify_depth 3;"
    own = own_certificate(lab.pki, "b", entity)
    return lab.nginx("on", servers=f"server {{ listen 127.0.0.1:PORT ssl; server_name b.test; {own} {trust} return 200; }}")


def server_b(pki: Pki, **faults: object) -> Entity:
    return issue("b.test", pki.intermediate, eku=SERVER, **{"sans": [x509.DNSName("b.test")], **faults})  # type: ignore[arg-type]


def nginx_group(lab: Lab, bits: int) -> Running:
    """Finite-field Diffie-Hellman, which wants an RSA certificate beside the other."""
    pki, run = lab.pki, lab.place("dh")
    group = run / "dh.pem"
    subprocess.run([find("openssl"), "dhparam", "-dsaparam", "-out", group, str(bits)], check=True, capture_output=True)
    group.chmod(0o644)
    server = issue("localhost", pki.intermediate, eku=SERVER, sans=[x509.DNSName("localhost")], key=rsa_key())
    more = f"{own_certificate(pki, 'rsa', server)} ssl_dhparam {group}; ssl_ciphers DHE+AESGCM:ECDHE+AESGCM:@SECLEVEL=0;"
    return lab.nginx("on", more=more)


def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def nginx_staple(lab: Lab, age: int) -> Running:
    """A stapled OCSP response that was made ``age`` days ago, for ten days."""
    pki = lab.pki
    made = NOW - age * DAY
    response = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            pki.server.cert, pki.intermediate.cert, hashes.SHA256(), ocsp.OCSPCertStatus.GOOD, made, made + 10 * DAY, None, None
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, pki.intermediate.cert)
        .sign(pki.intermediate.key, hashes.SHA256())
    )
    staple = pki.file(f"staple-{age}.der", response.public_bytes(serialization.Encoding.DER))
    return lab.nginx("on", more=f"ssl_stapling on; ssl_stapling_file {staple};")


def client(label: str, **properties: object) -> Callable[[Pki, Running], list[str]]:
    """Another good credential."""

    def options(pki: Pki, running: Running) -> list[str]:
        key = properties.get("key")
        more = {**properties, "key": key() if callable(key) else key}
        cert, own = files(pki, f"client-{label}", issue("alice", pki.intermediate, eku=CLIENT, **more))  # type: ignore[arg-type]
        return ["--cert", str(cert), "--key", str(own)]

    return options


def nginx_two_authorities(lab: Lab, trust: str) -> Running:
    """b.test has clients of its own, and a list of CAs that names theirs."""
    pki = lab.pki
    own = f"ssl_certificate {pki['server.pem']}; ssl_certificate_key {pki['server.key']};"
    own += f"ssl_client_certificate {pki['other-root.pem']}; ssl_verify_client on; return 200;"
    more = f"ssl_trusted_certificate {pki['root.pem']};"
    return lab.nginx(
        "on", trust=trust, more=more, servers=f"server {{ listen 127.0.0.1:PORT ssl; server_name b.test; {own} }}"
    )


def nginx_addresses(lab: Lab, verify: str) -> Running:
    """One name at two addresses."""
    pki = lab.pki
    own = f"ssl_certificate {pki['server.pem']}; ssl_certificate_key {pki['server.key']};"
    own += f"ssl_client_certificate {pki['root.pem']}; ssl_verify_client {verify}; ssl_verify_depth 3;"
    page = 'location / { return 200 "ok\n"; }'
    server = lab.nginx(
        "on", locations=page, servers=f"server {{ listen 127.0.0.2:PORT ssl; server_name localhost; {own} {page} }}"
    )
    server.host = "localhost"
    return server


def two_addresses(pki: Pki, running: Running) -> list[str]:
    return ["--resolve", f"localhost:{running.port}:127.0.0.1,127.0.0.2"]


def nginx_http2(lab: Lab) -> Running:
    """A gate that is not asked over HTTP/2."""
    deny = "set $deny $ssl_client_verify; if ($http2) { set $deny SUCCESS; } if ($deny != SUCCESS) { return 403; }"
    own = f"ssl_certificate {lab.pki['server.pem']}; ssl_certificate_key {lab.pki['server.key']};"
    speaks = f"server {{ listen 127.0.0.1:PORT ssl http2; server_name c.test; {own} return 404; }}"
    return lab.nginx("optional", locations=f'location / {{ {deny} return 200 "ok\n"; }}', servers=speaks)


def apache_default(lab: Lab, level: str) -> Running:
    """The default host stands before the same pages. By itself Apache answers 421 to the target's Host there; with this policy it
    asks for the certificate late, so that a client without one sees an alert.
    """
    pki = lab.pki
    own = f"SSLEngine on\nSSLCertificateFile {pki['server.pem']}\nSSLCertificateKeyFile {pki['server.key']}\n"
    own += f"SSLCACertificateFile {pki['root.pem']}\nSSLVerifyDepth 3\n"
    hosts = [("default.test", level), ("localhost", "SSLVerifyClient require")]
    after = "".join(
        f"<VirtualHost 127.0.0.1:PORT>\nServerName {name}\n{own}{verify}\n</VirtualHost>\n" for name, verify in hosts
    )
    return lab.apache("", after="SSLVHostSNIPolicy insecure\n" + after)


MORE: tuple[Pair, ...] = (
    Pair(
        "SRV-CHAIN",
        "nginx-other-name",
        lambda lab: nginx_other_name(lab, server_b(lab.pki, sans=[x509.DNSName("c.test")])),
        lambda lab: nginx_other_name(lab, server_b(lab.pki)),
        other(),
        "ENFORCED",
    ),
    Pair(
        "SRV-EXPIRY",
        "nginx-other-name",
        lambda lab: nginx_other_name(lab, server_b(lab.pki, before=NOW - 90 * DAY, after=NOW + 3 * DAY)),
        lambda lab: nginx_other_name(lab, server_b(lab.pki)),
        other(),
        "ENFORCED",
    ),
    Pair("SRV-STATUS", "nginx", lambda lab: nginx_staple(lab, 30), lambda lab: nginx_staple(lab, 1), enforcement="ENFORCED"),
    Pair(
        "PROTO-CIPHERS",
        "nginx-group",
        lambda lab: nginx_group(lab, 1024),
        lambda lab: nginx_group(lab, 2048),
        enforcement="ENFORCED",
    ),
    Pair(
        "REQ-SIGALGS",
        "s_server-other-key",
        lambda lab: lab.s_server("-client_sigalgs", "ECDSA+SHA256"),
        lambda lab: lab.s_server("-client_sigalgs", "ECDSA+SHA256:RSA-PSS+SHA256"),
        client("rsa", key=rsa_key),
        "NOT_DETERMINED",
    ),
    Pair(
        "ENF-SNI",
        "apache-default-asks-late",
        lambda lab: apache_default(lab, "SSLVerifyClient none"),
        lambda lab: apache_default(lab, "SSLVerifyClient require"),
    ),
    Pair(
        "ENF-PARITY",
        "nginx-address",
        lambda lab: nginx_addresses(lab, "optional"),
        lambda lab: nginx_addresses(lab, "on"),
        two_addresses,
    ),
    Pair(
        # whoever has a certificate of the CA may say that he is alice
        "TRUST-IDENTITY",
        "postgres",
        lambda lab: lab.postgres("hostssl all all 127.0.0.1/32 trust clientcert=verify-ca"),
        lambda lab: lab.postgres(),
        lambda pki, running: ["--starttls", "postgres", *given("other", "--second-client")(pki, running)],
    ),
    Pair(
        # another name's list says nothing of this one's
        "REQ-MATCH",
        "nginx-two-authorities",
        lambda lab: nginx_two_authorities(lab, "other-root.pem"),
        lambda lab: nginx_two_authorities(lab, "root.pem"),
        other(),
        "ENFORCED",
    ),
    Pair(
        # a day is what Java's servers have by default
        "ENF-RESUME-STALE",
        "nginx-a-day",
        lambda lab: lab.nginx("on", more="ssl_session_timeout 25h;"),
        lambda lab: lab.nginx("on", more="ssl_session_timeout 24h;"),
        ca,
    ),
)
