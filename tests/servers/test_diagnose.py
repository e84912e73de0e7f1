"""What hurts people with client certificates, against real servers: each is told apart, and told in the right direction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from tests.servers.conftest import Called, Mtls
from tests.servers.pki import CLIENT, SERVER, Entity, Pki, issue, key_pem, name, pem
from tests.servers.programs import Lab, Running

pytestmark = pytest.mark.server

TLS = ("1.2", "1.3")


def diagnose(
    mtls: Mtls, pki: Pki, server: Running, kind: str = "good", *, tls: str = "1.3", options: tuple[str, ...] = ()
) -> Called:
    return mtls(
        "diagnose", server.target, "--server-name", "localhost", "--cacert", str(pki["root.pem"]), "--no-system-trust",
        "--tls-min", tls, "--tls-max", tls, "--json", *pki.client_options(kind), *options,
    )


def own(pki: Pki, kind: str, entity: Entity) -> str:
    """Write a credential of a test's own beside those of the PKI; returns its kind."""
    pki.file(f"client-{kind}.pem", pem(*entity.sent))
    pki.file(f"client-{kind}.key", key_pem(entity.key))
    return kind


def causes(called: Called) -> list[str]:
    return [cause["id"] for cause in called.report["diagnosis"]["causes"]]


def evidence(called: Called) -> str:
    return " | ".join(e["text"] for cause in called.report["diagnosis"]["causes"] for e in cause["evidence"])


def match(called: Called) -> dict[str, Any]:
    return {rule["rule"]: rule for rule in called.report["client_auth"]["match"]}


# ---- the direction -------------------------------------------------------------------------------------
@pytest.mark.parametrize("tls", TLS)
def test_alert_that_comes_after_our_handshake_succeeded_is_a_rejection(lab: Lab, pki: Pki, mtls: Mtls, tls: str) -> None:
    """In TLS 1.3 libraries report a successful handshake, and the error only at the first read."""
    called = diagnose(mtls, pki, lab.haproxy(tls=tls), "untrusted", tls=tls)
    assert called.report["handshake"]["completed"] is (tls == "1.3")
    assert (called.code, called.report["client_auth"]["verdict"], causes(called)[0]) == (1, "rejected", "unknown-ca")


@pytest.mark.parametrize("tls", TLS)
def test_expired_client_certificate_is_never_put_on_the_server(lab: Lab, pki: Pki, mtls: Mtls, tls: str) -> None:
    """A widely used client says that the server's certificate could not be verified; people then switch verification off."""
    server = lab.s_server(tls=tls)
    called = diagnose(mtls, pki, server, "expired", tls=tls)
    assert called.report["diagnosis"]["side"] == "server_rejected_client"
    assert called.report["verification"]["trusted"] is True
    assert causes(called)[0] == "expired"
    text = mtls("diagnose", server.target, "--server-name", "localhost", "--cacert", str(pki["root.pem"]), "--tls-max", tls,
                *pki.client_options("expired"))
    assert text.out.startswith("SERVER REJECTED YOU")
    assert "switch" not in text.out
    assert "--insecure" not in text.out


@pytest.mark.parametrize(("kind", "cause", "words"), [
    ("none", "no-certificate", "required"), ("untrusted", "unknown-ca", "not valid"), ("expired", "expired", "not valid"),
    ("wrong-eku", "wrong-eku", "not valid"),
])
def test_page_with_status_400_over_a_fine_handshake_is_explained(
    lab: Lab, pki: Pki, mtls: Mtls, kind: str, cause: str, words: str
) -> None:
    """nginx completes the handshake with everybody and says no on a page; readers take it for a malformed request."""
    called = diagnose(mtls, pki, lab.nginx(), kind)
    assert called.report["handshake"]["completed"] is True
    assert called.report["client_auth"]["rejected_by"] == "http"
    assert causes(called)[0] == cause
    assert words in called.report["diagnosis"]["headline"]
    assert "ssl_client_verify" in called.report["diagnosis"]["causes"][0]["ask_operator"]


# ---- purposes --------------------------------------------------------------------------------------------
def test_certificate_without_client_authentication_is_named_with_who_would_not_even_send_it(
    lab: Lab, pki: Pki, mtls: Mtls
) -> None:
    """Public CAs no longer issue for clientAuth, and some clients silently send nothing then."""
    called = diagnose(mtls, pki, lab.s_server(), "wrong-eku")
    assert causes(called)[0] == "wrong-eku"
    withheld = {entry["client"] for entry in called.report["client_auth"]["would_send"] if entry["sends"] is False}
    assert any("NET" in client for client in withheld)


