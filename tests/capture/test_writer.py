"""The capture of our own connections, read back by our own reader (tshark's opinion is in the round trip's tests)."""

from __future__ import annotations

import io
import ssl
from pathlib import Path

import pytest

from inspector.capture.captured import Captured
from inspector.capture.container import SECRETS, CaptureFile
from inspector.capture.writer import PcapngWriter, checksum
from inspector.errors import InputError
from inspector.trace import events as ev
from inspector.trace.phase import Phase
from inspector.trace.transcript import Transcript
from inspector.wire.events import Side
from tests.capture import forge, known, tshark
from tests.session.talks import contexts

SIDES = (Side.CLIENT, Side.SERVER)
STARTED = 1_700_000_000.25
WHOLE = forge.whole()


def write(writer: PcapngWriter, connected: ev.Connected | None, ended: ev.Ended | None = None, *, secrets_after: int = 1) -> None:
    """A connection as the driver tells of it: bytes first, secrets during the step that consumed them."""
    transcript = Transcript(object(), started=STARTED)
    if connected is not None:
        writer.on_event(transcript, connected)
    for number, (way, data) in enumerate(forge.PARTS):
        writer.on_bytes(transcript, SIDES[way], data, 0.01 * (number + 1))
        if number == secrets_after:
            for line in forge.KEYLOG:
                writer.on_event(transcript, ev.SecretLine(0.0, line))
    if ended is not None:
        writer.on_event(transcript, ended)
    writer.on_closed(transcript)


def read(data: bytes) -> list[Captured]:
    return forge.read(data)[1]


@pytest.mark.parametrize(("address", "local"), [
    ("10.0.0.2", "10.0.0.1"), ("2001:db8::2", "2001:db8::1"), ("fe80::2%eth0", "fe80::1%eth0"),
])
def test_addresses_ports_and_times_are_the_real_ones(address: str, local: str) -> None:
    file = io.BytesIO()
    write(PcapngWriter(file), ev.Connected(0.005, address, 8443, local, 54321, 0.002))
    (captured,) = read(file.getvalue())
    assert captured.client == (local.partition("%")[0], 54321)
    assert captured.server == (address.partition("%")[0], 8443)
    assert captured.transcript.started == pytest.approx(STARTED + 0.003, abs=1e-6)
    connected = captured.transcript.first(ev.Connected)
    assert connected is not None
    assert connected.seconds == pytest.approx(0.002, abs=1e-6)
    assert known.facts(captured) == WHOLE


@pytest.mark.parametrize("connected", [None, ev.Connected(0.0, "/run/server.sock", 0, "", 0, 0.0)])
def test_a_unix_socket_becomes_a_connection_on_loopback(connected: ev.Connected | None) -> None:
    file = io.BytesIO()
    write(PcapngWriter(file), connected)
    (captured,) = read(file.getvalue())
    assert (captured.client[0], captured.server) == ("127.0.0.1", ("127.0.0.1", 443))
    assert known.facts(captured) == WHOLE


def test_secrets_stand_before_the_packets_that_need_them() -> None:
    file = io.BytesIO()
    write(PcapngWriter(file), ev.Connected(0.0, "10.0.0.2", 443, "10.0.0.1", 40000, 0.0))
    file.seek(0)
    kinds = ["secrets" if link == SECRETS else "packet" for _, link, _, _ in CaptureFile(file)]
    # SYN, SYN/ACK, ACK, ClientHello; then the secrets of the server's flight, and everything else
    assert kinds[:6] == ["packet"] * 4 + ["secrets", "packet"]


@pytest.mark.parametrize(("ended", "expected"), [
    (ev.Ended(1.0, "server", "fin", Phase.VERDICT), ("server", "fin")),
    (ev.Ended(1.0, "server", "reset", Phase.VERDICT), ("server", "reset")),
    (ev.Ended(1.0, "client", "done", Phase.APPLICATION), ("client", "fin")),
    (ev.Ended(1.0, "server", "alert", Phase.VERDICT), ("client", "fin")),
])
def test_the_end_is_written_as_it_was(ended: ev.Ended, expected: tuple[str, str]) -> None:
    file = io.BytesIO()
    write(PcapngWriter(file), None, ended)
    found = read(file.getvalue())[0].transcript.last(ev.Ended)
    assert found is not None
    assert (found.by, found.how) == expected


