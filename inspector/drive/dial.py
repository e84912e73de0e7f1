"""From a name to an open socket: resolution and happy eyeballs (RFC 8305), each address's outcome kept."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Generator
from itertools import chain, zip_longest
from typing import NamedTuple

from inspector.drive.end import Over
from inspector.drive.loop import READ, WRITE, Loop, Ready, Wait
from inspector.drive.record import Recorder
from inspector.drive.resolve import Address, error_text, look_up, needs_no_resolver
from inspector.plan import Road
from inspector.target import is_ip_address
from inspector.trace.events import Attempt, Connected, Resolved

STAGGER = 0.25  # seconds until the next address is tried beside the last (RFC 8305, Section 5)

KINDS: dict[int, str] = {
    errno.ECONNREFUSED: "refused",
    errno.ENOENT: "refused",  # no such unix socket
    errno.ETIMEDOUT: "timeout",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETDOWN: "unreachable",
    errno.EHOSTDOWN: "unreachable",
    errno.EADDRNOTAVAIL: "unreachable",
    errno.EAFNOSUPPORT: "unreachable",
    errno.ECONNRESET: "reset",
}
IN_PROGRESS = frozenset({0, errno.EINPROGRESS, errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR})


class Trial(NamedTuple):
    """One connect that is under way."""

    address: Address
    began: float


def where_to(road: Road) -> tuple[str, int]:
    """Host and port that the socket is to be opened to."""
    if road.proxy is not None:
        return road.proxy.host, road.proxy.port
    return road.connect_to or (road.target.host, road.target.port)


def resolve(road: Road, loop: Loop, record: Recorder, until: float) -> Generator[Wait, Ready, tuple[Address, ...]]:
    """The addresses to try, in the order to try them. Raises Over."""
    if road.target.unix_path is not None and road.proxy is None and road.connect_to is None:
        return (Address(socket.AF_UNIX, road.target.unix_path, f"unix:{road.target.unix_path}", 0),)
    host, port = where_to(road)
    if road.addresses and road.proxy is None:
        addresses: tuple[Address, ...] = tuple(chain.from_iterable(_literal(text, port) for text in road.addresses))
        return _interleaved(addresses)
    known = loop.resolver.known(host, port, road.family)
    if known is not None:
        addresses, error = known, None
    elif needs_no_resolver(host):
        addresses, error = _at_once(host, port, road.family)
        loop.resolver.remember((host, port, road.family), addresses)
    else:
        addresses, error = yield from _ask(host, port, road.family, loop, until)
    if error is not None or not addresses:
        error = error or "the name has no address"
        record.note(Resolved(record.at, host, (), error))
        raise Over("network", "unresolved", f"{host}: {error}")
    if not is_ip_address(host):
        record.note(Resolved(record.at, host, tuple(address.text for address in addresses)))
    return _interleaved(addresses)


def _literal(text: str, port: int) -> tuple[Address, ...]:
    try:
        return look_up(text.strip("[]"), port, 0, socket.AI_NUMERICHOST)
    except OSError:
        return ()


def _at_once(host: str, port: int, family: int) -> tuple[tuple[Address, ...], str | None]:
    try:
        return look_up(host, port, family), None
    except (OSError, UnicodeError) as exc:
        return (), error_text(exc)


def _ask(
    host: str, port: int, family: int, loop: Loop, until: float,
) -> Generator[Wait, Ready, tuple[tuple[Address, ...], str | None]]:
    answer = loop.resolver.ask(host, port, family)
    try:
        ready = yield Wait(until, ((answer.signal, READ),))
        if not ready:
            raise Over("network", "deadline", f"{host}: the resolver did not answer in time")
        loop.resolver.remember(answer.question, answer.addresses)
        return answer.addresses, answer.error
    finally:
        loop.close(answer.signal)
        answer.close()


def _interleaved(addresses: tuple[Address, ...]) -> tuple[Address, ...]:
    """The families in turn, beginning with that of the first address (RFC 8305, Section 4)."""
    if not addresses:
        return ()
    first = [address for address in addresses if address.family == addresses[0].family]
    other = [address for address in addresses if address.family != addresses[0].family]
    return tuple(address for pair in zip_longest(first, other) for address in pair if address is not None)


class Dialer:
    """Tries addresses, a new one every 250 ms or as soon as one failed; the first that opens is used."""

    def __init__(self, road: Road, loop: Loop, record: Recorder) -> None:
        self._road = road
        self._loop = loop
        self._record = record
        self._trials: dict[socket.socket, Trial] = {}
        self._failure: tuple[str, str] | None = None

    def dial(self, addresses: tuple[Address, ...], until: float) -> Generator[Wait, Ready, socket.socket]:
        """An open, non-blocking socket. Raises Over where no address can be reached in time."""
        waiting = list(reversed(addresses))
        next_start = 0.0
        try:
            while waiting or self._trials:
                now = self._loop.now()
                if waiting and (not self._trials or now >= next_start):
                    sock = self._begin(waiting.pop())
                    next_start = self._loop.now() + STAGGER
                    if sock is not None:
                        return sock
                    continue
                wake = min(until, next_start) if waiting else until
                ready = yield Wait(wake, tuple((sock, WRITE) for sock in self._trials))
                opened = next((sock for sock in list(self._trials) if sock in ready and self._opened(sock)), None)
                if opened is not None:
                    return opened
                if not ready and self._loop.now() >= until:
                    self._give_up()
            kind, detail = self._failure or ("other", "no address to try")
            raise Over("network", kind, detail)
        finally:
            for sock, trial in list(self._trials.items()):
                self._note(trial, "another address was faster", "abandoned")
                self._drop(sock)

    def _begin(self, address: Address) -> socket.socket | None:
        """Start one connect; returns the socket where it is open at once (unix sockets)."""
        trial = Trial(address, self._loop.now())
        try:
            sock = socket.socket(address.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError as exc:
            self._failed(trial, exc.errno or 0)
            return None
        self._trials[sock] = trial
        try:
            self._prepare(sock, address)
            code = sock.connect_ex(address.sockaddr)
        except OSError as exc:
            code = exc.errno or errno.EIO
        if code not in IN_PROGRESS:
            self._failed(trial, code)
            self._drop(sock)
            return None
        return sock if code == 0 and self._opened(sock) else None

    def _prepare(self, sock: socket.socket, address: Address) -> None:
        if address.family == socket.AF_UNIX:
            return
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        interface = self._road.interface
        if interface is None:
            return
        if is_ip_address(interface):
            sock.bind((interface, 0))
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")

    def _opened(self, sock: socket.socket) -> bool:
        trial = self._trials[sock]
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._failed(trial, code)
            self._drop(sock)
            return False
        del self._trials[sock]
        self._note(trial, None, None)
        at, seconds = self._record.at, self._loop.now() - trial.began
        local, local_port = _local(sock)
        self._record.note(Connected(at, trial.address.text, trial.address.port, local, local_port, seconds))
        return True

    def _failed(self, trial: Trial, code: int) -> None:
        kind, words = KINDS.get(code, "other"), os.strerror(code).lower()
        self._failure = self._failure or (kind, f"{trial.address.text}: {words}")
        self._note(trial, words, kind)

    def _give_up(self) -> None:
        for sock, trial in list(self._trials.items()):
            self._note(trial, "no answer in time", "timeout")
            self._drop(sock)
        raise Over("network", "deadline", "no address answered in time")

    def _note(self, trial: Trial, error: str | None, kind: str | None) -> None:
        address, seconds = trial.address, self._loop.now() - trial.began
        self._record.note(Attempt(self._record.at, address.text, address.port, seconds, error, kind))

    def _drop(self, sock: socket.socket) -> None:
        self._trials.pop(sock, None)
        self._loop.close(sock)


def _local(sock: socket.socket) -> tuple[str, int]:
    if sock.family == socket.AF_UNIX:
        return "", 0
    name = sock.getsockname()
    return str(name[0]), int(name[1])