@pytest.mark.parametrize("server", ["go", "s_server"])
def test_intermediate_that_may_not_issue_for_clients_is_found_above_a_good_leaf(
    lab: Lab, pki: Pki, mtls: Mtls, server: str
) -> None:
    """The leaf has clientAuth, its CA's extended key usage has not: Go says 'incompatible key usage'."""
    narrow = issue("Narrow Intermediate", pki.root, ca=True, eku=SERVER)
    kind = own(pki, "narrow", issue("alice", narrow, eku=CLIENT))
    called = diagnose(mtls, pki, getattr(lab, server)(), kind)
    assert causes(called)[0] == "wrong-eku"
    assert "Narrow Intermediate" in evidence(called)


# ---- the chain --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("server", ["haproxy", "node", "go", "nginx"])
def test_intermediate_that_was_not_sent_is_missed_by_name(lab: Lab, pki: Pki, mtls: Mtls, server: str) -> None:
    """The most common mistake: the file holds the leaf alone."""
    called = diagnose(mtls, pki, getattr(lab, server)(), "missing-intermediate")
    assert causes(called)[0] == "missing-intermediate"
    assert "Test Intermediate" in evidence(called)
    assert len(called.report["client_auth"]["sent_chain"]) == 1


@pytest.mark.parametrize("server", ["haproxy", "go", "nginx"])
def test_issuing_ca_that_was_left_out_below_one_that_was_sent_is_missed(lab: Lab, pki: Pki, mtls: Mtls, server: str) -> None:
    """Of two CAs the lower one is missing: what was sent leads to the server's root, and is not connected to the leaf."""
    issuing = issue("Issuing CA 7", pki.intermediate, ca=True)
    leaf = issue("alice", issuing, eku=CLIENT)
    kind = own(pki, "torn", leaf._replace(above=(pki.intermediate.cert,)))
    called = diagnose(mtls, pki, getattr(lab, server)(), kind)
    assert (called.report["client_auth"]["verdict"], causes(called)[0]) == ("rejected", "missing-intermediate")
    assert "Issuing CA 7" in evidence(called)


def test_gap_is_kept_in_question_where_the_server_lists_others_than_it_trusts(lab: Lab, pki: Pki, mtls: Mtls) -> None:
    server = lab.apache(f"SSLVerifyClient require\nSSLVerifyDepth 3\nSSLCADNRequestFile {pki['other-root.pem']}")
    called = diagnose(mtls, pki, server, "missing-intermediate")
    assert causes(called)[0] == "missing-intermediate"
    assert diagnose(mtls, pki, server).report["client_auth"]["verdict"] == "accepted"


def string_types(pki: Pki) -> Entity:
    """A leaf whose issuer's name is the text of its CA's subject in another ASN.1 string type."""
    key = ec.generate_private_key(ec.SECP256R1())
    printable = x509.Name([
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test", _type=_ASN1Type.PrintableString),
        x509.NameAttribute(NameOID.COMMON_NAME, "Typed Intermediate", _type=_ASN1Type.PrintableString),
    ])
    as_printable = issue("", pki.root, ca=True, key=key, subject=printable)
    as_utf8 = issue("", pki.root, ca=True, key=key, subject=name("Typed Intermediate"))
    return issue("alice", as_utf8, eku=CLIENT)._replace(above=(as_printable.cert, pki.root.cert))


def test_names_that_differ_in_string_type_only_are_shown_where_the_server_compares_bytes(
    lab: Lab, pki: Pki, mtls: Mtls
) -> None:
    """Same text, other bytes: Go, GnuTLS, NSS and Apple refuse what OpenSSL accepts."""
    kind = own(pki, "typed", string_types(pki))
    refused = diagnose(mtls, pki, lab.go(), kind)
    assert causes(refused)[0] == "unknown-ca"
    assert "same text in other bytes" in evidence(refused)
    taken = diagnose(mtls, pki, lab.haproxy(), kind)
    assert (taken.code, taken.report["client_auth"]["verdict"]) == (0, "accepted")


