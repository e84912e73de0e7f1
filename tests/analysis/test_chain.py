"""The chain as sent, beside the path that holds."""

from __future__ import annotations

import pytest

from inspector.analysis.chain import findings_of, path_among, shape_of, signed_by
from inspector.credentials import mint
from inspector.der.certificate import parse

ROOT = mint.authority("Root")
FIRST = mint.authority("First", ROOT)
SECOND = mint.authority("Second", FIRST)
LEAF = mint.server_leaf(["localhost"], SECOND)
OTHER = mint.authority("Other")
ORDER = (LEAF.cert, SECOND.cert, FIRST.cert)
PATH = (*ORDER, ROOT.cert)


def ids(chain: tuple[bytes, ...], path: tuple[bytes, ...] = PATH, trusted: bool | None = True) -> list[str]:
    return [finding.id for finding in findings_of(shape_of(chain, path), trusted)]


@pytest.mark.parametrize(("chain", "expected"), [
    (ORDER, []),
    ((LEAF.cert, FIRST.cert, SECOND.cert), ["chain-order"]),
    (PATH, ["root-sent"]),
    ((*ORDER, OTHER.cert), ["extra-certificates", "root-sent"]),
    ((*ORDER, FIRST.cert), ["duplicate-certificate"]),
    ((LEAF.cert, SECOND.cert), ["missing-intermediate"]),
    ((LEAF.cert,), ["missing-intermediate"]),
])
def test_what_is_odd_about_the_chain_is_found(chain: tuple[bytes, ...], expected: list[str]) -> None:
    assert ids(chain) == expected


def test_gap_without_a_verified_path_names_the_issuer_that_is_missing() -> None:
    (finding,) = findings_of(shape_of((LEAF.cert,)), trusted=False)
    assert (finding.id, finding.severity) == ("missing-intermediate", "medium")
    assert "CN=Second" in finding.evidence[0].text


def test_cross_signed_authority_is_seen() -> None:
    twin = mint.authority("First", OTHER, key=FIRST.key)
    assert "cross-signed" in ids((LEAF.cert, SECOND.cert, FIRST.cert, twin.cert))


def test_order_of_the_path_is_told() -> None:
    shape = shape_of((LEAF.cert, FIRST.cert, SECOND.cert), PATH)
    assert (shape.path, shape.in_order) == ((0, 2, 1), False)


def test_loop_of_cross_signs_ends() -> None:
    one = mint.authority("One")
    two = mint.authority("Two", one)
    back = mint.authority("One", two, key=one.key)
    forth = mint.authority("Two", back, key=two.key)
    leaf = mint.leaf("leaf", two)
    assert len(path_among([parse(der) for der in (leaf.cert, forth.cert, back.cert) * 40])) <= 100


def test_hundreds_of_certificates_are_described_in_bounded_time() -> None:
    assert shape_of((LEAF.cert, *(OTHER.cert for _ in range(5000))), ()).path == (0,)


def test_empty_and_unreadable_chains_are_described() -> None:
    assert findings_of(shape_of(())) == ()
    assert shape_of((b"no", b"")).path == (0,)


def test_signature_tells_a_lookalike_from_the_issuer() -> None:
    lookalike = mint.authority("Second", OTHER)
    leaf = parse(LEAF.cert)
    assert (signed_by(leaf, parse(SECOND.cert)), signed_by(leaf, parse(lookalike.cert))) == (True, False)
