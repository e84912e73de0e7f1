"""A capture that lacks packets says less, and nothing else: what was not captured is not taken for what was not sent."""

from __future__ import annotations

import io
import ssl
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from inspector.analysis.client_auth import ClientAuth
from inspector.capture.captured import Captured
from inspector.report import as_text
from inspector.report.model import DiagnosisPart, HandshakePart
from inspector.report.network import spoke_tls
from inspector.session.read import Options, Reading, decode
from inspector.wire.events import Alert, ApplicationData, OpaqueRecord
from tests.capture import forge
from tests.capture.forge import CLIENT, SERVER, Segment
from tests.session.talks import Parts, contexts, talk

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
CASES = list(product((TLS12, TLS13), (None, "want", "need"), (None, "good", "bad"), (0, 10)))


def names(case: tuple[ssl.TLSVersion, str | None, str | None, int]) -> str:
    return f"{case[0].name}-{case[1]}-{case[2]}-{case[3]}"


def told(captured: Captured) -> tuple[object, ...]:
    auth = decode(captured).auth
    assert isinstance(auth, ClientAuth)
    return auth.requested, auth.sent, auth.verdict, auth.sent_chain


def one(segments: list[Segment], keys: list[bytes]) -> Captured:
    (captured,) = forge.read(forge.pcap(forge.packets(segments)), keys)[1]
    return captured


