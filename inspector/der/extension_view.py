"""The extensions of one certificate, typed, each read when it is first asked for."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any

from inspector.der.extensions import (
    AUTHORITY_INFO_ACCESS,
    AUTHORITY_KEY_ID,
    BASIC_CONSTRAINTS,
    CA_ISSUERS_METHOD,
    CRL_DISTRIBUTION_POINTS,
    EXTENDED_KEY_USAGE,
    KEY_USAGE,
    NAME_CONSTRAINTS,
    OCSP_METHOD,
    READERS,
    SCT_LIST,
    STATUS_REQUEST,
    SUBJECT_ALT_NAME,
    SUBJECT_KEY_ID,
    TLS_FEATURE,
    Access,
    AuthorityKeyId,
    BasicConstraints,
    GeneralName,
    NameConstraints,
    Timestamp,
)
from inspector.der.oids import EXTENSIONS, PURPOSES
from inspector.der.reader import DerError

Extension = tuple[str, bool, bytes]  # OID, critical, the DER inside the OCTET STRING


class Extensions:
    """Typed access to one certificate's extensions: None where absent or unreadable."""

    def __init__(self, extensions: tuple[Extension, ...]) -> None:
        self.all = extensions
        self._read: dict[str, Any] = {}

    def value(self, oid: str) -> bytes | None:
        """The DER inside the first extension of this kind."""
        return next((value for found, _, value in self.all if found == oid), None)

    def critical(self, oid: str) -> bool:
        return any(critical for found, critical, _ in self.all if found == oid)

    def get(self, oid: str) -> Any:
        """What the reader of ``oid`` makes of it; None where it is absent, unreadable, or has no reader here."""
        if oid not in self._read:
            value, read = self.value(oid), READERS.get(oid)
            try:
                self._read[oid] = read(value, None) if value is not None and read else None
            except DerError:
                self._read[oid] = None
        return self._read[oid]

    @property
    def basic_constraints(self) -> BasicConstraints | None:
        found: BasicConstraints | None = self.get(BASIC_CONSTRAINTS)
        return found

    @property
    def is_ca(self) -> bool:
        """True where basicConstraints says so."""
        found = self.basic_constraints
        return found is not None and found.ca

    @property
    def key_usage(self) -> tuple[str, ...] | None:
        found: tuple[str, ...] | None = self.get(KEY_USAGE)
        return found

    @property
    def extended_key_usage(self) -> tuple[str, ...] | None:
        """OIDs; ``purposes`` has their names."""
        found: tuple[str, ...] | None = self.get(EXTENDED_KEY_USAGE)
        return found

    @property
    def purposes(self) -> tuple[str, ...] | None:
        """The extended key usages by name where they have one, as "clientAuth"."""
        found = self.extended_key_usage
        return None if found is None else tuple(PURPOSES.get(oid, oid) for oid in found)

    @property
    def subject_key_id(self) -> bytes | None:
        found: bytes | None = self.get(SUBJECT_KEY_ID)
        return found

    @property
    def authority_key_id(self) -> AuthorityKeyId | None:
        found: AuthorityKeyId | None = self.get(AUTHORITY_KEY_ID)
        return found

    @property
    def subject_alt_names(self) -> tuple[GeneralName, ...]:
        return self.get(SUBJECT_ALT_NAME) or ()

    @property
    def name_constraints(self) -> NameConstraints | None:
        found: NameConstraints | None = self.get(NAME_CONSTRAINTS)
        return found

    @property
    def timestamps(self) -> tuple[Timestamp, ...]:
        """The SCTs inside the certificate."""
        return self.get(SCT_LIST) or ()

    @property
    def must_staple(self) -> bool:
        return STATUS_REQUEST in (self.get(TLS_FEATURE) or ())

    def _access(self, method: str) -> tuple[str, ...]:
        found: tuple[Access, ...] = self.get(AUTHORITY_INFO_ACCESS) or ()
        return tuple(a.location.value for a in found if a.method == method and a.location.kind == "URI")

    @property
    def issuer_urls(self) -> tuple[str, ...]:
        """Where the issuer's certificate can be had (AIA caIssuers)."""
        return self._access(CA_ISSUERS_METHOD)

    @property
    def ocsp_urls(self) -> tuple[str, ...]:
        return self._access(OCSP_METHOD)

    @property
    def crl_urls(self) -> tuple[str, ...]:
        found: tuple[GeneralName, ...] = self.get(CRL_DISTRIBUTION_POINTS) or ()
        return tuple(name.value for name in found if name.kind == "URI")

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the encoding of extensions that can be read here, and duplicates."""
        found: list[str] = []
        seen: set[str] = set()
        for oid, _, value in self.all:
            label = EXTENSIONS.get(oid, oid)
            if oid in seen:
                found.append(f"{label} stands there twice")
            seen.add(oid)
            faults: list[str] = []
            try:
                if read := READERS.get(oid):
                    read(value, faults)
            except DerError as exc:
                faults.append(str(exc))
            found += [f"{label}: {fault}" for fault in faults]
        return tuple(found)


@lru_cache(maxsize=1024)
def of(extensions: tuple[Extension, ...]) -> Extensions:
    """Typed access to ``Certificate.extensions``."""
    return Extensions(extensions)
