"""The reference at hand: what handshake messages are for and how one-way TLS differs, and what alerts mean. Texts as tables."""

from __future__ import annotations

from typing import NamedTuple


class MessageText(NamedTuple):
    """``purpose``: what the message is for. ``one_way``: how it would differ without client authentication; may be empty."""

    purpose: str
    one_way: str = ""
    reference: str = ""


# (type, sender); sender "" fits both
MESSAGES: dict[tuple[str, str], MessageText] = {
    ("client_hello", ""): MessageText(
        "You open the conversation: which versions, ciphers and signatures you can do, and which name you want to talk to.",
        "The same in one-way TLS: a client does not announce that it has a certificate; it waits to be asked.",
        "RFC 8446, Section 4.1.2"),
    ("server_hello", ""): MessageText(
        "The server picks one of each; from here both sides can compute the keys.",
        "The same in one-way TLS.", "RFC 8446, Section 4.1.3"),
    ("hello_retry_request", ""): MessageText(
        "The server could not use the key share that was sent, and names the group it wants; the hello is repeated.",
        "The same in one-way TLS.", "RFC 8446, Section 4.1.4"),
    ("change_cipher_spec", ""): MessageText(
        "From the next record on, the sender encrypts (in TLS 1.3 a dummy that keeps middleboxes calm).",
        "The same in one-way TLS.", "RFC 5246, Section 7.1; RFC 8446, Appendix D.4"),
    ("encrypted_extensions", ""): MessageText(
        "The server's other choices, already encrypted, such as the application protocol.",
        "The same in one-way TLS.", "RFC 8446, Section 4.3.1"),
    ("certificate_request", "server"): MessageText(
        "Here TLS becomes mutual: the server asks who you are, and may name the authorities and signatures it takes.",
        "In one-way TLS this message is missing, and so are your Certificate and CertificateVerify.",
        "RFC 8446, Section 4.3.2; RFC 5246, Section 7.4.4"),
    ("certificate", "server"): MessageText(
        "The server shows its certificate chain; you check it against your trusted roots and the name you asked for.",
        "The same in one-way TLS.", "RFC 8446, Section 4.4.2"),
    ("certificate", "client"): MessageText(
        "Your answer to the request: your certificate and its intermediates, or an empty list if you have none that fits.",
        "In one-way TLS the client sends no Certificate.", "RFC 8446, Section 4.4.2"),
    ("compressed_certificate", ""): MessageText(
        "A certificate chain, compressed to save bytes.", "The same in one-way TLS, for the server's chain.", "RFC 8879"),
    ("certificate_status", ""): MessageText(
        "The server staples proof from its CA that its certificate is not revoked.", "The same in one-way TLS.",
        "RFC 6066, Section 8"),
    ("certificate_verify", "server"): MessageText(
        "The server signs the handshake so far: proof that it has the private key, not just the certificate.",
        "The same in one-way TLS.", "RFC 8446, Section 4.4.3"),
    ("certificate_verify", "client"): MessageText(
        "You sign the handshake so far with your private key: anybody can send your certificate, only you can do this.",
        "In one-way TLS the client signs nothing.", "RFC 8446, Section 4.4.3"),
    ("server_key_exchange", ""): MessageText(
        "The server's share for the key exchange, signed with its certificate's key.", "The same in one-way TLS.",
        "RFC 5246, Section 7.4.3"),
    ("server_hello_done", ""): MessageText(
        "The server's flight is over. If it asked for no certificate until here, it does not in this handshake.",
        "The same in one-way TLS.", "RFC 5246, Section 7.4.5"),
    ("client_key_exchange", ""): MessageText(
        "Your share for the key exchange.", "The same in one-way TLS.", "RFC 5246, Section 7.4.7"),
    ("finished", "server"): MessageText(
        "A checksum over all messages: nobody changed anything on the way. It comes before your certificate (TLS 1.3).",
        "The same in one-way TLS.", "RFC 8446, Section 4.4.4"),
    ("finished", "client"): MessageText(
        "Your checksum over all messages. In TLS 1.3 the handshake is now complete for you.",
        "In one-way TLS that would be all. Here the server judges your certificate only now (TLS 1.3): listen before you trust it.",
        "RFC 8446, Section 4.4.4"),
    ("new_session_ticket", ""): MessageText(
        "A ticket for resuming later without certificates. After your flight in TLS 1.3 it is a sign that you were accepted.",
        "The same in one-way TLS; with mutual TLS, a resumed session keeps the identity of the first.", "RFC 8446, Section 4.6.1"),
    ("hello_request", ""): MessageText(
        "The server wants to negotiate again, usually because the path you asked for needs a certificate.",
        "Rare in one-way TLS.", "RFC 5246, Section 7.4.1.1"),
    ("end_of_early_data", ""): MessageText("The early data ends here.", "The same in one-way TLS.", "RFC 8446, Section 4.5"),
    ("key_update", ""): MessageText("The sender goes on with new keys.", "The same in one-way TLS.", "RFC 8446, Section 4.6.3"),
    ("encrypted_handshake", ""): MessageText(
        "A handshake message that cannot be read without the session's secrets.",
        "The same in one-way TLS.", "RFC 5246, Section 6.2.3"),
    ("certificate_url", ""): MessageText(
        "Where the client's certificate can be fetched.", "Missing in one-way TLS.", "RFC 6066, Section 5"),
    ("supplemental_data", ""): MessageText("Data for authorisation beside the handshake.", "", "RFC 4680"),
    ("message_hash", ""): MessageText(
        "Stands for the first hello in the transcript hash; never sent.", "", "RFC 8446, Section 4.4.1"),
}
# messages whose meaning differs up to TLS 1.2
UP_TO_TLS12: dict[tuple[str, str], MessageText] = {
    ("finished", "server"): MessageText(
        "The server's checksum over all messages; it comes last, so your certificate has passed the TLS layer.",
        "In one-way TLS it says nothing about you."),
    ("finished", "client"): MessageText(
        "Your checksum over all messages. Now the server checks your certificate and your signature before it answers.",
        "In one-way TLS there would be nothing to check but the keys."),
    ("new_session_ticket", ""): MessageText(
        "A ticket for resuming later without certificates.",
        "The same in one-way TLS; with mutual TLS, a resumed session keeps the identity of the first."),
}
EXPLAIN_APPLICATION = (
    "The first application data in both directions: many servers only say here what they think of your certificate, "
    "which is why a handshake alone proves nothing."
)


