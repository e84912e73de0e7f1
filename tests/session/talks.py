"""Real TLS conversations of OpenSSL with itself, in memory: what both sides sent, in order."""

from __future__ import annotations

import ssl
from pathlib import Path

from inspector.credentials import mint

Parts = list[tuple[int, bytes]]


def lay_out(folder: Path) -> None:
    """Keys and certificates: a good client, one of another CA, a server, and both CAs."""
    good, bad = mint.authority("Good CA"), mint.authority("Bad CA")
    leaves = {"good": mint.leaf("client", good), "bad": mint.leaf("client", bad), "server": mint.server_leaf(["localhost"], good)}
    for name, made in leaves.items():
        (folder / name).write_bytes(made.key_pem() + mint.certificates_pem([made.cert]))
    (folder / "ca").write_bytes(mint.certificates_pem([good.cert]))
    (folder / "other").write_bytes(mint.certificates_pem([bad.cert]))


def contexts(
    folder: Path, version: ssl.TLSVersion, asks: str | None, sends: str | None, trusts: str = "ca",
) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A client that sends this certificate, and a server that wants one, needs one or does not ask."""
    if not (folder / "ca").exists():
        lay_out(folder)
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server.maximum_version = version
    server.load_cert_chain(folder / "server")
    if asks is not None:
        server.load_verify_locations(folder / "ca")
        server.verify_mode = ssl.CERT_REQUIRED if asks == "need" else ssl.CERT_OPTIONAL
    client.load_verify_locations(folder / trusts)
    if sends is not None:
        client.load_cert_chain(folder / sends)
    return client, server


def talk(
    client_context: ssl.SSLContext, server_context: ssl.SSLContext, size: int, *, ends_without_goodbye: bool = False,
) -> Parts:
    """What both sides send, up to an answer of ``size`` bytes and both goodbyes, or to where one of them gives up. A client that
    ``ends_without_goodbye`` closes TCP alone.
    """
    pipes = [(ssl.MemoryBIO(), ssl.MemoryBIO()) for _ in range(2)]
    sides = [
        client_context.wrap_bio(*pipes[0], server_hostname="localhost"), server_context.wrap_bio(*pipes[1], server_side=True),
    ]
    parts: Parts = []
    steps = [sides[0].do_handshake, sides[1].do_handshake] * 3
    if size:
        steps += [
            lambda: sides[0].write(b"GET / HTTP/1.1\r\n\r\n"), lambda: sides[1].read(99), lambda: sides[1].write(b"x" * size),
            lambda: sides[0].read(9999),
        ]
    if ends_without_goodbye:
        steps += [pipes[1][0].write_eof, lambda: sides[1].read(9)]
    else:
        steps += [sides[0].unwrap, sides[1].unwrap]
    for number, step in enumerate(steps):
        way = number % 2
        try:
            step()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            size = -1
        data = pipes[way][1].read()
        if data:
            parts.append((way, data))
            pipes[1 - way][0].write(data)
        if size < 0 and number > 6:
            break
    return parts
