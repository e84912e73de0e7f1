"""pcap and pcapng containers to packets: streamed, recognised by their first bytes, never by their name.

What is damaged in a container is no error: reading stops there, what came before stands, and ``CaptureFile.notes`` says so.
Only a file that is no capture at all raises InputError.

Items are plain tuples, because a capture has millions of them: ``(at, link, data, length)`` with ``at`` in seconds since the
epoch (None where the container holds no time), ``link`` the LINKTYPE number, ``data`` what was captured and ``length`` what was
on the wire. ``link`` SECRETS marks a Decryption Secrets Block: ``data`` are its key log lines.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from struct import Struct
from typing import NamedTuple, Protocol

from inspector.errors import InputError

Item = tuple[float | None, int, bytes, int]

SECRETS = -1
CHUNK = 1 << 18
# No capture tool writes longer packets (libpcap's MAXIMUM_SNAPLEN); a longer one is damage.
MAX_PACKET = 1 << 18
MAX_BLOCK = 16 << 20
# A compressed file of zeros is an endless row of empty packets: more than these in a row are no capture.
MAX_EMPTY = 10_000

# magic -> (byte order, seconds per unit of the fraction, length of a packet's header)
PCAP_MAGIC: dict[bytes, tuple[str, float, int]] = {
    b"\xd4\xc3\xb2\xa1": ("<", 1e-6, 16),
    b"\xa1\xb2\xc3\xd4": (">", 1e-6, 16),
    b"\x4d\x3c\xb2\xa1": ("<", 1e-9, 16),
    b"\xa1\xb2\x3c\x4d": (">", 1e-9, 16),
    b"\x34\xcd\xb2\xa1": ("<", 1e-6, 24),  # the "modified" pcap of Linux 2.x tools
    b"\xa1\xb2\xcd\x34": (">", 1e-6, 24),
}
PCAPNG_MAGIC = b"\x0a\x0d\x0d\x0a"
GZIP_MAGIC = b"\x1f\x8b"

# first bytes of files that people take for a pcap -> what they are
OTHER_FORMATS: tuple[tuple[bytes, str], ...] = (
    (b"snoop\x00\x00\x00", "a snoop file"),
    (b"RTSS", "a Network Monitor file"),
    (b"GMBU", "a Network Monitor file"),
    (b"TRSNIFF data    \x1a", "a Sniffer file"),
    (b"MDMP", "a Windows memory dump"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"\x04\x22\x4d\x18", "an LZ4 file"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"PK\x03\x04", "a ZIP file"),
    (b"BZh", "a bzip2 file"),
    (GZIP_MAGIC, "a gzip file inside a gzip file"),
    (b"CLIENT_", "a key log file"),
    (b"SERVER_", "a key log file"),
    (b"# SSL", "a key log file"),
    (b"-----BEGIN ", "a PEM file"),
)


class Readable(Protocol):
    """A binary file, of which only this is needed."""

    def read(self, size: int, /) -> bytes | None: ...


class _Stream:
    """Bytes of a file in order, opened where it is gzip. ``peek`` and ``take`` give fewer bytes only at the end of the file."""

    def __init__(self, file: Readable) -> None:
        self._file = file
        self._inflate: zlib._Decompress | None = None
        self._over = False
        self.damage = ""
        self.buffer = b""
        self.pos = 0
        first = self._raw()
        if first.startswith(GZIP_MAGIC):
            self._inflate = zlib.decompressobj(31)
            self._compressed = first
        else:
            self.buffer = first

    def _raw(self) -> bytes:
        # A pipe may give less than a magic number at once.
        data = self._file.read(CHUNK) or b""
        while 0 < len(data) < 4:
            more = self._file.read(CHUNK)
            if not more:
                break
            data += more
        return data

    def _next(self) -> bytes:
        if self._inflate is None:
            return self._raw()
        try:
            return self._inflated()
        except zlib.error as exc:
            self.damage = f"the gzip data is damaged ({exc})"
            return b""

    def _inflated(self) -> bytes:
        assert self._inflate is not None
        while True:
            if self._inflate.eof:  # gzip files may be joined
                rest = self._inflate.unused_data or self._raw()
                if not rest.startswith(GZIP_MAGIC):
                    return b""
                self._inflate, self._compressed = zlib.decompressobj(31), rest
            data = self._inflate.decompress(self._compressed, CHUNK)
            self._compressed = self._inflate.unconsumed_tail
            if data or self._inflate.eof:
                if data:
                    return data
                continue
            if not self._compressed:
                self._compressed = self._raw()
                if not self._compressed:
                    self.damage = "the gzip data ends in the middle"
                    return b""

    def fill(self, size: int) -> bool:
        """Have ``size`` bytes from ``pos`` on in the buffer; False where the file ends before."""
        if len(self.buffer) - self.pos >= size:
            return True
        parts, have = [self.buffer[self.pos:]], len(self.buffer) - self.pos
        while have < size and not self._over:
            data = self._next()
            self._over = not data
            parts.append(data)
            have += len(data)
        self.buffer, self.pos = b"".join(parts), 0
        return have >= size

    def take(self, size: int) -> bytes:
        self.fill(size)
        data = self.buffer[self.pos:self.pos + size]
        self.pos += len(data)
        return data


class Interface(NamedTuple):
    """What an Interface Description Block says: times are ``units * seconds + offset``."""

    link: int
    snaplen: int
    seconds: float
    offset: int
    fcs: int  # bytes of frame check sequence at the end of each packet


class CaptureFile:
    """A capture, read once from its beginning to its end: iterate over it. Raises InputError for what is no capture."""

    def __init__(self, file: Readable, name: str = "the file") -> None:
        self._stream = _Stream(file)
        self.notes: list[str] = []
        self.packets = 0
        self._stream.fill(24)
        head = self._stream.buffer[:24]
        if head[:4] in PCAP_MAGIC:
            self.format = "pcap"
        elif head[:4] == PCAPNG_MAGIC:
            self.format = "pcapng"
        else:
            raise _not_a_capture(name, head, self._stream.damage)

    def __iter__(self) -> Iterator[Item]:
        yield from _pcap(self) if self.format == "pcap" else _pcapng(self)
        if self._stream.damage:
            self.notes.append(f"{self._stream.damage}; what comes after packet {self.packets} is lost")

    def cut(self, why: str) -> None:
        """Note that reading ended early; damage of the compression says it better."""
        if not self._stream.damage:
            self.notes.append(f"the file {why} after packet {self.packets}; the rest was not read")


def _not_a_capture(name: str, head: bytes, damage: str) -> InputError:
    if damage:
        return InputError(f"{name} cannot be read: {damage}", kind="not-a-capture", hint="transfer the file again in binary mode")
    if not head:
        return InputError(f"{name} is empty", kind="not-a-capture", hint="a capture needs at least a file header")
    for magic, what in OTHER_FORMATS:
        if head.startswith(magic):
            return InputError(
                f"{name} is {what}, not a capture that can be read here", kind="not-a-capture",
                hint="pcap, pcapng and either inside gzip are read; `editcap -F pcapng IN OUT` converts other capture formats",
            )
    return InputError(
        f"{name} is no packet capture", kind="not-a-capture",
        hint="pcap, pcapng and either inside gzip are read, as written by tcpdump, tshark, Wireshark and dumpcap",
    )


# --- pcap: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-05.html ---


def _pcap(capture: CaptureFile) -> Iterator[Item]:
    stream = capture._stream  # noqa: SLF001 - one machine in two functions
    head = stream.take(24)
    if len(head) < 24:
        capture.cut("ends in its header")
        return
    order, unit, size = PCAP_MAGIC[head[:4]]
    word = Struct(order + "I").unpack_from(head, 20)[0]
    # The upper bits of the link-type word: F (bit 26) says that the top four bits count 16-bit words of FCS.
    link, fcs = word & 0xFFFF, (word >> 28) * 2 if word & 0x04000000 else 0
    header = Struct(order + "IIII").unpack_from
    empty = 0
    while stream.fill(size):
        buffer, pos = stream.buffer, stream.pos
        end = len(buffer) - size
        while pos <= end:
            seconds, fraction, captured, length = header(buffer, pos)
            start = pos + size
            if captured > MAX_PACKET:
                capture.cut(f"is damaged: the next packet claims {captured} bytes")
                return
            if start + captured > len(buffer):
                break
            pos = start + captured
            capture.packets += 1
            empty = 0 if captured else empty + 1
            if empty > MAX_EMPTY:
                capture.cut("holds only empty packets")
                return
            yield seconds + fraction * unit, link, buffer[start:_without_fcs(pos, start, captured, length, fcs)], length
        stream.pos = pos
        if not stream.fill(size):
            break
        captured = header(stream.buffer, stream.pos)[2]
        if not stream.fill(size + min(captured, MAX_PACKET)):
            break
    if len(stream.buffer) > stream.pos:
        capture.cut("ends in the middle of a packet")


def _without_fcs(end: int, start: int, captured: int, length: int, fcs: int) -> int:
    """Where the packet's data ends once the captured part of the frame check sequence is taken off."""
    return max(start, end - max(0, fcs - (length - captured))) if fcs else end


