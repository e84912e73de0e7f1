"""The server's side explained: errors, staple, lifetime, strength, and the second opinion."""

from __future__ import annotations

import time
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from inspector.analysis import staple
from inspector.analysis.second_opinion import SecondOpinion, ask, compare
from inspector.analysis.verification import Delivered, Verification, explain_errors, judge
from inspector.analysis.x509_errors import MEANINGS, meaning
from inspector.credentials import mint
from inspector.der.certificate import parse
from inspector.trace.events import CertificateError

NOW = time.time()
DAY = 86400.0
ROOT = mint.authority("Root")
INTERMEDIATE = mint.authority("Intermediate", ROOT)
SERVER = mint.server_leaf(["localhost"], INTERMEDIATE)
RESPONDER = mint.leaf("Responder", INTERMEDIATE, purposes=("OCSPSigning",))


def loaded(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)


def response(
    minted: mint.Minted = SERVER, *, status: Any = ocsp.OCSPCertStatus.GOOD, issuer: mint.Minted = INTERMEDIATE,
    signer: mint.Minted = INTERMEDIATE, age: float = 1.0, lasts: float | None = 7.0,
) -> bytes:
    """A stapled OCSP response, ``age`` days old."""
    update = datetime.fromtimestamp(NOW, UTC) - timedelta(days=age)
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=loaded(minted.cert), issuer=loaded(issuer.cert), algorithm=hashes.SHA1(), cert_status=status,
        this_update=update, next_update=update + timedelta(days=lasts) if lasts else None,
        revocation_time=update if status is ocsp.OCSPCertStatus.REVOKED else None, revocation_reason=None,
    ).responder_id(ocsp.OCSPResponderEncoding.HASH, loaded(signer.cert))
    if signer is RESPONDER:
        builder = builder.certificates([loaded(signer.cert)])
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def verified(minted: mint.Minted = SERVER, **more: Any) -> Verification:
    delivered = Delivered(minted.sent, more.pop("staple", None), more.pop("timestamps", None))
    values: dict[str, Any] = {
        "now": NOW, "path": (*minted.sent, ROOT.cert), "trusted": True, "host_matches": True, "name": "localhost",
    }
    return judge(delivered, **{**values, **more})


def ids(found: Verification) -> set[str]:
    return {finding.id for finding in found.findings if finding.severity != "info"}


def test_good_server_has_no_findings_of_weight() -> None:
    found = verified()
    assert (ids(found), found.second) == (set(), "cryptography's verifier accepts it too")
    assert found.host is not None
    assert found.host.matched == "DNS:localhost"


def test_errors_are_explained_with_certificate_and_remedy() -> None:
    error = CertificateError(0.0, 1, 10, "cert_has_expired", INTERMEDIATE.cert)
    (explained,) = explain_errors([error, error])
    assert (explained.depth, explained.subject) == (1, "CN=Intermediate,O=mtls-inspector")
    assert explained.summary == "the certificate has expired"
    assert explained.remedy


def test_every_meaning_has_both_sentences_and_unknown_codes_have_some() -> None:
    assert all(text.summary and text.remedy and not text.summary.endswith(".") for text in MEANINGS.values())
    assert meaning(9999).summary


@pytest.mark.parametrize(("faults", "expected"), [
    ({"not_after": NOW + 3 * DAY, "not_before": NOW - 300 * DAY}, {"expires-soon"}),
    ({"not_before": NOW - 3600, "not_after": NOW + 3600 * 23}, set()),
    ({"key": "rsa-1024"}, {"weak-key"}),
    ({"purposes": ("clientAuth",)}, {"wrong-eku"}),
    ({"names": ()}, set()),
    ({"must_staple": True}, {"must-staple"}),
])
def test_faults_of_the_leaf_are_found(faults: dict[str, Any], expected: set[str]) -> None:
    assert ids(verified(mint.server_leaf(["localhost"], INTERMEDIATE, **faults))) == (
        expected | ({"common-name-only"} if faults.get("names") == () else set())
    )


def test_weak_signature_in_the_path_is_found() -> None:
    signer = mint.authority("Old", ROOT, key="rsa-2048")
    leaf = mint.server_leaf(["localhost"], signer, signature="sha1")
    assert "weak-signature" in ids(verified(leaf))


