"""Throw-away authorities, certificates and revocation lists, good ones and ones with any fault.

Certificates are put together byte by byte, because their faults are the point: a builder that refuses SHA-1, negative serials
or somebody else's name could not make them. Probes, the demonstration, the server of ``mtls serve`` and the tests all use this.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import os
import textwrap
import time as clock
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa

from inspector.credentials import asn1
from inspector.credentials.model import Credential, Origin

DAY = 86400.0

_CURVES: dict[str, Any] = {"p256": ec.SECP256R1, "p384": ec.SECP384R1, "p521": ec.SECP521R1, "k256": ec.SECP256K1}

_HASHES: dict[str, Any] = {
    "md5": hashes.MD5, "sha1": hashes.SHA1, "sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512,
}
_HASH_OIDS = {
    "sha1": "1.3.14.3.2.26", "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2", "sha512": "2.16.840.1.101.3.4.2.3",
}
# signature algorithm by (kind of key, hash): RFC 4055, RFC 5758, RFC 3279, RFC 8410
_SIGNATURES = {
    ("rsa", "md5"): "1.2.840.113549.1.1.4",
    ("rsa", "sha1"): "1.2.840.113549.1.1.5",
    ("rsa", "sha256"): "1.2.840.113549.1.1.11",
    ("rsa", "sha384"): "1.2.840.113549.1.1.12",
    ("rsa", "sha512"): "1.2.840.113549.1.1.13",
    ("ec", "sha1"): "1.2.840.10045.4.1",
    ("ec", "sha256"): "1.2.840.10045.4.3.2",
    ("ec", "sha384"): "1.2.840.10045.4.3.3",
    ("ec", "sha512"): "1.2.840.10045.4.3.4",
    ("dsa", "sha1"): "1.2.840.10040.4.3",
    ("dsa", "sha256"): "2.16.840.1.101.3.4.3.2",
}
_RSA_PSS = "1.2.840.113549.1.1.10"
_MGF1 = "1.2.840.113549.1.1.8"
_EDWARDS = {"ed25519": "1.3.101.112", "ed448": "1.3.101.113"}

# RFC 5280, Section 4.2.1.12, and the ones that appear beside them
PURPOSES = {
    "anyExtendedKeyUsage": "2.5.29.37.0",
    "serverAuth": "1.3.6.1.5.5.7.3.1",
    "clientAuth": "1.3.6.1.5.5.7.3.2",
    "codeSigning": "1.3.6.1.5.5.7.3.3",
    "emailProtection": "1.3.6.1.5.5.7.3.4",
    "OCSPSigning": "1.3.6.1.5.5.7.3.9",
}
# RFC 5280, Section 4.2.1.3: bits in order
USAGES = (
    "digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement", "keyCertSign", "cRLSign",
    "encipherOnly", "decipherOnly",
)
_STRINGS = {
    "utf8": (0x0C, "utf-8"), "printable": (0x13, "ascii"), "ia5": (0x16, "ascii"), "bmp": (0x1E, "utf-16-be"),
    "t61": (0x14, "latin-1"),
}
_ATTRIBUTES = {
    "C": "2.5.4.6", "ST": "2.5.4.8", "L": "2.5.4.7", "O": "2.5.4.10", "OU": "2.5.4.11", "CN": "2.5.4.3",
    "DC": "0.9.2342.19200300.100.1.25", "emailAddress": "1.2.840.113549.1.9.1",
}


class Minted(NamedTuple):
    """A certificate (DER), its private key, and the certificates above it, issuer first, root last."""

    cert: bytes
    key: Any
    chain: tuple[bytes, ...] = ()
    subject: bytes = b""  # DER of the subject's Name
    key_id: bytes | None = None
    serial: int = 0

    def __repr__(self) -> str:
        return f"Minted({len(self.cert)} bytes, chain of {len(self.chain)})"

    @property
    def sent(self) -> tuple[bytes, ...]:
        """What a correct client sends: leaf first, without the root."""
        return (self.cert, *self.chain[:-1]) if self.chain else (self.cert,)

    def credential(self, source: str = "minted", *, throw_away: bool = True, chain: Sequence[bytes] | None = None) -> Credential:
        """The credential of this certificate; ``chain`` replaces what is sent (gaps, wrong orders)."""
        return Credential(source, tuple(chain) if chain is not None else self.sent, self.key, Origin("minted"), throw_away)

    def key_pem(self) -> bytes:
        """The private key, PKCS#8 PEM without encryption. For files that a server or a user needs, nothing else."""
        return bytes(self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption(),
        ))

    def pem(self) -> bytes:
        """What is sent, as PEM."""
        return certificates_pem(self.sent)


