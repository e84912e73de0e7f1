"""The same judgements for people's own programs: ``inspector.handshake``, ``inspector.request``, ``inspector.diagnose``.

Each returns the typed report that the command line prints (``inspector.report.model.Report``). A server that rejects a certificate
is a result, not an exception; exceptions (``inspector.errors``) are for what could not be tried at all.

>>> import inspector
>>> report = inspector.handshake("api.example.com", cert="me.pem", key="me.key")   # doctest: +SKIP
>>> report.client_auth.verdict                                                     # doctest: +SKIP
'accepted'
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from inspector.app.http_message import USER_AGENT, Body, BytesBody, Headers, Limits, Outcome, Request
from inspector.app.result import HttpReply
from inspector.credentials.model import Credential
from inspector.errors import InputError, InspectorError, TransportError, UsageError
from inspector.plan import Timeouts, TlsVersion, Trust
from inspector.report.model import Report
from inspector.session.settings import Settings
from inspector.target import parse_target

PathLike = str | os.PathLike[str]
VERSIONS = {"1.0": TlsVersion.TLS1_0, "1.1": TlsVersion.TLS1_1, "1.2": TlsVersion.TLS1_2, "1.3": TlsVersion.TLS1_3}


class GateClosed(InspectorError):
    """A request was not sent because a requirement did not hold; ``report`` says all about the channel."""

    kind = "gate-closed"

    def __init__(self, message: str, report: Report) -> None:
        super().__init__(message, hint="the report's client_auth and verification say why")
        self.report = report


class Response(NamedTuple):
    """The answer to a request, with the report on the channel that it came over. ``body`` is whole, and decoded where asked for."""

    status: int
    version: str
    headers: Headers
    body: bytes
    trailers: Headers
    report: Report

    def header(self, name: str) -> str | None:
        """The first value of a header, by its name in any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


def load_credential(
    cert: PathLike, key: PathLike | None = None, *, passphrase: str | bytes | Callable[[str], bytes | None] | None = None,
) -> Credential:
    """A credential from files of any format that ``mtls check`` reads. Raises CredentialError or InputError."""
    from inspector.credentials import load

    files = [(str(path), _read(path)) for path in (cert, key) if path is not None]
    return load.load_credential(files, _asked(passphrase))


def _asked(passphrase: str | bytes | Callable[[str], bytes | None] | None) -> Callable[[str], bytes | None]:
    if callable(passphrase):
        return passphrase
    secret = passphrase.encode() if isinstance(passphrase, str) else passphrase
    return lambda _: secret


def _read(path: PathLike) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as exc:
        raise InputError(f"cannot read '{path}': {exc.strerror}", hint="check the path and its permissions") from exc


def _trust(cacert: PathLike | Iterable[PathLike] | None, *, system: bool) -> Trust:
    from inspector.session import trust

    paths = [] if cacert is None else [cacert] if isinstance(cacert, (str, os.PathLike)) else list(cacert)
    return trust.resolve([os.fspath(path) for path in paths], system=system, environment=os.environ)


def settings(
    target: str, *, cert: PathLike | None = None, key: PathLike | None = None, credential: Credential | None = None,
    passphrase: str | bytes | Callable[[str], bytes | None] | None = None, cacert: PathLike | Iterable[PathLike] | None = None,
    system_trust: bool = True, insecure: bool = False, timeout: float = 20.0, tls_min: str | None = None,
    tls_max: str | None = None, **more: Any,
) -> Settings:
    """What the functions below take, as settings. ``more`` are fields of ``inspector.session.settings.Settings``, by name.

    No credential is looked for that is not named here, and no proxy is used that is not given as ``proxy=``.
    """
    parsed = parse_target(target)
    if cert is not None and credential is not None:
        raise UsageError("cert and credential exclude each other", hint="give one of them")
    if cert is not None:
        credential = load_credential(cert, key, passphrase=passphrase)
    usual = Timeouts()
    more.setdefault("paths", (parsed.url_path,) if parsed.url_path else ())
    return Settings(
        target=parsed, credential=credential, trust=_trust(cacert, system=system_trust), insecure=insecure,
        minimum=VERSIONS[tls_min] if tls_min else None, maximum=VERSIONS[tls_max] if tls_max else None,
        timeouts=usual._replace(total=timeout, response=max(usual.response, timeout)), now=time.time(), **more,
    )


def handshake(target: str, **options: Any) -> Report:
    """One handshake with the application's first step, judged. ``options`` are those of ``settings``."""
    from inspector import drive
    from inspector.session import handshake as session

    return drive.run(session.run(settings(target, **options)))


def diagnose(target: str, **options: Any) -> Report:
    """Why a client certificate is rejected: the report's ``diagnosis`` ranks causes. ``options`` are those of ``settings``."""
    from inspector import drive
    from inspector.session import diagnose as session

    return drive.run(session.run(settings(target, **options)))


class _Kept:
    """A sink that keeps the body."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def interim(self, status: int, headers: Headers) -> None:
        pass

    def head(self, request: Request, reply: HttpReply) -> None:  # noqa: ARG002 - every sink is called so
        self.parts.clear()

    def data(self, data: bytes) -> None:
        self.parts.append(bytes(data))

    def trailers(self, headers: Headers) -> None:
        pass


def request(
    url: str, *, method: str | None = None, headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    body: bytes | Body | None = None, require: str = "", follow_redirects: bool = False, decode: bool = False,
    http: str = "both", max_body: int | None = None, **options: Any,
) -> Response:
    """One request over a judged channel.

    ``require`` is what ``mtls request --require`` takes, ``options`` are those of ``settings``. Raises GateClosed where
    nothing was sent, TransportError where no (whole) answer came.
    """
    from inspector import drive
    from inspector.app import steps
    from inspector.session import gate
    from inspector.session import request as session

    chosen = settings(url, **options)
    given = tuple(headers.items() if isinstance(headers, Mapping) else headers)
    names = {name.lower() for name, _ in given}
    defaults = tuple((name, value) for name, value in (("User-Agent", USER_AGENT), ("Accept", "*/*")) if name.lower() not in names)
    content = BytesBody(body) if isinstance(body, bytes) else body
    sent = Request(
        method or ("GET" if content is None else "POST"), steps.http_authority(chosen), chosen.target.url_path or "/",
        defaults + given, content)
    sink = _Kept()
    wanted = session.Options(
        requirements=gate.parse(require, insecure=chosen.insecure), http=http, location=follow_redirects, decode=decode,
        limits=Limits(body=max_body, decoded=max_body, strict=True))
    result = drive.run(session.run(chosen, [session.Errand(url, sent, sink)], wanted))
    report, _ = session.report_of(result, chosen)
    return _response(result, report, b"".join(sink.parts))


def _response(result: Any, report: Report, body: bytes) -> Response:
    outcome: Outcome | None = result.outcomes[-1] if result.outcomes else None
    if outcome is None or outcome.reply is None or outcome.error or result.error:
        if report.error:
            kind, message, hint = report.error.kind, report.error.message, report.error.hint
        else:
            kind, message, hint = "rejected", "the server rejected the client certificate", "see the report's client_auth"
        if report.client_auth and kind not in ("no-answer", "broken-response"):
            raise GateClosed(message, report)
        raise TransportError(message, hint=hint, kind=kind)
    reply = outcome.reply
    return Response(reply.status, reply.version, reply.headers, body, outcome.trailers, report)


__all__ = ["GateClosed", "Response", "diagnose", "handshake", "load_credential", "request", "settings"]
