"""Which roots the server's chain may end in. The system's store and what the options name; the report says which.

``--cacert`` adds to the system's trust (curl's replaces it): a private CA is usually one more, not the only one. With
``--no-system-trust`` only the named ones count.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Mapping

from inspector.errors import InputError
from inspector.plan import Trust

# where systems keep the bundle of their trust store, and the folder of hashed certificates
PLATFORM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Gentoo
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # RHEL 7 and later
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # Alpine, macOS, OpenBSD
    "/usr/local/share/certs/ca-root-nss.crt",  # FreeBSD
    "/opt/homebrew/etc/ca-certificates/cert.pem",
)
PLATFORM_DIRS = ("/etc/ssl/certs", "/etc/pki/tls/certs")


def _certifi() -> Trust:
    import certifi

    path = certifi.where()
    return Trust(system_file=path, source=f"certifi ({path})")


def system_trust(environment: Mapping[str, str]) -> Trust:
    """``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` where set, else the platform's store, else certifi's list of Mozilla's roots.

    Raises InputError where the environment names what cannot be read.
    """
    file, directory = environment.get("SSL_CERT_FILE"), environment.get("SSL_CERT_DIR")
    if file or directory:
        if file and not os.access(file, os.R_OK):
            raise InputError(f"SSL_CERT_FILE names '{file}', which cannot be read", kind="file-unreadable",
                             hint="correct or unset SSL_CERT_FILE")
        named = " and ".join(f"{name}={value}" for name, value in (("SSL_CERT_FILE", file), ("SSL_CERT_DIR", directory)) if value)
        return Trust(system_file=file or None, system_dir=directory or None, source=named)
    for path in PLATFORM_FILES:
        if os.access(path, os.R_OK):
            return Trust(system_file=path, source=f"system store ({path})")
    for path in PLATFORM_DIRS:
        if os.path.isdir(path) and os.listdir(path):
            return Trust(system_dir=path, source=f"system store ({path})")
    return _certifi()


def read_authorities(path: str) -> tuple[bytes, ...]:
    """The certificates of a CA file, DER. Raises InputError."""
    from inspector.credentials.load import MAX_FILE, load_certificates

    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as exc:
        raise InputError(f"cannot read the CA file '{path}': {exc.strerror or exc}", kind="file-unreadable",
                         hint="check the path and its permissions") from exc
    if len(data) > MAX_FILE:
        raise InputError(f"'{path}' is larger than {MAX_FILE >> 20} MiB", kind="no-certificate", hint="no CA file is that large")
    return load_certificates(path, data)


def without_authority(certificates: Iterable[bytes]) -> str | None:
    """The first subject where none of these certificates (DER) can have issued another, else None.

    basicConstraints says which can (RFC 5280, Section 4.2.1.9). One that names itself as its issuer is left alone: roots of
    version 1 say nothing, and a server's self-signed certificate is trusted in this way.
    """
    from inspector.der.certificate import parse

    first: str | None = None
    for der in certificates:
        certificate = parse(der)
        if certificate.ext.is_ca or certificate.subject_der == certificate.issuer_der:
            return None
        first = first or certificate.title
    return first


def resolve(
    cacert: Iterable[str], *, system: bool, environment: Mapping[str, str], stored: Iterable[tuple[str, bytes]] = (),
) -> Trust:
    """The trust for one target: the system's unless ``system`` is False, what ``--cacert`` names, and stored CAs (name, DER)."""
    base = system_trust(environment) if system else Trust()
    anchors: list[bytes] = []
    sources = [base.source] if system else []
    for path in cacert:
        anchors += read_authorities(path)
        sources.append(f"--cacert {path}")
    for name, der in stored:
        anchors.append(der)
        sources.append(f"stored CA {name}")
    return base._replace(anchors=tuple(dict.fromkeys(anchors)), source=", ".join(sources) or "nothing")


def stores(
    cacert: Iterable[str], *, environment: Mapping[str, str], stored: Iterable[tuple[str, bytes]] = (),
) -> tuple[Trust, ...]:
    """Each set of roots at hand by itself, for comparison: the system's, certifi's, each ``--cacert``, each stored CA."""
    found = [system_trust(environment)]
    # found, not imported: this runs before every command and is looked at after few
    certifi = importlib.util.find_spec("certifi")
    bundle = os.path.join(os.path.dirname(certifi.origin or ""), "cacert.pem") if certifi is not None else ""
    if bundle != found[0].system_file and os.access(bundle, os.R_OK):
        found.append(Trust(system_file=bundle, source=f"certifi ({bundle})"))
    found += [Trust(anchors=read_authorities(path), source=f"--cacert {path}") for path in cacert]
    found += [Trust(anchors=(der,), source=f"stored CA {name}") for name, der in stored]
    return tuple(found)
