"""Throw-away credentials for the trust probes, made in memory. None of them names an address that anybody could be sent to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from inspector.credentials import mint
from inspector.credentials.model import Credential
from inspector.der import certificate
from inspector.session.audit.recipes import Files, recipe

DAY = 86400.0


class Kit:
    """Makes each credential when it is first asked for. ``good`` lends its subject; ``issuer`` is the user's own CA or None."""

    def __init__(self, good: Credential | None, issuer: mint.Minted | None, now: float) -> None:
        self._good = good
        self._issuer = issuer
        self._now = now
        self._made: dict[str, Credential] = {}

    def _subject(self) -> bytes | None:
        """The good credential's own subject, so that an application that reads names only is found out."""
        return certificate.parse(self._good.leaf).subject_der if self._good is not None else None

    def _keep(self, label: str, minted: mint.Minted, chain: tuple[bytes, ...] | None = None) -> Credential:
        return self._made.setdefault(label, minted.credential(label, chain=chain))

    def self_signed(self) -> Credential:
        """A self-signed certificate with the good one's subject."""
        return self._made.get("self-signed") or self._keep(
            "self-signed", mint.leaf("audit", subject=self._subject(), now=self._now)
        )

    def named(self, common: str) -> Credential:
        """A self-signed certificate of somebody with this name, to be told of in headers."""
        return self._made.get(common) or self._keep(common, mint.leaf(common, now=self._now))

    def own_root(self) -> Credential:
        """A leaf with the good one's subject below a root of our own, sent with the root."""
        if "own root" in self._made:
            return self._made["own root"]
        root = mint.authority("audit throw-away root", now=self._now)
        made = mint.leaf("audit", root, subject=self._subject(), now=self._now)
        return self._keep("own root", made, (made.cert, root.cert))

    def alone(self) -> Credential:
        """A leaf with the good one's subject below a root of our own that is not sent: its issuer cannot be found."""
        if "unknown CA" in self._made:
            return self._made["unknown CA"]
        root = mint.authority("audit unsent root", now=self._now)
        made = mint.leaf("audit", root, subject=self._subject(), now=self._now)
        return self._keep("unknown CA", made, (made.cert,))

    def lookalikes(self, names: tuple[bytes, ...]) -> Iterator[tuple[str, Credential]]:
        """Leaves below a CA that bears each of the names (DER), in the forms that servers fall for differently.

        OpenSSL finds a CA by name and key identifier: with the identifier copied the signature fails, with another the issuer is
        not found, and a server that ignores only one of the two errors lets only one form in. Without identifiers the name alone
        counts.
        """
        for name in names:
            words = certificate_name(name)
            for form, faults in (
                ("same key id", {"key_id": self._key_id_of(name)}),
                ("own key id", {}),
                ("no key id", {"key_identifiers": False}),
            ):
                if form == "same key id" and faults["key_id"] is None:
                    continue
                label = f"look-alike of {words} ({form})"
                root = mint.authority("look-alike", subject=name, now=self._now, **faults)
                made = mint.leaf("audit", root, subject=self._subject(), key_identifiers=form != "no key id", now=self._now)
                yield label, self._keep(label, made, (made.cert, root.cert) if form != "no key id" else (made.cert,))

    def recipe(self, credential: Credential, issuer_files: tuple[str, ...] = ()) -> list[str]:
        """Shell commands that make a credential like this throw-away one as probe.pem and probe.key."""
        files = Files(issuer_files[0], issuer_files[-1]) if issuer_files else Files("CA.pem", "CA.key")
        return recipe(credential, self._good, (self._issuer.cert, files) if self._issuer is not None else None)

    def _key_id_of(self, name: bytes) -> bytes | None:
        """The key identifier of the CA with this name, read from the good chain."""
        for der in self._good.chain if self._good is not None else ():
            cert = certificate.parse(der)
            if cert.subject_der == name:
                return cert.ext.subject_key_id
            if cert.issuer_der == name and cert.ext.authority_key_id is not None:
                return cert.ext.authority_key_id.key_id
        return None

    def below_leaf(self) -> Credential:
        """A leaf issued by the good credential's own key, which is no CA's."""
        assert self._good is not None
        cert = certificate.parse(self._good.leaf)
        above = mint.Minted(self._good.leaf, self._good.key, tuple(self._good.chain[1:]), cert.subject_der, cert.ext.subject_key_id)
        made = mint.leaf("audit below a leaf", above, now=self._now)
        return self._keep("issued by a leaf", made, (made.cert, *self._good.chain))

    def smuggled(self) -> Credential:
        """A self-signed leaf, with the good chain behind it: an application that looks at the wrong certificate takes it."""
        assert self._good is not None
        made = mint.leaf("audit", subject=self._subject(), now=self._now)
        return self._keep("good chain behind a stranger", made, (made.cert, *self._good.chain))

    def issued(self, label: str, *, seconds: float | None = None, **faults: Any) -> Credential:
        """A leaf of the user's own CA, with faults of ``mint.Recipe``."""
        assert self._issuer is not None
        if seconds is not None:
            # made anew each time: its seconds run from now
            import time

            moment = time.time()
            faults = {"not_before": moment - DAY, "not_after": moment + seconds, **faults}
        made = mint.leaf("audit", self._issuer, subject=self._subject(), now=self._now, **faults)
        chain = (made.cert, *self._chain_above())
        return made.credential(label, chain=chain)

    def _chain_above(self) -> tuple[bytes, ...]:
        """What a client of this CA sends behind its leaf: the CA unless it is a root."""
        assert self._issuer is not None
        cert = certificate.parse(self._issuer.cert)
        return () if cert.subject_der == cert.issuer_der else (self._issuer.cert, *self._issuer.chain)


def certificate_name(name: bytes) -> str:
    """A DER Name as text."""
    from inspector.der.names import rfc4514

    return rfc4514(name)
