"""DER, written: the few types of X.690 that certificates, CRLs and key containers are made of. Reading is ``inspector.der``'s."""

from __future__ import annotations

import datetime as dt


def tlv(tag: int, body: bytes) -> bytes:
    """One value with its identifier octet and definite length (X.690, Section 8.1)."""
    if len(body) < 128:
        return bytes((tag, len(body))) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body


def sequence(*parts: bytes) -> bytes:
    return tlv(0x30, b"".join(parts))


def set_of(*parts: bytes) -> bytes:
    """A SET OF, its elements sorted as DER demands (X.690, Section 11.6)."""
    return tlv(0x31, b"".join(sorted(parts)))


def integer(value: int) -> bytes:
    """An INTEGER of any size and sign, in two's complement."""
    bits = value.bit_length() if value >= 0 else (-value - 1).bit_length()
    return tlv(0x02, value.to_bytes(bits // 8 + 1, "big", signed=True))


def boolean(value: bool) -> bytes:
    return b"\x01\x01\xff" if value else b"\x01\x01\x00"


def octets(value: bytes) -> bytes:
    return tlv(0x04, value)


def bits(value: bytes, unused: int = 0) -> bytes:
    return tlv(0x03, bytes((unused,)) + value)


def null() -> bytes:
    return b"\x05\x00"


def oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER from its dotted form (X.690, Section 8.19)."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    body = bytearray()
    for arc in (first * 40 + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        body += bytes(reversed(groups))
    return tlv(0x06, bytes(body))


def time(seconds: float) -> bytes:
    """A Time as RFC 5280, Section 4.1.2.5 wants it: UTCTime up to the year 2049, GeneralizedTime from then on."""
    moment = dt.datetime.fromtimestamp(int(seconds), dt.UTC)
    if 1950 <= moment.year < 2050:
        return tlv(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())
    return tlv(0x18, f"{moment.year:04}{moment:%m%d%H%M%SZ}".encode())
