"""What ``mtls check`` asks the network for, and only when told to: ``--fetch`` (missing issuers) and ``--ocsp``."""

from __future__ import annotations

from inspector.analysis.credential_case import case_of
from inspector.analysis.revocation_status import Status
from inspector.cli import run, web
from inspector.credentials.load import load_certificates
from inspector.credentials.model import Credential
from inspector.credentials.signatures import signed_by
from inspector.der.certificate import parse
from inspector.errors import InspectorError

MAX_FETCHED = 5


def fetch_issuers(credential: Credential, now: float, anchors: tuple[bytes, ...]) -> Credential:
    """The credential with the issuers that AIA addresses lead to among its ``origin.others``; a failure is told, and no error."""
    for _ in range(MAX_FETCHED):
        top = case_of(credential, now, anchors=anchors).top
        if top.is_self_issued:
            break
        found = next((der for url in top.ext.issuer_urls for der in _certificates(url) if signed_by(top.der, der)), None)
        if found is None:
            break
        origin = credential.origin
        credential = credential._replace(origin=origin._replace(others=(*origin.others, found)))
    return credential


def _certificates(url: str) -> tuple[bytes, ...]:
    try:
        found = load_certificates(url, web.fetch(url))
    except InspectorError as exc:
        run.tell_error(exc.message, exc.hint)
        return ()
    run.say(f"fetched {len(found)} certificate{'s' if len(found) != 1 else ''} from {url}")
    return found


def ask_responders(credential: Credential, now: float, anchors: tuple[bytes, ...]) -> tuple[Status, ...]:
    """What the OCSP responders of the path's certificates say; a certificate without a responder or known issuer has no answer."""
    statuses: list[Status] = []
    for child, issuer, _ in case_of(credential, now, anchors=anchors).links:
        if child.ext.ocsp_urls:
            statuses.append(_ask(child.der, issuer.der, child.ext.ocsp_urls[0], now))
    if not statuses:
        run.say("nobody to ask: no certificate of the path names an OCSP responder and has a known issuer")
    return tuple(statuses)


def _ask(certificate: bytes, issuer: bytes, url: str, now: float) -> Status:
    from inspector.credentials import ocsp

    body = ocsp.question(certificate, issuer)
    if body is None:
        return Status(certificate, "unusable", "no question can be made for this certificate", url)
    try:
        data = web.fetch(url, body, "application/ocsp-request")
    except InspectorError as exc:
        return Status(certificate, "unusable", exc.message, url)
    answer = ocsp.answer(data, certificate, issuer, now)
    run.say(f"{url} about {parse(certificate).title}: {answer.detail}")
    return Status(certificate, answer.state, answer.detail, url)
