"""What servers say in HTTP about client certificates, and what only sounds like it."""

from __future__ import annotations

import pytest

from inspector.analysis.client_auth import judge
from inspector.analysis.http_signatures import SIGNATURES, find_signature
from inspector.app.result import HttpReply
from tests.analysis.scenes import completed, never_asked

NGINX = b"<html>\r\n<head><title>400 %s</title></head>\r\n<body>\r\n<center><h1>400 Bad Request</h1></center>%s</html>"


def found(status: int, body: bytes = b"", *headers: tuple[str, str]) -> str | None:
    signature = find_signature(HttpReply(status, "1.1", "", headers, len(body), body))
    return signature.id if signature else None


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        (400, NGINX.replace(b"%s", b"No required SSL certificate was sent"), (), "nginx-missing"),
        (400, NGINX.replace(b"%s", b"The SSL certificate error"), (), "nginx-invalid"),
        (400, b"The plain HTTP request was sent to HTTPS port", (), "nginx-plain-http"),
        (495, b"", (), "status-495"),
        (400, b"x509: certificate signed by unknown authority", (), "says-not-verified"),
        (400, b"PKIX path building failed: unable to find valid certification path to requested target", (), "says-not-verified"),
        (502, b"tls: failed to verify certificate: x509: certificate signed by unknown authority", (), None),
        (400, b"Gift certificate expired", (), None),
        (400, b"Client certificate not registered", (), "says-invalid"),
        (400, b"This endpoint requires mutual TLS", (), "says-missing"),
        (496, b"no-certificate", (), "status-496"),
        (403, b"Reason: Cannot perform Post-Handshake Authentication.<br />", (), "apache-no-pha"),
        (403, b"<h2>403.7 - Forbidden: Client certificate required</h2>", (), "iis-missing"),
        (403, b"HTTP Error 403.16 - Forbidden", (), "iis-untrusted"),
        (403, b"HTTP Error 403.17 - Forbidden", (), "iis-dates"),
        (403, b"HTTP Error 403.13 - Forbidden", (), "iis-revoked"),
        (400, b"<h2>Bad Request - Invalid Hostname</h2>", (), "iis-hostname"),
        (400, b"<center>Microsoft-Azure-Application-Gateway/v2</center>", (), "azure-gateway-body"),
        (403, b'{"message":"Forbidden"}', (("x-amzn-ErrorType", "ForbiddenException"),), "aws-api-gateway"),
        (403, b'{"message":"Missing Authentication Token"}', (), "aws-missing-token"),
        (401, b'{"kind":"Status","status":"Failure","reason":"Unauthorized","code":401}', (), "kubernetes-unauthorized"),
        (403, b'forbidden: User "system:anonymous" cannot get path "/"', (), "kubernetes-anonymous"),
        (403, b"RBAC: access denied", (), "envoy-rbac"),
        (503, b"upstream connect error: TLS_error:|268435581:CERTIFICATE_VERIFY_FAILED", (), "envoy-upstream-tls"),
        (401, b"client certificate not authorized: UNABLE_TO_GET_ISSUER_CERT", (), "says-invalid"),
        (401, b"No required TLS certificate was sent", (), "says-missing"),
        (403, b"A valid client certificate is required to access this resource", (), "says-missing"),
        (404, b"Client certificate has expired", (), "says-invalid"),
        (421, b"Misdirected Request", (), "misdirected"),
        (403, b"You don't have permission to access this resource.", (), None),
        (404, b"Not Found", (), None),
        (200, b"No required SSL certificate was sent", (), None),
        (403, b"We could not verify the certificate of birth that you uploaded", (), None),
    ],
)
def test_signatures(status: int, body: bytes, headers: tuple[tuple[str, str], ...], expected: str | None) -> None:
    assert found(status, body, *headers) == expected


def test_ids_are_unique() -> None:
    assert len({row.id for row in SIGNATURES}) == len(SIGNATURES)


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (403, b"blocked", (("Server", "cloudflare"),)),
        (403, b'{"message":"Forbidden"}', ()),
        (400, b"Microsoft-Azure-Application-Gateway/v2", ()),
        (403, b"RBAC: access denied", ()),
    ],
)
def test_a_refusal_that_fits_other_things_too_means_the_certificate_only_where_one_was_asked_for(
    status: int, body: bytes, headers: tuple[tuple[str, str], ...],
) -> None:
    assert judge(never_asked().http(status, body, *headers).transcript).verdict == "not_requested"
    assert judge(completed().http(status, body, *headers).transcript).verdict == "rejected"


def test_a_page_about_the_certificate_is_believed_whoever_asked() -> None:
    judged = judge(never_asked().http(403, b"client certificate required").transcript)
    assert (judged.verdict, judged.rejected_by) == ("rejected", "http")


def test_a_page_about_a_token_is_no_refusal_of_the_certificate() -> None:
    assert judge(completed().http(403, b'{"message":"Missing Authentication Token"}').transcript).verdict == "accepted"


def test_a_body_made_to_be_slow_is_read_in_no_time() -> None:
    body = b"no client " * 800 + b"<" * 8000 + b"client certificate " * 400
    assert found(403, body[:8192]) in (None, "says-missing", "says-invalid")
