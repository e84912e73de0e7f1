"""Our own connections as a pcapng file, written while they run: packets made from the bytes that passed the socket.

Addresses, ports and times are the real ones; TCP's numbers and all checksums are right, so that Wireshark opens the file without
a complaint. The secrets go into Decryption Secrets Blocks, which Wireshark applies to the packets behind them: the last bytes that
the peer sent are therefore held until the next bytes pass, by when the engine has told the secrets that open them. What opens the
client's flight Wireshark looks up at the ServerHello already, while OpenSSL tells it at the server's Finished: until then all of
the peer's bytes are held, up to our next ones.
"""

from __future__ import annotations

import ipaddress
from struct import Struct, pack
from typing import BinaryIO

from inspector.capture.container import ENHANCED_PACKET, INTERFACE, PCAPNG_MAGIC, SECRETS_BLOCK, TLS_KEY_LOG
from inspector.capture.tcp import ACK, FIN, RST, SYN
from inspector.errors import InputError
from inspector.trace.events import Connected, Ended, Event, SecretLine
from inspector.trace.observer import Observer
from inspector.trace.transcript import Transcript
from inspector.version import __version__
from inspector.wire.events import Side

LINKTYPE_RAW = 101
PSH = 8
# One packet holds what one read of the socket gave, as captures with segmentation offload show it, within an IP packet's length.
SEGMENT = 32_768
WINDOW = 65_535
# A peer's FIN stands this many seconds before our answer to it.
MOMENT = 1e-6
LARGEST_GOODBYE = 64
# So many bytes of a peer are held at most until the secrets of both sides are known.
HOLD_LIMIT = 4 << 20
# These open what the client sends: the first of TLS 1.3, the only one up to TLS 1.2
_CLIENT_SECRETS = (b"CLIENT_HANDSHAKE_TRAFFIC_SECRET ", b"CLIENT_RANDOM ")
LOCALHOST = ipaddress.ip_address("127.0.0.1")
_OPT_TSRESOL, _OPT_USERAPPL = 9, 4
_NANOSECONDS = 9
_BLOCK = Struct("<II").pack
_PACKET = Struct("<IIIII").pack
_TCP = Struct(">HHIIBBHHH").pack


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def block(kind: int, body: bytes) -> bytes:
    """A pcapng block around ``body``."""
    length = 12 + len(body) + -len(body) % 4
    return _BLOCK(kind, length) + _padded(body) + pack("<I", length)


def _option(code: int, value: bytes) -> bytes:
    return pack("<HH", code, len(value)) + _padded(value)


def file_header() -> bytes:
    """The section header and the description of the only interface: raw IP, nanoseconds."""
    application = _option(_OPT_USERAPPL, f"mtls-inspector {__version__}".encode())
    section = pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + application + bytes(4)
    interface = pack("<HHI", LINKTYPE_RAW, 0, 0) + _option(_OPT_TSRESOL, bytes([_NANOSECONDS])) + bytes(4)
    return block(int.from_bytes(PCAPNG_MAGIC, "little"), section) + block(INTERFACE, interface)


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    # Sums of 16-bit words may be taken in any width modulo 0xFFFF.
    total = int.from_bytes(data, "big") % 0xFFFF
    return 0xFFFF - total if total or not any(data) else 0


def is_goodbye(data: bytes) -> bool:
    """True for a single TLS record that may be an alert."""
    return len(data) <= LARGEST_GOODBYE and data[:1] in (b"\x15", b"\x17") and len(data) == 5 + int.from_bytes(data[3:5], "big")


Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class _End:
    """One end of a connection: where it is, and the next sequence number it sends."""

    def __init__(self, address: Address, port: int, seq: int) -> None:
        self.address = address
        self.port = port
        self.seq = seq


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


