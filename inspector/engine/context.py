"""Plan -> ``SSL.Context``, cached by what the plan asks for.

A Context is dear (parsing a CA bundle costs five handshakes) and frozen once a Connection used it; so contexts are made once per
settings, and the trust store is parsed once per trust and shared. What differs per connection (SNI, ALPN, the expected name, the
session) is set on the Connection; the client's chain lives on the Context, because OpenSSL's binding has none per Connection.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

from OpenSSL import SSL, crypto

from inspector.credentials.keys import pkcs8_of
from inspector.credentials.model import Credential
from inspector.der.certificate import parse
from inspector.engine import beneath
from inspector.errors import CredentialError, InputError, UsageError
from inspector.plan import HandshakePlan, TlsVersion, Trust

CACHED = 64  # contexts kept; an audit of one server needs about a dozen

X509_V_FLAG_PARTIAL_CHAIN = 0x80000  # an anchor that the user names is trusted, a root or not (RFC 5280, Section 6.1.1)

EE_KEY_TOO_SMALL, CA_KEY_TOO_SMALL, CA_MD_TOO_WEAK = 66, 67, 68  # X509_V_ERR_*
SHORTEST_KEY = {"RSA": 2048, "RSA-PSS": 2048, "DSA": 2048, "EC": 224}  # bits, at level 2 (SSL_CTX_set_security_level(3))
WEAK_DIGESTS = ("sha1", "md5", "md4", "md2")


class Collected:
    """What the callbacks of one Connection saw since it was last drained. (Every callback gets the Connection, not us: this
    object hangs on it as app_data, and holds no reference back.)
    """

    __slots__ = ("errors", "secrets", "verified")

    def __init__(self) -> None:
        self.secrets: list[bytes] = []
        self.errors: list[tuple[int, int, bytes | None]] = []  # depth, code, certificate
        self.verified = False  # the verify callback ran


def _on_secret(connection: SSL.Connection, line: bytes) -> None:
    connection.get_app_data().secrets.append(line)


def _on_verify(connection: SSL.Connection, certificate: crypto.X509, code: int, depth: int, ok: int) -> bool:
    """Collect, never decide: the judgement follows before our next flight leaves (a True here erases OpenSSL's own verdict)."""
    collected = connection.get_app_data()
    collected.verified = True
    if not ok:
        try:
            der = crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
        except crypto.Error:
            der = None
        collected.errors.append((depth, code, der))
    return True


class _Cache:
    """A small least-recently-used map."""

    def __init__(self, size: int) -> None:
        self._items: OrderedDict[Any, Any] = OrderedDict()
        self._size = size

    def get(self, key: Any) -> Any:
        value = self._items.get(key)
        if value is not None:
            self._items.move_to_end(key)
        return value

    def put(self, key: Any, value: Any) -> None:
        self._items[key] = value
        while len(self._items) > self._size:
            self._items.popitem(last=False)


_contexts = _Cache(CACHED)
_stores = _Cache(8)
_weak = _Cache(256)


class _Key(NamedTuple):
    trust: Trust
    credential: tuple[tuple[bytes, ...], int] | None
    minimum: TlsVersion | None
    maximum: TlsVersion | None
    ciphers: str | None
    groups: str | None
    sigalgs: str | None
    level: int | None


def client_context(plan: HandshakePlan) -> SSL.Context:
    """The client Context for this plan. Raises CredentialError, InputError or UsageError where the plan's values cannot be used."""
    credential = plan.credential
    key = _Key(
        plan.trust, (credential.chain, id(credential.key)) if credential else None, plan.minimum, plan.maximum,
        plan.ciphers, plan.groups, plan.sigalgs, security_level(plan),
    )
    cached = _contexts.get(key)
    if cached is not None:
        context: SSL.Context = cached[0]
        return context
    context = _new_client_context(plan, key)
    # the credential is kept with it, so that the id of its key cannot be given to another key
    _contexts.put(key, (context, credential))
    return context


def security_level(plan: HandshakePlan) -> int | None:
    """The OpenSSL security level that the plan needs; None: OpenSSL's default.

    It is lowered where the plan says so, where it is to speak TLS below 1.2, and where OpenSSL would refuse to present the
    credential: whether such a certificate is good enough is the server's judgement to make.
    """
    if plan.security_level is not None:
        return plan.security_level
    lowest = plan.minimum or plan.maximum
    if lowest is not None and lowest.value < TlsVersion.TLS1_2.value:
        return 0
    return 0 if plan.credential is not None and needs_lower_level(plan.credential) else None


def needs_lower_level(credential: Credential) -> bool:
    """True where OpenSSL's default security level refuses to load one of these certificates (RSA below 2048 bits)."""
    known = _weak.get(credential.chain)
    if known is None:
        known = "weak" if any(_refused(der) for der in credential.chain) else "fine"
        _weak.put(credential.chain, known)
    return bool(known == "weak")


def lowered_for_credential(plan: HandshakePlan) -> bool:
    """True where only our own weak credential lowers the level: the server is still to be held to the default one."""
    return security_level(plan) == 0 and security_level(plan._replace(credential=None)) is None


def weaknesses(path: tuple[bytes, ...]) -> list[tuple[int, int, bytes | None]]:
    """What OpenSSL's default level would have found in a verified path, as (depth, X509_V_ERR number, certificate).

    The anchor's own signature says nothing, and is not looked at.
    """
    found: list[tuple[int, int, bytes | None]] = []
    for depth, der in enumerate(path):
        certificate = parse(der)
        if (certificate.key_bits or 0) < SHORTEST_KEY.get(certificate.key_type or "", 0):
            found.append((depth, EE_KEY_TOO_SMALL if depth == 0 else CA_KEY_TOO_SMALL, der))
        name = (certificate.signature_algorithm or "").lower()
        if depth < len(path) - 1 and any(digest in name for digest in WEAK_DIGESTS):
            found.append((depth, CA_MD_TOO_WEAK, der))
    return found


_scratch: SSL.Context | None = None


def _refused(der: bytes) -> bool:
    global _scratch
    if _scratch is None:
        _scratch = SSL.Context(SSL.TLS_CLIENT_METHOD)
    try:
        _use_certificate(_scratch, der)
    except SSL.Error:
        return True
    except crypto.Error:
        return False  # OpenSSL cannot read it at all: no level helps
    return False


def _use_certificate(context: SSL.Context, der: bytes) -> None:
    """``Context.use_certificate`` takes only what ``cryptography`` can parse; OpenSSL itself reads more."""
    certificate = crypto.load_certificate(crypto.FILETYPE_ASN1, der)
    beneath.use_certificate(context, certificate)


def _new_client_context(plan: HandshakePlan, key: _Key) -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    # OpenSSL would complete our chain from the trust store by itself, and so hide a missing intermediate
    context.set_mode(beneath.MODE_NO_AUTO_CHAIN)
    beneath.write_whole(context)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    if plan.minimum is not None:
        context.set_min_proto_version(plan.minimum.value)
    if plan.maximum is not None:
        context.set_max_proto_version(plan.maximum.value)
    _set_algorithms(context, key)
    trust_in(context, plan.trust)
    context.set_verify(SSL.VERIFY_PEER, _on_verify)
    context.set_keylog_callback(_on_secret)
    context.set_ocsp_client_callback(_on_staple)
    beneath.offer_post_handshake_auth(context)
    if plan.credential is not None:
        present(context, plan.credential)
    return context


def _on_staple(_connection: SSL.Connection, _staple: bytes, _data: object) -> bool:
    return True  # read from the wire, judged elsewhere


def _set_algorithms(context: SSL.Context, key: _Key) -> None:
    ciphers = key.ciphers
    if ciphers is not None:
        # names of TLS 1.3 suites begin with TLS_ and have a list of their own
        names = [name for name in ciphers.replace(",", ":").split(":") if name]
        modern = [name for name in names if name.startswith("TLS_")]
        older = [name for name in names if not name.startswith("TLS_")]
        try:
            if modern:
                context.set_tls13_ciphersuites(":".join(modern).encode())
            ciphers = ":".join(older) or None
        except SSL.Error as exc:
            raise UsageError(f"OpenSSL knows none of the suites '{key.ciphers}'", hint="see `openssl ciphers -v`") from exc
    if ciphers is not None or key.level is not None:
        text = ciphers or "DEFAULT"
        if key.level is not None:
            text += f":@SECLEVEL={key.level}"
        try:
            context.set_cipher_list(text.encode())
        except SSL.Error as exc:
            raise UsageError(f"OpenSSL knows none of the ciphers '{key.ciphers}'", hint="see `openssl ciphers -v`") from exc
    if key.groups is not None and not beneath.set_groups(context, key.groups.replace(",", ":")):
        raise UsageError(f"OpenSSL does not know the groups '{key.groups}'", hint="as in X25519MLKEM768:x25519:secp256r1")
    if key.sigalgs is not None and not beneath.set_signature_schemes(context, key.sigalgs.replace(",", ":")):
        raise UsageError(
            f"OpenSSL does not know the signature schemes '{key.sigalgs}'", hint="as in ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256",
        )


def trust_in(context: SSL.Context, trust: Trust) -> None:
    """Fill the context's trust store; the parsed store is shared by all contexts with the same trust."""
    owner = _stores.get(trust)
    if owner is not None and beneath.share_store(context, owner):
        return
    store = context.get_cert_store()
    assert store is not None
    store.set_flags(X509_V_FLAG_PARTIAL_CHAIN)
    if trust.system_file or trust.system_dir:
        try:
            context.load_verify_locations(trust.system_file or None, trust.system_dir or None)
        except SSL.Error as exc:
            raise InputError(
                f"no certificate authorities could be read from {trust.system_file or trust.system_dir}",
                hint="set SSL_CERT_FILE to a PEM bundle, or use --no-system-trust with --cacert",
            ) from exc
    for der in trust.anchors:
        try:
            store.add_cert(crypto.load_certificate(crypto.FILETYPE_ASN1, der))
        except crypto.Error as exc:
            raise InputError("OpenSSL cannot read one of the trusted certificates", hint="look at it with `mtls check`") from exc
    _stores.put(trust, context)


def present(context: SSL.Context, credential: Credential) -> None:
    """Load certificate, chain and key, to be sent exactly so. Raises CredentialError."""
    try:
        _use_certificate(context, credential.leaf)
        for der in credential.chain[1:]:
            beneath.add_chain_certificate(context, crypto.load_certificate(crypto.FILETYPE_ASN1, der))
    except (crypto.Error, SSL.Error) as exc:
        raise CredentialError(
            f"OpenSSL refuses the certificate of {credential.source}", hint="look at it with `mtls check`",
        ) from exc
    key = _openssl_key(credential)
    try:
        beneath.use_private_key(context, key)
    except SSL.Error as exc:
        raise CredentialError(
            f"the private key of {credential.source} is not the certificate's",
            hint="compare the public keys of both files", kind="key-mismatch",
        ) from exc


def _openssl_key(credential: Credential) -> crypto.PKey:
    try:
        der = pkcs8_of(credential.key, parse(credential.leaf).spki_der)
        return crypto.load_privatekey(crypto.FILETYPE_ASN1, der)
    except (crypto.Error, ValueError, TypeError) as exc:
        raise CredentialError(f"OpenSSL cannot use the private key of {credential.source}") from exc
