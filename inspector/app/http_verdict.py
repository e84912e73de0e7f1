"""Which HTTP answers are a verdict on the client's certificate. Most are not: then the rest of the transcript decides."""

from __future__ import annotations

from inspector.app.result import HttpReply

# RFC 9110, Section 15, and the statuses that nginx has for itself
REFUSED: dict[int, str] = {
    403: "the identity is not allowed here",
    495: "the client certificate was refused (nginx)",
    496: "a client certificate is required (nginx)",
}
# the words with which nginx, HAProxy, IIS, Envoy and Node applications explain a 400 or 401 that is about the certificate
CERTIFICATE_WORDS = (b"certificate", b"mtls")


def verdict(reply: HttpReply) -> bool | None:
    """True: the request was served. False: refused for who we are. None: neither can be told from this answer.

    A redirect is neither: it may lead to a page to log in. 401 is a refusal where the server names no other way to log in: with a
    challenge it is the request for a password.
    """
    status = reply.status
    if 200 <= status < 300:
        return True
    if status in REFUSED:
        return False
    names = {name.lower() for name, _ in reply.headers}
    about_certificate = any(word in reply.body[:4096].lower() for word in CERTIFICATE_WORDS)
    if status == 401:
        return False if about_certificate or "www-authenticate" not in names else None
    if status == 400 and about_certificate:
        return False
    return None


def summary(reply: HttpReply) -> str:
    """One line for people."""
    meaning = REFUSED.get(reply.status, "")
    line = f"HTTP {reply.status} {reply.reason}".rstrip()
    return f"{line}: {meaning}" if meaning else line
