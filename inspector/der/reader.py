"""A small reader of DER (ITU-T X.690). It never looks beyond the bytes it was given and never recurses.

What breaks the structure (a length that runs past its container, an indefinite length, a missing element) raises DerError. What
breaks only DER's rules (a length with leading zeros) is written to ``faults`` and read on, because an inspector has to show such a
certificate too.
"""

from __future__ import annotations

from typing import NamedTuple

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
ENUMERATED, UTF8_STRING = 0x0A, 0x0C
NUMERIC_STRING, PRINTABLE_STRING, TELETEX_STRING, IA5_STRING = 0x12, 0x13, 0x14, 0x16
UTC_TIME, GENERALIZED_TIME, VISIBLE_STRING, UNIVERSAL_STRING, BMP_STRING = 0x17, 0x18, 0x1A, 0x1C, 0x1E
SEQUENCE, SET = 0x30, 0x31

TAG_NAMES = {
    BOOLEAN: "BOOLEAN", INTEGER: "INTEGER", BIT_STRING: "BIT STRING", OCTET_STRING: "OCTET STRING", NULL: "NULL",
    OID: "OBJECT IDENTIFIER", ENUMERATED: "ENUMERATED", UTF8_STRING: "UTF8String", NUMERIC_STRING: "NumericString",
    PRINTABLE_STRING: "PrintableString", TELETEX_STRING: "TeletexString", IA5_STRING: "IA5String", UTC_TIME: "UTCTime",
    GENERALIZED_TIME: "GeneralizedTime", VISIBLE_STRING: "VisibleString", UNIVERSAL_STRING: "UniversalString",
    BMP_STRING: "BMPString", SEQUENCE: "SEQUENCE", SET: "SET",
}  # fmt: skip

# an OBJECT IDENTIFIER longer than this is shown as hex: no registered one comes near
MAX_OID_BYTES = 128
# serial numbers and the like; Python refuses to write out integers of more than 4300 digits
MAX_INTEGER_BYTES = 1024


def context(number: int, *, constructed: bool = False) -> int:
    """The identifier octet of a context-specific tag."""
    return 0x80 | (0x20 if constructed else 0) | number


def tag_name(tag: int) -> str:
    """A tag in words, as "UTF8String" or "[3]"."""
    if tag & 0xC0 == 0x80:
        return f"[{tag & 0x1F}]"
    return TAG_NAMES.get(tag, f"tag 0x{tag:02x}")


class DerError(ValueError):
    """The bytes are not DER, or not what stands at this place: ``where`` names it, ``offset`` counts from the outermost byte."""

    def __init__(self, where: str, offset: int, why: str) -> None:
        super().__init__(f"{where} at byte {offset}: {why}")
        self.where = where
        self.offset = offset
        self.why = why


class Element(NamedTuple):
    """One element: offsets into the outermost bytes. ``start`` is its identifier octet, ``body`` to ``end`` its contents."""

    data: bytes
    tag: int
    start: int
    body: int
    end: int

    @property
    def contents(self) -> bytes:
        return self.data[self.body : self.end]

    @property
    def encoded(self) -> bytes:
        """The whole element, header and contents."""
        return self.data[self.start : self.end]


