"""The decoder: bytes of both sides and secrets in, events out. No I/O and no clock; the same for a live handshake and a capture.

Theory of operation. Each side's bytes are split into records, and all records go through one queue, so that events come out in the
order in which the bytes came in. A record at the head of the queue is opened (``locks``), its handshake bytes are joined to
messages (RFC 8446, Section 5.1), and each message updates what is negotiated (``negotiation``). Live, the secret of a record may
come later than the record: the head then waits for ``add_secret``, and everything behind it with it; ``flush`` gives up on waiting.
A record that cannot be opened is reported as opaque. Nothing is guessed: what was not authenticated is never parsed.

Limits: a record 18,432 bytes, a handshake message 1 MiB, 32 empty records in a row, 64 alerts in one record, and 16 MiB of records
that wait for secrets (then waiting ends). Past a limit that side is not decoded any further, and a Limit event says so.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from inspector.errors import MalformedMessage
from inspector.wire import messages as m
from inspector.wire.events import (
    Alert,
    ApplicationData,
    ChangeCipherSpec,
    Gap,
    Limit,
    Message,
    OpaqueRecord,
    Side,
    Truncated,
    WireEvent,
)
from inspector.wire.keylog import KeyLog
from inspector.wire.locks import Lock, Lock12, Lock13, LockUnknown, SecretsMissing
from inspector.wire.negotiation import Negotiation
from inspector.wire.records import Record
from inspector.wire.registry import HandshakeType
from inspector.wire.skimmer import Skimmer
from inspector.wire.splitter import Splitter

MAX_MESSAGE = 1 << 20
MAX_EMPTY_RECORDS = 32
MAX_ALERTS = 64
MAX_WAITING = 16 << 20
OVERHEAD = 17  # bytes of a record beside its data in TLS 1.3, and nearly so in TLS 1.2
SKIPPED_FROM = 4096  # with ``skip_data``: shorter records may be tickets, key updates or alerts

_CCS, _ALERT, _HANDSHAKE, _DATA = 20, 21, 22, 23
_SERVER_HELLO, _FINISHED = 2, 20
_TYPES = tuple(map(HandshakeType, range(256)))
# one record with the time and side it came from, or an event that has its place among them
_Queued = tuple["_Half", float, "Record | WireEvent"]


class _Half:
    """One side of the connection."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.splitter = Splitter(side)
        self.skimmer: Skimmer | None = None
        self.joined = bytearray()  # handshake bytes that are no whole message yet
        self.alert = b""
        self.empty_records = 0
        self.finished = False
        self.stopped = False  # a limit was hit
        self.resync = False  # after a gap: handshake bytes may begin inside a message
        self.gapped = False
        self.data_kept = 0


