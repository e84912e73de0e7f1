"""What a client credential is once it is loaded. Nothing here prints a key."""

from __future__ import annotations

from typing import Any, NamedTuple


class Origin(NamedTuple):
    """Where a credential came from, for the report and for the findings about the file itself."""

    format: str  # "pem", "der", "pkcs12", "jks", "jceks", "kubeconfig", "kubernetes-secret", "cert-manager", "spiffe", "minted"
    files: tuple[str, ...] = ()
    encryption: tuple[str, ...] = ()  # names of the algorithms that protect the file, as in "pbeWithSHA1And40BitRC2-CBC"
    modes: tuple[int, ...] = ()  # permission bits of ``files``, where known
    others: tuple[bytes, ...] = ()  # certificates in the file that are not sent, DER
    notes: tuple[str, ...] = ()
    kept_as: str | None = None  # the name under which it is kept for the host, and was attached by itself


class Credential(NamedTuple):
    """A client certificate, what is sent with it, and its private key.

    ``chain`` is what goes into the Certificate message, DER, leaf first, in the order in which it will be sent. ``key`` is a
    private key of ``cryptography``.
    """

    source: str
    chain: tuple[bytes, ...]
    key: Any
    origin: Origin = Origin("minted")
    throw_away: bool = False  # made by this tool for a probe: may be shown to a server that is not verified

    def __repr__(self) -> str:
        return f"Credential(source={self.source!r}, certificates={len(self.chain)})"

    @property
    def leaf(self) -> bytes:
        return self.chain[0]
