"""Which keys open a side's next record. A lock finds secrets in the key log, tries them, and keeps the record numbers right.

Every trial is authenticated, so trying the wrong secret, or the right one at the wrong record number, costs time but never yields
garbage. That is what makes it safe to search: among the secrets of an unseen client random, after a gap in a capture, or when some
records passed before their secret was known.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from inspector.wire import keylog as kl
from inspector.wire.keylog import KeyLog
from inspector.wire.protection import (
    MAC_SIZES,
    Aead12,
    Aead13,
    CannotOpen,
    Opener,
    Unencrypted,
    next_traffic_secret,
    opener_12,
)
from inspector.wire.records import Record
from inspector.wire.suites import Suite, suite_parts

SEARCH_BUDGET = 4096  # trials beyond the expected one that a side may cost
SEARCH_WIDTH = 256  # record numbers tried at most for one record
SUITES_BY_SECRET = {32: (0x1301, 0x1303, 0x1304, 0x1305), 48: (0x1302,)}


class SecretsMissing(Exception):
    """The record may be opened once more secrets come."""


class Opened(NamedTuple):
    """A record's content. TLS 1.3 hides the content type inside (RFC 8446, Section 5.2)."""

    type: int
    content: bytes


class Search:
    """The record numbers to try: the expected one, then those that unopened or lost records may have led to."""

    def __init__(self) -> None:
        self.expected = 0
        self.unopened = 0
        self._budget = SEARCH_BUDGET

    def others(self) -> Iterator[int]:
        """The less likely ones: not each record that was not opened had a number of this epoch."""
        for number in range(self.expected, self.expected + min(self.unopened, SEARCH_WIDTH)):
            if self._budget <= 0:
                return
            self._budget -= 1
            yield number

    def spend(self) -> bool:
        """True while there is still something left to try with."""
        self._budget -= 1
        return self._budget > 0

    def found(self, number: int) -> None:
        self.expected, self.unopened = number + 1, 0

    def restart(self) -> None:
        self.expected, self.unopened = 0, 0


def _open_at(opener: Opener, search: Search, record: Record) -> bytes | None:
    number = search.expected + search.unopened
    opener.sequence = number
    try:
        content = opener.open(record.type, record.version, record.header, record.payload)
    except CannotOpen:
        return _open_elsewhere(opener, search, record) if search.unopened else None
    search.expected, search.unopened = number + 1, 0
    return content


def _open_elsewhere(opener: Opener, search: Search, record: Record) -> bytes | None:
    for number in search.others():
        opener.sequence = number
        try:
            content = opener.open(record.type, record.version, record.header, record.payload)
        except CannotOpen:
            continue
        search.found(number)
        return content
    return None


class Lock12:
    """One side's records after its ChangeCipherSpec, up to TLS 1.2. Everything is fixed at that moment."""

    tls13 = False

    def __init__(
        self, keylog: KeyLog, version: int | None, suite: int | None, client_random: bytes | None, server_random: bytes | None,
        *, from_client: bool, etm: bool,
    ) -> None:  # fmt: skip
        self._keylog = keylog
        self._version = version
        self._suite: Suite | None = None if suite is None else suite_parts(suite)
        self._client_random, self._server_random = client_random, server_random
        self._from_client, self._etm = from_client, etm
        self._opener: Opener | None = None
        self._search = Search()
        # SSLv3 makes its keys in another way
        self.hopeless = (
            version is None or version < 0x0301 or self._suite is None or self._suite.cipher is None or server_random is None
        )
        cipher = None if self._suite is None else self._suite.cipher
        self.encrypts = cipher is None or cipher.mode != "null"

    @property
    def proven(self) -> bool:
        """True once a record was opened with these keys."""
        return self._opener is not None

    @property
    def numbered(self) -> bool:
        """True where a record's number is all that the records before it have to do with it."""
        return isinstance(self._opener, Aead12)

    def open(self, record: Record, *, wait: bool) -> Opened | None:
        """The content, None where it cannot be opened; with ``wait``, raises SecretsMissing where a secret may still come."""
        content = self._try(record)
        if content is None and self._opener is None and self._may_be_plain():
            assert self._suite is not None
            self._opener = Unencrypted(MAC_SIZES[self._suite.mac])
            content = self._try(record)
        if content is not None:
            return Opened(record.type, content)
        if wait and not self.hopeless and not self._has_secrets():
            raise SecretsMissing
        self.lose(1, record)
        return None

    def _has_secrets(self) -> bool:
        return bool(self._keylog.candidates(kl.CLIENT_RANDOM, self._client_random))

    def _may_be_plain(self) -> bool:
        """True where nothing is encrypted, and no secret is there to check the MAC with."""
        return self._suite is not None and self._suite.mac in MAC_SIZES and not self.encrypts and not self._has_secrets()

    def _try(self, record: Record) -> bytes | None:
        if self._opener is not None:
            return _open_at(self._opener, self._search, record)
        if self.hopeless or not self._keylog.count:
            return None
        for secret in self._keylog.candidates(kl.CLIENT_RANDOM, self._client_random):
            opener = self._keys(secret)
            content = None if opener is None else _open_at(opener, self._search, record)
            if content is not None:
                self._opener = opener
                return content
            if not self._search.spend():
                break
        return None

    def _keys(self, secret: kl.Secret) -> Opener | None:
        assert self._suite is not None
        assert self._version is not None
        assert self._server_random is not None
        return opener_12(
            self._version, self._suite, secret.value, secret.client_random, self._server_random,
            from_client=self._from_client, etm=self._etm,
        )  # fmt: skip

    def lose(self, records: int, record: Record | None = None) -> None:
        """``records`` more were not opened: skipped, lost in a gap, or not authentic."""
        self._search.unopened += records
        if record is not None and self._opener is not None:
            self._opener.pass_over(record.payload)

    def update(self) -> None:
        """KeyUpdate does not exist before TLS 1.3."""


