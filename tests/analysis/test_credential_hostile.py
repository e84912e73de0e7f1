"""Whatever a certificate holds, judging it ends, and with findings."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.analysis.credential import judge_credential
from inspector.credentials import mint, pem
from inspector.credentials.model import Credential

FOLDER = Path(__file__).parent.parent.parent / "fixtures" / "hostile-certs"
BLOCKS = [block for path in FOLDER.rglob("*.pem") for block in pem.blocks(path.read_bytes()) if "CERTIFICATE" in block.label]
HOSTILE = sorted({block.der for block in BLOCKS if block.der})
ROOT = mint.authority("Hostile Root CA")
LEAF = mint.leaf("alice", ROOT)


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_certificate_is_judged_as_leaf_intermediate_and_anchor(number: int) -> None:
    der = HOSTILE[number]
    for chain in ((der,), (LEAF.cert, der), (der, LEAF.cert, der)):
        findings = judge_credential(Credential("hostile", chain, LEAF.key), 1.8e9, anchors=(der, ROOT.cert), crls=(der,))
        assert all(finding.summary for finding in findings)


@settings(max_examples=200, deadline=None)
@given(at=st.integers(0, len(LEAF.cert) - 1), value=st.integers(0, 255))
def test_one_changed_byte_never_stops_the_judgement(at: int, value: int) -> None:
    der = LEAF.cert[:at] + bytes((value,)) + LEAF.cert[at + 1 :]
    findings = judge_credential(Credential("changed", (der,), LEAF.key), 1.8e9, anchors=(ROOT.cert,))
    assert der == LEAF.cert or findings
