"""What cryptography's own verifier (Rust, the web's profile) makes of a server's chain, beside OpenSSL's verdict.

The two differ on purpose: OpenSSL takes what RFC 5280 leaves open, the other one follows the CA/Browser Forum's profile. What only
one of them accepts works with some clients and not with others; that is worth a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from inspector.analysis.hostname import as_address, to_dns
from inspector.analysis.loading import certificate
from inspector.der.certificate import parse
from inspector.der.times import to_datetime


class SecondOpinion(NamedTuple):
    """``accepts`` None: it could not be asked. ``reason`` is its own text, for people, or why it was not asked."""

    accepts: bool | None
    reason: str


def _subject(name: str | None, leaf: bytes) -> Any:
    """What the certificate has to be for. Without a name to check, its own first DNS name or address is taken."""
    from cryptography import x509

    if name is None:
        held = next((n for n in parse(leaf).ext.subject_alt_names if n.kind in {"DNS", "IP"}), None)
        if held is None:
            return None
        name = held.value.replace("*.", "a.", 1)
    address = as_address(name)
    return x509.IPAddress(address) if address is not None else x509.DNSName(to_dns(name))


def ask(
    chain: Sequence[bytes], anchors: Sequence[bytes], name: str | None, now: float, max_depth: int | None = None,
) -> SecondOpinion:
    """Verify a server's chain (DER, leaf first) as of ``now`` against ``anchors``. Never raises."""
    from cryptography.x509 import verification

    if not chain or not anchors:
        return SecondOpinion(None, "there is no root to verify against" if chain else "there is no certificate")
    try:
        subject = _subject(name, chain[0])
        if subject is None:
            return SecondOpinion(None, "the certificate holds no name to verify it for")
        store = verification.Store([certificate(der) for der in anchors])
        builder = verification.PolicyBuilder().store(store).time(to_datetime(now).replace(tzinfo=None))
        if max_depth is not None:
            builder = builder.max_chain_depth(max_depth)
        leaf, *others = [certificate(der) for der in chain]
        builder.build_server_verifier(subject).verify(leaf, others)
    except verification.VerificationError as exc:
        # the text names the certificate in question at its end, in a form for programmers
        said = str(exc).removeprefix("validation failed: ").partition(" (encountered")[0]
        return SecondOpinion(False, said or "no reason given")
    except Exception as exc:  # noqa: BLE001  it raises many types on certificates that it cannot parse
        return SecondOpinion(False, f"a certificate cannot be parsed ({type(exc).__name__})")
    return SecondOpinion(True, "")


def compare(openssl_accepts: bool, second: SecondOpinion) -> str:
    """One sentence on how the two verdicts stand to each other."""
    if second.accepts is None:
        return f"cryptography's verifier was not asked: {second.reason}"
    if second.accepts and openssl_accepts:
        return "cryptography's verifier accepts it too"
    if second.accepts:
        return "cryptography's verifier accepts what OpenSSL refuses: the two differ in the time, the roots or a rule of their own"
    if openssl_accepts:
        return (
            f"cryptography's verifier refuses what OpenSSL accepts ({second.reason}): it follows the profile of the public web, "
            "and clients that do so will refuse it too"
        )
    return f"cryptography's verifier refuses it too ({second.reason})"