# --- pcapng: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html ---

SECTION, INTERFACE, OLD_PACKET, SIMPLE_PACKET, ENHANCED_PACKET, SECRETS_BLOCK = 0x0A0D0D0A, 1, 2, 3, 6, 10
TLS_KEY_LOG = 0x544C534B
OPT_TSRESOL, OPT_FCSLEN, OPT_TSOFFSET = 9, 13, 14


class _Section:
    """The byte order and the interfaces of the section that is being read."""

    def __init__(self, capture: CaptureFile, order: str) -> None:
        self.capture = capture
        self.order = order
        self.interfaces: list[Interface] = []
        self.word = Struct(order + "I").unpack_from
        self.half = Struct(order + "HH").unpack_from
        self.packet = Struct(order + "IIIII").unpack_from

    def options(self, body: bytes, pos: int) -> dict[int, bytes]:
        """Options of a block by code, the first of each; what runs over the block's end is left out."""
        found: dict[int, bytes] = {}
        while pos + 4 <= len(body):
            code, size = self.half(body, pos)
            if code == 0 or pos + 4 + size > len(body):
                break
            found.setdefault(code, body[pos + 4:pos + 4 + size])
            pos += 4 + (size + 3 & ~3)
        return found

    def interface(self, body: bytes) -> None:
        """Interface Description Block (Section 4.2)."""
        if len(body) < 8:
            self.interfaces.append(Interface(SECRETS - 1, 0, 1e-6, 0, 0))
            return
        options = self.options(body, 8)
        resolution = (options.get(OPT_TSRESOL) or b"\x06")[0]
        seconds = 2.0 ** -(resolution & 0x7F) if resolution & 0x80 else 10.0 ** -resolution
        offset = options.get(OPT_TSOFFSET, b"")
        self.interfaces.append(Interface(
            self.half(body)[0], self.word(body, 4)[0], seconds,
            Struct(self.order + "q").unpack(offset)[0] if len(offset) == 8 else 0,
            (options.get(OPT_FCSLEN) or b"\x00")[0],
        ))

    def enhanced(self, body: bytes) -> Item | None:
        """Enhanced Packet Block (4.3), and the obsolete Packet Block once its interface is a whole word."""
        if len(body) < 20:
            return None
        number, high, low, captured, length = self.packet(body)
        if number >= len(self.interfaces) or captured > len(body) - 20:
            return None
        link, _, seconds, offset, fcs = self.interfaces[number]
        end = _without_fcs(20 + captured, 20, captured, length, fcs)
        return ((high << 32) | low) * seconds + offset, link, body[20:end], length

    def old(self, body: bytes) -> Item | None:
        """The obsolete Packet Block (appendix A): interface and drop count are half a word each."""
        if len(body) < 20:
            return None
        number = self.half(body)[0]
        return self.enhanced(Struct(self.order + "I").pack(number) + body[4:])

    def simple(self, body: bytes) -> Item | None:
        """Simple Packet Block (4.4): always the first interface, no time, cut at its snap length."""
        if len(body) < 4 or not self.interfaces:
            return None
        link, snaplen, _, _, fcs = self.interfaces[0]
        length = self.word(body)[0]
        captured = min(length, snaplen or length, len(body) - 4)
        return None, link, body[4:_without_fcs(4 + captured, 4, captured, length, fcs)], length

    def secrets(self, body: bytes) -> Item | None:
        """Decryption Secrets Block (4.7): only TLS key logs are of use here."""
        if len(body) < 8 or self.word(body)[0] != TLS_KEY_LOG:
            return None
        return None, SECRETS, body[8:8 + self.word(body, 4)[0]], 0


