"""``mtls check`` from the outside: what it finds, what it exits with, and what it never prints."""

from __future__ import annotations

import base64
import datetime as dt
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat
from cryptography.x509 import ocsp

from inspector.credentials import mint
from inspector.report import schema
from tests.cli.peers import Pki, Said, answers, https, mtls_says, peer, put

ROOT = mint.authority("Check Root CA")
ISSUING = mint.authority("Check Issuing CA", ROOT)
DAY = 86400.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    (tmp_path / "root.pem").write_bytes(mint.certificates_pem([ROOT.cert]))
    put(tmp_path, "good", mint.leaf("alice", ISSUING))
    return tmp_path


def check(folder: Path, name: str, *more: str) -> Said:
    return mtls_says("check", str(folder / f"{name}.pem"), "--key", str(folder / f"{name}.key"), *more)


def ids(said: Said) -> list[str]:
    jsonschema.validate(said.document, schema.schema())
    return [finding["id"] for finding in said.document["credential"]["findings"]]


def test_good_credential_is_fit_and_nothing_is_found(folder: Path) -> None:
    said = check(folder, "good", "--json", "--cacert", str(folder / "root.pem"))
    assert (said.code, ids(said), said.err) == (0, [], "")
    assert check(folder, "good").out.startswith("FIT ")


def test_findings_decide_the_exit_code_by_their_level(folder: Path) -> None:
    put(folder, "sha1", mint.leaf("alice", ISSUING, serial=-5))
    assert (check(folder, "sha1").code, check(folder, "sha1", "--fail-on", "high").code) == (1, 0)
    put(folder, "old", mint.leaf("alice", ISSUING, not_before=0.0, not_after=DAY))
    said = check(folder, "old", "--json")
    assert (said.code, ids(said), said.document["command"]) == (1, ["expired"], "check")
    assert "renew the certificate" in check(folder, "old").out


def test_key_of_another_certificate_is_unusable_and_still_judged(folder: Path) -> None:
    put(folder, "bob", mint.leaf("bob", ISSUING, not_before=0.0, not_after=DAY))
    said = mtls_says("check", str(folder / "bob.pem"), "--key", str(folder / "good.key"), "--json")
    assert (said.code, said.document["error"]["kind"], ids(said)) == (4, "key-mismatch", ["key-mismatch", "expired"])
    assert said.err.startswith("error: the private key does not belong to any certificate")


def test_certificate_without_a_key_is_unusable_and_still_judged(folder: Path) -> None:
    said = mtls_says("check", str(folder / "good.pem"), "--json")
    assert (said.code, said.document["error"]["kind"], ids(said)) == (4, "no-private-key", [])


@pytest.mark.parametrize(("arguments", "code", "kind"), [
    ((), 2, "usage"),
    (("none.pem",), 4, "file-unreadable"),
    (("good.pem", "--crl", "none.crl"), 4, "file-unreadable"),
    (("good.pem", "--crl", "good.key"), 4, "no-crl"),
    (("good.pem", "--cacert", "good.key"), 4, "no-certificate"),
    (("good.pem", "--passphrase-env", "NOT_SET_HERE"), 4, "passphrase-needed"),
    (("good.pem", "--passphrase-file", "none"), 4, "file-unreadable"),
    (("good.pem", "--against", "good.pem"), 4, "not-a-report"),
    (("empty",), 4, "not-a-credential"),
])
def test_what_cannot_be_checked_says_why(
    folder: Path, arguments: tuple[str, ...], code: int, kind: str, monkeypatch: pytest.MonkeyPatch,
) -> None:
    (folder / "empty").mkdir()
    monkeypatch.chdir(folder)
    said = mtls_says("check", *arguments, "--json")
    assert (said.code, said.document["error"]["kind"]) == (code, kind)


def test_folder_and_several_files(folder: Path) -> None:
    good = mint.leaf("alice", ISSUING)
    pair = folder / "manager"
    pair.mkdir()
    for name, data in (("tls.crt", good.pem()), ("tls.key", good.key_pem()), ("ca.crt", mint.certificates_pem([ROOT.cert]))):
        (pair / name).write_bytes(data)
    assert mtls_says("check", str(pair)).code == 0
    assert mtls_says("check", str(folder / "good.key"), str(folder / "good.pem")).code == 0


def test_passphrase_comes_from_environment_or_file_and_is_never_shown(folder: Path) -> None:
    good = mint.leaf("alice", ISSUING)
    encrypted = good.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"s3cret-word"))
    (folder / "one.pem").write_bytes(good.pem() + encrypted)
    (folder / "word").write_bytes(b"s3cret-word\r\nsecond line\n")
    path = str(folder / "one.pem")
    runs = [
        mtls_says("check", path, "--passphrase-env", "WORD", "-v", env={"WORD": "s3cret-word"}),
        mtls_says("check", path, "--passphrase-file", str(folder / "word"), "--json"),
        mtls_says("check", path, "--passphrase-env", "WORD", "--json", env={"WORD": "wrong-word"}),
        mtls_says("check", path, "--json"),
    ]
    assert [said.code for said in runs] == [0, 0, 4, 4]
    assert [said.document["error"]["kind"] for said in runs[2:]] == ["wrong-passphrase", "passphrase-needed"]
    for said in runs:
        assert not {"s3cret-word", "wrong-word", "PRIVATE KEY"} & set((said.out + said.err).split())
        assert "s3cret" not in said.out + said.err


