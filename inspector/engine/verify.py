"""OpenSSL's verification offline: all its errors at all depths, and the alert that a real peer would send.

X509StoreContext stops at the first error, and a whole handshake would need the peer's private key. A TLS 1.2 Certificate message
needs none: it is sent in the clear, and OpenSSL judges it as soon as it is complete, before any signature of the handshake. So the
chain is laid into such a message, and our own client (for a server's chain) or server (for a client's) reads it from memory:

    ClientHello ->                          ClientHello ->
                <- ServerHello                            <- ServerHello ... CertificateRequest, ServerHelloDone
                <- Certificate: judged      Certificate: judged ->

It is read twice: once with a callback that only collects, so that every error is found, and once as OpenSSL would have it, for the
alert. Alerts about certificates are the same in TLS 1.3 but for the missing certificate (RFC 8446, Section 4.4.2.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from OpenSSL import SSL, crypto

from inspector.credentials.model import Credential
from inspector.engine import beneath
from inspector.engine.context import present, trust_in
from inspector.errors import InputError
from inspector.plan import TlsVersion, Trust

CERTIFICATE, SERVER_HELLO = 11, 2  # RFC 5246, Section 7.4
HANDSHAKE_RECORD, ALERT_RECORD = 22, 21  # RFC 5246, Section 6.2.1
LARGEST_FRAGMENT = 16384
CIPHER = 0xC02B  # TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
RENEGOTIATION_INFO = b"\xff\x01\x00\x01\x00"  # RFC 5746, Section 3.6; without it OpenSSL would stop before the certificate
HANDSHAKE_FAILURE, CERTIFICATE_REQUIRED = 40, 116

X509_V_FLAG_CRL_CHECK, X509_V_FLAG_CRL_CHECK_ALL = 0x4, 0x8
X509_V_FLAG_X509_STRICT = 0x20
X509_V_FLAG_PARTIAL_CHAIN = 0x80000


class VerificationError(NamedTuple):
    """One error of OpenSSL's verification: X509_V_ERR number and its name in lower case; depth 0 is the leaf."""

    depth: int
    code: int
    name: str
    certificate: bytes | None  # DER

    def __repr__(self) -> str:
        return f"VerificationError({self.depth}, {self.code}, {self.name!r})"


class Opinion(NamedTuple):
    """What OpenSSL thinks of a chain. ``alert`` is the alert description that it would send, None where it accepts.

    ``path`` is the chain that it built (whether it holds or not), leaf first, DER. ``judged`` is False where it could not even
    read the certificates; ``errors`` is empty then.
    """

    errors: tuple[VerificationError, ...]
    alert: int | None
    accepted: bool
    path: tuple[bytes, ...] = ()
    judged: bool = True


class _Rules(NamedTuple):
    """What a chain is held against."""

    trust: Trust
    crls: tuple[bytes, ...] = ()
    depth: int | None = None
    level: int | None = None
    partial: bool = False


def _record(message: bytes) -> bytes:
    """Handshake bytes in TLS 1.2 records."""
    pieces = [message[i : i + LARGEST_FRAGMENT] for i in range(0, len(message), LARGEST_FRAGMENT)]
    return b"".join(bytes((HANDSHAKE_RECORD, 3, 3)) + len(piece).to_bytes(2, "big") + piece for piece in pieces)


