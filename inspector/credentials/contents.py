"""What a file, or several, hold: certificates and keys as they were found, before anybody decides which belong together."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from inspector.errors import CredentialError

if TYPE_CHECKING:
    from inspector.credentials.pbe import Budget

# certificates in one credential; the largest bundles of authorities in use have about 400
MAX_CERTIFICATES = 2000
MAX_KEYS = 50


class FoundCertificate(NamedTuple):
    """One certificate. ``ordered``: it stands in a PEM file, whose order is sent as it is."""

    der: bytes
    file: str
    ordered: bool
    label: str = ""  # friendly name or alias
    authority: bool = False  # stands where authorities stand (a trust entry, ca.crt): never a leaf


class FoundKey(NamedTuple):
    """One private key, an object of ``cryptography``."""

    key: Any
    file: str
    label: str = ""

    def __repr__(self) -> str:
        return f"FoundKey(file={self.file!r})"


class Contents:
    """Collects what the readers find.

    ``passphrase`` is asked with a label, at most once for each; None: there is none. ``ask_first`` False: asking costs somebody's
    time, so a container is tried without a passphrase first.
    """

    def __init__(
        self, passphrase: Callable[[str], bytes | None], read_beside: Callable[[str], bytes] | None = None, *,
        ask_first: bool = True,
    ) -> None:
        self.certificates: list[FoundCertificate] = []
        self.keys: list[FoundKey] = []
        self.formats: list[str] = []
        self.files: list[str] = []
        self.encryption: list[str] = []
        self.notes: list[str] = []
        self.modes: tuple[int, ...] = ()
        self.also: list[str] = []  # other things found, in words: "a certificate request"
        self.read_beside = read_beside
        self.ask_first = ask_first
        self._ask = passphrase
        self._answers: dict[str, bytes | None] = {}

    @cached_property
    def budget(self) -> Budget:
        """What may be spent on key derivation, for all files together."""
        from inspector.credentials.pbe import Budget

        return Budget()

    def passphrase(self, label: str) -> bytes | None:
        """The passphrase for what ``label`` names, None where there is none."""
        if label not in self._answers:
            self._answers[label] = self._ask(label)
        return self._answers[label]

    def need_passphrase(self, label: str) -> bytes:
        """Like ``passphrase``. Raises CredentialError where there is none."""
        given = self.passphrase(label)
        if given is None:
            raise CredentialError(
                f"{label} is encrypted and no passphrase was given", kind="passphrase-needed",
                hint="use --passphrase-env NAME or --passphrase-file FILE, or run in a terminal to be asked",
            )
        return given

    def add_certificate(self, found: FoundCertificate) -> None:
        """Raises CredentialError where there are absurdly many."""
        if len(self.certificates) >= MAX_CERTIFICATES:
            raise CredentialError(
                f"{found.file} holds more than {MAX_CERTIFICATES} certificates", kind="not-a-credential",
                hint="this looks like a bundle of authorities; use it with --cacert",
            )
        self.certificates.append(found)

    def add_key(self, found: FoundKey) -> None:
        """Raises CredentialError where there are absurdly many."""
        if len(self.keys) >= MAX_KEYS:
            raise CredentialError(f"{found.file} holds more than {MAX_KEYS} private keys", kind="not-a-credential")
        self.keys.append(found)

    def add_encryption(self, names: tuple[str, ...]) -> None:
        self.encryption += [name for name in names if name not in self.encryption]


def wrong_passphrase(label: str, *, sure: bool = True) -> CredentialError:
    """The passphrase does not open it. ``sure`` False: a damaged file would look the same."""
    doubt = "" if sure else ", or the file is damaged (it holds no checksum that could tell)"
    return CredentialError(
        f"wrong passphrase for {label}{doubt}", kind="wrong-passphrase",
        hint="check the passphrase; mind the end of line in a passphrase file and characters beyond ASCII",
    )


def damaged(label: str, why: str) -> CredentialError:
    """The file is of a known kind, and broken."""
    return CredentialError(
        f"{label} is damaged: {why}", kind="file-damaged", hint="the passphrase is not the problem; copy or export the file again",
    )
