"""The server side over memory BIOs: for `mtls serve`, the demo, and verification in memory against our own server."""

from __future__ import annotations

from typing import NamedTuple

from OpenSSL import SSL, crypto

from inspector.credentials.model import Credential
from inspector.engine import beneath
from inspector.engine.connection import _Engine
from inspector.engine.context import _Cache, _on_secret, _on_verify, present, trust_in
from inspector.errors import UsageError
from inspector.plan import TlsVersion, Trust
from inspector.trace.events import CertificateError

ClientVerification = str  # "none", "optional" (ask), "required" (refuse those that have none)

# SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION: a resumed session would not ask for the certificate
NO_SESSION_RESUMPTION_ON_RENEGOTIATION = 0x10000

_MODES: dict[str, int] = {
    "none": SSL.VERIFY_NONE,
    "optional": SSL.VERIFY_PEER,
    "required": SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT,
}


class ServerSettings(NamedTuple):
    """What a server side is made from.

    ``strict``: OpenSSL's own judgement ends the handshake with its alert; otherwise every error is collected and the client let
    in. ``ca_names``: DER names for the CertificateRequest; None names the anchors of ``trust``.
    """

    credential: Credential
    trust: Trust = Trust()
    verify: ClientVerification = "none"
    strict: bool = True
    ca_names: tuple[bytes, ...] | None = None
    minimum: TlsVersion | None = None
    maximum: TlsVersion | None = None
    alpn: tuple[str, ...] = ()
    ciphers: str | None = None
    security_level: int | None = None
    late: bool = False  # TLS 1.3: ask only when ``ask_for_certificate`` is called


class ClientCertificateError(NamedTuple):
    """One error of the verification of the client, in the order found: depth, X509_V_ERR number, the certificate."""

    depth: int
    code: int
    certificate: bytes | None


_contexts = _Cache(16)


def _strict_verify(connection: SSL.Connection, certificate: crypto.X509, code: int, depth: int, ok: int) -> bool:
    _on_verify(connection, certificate, code, depth, ok)
    return bool(ok)


def _server_context(settings: ServerSettings) -> SSL.Context:
    credential = settings.credential
    key = (settings._replace(credential=None), credential.chain, id(credential.key))  # type: ignore[arg-type]
    cached = _contexts.get(key)
    if cached is None:
        cached = (_new_context(settings), credential)
        _contexts.put(key, cached)
    context: SSL.Context = cached[0]
    return context


def _new_context(settings: ServerSettings) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_mode(beneath.MODE_NO_AUTO_CHAIN)
    beneath.write_whole(context)
    if settings.minimum is not None:
        context.set_min_proto_version(settings.minimum.value)
    if settings.maximum is not None:
        context.set_max_proto_version(settings.maximum.value)
    if settings.ciphers is not None or settings.security_level is not None:
        level = "" if settings.security_level is None else f":@SECLEVEL={settings.security_level}"
        context.set_cipher_list(f"{settings.ciphers or 'DEFAULT'}{level}".encode())
    present(context, settings.credential)
    trust_in(context, settings.trust)
    mode = SSL.VERIFY_NONE if settings.late else _MODES[settings.verify]
    context.set_verify(mode, _strict_verify if settings.strict else _on_verify)
    context.set_session_id(b"mtls-inspector")
    context.set_options(NO_SESSION_RESUMPTION_ON_RENEGOTIATION)
    context.set_keylog_callback(_on_secret)
    if settings.verify != "none":
        _name_authorities(context, settings)
    if settings.alpn:
        _select_alpn(context, tuple(name.encode() for name in settings.alpn))
    return context


def _name_authorities(context: SSL.Context, settings: ServerSettings) -> None:
    names = settings.ca_names
    if names is None:
        from inspector.der.certificate import parse

        names = tuple(parse(der).subject_der for der in settings.trust.anchors)
    if names and not beneath.set_client_authorities(context, names):
        raise UsageError("one of the authorities' names cannot be sent", hint="leave it out")


def _select_alpn(context: SSL.Context, ours: tuple[bytes, ...]) -> None:
    def select(_connection: SSL.Connection, theirs: list[bytes]) -> bytes | object:
        return next((name for name in ours if name in theirs), SSL.NO_OVERLAPPING_PROTOCOLS)

    context.set_alpn_select_callback(select)  # type: ignore[arg-type]


class ServerConnection(_Engine):
    """The server side of one connection."""

    def __init__(self, settings: ServerSettings) -> None:
        super().__init__(_server_context(settings))
        self._settings = settings
        self._told: set[tuple[int, int, bytes | None]] = set()
        self._ssl.set_accept_state()

    @property
    def server_name(self) -> str | None:
        """What the client asked for (SNI)."""
        name = self._ssl.get_servername()
        return name.decode("ascii", "replace") if name else None

    @property
    def protocol(self) -> str:
        return self._ssl.get_protocol_version_name()

    @property
    def cipher(self) -> str | None:
        """OpenSSL's name of the cipher suite."""
        return self._ssl.get_cipher_name()

    @property
    def alpn(self) -> str | None:
        return self._ssl.get_alpn_proto_negotiated().decode("ascii", "replace") or None

    @property
    def resumed(self) -> bool:
        return beneath.resumed(self._ssl)

    @property
    def client_chain(self) -> tuple[bytes, ...]:
        """The client's certificates, DER, leaf first; empty where it sent none."""
        leaf = self._ssl.get_peer_certificate()
        if leaf is None:
            return ()
        chain = [leaf, *(self._ssl.get_peer_cert_chain() or ())]
        return tuple(dict.fromkeys(crypto.dump_certificate(crypto.FILETYPE_ASN1, item) for item in chain))

    @property
    def errors(self) -> tuple[ClientCertificateError, ...]:
        """What was wrong with the client's certificates."""
        return tuple(ClientCertificateError(*entry) for entry in dict.fromkeys(self._collected.errors))

    def ask_for_certificate(self, at: float) -> bool:
        """Ask now: post-handshake authentication (TLS 1.3) or renegotiation (TLS 1.2). False where the client does not offer it."""
        self._at = at
        mode = _MODES[self._settings.verify]
        self._ssl.set_verify(mode, _strict_verify if self._settings.strict else _on_verify)
        try:
            late = self.protocol == "TLSv1.3"
            asked = beneath.request_post_handshake_auth(self._ssl) if late else self._ssl.renegotiate()
            if asked:
                self._ssl.do_handshake()
        except SSL.WantReadError:
            return True
        except SSL.Error as exc:
            self._fail(exc)
            return False
        self._after_step()
        return asked

    def _after_step(self) -> None:
        super()._after_step()
        for entry in self._collected.errors:
            if entry not in self._told:
                self._told.add(entry)
                depth, code, der = entry
                self._events.append(CertificateError(self._at, depth, code, beneath.error_name(code), der))
