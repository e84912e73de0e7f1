"""How a chain meets the names that a server lists, and whose key it was that signed."""

from __future__ import annotations

import pytest

from inspector.analysis.authority import signed_by, standing
from inspector.credentials import mint
from inspector.der.certificate import parse

ROOT = mint.authority("Root A")
INTERMEDIATE = mint.authority("Intermediate A1", ROOT)
SISTER = mint.authority("Intermediate A2", ROOT)
CLIENT = mint.leaf("alice", INTERMEDIATE)
SERVER = mint.leaf("server", SISTER)
OTHER_ROOT = mint.authority("Root B")
STRANGER = mint.leaf("bob", mint.authority("Intermediate B1", OTHER_ROOT))
TWIN_ROOT = mint.authority("Root A")
TWIN = mint.leaf("alice", mint.authority("Intermediate A1", TWIN_ROOT))

SENT = (CLIENT.cert, INTERMEDIATE.cert)
KNOWN = (ROOT.cert, INTERMEDIATE.cert)


def test_chain_that_ends_below_a_listed_root_is_linked_and_its_key_genuine() -> None:
    found = standing(SENT, (ROOT.subject,), (ROOT.cert,))
    assert (found.relation, found.key_check, found.issuers, found.missing) == ("linked", "genuine", 1, ())


def test_without_the_cas_certificate_the_key_cannot_be_told() -> None:
    assert standing(SENT, (ROOT.subject,), ()).key_check == "unknown"


def test_same_names_with_another_key_are_a_lookalike() -> None:
    found = standing((TWIN.cert, *TWIN.chain[:1]), (ROOT.subject,), (ROOT.cert,))
    assert (found.relation, found.key_check) == ("linked", "lookalike")


def test_root_that_was_sent_along_is_compared_by_key() -> None:
    assert standing((TWIN.cert, *TWIN.chain), (ROOT.subject,), (ROOT.cert,)).key_check == "lookalike"
    assert standing((*SENT, ROOT.cert), (ROOT.subject,), (ROOT.cert,)).key_check == "genuine"


def test_known_intermediate_that_was_not_sent_is_the_gap() -> None:
    found = standing((CLIENT.cert,), (ROOT.subject,), KNOWN)
    assert (found.relation, found.missing) == ("gap", (INTERMEDIATE.cert,))
    assert "Intermediate A1" in found.detail


def test_leaf_whose_issuer_is_the_listed_root_has_no_gap() -> None:
    leaf = mint.leaf("carol", ROOT)
    assert standing((leaf.cert,), (ROOT.subject,), KNOWN).relation == "linked"


def test_server_that_lists_the_intermediate_alone_is_seen() -> None:
    assert standing(SENT, (INTERMEDIATE.subject,), KNOWN).relation == "partial"
    assert standing((CLIENT.cert,), (INTERMEDIATE.subject,), KNOWN).relation == "partial"


def test_intermediate_that_the_server_lists_and_was_not_sent_is_named_for_a_try_with_it() -> None:
    assert standing((CLIENT.cert,), (INTERMEDIATE.subject,), KNOWN).missing == (INTERMEDIATE.cert,)


def test_intermediate_that_is_listed_together_with_its_root_is_no_partial_trust() -> None:
    found = standing((CLIENT.cert,), (INTERMEDIATE.subject, ROOT.subject), KNOWN)
    assert (found.relation, found.missing) == ("linked", (INTERMEDIATE.cert,))
    assert "nothing above it" not in found.detail


def test_server_that_lists_a_sister_of_our_intermediate_is_seen() -> None:
    assert standing(SENT, (SISTER.subject,), (ROOT.cert, SISTER.cert)).relation == "cousin"


def test_intermediate_that_the_server_lists_is_known_for_one_by_its_name_where_nothing_else_tells() -> None:
    leaf = mint.leaf("erin", mint.authority("Acme Issuing CA 3"))
    listed = (mint.name("Acme Issuing CA 3"),)
    assert standing((leaf.cert,), listed, ()).relation == "partial"
    assert standing((leaf.cert,), (*listed, ROOT.subject), KNOWN).relation == "linked"  # a list with a root in it is whole