def test_a_visitor_of_our_own_server_is_the_client() -> None:
    file = io.BytesIO()
    writer = PcapngWriter(file)
    transcript = Transcript(None, started=STARTED)
    writer.on_event(transcript, ev.Connected(0.0, "192.0.2.9", 40000, "192.0.2.1", 8443, 0.0))
    for number, (way, data) in enumerate(forge.PARTS):
        if number == 1:
            for line in forge.KEYLOG:
                writer.on_event(transcript, ev.SecretLine(0.0, line))
        writer.on_bytes(transcript, SIDES[way], data, 0.01 * (number + 1))
    writer.on_event(transcript, ev.Ended(1.0, "client", "fin", Phase.APPLICATION))
    writer.on_closed(transcript)
    (captured,) = read(file.getvalue())
    assert (captured.client, captured.server) == (("192.0.2.9", 40000), ("192.0.2.1", 8443))
    assert known.facts(captured) == WHOLE
    ended = captured.transcript.last(ev.Ended)
    assert ended is not None
    assert (ended.by, ended.how) == ("client", "fin")


def test_connections_at_the_same_time_share_one_file() -> None:
    file = io.BytesIO()
    writer = PcapngWriter(file)
    transcripts = [Transcript(object(), started=STARTED) for _ in range(3)]
    for number, transcript in enumerate(transcripts):
        writer.on_event(transcript, ev.Connected(0.0, "10.0.0.2", 443, "10.0.0.1", 40000 + number, 0.0))
    for line in forge.KEYLOG:
        writer.on_event(transcripts[0], ev.SecretLine(0.0, line))
    for way, data in forge.PARTS:
        for transcript in transcripts:
            writer.on_bytes(transcript, SIDES[way], data, 0.01)
    for transcript in transcripts:
        writer.on_closed(transcript)
    assert [known.facts(captured) for captured in read(file.getvalue())] == [WHOLE] * 3


def test_a_full_disk_is_an_error_for_a_person() -> None:
    class Full(io.RawIOBase):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match="No space left") as caught:
        PcapngWriter(Full())  # type: ignore[arg-type]
    assert caught.value.kind == "file-unwritable"


@pytest.mark.parametrize(("data", "expected"), [
    (b"", 0xFFFF), (b"\xff\xff", 0), (b"\x00\x01\xf2\x03\xf4\xf5\xf6\xf7", 0x220D), (b"\x01", 0xFEFF),
])
def test_the_checksum_is_that_of_rfc_1071(data: bytes, expected: int) -> None:
    assert checksum(data) == expected


def written_while_it_runs(folder: Path, pieces: int) -> bytes:
    """What is written of a TLS 1.3 client whose server's flight comes in so many reads; secrets come when OpenSSL tells them."""
    client_context, server_context = contexts(folder, ssl.TLSVersion.TLSv1_3, "need", "good")
    client_context.keylog_filename = str(folder / "keys")
    pipes = [(ssl.MemoryBIO(), ssl.MemoryBIO()) for _ in range(2)]
    client = client_context.wrap_bio(*pipes[0], server_hostname="localhost")
    server = server_context.wrap_bio(*pipes[1], server_side=True)
    file, told = io.BytesIO(), 0
    writer, transcript = PcapngWriter(file), Transcript(object(), started=STARTED)
    writer.on_event(transcript, ev.Connected(0.0, "10.0.0.2", 443, "10.0.0.1", 40000, 0.0))

    def step() -> None:
        nonlocal told
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            pass
        lines = (folder / "keys").read_bytes().splitlines()
        for line in lines[told:]:
            writer.on_event(transcript, ev.SecretLine(0.0, line))
        told = len(lines)
        if data := pipes[0][1].read():
            writer.on_bytes(transcript, Side.CLIENT, data, 0.0)
            pipes[1][0].write(data)
            try:
                server.do_handshake()
            except ssl.SSLWantReadError:
                pass

    step()
    for _ in range(2):
        flight = pipes[1][1].read()
        size = -(-len(flight) // pieces)
        for start in range(0, len(flight), size):
            writer.on_bytes(transcript, Side.SERVER, flight[start:start + size], 0.0)
            pipes[0][0].write(flight[start:start + size])
            step()
    writer.on_closed(transcript)
    return file.getvalue()


@pytest.mark.parametrize("pieces", [1, 2, 3, 10])
def test_wireshark_opens_both_flights_however_the_server_s_came(tmp_path: Path, pieces: int) -> None:
    """It looks the client's secret up at the ServerHello, and OpenSSL tells it at the server's Finished."""
    (tmp_path / "made.pcapng").write_bytes(written_while_it_runs(tmp_path, pieces))
    listed = tshark.listed(tmp_path / "made.pcapng")[0].messages
    assert [kind for port, kind in listed if port == 40000] == [1, 11, 15, 20]
    assert [kind for port, kind in listed if port == 443][:6] == [2, 8, 13, 11, 15, 20]


def test_a_peer_that_never_lets_us_speak_is_not_held_without_end() -> None:
    file = io.BytesIO()
    writer, transcript = PcapngWriter(file), Transcript(object(), started=STARTED)
    for _ in range(200):
        writer.on_bytes(transcript, Side.SERVER, bytes(64 * 1024), 0.0)
    assert file.tell() > 6 << 20