class Flow:
    """The packets of one connection."""

    def __init__(self, started: float, number: int, connected: Connected | None, ours: Side = Side.CLIENT) -> None:
        self.ours = ours
        here = _address(connected.local_address) if connected is not None else None
        there = _address(connected.address) if connected is not None else None
        if connected is None or here is None or there is None or here.version != there.version:
            # A Unix socket has no addresses: every such connection is one on loopback, from a port of its own.
            client = server = LOCALHOST
            ports = (49152 + number % 16384, 443)
        elif ours is Side.CLIENT:
            client, server = here, there
            ports = (connected.local_port or 49152 + number % 16384, connected.port or 443)
        else:
            client, server = there, here
            ports = (connected.port or 49152 + number % 16384, connected.local_port or 443)
        self._second, self._fraction = divmod(round(started * 1_000_000), 1_000_000)
        isn = number * 2_654_435_761 & 0xFFFFFFFF
        self.ends = {
            Side.CLIENT: _End(client, ports[0], isn),
            Side.SERVER: _End(server, ports[1], isn ^ 0x5A5A5A5A),
        }
        self._identity = 0
        self.ended: Ended | None = None
        self.keyed = False  # the secrets of both sides were told
        self.held: list[tuple[Side, bytes, float]] = []
        self._held_bytes = 0

    def nanoseconds(self, at: float) -> int:
        """Since the epoch; ``at`` in seconds since the start of the run."""
        return self._second * 1_000_000_000 + self._fraction * 1000 + round(at * 1e9)

    def open(self, at: float, seconds: float) -> bytes:
        """SYN, SYN/ACK, ACK."""
        first = max(0.0, at - seconds)
        return (
            self.segment(Side.CLIENT, SYN, b"", first)
            + self.segment(Side.SERVER, SYN | ACK, b"", at)
            + self.segment(Side.CLIENT, ACK, b"", at)
        )

    def data(self, side: Side, data: bytes, at: float) -> bytes:
        """Segments with ``data``."""
        return b"".join(
            self.segment(side, PSH | ACK, data[start:start + SEGMENT], at) for start in range(0, len(data), SEGMENT)
        )

    def hold(self, side: Side, data: bytes, at: float) -> None:
        self.held.append((side, data, at))
        self._held_bytes += len(data)

    def may_hold(self, side: Side) -> bool:
        """True where bytes of this side may wait behind what is held: the peer's, until the secrets of both sides are known."""
        behind_ours = any(sender is self.ours for sender, _, _ in self.held)
        return not self.keyed and side is not self.ours and not behind_ours and self._held_bytes < HOLD_LIMIT

    def release(self) -> bytes:
        """The packets of what was held."""
        held, self.held, self._held_bytes = self.held, [], 0
        return b"".join(self.data(*piece) for piece in held)

    def close(self) -> bytes:
        """The end as it was: by whom, and how. Our goodbye to a peer that had left comes behind its FIN, as it was said."""
        ended = self.ended
        if ended is None or ended.by == "network":
            return self.release()
        # An end after an alert or close_notify is our own closing of the socket.
        peer, at = self.ours.other, ended.at
        by = peer if ended.by == peer.value and ended.how in ("fin", "reset") else self.ours
        if by is peer and ended.how == "fin" and self.held and self.held[0][0] is self.ours:
            fin = self.segment(by, FIN | ACK, b"", self.held[0][2] - MOMENT)
            return fin + self.release() + self.segment(self.ours, FIN | ACK, b"", at) + self.segment(by, ACK, b"", at)
        return self.release() + self._end(by, ended, at)

    def _end(self, by: Side, ended: Ended, at: float) -> bytes:
        if ended.how == "reset":
            return self.segment(by, RST | ACK, b"", at)
        return (
            self.segment(by, FIN | ACK, b"", at) + self.segment(by.other, FIN | ACK, b"", at) + self.segment(by, ACK, b"", at)
        )

    def segment(self, side: Side, flags: int, payload: bytes, at: float) -> bytes:
        """One packet as an Enhanced Packet Block."""
        here, there = self.ends[side], self.ends[side.other]
        ack = there.seq if flags & ACK else 0
        options = b"\x02\x04" + pack(">H", 65_495 if here.address.is_loopback else 1460) if flags & SYN else b""
        size = 20 + len(options) + len(payload)
        head = (here.port, there.port, here.seq, ack, (20 + len(options)) << 2, flags, WINDOW)
        pseudo = here.address.packed + there.address.packed + (
            pack(">BBH", 0, 6, size) if here.address.version == 4 else pack(">IHBB", size, 0, 0, 6)
        )
        total = checksum(pseudo + _TCP(*head, 0, 0) + options + payload)
        packet = self._ip(here.address, there.address, size) + _TCP(*head, total, 0) + options + payload
        here.seq = (here.seq + len(payload) + (1 if flags & (SYN | FIN) else 0)) & 0xFFFFFFFF
        time = self.nanoseconds(at)
        return block(ENHANCED_PACKET, _PACKET(0, time >> 32, time & 0xFFFFFFFF, len(packet), len(packet)) + packet)

    def _ip(self, source: Address, destination: Address, size: int) -> bytes:
        if source.version == 6:
            return pack(">IHBB", 0x60000000, size, 6, 64) + source.packed + destination.packed
        self._identity = (self._identity + 1) & 0xFFFF
        head = pack(">BBHHHBBH", 0x45, 0, 20 + size, self._identity, 0x4000, 64, 6, 0) + source.packed + destination.packed
        return head[:10] + pack(">H", checksum(head)) + head[12:]