def test_key_that_others_may_read_is_told_only_where_they_can_reach_it(folder: Path) -> None:
    (folder / "good.key").chmod(0o644)
    assert ids(check(folder, "good", "--json")) == []
    open_folder = folder / "open"
    open_folder.mkdir(mode=0o755)
    assert ids(check(folder, "good", "--json")) == []


def test_revocation_list_in_pem_and_der(folder: Path) -> None:
    bad = mint.leaf("alice", ISSUING)
    put(folder, "bad", bad)
    der = mint.revocation_list(ISSUING, [bad])
    (folder / "crl.der").write_bytes(der)
    (folder / "crl.pem").write_bytes(x509.load_der_x509_crl(der).public_bytes(Encoding.PEM))
    for name in ("crl.der", "crl.pem"):
        assert ids(check(folder, "bad", "--json", "--crl", str(folder / name))) == ["revoked"]
        assert ids(check(folder, "good", "--json", "--crl", str(folder / name))) == []


def test_held_against_a_server_and_against_its_report(pki: Pki, folder: Path) -> None:
    own = ["--key", pki.path("alice.key"), "--json"]
    with peer(https(pki)) as port:
        road = ["--connect-to", f"127.0.0.1:{port}", "--cacert", pki.path("root.pem"), "--no-system-trust"]
        live = mtls_says("check", pki.path("alice.pem"), "--against", f"localhost:{port}", *road, *own)
        report = mtls_says("handshake", f"localhost:{port}", *road, "--json").document
    names = [mint.authority("Elsewhere").subject, mint.authority("Test Root").subject]
    codes, rules = [live.code], [live.document["client_auth"]]
    for name in names:
        report["client_auth"]["certificate_authorities"] = [{"name": "", "der": base64.b64encode(name).decode()}]
        (folder / "report.json").write_text(json.dumps(report))
        said = mtls_says("check", pki.path("alice.pem"), "--against", str(folder / "report.json"), *own)
        codes.append(said.code)
        rules.append(said.document["client_auth"])
    outcomes = [next(rule["ok"] for rule in part["match"] if rule["rule"] == "issuer-name") for part in rules]
    assert (codes, outcomes) == ([0, 1, 0], [True, False, True])
    assert live.document["client_auth"]["sent"] is not True
    assert all(part["would_send"] for part in rules)


def test_server_that_cannot_be_reached_is_no_fault_of_the_credential(folder: Path) -> None:
    with peer(lambda _: None) as port:
        pass
    said = check(folder, "good", "--against", f"localhost:{port}", "--connect-to", f"127.0.0.1:{port}", "--json")
    assert (said.code, ids(said), "error" in said.document) == (3, [], True)


