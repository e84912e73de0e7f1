"""Captures that could not be opened: what may be said of them, and what may not."""

from __future__ import annotations

import pytest

from inspector.analysis import encrypted, flights
from inspector.analysis.client_auth import ClientAuth, judge
from inspector.report.build import handshake_part
from inspector.report.network import network_part
from inspector.trace.phase import Phase
from inspector.wire import events as wire
from inspector.wire import messages as m
from inspector.wire import registry as r
from inspector.wire.events import Side
from inspector.wire.extensions import Extension, OfferedPsks, PskIdentity
from tests.analysis.scenes import ALICE, CA, Scene, asked_and_sent, completed, never_asked

HELLO = (r.ProtocolVersion(0x0303), bytes(32), b"")
ALERT, FLIGHT, FINISHED = 19, 900, 4 + 32 + 17
PSK = Extension(r.ExtensionType.PRE_SHARED_KEY, b"\0\0", 0)


def captured(scene: Scene) -> Scene:
    scene.transcript.plan = None
    return scene


class Sealed(Scene):
    """A capture of TLS 1.3 without keys."""

    def __init__(self, *, early: bool = False, resumed: bool = False, ages: tuple[int, ...] = ()) -> None:
        super().__init__()
        captured(self)
        null, suite = r.CompressionMethod(0), r.CipherSuite(0x1301)
        version = Extension(r.ExtensionType.SUPPORTED_VERSIONS, b"", r.ProtocolVersion(0x0304))
        offered = (Extension(r.ExtensionType.EARLY_DATA, b"", None),) if early else ()
        if ages:
            keys = OfferedPsks(tuple(PskIdentity(b"key", age) for age in ages), ())
            offered += (Extension(r.ExtensionType.PRE_SHARED_KEY, b"", keys),)
        self.connected().phase(Phase.HELLO).message(Side.CLIENT, 1, m.ClientHello(*HELLO, (suite,), (null,), offered))
        if early:
            self.records(Side.CLIENT, 471)
        self.message(Side.SERVER, 2, m.ServerHello(*HELLO, suite, null, (version, PSK) if resumed else (version,)))
        self.records(Side.SERVER, 60, 2000)

    def records(self, side: Side, *sizes: int) -> Sealed:
        for size in sizes:
            self.add(wire.OpaqueRecord(side, self.at, 23, size))
        return self

    def judged(self) -> ClientAuth:
        return judge(self.transcript)


def test_early_data_is_not_the_client_s_flight() -> None:
    sealed = Sealed(early=True, resumed=True).records(Side.CLIENT, 21, FINISHED).records(Side.SERVER, 200)
    judged = sealed.judged()
    assert (judged.verdict, judged.requested) == ("accepted", None)
    assert "resumed" in judged.rests_on


def test_a_resumed_session_is_judged_as_with_keys_and_refused_by_nothing_that_may_be_a_goodbye() -> None:
    resumed = Sealed(resumed=True).records(Side.CLIENT, FINISHED)
    assert resumed.judged().verdict == "undecided"
    assert resumed.records(Side.SERVER, ALERT).judged().verdict == "undecided"
    assert Sealed().records(Side.CLIENT, FINISHED).records(Side.SERVER, 200).judged().verdict == "not_requested"


def test_early_data_without_an_end_leaves_the_flight_unknown() -> None:
    assert Sealed(early=True).records(Side.CLIENT, FLIGHT).records(Side.SERVER, 200).judged().verdict == "undecided"


def test_a_goodbye_in_answer_to_the_client_s_is_no_rejection() -> None:
    sealed = Sealed().records(Side.CLIENT, FLIGHT, 80, ALERT).records(Side.SERVER, ALERT)
    sealed.ended("client", "fin")
    assert sealed.judged().verdict == "undecided"


@pytest.mark.parametrize(("ages", "verdict"), [
    ((), "accepted"), ((7,), "accepted"), ((0,), "not_requested"), ((0, 7), "not_requested"), ((7, 0), "accepted"),
])
def test_a_key_that_was_given_beforehand_is_no_earlier_session(ages: tuple[int, ...], verdict: str) -> None:
    """The server chooses the first one. A ticket's age is obscured, that of such a key is 0."""
    sealed = Sealed(resumed=True, ages=ages).records(Side.CLIENT, FINISHED).records(Side.SERVER, 200)
    assert sealed.judged().verdict == verdict


def test_an_alert_behind_the_client_s_fin_is_no_rejection() -> None:
    """A client that is ended says no goodbye."""
    sealed = Sealed().records(Side.CLIENT, FLIGHT)
    sealed.ended("client", "fin")
    assert sealed.records(Side.SERVER, ALERT).judged().verdict == "undecided"


def test_an_alert_before_any_goodbye_of_the_client_is_a_rejection() -> None:
    sealed = Sealed().records(Side.CLIENT, FLIGHT).records(Side.SERVER, ALERT).records(Side.CLIENT, ALERT)
    assert (sealed.judged().verdict, sealed.judged().rejected_by) == ("rejected", "tls_alert")


def test_going_on_is_said_to_be_a_sign_of_tls_alone() -> None:
    judged = Sealed().records(Side.CLIENT, FLIGHT, 80).records(Side.SERVER, 500).judged()
    assert judged.verdict == "accepted"
    assert judged.confidence <= 0.6
    assert encrypted.NOT_VISIBLE in judged.rests_on


def test_unread_application_data_after_a_certificate_is_a_sign_of_tls_alone() -> None:
    judged = judge(captured(completed(tls13=False).data(Side.CLIENT).data(Side.SERVER)).transcript)
    assert judged.verdict == "accepted"
    assert judged.confidence <= 0.6
    assert encrypted.NOT_VISIBLE in judged.rests_on


