"""What is said to a proxy before TLS: HTTP CONNECT (RFC 9110, 9.3.6), SOCKS5 (RFC 1928, 1929), and the PROXY protocol's header.

The results' ``accepted`` is True where the tunnel is open. No proxy sees anything of the credential: TLS begins behind it.
"""

from __future__ import annotations

import base64
import ipaddress
import struct

from inspector.app.result import AppResult
from inspector.app.talk import LINE, PeerBroke, Script, Talk, Want, text_of
from inspector.plan import Proxy
from inspector.version import __version__

HEADERS = 100  # lines of a proxy's answer
BODY_SHOWN = 200

SOCKS_REPLIES = {
    0: "succeeded", 1: "general failure", 2: "not allowed by its rules", 3: "network unreachable", 4: "host unreachable",
    5: "connection refused", 6: "TTL expired", 7: "command not supported", 8: "address type not supported",
}
# HAProxy's proxy-protocol.txt, section 2.2
V2_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def tunnel(proxy: Proxy, host: str, port: int) -> Talk:
    """The conversation that asks ``proxy`` for a tunnel to ``host:port``."""
    if proxy.kind == "socks5":
        return Talk("socks5", socks5(host, port, proxy.user, proxy.password), strict_end=True)
    return Talk("http-connect", http_connect(host, port, proxy.user, proxy.password), strict_end=True)


def http_connect(host: str, port: int, user: str | None = None, password: str | None = None) -> Script:
    """CONNECT, with Basic credentials where there are any (RFC 7617). Any 2xx opens the tunnel."""
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}", f"User-Agent: mtls-inspector/{__version__}"]
    if user is not None:
        token = base64.b64encode(f"{user}:{password or ''}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {token}")
    status_line = yield Want("\r\n".join([*lines, "", ""]).encode())
    parts = status_line.split(None, 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or len(parts[1]) != 3 or not parts[1].isdigit():
        raise PeerBroke(f"'{text_of(status_line, 60)}' is not an HTTP proxy's answer")
    for _ in range(HEADERS):
        if not (yield Want(b"", LINE)):
            break
    else:
        raise PeerBroke(f"more than {HEADERS} header lines")
    status = parts[1].decode()
    if status.startswith("2"):
        return AppResult("http-connect", True, True, status, "the proxy opened a tunnel")
    reason = text_of(parts[2] if len(parts) > 2 else b"", BODY_SHOWN)
    asks = "; it asks for a user and a password" if status == "407" else ""
    return AppResult("http-connect", True, False, status, f"the proxy refused the tunnel: {status} {reason}{asks}")


def socks5(host: str, port: int, user: str | None = None, password: str | None = None) -> Script:
    """SOCKS5 with the name resolved by the proxy; user and password where there are any."""
    methods = b"\x00\x02" if user is not None else b"\x00"
    answer = yield Want(bytes([5, len(methods)]) + methods, 2)
    if answer[0] != 5:
        raise PeerBroke("the answer is not of SOCKS version 5")
    if answer[1] == 2 and user is not None:
        name, secret = user.encode()[:255], (password or "").encode()[:255]
        answer = yield Want(bytes([1, len(name)]) + name + bytes([len(secret)]) + secret, 2)
        if answer[1] != 0:
            return AppResult("socks5", True, False, str(answer[1]), "the proxy refused user and password")
    elif answer[1] != 0:
        return AppResult("socks5", True, False, str(answer[1]), "the proxy asks for a login that was not given")
    head = yield Want(b"\x05\x01\x00" + _socks_address(host) + struct.pack("!H", port), 4)
    if head[0] != 5:
        raise PeerBroke("the answer is not of SOCKS version 5")
    if head[1] != 0:
        words = SOCKS_REPLIES.get(head[1], "unknown reason")
        return AppResult("socks5", True, False, str(head[1]), f"the proxy refused the tunnel: {words}")
    sizes = {1: 4, 4: 16}
    size = sizes.get(head[3]) or (yield Want(b"", 1))[0]
    yield Want(b"", size + 2)
    return AppResult("socks5", True, True, "0", "the proxy opened a tunnel")


def _socks_address(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("ascii", "replace")[:255]
        return bytes([3, len(name)]) + name
    return bytes([1 if address.version == 4 else 4]) + address.packed


def proxy_protocol_header(version: int, source: tuple[str, int], destination: tuple[str, int]) -> bytes:
    """The header that tells a server behind a load balancer who is calling (version 1 as text, 2 as binary).

    Addresses that are not both of one IP family (a Unix socket) become UNKNOWN, or LOCAL in version 2.
    """
    try:
        here, there = ipaddress.ip_address(source[0].split("%")[0]), ipaddress.ip_address(destination[0].split("%")[0])
    except ValueError:
        return b"PROXY UNKNOWN\r\n" if version == 1 else V2_SIGNATURE + b"\x20\x00\x00\x00"
    if here.version != there.version:
        return b"PROXY UNKNOWN\r\n" if version == 1 else V2_SIGNATURE + b"\x20\x00\x00\x00"
    if version == 1:
        return f"PROXY TCP{here.version} {here} {there} {source[1]} {destination[1]}\r\n".encode()
    body = here.packed + there.packed + struct.pack("!HH", source[1], destination[1])
    family = 0x11 if here.version == 4 else 0x21
    return V2_SIGNATURE + bytes([0x21, family]) + struct.pack("!H", len(body)) + body