class _Epoch:
    """One epoch of one side in TLS 1.3: its secrets' label, and its keys once they were found."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.opener: Aead13 | None = None
        self.secret = b""
        self.hash = ""
        self.search = Search()


class Lock13:
    """One side's protected records in TLS 1.3: early data (client only), handshake, application.

    The epoch in use is known from the messages; later ones are tried as well, because the message that ends an epoch may be missing
    from a capture or unreadable for want of its secret.
    """

    tls13 = encrypts = True
    hopeless = False

    def __init__(self, keylog: KeyLog, client_random: bytes | None, *, from_client: bool, early: bool = False) -> None:
        self._keylog = keylog
        self.client_random = client_random
        self.suite: int | None = None
        labels = [kl.CLIENT_HANDSHAKE, kl.CLIENT_TRAFFIC] if from_client else [kl.SERVER_HANDSHAKE, kl.SERVER_TRAFFIC]
        self._epochs = [_Epoch(label) for label in ([kl.CLIENT_EARLY] if early else []) + labels]

    @property
    def proven(self) -> bool:
        """True once an application record was opened."""
        return len(self._epochs) == 1 and self._epochs[0].opener is not None

    @property
    def numbered(self) -> bool:
        """As ``Lock12.numbered``: once there is only one epoch left that they can belong to."""
        return len(self._epochs) == 1

    @property
    def in_early_data(self) -> bool:
        return self._epochs[0].label == kl.CLIENT_EARLY

    def open(self, record: Record, *, wait: bool) -> Opened | None:
        """As ``Lock12.open``."""
        if not wait and not self._keylog.count:  # a capture without keys: nothing to try
            self.lose(1)
            return None
        first = self._epochs[0]
        if first.opener is not None:
            plain = _open_at(first.opener, first.search, record)
            if plain is not None:
                return _inner(plain)
        return self._open_slowly(record, wait=wait)

    def _open_slowly(self, record: Record, *, wait: bool) -> Opened | None:
        """Try every epoch that may have begun."""
        missing = False
        for index, epoch in enumerate(self._epochs):
            plain = None if index == 0 and epoch.opener is not None else self._try(epoch, record)
            if plain is not None:
                del self._epochs[:index]
                return _inner(plain)
            if epoch.opener is None and epoch.label != kl.CLIENT_EARLY:
                missing = missing or not self._keylog.candidates(epoch.label, self.client_random)
        if wait and missing:
            raise SecretsMissing
        self.lose(1)
        return None

    def _try(self, epoch: _Epoch, record: Record) -> bytes | None:
        if epoch.opener is not None:
            return _open_at(epoch.opener, epoch.search, record)
        for secret in self._keylog.candidates(epoch.label, self.client_random):
            for number in self._suites(len(secret.value), epoch):
                suite = suite_parts(number)
                opener = Aead13(suite, secret.value)
                plain = _open_at(opener, epoch.search, record)
                if plain is not None:
                    epoch.opener, epoch.secret, epoch.hash = opener, secret.value, suite.hash
                    return plain
                if not epoch.search.spend():
                    return None
        return None

    def _suites(self, secret_size: int, epoch: _Epoch) -> tuple[int, ...]:
        possible = SUITES_BY_SECRET[secret_size]
        if self.suite is None or epoch.label == kl.CLIENT_EARLY:  # early data bears the suite of the session before
            return possible
        return (self.suite,) if self.suite in possible else ()

    def lose(self, records: int, record: Record | None = None) -> None:  # noqa: ARG002
        """As ``Lock12.lose``: they may belong to any epoch that is still to come."""
        for epoch in self._epochs:
            epoch.search.unopened += records

    def end_of_early_data(self) -> None:
        """The client's EndOfEarlyData: handshake keys from here on."""
        if self.in_early_data:
            self._next_epoch()

    def finished(self) -> None:
        """The Finished of this side: application keys from here on (RFC 8446, Section 4.4.4)."""
        while len(self._epochs) > 1:
            self._next_epoch()

    def _next_epoch(self) -> None:
        del self._epochs[0]
        self._epochs[0].search.restart()

    def update(self) -> None:
        """A KeyUpdate of this side: the next generation of application keys (RFC 8446, Section 7.2)."""
        epoch = self._epochs[-1]
        if epoch.opener is None or self.suite is None:
            return
        epoch.secret = next_traffic_secret(epoch.hash, epoch.secret)
        epoch.opener = Aead13(suite_parts(self.suite), epoch.secret)
        epoch.search.restart()


class LockUnknown:
    """Protected records of a connection of which too little was seen to know how."""

    tls13 = False
    hopeless = encrypts = True
    proven = numbered = False

    def open(self, record: Record, *, wait: bool) -> Opened | None:  # noqa: ARG002
        return None

    def lose(self, records: int, record: Record | None = None) -> None:
        pass

    def update(self) -> None:
        pass


Lock = Lock12 | Lock13 | LockUnknown


def _inner(plain: bytes) -> Opened:
    """Content type and content of a TLSInnerPlaintext; all padding is an empty record of type 0."""
    stripped = plain.rstrip(b"\0")
    if not stripped:
        return Opened(0, b"")
    return Opened(stripped[-1], stripped[:-1])
