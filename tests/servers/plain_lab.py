"""Servers that start in the clear and go over to TLS (STARTTLS), each asking for a client certificate; and proxies."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers.programs import Lab, Running, find, free_port

NNRPD = Path("/usr/lib/news/bin/nnrpd")
POSTFIX = Path("/usr/lib/postfix/sbin/master")
QUEUE = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop", "pid", "private", "public",
         "saved", "trace")


def as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("this server is started as root")


def copied_key(lab: Lab, folder: Path, owner: str | None = None, combined: bool = False) -> Path:
    """The server's key in a place where the program's user can read it, and nobody else."""
    own = folder / "server.key"
    shutil.copy(lab.pki["server.key"], own)
    own.chmod(0o600)
    if owner and os.geteuid() == 0:
        shutil.chown(own, owner)
    return own


def mariadb(lab: Lab) -> Running:
    """MariaDB: alice needs any good certificate, carol one with another subject."""
    program, install, port, run = find("mariadbd"), find("mariadb-install-db"), free_port(), lab.place("mariadb")
    user = "mysql" if os.geteuid() == 0 else None
    if user:
        shutil.chown(run, user)
    data = run / "data"
    subprocess.run([install, f"--datadir={data}", "--skip-test-db", "--auth-root-authentication-method=normal",
                    *([f"--user={user}"] if user else [])], check=True, capture_output=True, timeout=120)
    sql = run / "init.sql"
    sql.write_text("CREATE USER alice@'%' REQUIRE X509;\nCREATE USER carol@'%' REQUIRE SUBJECT '/O=Other/CN=carol';\n")
    own = copied_key(lab, run, user)
    return lab.start(
        [program, "--no-defaults", f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1", f"--socket={run}/s.sock",
         f"--pid-file={run}/p.pid", f"--init-file={sql}", f"--ssl-ca={lab.pki['root.pem']}", f"--ssl-cert={lab.pki['server.pem']}",
         f"--ssl-key={own}", "--skip-name-resolve", *([f"--user={user}"] if user else [])], port, run)


def postfix(lab: Lab) -> Running:
    """Postfix' smtpd, which wants a certificate that it trusts."""
    as_root()
    if not POSTFIX.exists():
        pytest.skip("postfix is not installed")
    port, run = free_port(), lab.place("postfix")
    queue, data = run / "queue", run / "data"
    for folder in (*(queue / name for name in QUEUE), data):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.chown(folder, "postfix")
    shutil.chown(queue / "pid", "root")
    (run / "main.cf").write_text(f"""
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = localhost
mydestination =
inet_interfaces = loopback-only
maillog_file = {run}/mail.log
maillog_file_prefixes = /tmp, /var
smtpd_tls_security_level = encrypt
smtpd_tls_req_ccert = yes
smtpd_tls_cert_file = {lab.pki["server.pem"]}
smtpd_tls_key_file = {lab.pki["server.key"]}
smtpd_tls_CAfile = {lab.pki["root.pem"]}
smtpd_tls_loglevel = 1
""")
    (run / "master.cf").write_text(f"""
127.0.0.1:{port} inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
""")
    return lab.start([str(POSTFIX), "-c", str(run), "-d"], port, run, (run / "mail.log",))


def dovecot(lab: Lab) -> tuple[Running, dict[str, int]]:
    """Dovecot, and the port of each of its protocols."""
    as_root()
    program, port, run = find("dovecot"), free_port(), lab.place("dovecot")
    pop3, sieve, lmtp = free_port(), free_port(), free_port()
    config = run / "dovecot.conf"
    config.write_text(f"""
base_dir = {run}/base
state_dir = {run}/state
log_path = {run}/dovecot.log
protocols = imap pop3 lmtp sieve
listen = 127.0.0.1
ssl = required
ssl_cert = <{lab.pki["server.pem"]}
ssl_key = <{lab.pki["server.key"]}
ssl_ca = <{lab.pki["root.pem"]}
ssl_require_crl = no
ssl_verify_client_cert = yes
auth_ssl_require_client_cert = yes
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service managesieve-login {{
  inet_listener sieve {{
    port = {sieve}
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
""")
    return lab.start([program, "-F", "-c", str(config)], port, run, (run / "dovecot.log",)), {
        "imap": port, "pop3": pop3, "sieve": sieve, "lmtp": lmtp}


