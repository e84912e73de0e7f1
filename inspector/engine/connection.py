"""One TLS connection over memory BIOs, without I/O and without a clock.

Bytes go in with ``receive_data``, bytes come out of ``data_to_send``, what happened out of ``next_event``. Rules:

1. Verification collects, and never decides. The judgement falls when our second flight lies in the BIO and before
   ``data_to_send`` hands it out (in TLS 1.3 all callbacks have run by then; in TLS 1.2, too). Where the server is not verified and
   the plan is not insecure, that flight is never handed out: ``withheld``.
2. Plaintext is pulled: each ``next_event`` decrypts at most 16 KiB (256 KiB once much has passed), so what is not read stays
   encrypted in the BIO.
3. An error of OpenSSL is an event, not an exception; after it the connection is ``failed`` and only hands out its alert.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from OpenSSL import SSL, crypto

from inspector.engine import beneath
from inspector.engine.context import Collected, client_context, lowered_for_credential, weaknesses
from inspector.plan import HandshakePlan, Session, Trust
from inspector.trace.events import NAME_MISMATCHES, CertificateError, EngineError, HandshakeDone, Judged, SecretLine

CIPHERTEXT = 256 * 1024  # bytes taken out of OpenSSL in one go
PLAINTEXT = 16 * 1024  # bytes decrypted in one go
PIECE = 248 * 1024  # bytes that, encrypted, are taken out of OpenSSL in one go
BULK_FROM = 128 * 1024  # bytes of application data after which more are moved at once


class Data(NamedTuple):
    """Plaintext of the application. A memoryview (once much has passed) is good until bytes of the peer come again."""

    data: bytes | memoryview


class CloseNotify(NamedTuple):
    """The peer said that it sends no more."""


EngineEvent = SecretLine | CertificateError | Judged | HandshakeDone | EngineError | Data | CloseNotify


class Verdict(NamedTuple):
    """What was found out about the server when a session was made; a resumed handshake runs no callbacks."""

    trust: Trust
    verify_name: str | None
    trusted: bool
    host_matches: bool | None
    errors: tuple[CertificateError, ...]
    path: tuple[bytes, ...]

    @property
    def holds(self) -> bool:
        """True where the chain is trusted and the name, if one was asked for, is the server's."""
        return self.trusted and self.host_matches is not False


class ResumableSession(NamedTuple):
    """The engine's handle inside ``plan.Session``."""

    openssl: SSL.Session
    verdict: Verdict

    def __repr__(self) -> str:
        return "ResumableSession(...)"


