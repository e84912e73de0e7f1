"""STARTTLS with client certificates against real servers: the handshake's report and the verdict on the certificate."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers import plain_lab

pytestmark = pytest.mark.server


def words(pki: Any, client: str | None) -> list[str]:
    own = ["--cert", str(pki[f"client-{client}.pem"]), "--key", str(pki[f"client-{client}.key"])] if client else []
    return ["--cacert", str(pki["root.pem"]), *own, "--json"]


def verdicts(mtls: Any, pki: Any, port: int, protocol: str, *more: str, bad: str = "untrusted") -> tuple[list[Any], list[Any]]:
    """Exit code, verdict and application of a good certificate, and of a bad one."""
    found = []
    for client in ("good", bad):
        called = mtls("handshake", f"localhost:{port}", "--starttls", protocol, *words(pki, client), *more)
        report = called.report
        assert report["handshake"]["messages"], called.err
        found.append([called.code, report["client_auth"]["verdict"], report.get("application")])
    return found[0], found[1]


def held(good: list[Any], bad: list[Any], protocol: str, status: str) -> None:
    assert good[:2] == [0, "accepted"], good
    assert [good[2]["protocol"], good[2]["accepted"], good[2]["status"]] == [protocol, True, status]
    assert bad[:2] == [1, "rejected"], bad


def test_postgresql(mtls, lab, pki):
    """3D000: there is no database of that name; to be told so one has to be logged in."""
    server = lab.postgres()
    held(*verdicts(mtls, pki, server.port, "postgres", "--app-user", "alice"), "postgres", "3D000")


def test_postgresql_refuses_another_user_by_its_own_protocol(mtls, lab, pki):
    server = lab.postgres()
    good, _ = verdicts(mtls, pki, server.port, "postgres", "--app-user", "bob")
    assert good[:2] == [1, "rejected"]
    assert good[2]["status"] == "28000"


def test_mariadb(mtls, lab, pki):
    server = plain_lab.mariadb(lab)
    held(*verdicts(mtls, pki, server.port, "mariadb", "--app-user", "alice"), "mysql", "OK")
    good, _ = verdicts(mtls, pki, server.port, "mysql", "--app-user", "carol")
    assert good[:2] == [1, "rejected"]
    assert good[2]["status"] == "1045 (28000)"


def test_postfix(mtls, lab, pki):
    server = plain_lab.postfix(lab)
    held(*verdicts(mtls, pki, server.port, "smtp"), "smtp", "250")


def test_dovecot(mtls, lab, pki):
    _, ports = plain_lab.dovecot(lab)
    for protocol, status in (("imap", "OK"), ("pop3", "+OK"), ("sieve", "OK"), ("lmtp", "250")):
        good, _ = verdicts(mtls, pki, ports[protocol], protocol)
        assert [*good[:2], good[2]["protocol"], good[2]["status"]] == [0, "accepted", protocol, status]


def test_prosody(mtls, lab, pki):
    server = plain_lab.prosody(lab)
    held(*verdicts(mtls, pki, server.port, "xmpp"), "xmpp", "features")


def test_the_name_of_xmpp_is_that_of_the_handshake(mtls, lab, pki):
    """The address is where to go, --server-name is whom to ask for, in the stream as in SNI."""
    server = plain_lab.prosody(lab)
    for name, side, cause in (("localhost", "nobody", None), ("other.test", "server_rejected_client", "server-name")):
        called = mtls(
            "diagnose", f"127.0.0.1:{server.port}", "--server-name", name, "--starttls", "xmpp", *words(pki, "good")
        )
        found = called.report["diagnosis"]
        assert (found["side"], next((c["id"] for c in found["causes"]), None)) == (side, cause)


def test_openldap(mtls, lab, pki):
    server = plain_lab.openldap(lab)
    good, bad = verdicts(mtls, pki, server.port, "ldap")
    held(good, bad, "ldap", "0")
    assert "cn=alice" in good[2]["summary"].lower()


def test_vsftpd(mtls, lab, pki):
    server = plain_lab.vsftpd(lab)
    held(*verdicts(mtls, pki, server.port, "ftp"), "ftp", "211")


def test_inspircd_asks_for_a_certificate_and_goes_by_it_later(mtls, lab, pki):
    server = plain_lab.inspircd(lab)
    for found in verdicts(mtls, pki, server.port, "irc"):
        assert [*found[:2], found[2]["protocol"], found[2]["status"]] == [0, "accepted", "irc", "CAP"]
    called = mtls("handshake", f"localhost:{server.port}", "--starttls", "irc", *words(pki, "good"))
    asked = called.report["client_auth"]
    assert asked["sent"] is True
    assert [authority["name"] for authority in asked["certificate_authorities"]] == ["CN=Test Root,O=Test"]


def test_nnrpd_does_not_ask(mtls, lab, pki):
    server = plain_lab.nnrpd(lab)
    for found in verdicts(mtls, pki, server.port, "nntp"):
        assert [*found[:2], found[2]["protocol"], found[2]["status"]] == [0, "not_requested", "nntp", "101"]


def test_xrdp_does_not_ask(mtls, lab, pki):
    server = plain_lab.xrdp(lab)
    for found in verdicts(mtls, pki, server.port, "rdp"):
        assert found == [0, "not_requested", None]


def first_step(mtls, pki, port, protocol, client):
    called = mtls("handshake", f"localhost:{port}", "--app", protocol, *words(pki, client))
    application = called.report.get("application")
    return [called.code, called.report["client_auth"]["verdict"], application and application["status"]]


def test_redis_that_wants_a_password_has_accepted_the_certificate(mtls, lab, pki):
    server = plain_lab.redis(lab)
    assert first_step(mtls, pki, server.port, "redis", "good") == [0, "accepted", "-NOAUTH"]
    assert first_step(mtls, pki, server.port, "redis", "untrusted")[:2] == [1, "rejected"]


def test_mosquitto_knows_the_certificates_user_or_refuses_the_connection(mtls, lab, pki):
    server = plain_lab.mosquitto(lab)
    assert first_step(mtls, pki, server.port, "mqtt", "good") == [0, "accepted", "0"]
    assert first_step(mtls, pki, server.port, "mqtt", "untrusted")[:2] == [1, "rejected"]
    nameless = plain_lab.mosquitto(lab, more="")
    assert first_step(mtls, pki, nameless.port, "mqtt", "good") == [1, "rejected", "5"]


def test_a_server_that_does_not_do_starttls_is_told_so(mtls, lab, pki):
    server = lab.nginx()
    called = mtls("handshake", f"localhost:{server.port}", "--starttls", "smtp", *words(pki, "good"), "--timeout", "5")
    assert called.code == 3
    assert called.report["network"]["error"]["kind"] == "prelude"
