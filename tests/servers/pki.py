"""The PKI of the real-server tests: one root, one intermediate, one server, and clients that are good or have one fault each.

Made with `cryptography` alone, so that what the servers are given does not come from the code under test.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
DAY = dt.timedelta(days=1)
CLIENT = [ExtendedKeyUsageOID.CLIENT_AUTH]
SERVER = [ExtendedKeyUsageOID.SERVER_AUTH]


class Entity(NamedTuple):
    """A certificate, its key, and the certificates above it, nearest first."""

    cert: x509.Certificate
    key: Any
    above: tuple[x509.Certificate, ...] = ()

    @property
    def sent(self) -> list[x509.Certificate]:
        return [self.cert, *(c for c in self.above if c.issuer != c.subject)]


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test"), x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def usage(**on: bool) -> x509.KeyUsage:
    fields = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{field: on.get(field, False) for field in fields})


def issue(
    common_name: str,
    issuer: Entity | None = None,
    *,
    ca: bool = False,
    eku: list[Any] | None = None,
    before: dt.datetime = NOW - 2 * DAY,
    after: dt.datetime = NOW + 300 * DAY,
    sans: list[x509.GeneralName] | None = None,
    subject: x509.Name | None = None,
    key: Any = None,
    identifiers: bool = True,
) -> Entity:
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = subject or name(common_name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.cert.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(before)
        .not_valid_after(after)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(usage(digital_signature=True, key_cert_sign=ca, crl_sign=ca), critical=True)
    )
    if identifiers:
        signer = (issuer.key if issuer else key).public_key()
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False
        )
    if eku:
        builder = builder.add_extension(x509.ExtendedKeyUsage(eku), critical=False)
    if sans:
        builder = builder.add_extension(x509.SubjectAlternativeName(sans), critical=False)
    cert = builder.sign(issuer.key if issuer else key, hashes.SHA256())
    return Entity(cert, key, (issuer.cert, *issuer.above) if issuer else ())


def pem(*certs: x509.Certificate) -> bytes:
    return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certs)


def key_pem(key: Any) -> bytes:
    out: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return out


def crl(issuer: Entity, revoked: list[x509.Certificate], *, fresh: bool = True) -> x509.CertificateRevocationList:
    last, following = (NOW - DAY, NOW + 30 * DAY) if fresh else (NOW - 30 * DAY, NOW - DAY)
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.cert.subject).last_update(last).next_update(following)
    for cert in revoked:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(cert.serial_number).revocation_date(NOW - DAY).build()
        )
    return builder.sign(issuer.key, hashes.SHA256())


class Pki:
    """The folder with all files. ``client(kind)`` gives (certificate file, key file), or (None, None) for "none"."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = issue("Test Root", ca=True, before=NOW - 400 * DAY, after=NOW + 3650 * DAY)
        self.intermediate = issue("Test Intermediate", self.root, ca=True, before=NOW - 400 * DAY, after=NOW + 3650 * DAY)
        self.other_root = issue("Other Root", ca=True, before=NOW - 400 * DAY, after=NOW + 3650 * DAY)
        self.server = issue(
            "localhost",
            self.intermediate,
            eku=SERVER,
            sans=[
                x509.DNSName("localhost"),
                x509.DNSName("a.test"),
                x509.DNSName("b.test"),
                x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
                x509.IPAddress(ipaddress.ip_address("::1")),
            ],
        )
        self.clients = {
            "good": issue("alice", self.intermediate, eku=CLIENT),
            "other": issue("mallory", self.intermediate, eku=CLIENT),
            "untrusted": issue("alice", self.other_root, eku=CLIENT),
            "self-signed": issue("alice", eku=CLIENT),
            "expired": issue("alice", self.intermediate, eku=CLIENT, before=NOW - 90 * DAY, after=NOW - 2 * DAY),
            "not-yet-valid": issue("alice", self.intermediate, eku=CLIENT, before=NOW + 7 * DAY),
            "wrong-eku": issue("alice", self.intermediate, eku=SERVER),
            "revoked": issue("alice", self.intermediate, eku=CLIENT),
        }
        self._write()

    def _write(self) -> None:
        self.file("root.pem", pem(self.root.cert))
        self.file("int.pem", pem(self.intermediate.cert))
        self.file("ca-bundle.pem", pem(self.root.cert, self.intermediate.cert))
        self.file("other-root.pem", pem(self.other_root.cert))
        self.file("server.pem", pem(*self.server.sent))
        self.file("server.key", key_pem(self.server.key))
        self.file("server-combined.pem", pem(*self.server.sent) + key_pem(self.server.key))
        lists = [crl(self.root, []), crl(self.intermediate, [self.clients["revoked"].cert])]
        self.file("crl.pem", b"".join(one.public_bytes(serialization.Encoding.PEM) for one in lists))
        for kind, entity in self.clients.items():
            self.file(f"client-{kind}.pem", pem(*entity.sent))
            self.file(f"client-{kind}.key", key_pem(entity.key))
        self.file("client-missing-intermediate.pem", pem(self.clients["good"].cert))
        self.file("client-missing-intermediate.key", key_pem(self.clients["good"].key))

    def file(self, relative: str, data: bytes) -> Path:
        path = self.folder / relative
        path.write_bytes(data)
        # the servers' own users read them; the keys are worth nothing and go with the folder
        path.chmod(0o644)
        if relative.startswith("client-") and relative.endswith(".key"):
            path.chmod(0o600)
        return path

    def __getitem__(self, relative: str) -> Path:
        return self.folder / relative

    def client(self, kind: str) -> tuple[Path | None, Path | None]:
        if kind == "none":
            return None, None
        return self.folder / f"client-{kind}.pem", self.folder / f"client-{kind}.key"

    def client_options(self, kind: str) -> list[str]:
        cert, key = self.client(kind)
        return ["--cert", str(cert), "--key", str(key)] if cert else []
