"""What the hellos of a connection say that decoding the rest needs, and how a handshake message changes it."""

from __future__ import annotations

from typing import Any

from inspector.wire import extensions as x
from inspector.wire import messages as m
from inspector.wire.events import Side
from inspector.wire.keylog import KeyLog
from inspector.wire.locks import Lock, Lock12, Lock13, LockUnknown
from inspector.wire.registry import ExtensionType, HandshakeType
from inspector.wire.suites import suite_parts

_SERVER_HELLO = 2


class Negotiation:
    """The current handshake of a connection. None is what was not seen (yet)."""

    def __init__(self, keylog: KeyLog) -> None:
        self.keylog = keylog
        self.version: int | None = None
        self.suite: int | None = None
        self.client_random: bytes | None = None
        self.server_random: bytes | None = None
        self.etm = False
        self.retried = False
        self.locks: dict[Side, Lock | None] = {Side.CLIENT: None, Side.SERVER: None}
        self._context: m.Context | None = None  # once a ServerHello said it
        self._raw_public_keys: set[Side] = set()  # who sends one instead of certificates

    @property
    def tls13(self) -> bool:
        return self.version is not None and m.is_tls13(self.version)

    def context(self, side: Side, record_version: int, lock: Lock | None) -> m.Context:
        """What parsing the next message needs; without a ServerHello, what the record lets one suppose."""
        if self._context is not None:
            return self._context._replace(raw_public_key=True) if side in self._raw_public_keys else self._context
        return m.Context(0x0304 if lock is not None and lock.tls13 else record_version)

    def client_hello(self, hello: m.ClientHello) -> None:
        self.client_random = hello.random
        if hello.offers_early_data and not self.retried:
            self.locks[Side.CLIENT] = Lock13(self.keylog, hello.random, from_client=True, early=True)

    def server_hello(self, hello: m.ServerHello) -> None:
        self.version, self.suite = hello.version, hello.cipher_suite
        self._context = m.Context(self.version, suite_parts(self.suite).key_exchange)
        self._raw_public_keys = _raw_public_keys(hello.extensions)
        if hello.is_retry:
            self.retried = True
            self.locks[Side.CLIENT] = None  # early data is rejected, the second ClientHello is plain
            return
        self.server_random = hello.random
        self.etm = x.has(hello.extensions, ExtensionType.ENCRYPT_THEN_MAC)
        if self.tls13:
            for side in Side:
                self._lock_13(side)
        elif isinstance(self.locks[Side.CLIENT], Lock13):
            self.locks[Side.CLIENT] = None  # the server chose a version without early data

    def _lock_13(self, side: Side) -> Lock13:
        lock = self.locks[side]
        if not isinstance(lock, Lock13):
            lock = Lock13(self.keylog, self.client_random, from_client=side is Side.CLIENT)
            self.locks[side] = lock
        lock.suite = self.suite
        return lock

    def change_cipher_spec(self, side: Side) -> None:
        """From here on ``side`` encrypts, up to TLS 1.2 (RFC 5246, Section 7.1). In TLS 1.3 it means nothing."""
        if self.tls13 or isinstance(self.locks[side], Lock13):
            return
        if self.version is None:
            self.locks[side] = LockUnknown()
            return
        self.locks[side] = Lock12(
            self.keylog, self.version, self.suite, self.client_random, self.server_random,
            from_client=side is Side.CLIENT, etm=self.etm,
        )  # fmt: skip

    def protected_record(self, side: Side) -> Lock | None:
        """The lock for an application_data record: TLS 1.3 encrypts without a word where its hellos were not seen."""
        lock = self.locks[side]
        if (lock is None or isinstance(lock, LockUnknown)) and (self.tls13 or self.version is None):
            return self._lock_13(side)
        return lock

    def message(self, side: Side, kind: int, value: Any) -> None:
        """A whole handshake message of ``side`` came."""
        lock = self.locks[side]
        if kind <= _SERVER_HELLO:
            if isinstance(value, m.ClientHello):
                self.client_hello(value)
            elif isinstance(value, m.ServerHello):
                self.server_hello(value)
        elif isinstance(value, m.EncryptedExtensions):
            self._raw_public_keys = _raw_public_keys(value.extensions)
        elif not isinstance(lock, Lock13):
            return
        elif kind == HandshakeType.FINISHED:
            lock.finished()
        elif kind == HandshakeType.END_OF_EARLY_DATA:
            lock.end_of_early_data()
        elif kind == HandshakeType.KEY_UPDATE:
            lock.update()


_RAW_PUBLIC_KEY = 2
_CERTIFICATE_TYPES = ((Side.CLIENT, ExtensionType.CLIENT_CERTIFICATE_TYPE), (Side.SERVER, ExtensionType.SERVER_CERTIFICATE_TYPE))


def _raw_public_keys(extensions: tuple[x.Extension, ...]) -> set[Side]:
    """The sides that send a raw public key, by what the server chose (RFC 7250, Section 4.2)."""
    return {side for side, kind in _CERTIFICATE_TYPES if x.find(extensions, kind) == (_RAW_PUBLIC_KEY,)}