def certificates_pem(certificates: Iterable[bytes]) -> bytes:
    """Certificates (DER) as PEM, in the order given."""
    return b"".join(
        b"-----BEGIN CERTIFICATE-----\n" + "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64)).encode()
        + b"\n-----END CERTIFICATE-----\n"
        for der in certificates
    )


def new_key(kind: str = "ec-p256") -> Any:
    """A fresh private key: "ec-p256", "ec-p384", "ec-p521", "rsa-2048" (any size), "dsa-2048", "ed25519", "ed448"."""
    family, _, detail = kind.partition("-")
    if family == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=int(detail))
    if family == "dsa":
        return dsa.generate_private_key(key_size=int(detail))
    if family == "ec":
        return ec.generate_private_key(_CURVES[detail]())
    return (ed448.Ed448PrivateKey if family == "ed448" else ed25519.Ed25519PrivateKey).generate()


def name(common_name: str, organization: str | None = "mtls-inspector", *, string: str = "utf8", **more: str) -> bytes:
    """The DER of a Name with one attribute a level. ``string``: "utf8", "printable", "bmp", "t61" (countries are always printable).

    ``more``: attributes by their short name, as ``C="DE"``; they come first.
    """
    attributes = dict(more)
    if organization is not None:
        attributes["O"] = organization
    if common_name:
        attributes["CN"] = common_name
    rdns = []
    for short, text in attributes.items():
        tag, encoding = _STRINGS["printable" if short == "C" else "ia5" if short in {"DC", "emailAddress"} else string]
        rdns.append(asn1.set_of(asn1.sequence(asn1.oid(_ATTRIBUTES[short]), asn1.tlv(tag, text.encode(encoding)))))
    return asn1.sequence(*rdns)


def authority(name_: str, issuer: Minted | None = None, **faults: Any) -> Minted:
    """A CA certificate; self-signed without ``issuer``. ``faults``: fields of ``Recipe``, and ``now``."""
    now = faults.pop("now", None) or clock.time()
    defaults: dict[str, Any] = {
        "ca": True, "usage": ("digitalSignature", "keyCertSign", "cRLSign"), "purposes": None,
        "not_before": now - 400 * DAY, "not_after": now + 3650 * DAY,
    }
    return issue(name_, issuer, Recipe(**{**defaults, **faults}))


def leaf(name_: str, issuer: Minted | None = None, **faults: Any) -> Minted:
    """An end-entity certificate for a client; self-signed without ``issuer``. ``faults``: fields of ``Recipe``, and ``now``."""
    now = faults.pop("now", None) or clock.time()
    defaults: dict[str, Any] = {
        "ca": False, "usage": ("digitalSignature",), "purposes": ("clientAuth",),
        "not_before": now - 2 * DAY, "not_after": now + 365 * DAY,
    }
    return issue(name_, issuer, Recipe(**{**defaults, **faults}))


def server_leaf(host_names: Sequence[str], issuer: Minted | None = None, **faults: Any) -> Minted:
    """An end-entity certificate for a server with these DNS names and IP addresses."""
    defaults: dict[str, Any] = {
        "purposes": ("serverAuth",), "usage": ("digitalSignature", "keyEncipherment"), "names": tuple(map(_typed, host_names)),
    }
    return leaf(host_names[0], issuer, **{**defaults, **faults})