def test_whether_a_handshake_was_resumed_is_not_said_before_it_is_complete() -> None:
    before, after = Sealed(resumed=True), Sealed(resumed=True).records(Side.CLIENT, FINISHED, 80)
    assert encrypted.shape(before.transcript) == encrypted.Shape(completed=False, resumed=None)
    assert encrypted.shape(after.transcript) == encrypted.Shape(completed=True, resumed=True)


def test_a_renegotiation_that_could_not_be_opened_may_have_asked() -> None:
    scene = captured(never_asked(tls13=False))
    assert judge(scene.transcript).requested is False
    for side in (Side.SERVER, Side.CLIENT, Side.SERVER):
        scene.add(wire.OpaqueRecord(side, scene.at, 22, 300, handshake=True))
    judged = judge(scene.data(Side.CLIENT).data(Side.SERVER).transcript)
    assert (judged.requested, judged.sent, judged.verdict) == (None, None, "undecided")


def test_a_resumed_handshake_whose_end_is_missing_may_have_been_asked_before() -> None:
    scene = captured(Scene())
    null, suite = r.CompressionMethod(0), r.CipherSuite(0x1301)
    version = Extension(r.ExtensionType.SUPPORTED_VERSIONS, b"", r.ProtocolVersion(0x0304))
    scene.message(Side.SERVER, 2, m.ServerHello(*HELLO, suite, null, (version, PSK)))
    scene.message(Side.SERVER, 20, m.Finished(bytes(32)), encrypted=True)
    assert judge(scene.transcript).requested is None


@pytest.mark.parametrize("tls13", [True, False])
def test_a_client_that_refused_its_server_is_named(tls13: bool) -> None:
    scene = captured(Scene(tls13=tls13).server_flight()).alert(48, side=Side.CLIENT).ended("server", "fin")
    judged = judge(scene.transcript)
    assert judged.verdict == "undecided"
    assert judged.rests_on == "the client ended it, with alert 48 unknown_ca"


def test_a_client_that_left_a_silent_server_is_named() -> None:
    scene = captured(Scene().connected()).ended("client", "fin")
    error = network_part(scene.transcript).error
    assert error is not None
    assert error.kind == "silent"
    assert error.detail.startswith("the client left")


def test_a_certificate_alert_beside_lost_bytes_is_still_about_the_certificate() -> None:
    scene = captured(Scene().server_flight()).add(wire.Gap(Side.CLIENT, 0.0, 1200)).alert(42)
    judged = judge(scene.transcript)
    assert (judged.verdict, judged.rejected_by, judged.sent) == ("rejected", "tls_alert", None)
    scene = captured(Scene().server_flight()).add(wire.Gap(Side.CLIENT, 0.0, 1200)).alert(80)
    assert judge(scene.transcript).verdict == "undecided"


@pytest.mark.parametrize(("ours", "requested"), [(False, False), (True, None)])
def test_a_lost_late_request_is_ruled_out_only_by_what_the_client_did(ours: bool, requested: bool | None) -> None:
    """A request is answered with a Certificate: where all that the client sent is known, and none is among it, nobody asked."""
    scene = captured(never_asked()).data(Side.CLIENT).add(wire.Gap(Side.SERVER, 0.0, 300))
    if ours:
        scene.add(wire.Gap(Side.CLIENT, 0.0, 1300))
    scene.http(200).ended("client", "fin")
    judged = judge(scene.transcript)
    assert judged.requested is requested
    assert judged.verdict == ("undecided" if ours else "not_requested")


def test_a_certificate_that_was_sent_stands_where_the_request_was_lost() -> None:
    scene = asked_and_sent(tls13=False)
    assert judge(scene.transcript).sent_chain == (ALICE.cert,)
    scene = captured(Scene(tls13=False).hello()).add(wire.Gap(Side.SERVER, 0.0, 900)).our_flight(ALICE.cert)
    judged = judge(scene.server_finished().http(200).transcript)
    assert (judged.requested, judged.sent, judged.verdict) == (None, True, "accepted")
    assert CA.subject not in judged.authorities


def test_a_renegotiation_keeps_the_protocol_that_was_chosen() -> None:
    scene = captured(completed(tls13=False))
    null, suite = r.CompressionMethod(0), r.CipherSuite(0xC02F)
    alpn = Extension(r.ExtensionType.APPLICATION_LAYER_PROTOCOL_NEGOTIATION, b"", (b"http/1.1",))
    for extensions in ((alpn,), ()):
        scene.message(Side.SERVER, 2, m.ServerHello(*HELLO, suite, null, extensions))
    assert handshake_part(scene.transcript, flights.survey(scene.transcript)).alpn == "http/1.1"


def test_a_ticket_is_no_consent_where_the_answer_may_be_lost() -> None:
    scene = captured(completed().ticket().data(Side.CLIENT)).add(wire.Gap(Side.SERVER, 0.0, 400)).ended("client", "fin")
    assert judge(scene.transcript).verdict == "undecided"


def test_what_is_lost_behind_the_answer_does_not_matter() -> None:
    scene = captured(completed().ticket().http(200)).add(wire.Gap(Side.SERVER, 0.0, 400)).ended("server", "fin")
    judged = judge(scene.transcript)
    assert (judged.verdict, judged.sent, judged.confidence) == ("accepted", True, 0.98)


def test_a_connection_without_its_hellos_is_not_called_a_full_handshake() -> None:
    scene = captured(Scene(tls13=False).connected()).add(wire.Gap(Side.CLIENT, 0.0, 0)).add(wire.Gap(Side.SERVER, 0.0, 0))
    scene.data(Side.CLIENT).data(Side.SERVER)
    assert flights.survey(scene.transcript).resumed is None