@pytest.mark.parametrize(("made", "expected"), [
    ({}, ("good", True, True)),
    ({"signer": RESPONDER}, ("good", True, True)),
    ({"status": ocsp.OCSPCertStatus.REVOKED}, ("revoked", True, True)),
    ({"status": ocsp.OCSPCertStatus.UNKNOWN}, ("unknown", True, True)),
    ({"signer": ROOT}, ("good", False, True)),
    ({"age": 30.0}, ("good", True, False)),
    ({"age": 30.0, "lasts": None}, ("good", True, False)),
    ({"age": -2.0}, ("good", True, False)),
    ({"issuer": ROOT}, ("good", False, True)),
])
def test_staple_is_read_verified_and_dated(made: dict[str, Any], expected: tuple[str, bool, bool]) -> None:
    found = staple.read(response(**made), parse(SERVER.cert), parse(INTERMEDIATE.cert))
    assert (found.status, found.genuine, found.fresh_at(NOW)) == expected


@pytest.mark.parametrize(("made", "id_"), [
    ({}, "ocsp-good"), ({"status": ocsp.OCSPCertStatus.REVOKED}, "revoked"), ({"age": 30.0}, "ocsp-stale"),
    ({"signer": ROOT}, "ocsp-signature"), ({"status": ocsp.OCSPCertStatus.UNKNOWN}, "ocsp-unknown"),
    ({"issuer": ROOT}, "ocsp-unusable"),
])
def test_staple_becomes_a_finding(made: dict[str, Any], id_: str) -> None:
    assert id_ in {finding.id for finding in verified(staple=response(**made)).findings}


@pytest.mark.parametrize("junk", [b"", b"\x30", b"\x30\x03\x0a\x01\x01", b"\xff" * 1000])
def test_junk_for_a_staple_is_said_and_does_not_raise(junk: bytes) -> None:
    found = staple.read(junk, parse(SERVER.cert), parse(INTERMEDIATE.cert))
    assert (found.status, found.genuine) == (None, None)
    assert found.problem


def test_staple_about_another_certificate_is_not_taken() -> None:
    other = mint.server_leaf(["localhost"], INTERMEDIATE)
    assert staple.read(response(other), parse(SERVER.cert), parse(INTERMEDIATE.cert)).genuine is False


def test_timestamps_are_counted_by_log() -> None:
    entry = b"\x00" + b"\x11" * 32 + int(NOW * 1000).to_bytes(8, "big") + b"\x00\x00\x04\x03\x00\x00"
    listed = (len(entry) + 2).to_bytes(2, "big") + len(entry).to_bytes(2, "big") + entry
    found = {finding.id: finding for finding in verified(timestamps=listed).findings}
    assert found["transparency"].summary.startswith("1 signed timestamps of 1 transparency logs")


def test_second_opinion_gives_its_reason() -> None:
    late = mint.server_leaf(["localhost"], INTERMEDIATE, not_after=NOW - DAY)
    refused = ask(late.sent, [ROOT.cert], "localhost", NOW)
    assert refused.accepts is False
    assert refused.reason
    assert ask(SERVER.sent, [ROOT.cert], "localhost", NOW) == SecondOpinion(True, "")
    assert ask(SERVER.sent, [ROOT.cert], "other.example", NOW).accepts is False
    assert ask(SERVER.sent, [], "localhost", NOW).accepts is None
    assert ask([b"junk"], [ROOT.cert], "localhost", NOW).accepts is False


def test_difference_of_the_two_opinions_is_explained() -> None:
    bare = mint.authority("Bare", usage=None)
    leaf = mint.server_leaf(["localhost"], bare)
    found = judge(Delivered(leaf.sent), now=NOW, path=(leaf.cert, bare.cert), trusted=True, host_matches=True, name="localhost")
    assert found.second is not None
    assert "refuses what OpenSSL accepts" in found.second or "accepts it too" in found.second
    assert "accepts what OpenSSL refuses" in compare(False, SecondOpinion(True, ""))
    assert "refuses it too (late)" in compare(False, SecondOpinion(False, "late"))


@pytest.mark.parametrize("chain", [(), (b"",), (b"junk", b"\x30\x00")])
def test_unreadable_chain_is_judged_without_raising_or_warning(chain: tuple[bytes, ...]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        judge(Delivered(chain, b"junk", b"junk"), now=NOW, trusted=False, name="localhost")
