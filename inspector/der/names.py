"""Distinguished names: as text (RFC 4514), compared (RFC 5280, Section 7.1), and why two that read alike differ in bytes.

A name is held against another in two ways. RFC 5280 asks for prepared strings: case and runs of spaces do not count, nor does the
string type. Many programs (Go, GnuTLS, NSS, Apple) compare the encoded bytes. Both answers matter to whoever presents one.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from itertools import zip_longest
from typing import NamedTuple

from inspector.der import reader as der
from inspector.der.oids import ATTRIBUTES
from inspector.der.reader import DerError, Element, Reader, tag_name

# a name with more attributes than this is shown as hex: the largest seen in use has about twenty
MAX_ATTRIBUTES = 2000

CODECS: dict[int, str] = {
    der.UTF8_STRING: "utf-8",
    der.PRINTABLE_STRING: "ascii",
    der.IA5_STRING: "ascii",
    der.NUMERIC_STRING: "ascii",
    der.VISIBLE_STRING: "ascii",
    der.TELETEX_STRING: "latin-1",  # not what T.61 says, but what everybody writes
    der.BMP_STRING: "utf-16-be",
    der.UNIVERSAL_STRING: "utf-32-be",
}

# RFC 4514, Section 2.4
ESCAPED = {ord(c): f"\\{c}" for c in '"+,;<>\\'}
# categories that could act on a terminal or hide text: controls, format characters (bidi overrides), line separators, surrogates
INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})


class Attribute(NamedTuple):
    """One type and value of a relative distinguished name. ``text`` is None where the value is not a string that can be read."""

    oid: str
    tag: int
    value: bytes  # contents octets
    encoded: bytes  # the whole value element
    text: str | None
    offset: int  # of the value element in the name's DER

    @property
    def label(self) -> str:
        return ATTRIBUTES.get(self.oid, self.oid)


Rdns = tuple[tuple[Attribute, ...], ...]


def decode_text(tag: int, value: bytes) -> str | None:
    """The text of a string value, None where the type is no string or the bytes are of none.

    Bytes above 127 in a type that is ASCII are read as the UTF-8 that they mostly are; ``encoding_faults`` tells of it.
    """
    codec = CODECS.get(tag)
    if codec is None:
        return None
    try:
        return value.decode("utf-8" if codec == "ascii" else codec)
    except UnicodeDecodeError:
        return None


def _attribute(reader: Reader) -> Attribute:
    pair = reader.enter("attribute")
    oid = der.read_oid(pair.read("attribute type", der.OID))
    value: Element = pair.read("attribute value")
    pair.finish("attribute")
    text = decode_text(value.tag, value.contents)
    return Attribute(oid, value.tag, value.contents, value.encoded, text, value.start)


@lru_cache(maxsize=2048)
def read_name(name: bytes) -> Rdns:
    """The relative distinguished names in encoded order. Raises DerError where the bytes are not a Name (RFC 5280, 4.1.2.4)."""
    outer = Reader(name)
    sequence = outer.enter("name")
    if outer.more:
        raise DerError("name", outer.at, f"{outer.end - outer.at} bytes too many")
    rdns: list[tuple[Attribute, ...]] = []
    count = 0
    while sequence.more:
        rdn = sequence.enter("relative distinguished name", der.SET)
        attributes: list[Attribute] = []
        while rdn.more:
            attributes.append(_attribute(rdn))
            count += 1
            if count > MAX_ATTRIBUTES:
                raise DerError("name", rdn.at, f"more than {MAX_ATTRIBUTES} attributes")
        rdns.append(tuple(attributes))
    return tuple(rdns)


def encoding_faults(name: bytes) -> tuple[str, ...]:
    """Attributes whose bytes are not of the string type that they claim. Raises DerError where it is no Name."""
    found: list[str] = []
    for attribute in (a for rdn in read_name(name) for a in rdn):
        wrong = CODECS.get(attribute.tag) == "ascii" and not attribute.value.isascii()
        if wrong or (attribute.tag in CODECS and attribute.text is None):
            found.append(f"{attribute.label} at byte {attribute.offset}: bytes that are not of a {tag_name(attribute.tag)}")
    return tuple(found)


def _hex_pairs(character: str) -> str:
    return "".join(f"\\{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def escape_value(text: str) -> str:
    r"""A value as RFC 4514, Section 2.4 writes it. Control and format characters become ``\XX`` pairs of their UTF-8 bytes."""
    escaped = text.translate(ESCAPED)
    if not escaped.isprintable():
        escaped = "".join(_hex_pairs(c) if unicodedata.category(c) in INVISIBLE else c for c in escaped)
    if escaped.endswith(" "):
        escaped = escaped[:-1] + "\\ "
    if escaped.startswith(("#", " ")):
        escaped = "\\" + escaped
    return escaped


def _attribute_text(attribute: Attribute) -> str:
    if attribute.text is None or attribute.oid not in ATTRIBUTES:
        return f"{attribute.label}=#{attribute.encoded.hex()}"
    return f"{attribute.label}={escape_value(attribute.text)}"


@lru_cache(maxsize=2048)
def rfc4514(name: bytes) -> str:
    """A Name's DER as RFC 4514 text, most specific first. Never raises: what is no Name is shown as ``#hex``."""
    try:
        rdns = read_name(name)
    except DerError:
        return "#" + name.hex()
    return ",".join("+".join(_attribute_text(a) for a in rdn) for rdn in reversed(rdns))


