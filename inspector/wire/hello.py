"""A writer for ClientHellos of any version, for probes that OpenSSL would not send. The bytes are offers only: no keys are kept.

``client_hello`` gives the bytes of one flight; ``message`` the handshake message, and ``into_records`` cuts a message over records.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import NamedTuple

from inspector.wire.registry import CipherSuite, ExtensionType, HandshakeType, NamedGroup, SignatureScheme

E = ExtensionType

SUITES_13 = (0x1301, 0x1302, 0x1303, 0x1304, 0x1305)
# what servers of TLS 1.2 agree to: forward secret AEAD first, then CBC, then RSA key exchange
SUITES_12 = (
    0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0x009E, 0x009F, 0xCCAA, 0xC0AC, 0xC0AD, 0xC0AE, 0xC0AF,
    0xC023, 0xC027, 0xC024, 0xC028, 0x0067, 0x006B, 0x009C, 0x009D, 0x003C, 0x003D,
)  # fmt: skip
SUITES_10 = (
    0xC009, 0xC013, 0xC00A, 0xC014, 0x0033, 0x0039, 0x0032, 0x0038, 0x002F, 0x0035, 0x0041, 0x0084, 0xC008, 0xC012, 0x0016, 0x000A,
    0xC007, 0xC011, 0x0005, 0x0004,
)  # fmt: skip
RENEGOTIATION_SCSV = 0x00FF  # RFC 5746, Section 3.3
FALLBACK_SCSV = 0x5600  # RFC 7507
GROUPS = (0x001D, 0x0017, 0x0018, 0x0019, 0x001E)
SCHEMES = (
    0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080A, 0x080B, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201,
)  # fmt: skip
MAX_FRAGMENT = 1 << 14
_SSL2_SUITES = (0x010080, 0x020080, 0x030080, 0x040080, 0x050080, 0x060040, 0x0700C0)


class Hello(NamedTuple):
    """What a ClientHello offers. ``None`` means what a common client of that version would send; ``()`` nothing.

    ``versions``: the numbers offered, highest first; with 0x0304 among them they go into supported_versions. ``extensions``: more
    of them as (type, body), in order, after the others; ``without`` leaves out extensions by type. ``key_shares``: groups for which
    a share is sent (x25519 and x448 only; others make the server ask again).
    """

    versions: tuple[int, ...] = (0x0303,)
    cipher_suites: Sequence[int] | None = None
    groups: Sequence[int] | None = None
    schemes: Sequence[int] | None = None
    server_name: str | None = None
    alpn: Sequence[str] = ()
    extensions: Sequence[tuple[int, bytes]] = ()
    without: Sequence[int] = ()
    key_shares: Sequence[int] = (0x001D,)
    compression_methods: Sequence[int] = (0,)
    random: bytes | None = None
    session_id: bytes | None = None
    legacy_version: int | None = None


def vector(size: int, body: bytes) -> bytes:
    """A vector with a length of ``size`` bytes before it. Raises ValueError where the body is too long for that."""
    try:
        return len(body).to_bytes(size, "big") + body
    except OverflowError as exc:
        raise ValueError(f"{len(body)} bytes do not fit a length of {size} bytes") from exc


def _u16s(values: Sequence[int]) -> bytes:
    return b"".join(value.to_bytes(2, "big") for value in values)


def _suites(hello: Hello) -> Sequence[int]:
    if hello.cipher_suites is not None:
        return hello.cipher_suites
    suites: tuple[int, ...] = ()
    if 0x0304 in hello.versions:
        suites += SUITES_13
    if 0x0303 in hello.versions:
        suites += SUITES_12
    if min(hello.versions) < 0x0304:
        suites += (*SUITES_10, RENEGOTIATION_SCSV)
    return suites


def _server_name(name: str) -> bytes:
    return vector(2, b"\x00" + vector(2, name.encode("ascii")))  # RFC 6066, Section 3


def _shares(groups: Sequence[int]) -> bytes:
    """Key shares of random bytes: for these two curves every string of the right length is a public key."""
    sizes = {0x001D: 32, 0x001E: 56}
    return vector(2, b"".join(group.to_bytes(2, "big") + vector(2, secrets.token_bytes(sizes[group])) for group in groups))


def _common_extensions(hello: Hello) -> list[tuple[int, bytes]]:
    """Extensions that a client of these versions sends, in a common order."""
    highest = max(hello.versions)
    found: list[tuple[int, bytes]] = []
    if hello.server_name is not None:
        found.append((E.SERVER_NAME, _server_name(hello.server_name)))
    groups = GROUPS if hello.groups is None else hello.groups
    if groups:
        found.append((E.SUPPORTED_GROUPS, vector(2, _u16s(groups))))
    if min(hello.versions) < 0x0304:
        found += [(E.EC_POINT_FORMATS, b"\x01\x00"), (E.EXTENDED_MASTER_SECRET, b"")]
    schemes = SCHEMES if hello.schemes is None else hello.schemes
    if highest >= 0x0303 and schemes:
        found.append((E.SIGNATURE_ALGORITHMS, vector(2, _u16s(schemes))))
    if hello.alpn:
        protocols = b"".join(vector(1, name.encode("latin-1")) for name in hello.alpn)
        found.append((E.APPLICATION_LAYER_PROTOCOL_NEGOTIATION, vector(2, protocols)))
    if highest >= 0x0304:
        found += [
            (E.SUPPORTED_VERSIONS, vector(1, _u16s(hello.versions))),
            (E.PSK_KEY_EXCHANGE_MODES, b"\x01\x01"),
            (E.KEY_SHARE, _shares(hello.key_shares)),
        ]
    return found


def _extensions(hello: Hello) -> bytes:
    found = [] if max(hello.versions) <= 0x0300 else _common_extensions(hello)  # SSLv3 knows no extensions
    kept = [item for item in (*found, *hello.extensions) if item[0] not in hello.without]
    if not kept:
        return b""
    return vector(2, b"".join(int(kind).to_bytes(2, "big") + vector(2, body) for kind, body in kept))


def message(hello: Hello) -> bytes:
    """The ClientHello as handshake message, with its four-byte header (RFC 8446, Section 4.1.2)."""
    version = min(max(hello.versions), 0x0303) if hello.legacy_version is None else hello.legacy_version
    session_id = hello.session_id
    if session_id is None:
        session_id = secrets.token_bytes(32) if 0x0304 in hello.versions else b""
    body = (
        version.to_bytes(2, "big")
        + (secrets.token_bytes(32) if hello.random is None else hello.random)
        + vector(1, session_id)
        + vector(2, _u16s(_suites(hello)))
        + vector(1, bytes(hello.compression_methods))
        + _extensions(hello)
    )
    return bytes((HandshakeType.CLIENT_HELLO,)) + vector(3, body)


def record(content_type: int, payload: bytes, version: int = 0x0301) -> bytes:
    """One record (RFC 8446, Section 5.1)."""
    return bytes((content_type,)) + version.to_bytes(2, "big") + vector(2, payload)


def into_records(handshake: bytes, sizes: Sequence[int] = (), version: int = 0x0301) -> tuple[bytes, ...]:
    """A handshake message as records: the first ones of the given sizes, what is left in full ones."""
    out, at = [], 0
    for size in sizes:
        if at < len(handshake):
            out.append(record(22, handshake[at : at + size], version))
            at += size
    while at < len(handshake):
        out.append(record(22, handshake[at : at + MAX_FRAGMENT], version))
        at += MAX_FRAGMENT
    return tuple(out)


def client_hello(version: int = 0x0303, *, sizes: Sequence[int] = (), **offers: object) -> bytes:
    """The bytes of a flight that offers ``version`` alone (or ``versions=``); ``offers`` are fields of ``Hello``."""
    hello = Hello(**{"versions": (version,), **offers})  # type: ignore[arg-type]
    outer = 0x0300 if max(hello.versions) <= 0x0300 else 0x0301
    return b"".join(into_records(message(hello), sizes, outer))


def sslv2_hello(version: int = 0x0002, challenge: bytes | None = None, suites: Sequence[int] = ()) -> bytes:
    """A hello in the form of SSLv2 (RFC 6101, Appendix E). With ``version`` 0x0301 it is how old clients offered TLS.

    ``suites`` are three-byte numbers (0x00 and the TLS number for TLS suites); empty: those of SSLv2, or SUITES_10.
    """
    if not suites:
        suites = _SSL2_SUITES if version == 0x0002 else SUITES_10
    kinds = b"".join(suite.to_bytes(3, "big") for suite in suites)
    nonce = secrets.token_bytes(16) if challenge is None else challenge
    lengths = b"".join(len(part).to_bytes(2, "big") for part in (kinds, b"", nonce))
    body = b"\x01" + version.to_bytes(2, "big") + lengths + kinds + nonce
    return (0x8000 | len(body)).to_bytes(2, "big") + body


def suites_named(*names: str) -> tuple[CipherSuite, ...]:
    """Suites by their IANA names."""
    return tuple(CipherSuite.named(name) for name in names)


def groups_named(*names: str) -> tuple[NamedGroup, ...]:
    """Groups by their IANA names."""
    return tuple(NamedGroup.named(name) for name in names)


def schemes_named(*names: str) -> tuple[SignatureScheme, ...]:
    """Signature schemes by their IANA names."""
    return tuple(SignatureScheme.named(name) for name in names)
