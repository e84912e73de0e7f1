"""Key log lines (NSS key log format, RFC 9850): secrets by their label and the client's random."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

CLIENT_RANDOM = "CLIENT_RANDOM"  # the master secret, up to TLS 1.2
CLIENT_EARLY = "CLIENT_EARLY_TRAFFIC_SECRET"
CLIENT_HANDSHAKE = "CLIENT_HANDSHAKE_TRAFFIC_SECRET"
SERVER_HANDSHAKE = "SERVER_HANDSHAKE_TRAFFIC_SECRET"
CLIENT_TRAFFIC = "CLIENT_TRAFFIC_SECRET_0"
SERVER_TRAFFIC = "SERVER_TRAFFIC_SECRET_0"
# label -> lengths that a secret of it may have (hash sizes; 48 is the master secret)
LABELS: dict[str, tuple[int, ...]] = {
    CLIENT_RANDOM: (48,),
    CLIENT_EARLY: (32, 48),
    CLIENT_HANDSHAKE: (32, 48),
    SERVER_HANDSHAKE: (32, 48),
    CLIENT_TRAFFIC: (32, 48),
    SERVER_TRAFFIC: (32, 48),
}
OTHER_LABELS = frozenset({
    "EXPORTER_SECRET", "EARLY_EXPORTER_MASTER_SECRET", "EARLY_EXPORTER_SECRET", "CLIENT_TRAFFIC_SECRET_N",
    "SERVER_TRAFFIC_SECRET_N", "ECH_SECRET", "ECH_CONFIG", "RSA", "PMS_CLIENT_RANDOM",
})
MAX_LINE = 1024
MAX_CANDIDATES = 4096  # secrets that are tried where the client's random was not seen


class Secret(NamedTuple):
    """One secret of one connection. Its repr shows no secret."""

    label: str
    client_random: bytes
    value: bytes

    def __repr__(self) -> str:
        return f"Secret({self.label}, {len(self.value)} bytes)"


def parse_line(line: bytes) -> Secret | None:
    """The secret on one line; None for comments, blank lines, labels without use for decryption, and broken lines."""
    if len(line) > MAX_LINE:
        return None
    parts = line.lstrip(b"\xef\xbb\xbf").split()
    if len(parts) != 3:
        return None
    label = parts[0].decode("ascii", "replace")
    try:
        client_random, value = (bytes.fromhex(part.decode("ascii")) for part in parts[1:])
    except ValueError:
        return None
    if len(client_random) != 32 or len(value) not in LABELS.get(label, ()):
        return None
    return Secret(label, client_random, value)


class KeyLog:
    """Secrets, found by label and client random. One may serve many decoders; conflicting lines are all kept and tried."""

    def __init__(self, lines: Iterable[bytes] = ()) -> None:
        self._by_random: dict[tuple[str, bytes], list[Secret]] = {}
        self._by_label: dict[str, list[Secret]] = {}
        self.ignored = 0  # lines that held no usable secret, comments and blank lines aside
        self.count = 0
        for line in lines:
            self.add_line(line)

    def add_line(self, line: bytes) -> bool:
        """Take in one line. True where it held a secret that was not known yet."""
        secret = parse_line(line)
        if secret is None:
            word = line.split(maxsplit=1)[:1]
            if word and not word[0].startswith(b"#") and word[0].decode("ascii", "replace") not in OTHER_LABELS:
                self.ignored += 1
            return False
        return self.add(secret)

    def add(self, secret: Secret) -> bool:
        known = self._by_random.setdefault((secret.label, secret.client_random), [])
        if secret in known:
            return False
        known.append(secret)
        self._by_label.setdefault(secret.label, []).append(secret)
        self.count += 1
        return True

    def candidates(self, label: str, client_random: bytes | None) -> list[Secret]:
        """Secrets to try. Where the client's random was not seen, all of that label: only the right one opens a record."""
        if client_random is None:
            return self._by_label.get(label, [])[:MAX_CANDIDATES]
        return self._by_random.get((label, client_random), [])

    def __len__(self) -> int:
        return self.count