class Decoder:
    """Decodes one connection.

    ``keylog`` may be shared by many decoders. ``wait``: hold records whose secret is not known yet (live); a capture, whose secrets
    are all known before, says False. ``keep_data_limit``: bytes of application data kept per side (the rest is counted).
    ``skip_data``: do not even decrypt long application records, once the keys have proved right.
    """

    def __init__(
        self, *, keylog: KeyLog | None = None, wait: bool = True, keep_data_limit: int = 65_536, skip_data: bool = False
    ) -> None:
        self._keylog = KeyLog() if keylog is None else keylog
        self._wait = wait
        self._keep_data_limit = keep_data_limit
        self.skip_data = skip_data
        self._negotiation = Negotiation(self._keylog)
        self._halves = {side: _Half(side) for side in Side}
        self._queue: deque[_Queued] = deque()
        self._waiting_bytes = 0
        self._events: list[WireEvent] = []

    def feed(self, side: Side, data: bytes, at: float) -> None:
        """``side`` sent these bytes at ``at`` seconds."""
        half = self._halves[side]
        items = half.splitter.feed(data, at)
        if self._queue:
            self._enqueue(half, at, items)
            return
        done = 0
        try:
            for item in items:  # nothing waits: straight through, without the queue
                if not half.stopped:
                    if type(item) is Record:
                        self._record(half, at, item, wait=self._wait)
                    else:
                        self._other(half, item)  # type: ignore[arg-type]
                done += 1
        except SecretsMissing:
            self._enqueue(half, at, items[done:])

    def skim(self) -> bool:
        """From here on count records and read none, up to ``read_on``. False where that would cost the keys."""
        if self._queue or not all(half.stopped or self._can_skim(half) for half in self._halves.values()):
            return False
        for half in self._halves.values():
            half.skimmer = Skimmer(half.splitter.release())
        return True

    def _can_skim(self, half: _Half) -> bool:
        lock = self._negotiation.locks[half.side]
        return lock is not None and lock.numbered and not half.joined and not half.splitter.skipping

    def pass_over(self, side: Side, data: bytes | memoryview) -> bool:
        """Bytes of a side while records are skimmed; they may change after the next call. True where to read on."""
        skimmer = self._halves[side].skimmer
        assert skimmer is not None
        skimmer.feed(data)
        return skimmer.key_update

    def read_on(self, at: float) -> None:
        """Read again, beginning with the last piece of each side that was passed over."""
        for half in self._halves.values():
            skimmer, half.skimmer = half.skimmer, None
            lock = self._negotiation.locks[half.side]
            if skimmer is None or lock is None:
                continue
            passed, piece = skimmer.stop()
            half.splitter.skip(skimmer.rest)
            lock.lose(passed.records)
            self._events.append(ApplicationData(half.side, at, max(0, passed.size - OVERHEAD * passed.records), None))
            if piece:
                self.feed(half.side, piece, at)

    def gap(self, side: Side, missing: int, at: float) -> None:
        """``missing`` bytes of this side were not captured. Before the first byte: the capture begins inside a connection."""
        half = self._halves[side]
        half.splitter.gap(missing)
        self._queue.append((half, at, Gap(side, at, missing)))
        self._run(wait=self._wait)

    def end(self, side: Side, at: float) -> None:
        """The stream of this side is over: says so where it ended inside a record or message."""
        half = self._halves[side]
        self._enqueue(half, at, half.splitter.end(at))
        self._queue.append((half, at, Truncated(side, at, "", 0, None)))
        self._run(wait=self._wait)

    def add_secret(self, keylog_line: bytes) -> None:
        """A line of key log; records that waited for it are opened now."""
        if self._keylog.add_line(keylog_line) and self._queue:
            self._run(wait=self._wait)

    def flush(self) -> None:
        """Give up waiting: what cannot be opened with the secrets so far is reported as opaque."""
        for half in self._halves.values():
            self._enqueue(half, 0.0, half.splitter.flush())
        self._run(wait=False)

    def events(self) -> list[WireEvent]:
        """The events since the last call, in wire order."""
        events, self._events = self._events, []
        return events

    @property
    def waiting(self) -> bool:
        """True while records wait for their secrets."""
        return bool(self._queue)

    def incomplete(self, side: Side) -> bool:
        """True where this side's bytes so far end inside a record or a handshake message."""
        half = self._halves[side]
        return half.splitter.pending > 0 or bool(half.joined)

    def announced(self, side: Side) -> int | None:
        """Bytes that the unfinished handshake message of this side says it has, None where there is none."""
        joined = self._halves[side].joined
        return int.from_bytes(joined[1:4], "big") if len(joined) >= 4 else None

    # -- the queue

    def _enqueue(self, half: _Half, at: float, items: list[Record | WireEvent]) -> None:
        if not items:
            return
        for item in items:
            self._queue.append((half, at, item))
            if type(item) is Record:
                self._waiting_bytes += len(item.payload)
        self._run(wait=self._wait and self._waiting_bytes <= MAX_WAITING)

    def _run(self, *, wait: bool) -> None:
        queue = self._queue
        while queue:
            half, at, item = queue[0]
            try:
                if not isinstance(item, Record):
                    if not half.stopped:
                        self._other(half, item)
                    queue.popleft()
                    continue
                if not half.stopped:
                    self._record(half, at, item, wait=wait)
            except SecretsMissing:
                return
            queue.popleft()
            self._waiting_bytes -= len(item.payload)

    def _other(self, half: _Half, event: WireEvent) -> None:
        if isinstance(event, Truncated):
            self._ended(half, event)
            return
        self._events.append(event)
        if isinstance(event, Limit):
            half.stopped = True
        elif isinstance(event, Gap):
            half.joined.clear()
            half.alert = b""
            half.resync = half.gapped = True
            lock = self._negotiation.locks[half.side]
            if lock is not None:
                # a full record is the most that fits; what else fits is searched for
                lock.lose(max(1, event.missing // 16_406 + 1))

    def _ended(self, half: _Half, event: Truncated) -> None:
        if event.what:
            self._events.append(event)
        elif half.joined:
            have = len(half.joined)
            expected = int.from_bytes(half.joined[1:4], "big") + 4 if have >= 4 else None
            self._events.append(Truncated(half.side, event.at, "handshake message", have, expected))

    # -- records

    def _record(self, half: _Half, at: float, record: Record, *, wait: bool) -> None:
        lock, kind = self._negotiation.locks[half.side], record.type
        if kind == _DATA and (lock is None or isinstance(lock, LockUnknown)) and not _is_before_13(half, lock):
            lock = self._negotiation.protected_record(half.side)
        if lock is None or _is_plain(lock, record):
            if kind == _HANDSHAKE and record.payload:
                half.empty_records = 0
                self._handshake(half, at, record, record.payload, None)
            elif half.gapped and (kind == _DATA or (kind == _ALERT and len(record.payload) != 2)):
                self._opaque(half, at, record, lock)  # encrypted: what said so was in the gap
            else:
                self._content(half, at, record, kind, record.payload, None)
            return
        if self.skip_data and self._skips(lock, record):
            lock.lose(1, record)
            self._events.append(ApplicationData(half.side, at, max(len(record.payload) - OVERHEAD, 0), None))
            return
        opened = lock.open(record, wait=wait)
        if opened is None:
            self._opaque(half, at, record, lock)
        else:
            self._content(half, at, record, opened.type, opened.content, lock)

    def _skips(self, lock: Lock, record: Record) -> bool:
        return record.type == _DATA and len(record.payload) >= SKIPPED_FROM and lock.proven

    def _opaque(self, half: _Half, at: float, record: Record, lock: Lock | None) -> None:
        size = len(record.payload)
        if record.type == _DATA and (isinstance(lock, Lock12) or _is_before_13(half, lock)):
            self._events.append(ApplicationData(half.side, at, size, None))
            return
        before_13 = not isinstance(lock, Lock13)
        handshake = before_13 and record.type == _HANDSHAKE
        self._events.append(
            OpaqueRecord(half.side, at, record.type, size, handshake=handshake, alert=record.type == _ALERT)
        )
        if handshake:
            half.finished = True  # the first message after ChangeCipherSpec is Finished

    # -- contents

    def _content(self, half: _Half, at: float, record: Record, kind: int, content: bytes, lock: Lock | None) -> None:
        if not content and kind != _DATA and not self._count_empty(half, at):
            return
        if content:
            half.empty_records = 0
        if kind == _HANDSHAKE:
            self._handshake(half, at, record, content, lock)
        elif kind == _ALERT:
            self._alert(half, at, content, encrypted=lock is not None and lock.encrypts)
        elif kind == _CCS:
            self._events.append(ChangeCipherSpec(half.side, at))
            self._negotiation.change_cipher_spec(half.side)
        elif kind == _DATA:
            self._data(half, at, content, encrypted=lock is not None and lock.encrypts)
        elif content:
            self._events.append(OpaqueRecord(half.side, at, kind, len(content)))

    def _count_empty(self, half: _Half, at: float) -> bool:
        half.empty_records += 1
        if half.empty_records <= MAX_EMPTY_RECORDS:
            return True
        self._stop(half, at, f"more than {MAX_EMPTY_RECORDS} empty records in a row")
        return False

    def _stop(self, half: _Half, at: float, what: str) -> None:
        self._events.append(Limit(half.side, at, what))
        half.stopped = True
        half.splitter.stop()
        half.joined.clear()

    def _data(self, half: _Half, at: float, content: bytes, *, encrypted: bool) -> None:
        if not content and not self._count_empty(half, at):
            return
        keep = half.data_kept < self._keep_data_limit
        if keep:
            half.data_kept += len(content)
        self._events.append(ApplicationData(half.side, at, len(content), content if keep else None, encrypted))

    def _alert(self, half: _Half, at: float, content: bytes, *, encrypted: bool) -> None:
        content = half.alert + content
        if len(content) > 2 * MAX_ALERTS:
            self._stop(half, at, f"an alert record of {len(content)} bytes")
            return
        whole = len(content) & ~1
        half.alert = content[whole:]
        for i in range(0, whole, 2):
            self._events.append(Alert(half.side, at, content[i], content[i + 1], encrypted))

    # -- handshake messages

    def _handshake(self, half: _Half, at: float, record: Record, content: bytes, lock: Lock | None) -> None:
        if half.resync:
            if not _begins_message(content):
                self._events.append(OpaqueRecord(half.side, at, record.type, len(content)))
                return
            half.resync = False
        joined = half.joined
        if not joined and 4 <= len(content) == (content[1] << 16 | content[2] << 8 | content[3]) + 4 <= MAX_MESSAGE:
            # as a rule a record holds one message
            self._message(half, at, content[0], content[4:], record.version, lock)
            return
        joined += content
        while len(joined) >= 4:
            size = int.from_bytes(joined[1:4], "big")
            if size > MAX_MESSAGE:
                name = HandshakeType(joined[0]).label
                self._stop(half, at, f"a handshake message ({name}) of {size} bytes, more than {MAX_MESSAGE} are not read")
                return
            if len(joined) < 4 + size:
                return
            kind, body = joined[0], bytes(joined[4 : 4 + size])
            del joined[: 4 + size]
            self._message(half, at, kind, body, record.version, lock)

    def _message(self, half: _Half, at: float, kind: int, body: bytes, record_version: int, lock: Lock | None) -> None:
        value: Any
        try:
            context = self._negotiation.context(half.side, record_version, lock)
            if kind in m.REPEATED and len(body) <= m.REMEMBERED_BYTES:
                value = m.parse_again(kind, body, context)
            else:
                value = m.parse(kind, body, context)
        except MalformedMessage as exc:
            value = exc.with_traceback(None)
        type_ = _TYPES[kind]
        if kind == _SERVER_HELLO and isinstance(value, m.ServerHello) and value.is_retry:
            type_ = HandshakeType.HELLO_RETRY_REQUEST
        late = half.finished and ((lock is not None and lock.tls13) or self._halves[half.side.other].finished)
        self._events.append(Message(half.side, at, type_, body, value, lock is not None and lock.encrypts, late))
        self._negotiation.message(half.side, kind, value)
        if kind == _FINISHED:
            half.finished = True


def _is_before_13(half: _Half, lock: Lock | None) -> bool:
    """True where the version was not seen, and a protected record said that it holds a handshake message: TLS 1.3 has none such."""
    return half.finished and isinstance(lock, LockUnknown)


def _is_plain(lock: Lock, record: Record) -> bool:
    """True for records that nothing protects although the side has keys."""
    if isinstance(lock, Lock13):
        # TLS 1.3 protects everything inside application_data; other types are what they seem (RFC 8446, Appendix D.4). There an
        # alert is one to a record (Section 5.1): a longer one is protected, and the version only seemed to be 1.3.
        return record.type != _DATA and not (record.type == _ALERT and len(record.payload) != 2)
    if isinstance(lock, LockUnknown) and record.type == _HANDSHAKE:
        # the second ClientHello of TLS 1.3 follows a ChangeCipherSpec; a cipher text does not have this form but by chance
        body = len(record.payload) - 4
        return body > 38 and record.payload[0] == 1 and int.from_bytes(record.payload[1:4], "big") == body
    return False


def _begins_message(content: bytes) -> bool:
    """True where handshake bytes after a gap look like the start of a message, not its inside."""
    if len(content) < 4 or not HandshakeType(content[0]).is_known:
        return False
    size = int.from_bytes(content[1:4], "big")
    return size <= 1 << 16 and (size + 4 >= len(content) or HandshakeType(content[size + 4]).is_known)
