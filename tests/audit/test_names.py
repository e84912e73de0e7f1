"""Names: SNI and Host are varied independently, and the good credential's page tells whose page it is."""

from __future__ import annotations

import pytest

from inspector.engine.connection import ClientConnection
from inspector.session.audit.policy import breaches, read_policy
from inspector.session.settings import Settings
from inspector.target import Target
from tests.audit.bench import Asked, Serve, audited, checks, connections, good
from tests.engine.pairs import plan

PAGE = b"<h1>Orders</h1> 4711 widgets"
OURS = ("localhost", "localhost:8443")


def gate(closed: object, elsewhere: bytes = PAGE) -> Serve:
    """A server whose gate is closed for some requests; ``elsewhere`` is the page of all that is not the target."""

    def serve(asked: Asked) -> tuple[int, bytes]:
        if asked.who == "good":
            return 200, PAGE
        return (403, b"no") if closed(asked) else (200, elsewhere if asked.host != OURS[1] else PAGE)  # type: ignore[operator]

    return serve


def by_host(asked: Asked) -> bool:
    return asked.host == OURS[1]


def by_both(asked: Asked) -> bool:
    return OURS[0] == asked.sni or asked.host == OURS[1]


@pytest.mark.parametrize(
    "host", ["unknown-name.invalid:8443", "other.test:8443", "localhost.:8443", "LOCALHOST:8443", ""]
)
def test_a_host_that_reaches_the_resource_past_the_gate_is_found(host: str) -> None:
    found = checks(audited(gate(lambda asked: asked.host != host), good(), other_names=("other.test",)))["ENF-HOST"]
    assert (found.status, found.confidence) == ("finding", "confirmed")


@pytest.mark.parametrize(
    ("sni", "host"), [("unknown-name.invalid", "unknown-name.invalid:8443"), (None, "127.0.0.1:8443")]
)
def test_a_default_server_before_the_same_application_is_found(sni: str | None, host: str) -> None:
    result = checks(audited(gate(lambda asked: (asked.sni, asked.host) != (sni, host)), good()))
    assert (result["ENF-SNI"].status, result["ENF-SNI"].confidence) == ("finding", "confirmed")
    assert result["ENF-HOST"].status == "pass"


def test_a_default_server_with_a_page_of_its_own_opens_nothing() -> None:
    result = audited(gate(by_host, b"<h1>It works</h1>"), good(), other_names=("other.test",))
    assert {checks(result)[name].status for name in ("ENF-HOST", "ENF-SNI")} == {"pass"}
    assert result.part.enforcement == "ENFORCED"


def test_a_server_that_says_404_to_all_but_the_credential_opens_nothing() -> None:
    result = audited(lambda asked: (200, PAGE) if asked.who == "good" else (404, b"nothing"), good())
    assert {checks(result)[name].status for name in ("ENF-HOST", "ENF-SNI")} == {"pass"}


def test_without_a_good_credential_it_is_likely_where_the_host_tells_this_path_from_others() -> None:
    def serve(asked: Asked) -> tuple[int, bytes]:
        if by_both(asked):
            return 403, b"no"
        return (200, PAGE) if asked.path == "/orders" else (404, b"nothing")

    assert checks(audited(serve))["ENF-SNI"].confidence == "likely"
    assert checks(audited(gate(by_both)))["ENF-SNI"].status == "pass"  # the same page for any path


def test_a_policy_that_forbids_other_names_is_broken_by_them() -> None:
    policy = read_policy("p", b'must_reject = ["unknown-sni", "other-name"]')
    broken = breaches(policy, audited(gate(by_host), good()).part, good_accepted=True, days_left=90)
    assert len(broken) == 2
    assert not breaches(policy, audited(gate(lambda asked: True), good()).part, good_accepted=True, days_left=90)


def test_all_names_fit_the_cap_on_a_server_that_refuses_by_http() -> None:
    result = audited(gate(lambda asked: True), good(), other_names=("a.test", "b.test"), plain_ports=(80, 8080))
    assert connections(result) <= 80
    assert not [note for note in result.part.notes if "ended early" in note]


def test_a_name_with_a_trailing_dot_is_sent_as_the_probe_has_it_and_never_by_what_people_type() -> None:
    sent = ClientConnection(plan(server_name="localhost."))
    sent.start(0.0)
    assert b"\x00\x0alocalhost." in sent.data_to_send()
    assert Settings(Target("localhost.", 443)).effective_server_name == "localhost"


@pytest.mark.parametrize(
    "spelling", ["/x/..;/orders", "/%256frders", "/orders/x.css", "/ORDERS", "/%6frders", "/x/../orders", "/orders;x"]
)
def test_a_spelling_that_gets_past_the_gate_is_found(spelling: str) -> None:
    def serve(asked: Asked) -> tuple[int, bytes]:
        if asked.path not in ("/orders", spelling):
            return 404, b"nothing here"
        return (200, PAGE) if asked.who == "good" or asked.path == spelling else (403, b"no")

    found = checks(audited(serve, good()))["ENF-PATH"]
    assert (found.status, found.confidence) == ("finding", "confirmed")
    assert spelling in found.repeat


def test_a_page_of_the_tls_layer_that_all_paths_get_is_asked_for_less_often() -> None:
    def refusing(page: bytes, status: int) -> int:
        return connections(audited(lambda asked: (200, PAGE) if asked.who == "good" else (status, page), good()))

    assert refusing(b"No required SSL certificate was sent", 400) + 10 < refusing(b"no", 403)


def test_a_default_server_that_trusts_another_ca_is_found_with_a_client_of_that_ca() -> None:
    def serve(asked: Asked) -> tuple[int, bytes] | None:
        trusted = "good" if asked.sni == OURS[0] else "given"
        return (200, PAGE) if asked.who == trusted else None

    assert checks(audited(serve, good(), second_client=(good(),)))["ENF-SNI"].confidence == "confirmed"
    assert checks(audited(serve, good()))["ENF-SNI"].status == "pass"


@pytest.mark.parametrize(("limits", "status"), [(True, "undecided"), (False, "pass")])
def test_an_overloaded_server_refuses_nothing_and_one_that_says_so_to_strange_names_does(limits: bool, status: str) -> None:
    strange = []

    def serve(asked: Asked) -> tuple[int, bytes]:
        if asked.who == "good":
            return 200, PAGE
        strange.extend([asked] if asked.sni != OURS[0] else [])
        busy = asked.sni != OURS[0] or asked.host != OURS[1] or (limits and strange)
        return (503, b"busy") if busy else (403, b"no")

    result = checks(audited(serve, good()))
    assert (result["ENF-SNI"].status, result["ENF-NONE"].status) == (status, "pass")
