"""BER into DER, as far as key containers need it: indefinite lengths and strings in pieces (X.690, Section 8)."""

from __future__ import annotations

from inspector.credentials import asn1
from inspector.der.reader import DerError

MAX_DEPTH = 24
_STRING_IN_PIECES = 0x24  # a constructed OCTET STRING


def to_der(data: bytes) -> bytes:
    """The first element of ``data`` with definite lengths and whole octet strings. Raises DerError where it is no BER at all."""
    encoded, end = _element(data, 0, len(data), 0)
    del end
    return encoded


def _element(data: bytes, start: int, limit: int, depth: int) -> tuple[bytes, int]:
    if depth > MAX_DEPTH:
        raise DerError("element", start, "nested too deeply")
    tag, length, body = _header(data, start, limit)
    if not tag & 0x20:
        if length is None:
            raise DerError("element", start, "a primitive value of indefinite length")
        return data[start : body + length], body + length
    end = limit if length is None else body + length
    parts: list[bytes] = []
    at = body
    while at < end:
        if length is None and data[at : at + 2] == b"\0\0":
            break
        part, at = _element(data, at, end, depth + 1)
        parts.append(part)
    else:
        if length is None:
            raise DerError("element", start, "without its end")
    end = at + 2 if length is None else end
    if tag == _STRING_IN_PIECES:
        return asn1.octets(b"".join(_contents(part) for part in parts)), end
    return asn1.tlv(tag, b"".join(parts)), end


def _contents(encoded: bytes) -> bytes:
    _, length, body = _header(encoded, 0, len(encoded))
    return encoded[body : body + (length or 0)]


def _header(data: bytes, start: int, limit: int) -> tuple[int, int | None, int]:
    """Identifier octet, length (None: indefinite) and where the contents begin."""
    if start + 2 > limit:
        raise DerError("element", start, "cut off")
    tag, first, at = data[start], data[start + 1], start + 2
    if tag & 0x1F == 0x1F:
        raise DerError("element", start, "a tag number above 30")
    if first == 0x80:
        return tag, None, at
    length = first
    if first & 0x80:
        count = first & 0x7F
        if count > 4 or at + count > limit:
            raise DerError("element", start, "a length that cannot be")
        length, at = int.from_bytes(data[at : at + count], "big"), at + count
    if at + length > limit:
        raise DerError("element", start, f"claims {length} bytes, {limit - at} are there")
    return tag, length, at
