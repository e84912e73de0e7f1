"""XMPP (RFC 6120): the stream header, STARTTLS, and the features that are offered after it.

The few tags that matter are found by their names; nothing of the peer's XML is interpreted (no entities, no tree).
"""

from __future__ import annotations

import re
from collections.abc import Generator

from inspector.app.result import AppResult
from inspector.app.talk import PeerBroke, Script, Want, text_of

LIMIT = 64 * 1024
FEATURES_END = re.compile(rb"</(?:[\w.-]+:)?features\s*>|<(?:[\w.-]+:)?features\s*/>|</(?:[\w.-]+:)?stream\s*>")
STREAM_ERROR = re.compile(rb"<(?:[\w.-]+:)?error\b[^>]*>\s*<([\w-]+)[\s/>]")
REFUSED = (b"not-authorized", b"policy-violation", b"host-unknown")
PROCEED = re.compile(rb"<(proceed|failure)\b[^>]*?(?:/>|[^/]>.*?</\1>)", re.DOTALL)


def _attribute(text: str) -> str:
    return "".join(f"&#{ord(c)};" if c in "<>&'\"" else c for c in text)


def _header(host: str) -> bytes:
    return (
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
        f"version='1.0' to='{_attribute(host)}'>"
    ).encode()


def _until(pattern: re.Pattern[bytes], send: bytes) -> Generator[Want, bytes, bytes]:
    seen = b""
    while not pattern.search(seen) and not STREAM_ERROR.search(seen):
        if len(seen) > LIMIT:
            raise PeerBroke("the stream's features do not end")
        seen += yield Want(send, -2)
        send = b""
    return seen


def _error_in(seen: bytes) -> AppResult | None:
    error = STREAM_ERROR.search(seen)
    if error is None:
        return None
    condition = error[1]
    return AppResult(
        "xmpp", True, False if condition in REFUSED[:1] else None, condition.decode("ascii", "replace"),
        f"stream error: {text_of(condition)}",
    )


def starttls(host: str) -> Script:
    features = yield from _until(FEATURES_END, _header(host))
    failed = _error_in(features)
    if failed is not None:
        return failed._replace(accepted=False)
    if b"urn:ietf:params:xml:ns:xmpp-tls" not in features:
        return AppResult("xmpp", True, False, None, "the server does not offer STARTTLS")
    answer = yield from _until(PROCEED, b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    found = PROCEED.search(answer)
    ok = found is not None and found[1] == b"proceed"
    if found is not None and answer[found.end() :].strip():
        raise PeerBroke("bytes came in plaintext after the go-ahead for TLS (an injection)")
    return AppResult("xmpp", True, ok, "proceed" if ok else "failure",
                     "the server agreed to TLS" if ok else f"the server refused STARTTLS: {text_of(answer)}")


def features(host: str) -> Script:
    """Open the stream again within TLS. The offer of SASL EXTERNAL means that the server would take the certificate as login."""
    seen = yield from _until(FEATURES_END, _header(host))
    failed = _error_in(seen)
    if failed is not None:
        return failed
    mechanisms = [m.decode("ascii", "replace") for m in re.findall(rb"<mechanism\b[^>]*>([^<]{1,40})<", seen)]
    return AppResult("xmpp", True, True, "features", f"SASL mechanisms: {', '.join(mechanisms) or 'none'}")