_PACKETS: dict[int, Callable[[_Section, bytes], Item | None]] = {
    ENHANCED_PACKET: _Section.enhanced,
    SIMPLE_PACKET: _Section.simple,
    OLD_PACKET: _Section.old,
}


def _block_length(section: _Section, stream: _Stream, kind: int) -> int | str:
    """The whole length of the block at hand, or why there is none."""
    length: int = section.word(stream.buffer, stream.pos + 4)[0]
    if length < 12 or length > MAX_BLOCK:
        return f"is damaged: the next block (type {kind:#x}) claims {length} bytes"
    length += -length % 4  # not allowed, and seen
    if not stream.fill(length):
        return "ends in the middle of a block"
    return length


def _pcapng(capture: CaptureFile) -> Iterator[Item]:
    stream = capture._stream  # noqa: SLF001 - one machine in two functions
    section = _Section(capture, "<")
    while stream.fill(12):
        if stream.buffer.startswith(PCAPNG_MAGIC, stream.pos):
            order = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}.get(stream.buffer[stream.pos + 8:stream.pos + 12])
            if order is None:
                capture.cut("is damaged: a section without byte order")
                return
            section = _Section(capture, order)
        kind = section.word(stream.buffer, stream.pos)[0]
        length = _block_length(section, stream, kind)
        if isinstance(length, str):
            capture.cut(length)
            return
        start = stream.pos
        stream.pos += length
        if (make := _PACKETS.get(kind)) is not None:
            capture.packets += 1
            item = make(section, stream.buffer[start + 8:start + length - 4])
            if item is not None:
                yield item
            elif len(capture.notes) < 20:
                capture.notes.append(f"packet {capture.packets} is damaged and was left out")
        elif kind == INTERFACE:
            section.interface(stream.buffer[start + 8:start + length - 4])
        elif kind == SECRETS_BLOCK:
            item = section.secrets(stream.buffer[start + 8:start + length - 4])
            if item is not None:
                yield item
    if len(stream.buffer) > stream.pos:
        capture.cut("ends in the middle of a block")