def _message(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + len(body).to_bytes(3, "big") + body


def _server_hello() -> bytes:
    """TLS 1.2, no session, no compression (RFC 5246, Section 7.4.1.3)."""
    extensions = len(RENEGOTIATION_INFO).to_bytes(2, "big") + RENEGOTIATION_INFO
    return _message(SERVER_HELLO, b"\x03\x03" + bytes(32) + b"\x00" + CIPHER.to_bytes(2, "big") + b"\x00" + extensions)


def _certificate_message(chain: Sequence[bytes]) -> bytes:
    """RFC 5246, Section 7.4.2."""
    listed = b"".join(len(der).to_bytes(3, "big") + der for der in chain)
    return _message(CERTIFICATE, len(listed).to_bytes(3, "big") + listed)


def _fill_store(context: SSL.Context, rules: _Rules) -> None:
    if not rules.crls and rules.partial:
        trust_in(context, rules.trust)
        return
    store = context.get_cert_store()
    assert store is not None
    if rules.partial:
        store.set_flags(X509_V_FLAG_PARTIAL_CHAIN)
    if rules.trust.system_file or rules.trust.system_dir:
        context.load_verify_locations(rules.trust.system_file, rules.trust.system_dir)
    try:
        for der in rules.trust.anchors:
            store.add_cert(crypto.load_certificate(crypto.FILETYPE_ASN1, der))
    except crypto.Error as exc:
        raise InputError("OpenSSL cannot read one of the trusted certificates", hint="look at it with `mtls check`") from exc
    _add_crls(store, rules.crls)


def _add_crls(store: crypto.X509Store, crls: tuple[bytes, ...]) -> None:
    from cryptography import x509

    try:
        for der in crls:
            store.add_crl(x509.load_der_x509_crl(der))
    except (crypto.Error, ValueError) as exc:
        raise InputError("one of the CRLs cannot be read", hint="a CRL is PEM or DER, see `openssl crl -text`") from exc


def _prepare(context: SSL.Context, rules: _Rules) -> SSL.Context:
    context.set_max_proto_version(TlsVersion.TLS1_2.value)
    if rules.level is not None:
        context.set_cipher_list(f"ALL:@SECLEVEL={rules.level}".encode())
    if rules.depth is not None:
        context.set_verify_depth(rules.depth)
    _fill_store(context, rules)
    return context


@lru_cache(maxsize=16)
def _client_context(rules: _Rules) -> SSL.Context:
    return _prepare(SSL.Context(SSL.TLS_CLIENT_METHOD), rules)


@lru_cache(maxsize=16)
def _server_context(rules: _Rules) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    present(context, _own_identity())
    return _prepare(context, rules)


@lru_cache(maxsize=1)
def _own_identity() -> Credential:
    """A throw-away certificate for the server side that judges clients. Nobody looks at it."""
    from inspector.credentials.mint import authority

    return authority("verification in memory").credential()


class _Judge:
    """One reading of a Certificate message by our own endpoint. ``lenient``: errors are collected and overruled."""

    def __init__(self, context: SSL.Context, *, now: float | None, strict: bool, crl_checks: bool, lenient: bool) -> None:
        self.errors: list[tuple[int, int, bytes | None]] = []
        self.called = False
        self._lenient = lenient
        self.connection = SSL.Connection(context, None)
        self.connection.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, self._on_verify)
        flags = (X509_V_FLAG_X509_STRICT if strict else 0) | (
            X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL if crl_checks else 0
        )
        beneath.judge_with(self.connection, flags, None if now is None else int(now))

    def _on_verify(self, _connection: SSL.Connection, certificate: crypto.X509, code: int, depth: int, ok: int) -> bool:
        self.called = True
        if not ok:
            try:
                der: bytes | None = crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
            except crypto.Error:
                der = None
            self.errors.append((depth, code, der))
        return bool(ok) or self._lenient

    def step(self) -> bytes:
        """Let OpenSSL read what was written to it; what it wants to send."""
        try:
            self.connection.do_handshake()
        except SSL.Error:  # WantReadError, or it gave up and lays its alert into the BIO
            pass
        out = b""
        try:
            while True:
                out += self.connection.bio_read(65536)
        except SSL.Error:
            return out

    def feed(self, data: bytes) -> bytes:
        self.connection.bio_write(data)
        return self.step()

    @property
    def path(self) -> tuple[bytes, ...]:
        try:
            chain = self.connection.get_verified_chain() or []
            return tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, item) for item in chain)
        except (SSL.Error, crypto.Error):
            return ()


