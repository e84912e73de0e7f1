"""What an HTTP answer says about our certificate: status, headers and body against a table of what servers are known to say.

A row is a *signature*: when it fits, we know what the server meant and often what server it is. Without a row the status alone
decides, and what it decides depends on whether a certificate was asked for (see ``analysis.client_auth``).
"""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple

# what a signature means for the client certificate
Meaning = Literal[
    "missing",  # none was sent, and one is needed
    "invalid",  # it was not verified
    "not_authorised",  # it was verified, or nobody cared, and this identity may not
    "misdirected",  # the name asked for is not served over this channel
    "late_request_failed",  # the server wanted to ask again and could not
    "other",  # about something else than the certificate
]


class Signature(NamedTuple):
    """One row: all that is given must fit. ``header`` is (name in lower case, pattern); no ``statuses``: any from 400 on.

    ``about_certificate`` False: what the server says fits other refusals too, so it means the certificate only where one was asked
    for.
    """

    id: str
    statuses: tuple[int, ...]
    meaning: Meaning
    family: str | None  # "nginx", "apache", "iis"...
    summary: str  # completes "the server says that ..."
    body: str | None = None  # pattern, case ignored
    header: tuple[str, str] | None = None
    about_certificate: bool = True


SIGNATURES: tuple[Signature, ...] = (
    Signature("nginx-missing", (400, 496), "missing", "nginx", "no client certificate was sent, and one is required",
              r"no required ssl certificate was sent"),
    Signature("nginx-invalid", (400, 495), "invalid", "nginx", "it could not verify the client certificate",
              r"the ssl certificate error"),
    Signature("nginx-plain-http", (400, 497), "other", "nginx", "it got plain HTTP on a TLS port",
              r"the plain http request was sent to https port"),
    Signature("status-495", (495,), "invalid", None, "the client certificate was refused (status 495, known from nginx)"),
    Signature("status-496", (496,), "missing", None, "no client certificate was sent (status 496, known from nginx)"),
    Signature("apache-no-pha", (403,), "late_request_failed", "apache",
              "it wanted to ask for a client certificate for this path, and post-handshake authentication was not possible",
              r"cannot perform post-handshake authentication"),
    Signature("iis-missing", (403,), "missing", "iis", "a client certificate is required (403.7)",
              r"403\.7\b|client certificate required"),
    Signature("iis-revoked", (403,), "invalid", "iis", "the client certificate is revoked (403.13)",
              r"403\.13\b|client certificate (has been )?revoked"),
    Signature("iis-untrusted", (403,), "invalid", "iis", "the client certificate is not trusted or invalid (403.16)",
              r"403\.16\b|client certificate is untrusted or invalid"),
    Signature("iis-dates", (403,), "invalid", "iis", "the client certificate has expired or is not yet valid (403.17)",
              r"403\.17\b|client certificate has expired or is not yet valid"),
    Signature("iis-hostname", (400,), "other", "iis", "it does not know this host name", r"bad request\s*-\s*invalid hostname"),
    Signature("azure-gateway", (400,), "invalid", "azure-application-gateway",
              "the client certificate is missing or was refused (Application Gateway answers 400 to all of these)",
              None, ("server", r"microsoft-azure-application-gateway"), about_certificate=False),
    Signature("azure-gateway-body", (400,), "invalid", "azure-application-gateway",
              "the client certificate is missing or was refused (Application Gateway answers 400 to all of these)",
              r"microsoft-azure-application-gateway", about_certificate=False),
    Signature("aws-missing-token", (403,), "other", "aws-api-gateway", "the request bears no authentication token for this path",
              r"missing authentication token"),
    Signature("aws-api-gateway", (403,), "invalid", "aws-api-gateway",
              "the request is forbidden (API Gateway's answer to any client certificate that it does not take)",
              r'\{\s*"message"\s*:\s*"forbidden"\s*\}', ("x-amzn-errortype", r"forbidden"),
              about_certificate=False),
    Signature("aws-api-gateway-body", (403,), "invalid", "aws-api-gateway",
              "the request is forbidden (API Gateway's answer to any client certificate that it does not take)",
              r'^\s*\{\s*"message"\s*:\s*"forbidden"\s*\}\s*$', about_certificate=False),
    Signature("kubernetes-unauthorized", (401,), "invalid", "kubernetes", "it knows nobody by this certificate",
              r'"kind"\s*:\s*"status"[\s\S]*"reason"\s*:\s*"unauthorized"', about_certificate=False),
    Signature("kubernetes-anonymous", (403,), "missing", "kubernetes", "the request came from nobody it knows (system:anonymous)",
              r"system:anonymous", about_certificate=False),
    Signature("kubernetes-forbidden", (403,), "not_authorised", "kubernetes", "this user may not do this",
              r'"kind"\s*:\s*"status"[\s\S]*"reason"\s*:\s*"forbidden"'),
    Signature("cloudflare-block", (403,), "invalid", "cloudflare", "access is blocked at the edge", None,
              ("server", r"^cloudflare$"), about_certificate=False),
    Signature("envoy-rbac", (403,), "not_authorised", "envoy", "access is denied (RBAC)", r"^\s*rbac: access denied\s*$"),
    Signature("envoy-upstream-tls", (503,), "other", "envoy", "the connection from this proxy to *its* server failed, not ours",
              r"upstream connect error[\s\S]*(tls_error|certificate_verify_failed)"),
    Signature("haproxy-forbidden", (403,), "not_authorised", "haproxy", "a rule of its administrator forbids the request",
              r"request forbidden by administrative rules"),
    Signature("says-missing", (), "missing", None, "a client certificate is needed",
              r"(no|missing|without|required?|requires|need(s|ed)?|must|present|provide)\b[^.<>{}]{0,40}\b(client|ssl|tls)[ -]?"
              r"(side )?cert|(client|ssl|tls)[ -]?(side )?cert(ificate)?\b[^.<>{}]{0,30}\b(is |was |not )?(required|missing|needed"
              r"|not sent|not provided|not supplied|not presented)|\bno[- ]certificate\b"
              r"|(mtls|mutual tls|(tls|ssl) client auth(entication)?) (is )?required"
              r"|requires? (mtls|mutual tls|(tls|ssl) client auth)"),
    Signature("says-invalid", (), "invalid", None, "the client certificate is not valid here",
              r"(client|ssl|tls|peer)[ -]?(side )?cert(ificate)?\b[^.<>{}]{0,40}\b(error|invalid|expired|revoked|untrusted"
              r"|not trusted|not valid|mismatch|not allowed|not permitted|not registered|not accepted|not authori[sz]ed"
              r"|unauthori[sz]ed|verif|fail|reject|refus|unknown)"
              r"|(invalid|bad|untrusted|expired|revoked|unverified)\b[^.<>{}]{0,20}\b(client|ssl|tls|peer)[ -]?(side )?cert"
              r"|cert_(has_expired|revoked|untrusted|not_yet_valid|signature_failure)|unable_to_(get|verify)|self_signed_cert"
              r"|mtls[^.<>{}]{0,30}(fail|error|invalid)"),
    # words of verifiers, which a proxy may say of *its* server, too: then with 500 or 502
    Signature("says-not-verified", (400, 401, 403, 422), "invalid", None, "the certificate does not verify",
              r"\bx509: |\bpkix path|valid certification path|certificate verify failed"
              r"|(?<!server )\bcertificate (has expired|is not yet valid|revoked|is revoked|signed by unknown)",
              about_certificate=False),
    Signature("misdirected", (421,), "misdirected", None, "this name is not served over this channel (misdirected request)"),
)

