"""Which clients would send it: the rules by themselves. The real programs are run in ``tests/clients``."""

from __future__ import annotations

import time
from typing import Any

import pytest

from inspector.analysis.emulate import CLIENTS, would_send
from inspector.analysis.match import Request
from inspector.credentials import mint

ROOT = mint.authority("Root")
LEAF = mint.leaf("client", ROOT)
OTHER = mint.authority("Other")
SCHEMES = (0x0403, 0x0804, 0x0401)
EVERYBODY = frozenset(name for name, _ in CLIENTS)
BY_BYTES = frozenset({"Go crypto/tls", "GnuTLS (library)", "Firefox"})
BY_NAMES = BY_BYTES | {"Java SunX509", "Java NewSunX509 (PKIX)", "NSS", "Chrome", "Schannel / .NET SslStream"}


def senders(request: Request, minted: mint.Minted = LEAF, **more: Any) -> frozenset[str]:
    return frozenset(entry.client for entry in would_send(request, minted.credential(), **more) if entry.sends)


def test_right_authority_satisfies_everybody() -> None:
    assert senders(Request((ROOT.subject,), SCHEMES)) == EVERYBODY


def test_no_list_satisfies_everybody() -> None:
    assert senders(Request((), SCHEMES)) == EVERYBODY


def test_another_authority_makes_those_withhold_that_look_at_names() -> None:
    assert senders(Request((OTHER.subject,), SCHEMES)) == EVERYBODY - BY_NAMES


def test_equal_as_text_makes_those_withhold_that_compare_bytes() -> None:
    assert senders(Request((mint.name("Root", string="printable"),), SCHEMES)) == EVERYBODY - BY_BYTES


def test_upper_and_lower_case_count_for_those_that_compare_written_names() -> None:
    withheld = EVERYBODY - senders(Request((mint.name("ROOT"),), SCHEMES))
    assert withheld == BY_BYTES | {"NSS", "Schannel / .NET SslStream"}


def test_key_that_fits_no_scheme_is_sent_by_nobody() -> None:
    assert senders(Request((), (0x0804,))) == frozenset()


def test_edwards_key_is_used_by_those_that_know_it() -> None:
    leaf = mint.leaf("client", ROOT, key="ed448")
    assert senders(Request((), (0x0808, 0x0403)), leaf) == {
        "OpenSSL", "curl (OpenSSL)", "Node.js", "Java SunX509", "Java NewSunX509 (PKIX)", "GnuTLS (gnutls-cli)", "GnuTLS (library)",
    }


def test_certificate_for_servers_only_is_withheld_by_those_that_look() -> None:
    leaf = mint.leaf("client", ROOT, purposes=("serverAuth",))
    assert EVERYBODY - senders(Request((), SCHEMES), leaf) == {"NSS", "Firefox", "Chrome", ".NET HttpClient"}


def test_expired_certificate_is_not_offered_by_browsers() -> None:
    leaf = mint.leaf("client", ROOT, not_after=time.time() - 86400)
    assert EVERYBODY - senders(Request((), SCHEMES), leaf, now=time.time()) == {"Firefox", "Chrome"}
    assert senders(Request((), SCHEMES), leaf) == EVERYBODY


def test_signature_above_that_the_server_does_not_list_stops_java_pkix() -> None:
    signer = mint.authority("RSA", key="rsa-2048")
    leaf = mint.leaf("client", signer)
    assert EVERYBODY - senders(Request((), (0x0403,)), leaf) == {"Java NewSunX509 (PKIX)"}


def test_separate_list_for_certificates_counts_for_openssl() -> None:
    signer = mint.authority("RSA", key="rsa-2048")
    leaf = mint.leaf("client", signer)
    withheld = EVERYBODY - senders(Request((), (0x0403,), schemes_cert=(0x0403,)), leaf)
    assert withheld == {"OpenSSL", "curl (OpenSSL)", "Node.js", "Java NewSunX509 (PKIX)"}


@pytest.mark.parametrize("chain", [(b"",), (b"\x30\x03\x02\x01\x01",)])
def test_unreadable_certificate_leaves_everybody_undecided(chain: tuple[bytes, ...]) -> None:
    assert {entry.sends for entry in would_send(Request((), SCHEMES), LEAF.credential(chain=chain))} == {None}


def test_every_answer_has_a_reason() -> None:
    for names in ((), (ROOT.subject,), (OTHER.subject,)):
        assert all(entry.why for entry in would_send(Request(names, SCHEMES), LEAF.credential()))