class Recipe(NamedTuple):
    """All that can be chosen, right or wrong, about one certificate.

    ``key`` is a kind for ``new_key`` or a private key. ``subject`` and ``issuer_name`` are the DER of a whole Name: a look-alike
    can bear exactly a listed one. Dates are epoch seconds. ``ca``, ``usage`` and ``purposes`` None leave the extension out;
    ``usage`` has RFC 5280's names, ``purposes`` names or OIDs. ``names``, ``permitted`` and ``excluded`` are written "DNS:a",
    "IP:127.0.0.1", "IP:10.0.0.0/8", "email:a@b", "URI:spiffe://...". ``key_id`` and ``authority_key_id`` copy somebody else's key
    identifiers, ``key_identifiers`` False leaves both out. ``signature`` is "sha256", "sha384", "sha512", "sha1", "md5" or
    "pss-sha256" (Edwards keys have their own).
    """

    not_before: float
    not_after: float
    key: Any = "ec-p256"
    subject: bytes | None = None
    organization: str | None = "mtls-inspector"
    string: str = "utf8"  # ASN.1 type of the name's text: "utf8", "printable"...
    issuer_name: bytes | None = None
    ca: bool | None = False
    path_length: int | None = None
    usage: Sequence[str] | None = ("digitalSignature",)
    purposes: Sequence[str] | None = ("clientAuth",)
    names: Sequence[str] = ()
    permitted: Sequence[str] = ()
    excluded: Sequence[str] = ()
    key_identifiers: bool = True
    key_id: bytes | None = None
    authority_key_id: bytes | None = None
    serial: int | None = None  # any integer, negative too
    critical_unknown: bool = False  # a private extension that nobody knows, marked critical
    issuers_url: str | None = None
    ocsp_url: str | None = None
    crl_url: str | None = None
    must_staple: bool = False
    extensions: Sequence[tuple[str, bool, bytes]] = ()  # (OID, critical, DER of the value)
    signature: str = "sha256"
    pss_key: bool = False  # the public key is marked id-RSASSA-PSS
    wrong_signature: bool = False  # one bit of it is flipped
    version: int = 3


def issue(name_: str, issuer: Minted | None, recipe: Recipe) -> Minted:
    """Issue one certificate by ``recipe``; self-signed without ``issuer``."""
    private = new_key(recipe.key) if isinstance(recipe.key, str) else recipe.key
    subject = recipe.subject if recipe.subject is not None else name(name_, recipe.organization, string=recipe.string)
    spki = _spki(private, recipe.pss_key)
    own_id = recipe.key_id or _key_id(spki)
    parent_id = recipe.authority_key_id or (issuer.key_id if issuer else own_id)
    serial = int.from_bytes(os.urandom(16), "big") >> 1 | 1 if recipe.serial is None else recipe.serial
    signer = issuer.key if issuer else private
    algorithm = _algorithm(signer, recipe.signature)
    above = recipe.issuer_name if recipe.issuer_name is not None else issuer.subject if issuer else subject
    listed = _extensions(recipe, own_id, parent_id, nameless=not subject[2:]) if recipe.version == 3 else []
    body = asn1.sequence(
        *([asn1.tlv(0xA0, asn1.integer(recipe.version - 1))] if recipe.version > 1 else []),
        asn1.integer(serial), algorithm, above,
        asn1.sequence(asn1.time(recipe.not_before), asn1.time(recipe.not_after)), subject, spki,
        *([asn1.tlv(0xA3, asn1.sequence(*(_extension(*row) for row in listed)))] if listed else []),
    )
    der = _signed(body, algorithm, signer, recipe.signature, wrong=recipe.wrong_signature)
    chain = (issuer.cert, *issuer.chain) if issuer else ()
    return Minted(der, private, chain, subject, own_id if recipe.key_identifiers else None, serial)