def test_root_that_the_server_lists_is_known_by_its_certificate_or_by_its_name() -> None:
    assert standing(SENT, (ROOT.subject,), (ROOT.cert,)).root_listed
    assert standing(SENT, (ROOT.subject,), ()).root_listed
    unnamed = mint.leaf("erin", mint.authority("Acme Trust"))
    assert not standing((unnamed.cert,), (mint.name("Acme Trust"),), ()).root_listed
    assert not standing(SENT, (INTERMEDIATE.subject,), KNOWN).root_listed


LOWER = mint.authority("Lower A11", INTERMEDIATE)
DEEP = mint.leaf("deep", LOWER)


def test_certificates_above_a_gap_lead_to_a_listed_ca_without_being_connected() -> None:
    found = standing((DEEP.cert, INTERMEDIATE.cert), (ROOT.subject,), (ROOT.cert,))
    assert (found.relation, found.missing, found.sorted_chain) == ("torn", (), (DEEP.cert,))
    assert "Lower A11" in found.detail
    stranger = standing((STRANGER.cert, OTHER_ROOT.cert), (ROOT.subject,), (ROOT.cert,))
    assert stranger.relation == "stranger"


def test_what_continues_the_chain_is_found_although_the_server_lists_other_cas() -> None:
    found = standing((CLIENT.cert,), (OTHER_ROOT.subject,), KNOWN)
    assert (found.relation, found.missing) == ("stranger", (INTERMEDIATE.cert,))


def test_chain_that_leads_nowhere_listed_is_a_stranger() -> None:
    found = standing((STRANGER.cert, *STRANGER.chain[:1]), (ROOT.subject,), KNOWN)
    assert (found.relation, found.key_check) == ("stranger", "unknown")
    assert "Root B" in found.detail


def test_without_a_list_the_servers_own_root_stands_in_for_it() -> None:
    assert standing(SENT, (), (ROOT.cert,)).relation == "linked"
    assert standing((STRANGER.cert, *STRANGER.chain[:1]), (), (ROOT.cert,)).relation == "unknown"


def test_order_of_what_was_sent_does_not_matter_for_the_path_and_is_put_right() -> None:
    found = standing((CLIENT.cert, ROOT.cert, INTERMEDIATE.cert), (ROOT.subject,), (ROOT.cert,))
    assert (found.relation, found.issuers, found.sorted_chain) == ("linked", 1, SENT)


def test_self_signed_leaf_meets_nobody() -> None:
    own = mint.leaf("dora")
    assert standing((own.cert,), (ROOT.subject,), KNOWN).relation == "stranger"


def test_nothing_sent_means_nothing_known() -> None:
    assert standing((), (ROOT.subject,), KNOWN).relation == "unknown"


@pytest.mark.parametrize(("issuer", "hint"), [("Acme Root CA", "root"), ("Acme Issuing CA 3", "intermediate"), ("Acme", "")])
def test_name_of_an_issuer_hints_at_what_it_is(issuer: str, hint: str) -> None:
    leaf = mint.leaf("erin", mint.authority(issuer, organization="Acme"))
    assert standing((leaf.cert,), (ROOT.subject,), ()).end_looks_like == hint


def test_issuer_of_the_same_organisation_as_a_listed_ca_looks_like_its_intermediate() -> None:
    leaf = mint.leaf("erin", mint.authority("Clients", organization="Acme"))
    listed = mint.authority("Trust", organization="Acme")
    assert standing((leaf.cert,), (listed.subject,), ()).end_looks_like == "intermediate"


def test_names_that_are_equal_as_text_only_are_reported() -> None:
    utf8, printable = mint.name("CA", "Acme"), mint.name("CA", "Acme", string="printable")
    authority = mint.authority("CA", subject=utf8)
    leaf = mint.leaf("frank", authority, issuer_name=printable)
    assert "same text in other bytes" in standing((leaf.cert, authority.cert), (), ()).names_differ
    assert "the server lists" in standing((leaf.cert,), (utf8,), ()).names_differ
    assert standing((leaf.cert,), (printable,), ()).names_differ == ""


def test_signature_tells_whose_key_it_was() -> None:
    client, issuer, twin = parse(CLIENT.cert), parse(INTERMEDIATE.cert), parse(TWIN.chain[0])
    assert (signed_by(client, issuer), signed_by(client, twin)) == (True, False)


def test_certificate_that_cannot_be_read_whole_is_no_reason_to_stop() -> None:
    broken = CLIENT.cert[:200]
    assert standing((broken, INTERMEDIATE.cert), (ROOT.subject,), KNOWN).key_check in {"genuine", "unknown", "lookalike"}
