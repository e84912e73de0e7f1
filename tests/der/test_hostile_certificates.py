"""Malformed and oversized certificates of others: each stays readable, and what BoringSSL refuses bears a reason here too."""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from inspector.der.certificate import Certificate, parse

FIXTURES = Path(__file__).parents[2] / "fixtures" / "hostile-certs"
BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END", re.DOTALL)

# BoringSSL refuses them for what is no fault of the encoding: a limit of its own, or a rule beyond the grammar
REFUSED_ELSEWHERE = {
    "basic_constraints_path_too_large.pem", "basic_constraints_pathlen_256.pem", "issuer_bad_printable_string.pem",
    "subject_blank_subjectaltname_not_critical.pem", "subject_not_printable_string.pem",
}
# BoringSSL's parser leaves the part in question unread
FAULTY_HERE = {"cert_skeleton.pem", "signature_algorithm_null.pem", "subject_printable_string_containing_utf8_client_cert.pem"}


def certificates(path: Path) -> list[bytes]:
    found = []
    for match in BLOCK.finditer(path.read_text("latin-1")):
        if match[1] == "CERTIFICATE":
            text = "".join(match[2].split())
            try:
                found.append(base64.b64decode(text + "=" * (-len(text) % 4)))
            except binascii.Error:
                pytest.fail(f"{path.name} is no PEM file")
    return found


@cache
def expected(name: str) -> Any:
    return json.loads((FIXTURES / name).read_text())


OBSERVED: dict[str, Any] = {
    name: entry["observed"] for name, entry in json.loads((FIXTURES / "boringssl-parse.expected.json").read_text()).items()
    if "CERTIFICATE" in entry["blocks"]
}
MALFORMED = sorted(OBSERVED)


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_certificate_is_read_or_bears_a_reason(name: str) -> None:
    found: list[Certificate] = [parse(der) for der in certificates(FIXTURES / "boringssl-parse" / name)]
    assert len(found) == 1
    refused = "ERROR" in (expected("boringssl-parse.expected.json")[name]["boringssl_errors"] or "")
    faulty = (refused and name not in REFUSED_ELSEWHERE) or name in FAULTY_HERE
    assert (found[0].problem is not None) is faulty, found[0].problem
    assert len(found[0].sha256) == 64


@pytest.mark.parametrize("name", [name for name in MALFORMED if OBSERVED[name]["ossl"] == "ok"])
def test_what_openssl_reads_has_names_and_dates_here(name: str) -> None:
    found = parse(certificates(FIXTURES / "boringssl-parse" / name)[0])
    assert found.issuer_der
    assert found.subject_der
    assert found.not_after is not None or "notAfter" in (found.problem or "")
    assert found.key_type is not None


@pytest.mark.parametrize("name", sorted(json.loads((FIXTURES / "badssl.expected.json").read_text())))
def test_oversized_and_odd_certificates_have_their_known_answers(name: str) -> None:
    start = time.perf_counter()
    found = [parse(der) for der in certificates(FIXTURES / "badssl" / f"{name}.pem")]
    assert time.perf_counter() - start < 2.0
    known = expected("badssl.expected.json")[name]
    assert [(c.subject, c.issuer, c.sha256, len(c.der), len(c.ext.subject_alt_names) or None) for c in found] == [
        (entry["subject"], entry["issuer"], entry["sha256"], entry["der_bytes"], entry["san_count"]) for entry in known
    ]
    assert [c.problem for c in found] == [None] * len(found)