# ---- schemes -----------------------------------------------------------------------------------------------
def test_key_that_fits_no_scheme_asked_for_was_not_sent_and_this_is_said(lab: Lab, pki: Pki, mtls: Mtls) -> None:
    """The server takes ECDSA only; an RSA key cannot answer, so TLS sends an empty Certificate: 'certificate required'."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kind = own(pki, "rsa", issue("alice", pki.intermediate, eku=CLIENT, key=key))
    called = diagnose(mtls, pki, lab.s_server("-client_sigalgs", "ECDSA+SHA256"), kind)
    assert set(causes(called)[:2]) == {"no-certificate", "signature-algorithm"}
    assert match(called)["signature-scheme"]["ok"] is False
    assert "fits none of the signature schemes" in evidence(called)
    assert called.report["client_auth"]["sent"] is False


@pytest.mark.parametrize(("tls", "verdict"), [("1.2", "rejected"), ("1.3", "accepted")])
def test_key_on_another_curve_than_the_servers_is_refused_over_tls_1_2_and_this_is_said(
    lab: Lab, pki: Pki, mtls: Mtls, tls: str, verdict: str
) -> None:
    """PostgreSQL allows prime256v1 alone, unless told otherwise."""
    kind = own(pki, "p384", issue("alice", pki.intermediate, eku=CLIENT, key=ec.generate_private_key(ec.SECP384R1())))
    called = diagnose(mtls, pki, lab.postgres(), kind, tls=tls, options=("--starttls", "postgres"))
    assert called.report["client_auth"]["verdict"] == verdict
    assert causes(called)[:1] == (["signature-algorithm"] if verdict == "rejected" else [])
    assert ("secp384r1" in evidence(called)) is (verdict == "rejected")


# ---- nothing is wrong, and hidden causes ------------------------------------------------------------------------
@pytest.mark.parametrize("server", ["nginx", "apache", "haproxy", "node", "go", "python", "s_server"])
def test_good_credential_is_accepted_and_nothing_is_blamed(lab: Lab, pki: Pki, mtls: Mtls, server: str) -> None:
    called = diagnose(mtls, pki, getattr(lab, server)())
    assert (called.code, called.report["client_auth"]["verdict"], causes(called)) == (0, "accepted", [])


def test_same_alert_from_two_servers_means_two_things(lab: Lab, pki: Pki, mtls: Mtls) -> None:
    """42 is 'not yet valid' from OpenSSL and anything from an older Go."""
    openssl = diagnose(mtls, pki, lab.s_server(), "not-yet-valid")
    go = diagnose(mtls, pki, lab.go(), "untrusted")
    assert (causes(openssl)[0], causes(go)[0]) == ("not-yet-valid", "unknown-ca")


def test_database_that_says_no_in_its_own_protocol_is_understood(lab: Lab, pki: Pki, mtls: Mtls) -> None:
    server = lab.postgres()
    missing = diagnose(mtls, pki, server, "none", options=("--starttls", "postgres"))
    other = diagnose(mtls, pki, server, "other", options=("--starttls", "postgres", "--app-user", "alice"))
    good = diagnose(mtls, pki, server, "good", options=("--starttls", "postgres"))
    assert (causes(missing)[0], causes(other)[0], causes(good)) == ("no-certificate", "not-authorised", [])
    assert other.report["client_auth"]["rejected_by"] == "protocol"


def test_location_that_alone_asks_for_a_certificate_is_judged_there(lab: Lab, pki: Pki, mtls: Mtls) -> None:
    server = lab.apache("SSLVerifyClient none", location="SSLVerifyClient require\nSSLVerifyDepth 3")
    called = diagnose(mtls, pki, server, "expired")
    assert called.report["client_auth"]["when"] == "post_handshake"
    assert causes(called)[0] == "expired"


def test_files_of_the_server_show_the_difference_to_what_it_does(lab: Lab, pki: Pki, mtls: Mtls) -> None:
    server = lab.nginx(crl="crl.pem")
    files = ("--client-ca", str(pki["root.pem"]), "--crl", str(pki["crl.pem"]))
    assert causes(diagnose(mtls, pki, server, "revoked", options=files))[0] == "revoked"
    notes = diagnose(mtls, pki, lab.nginx(trust="other-root.pem"), "good", options=files).report["diagnosis"]["notes"]
    assert any("OpenSSL accepts this chain" in note for note in notes)


def test_saved_report_is_diagnosed_again_without_network(lab: Lab, pki: Pki, mtls: Mtls, tmp_path: Path) -> None:
    first = diagnose(mtls, pki, lab.node(), "missing-intermediate")
    saved = tmp_path / "report.json"
    saved.write_text(first.out)
    again = mtls("diagnose", "--from", str(saved), "--json")
    assert again.report["diagnosis"] == first.report["diagnosis"]
    assert again.code == first.code