def _extensions(recipe: Recipe, own_id: bytes, parent_id: bytes | None, *, nameless: bool) -> list[tuple[str, bool, bytes]]:
    """The extension list: (OID, critical, value) in the order of the certificate."""
    rows: list[tuple[str, bool, bytes | None]] = [
        ("2.5.29.19", True, None if recipe.ca is None else _basic_constraints(recipe.ca, recipe.path_length)),
        ("2.5.29.15", True, None if recipe.usage is None else _usage(recipe.usage)),
        ("2.5.29.37", False, None if recipe.purposes is None else asn1.sequence(
            *(asn1.oid(PURPOSES.get(purpose, purpose)) for purpose in recipe.purposes))),
        ("2.5.29.17", nameless, asn1.sequence(*map(_general_name, recipe.names)) if recipe.names else None),
        ("2.5.29.30", True, _constraints(recipe.permitted, recipe.excluded)),
        ("2.5.29.14", False, asn1.octets(own_id) if recipe.key_identifiers else None),
        ("2.5.29.35", False, asn1.sequence(asn1.tlv(0x80, parent_id)) if recipe.key_identifiers and parent_id else None),
        ("1.3.6.1.5.5.7.1.1", False, _information_access(recipe.issuers_url, recipe.ocsp_url)),
        ("2.5.29.31", False, _distribution_point(recipe.crl_url)),
        ("1.3.6.1.5.5.7.1.24", False, asn1.sequence(asn1.integer(5)) if recipe.must_staple else None),
        ("1.3.6.1.4.1.55555.1", True, asn1.octets(b"mtls-inspector") if recipe.critical_unknown else None),
    ]
    return [(oid, critical, value) for oid, critical, value in rows if value is not None] + list(recipe.extensions)


def revocation_list(
    issuer: Minted, revoked: Iterable[Minted | int] = (), *, now: float | None = None,
    this_update: float | None = None, next_update: float | None = None, number: int = 1, signature: str = "sha256",
) -> bytes:
    """A CRL (DER, RFC 5280 Section 5) of ``issuer`` that lists these certificates or serial numbers."""
    now = now or clock.time()
    begun = now - DAY if this_update is None else this_update
    algorithm = _algorithm(issuer.key, signature)
    serials = [entry.serial if isinstance(entry, Minted) else entry for entry in revoked]
    entries = [asn1.sequence(asn1.integer(serial), asn1.time(begun)) for serial in serials]
    listed = [_extension("2.5.29.20", False, asn1.integer(number))]
    if issuer.key_id:
        listed.append(_extension("2.5.29.35", False, asn1.sequence(asn1.tlv(0x80, issuer.key_id))))
    parts = [
        asn1.integer(1), algorithm, issuer.subject, asn1.time(begun),
        asn1.time(now + 30 * DAY if next_update is None else next_update),
    ]
    if entries:
        parts.append(asn1.sequence(*entries))
    parts.append(asn1.tlv(0xA0, asn1.sequence(*listed)))
    return _signed(asn1.sequence(*parts), algorithm, issuer.key, signature)


def _family(key: Any) -> str:
    families = (
        (rsa.RSAPrivateKey, "rsa"), (ec.EllipticCurvePrivateKey, "ec"), (dsa.DSAPrivateKey, "dsa"),
        (ed25519.Ed25519PrivateKey, "ed25519"), (ed448.Ed448PrivateKey, "ed448"),
    )
    return next(family for type_, family in families if isinstance(key, type_))


def _algorithm(key: Any, signature: str) -> bytes:
    """The AlgorithmIdentifier of a signature by ``key``."""
    family = _family(key)
    if family in _EDWARDS:
        return asn1.sequence(asn1.oid(_EDWARDS[family]))
    if signature.startswith("pss-"):
        hash_name = signature.removeprefix("pss-")
        digest = asn1.sequence(asn1.oid(_HASH_OIDS[hash_name]), asn1.null())
        return asn1.sequence(asn1.oid(_RSA_PSS), asn1.sequence(
            asn1.tlv(0xA0, digest), asn1.tlv(0xA1, asn1.sequence(asn1.oid(_MGF1), digest)),
            asn1.tlv(0xA2, asn1.integer(_HASHES[hash_name]().digest_size)),
        ))
    oid = asn1.oid(_SIGNATURES[family, signature])
    return asn1.sequence(oid, asn1.null()) if family == "rsa" else asn1.sequence(oid)


