"""Name resolution in threads, so that its deadline holds: getaddrinfo itself cannot be interrupted."""

from __future__ import annotations

import queue
import socket
import threading
from typing import NamedTuple

from inspector.target import is_ip_address

WORKERS = 16  # threads at most; each can be held up by one slow resolver

FAMILIES = {0: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}


class Address(NamedTuple):
    """One way to a host: what ``socket.connect`` takes, and the address as text."""

    family: int
    sockaddr: tuple[object, ...] | str
    text: str
    port: int


class Answer:
    """A question to the resolver: ``signal`` becomes readable when it is answered."""

    def __init__(self, host: str, port: int, family: int) -> None:
        self.question = (host, port, family)
        self.addresses: tuple[Address, ...] = ()
        self.error: str | None = None
        self.signal, self._done = socket.socketpair()

    def fulfil(self) -> None:
        """In the resolver's thread: ask, and signal."""
        try:
            self.addresses = look_up(*self.question)
        except (OSError, UnicodeError) as exc:
            self.error = error_text(exc)
        try:
            self._done.send(b"!")
        except OSError:
            pass  # nobody waits any more

    def close(self) -> None:
        """For the end that ``Loop.close`` does not see."""
        self._done.close()


def error_text(exc: Exception) -> str:
    """The system's words for a failure, without its number."""
    return str(getattr(exc, "strerror", None) or exc)


def look_up(host: str, port: int, family: int = 0, flags: int = 0) -> tuple[Address, ...]:
    """All TCP addresses of a host in the system's order, without duplicates. Raises OSError (as gaierror) or UnicodeError."""
    found = socket.getaddrinfo(host, port, FAMILIES[family], socket.SOCK_STREAM, 0, flags)
    addresses = [Address(item[0], item[4], str(item[4][0]), port) for item in found if item[0] in (socket.AF_INET, socket.AF_INET6)]
    return tuple(dict.fromkeys(addresses))


def needs_no_resolver(host: str) -> bool:
    """True for IP addresses and for names of this machine, which are answered at once."""
    return is_ip_address(host) or host in {"localhost", "localhost.localdomain", "ip6-localhost"}


class Resolver:
    """A few daemon threads, started when they are needed; answers are kept for the run."""

    def __init__(self) -> None:
        self._questions: queue.SimpleQueue[Answer | None] = queue.SimpleQueue()
        self._threads = 0
        self._known: dict[tuple[str, int, int], tuple[Address, ...]] = {}

    def known(self, host: str, port: int, family: int) -> tuple[Address, ...] | None:
        """What was answered to the same question before."""
        return self._known.get((host, port, family))

    def remember(self, question: tuple[str, int, int], addresses: tuple[Address, ...]) -> None:
        """Keep an answer; failures are asked again."""
        if addresses:
            self._known[question] = addresses

    def ask(self, host: str, port: int, family: int) -> Answer:
        answer = Answer(host, port, family)
        self._questions.put(answer)
        if self._threads < WORKERS:
            self._threads += 1
            threading.Thread(target=self._work, name="resolver", daemon=True).start()
        return answer

    def _work(self) -> None:
        while (answer := self._questions.get()) is not None:
            answer.fulfil()

    def close(self) -> None:
        """Let idle threads end; one that is held up ends with its question."""
        for _ in range(self._threads):
            self._questions.put(None)
