"""The receipt of a request: what was said, over which channel, to whom and as whom, bound together by hashes.

The exporter value (RFC 9266: label EXPORTER-Channel-Binding, no context, 32 bytes) is one that both ends of this very channel can
compute, and nobody else; it is made from the session's secrets, which stay out of the receipt.
"""

from __future__ import annotations

import hashlib
from typing import Any

from inspector.analysis import flights
from inspector.app.http_exchange import Exchanges
from inspector.der import certificate as der
from inspector.report.certificates import rfc3339
from inspector.session.gate import Requirement, server_leaf
from inspector.trace import events as ev
from inspector.trace.transcript import Transcript
from inspector.wire.events import Side
from inspector.wire.protection import expand_label, prf
from inspector.wire.registry import CipherSuite
from inspector.wire.suites import suite_parts

SCHEMA = "mtls-inspector-receipt/1"
LABEL = b"EXPORTER-Channel-Binding"
LENGTH = 32
CLIENT_HELLO, SERVER_HELLO = 1, 2
TLS1_2 = 0x0303


def exporter_value(transcript: Transcript) -> bytes | None:
    """RFC 8446, Section 7.5, and RFC 5705 before TLS 1.3; None where the session's secrets are not there."""
    done = transcript.last(ev.HandshakeDone)
    if done is None:
        return None
    secrets = {}
    for event in transcript.all(ev.SecretLine):
        words = event.line.decode("ascii", "replace").split()
        if len(words) == 3:
            secrets[words[0]] = bytes.fromhex(words[2])
    hash_ = suite_parts(done.cipher).hash
    if "EXPORTER_SECRET" in secrets:
        secret, nothing = secrets["EXPORTER_SECRET"], hashlib.new(hash_, b"").digest()
        return expand_context(hash_, expand_context(hash_, secret, LABEL, nothing, len(secret)), b"exporter", nothing, LENGTH)
    randoms = _randoms(transcript)
    if "CLIENT_RANDOM" in secrets and randoms is not None and done.protocol == "TLSv1.2":
        return prf(TLS1_2, hash_, secrets["CLIENT_RANDOM"], LABEL + randoms, LENGTH)
    return None


def expand_context(hash_: str, secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
    """HKDF-Expand-Label with a context, for lengths up to that of the hash (RFC 8446, Section 7.1)."""
    if not context:
        return expand_label(hash_, secret, label, length)
    import hmac

    info = length.to_bytes(2, "big") + bytes((len(label) + 6,)) + b"tls13 " + label + bytes((len(context),)) + context
    return hmac.digest(secret, info + b"\x01", hash_)[:length]


def _randoms(transcript: Transcript) -> bytes | None:
    """client_random and server_random of the (last) hellos."""
    client, server = transcript.messages(CLIENT_HELLO, Side.CLIENT), transcript.messages(SERVER_HELLO, Side.SERVER)
    if not client or not server:
        return None
    return client[-1].body[2:34] + server[-1].body[2:34]


def receipt(transcript: Transcript, conversation: Exchanges, url: str, requirements: tuple[Requirement, ...]) -> dict[str, Any]:
    """The receipt, as JSON takes it. Request and response are hashed as they went over the channel, heads and framing included."""
    done = transcript.last(ev.HandshakeDone)
    leaf, sent = server_leaf(transcript), flights.survey(transcript).sent_chain
    exporter = exporter_value(transcript)
    return {
        "schema": SCHEMA,
        "at": rfc3339(transcript.started),
        "url": url,
        "requirements": [str(requirement) for requirement in requirements],
        "exchanges": [
            {
                "method": outcome.request.method,
                "target": outcome.request.target,
                "status": outcome.reply.status if outcome.reply is not None else None,
                "complete": outcome.reply is not None and outcome.reply.complete and outcome.error is None,
            }
            for outcome in conversation.outcomes
        ],
        "request": {"sha256": conversation.sent_sha256.hexdigest()},
        "response": {"sha256": conversation.received_sha256.hexdigest()},
        "server": {
            "certificate_sha256": hashlib.sha256(leaf).hexdigest() if leaf else None,
            "spki_sha256": der.parse(leaf).spki_sha256 if leaf else None,
        },
        "client": {"certificate_sha256": hashlib.sha256(sent[0]).hexdigest() if sent else None},
        "protocol": done.protocol if done is not None else None,
        "cipher": CipherSuite(done.cipher).label if done is not None else None,
        "exporter": {"label": LABEL.decode(), "length": LENGTH, "value": exporter.hex() if exporter is not None else None},
    }
