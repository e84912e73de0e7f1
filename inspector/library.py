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
from inspector.trace.events import Ended

PathLike = str | os.PathLike[str]
VERSIONS = {"1.0": TlsVersion.TLS1_0, "1.1": TlsVersion.TLS1_1, "1.2": TlsVersion.TLS1_2, "1.3": TlsVersion.TLS1_3}


class GateClosed(InspectorError):
    """A request was not sent because a requirement did not hold; ``report`` says all about the channel."""

    kind = "gate-closed"

    def __init__(self, message: str, report: Report) -> None:
        super().__init__(message, hint="the report's client_auth and verification say why")
        self.report = report


class NoAnswer(TransportError):
    """No (whole) answer came; ``report`` says how far the connection came."""

    def __init__(self, message: str, report: Report, *, hint: str = "", kind: str = "") -> None:
        super().__init__(message, hint=hint, kind=kind)
        self.report = report


class TimedOut(NoAnswer):
    """The same, because the time was over."""


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
    system_trust: bool = True, insecure: bool = False, timeout: float = 20.0, timeouts: Timeouts | None = None,
    tls_min: str | None = None, tls_max: str | None = None, **more: Any,
) -> Settings:
    """What the functions below take, as settings. ``more`` are fields of ``inspector.session.settings.Settings``, by name.

    ``timeout`` is for all of it; ``timeouts`` sets that of each phase instead. No credential is looked for that is not named here,
    and no proxy is used that is not given as ``proxy=``. Raises UsageError for what makes no sense.
    """
    parsed = parse_target(target)
    if parsed.scheme == "http":
        raise UsageError("http:// is not a scheme that begins with TLS", hint="write the target as https://...")
    if cert is not None and credential is not None:
        raise UsageError("cert and credential exclude each other", hint="give one of them")
    if cert is not None:
        credential = load_credential(cert, key, passphrase=passphrase)
    usual = Timeouts()
    if timeouts is None:
        timeouts = usual._replace(total=timeout, response=max(usual.response, timeout))
    more.setdefault("paths", (parsed.url_path,) if parsed.url_path else ())
    return Settings(
        target=parsed, credential=credential, trust=_trust(cacert, system=system_trust), insecure=insecure,
        minimum=_version("tls_min", tls_min), maximum=_version("tls_max", tls_max), timeouts=timeouts, now=time.time(), **more,
    )


def _version(name: str, text: str | None) -> TlsVersion | None:
    if text is None or text in VERSIONS:
        return VERSIONS[text] if text else None
    raise UsageError(f"{name} {text!r} is not a version of TLS", hint=f"it is one of {', '.join(VERSIONS)}")


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

    def data(self, data: bytes | memoryview) -> None:
        self.parts.append(bytes(data))

    def trailers(self, headers: Headers) -> None:
        pass


HeaderValue = str | bytes
# methods for which a server expects content, so that none has to be said (RFC 9110, Section 8.6)
WANT_CONTENT = frozenset({"POST", "PUT", "PATCH"})


def request(
    url: str, *, method: str | None = None,
    headers: Mapping[str, HeaderValue] | Iterable[tuple[HeaderValue, HeaderValue]] = (),
    body: bytes | bytearray | memoryview | Body | None = None, require: str = "", follow_redirects: bool = False,
    decode: bool = False, http: str = "both", max_body: int | None = None, **options: Any,
) -> Response:
    """One request over a judged channel.

    ``require`` is what ``mtls request --require`` takes, ``http`` "both", "1.1" or "2", ``options`` are those of ``settings``.
    Raises GateClosed where nothing was sent, NoAnswer (a TransportError) where no (whole) answer came, UsageError for a request
    that HTTP cannot carry.
    """
    from inspector import drive
    from inspector.app import steps
    from inspector.session import gate
    from inspector.session import request as session

    chosen = settings(url, **options)
    if chosen.target.scheme not in (None, "https"):
        raise UsageError(f"{chosen.target.scheme}:// is not https://", hint="a request is sent over HTTPS")
    if http not in session.ALPN:
        raise UsageError(f"http {http!r} is not known", hint=f"it is one of {', '.join(session.ALPN)}")
    content = _content(body)
    if content is None and (method or "") in WANT_CONTENT:
        content = BytesBody(b"")
    sent = Request(
        method or ("GET" if content is None else "POST"), steps.http_authority(chosen), chosen.target.url_path or "/",
        _with_defaults(headers), content)
    sink = _Kept()
    wanted = session.Options(
        requirements=gate.parse(require, insecure=chosen.insecure), http=http, location=follow_redirects, decode=decode,
        limits=Limits(body=max_body, decoded=max_body, strict=True))
    result = drive.run(session.run(chosen, [session.Errand(url, sent, sink)], wanted))
    report, _ = session.report_of(result, chosen)
    return _response(result, report, b"".join(sink.parts))


def _content(body: Any) -> Body | None:
    if isinstance(body, (bytes, bytearray, memoryview)):
        return BytesBody(bytes(body))
    if body is None or all(hasattr(body, name) for name in ("size", "read", "restart")):
        return body  # type: ignore[no-any-return]  # it has what Body asks for
    raise TypeError(f"body is bytes or a Body, not {type(body).__name__}" + ("; encode the text" if isinstance(body, str) else ""))


def _with_defaults(headers: Any) -> Headers:
    given = tuple((_header_text(name), _header_text(value)) for name, value in (
        headers.items() if isinstance(headers, Mapping) else headers))
    names = {name.lower() for name, _ in given}
    usual = (("User-Agent", USER_AGENT), ("Accept", "*/*"))
    return tuple((name, value) for name, value in usual if name.lower() not in names) + given


def _header_text(text: Any) -> str:
    if isinstance(text, bytes):
        return text.decode("utf-8", "surrogateescape")
    if isinstance(text, str):
        return text
    raise TypeError(f"names and values of headers are str or bytes, not {type(text).__name__}: {text!r}")


def _response(result: Any, report: Report, body: bytes) -> Response:
    outcome: Outcome | None = result.outcomes[-1] if result.outcomes else None
    if outcome is None or outcome.reply is None or outcome.error or result.error:
        if report.error:
            kind, message, hint = report.error.kind, report.error.message, report.error.hint
        else:
            kind, message, hint = "rejected", "the server rejected the client certificate", "see the report's client_auth"
        if report.client_auth and kind not in ("no-answer", "broken-response"):
            raise GateClosed(message, report)
        ended = result.visits[-1].transcript.last(Ended)
        timed_out = kind in ("timeout", "silent") or (ended is not None and ended.how == "deadline")
        raise (TimedOut if timed_out else NoAnswer)(message, report, hint=hint, kind=kind)
    reply = outcome.reply
    return Response(reply.status, reply.version, reply.headers, body, outcome.trailers, report)


__all__ = ["GateClosed", "NoAnswer", "Response", "TimedOut", "diagnose", "handshake", "load_credential", "request", "settings"]