class Web:
    """What the loopback server answers, by path; a POST's body goes to the function."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[bytes], bytes]] = {}
        self.asked: list[str] = []


@pytest.fixture
def web() -> Iterator[tuple[Web, str]]:
    answers = Web()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answers.asked.append(self.path)
            answer = answers.answers.get(self.path)
            self.send_response(200 if answer else 404)
            self.end_headers()
            if answer:
                self.wfile.write(answer(body))

        do_POST = do_GET  # noqa: N815 - the name that the server looks for

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield answers, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_missing_issuer_is_fetched_only_when_asked_for(folder: Path, web: tuple[Web, str]) -> None:
    answers, url = web
    answers.answers["/issuing.crt"] = lambda _: ISSUING.cert
    made = mint.leaf("alice", ISSUING, issuers_url=f"{url}/issuing.crt")
    put(folder, "gap", made)
    (folder / "gap.pem").write_bytes(mint.certificates_pem([made.cert]))
    plain = check(folder, "gap", "--json", "--cacert", str(folder / "root.pem"))
    assert (answers.asked, ids(plain)) == ([], ["missing-intermediate"])
    fetched = check(folder, "gap", "--json", "--cacert", str(folder / "root.pem"), "--fetch")
    assert (answers.asked, ids(fetched)) == (["/issuing.crt"], ["missing-intermediate"])
    evidence = fetched.document["credential"]["findings"][0]["evidence"][0]["text"]
    assert evidence == "not sent: 'CN=Check Issuing CA,O=mtls-inspector'"


def responder(
    leaf: mint.Minted, signer: mint.Minted, status: ocsp.OCSPCertStatus, **times: dt.datetime,
) -> Callable[[bytes], bytes]:
    """Answers about ``leaf`` and nothing else, signed by ``signer``."""
    now = dt.datetime.now(dt.UTC)
    revoked = now - dt.timedelta(days=3) if status is ocsp.OCSPCertStatus.REVOKED else None

    def answer(body: bytes) -> bytes:
        ocsp.load_der_ocsp_request(body)
        certificate, issuer = x509.load_der_x509_certificate(leaf.cert), x509.load_der_x509_certificate(ISSUING.cert)
        own = x509.load_der_x509_certificate(signer.cert)
        begin, end = times.get("this", now), times.get("next", now + dt.timedelta(days=1))
        builder = ocsp.OCSPResponseBuilder().add_response(
            certificate, issuer, hashes.SHA1(), status, begin, end, revoked, None,
        ).responder_id(ocsp.OCSPResponderEncoding.HASH, own)
        if signer is not ISSUING:
            builder = builder.certificates([own])
        return builder.sign(signer.key, hashes.SHA256()).public_bytes(Encoding.DER)

    return answer


LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize(("status", "signer", "times", "found"), [
    (ocsp.OCSPCertStatus.GOOD, ISSUING, {}, []),
    (ocsp.OCSPCertStatus.REVOKED, ISSUING, {}, ["revoked"]),
    (ocsp.OCSPCertStatus.UNKNOWN, ISSUING, {}, ["ocsp-unusable"]),
    (ocsp.OCSPCertStatus.GOOD, mint.leaf("responder", ISSUING, purposes=("OCSPSigning",)), {}, []),
    (ocsp.OCSPCertStatus.GOOD, mint.leaf("no responder", ISSUING), {}, ["ocsp-unusable"]),
    (ocsp.OCSPCertStatus.GOOD, mint.leaf("stranger", purposes=("OCSPSigning",)), {}, ["ocsp-unusable"]),
    (ocsp.OCSPCertStatus.GOOD, ISSUING, {"this": LONG_AGO, "next": LONG_AGO + dt.timedelta(days=1)}, ["ocsp-unusable"]),
], ids=["good", "revoked", "unknown", "delegated", "not-for-ocsp", "stranger", "stale"])
def test_responder_is_asked_only_when_told_to_and_its_answer_verified(
    status: ocsp.OCSPCertStatus, signer: mint.Minted, times: dict[str, dt.datetime], found: list[str], folder: Path,
    web: tuple[Web, str],
) -> None:
    answers, url = web
    made = mint.leaf("alice", ISSUING, ocsp_url=f"{url}/ocsp")
    put(folder, "asked", made)
    answers.answers["/ocsp"] = responder(made, signer, status, **times)
    assert (ids(check(folder, "asked", "--json")), answers.asked) == ([], [])
    assert (ids(check(folder, "asked", "--json", "--ocsp")), answers.asked) == (found, ["/ocsp"])


def test_responder_that_is_not_there_or_talks_nonsense_is_told(folder: Path, web: tuple[Web, str]) -> None:
    answers, url = web
    put(folder, "asked", mint.leaf("alice", ISSUING, ocsp_url=f"{url}/ocsp"))
    assert ids(check(folder, "asked", "--json", "--ocsp")) == ["ocsp-unusable"]
    answers.answers["/ocsp"] = lambda _: b"nonsense"
    assert ids(check(folder, "asked", "--json", "--ocsp")) == ["ocsp-unusable"]


def test_names_in_certificates_reach_the_terminal_escaped(folder: Path) -> None:
    put(folder, "odd", mint.leaf("evil\x1b[31m", ISSUING, serial=-1))
    assert "\x1b" not in check(folder, "odd", "-v").out


def test_legacy_pkcs12_is_read_and_its_protection_named() -> None:
    path = Path(__file__).parent.parent.parent / "fixtures" / "credentials" / "pkcs12" / "ValidCertificatePathTest1EE_macos.p12"
    part = mtls_says("check", str(path), "--passphrase-env", "WORD", "--json", env={"WORD": "password"}).document["credential"]
    assert (part["format"], part["encryption"]) == (
        "pkcs12", ["MAC HMAC-SHA1", "pbeWithSHA1And40BitRC2-CBC", "pbeWithSHA1And3-KeyTripleDES-CBC"],
    )
    assert "weak-file-encryption" in [finding["id"] for finding in part["findings"]]


@pytest.mark.parametrize(
    ("greeting", "code", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", 3, "does not speak TLS"),
        (b"\x15\x03\x03\x00\x02\x02\x46", 5, "the server's request was not seen: alert 70 protocol_version"),
    ],
)
def test_a_server_that_did_not_come_to_its_request_is_neither_a_yes_nor_the_credentials_fault(
    pki: Pki, greeting: bytes, code: int, words: str,
) -> None:
    with peer(answers(greeting)) as port:
        said = mtls_says("check", pki.path("alice.pem"), pki.path("alice.key"), "--against", f"127.0.0.1:{port}")
    assert said.code == code
    assert " ".join(said.out.split()).startswith("NOT HELD AGAINST IT")
    assert words in " ".join(said.out.split())
