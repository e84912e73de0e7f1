"""MySQL's and MariaDB's client/server protocol: the plaintext SSLRequest, and the login as first step.

MySQL Source Code Documentation, "Connection Phase". The login offers an empty password once: a user who is known by his certificate
alone (REQUIRE X509, SUBJECT...) is let in.
"""

from __future__ import annotations

import struct
from collections.abc import Generator

from inspector.app.result import AppResult
from inspector.app.talk import PeerBroke, Script, Want, text_of

PLUGIN = b"mysql_native_password"
# long password, protocol 4.1, SSL, transactions, secure connection, plugin auth
CAPABILITIES = 0x00000001 | 0x00000200 | 0x00000800 | 0x00002000 | 0x00008000 | 0x00080000
CLIENT_SSL = 0x00000800
PACKET_LIMIT = 64 * 1024
ROUNDS = 4  # of an authentication's questions

Packet = Generator[Want, bytes, tuple[int, bytes]]

# error number -> verdict; those of SQLSTATE class 28 are refusals of who we are wherever they come from
VERDICTS: dict[int, bool | None] = {
    1044: True,  # access denied for this database: logged in
    1045: False, 1698: False,  # access denied for user
    1049: True,  # unknown database: logged in
    1130: None,  # this address may not connect
    1251: None,  # client does not support the authentication protocol
    3118: False,  # account locked
}


def _packet(send: bytes = b"") -> Packet:
    head = yield Want(send, 4)
    length = int.from_bytes(head[:3], "little")
    if not 0 < length <= PACKET_LIMIT:
        raise PeerBroke(f"a packet of {length} bytes")
    return head[3], (yield Want(b"", length))


def _framed(body: bytes, sequence: int) -> bytes:
    return len(body).to_bytes(3, "little") + bytes([sequence & 0xFF]) + body


def _client_head(capabilities: int) -> bytes:
    return struct.pack("<IIB23x", capabilities, PACKET_LIMIT, 45)  # 45: utf8mb4_general_ci


def _error(body: bytes) -> AppResult:
    number = int.from_bytes(body[1:3], "little")
    state, said = ("", body[3:]) if body[3:4] != b"#" else (body[4:9].decode("ascii", "replace"), body[9:])
    accepted = VERDICTS.get(number, False if state.startswith("28") else None)
    return AppResult("mysql", True, accepted, f"{number} ({state})" if state else str(number), text_of(said))


def starttls() -> Script:
    """Wait for the greeting, check that the server has TLS, and send the SSLRequest packet."""
    sequence, greeting = yield from _packet()
    if greeting[0] == 0xFF:
        return _error(greeting)._replace(accepted=False)
    end = greeting.find(b"\0", 1)
    if greeting[0] != 10 or end < 0 or len(greeting) < end + 16:
        raise PeerBroke("the greeting is not of protocol version 10")
    if not int.from_bytes(greeting[end + 14 : end + 16], "little") & CLIENT_SSL:
        return AppResult("mysql", True, False, None, "the server has TLS switched off")
    yield Want(_framed(_client_head(CAPABILITIES), sequence + 1), 0)
    return AppResult("mysql", True, True, text_of(greeting[1:end], 60), "the server agreed to TLS")


def user_in(login: bytes) -> str | None:
    """The name in a client's first packet within TLS (HandshakeResponse41), None where there is none."""
    end = login.find(b"\0", 36)
    return text_of(login[36:end], 60) if end > 36 else None


def login(user: str, greeting: bool) -> Script:
    """Log in with an empty password. ``greeting``: no SSLRequest went before (TLS began with the first byte, or there is none), so
    the server's greeting comes first.
    """
    sequence = 1
    if greeting:
        sequence, body = yield from _packet()
        if body[0] == 0xFF:
            return _error(body)
    # where no SSLRequest went before, the server would take the flag for one
    body = _client_head(CAPABILITIES & ~CLIENT_SSL if greeting else CAPABILITIES) + user.encode() + b"\0" + b"\0" + PLUGIN + b"\0"
    sequence, answer = yield from _packet(_framed(body, sequence + 1))
    for _ in range(ROUNDS):
        kind = answer[0]
        if kind == 0x00:
            return AppResult("mysql", True, True, "OK", f"logged in as {user}")
        if kind == 0xFF:
            return _error(answer)
        if kind not in (0xFE, 0x01):
            raise PeerBroke(f"packet type {kind:#x} in answer to the login")
        if answer[:2] == b"\x01\x03":  # caching_sha2_password: fast authentication worked, OK follows
            sequence, answer = yield from _packet()
        elif kind == 0x01 and len(answer) > 1:
            return AppResult("mysql", True, True, "asks for a password", f"{user} needs a password")
        else:
            sequence, answer = yield from _packet(_framed(b"\0" if b"sha" in answer else b"", sequence + 1))
    raise PeerBroke("the authentication does not come to an end")