def _alert_in(data: bytes) -> int | None:
    """The description of a fatal alert among records that are not encrypted."""
    at = 0
    while at + 5 <= len(data):
        size = int.from_bytes(data[at + 3 : at + 5], "big")
        if data[at] == ALERT_RECORD and size == 2:
            return data[at + 6]
        at += 5 + size
    return None


def _opinion(lenient: _Judge, stern: _Judge, answer: bytes) -> Opinion:
    alert = _alert_in(answer)
    errors = tuple(
        VerificationError(depth, code, beneath.error_name(code), der) for depth, code, der in dict.fromkeys(lenient.errors)
    )
    accepted = stern.called and not stern.errors and alert is None
    return Opinion(errors, alert, accepted, lenient.path, lenient.called)


def verify_server(
    chain: Sequence[bytes], trust: Trust, *, host: str | None = None, now: float | None = None, strict: bool = False,
    crls: Sequence[bytes] = (), depth: int | None = None, level: int | None = None, partial: bool = True,
) -> Opinion:
    """OpenSSL's opinion of a server's chain (leaf first, DER) for a client that trusts ``trust`` and wants ``host``.

    ``now`` is the time to judge by, seconds since the epoch (None: the clock). ``strict`` adds the rules of RFC 5280 that OpenSSL
    checks only when asked. ``partial``: any certificate in ``trust`` ends the chain, not only a self-signed one. ``level`` is
    OpenSSL's security level. Raises InputError for trusted certificates or CRLs that cannot be read.
    """
    context = _client_context(_Rules(trust, tuple(crls), depth, level, partial))
    message = _record(_server_hello() + _certificate_message(chain))
    judges = []
    answer = b""
    for lenient in (True, False):
        judge = _Judge(context, now=now, strict=strict, crl_checks=bool(crls), lenient=lenient)
        judge.connection.set_connect_state()
        if host:
            beneath.expect_name(judge.connection, host)
        judge.step()
        answer = judge.feed(message)
        judges.append(judge)
    return _opinion(judges[0], judges[1], answer if judges[1].errors or not judges[1].called else b"")


def verify_client(
    credential: Credential | Sequence[bytes], anchors: Sequence[bytes], crls: Sequence[bytes] = (), depth: int | None = None,
    version: TlsVersion = TlsVersion.TLS1_3, now: float | None = None, *, strict: bool = False, level: int | None = 0,
    partial: bool = False,
) -> Opinion:
    """OpenSSL's opinion of a client's chain, as a server that trusts ``anchors`` and requires a certificate has it.

    ``depth`` is the server's verify depth (None: OpenSSL's own, 100). With ``crls`` every certificate but the root is looked up.
    ``version`` only matters for the alert when there is no certificate. ``level`` 0 judges no key sizes; servers differ in it.
    ``partial`` is for servers that trust an intermediate as it stands. Raises InputError for what cannot be read.
    """
    chain = credential.chain if isinstance(credential, Credential) else tuple(credential)
    if not chain:
        return Opinion((), CERTIFICATE_REQUIRED if version is TlsVersion.TLS1_3 else HANDSHAKE_FAILURE, accepted=False)
    context = _server_context(_Rules(Trust(tuple(anchors)), tuple(crls), depth, level, partial))
    hello = _client_hello()
    judges = []
    answer = b""
    for lenient in (True, False):
        judge = _Judge(context, now=now, strict=strict, crl_checks=bool(crls), lenient=lenient)
        judge.connection.set_accept_state()
        judge.feed(hello)
        answer = judge.feed(_record(_certificate_message(chain)))
        judges.append(judge)
    return _opinion(judges[0], judges[1], answer)


@lru_cache(maxsize=1)
def _client_hello() -> bytes:
    """A TLS 1.2 ClientHello of OpenSSL's own; the same one serves for every judgement."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(TlsVersion.TLS1_2.value)
    connection = SSL.Connection(context, None)
    connection.set_connect_state()
    try:
        connection.do_handshake()
    except SSL.WantReadError:
        pass
    return connection.bio_read(65536)