REFUSALS: frozenset[Meaning] = frozenset({"missing", "invalid", "not_authorised", "misdirected", "late_request_failed"})

_BODY_LOOKED_AT = 8192
_TAGS = re.compile(r"(?is)<(style|script)\b.*?</\1\s*>|<[^<>]{0,512}>")


def _fits(row: Signature, status: int, headers: dict[str, str], body: str) -> bool:
    if status < 400 or (row.statuses and status not in row.statuses):
        return False
    if row.header is not None and not re.search(row.header[1], headers.get(row.header[0], ""), re.IGNORECASE):
        return False
    return row.body is None or re.search(row.body, body, re.IGNORECASE) is not None


def find_signature(reply: Any) -> Signature | None:
    """The first row that fits an HTTP reply (``app.result.HttpReply``: status, headers, body), or None."""
    headers: dict[str, str] = {}
    for name, value in reply.headers:
        headers.setdefault(name.lower(), value)
    text = reply.body[:_BODY_LOOKED_AT].decode("utf-8", "replace")
    plain = " ".join(_TAGS.sub(" ", text).split())
    return next((row for row in SIGNATURES if _fits(row, reply.status, headers, plain)), None)


def challenge(reply: Any) -> str | None:
    """The scheme of a WWW-Authenticate challenge, as "Basic" or "Bearer": the server asks for another proof than a certificate."""
    value = next((value for name, value in reply.headers if name.lower() == "www-authenticate"), None)
    return value.split(None, 1)[0] if value and value.split() else None


_PASSWORD_FIELD = re.compile(rb"<input\b[^<>]*\btype\s*=\s*[\"']?password\b", re.IGNORECASE)


def asks_for_password(reply: Any) -> bool:
    """True where the page is a form to log in with a password: it is served to who is not known."""
    return _PASSWORD_FIELD.search(reply.body[:_BODY_LOOKED_AT]) is not None