def openldap(lab: Lab) -> Running:
    """OpenLDAP's slapd, which demands a certificate."""
    program, port, run = find("slapd"), free_port(), lab.place("slapd")
    config = run / "slapd.conf"
    config.write_text(f"""
include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_null
pidfile {run}/slapd.pid
TLSCACertificateFile {lab.pki["ca-bundle.pem"]}
TLSCertificateFile {lab.pki["server.pem"]}
TLSCertificateKeyFile {lab.pki["server.key"]}
TLSVerifyClient demand
database null
suffix "cn=test"
""")
    return lab.start([program, "-f", str(config), "-h", f"ldap://127.0.0.1:{port}/", "-d", "0"], port, run)


def vsftpd(lab: Lab) -> Running:
    """vsftpd, which requires and validates a certificate."""
    as_root()
    program, port, run = find("vsftpd"), free_port(), lab.place("vsftpd")
    empty = run / "empty"
    empty.mkdir(mode=0o555)
    config = run / "vsftpd.conf"
    config.write_text(f"""listen=YES
listen_port={port}
listen_address=127.0.0.1
background=NO
anonymous_enable=YES
secure_chroot_dir={empty}
seccomp_sandbox=NO
ssl_enable=YES
require_cert=YES
validate_cert=YES
ca_certs_file={lab.pki["root.pem"]}
rsa_cert_file={lab.pki["server.pem"]}
rsa_private_key_file={lab.pki["server.key"]}
ssl_ciphers=HIGH
xferlog_enable=YES
vsftpd_log_file={run}/vsftpd.log
debug_ssl=YES
""")
    return lab.start([program, str(config)], port, run, (run / "vsftpd.log",))


def prosody(lab: Lab) -> Running:
    """Prosody, which requires a certificate of its clients."""
    program, port, run = find("prosody"), free_port(), lab.place("prosody")
    user = "prosody" if os.geteuid() == 0 else None
    own = copied_key(lab, run, user)
    (run / "data").mkdir()
    if user:
        shutil.chown(run / "data", user)
    config = run / "prosody.cfg.lua"
    config.write_text(f"""
daemonize = false
data_path = "{run}/data"
log = {{ info = "*console" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
s2s_ports = {{ }}
modules_enabled = {{ "tls", "saslauth" }}
c2s_require_encryption = true
VirtualHost "localhost"
  ssl = {{ certificate = "{lab.pki["server.pem"]}"; key = "{own}"; cafile = "{lab.pki["root.pem"]}";
           verify = {{ "peer", "fail_if_no_peer_cert" }}; verifyext = {{ lsec_continue = false, lsec_ignore_purpose = false }}; }}
""")
    return lab.start([program, "--config", str(config), "-F"], port, run, user=user)


def redis(lab: Lab) -> Running:
    """Redis, which wants a certificate and then a password."""
    program, port, run = find("redis-server"), free_port(), lab.place("redis")
    return lab.start(
        [program, "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--tls-cert-file", str(lab.pki["server.pem"]),
         "--tls-key-file", str(copied_key(lab, run)), "--tls-ca-cert-file", str(lab.pki["root.pem"]), "--requirepass", "x",
         "--save", "", "--dir", str(run)], port, run)


def mosquitto(lab: Lab, more: str = "use_identity_as_username true") -> Running:
    """Mosquitto, which wants a certificate and takes its CN for the user's name."""
    program, port, run = find("mosquitto"), free_port(), lab.place("mosquitto")
    own = copied_key(lab, run)
    own.chmod(0o644)  # it reads the key as a user of its own, and only throw-away keys are here
    config = run / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\ncafile {lab.pki['root.pem']}\ncertfile {lab.pki['server.pem']}\nkeyfile {own}\n"
                      f"require_certificate true\nallow_anonymous false\n{more}\n")
    return lab.start([program, "-c", str(config)], port, run)


def tinyproxy(lab: Lab, user: str = "") -> Running:
    """A CONNECT proxy; ``user`` as "name password" makes it ask for them."""
    program, port, run = find("tinyproxy"), free_port(), lab.place("tinyproxy")
    config = run / "tinyproxy.conf"
    config.write_text(f"""
Port {port}
Listen 127.0.0.1
Timeout 20
LogFile "{run}/proxy.log"
LogLevel Connect
Allow 127.0.0.1
MaxClients 20
{f"BasicAuth {user}" if user else ""}
""")
    return lab.start([program, "-d", "-c", str(config)], port, run, (run / "proxy.log",))