def common_names(name: bytes) -> tuple[str, ...]:
    """The commonName values that can be read, in encoded order."""
    try:
        rdns = read_name(name)
    except DerError:
        return ()
    return tuple(a.text for rdn in rdns for a in rdn if a.oid == "2.5.4.3" and a.text is not None)


def _prepared(text: str) -> str:
    """RFC 4518 as far as names need it: map, fold case, NFKC, and treat runs of spaces as one (Sections 2.2, 2.3, 2.6.1)."""
    if not text.isascii():
        spaced = "".join(" " if unicodedata.category(c) in {"Zs", "Zl", "Zp"} else c for c in text)
        visible = "".join(c for c in spaced if unicodedata.category(c) != "Cf" and not 0xFE00 <= ord(c) <= 0xFE0F)
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold())
    return " ".join(text.casefold().split())


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _attribute_key(attribute: Attribute) -> bytes:
    if attribute.text is None:
        value = b"\x00" + attribute.encoded
    else:
        value = b"\x01" + _prepared(attribute.text).encode("utf-8", "surrogatepass")
    return _sized(attribute.oid.encode()) + _sized(value)


@lru_cache(maxsize=2048)
def comparison_key(name: bytes) -> bytes:
    """Equal for two names that RFC 5280, Section 7.1 calls a match. Never raises: bytes that are no Name match only themselves."""
    try:
        rdns = read_name(name)
    except DerError:
        return b"\xff" + name
    return b"\x00" + b"".join(_sized(b"".join(sorted(map(_attribute_key, rdn)))) for rdn in rdns)


def same_name(one: bytes, other: bytes) -> bool:
    """True where two names match by RFC 5280, Section 7.1."""
    return one == other or comparison_key(one) == comparison_key(other)


def _attribute_differences(one: Attribute, other: Attribute) -> list[str]:
    if one.oid != other.oid:
        return [f"{one.label} at byte {one.offset} where the other has {other.label}"]
    label, found = one.label, []
    if one.tag != other.tag:
        found.append(
            f"{label} is a {tag_name(one.tag)} (0x{one.tag:02x}, byte {one.offset})"
            f" in the first and a {tag_name(other.tag)} (0x{other.tag:02x}, byte {other.offset}) in the second"
        )
    if one.text is None or other.text is None:
        if one.value != other.value:
            found.append(f"{label} is {one.value.hex()} in the first and {other.value.hex()} in the second")
        return found
    if one.text == other.text:
        return found
    mine, theirs = escape_value(one.text), escape_value(other.text)
    if _prepared(one.text) != _prepared(other.text):
        what = "is"
    elif one.text.casefold() == other.text.casefold():
        what = "differs in upper and lower case:"
    elif one.text.split() == other.text.split():
        what = "differs in spaces:"
    else:
        what = "differs in characters that compare as equal:"
    found.append(f"{label} {what} '{mine}' in the first and '{theirs}' in the second")
    return found


def explain_difference(one: bytes, other: bytes) -> tuple[str, ...]:
    """In what two names differ, attribute by attribute, with byte offsets; empty where their bytes are the same. Never raises."""
    if one == other:
        return ()
    try:
        mine, theirs = read_name(one), read_name(other)
    except DerError as exc:
        return (f"one of them is not a name: {exc}",)
    if len(mine) != len(theirs):
        return (f"the first has {len(mine)} parts, the second {len(theirs)}",)
    found: list[str] = []
    for ours, others in zip(mine, theirs, strict=True):
        for left, right in zip_longest(ours, others):
            if left is None or right is None:
                extra = left or right
                assert extra is not None
                found.append(f"{extra.label} stands in only one of them")
            else:
                found += _attribute_differences(left, right)
    return tuple(found) or ("the same attributes, but another encoding of their lengths",)
