"""The gate before a request: what must hold of the channel before a single byte of the application leaves.

A requirement is a row of ``FACTS`` held against a transcript, once its verdict phase is over. The answer is yes, no, or "cannot be
told" (``ok`` None), and only yes opens the gate.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from inspector.analysis import client_auth, flights
from inspector.der import certificate as der
from inspector.errors import UsageError
from inspector.plan import TlsVersion
from inspector.trace import events as ev
from inspector.trace.transcript import Transcript
from inspector.wire import events as wire
from inspector.wire.events import Side

DEFAULT = "verified,client-not-rejected"
WARNING = 1
VERSIONS = {version.name.removeprefix("TLS").replace("_", "."): version.value for version in TlsVersion}


class Requirement(NamedTuple):
    """One word of ``--require``: ``name``, and where it compares, ``operator`` and ``value``."""

    name: str
    operator: str = ""
    value: str = ""

    def __str__(self) -> str:
        return self.name + self.operator + self.value


class Answer(NamedTuple):
    """Whether a requirement holds (None: cannot be told), and what was seen instead."""

    requirement: Requirement
    ok: bool | None
    seen: str


Fact = Callable[[Requirement, Transcript], tuple[bool | None, str]]


def _verified(_: Requirement, transcript: Transcript) -> tuple[bool | None, str]:
    judged = transcript.last(ev.Judged)
    if judged is None:
        return None, "the server was not judged"
    if judged.trusted and judged.host_matches is not False:
        return True, "chain and name hold"
    return False, "the server's name does not match" if judged.trusted else "the server's chain is not trusted"


def _not_rejected(_: Requirement, transcript: Transcript) -> tuple[bool | None, str]:
    """No fatal alert, no close: the driver ends the connection itself on these, so only alerts that came along are looked for."""
    alert = next((a for a in transcript.all(wire.Alert) if a.side is Side.SERVER and a.level != WARNING), None)
    if alert is None:
        return True, "no refusal came"
    return False, f"alert {alert.description} {flights.alert_name(alert.description)}"


def _accepted(_: Requirement, transcript: Transcript) -> tuple[bool | None, str]:
    judged = client_auth.judge(transcript)
    if judged.verdict == "accepted":
        return (True, judged.rests_on) if judged.sent else (None, "no certificate was sent")
    return (False if judged.verdict == "rejected" else None), judged.rests_on


def _requested(_: Requirement, transcript: Transcript) -> tuple[bool | None, str]:
    requested = flights.survey(transcript).requested
    return requested, "the server asked for a certificate" if requested else "the server did not ask for a certificate"


def _alpn(requirement: Requirement, transcript: Transcript) -> tuple[bool | None, str]:
    done = transcript.last(ev.HandshakeDone)
    seen = (done.alpn if done is not None else None) or "none"
    return seen == requirement.value, f"the server chose {seen}"


def _tls(requirement: Requirement, transcript: Transcript) -> tuple[bool | None, str]:
    done = transcript.last(ev.HandshakeDone)
    seen = (done.protocol if done is not None else "").removeprefix("TLSv").removesuffix(".0")
    number = VERSIONS.get("1.0" if seen == "1" else seen)
    if number is None:
        return None, "the version is not known"
    wanted = VERSIONS[requirement.value]
    holds = {"=": number == wanted, ">=": number >= wanted, "<=": number <= wanted}[requirement.operator]
    return holds, f"TLS {seen} was negotiated"


def _cipher(requirement: Requirement, transcript: Transcript) -> tuple[bool | None, str]:
    from inspector.wire.registry import CipherSuite

    done = transcript.last(ev.HandshakeDone)
    seen = CipherSuite(done.cipher).label if done is not None else "none"
    return seen.lower() == requirement.value.lower(), f"{seen} was negotiated"


def _group(requirement: Requirement, transcript: Transcript) -> tuple[bool | None, str]:
    done = transcript.last(ev.HandshakeDone)
    seen = (done.group if done is not None else None) or "none"
    return seen.lower() == requirement.value.lower(), f"{seen} was negotiated"


def server_leaf(transcript: Transcript) -> bytes | None:
    """The server's own certificate, DER; None where none was seen."""
    chain = flights.server_chain(transcript)
    if chain:
        return chain[0]
    judged = transcript.last(ev.Judged)
    return judged.path[0] if judged is not None and judged.path else None