class _Engine:
    """What client and server have in common."""

    def __init__(self, context: SSL.Context) -> None:
        self._collected = Collected()
        self._ssl = SSL.Connection(context, None)
        self._ssl.set_app_data(self._collected)
        self._events: deque[EngineEvent] = deque()
        self._at = 0.0
        self._closing = False
        self._moved = 0  # bytes of application data, until there is a bulk
        self._bulk: beneath.Bulk | None = None
        self._dry = False  # all that came was read
        self.handshake_complete = False
        self.failed = False
        self.withheld = False  # our flight is kept back for good: the server is not verified
        self.peer_closed = False

    def receive_data(self, data: bytes | memoryview, at: float) -> None:
        """Bytes of the peer, which came ``at`` seconds."""
        self._at = at
        if self.failed or self.withheld:
            return
        self._dry = False
        self._ssl.bio_write(data)
        self._advance()

    def next_event(self) -> EngineEvent | None:
        """The next thing that happened; None: nothing until more bytes come."""
        if not (self._events or self._dry) and self.handshake_complete and not (self.failed or self.withheld or self.peer_closed):
            self._read()
        return self._events.popleft() if self._events else None

    def data_to_send(self) -> bytes | memoryview:
        """What is to be sent now; ``b""``: nothing, or nothing that may be sent. A memoryview (once much has passed) is good until
        the second time after this that something is written or received.
        """
        if self.withheld:
            return b""
        return self._drain()

    def write(self, data: bytes | memoryview, at: float) -> bool:
        """Encrypt application data. False where the connection cannot send any more."""
        self._at = at
        if self.failed or self.withheld or not data:
            return False
        try:
            view, take = memoryview(data), self._ssl.send if self._bulk is None else self._bulk.write
            while view:
                view = view[take(view[:PIECE]):]
        except SSL.WantReadError:
            # a renegotiation is under way: the caller has to read first; nothing of this piece was taken
            return False
        except SSL.Error as exc:
            self._fail(exc)
            return False
        self._count(len(data))
        return True

    def _count(self, size: int) -> None:
        """Move more at once where much is moved."""
        if self._bulk is None:
            self._moved += size
            if self._moved > BULK_FROM and beneath.Bulk.possible(self._ssl):
                self._bulk = beneath.Bulk(self._ssl)

    @property
    def closing(self) -> bool:
        """True once close_notify was said."""
        return self._closing

    def close(self) -> None:
        """Say close_notify (RFC 8446, Section 6.1); without it OpenSSL gives up the session."""
        if self._closing or self.failed or self.withheld or not self.handshake_complete:
            return
        self._closing = True
        try:
            self._ssl.shutdown()
        except SSL.Error:
            pass

    def _advance(self) -> None:
        if not self.handshake_complete:
            self._step()

    def _step(self) -> None:
        try:
            self._ssl.do_handshake()
        except SSL.WantReadError:
            pass
        except SSL.Error as exc:
            self._fail(exc)
        else:
            self.handshake_complete = True
        self._after_step()

    def _read(self) -> None:
        data, end = self._some()
        if data:
            self._count(len(data))
            self._events.append(Data(data))
        if end is None:  # what OpenSSL itself wants to send meanwhile is looked for once all is read
            return
        self._dry = True
        if isinstance(end, SSL.ZeroReturnError):
            self.peer_closed = True
        elif not isinstance(end, SSL.WantReadError):
            self._fail(end)
        self._after_step()
        if self.peer_closed:
            self._events.append(CloseNotify())

    def _some(self) -> tuple[bytes | memoryview, SSL.Error | None]:
        """Some plaintext, and why there is no more of it now (None: there may be)."""
        if self._bulk is not None:
            return self._bulk.read()
        try:
            return self._ssl.recv(PLAINTEXT), None
        except SSL.Error as exc:
            return b"", exc

    def _drain(self) -> bytes | memoryview:
        """What OpenSSL wants to send. A read that comes back short was the last: asking once more would cost an exception."""
        if self._bulk is not None:
            return self._bulk.output()
        parts: list[bytes] = []
        size = PLAINTEXT
        try:
            while not parts or len(parts[-1]) == size:
                size = CIPHERTEXT if parts else PLAINTEXT
                parts.append(self._ssl.bio_read(size))
        except SSL.WantReadError:
            pass
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _take_secrets(self) -> None:
        for line in self._collected.secrets:
            self._events.append(SecretLine(self._at, line))
        self._collected.secrets.clear()

    def _fail(self, error: SSL.Error) -> None:
        self.failed = True
        entries = error.args[0] if error.args and isinstance(error.args[0], (list, tuple)) else ()
        reasons = tuple(str(entry[-1]) for entry in entries if isinstance(entry, tuple))
        self._events.append(EngineError(self._at, reasons or (type(error).__name__,)))

    def _after_step(self) -> None:
        self._take_secrets()