class Reader:
    """A cursor over the elements of one container. ``faults`` is shared with the readers of its children."""

    __slots__ = ("at", "data", "end", "faults")

    def __init__(self, data: bytes, at: int = 0, end: int | None = None, faults: list[str] | None = None) -> None:
        self.data = data
        self.at = at
        self.end = len(data) if end is None else end
        self.faults: list[str] = [] if faults is None else faults

    @property
    def more(self) -> bool:
        return self.at < self.end

    def peek(self) -> int | None:
        """The identifier octet of the next element, None at the end."""
        return self.data[self.at] if self.at < self.end else None

    def read(self, where: str, *tags: int) -> Element:
        """The next element. Raises DerError where there is none, it is not one of ``tags`` (none given: any), or runs too far."""
        start, at = self.at, self.at
        if at >= self.end:
            raise DerError(where, start, "missing")
        tag = self.data[at]
        at += 1
        if tag & 0x1F == 0x1F:
            raise DerError(where, start, "a tag number above 30")
        if at >= self.end:
            raise DerError(where, start, "cut off before its length")
        length, at = self._length(where, start, at)
        if length > self.end - at:
            raise DerError(where, start, f"claims {length} bytes, {self.end - at} are there")
        if tags and tag not in tags:
            wanted = " or ".join(tag_name(t) for t in tags)
            raise DerError(where, start, f"{tag_name(tag)} where {wanted} belongs")
        self.at = at + length
        return Element(self.data, tag, start, at, at + length)

    def _length(self, where: str, start: int, at: int) -> tuple[int, int]:
        first = self.data[at]
        at += 1
        if first < 0x80:
            return first, at
        count = first & 0x7F
        if count == 0:
            raise DerError(where, start, "an indefinite length (BER, not DER)")
        if count > 8 or count > self.end - at:
            raise DerError(where, start, "a length that cannot be")
        length = int.from_bytes(self.data[at : at + count], "big")
        if length < 0x80 or self.data[at] == 0:
            self.faults.append(f"{where} at byte {start}: its length is not in the shortest form")
        return length, at + count

    def maybe(self, tag: int, where: str) -> Element | None:
        """The next element if it bears this tag, else None and nothing is consumed."""
        return self.read(where, tag) if self.peek() == tag else None

    def inside(self, element: Element) -> Reader:
        """A reader of an element's contents."""
        return Reader(self.data, element.body, element.end, self.faults)

    def enter(self, where: str, tag: int = SEQUENCE) -> Reader:
        """Read the next element and return a reader of its contents."""
        return self.inside(self.read(where, tag))

    def finish(self, where: str) -> None:
        """Note bytes that are left over where nothing may follow."""
        if self.at < self.end:
            self.faults.append(f"{where} at byte {self.at}: {self.end - self.at} bytes too many")


def read_oid(element: Element) -> str:
    """An OBJECT IDENTIFIER in dotted form. Raises DerError where it is empty, cut off or absurdly long."""
    body = element.contents
    if not body or body[-1] & 0x80:
        raise DerError("object identifier", element.start, "empty or cut off")
    if len(body) > MAX_OID_BYTES:
        raise DerError("object identifier", element.start, f"{len(body)} bytes long")
    arcs: list[int] = []
    value = 0
    for byte in body:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            if arcs:
                arcs.append(value)
            else:
                top = min(value // 40, 2)
                arcs += [top, value - 40 * top]
            value = 0
    return ".".join(map(str, arcs))


def encode_oid(dotted: str) -> bytes:
    """The contents octets of an OBJECT IDENTIFIER, the inverse of ``read_oid``."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    out = bytearray()
    for arc in (first * 40 + second, *rest):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(arc & 0x7F | 0x80)
        out += bytes(reversed(septets))
    return bytes(out)


def read_integer(element: Element, most: int = MAX_INTEGER_BYTES) -> int:
    """A signed INTEGER. Raises DerError where it has no contents, or more than ``most`` bytes."""
    if element.body == element.end:
        raise DerError("integer", element.start, "empty")
    if element.end - element.body > most:
        raise DerError("integer", element.start, f"{element.end - element.body} bytes long")
    return int.from_bytes(element.contents, "big", signed=True)


def read_boolean(element: Element) -> bool:
    """A BOOLEAN. Raises DerError where it is not one byte."""
    if element.end - element.body != 1:
        raise DerError("boolean", element.start, "not one byte")
    return element.contents != b"\x00"


def read_bit_string(element: Element) -> tuple[bytes, int]:
    """The bytes of a BIT STRING and how many bits of the last are unused. Raises DerError where that number is wrong."""
    body = element.contents
    if not body or body[0] > 7 or (len(body) == 1 and body[0]):
        raise DerError("bit string", element.start, "its count of unused bits is wrong")
    return body[1:], body[0]