def _peer_spki(requirement: Requirement, transcript: Transcript) -> tuple[bool | None, str]:
    """Any of curl's pins, ``sha256//BASE64``, joined by ``;``."""
    leaf = server_leaf(transcript)
    if leaf is None:
        return None, "no certificate of the server was seen"
    seen = "sha256//" + base64.b64encode(hashlib.sha256(der.parse(leaf).spki_der).digest()).decode()
    return seen in requirement.value.split(";"), f"the server's key is {seen}"


def _peer_certificate(requirement: Requirement, transcript: Transcript) -> tuple[bool | None, str]:
    leaf = server_leaf(transcript)
    if leaf is None:
        return None, "no certificate of the server was seen"
    seen = hashlib.sha256(leaf).hexdigest()
    return seen == requirement.value.replace(":", "").lower(), f"the server's certificate is {seen}"


# name -> (fact, operators it takes, pattern of its value)
FACTS: dict[str, tuple[Fact, tuple[str, ...], str]] = {
    "verified": (_verified, ("",), ""),
    "client-not-rejected": (_not_rejected, ("",), ""),
    "client-accepted": (_accepted, ("",), ""),
    "client-requested": (_requested, ("",), ""),
    "alpn": (_alpn, ("=",), r"[!-~]{1,255}"),
    "tls": (_tls, ("=", ">=", "<="), r"1\.[0-3]"),
    "cipher": (_cipher, ("=",), r"\w+"),
    "group": (_group, ("=",), r"[\w-]+"),
    "peer-spki": (_peer_spki, ("=",), r"(sha256//[A-Za-z0-9+/]{43}=)(;sha256//[A-Za-z0-9+/]{43}=)*"),
    "peer-certificate": (_peer_certificate, ("=",), r"[0-9A-Fa-f:]{64,95}"),
}

EXAMPLES = {
    "tls": "tls>=1.3", "alpn": "alpn=h2", "cipher": "cipher=TLS_AES_128_GCM_SHA256", "group": "group=X25519",
    "peer-spki": "peer-spki=sha256//BASE64", "peer-certificate": "peer-certificate=SHA256-IN-HEX",
}


def parse(text: str, *, insecure: bool = False) -> tuple[Requirement, ...]:
    """The requirements of ``--require``; the default ones for an empty text. ``insecure`` takes "verified" out of the default.

    Raises UsageError for a word that is not known.
    """
    if not text.strip():
        words = tuple(Requirement(name) for name in DEFAULT.split(","))
        return tuple(word for word in words if not (insecure and word.name == "verified"))
    named = tuple(_parse_one(word.strip()) for word in text.split(",") if word.strip())
    if not named:
        raise UsageError(f"--require '{text}' names no requirement", hint=f"the default is {DEFAULT}")
    return named


def _parse_one(word: str) -> Requirement:
    found = re.fullmatch(r"([a-z-]+?)(>=|<=|=)?((?<==).*)?", word)
    requirement = Requirement(found[1], found[2] or "", found[3] or "") if found else Requirement(word)
    row = FACTS.get(requirement.name)
    if row is None:
        raise UsageError(f"--require does not know '{word}'", hint=f"known are {', '.join(FACTS)}")
    if requirement.operator not in row[1] or not re.fullmatch(row[2], requirement.value):
        hint = f"write it as {EXAMPLES.get(requirement.name, requirement.name)}"
        raise UsageError(f"--require does not understand '{word}'", hint=hint)
    return requirement


def judge(requirements: Sequence[Requirement], transcript: Transcript) -> tuple[Answer, ...]:
    """Every requirement held against what happened."""
    return tuple(Answer(requirement, *FACTS[requirement.name][0](requirement, transcript)) for requirement in requirements)


def first_failure(answers: Sequence[Answer]) -> Answer | None:
    """What keeps the gate closed: a no before what cannot be told; None where it is open."""
    failures = [answer for answer in answers if answer.ok is not True]
    return next((answer for answer in failures if answer.ok is False), failures[0] if failures else None)


def closes(requirements: Sequence[Requirement]) -> Callable[[Any], str | None]:
    """The gate of a ``HandshakePlan``: the reason why nothing may be sent, or None."""

    def gate(transcript: Transcript) -> str | None:
        failure = first_failure(judge(requirements, transcript))
        return None if failure is None else f"{failure.requirement} does not hold: {failure.seen}"

    return gate