def _sign(key: Any, signature: str, data: bytes) -> bytes:
    family = _family(key)
    if family in _EDWARDS:
        return bytes(key.sign(data))
    if signature.startswith("pss-"):
        digest = _HASHES[signature.removeprefix("pss-")]()
        return bytes(key.sign(data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest))
    digest = _HASHES[signature]()
    if family == "rsa":
        return bytes(key.sign(data, padding.PKCS1v15(), digest))
    return bytes(key.sign(data, digest if family == "dsa" else ec.ECDSA(digest)))


def _signed(body: bytes, algorithm: bytes, key: Any, signature: str, *, wrong: bool = False) -> bytes:
    value = _sign(key, signature, body)
    if wrong:
        value = value[:-1] + bytes((value[-1] ^ 1,))
    return asn1.sequence(body, algorithm, asn1.bits(value))


def _spki(key: Any, pss: bool) -> bytes:
    der = bytes(key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))
    if not pss:
        return der
    plain = asn1.sequence(asn1.oid("1.2.840.113549.1.1.1"), asn1.null())
    header = 4 if der[1] & 0x80 else 2
    return asn1.sequence(asn1.sequence(asn1.oid(_RSA_PSS)), der[header + len(plain):])


def _key_id(spki: bytes) -> bytes:
    # RFC 7093, Section 2, method 1: no certificate fails for it, and SHA-1 stays out of the good ones
    return hashlib.sha256(spki).digest()[:20]


def _extension(oid: str, critical: bool, value: bytes) -> bytes:
    return asn1.sequence(asn1.oid(oid), *((asn1.boolean(True),) if critical else ()), asn1.octets(value))


def _basic_constraints(ca: bool, path_length: int | None) -> bytes:
    parts = [asn1.boolean(True)] if ca else []
    if path_length is not None:
        parts.append(asn1.integer(path_length))
    return asn1.sequence(*parts)


def _usage(names: Sequence[str]) -> bytes:
    positions = [USAGES.index(item) for item in names]
    if not positions:
        return asn1.bits(b"")
    last = max(positions)
    value = sum(0x8000 >> position for position in positions).to_bytes(2, "big")[: last // 8 + 1]
    return asn1.bits(value, 7 - last % 8)


def _typed(host: str) -> str:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return f"DNS:{host}"
    return f"IP:{host}"


def _general_name(text: str) -> bytes:
    """A GeneralName (RFC 5280, Section 4.2.1.6) from "DNS:a", "email:a@b", "URI:u", "IP:a" or "DN:CommonName"."""
    kind, _, value = text.partition(":")
    if kind == "IP" and "/" in value:
        network = ipaddress.ip_network(value)
        return asn1.tlv(0x87, network.network_address.packed + network.netmask.packed)
    if kind == "IP":
        return asn1.tlv(0x87, ipaddress.ip_address(value).packed)
    if kind == "DN":
        return asn1.tlv(0xA4, name(value))
    return asn1.tlv({"email": 0x81, "DNS": 0x82, "URI": 0x86}[kind], value.encode("ascii"))


def _constraints(permitted: Sequence[str], excluded: Sequence[str]) -> bytes | None:
    trees = [
        asn1.tlv(tag, b"".join(asn1.sequence(_general_name(item)) for item in items))
        for tag, items in ((0xA0, permitted), (0xA1, excluded)) if items
    ]
    return asn1.sequence(*trees) if trees else None


def _distribution_point(url: str | None) -> bytes | None:
    return asn1.sequence(asn1.sequence(asn1.tlv(0xA0, asn1.tlv(0xA0, _general_name(f"URI:{url}"))))) if url else None


def _information_access(issuers: str | None, ocsp: str | None) -> bytes | None:
    rows = (("1.3.6.1.5.5.7.48.2", issuers), ("1.3.6.1.5.5.7.48.1", ocsp))
    entries = [asn1.sequence(asn1.oid(oid), _general_name(f"URI:{url}")) for oid, url in rows if url]
    return asn1.sequence(*entries) if entries else None
