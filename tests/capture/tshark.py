"""TShark as an oracle: what it lists for a capture, with its keys."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest


class Listed(NamedTuple):
    """What TShark says of one stream: (sender's port, handshake type) in order."""

    messages: list[tuple[int, int]]


def tshark(*arguments: str) -> str:
    """The output of TShark, or a skip that says why there is none."""
    program = shutil.which("tshark")
    if program is None:
        pytest.skip("tshark is not installed")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=120, check=False)
    return done.stdout


def listed(path: Path, keylog: Path | None = None) -> dict[int, Listed]:
    """Handshake messages by ``tcp.stream``. A frame's messages come in the order of the wire."""
    # without it TShark loses what was captured out of order
    keys = ["-o", "tcp.reassemble_out_of_order:TRUE", *(["-o", f"tls.keylog_file:{keylog}"] if keylog else [])]
    fields = [argument for name in ("tcp.stream", "tcp.srcport", "tls.handshake.type") for argument in ("-e", name)]
    separated = ["-T", "fields", "-E", "separator=|", "-E", "occurrence=a", "-E", "aggregator=,"]
    text = tshark("-r", str(path), "-Y", "tls.handshake.type", *keys, *separated, *fields)
    found: dict[int, Listed] = {}
    for line in text.splitlines():
        stream, port, types = line.split("|")
        entry = found.setdefault(int(stream), Listed([]))
        # 99 and more are TShark's own numbers for encrypted messages
        entry.messages.extend((int(port), int(kind)) for kind in types.split(",") if int(kind) < 99)
    return found


def ca_names(path: Path, keylog: Path | None = None) -> list[int]:
    """How many bytes of CA names each CertificateRequest announces."""
    keys = ["-o", f"tls.keylog_file:{keylog}"] if keylog else []
    text = tshark("-r", str(path), "-Y", "tls.handshake.dnames_len", *keys, "-T", "fields", "-e", "tls.handshake.dnames_len")
    return [int(number) for line in text.splitlines() for number in line.split(",")]
