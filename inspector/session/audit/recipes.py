"""Shell commands that make a credential like a throw-away one of the audit's, by the openssl program (3.0 or later)."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime
from typing import NamedTuple

from inspector.credentials.model import Credential
from inspector.der import certificate
from inspector.der.certificate import Certificate

CURVE = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
# what `openssl ca` wants to find, to set dates that `openssl x509` cannot
DATED = (
    r"printf '[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\npolicy=p\n[p]\n' > ca.cnf",
    ": > index.txt; openssl rand -hex 8 > serial",
)


class Files(NamedTuple):
    """A certificate and its key as files, and the commands that make these of what the user has."""

    cert: str
    key: str
    made: tuple[str, ...] = ()


def files_of(credential: Credential) -> Files:
    """The user's credential as PEM files: those that were read, or what the openssl program makes of a PKCS#12 file."""
    files = credential.origin.files or ("CERT.pem", "KEY.pem")
    if credential.origin.format == "pkcs12":
        return Files("own.pem", "own.pem", (shlex.join(["openssl", "pkcs12", "-in", files[0], "-nodes", "-out", "own.pem"]),))
    return Files(files[0], files[-1])


def recipe(credential: Credential, good: Credential | None, issuer: tuple[bytes, Files] | None) -> list[str]:
    """Commands that make ``probe.pem`` (with what is sent behind it) and ``probe.key``.

    ``issuer``: the certificate (DER) of the user's own CA, and its files.
    """
    cert, root = certificate.parse(credential.leaf), None
    behind = credential.chain[1:]
    if cert.subject_der == cert.issuer_der:
        made = [f"openssl req -x509 {CURVE} -subj {subj(cert.subject)} -keyout probe.key -out probe.pem"]
        return [*made, *_behind(good, behind)]
    if good is not None and behind == good.chain:
        own = files_of(good)
        return [*own.made, *_request(cert), _sign(cert, own, root), *_behind(good, behind)[len(own.made) :]]
    if issuer is not None and cert.issuer_der == certificate.parse(issuer[0]).subject_der and issuer[0] not in behind[1:]:
        extensions = _extensions(cert)
        start, end = (datetime.fromtimestamp(at or 0, UTC).strftime("%Y%m%d%H%M%SZ") for at in (cert.not_before, cert.not_after))
        weak = " -md sha1" if "sha1" in (cert.signature_algorithm or "").lower() else " -md sha256"
        sign = f"openssl ca -batch -notext -preserveDN -config ca.cnf -in probe.csr -startdate {start} -enddate {end}{weak}"
        ca = issuer[1]
        sign += f" -cert {shlex.quote(ca.cert)} -keyfile {shlex.quote(ca.key)} -extfile probe.ext -out probe.pem"
        sent = [f"cat {shlex.quote(ca.cert)} >> probe.pem"] if behind else []
        return [*_request(cert), extensions, *DATED, sign, *sent]
    root = certificate.parse(behind[0]) if behind else None
    key_id = cert.ext.authority_key_id.key_id if cert.ext.authority_key_id is not None else None
    told = f" -addext subjectKeyIdentifier={key_id.hex(':').upper()}" if key_id else ""
    made = [f"openssl req -x509 {CURVE} -subj {subj(cert.issuer)}{told} -keyout ca.key -out ca.pem"]
    made += [*_request(cert), _sign(cert, Files("ca.pem", "ca.key"), root)]
    return [*made, *(["cat ca.pem >> probe.pem"] if behind else [])]


def _request(cert: Certificate) -> list[str]:
    new = f"-newkey rsa:{cert.key_bits} -nodes" if cert.key_type == "RSA" else CURVE
    return [f"openssl req {new} -subj {subj(cert.subject)} -keyout probe.key -out probe.csr"]


def _extensions(cert: Certificate) -> str:
    lines = ["authorityKeyIdentifier=keyid"] if cert.ext.authority_key_id is not None else []
    lines += ["extendedKeyUsage=" + ",".join(cert.ext.purposes)] if cert.ext.purposes else []
    return "printf '" + "".join(rf"{line}\n" for line in lines) + "' > probe.ext"


def _sign(cert: Certificate, ca: Files, root: Certificate | None) -> str:
    """One line: the key identifiers are what tells the forms of a look-alike apart."""
    sign = f"openssl x509 -req -in probe.csr -days 1 -out probe.pem -CA {shlex.quote(ca.cert)} -CAkey {shlex.quote(ca.key)}"
    if cert.ext.authority_key_id is None and (root is None or root.ext.subject_key_id is None):
        return sign
    return f"{_extensions(cert)}; {sign} -extfile probe.ext"


def _behind(good: Credential | None, behind: tuple[bytes, ...]) -> list[str]:
    if good is None or not behind or behind != good.chain:
        return []
    own = files_of(good)
    return [*own.made, f"cat {shlex.quote(own.cert)} >> probe.pem"]


def subj(name: str) -> str:
    """An RFC 4514 name as the ``-subj`` of the openssl program wants it, quoted for a shell."""
    parts = re.split(r"(?<!\\),", name)
    return shlex.quote("".join("/" + part.replace("/", "\\/") for part in reversed(parts)) or "/CN=audit")
