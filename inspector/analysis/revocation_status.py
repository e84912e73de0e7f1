"""A responder's word about one certificate."""

from __future__ import annotations

from typing import NamedTuple


class Status(NamedTuple):
    """What a responder said about one certificate: ``state`` is "good", "revoked", "unknown" or "unusable" (see ``detail``)."""

    certificate: bytes  # DER
    state: str
    detail: str
    responder: str
