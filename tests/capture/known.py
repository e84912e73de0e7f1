"""The captures of ``fixtures/`` with their known answers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from inspector.capture.captured import Captured
from inspector.capture.reader import Reader
from inspector.wire.events import Alert, ChangeCipherSpec, Message, OpaqueRecord, Side
from inspector.wire.registry import HandshakeType

FIXTURES = Path(__file__).parents[2] / "fixtures"
FOLDERS = ("zeek-tls", "suricata-tls", "illustrated-tls", "go-crypto-tls", "rfc8448", "generated-ca-names")
VARIANTS = (".nsec", ".noDSB", ".dsb", ".snap400")

# names of TShark for the registry's
NAMES = {
    "hello_retry_request": "ServerHello", "server_hello": "ServerHello", "client_hello": "ClientHello",
    "server_key_exchange": "ServerKeyExchange", "new_session_ticket": "NewSessionTicket",
}


def captures() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (FIXTURES / folder).glob("*.pcap*"))


def base_of(path: Path) -> Path:
    """The path without its suffixes, and without the name of a variant: what its keylog and its answers are called."""
    name = path.name.partition(".pcap")[0]
    for variant in VARIANTS:
        name = name.removesuffix(variant)
    return path.with_name(name)


def keylog_of(path: Path) -> list[bytes]:
    """Lines for this capture; none for one that carries its secrets in itself."""
    base = base_of(path)
    log = base.with_name(base.name + ".keylog")
    return log.read_bytes().splitlines() if log.exists() and ".dsb" not in path.name else []


def answers_of(path: Path) -> dict[str, Any]:
    base = base_of(path)
    answers: dict[str, Any] = json.loads(base.with_name(base.name + ".expected.json").read_text())
    return answers


def read(path: Path, keylog: Iterable[bytes] | None = None) -> tuple[Reader, list[Captured]]:
    """The reader, and the TLS connections in the order of their streams."""
    with path.open("rb") as file:
        reader = Reader(file, path.name, keylog=keylog_of(path) if keylog is None else keylog)
        found = [captured for _, captured in reader if captured is not None]
    return reader, sorted(found, key=lambda captured: captured.stream)


def name_of(kind: int) -> str:
    label = HandshakeType(kind).label
    return NAMES.get(label, "".join(part.capitalize() for part in label.split("_")))


Fact = tuple[str, str, Any]


def facts(captured: Captured) -> list[Fact]:
    """(side, what, detail) of everything that was read in clear or opened, in order."""
    found: list[Fact] = []
    for event in captured.transcript.events:
        if isinstance(event, Message):
            found.append((event.side.value, name_of(event.type), len(event.body)))
        elif isinstance(event, ChangeCipherSpec):
            found.append((event.side.value, "ccs", None))
        elif isinstance(event, Alert):
            found.append((event.side.value, "alert", (event.level, event.description)))
        elif isinstance(event, OpaqueRecord) and event.alert:
            found.append((event.side.value, "alert", "encrypted"))
    return found


def answers(stream: dict[str, Any], client_port: int) -> list[Fact]:
    """The same of a stream of the known answers."""
    found: list[Fact] = []
    for event in stream["events"]:
        side = Side.CLIENT.value if event["src_port"] == client_port else Side.SERVER.value
        if "msg" in event:
            if "ncrypted" not in event["msg"].replace("EncryptedExtensions", ""):
                found.append((side, event["msg"], event["length"]))
        elif event.get("ccs"):
            found.append((side, "ccs", None))
        elif "alert" in event:
            alert = event["alert"]
            found.append((side, "alert", tuple(alert) if isinstance(alert, list) else alert))
    return found