class PcapngWriter(Observer):
    """Writes every connection that it watches to ``file``. Raises InputError where the file cannot be written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._flows: dict[int, Flow] = {}
        self._count = 0
        self._secrets: list[bytes] = []
        self._write(file_header())

    def on_event(self, transcript: Transcript, event: Event) -> None:
        if isinstance(event, SecretLine):
            self._secrets.append(event.line.rstrip(b"\r\n") + b"\n")
            if event.line.startswith(_CLIENT_SECRETS) and (flow := self._flows.get(id(transcript))) is not None:
                flow.keyed = True
        elif isinstance(event, Connected):
            self._begin(transcript, event)
        elif isinstance(event, Ended):
            flow = self._flows.get(id(transcript))
            if flow is not None:
                flow.ended = event

    def on_bytes(self, transcript: Transcript, side: Side, data: bytes, at: float) -> None:
        flow = self._flows.get(id(transcript)) or self._begin(transcript, None)
        if not flow.may_hold(side):
            self._release(flow)
        flow.hold(side, data, at)
        if side is flow.ours and not is_goodbye(data):
            self._release(flow)

    def on_closed(self, transcript: Transcript) -> None:
        flow = self._flows.pop(id(transcript), None)
        if flow is None:
            return
        self._tell_secrets()
        self._write(flow.close())

    def _begin(self, transcript: Transcript, connected: Connected | None) -> Flow:
        before = self._flows.get(id(transcript))
        if before is not None:
            return before
        # Without a plan it is a visitor of our own server: then Connected names the client's end first.
        ours = Side.CLIENT if transcript.plan is not None else Side.SERVER
        flow = self._flows[id(transcript)] = Flow(transcript.started, self._count, connected, ours)
        self._count += 1
        at, seconds = (connected.at, connected.seconds) if connected is not None else (0.0, 0.0)
        self._write(flow.open(at, seconds))
        return flow

    def _release(self, flow: Flow) -> None:
        """Write the secrets that came, then the packets that waited for them."""
        self._tell_secrets()
        self._write(flow.release())

    def _tell_secrets(self) -> None:
        if self._secrets:
            lines = b"".join(self._secrets)
            self._secrets.clear()
            self._write(block(SECRETS_BLOCK, pack("<II", TLS_KEY_LOG, len(lines)) + lines))

    def _write(self, data: bytes) -> None:
        if not data:
            return
        try:
            view = memoryview(data)
            while view:
                view = view[self._file.write(view):]
        except OSError as exc:
            raise InputError(
                f"cannot write the capture: {exc.strerror or exc}", kind="file-unwritable", hint="is the disk full?",
            ) from exc
