"""Session secrets of a key log file or of Decryption Secrets Blocks, by client random. Nothing here prints one."""

from __future__ import annotations

from collections.abc import Iterable

from inspector.wire.keylog import LABELS, KeyLog

MAX_LINE = 1024
_LABELS = frozenset(label.encode() for label in LABELS)
# Sessions whose secrets are tried on a connection whose ClientHello is not in the capture.
MAX_TRIED = 1024


class Secrets:
    """Key log lines (NSS format, RFC 9850) of many sessions, packed: a large key log is kept as little more than its own bytes."""

    def __init__(self) -> None:
        self._lines: dict[bytes, bytes] = {}
        self._found: set[bytes] = set()

    def __repr__(self) -> str:
        return f"Secrets({len(self._lines)} sessions)"

    def __len__(self) -> int:
        return len(self._lines)

    def __contains__(self, client_random: object) -> bool:
        return client_random in self._lines

    @property
    def found(self) -> int:
        """Sessions that somebody asked for, and whose secrets are here."""
        return len(self._found)

    def add(self, lines: Iterable[bytes]) -> set[bytes]:
        """Take in lines; what is no secret is passed over. Returns the client randoms that something new is known of."""
        new: set[bytes] = set()
        for line in lines:
            parts = line.lstrip(b"\xef\xbb\xbf").split() if len(line) <= MAX_LINE else []
            if len(parts) != 3 or len(parts[1]) != 64 or parts[0] not in _LABELS:
                continue
            try:
                random = bytes.fromhex(parts[1].decode("ascii"))
            except ValueError:
                continue
            whole = b" ".join(parts)
            known = self._lines.get(random)
            if known is None:
                self._lines[random] = whole
            elif whole not in known.split(b"\n"):
                self._lines[random] = known + b"\n" + whole
            else:
                continue
            new.add(random)
        return new

    def lines(self, client_random: bytes) -> list[bytes]:
        """All lines of this session."""
        known = self._lines.get(client_random)
        if known is None:
            return []
        self._found.add(client_random)
        return known.split(b"\n")

    def keylog(self) -> KeyLog | None:
        """All secrets, to be tried one by one; None where there are too many for that."""
        if not self._lines or len(self._lines) > MAX_TRIED:
            return None
        self._found.update(self._lines)  # any of them may be the right one
        return KeyLog(line for lines in self._lines.values() for line in lines.split(b"\n"))