class ClientConnection(_Engine):
    """The client side of one handshake plan. Raises what ``engine.context.client_context`` raises."""

    def __init__(self, plan: HandshakePlan) -> None:
        super().__init__(client_context(plan))
        self._plan = plan
        self._held: bytes | memoryview = b""
        self._errors: list[CertificateError] = []
        self._verdict: Verdict | None = None
        self._done_told = False
        ssl = self._ssl
        ssl.set_connect_state()
        if plan.server_name:
            ssl.set_tlsext_host_name(plan.server_name.encode("ascii", "replace"))
        if plan.verify_name:
            self._names_checked = beneath.expect_name(ssl, plan.verify_name)
        if plan.alpn:
            ssl.set_alpn_protos([name.encode("ascii", "replace") for name in plan.alpn])
        if plan.staple:
            ssl.request_ocsp()
        if plan.session is not None:
            beneath.resume(ssl, plan.session.handle.openssl)

    def start(self, at: float) -> None:
        """Make the ClientHello, and early data where the plan has it and the session allows it."""
        self._at = at
        session = self._plan.session
        known = session is not None and (self._plan.insecure or self._verdict_of_session(session).holds)
        if self._plan.early_data and known:
            beneath.write_early_data(self._ssl, self._plan.early_data)
            self._after_step()
        self._step()

    @property
    def resumed(self) -> bool:
        return beneath.resumed(self._ssl)

    @property
    def alpn(self) -> str | None:
        return self._ssl.get_alpn_proto_negotiated().decode("ascii", "replace") or None

    def data_to_send(self) -> bytes | memoryview:
        if self.withheld:
            return b""
        data, self._held = self._held, b""
        return data

    @property
    def has_to_say(self) -> bool:
        """True where something waits to be sent."""
        return bool(self._held)

    def write(self, data: bytes | memoryview, at: float) -> bool:
        done = super().write(data, at)
        self._after_step()
        return done

    def close(self) -> None:
        super().close()
        self._after_step()

    def session(self, made_at: float) -> Session | None:
        """The session as it stands now (in TLS 1.3: with the last ticket that came), to be resumed by another plan."""
        if not self.handshake_complete or self._verdict is None:
            return None
        openssl = self._ssl.get_session()
        return Session(ResumableSession(openssl, self._verdict), self._plan.server_name, made_at) if openssl else None

    def _after_step(self) -> None:
        self._take_secrets()
        output = self._drain()
        if output or self.handshake_complete:
            self._judge_when_due(bool(output))
        if output and not self.withheld:
            self._held = b"".join((self._held, output)) if self._held else output
        if self.handshake_complete and not (self._done_told or self.failed or self.withheld):
            self._done_told = True
            self._events.append(self._done())

    def _judge_when_due(self, flight: bool) -> None:
        """Judge once the server's certificate was verified, or the session resumed; again if a renegotiation shows another one."""
        if self._collected.verified:
            verdict = self._verdict_of_callbacks()
        elif self._verdict is None and self.handshake_complete:
            verdict = self._verdict_of_session(self._plan.session if self.resumed else None)
        else:
            return
        first, self._verdict = self._verdict is None, verdict
        self.withheld = not (verdict.holds or self._plan.insecure)
        if first or self.withheld:
            self._events.extend(verdict.errors)
            self._events.append(
                Judged(self._at, verdict.trusted, verdict.host_matches, verdict.path, withheld=self.withheld and flight),
            )

    def _verdict_of_callbacks(self) -> Verdict:
        seen, self._collected.errors, self._collected.verified = self._collected.errors, [], False
        path = self._path()
        if path and lowered_for_credential(self._plan):
            seen = [*seen, *weaknesses(path)]
        errors = tuple(
            CertificateError(self._at, depth, code, beneath.error_name(code), der) for depth, code, der in dict.fromkeys(seen)
        )
        trusted = all(error.code in NAME_MISMATCHES for error in errors)
        host = self._host_verdict(errors)
        return Verdict(self._plan.trust, self._plan.verify_name, trusted, host, errors, path if trusted else ())

    def _host_verdict(self, errors: tuple[CertificateError, ...]) -> bool | None:
        if not self._plan.verify_name:
            return None
        return self._names_checked and not any(error.code in NAME_MISMATCHES for error in errors)

    def _path(self) -> tuple[bytes, ...]:
        """The path that OpenSSL built, leaf first, whether it holds or not."""
        try:
            chain = self._ssl.get_verified_chain()
            return tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate) for certificate in chain or ())
        except (SSL.Error, crypto.Error):
            return ()

    def _verdict_of_session(self, session: Session | None) -> Verdict:
        """A resumed session shows no certificate: what was found out when it was made holds, for the same trust and name."""
        plan = self._plan
        kept: Verdict | None = session.handle.verdict if session is not None else None
        if kept is None:  # no certificate at all (anonymous ciphers): nobody is verified
            return Verdict(plan.trust, plan.verify_name, trusted=False, host_matches=None, errors=(), path=())
        same_name = kept.verify_name == plan.verify_name
        host = kept.host_matches if same_name else False if plan.verify_name else None
        trusted = kept.trusted and kept.trust == plan.trust
        errors = tuple(error._replace(at=self._at) for error in kept.errors)
        return Verdict(plan.trust, plan.verify_name, trusted, host, errors, kept.path if trusted else ())

    def _done(self) -> HandshakeDone:
        ssl = self._ssl
        return HandshakeDone(
            self._at, ssl.get_protocol_version_name(), 0, ssl.get_group_name(), self.alpn, self.resumed,
        )


def openssl_version() -> str:
    """The version of the OpenSSL that does the work, as ``4.0.3``."""
    text = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode("ascii", "replace").split()
    return text[1] if len(text) > 1 else " ".join(text)