def dante(lab: Lab) -> Running:
    """A SOCKS5 server."""
    as_root()
    program, port, run = find("danted"), free_port(), lab.place("danted")
    config = run / "danted.conf"
    config.write_text(f"""
logoutput: {run}/danted.log
internal: 127.0.0.1 port = {port}
external: 127.0.0.1
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: nobody
client pass {{ from: 127.0.0.0/8 to: 127.0.0.0/8 }}
socks pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 log: connect }}
""")
    return lab.start([program, "-f", str(config), "-p", str(run / "danted.pid")], port, run, (run / "danted.log",))


def inspircd(lab: Lab) -> Running:
    """InspIRCd, which asks for a certificate and goes by it only when somebody registers."""
    program, port, run = find("inspircd"), free_port(), lab.place("inspircd")
    config = run / "inspircd.conf"
    config.write_text(f"""
<server name="irc.test" description="test" network="Test" id="001">
<admin name="nobody" nick="nobody" email="nobody@irc.test">
<module name="cap"> <module name="ssl_gnutls"> <module name="sslinfo"> <module name="starttls">
<sslprofile name="Clients" provider="gnutls" certfile="{lab.pki["server.pem"]}" keyfile="{copied_key(lab, run)}"
 cafile="{lab.pki["root.pem"]}" requestclientcert="yes" hash="sha256">
<starttls profile="Clients">
<bind address="127.0.0.1" port="{port}" type="clients">
<connect allow="*" timeout="20" localmax="50" globalmax="50" resolvehostnames="no">
<pid file="{run}/inspircd.pid">
<log method="file" type="*" level="default" target="{run}/irc.log">
""")
    command = [program, "--nofork", "--nopid", *(["--runasroot"] if os.geteuid() == 0 else []), "--config", str(config)]
    return lab.start(command, port, run, (run / "irc.log",))


def xrdp(lab: Lab) -> Running:
    """xrdp, which goes over to TLS inside of X.224 and asks for no certificate."""
    program, port, run = find("xrdp"), free_port(), lab.place("xrdp")
    config = run / "xrdp.ini"
    config.write_text(f"""
[Globals]
ini_version=1
fork=true
port=tcp://127.0.0.1:{port}
security_layer=tls
certificate={lab.pki["server.pem"]}
key_file={copied_key(lab, run)}
ssl_protocols=TLSv1.2, TLSv1.3
allow_channels=true

[Logging]
LogFile={run}/xrdp.log
LogLevel=DEBUG
EnableSyslog=false

[Channels]

[Xorg]
name=Xorg
lib=libxup.so
""")
    return lab.start([program, "--nodaemon", "--config", str(config)], port, run, (run / "xrdp.log",))


def nnrpd(lab: Lab) -> Running:
    """INN's server of readers, which asks for no certificate."""
    as_root()
    if not NNRPD.exists():
        pytest.skip("nnrpd (inn2) is not installed")
    port, run = free_port(), lab.place("nnrpd")
    config = run / "inn.conf"
    names = ("news", "db", "etc", "run", "tmp", "log", "spool", "articles", "overview")
    folders = "".join(f"path{name}: {run}\n" for name in names)
    config.write_text(f"""
mta: "/bin/true %s"
organization: test
ovmethod: tradindexed
hismethod: hisv6
pathhost: news.test
domain: news.test
fromhost: news.test
pathbin: /usr/lib/news/bin
{folders}
runasuser: news
runasgroup: news
tlscertfile: {lab.pki["server.pem"]}
tlskeyfile: {copied_key(lab, run, "news")}
tlscafile: {lab.pki["root.pem"]}
""")
    (run / "readers.conf").write_text("""
auth all { hosts: "*" default: "<local>" }
access all { users: "*" newsgroups: "*" }
""")
    (run / "storage.conf").write_text("method tradspool {\n newsgroups: *\n class: 0\n}\n")
    for name in ("active", "newsgroups", "history", "group.index", "tradspool.map"):
        (run / name).write_text("")
    for path in (run, *run.iterdir()):
        shutil.chown(path, "news", "news")
    return lab.start(
        [str(NNRPD), "-D", "-f", "-b", "127.0.0.1", "-p", str(port), "-c", str(run / "readers.conf")], port, run,
        env={"INNCONF": str(config)})