def holes(segments: list[Segment]) -> Iterator[list[Segment]]:
    """The same connection without one of its packets, without two in a row, and with one that is cut."""
    for place, segment in enumerate(segments):
        if segment.data:
            yield [*segments[:place], *segments[place + 1:]]
            yield [*segments[:place], *segments[place + 2:]]
            yield [*segments[:place], segment._replace(cut=len(segment.data) // 2), *segments[place + 1:]]


@pytest.mark.parametrize("case", CASES, ids=map(names, CASES))
@pytest.mark.parametrize("with_keys", [True, False], ids=["keys", "no-keys"])
@pytest.mark.parametrize("closer", [CLIENT, SERVER], ids=["client-closes", "server-closes"])
def test_lost_packets_make_no_statement(
    tmp_path: Path, case: tuple[ssl.TLSVersion, str | None, str | None, int], with_keys: bool, closer: int,
) -> None:
    version, asks, sends, size = case
    parts, keys = conversation(tmp_path, version, asks, sends, size, with_keys=with_keys)
    segments = forge.conversation(parts, size=500, close=(closer, 1 - closer))
    whole = told(one(segments, keys))
    for damaged in holes(segments):
        captured = one(damaged, keys)
        requested, sent, verdict, chain = told(captured)
        assert requested in (whole[0], None)
        assert sent in (whole[1], None)
        assert verdict in (whole[2], "undecided")
        assert chain in (whole[3], ())


def conversation(
    folder: Path, version: ssl.TLSVersion, asks: str | None, sends: str | None, size: int, *, with_keys: bool = True,
) -> tuple[Parts, list[bytes]]:
    client, server = contexts(folder, version, asks, sends)
    client.keylog_filename = str(folder / "keys")
    parts = talk(client, server, size)
    return parts, (folder / "keys").read_bytes().splitlines() if with_keys else []


@pytest.mark.parametrize("with_keys", [True, False], ids=["keys", "no-keys"])
@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("way", [CLIENT, SERVER])
def test_whether_a_handshake_was_completed_is_not_told_from_one_direction(
    tmp_path: Path, version: ssl.TLSVersion, way: int, with_keys: bool,
) -> None:
    parts, keys = conversation(tmp_path, version, "need", "good", 10, with_keys=with_keys)
    data = forge.pcap(forge.packets([segment for segment in forge.conversation(parts) if segment.way == way]))
    reading = Reading(io.BytesIO(data), "made", Options(keylog=keys))
    (report,) = [reading.report(connection) for _, connection in reading.connections() if connection is not None]
    assert isinstance(report.handshake, HandshakePart)
    assert report.handshake.completed is None
    assert "not in the capture" in as_text.render(report)


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_no_cause_is_ranked_where_the_client_s_certificate_may_be_lost(tmp_path: Path, version: ssl.TLSVersion) -> None:
    parts, keys = conversation(tmp_path, version, "need", "bad", 10)
    data = forge.pcap(forge.packets([segment for segment in forge.conversation(parts) if segment.way == SERVER]))
    reading = Reading(io.BytesIO(data), "made", Options(keylog=keys, diagnose=True))
    (report,) = [reading.report(connection) for _, connection in reading.connections() if connection is not None]
    assert isinstance(report.diagnosis, DiagnosisPart)
    assert report.diagnosis.causes == ()
    assert "not in the capture" in report.diagnosis.headline
    assert as_text.render(report)


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("way", [CLIENT, SERVER])
def test_one_direction_alone_says_nothing_of_the_other(tmp_path: Path, version: ssl.TLSVersion, way: int) -> None:
    parts, keys = conversation(tmp_path, version, "need", "good", 10)
    captured = one([segment for segment in forge.conversation(parts) if segment.way == way], keys)
    requested, sent, verdict, _ = told(captured)
    assert requested in (True, None)
    assert sent in (True, None)
    assert verdict in ("accepted", "undecided")
    assert f"nothing that the {('server', 'client')[way]} sent is in the capture" in captured.notes


def test_the_last_bytes_before_a_fin_are_missed(tmp_path: Path) -> None:
    parts, keys = conversation(tmp_path, TLS13, "need", "good", 10)
    segments = forge.conversation(parts, close=(SERVER, CLIENT))
    last = max(place for place, segment in enumerate(segments) if segment.way == SERVER and segment.data)
    captured = one([*segments[:last], *segments[last + 1:]], keys)
    lost = len(segments[last].data)
    assert f"{lost} bytes that the server sent are not in the capture (lost or cut packets)" in captured.notes


def test_an_acknowledged_fin_that_was_not_captured_is_no_lost_byte(tmp_path: Path) -> None:
    parts, keys = conversation(tmp_path, TLS13, "need", "good", 10)
    segments = forge.conversation(parts, close=(CLIENT, SERVER))
    without = [segment for segment in segments if not (segment.flags & forge.FIN and segment.way == CLIENT)]
    assert not any("not in the capture" in note for note in one(without, keys).notes)


@pytest.mark.parametrize("fin", [True, False])
def test_a_reset_behind_a_fin_is_no_lost_byte(tmp_path: Path, fin: bool) -> None:
    parts, keys = conversation(tmp_path, TLS13, "need", "good", 10)
    segments = forge.conversation(parts, close=(CLIENT, SERVER))
    (left,) = (segment for segment in segments if segment.flags & forge.FIN and segment.way == CLIENT)
    reset = left._replace(seq=left.seq + 1, flags=forge.RST, at=segments[-1].at)
    without = segments if fin else [segment for segment in segments if segment is not left]
    assert not any("not in the capture" in note for note in one([*without, reset], keys).notes)


def test_a_reset_far_behind_the_last_byte_shows_that_bytes_are_missing(tmp_path: Path) -> None:
    parts, keys = conversation(tmp_path, TLS13, "need", "good", 10)
    segments = forge.conversation(parts, close=())
    last = max(place for place, segment in enumerate(segments) if segment.way == SERVER and segment.data)
    after = segments[last]._replace(seq=segments[last].seq + len(segments[last].data), data=b"", flags=forge.RST)
    captured = one([*segments[:last], *(segment for segment in segments[last + 1:] if segment.way == CLIENT), after], keys)
    assert any("that the server sent are not in the capture" in note for note in captured.notes)


def test_a_server_whose_bytes_were_cut_off_is_not_said_to_be_silent(tmp_path: Path) -> None:
    parts, _ = conversation(tmp_path, TLS13, "need", "good", 10)
    cut = [segment._replace(cut=len(segment.data)) if segment.way == SERVER else segment for segment in forge.conversation(parts)]
    captured = one(cut, [])
    assert spoke_tls(captured.transcript)
    assert told(captured)[:3] == (None, None, "undecided")


def test_a_capture_that_ends_before_the_answer_does_not_say_that_nothing_was_sent(tmp_path: Path) -> None:
    parts, keys = conversation(tmp_path, TLS13, "need", "good", 10)
    captured = one(forge.conversation(parts[:2], close=()), keys)
    assert told(captured)[:2] == (True, None)


def test_a_full_handshake_with_a_hole_is_not_called_resumed(tmp_path: Path) -> None:
    from inspector.analysis import flights

    parts, _ = conversation(tmp_path, TLS12, "need", "good", 10)
    for damaged in holes(forge.conversation(parts, size=200)):
        assert not flights.survey(one(damaged, []).transcript).resumed


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_behind_plaintext_one_direction_says_nothing_of_the_other_either(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """STARTTLS: what the server said before TLS, and in it, is missing in two places."""
    parts, keys = conversation(tmp_path, version, "need", "good", 10)
    before = [(SERVER, b"220 mail\r\n"), (CLIENT, b"EHLO a\r\n"), (SERVER, b"250 STARTTLS\r\n"), (CLIENT, b"STARTTLS\r\n"),
              (SERVER, b"220 go\r\n")]
    captured = one([segment for segment in forge.conversation([*before, *parts]) if segment.way == CLIENT], keys)
    assert spoke_tls(captured.transcript)
    assert told(captured)[2] == "undecided"


@pytest.mark.parametrize("with_keys", [True, False], ids=["keys", "no-keys"])
def test_what_is_protected_is_not_read_where_only_the_client_was_captured(tmp_path: Path, with_keys: bool) -> None:
    """The version was not seen, and the client's goodbye is an alert record that nobody can read."""
    parts, keys = conversation(tmp_path, TLS12, "need", "good", 10, with_keys=with_keys)
    captured = one([segment for segment in forge.conversation(parts) if segment.way == CLIENT], keys)
    assert captured.transcript.all(Alert) == []
    assert [event.alert for event in captured.transcript.all(OpaqueRecord)][-1]
    assert captured.transcript.all(ApplicationData)


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_whose_goodbye_came_first_does_not_hang_on_when_a_fin_was_captured(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """The client's FIN is captured before its last words, which it stands behind all the same."""
    parts, keys = conversation(tmp_path, version, "need", "good", 0)
    segments = forge.conversation([part for part in parts if part[1]], close=(CLIENT, SERVER))
    goodbye = max(place for place, segment in enumerate(segments) if segment.way == CLIENT and segment.data)
    answer = max(place for place, segment in enumerate(segments) if segment.way == SERVER and segment.data)
    assert goodbye < answer
    fin = next(segment for segment in segments if segment.flags & forge.FIN and segment.way == CLIENT)
    early = fin._replace(at=segments[goodbye].at - 0.0001, ack=segments[goodbye].ack)
    others = [segment for segment in segments if segment is not fin]
    captured = one([*others[:goodbye], early, *others[goodbye:]], keys)
    assert told(captured)[2] == told(one(segments, keys))[2]


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_a_server_s_goodbye_in_answer_to_a_fin_is_no_refusal(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """A client that is ended says no goodbye: its FIN comes first."""
    parts, keys = conversation(tmp_path, version, "need", "good", 0)
    last = max(place for place, (way, data) in enumerate(parts) if way == CLIENT and data)
    words = [*parts[:last], (CLIENT, b""), *parts[last + 1:]]
    segments = forge.conversation([part for part in words if part[1]], close=(CLIENT, SERVER))
    farewell = max(place for place, segment in enumerate(segments) if segment.way == SERVER and segment.data)
    fin = next(segment for segment in segments if segment.flags & forge.FIN and segment.way == CLIENT)
    others = [segment for segment in segments if segment is not fin]
    captured = one([*others[:farewell], fin._replace(at=others[farewell].at - 0.0005), *others[farewell:]], keys)
    assert told(captured)[2] == told(one(forge.conversation(parts), keys))[2] == "accepted"


@pytest.mark.parametrize(("size", "verdict"), [(0, "accepted"), (10, "accepted")])
def test_an_alert_about_the_client_s_fin_is_no_refusal(tmp_path: Path, size: int, verdict: str) -> None:
    """A client that is ended says no goodbye, and OpenSSL answers its FIN with decode_error (50)."""
    client, server = contexts(tmp_path, TLS13, "need", "good")
    client.keylog_filename = str(tmp_path / "keys")
    parts = talk(client, server, size, ends_without_goodbye=True)
    segments = forge.conversation(parts, close=(CLIENT, SERVER))
    place = max(place for place, segment in enumerate(segments) if segment.way == SERVER and segment.data)
    fin = next(segment for segment in segments if segment.flags & forge.FIN and segment.way == CLIENT)
    others = [segment for segment in segments if segment is not fin]
    captured = one([*others[:place], fin._replace(at=others[place].at - 0.0005), *others[place:]],
                   (tmp_path / "keys").read_bytes().splitlines())
    assert [alert.description for alert in captured.transcript.all(Alert)] == [50]
    assert told(captured)[2] == verdict