class AlertText(NamedTuple):
    """``meaning`` in general; ``about_you`` when a server sends it after your certificate, where that differs."""

    meaning: str
    about_you: str = ""


ORDERLY_ALERTS = frozenset({0, 90})

ALERTS: dict[int, AlertText] = {
    0: AlertText("The sender closes the connection in good order."),
    10: AlertText("A message came at a time when it must not."),
    20: AlertText("A record could not be decrypted: wrong keys, or damage on the way."),
    21: AlertText("A record could not be decrypted (old name; TLS 1.0)."),
    22: AlertText("A record was longer than allowed."),
    30: AlertText("Decompression failed."),
    40: AlertText(
        "No way to agree: on version, cipher, group or signature.",
        "Up to TLS 1.2, right after an empty Certificate, it means that a client certificate is required."),
    41: AlertText("No certificate (SSL 3.0).", "A client certificate is required; Mbed TLS says it so."),
    42: AlertText(
        "The certificate is corrupt, its signature wrong, or something else is the matter with it.",
        "OpenSSL: mostly 'not yet valid'. Go before 2025 and Caddy: anything, missing included. Java up to 17: missing."),
    43: AlertText(
        "The certificate is of an unsupported type.",
        "OpenSSL, BoringSSL and Go: it is not for client authentication (extendedKeyUsage, keyUsage)."),
    44: AlertText("The certificate was revoked by its issuer."),
    45: AlertText(
        "The certificate has expired.",
        "BoringSSL, rustls and newer Go say it for 'not yet valid' as well: compare the clocks."),
    46: AlertText(
        "Some other problem made the certificate unacceptable.",
        "Java says it for every failure of trust, dates included."),
    47: AlertText("A field has a value that makes no sense."),
    48: AlertText(
        "The certificate chain does not lead to a trusted CA.",
        "It does not tell an unknown root from an intermediate that was not sent: compare your chain with the CA names asked for."),
    49: AlertText(
        "The certificate is valid, and its owner may not come in.",
        "gnutls-serv says it for every failure of the certificate; NSS for an untrusted one."),
    50: AlertText("A message could not be parsed.", "GnuTLS up to TLS 1.2 answers an empty Certificate with it."),
    51: AlertText(
        "A signature or a Finished message could not be verified.",
        "The chain's signature is wrong: often a CA of the trusted name with another key."),
    60: AlertText("Export restrictions (obsolete)."),
    70: AlertText("No common protocol version."),
    71: AlertText("What was offered is too weak for the other side."),
    80: AlertText("Something went wrong inside the other side, which says nothing about you.",
                  "Some servers fail so on certificates that they cannot handle."),
    86: AlertText("The client retried with a lower version than both sides can do."),
    90: AlertText("The sender stops for a reason that is no failure. Java sends it before every normal close."),
    100: AlertText("The sender does not negotiate again."),
    109: AlertText("An extension is missing that must be there."),
    110: AlertText("An extension came that was not asked for."),
    111: AlertText("A certificate could not be fetched from its URL."),
    112: AlertText("The server does not know the name in SNI (as a warning, it goes on all the same)."),
    113: AlertText("The stapled status is invalid."),
    114: AlertText("A certificate does not match its hash."),
    115: AlertText("The pre-shared key is unknown."),
    116: AlertText("A client certificate is required, and none was sent (TLS 1.3).",
                   "It means a missing certificate and nothing else: none was configured, or the client withheld it."),
    117: AlertText("A general error."),
    120: AlertText("No application protocol in common (ALPN)."),
    121: AlertText("Encrypted ClientHello was required, or failed."),
}


def message_text(name: str, sender: str, *, tls13: bool = True) -> MessageText | None:
    """The text for a message of one side; None for a type that has none."""
    for key in ((name, sender), (name, "")):
        if not tls13 and key in UP_TO_TLS12:
            return UP_TO_TLS12[key]
        if key in MESSAGES:
            return MESSAGES[key]
    return None


def explain_message(name: str, sender: str, *, tls13: bool) -> tuple[str, ...]:
    """What a message is for and, where it differs from one-way TLS, how; a sentence or two each."""
    text = message_text(name, sender, tls13=tls13)
    if text is None:
        return ()
    return (text.purpose,) if not text.one_way or text.one_way == "The same in one-way TLS." else (text.purpose, text.one_way)


def alert_meaning(code: int, *, about_you: bool = False) -> str:
    """What an alert means; ``about_you``: when a server sends it after your certificate. Empty for unknown ones."""
    text = ALERTS.get(code)
    if text is None:
        return ""
    return f"{text.meaning} {text.about_you}".rstrip() if about_you else text.meaning
