"""OpenSSL's verification errors in words: what each means, and who has to do what. By X509_V_ERR number; the text is our own."""

from __future__ import annotations

from typing import NamedTuple


class Meaning(NamedTuple):
    """``summary`` is a sentence without its period, ``remedy`` says what to do."""

    summary: str
    remedy: str


_SEND_CHAIN = "let the peer send every certificate between its own and the root, leaf first"
_TRUST = "if this authority is the right one, trust it (--cacert FILE); if not, find out who answers here"
_REISSUE = "have the certificate issued again by the authority, without this fault"
_REISSUE_CA = "have the authority's certificate issued again, without this fault"
_CRL = "get a current CRL of this issuer"

MEANINGS: dict[int, Meaning] = {
    1: Meaning("OpenSSL gives no reason", "look at the certificate by hand"),
    2: Meaning("the issuer of an intermediate certificate is not at hand", _TRUST),
    3: Meaning("there is no CRL of this certificate's issuer", "add the issuer's CRL, or do not ask for revocation"),
    4: Meaning("the signature cannot be decrypted", _REISSUE),
    5: Meaning("the CRL's signature cannot be decrypted", _CRL),
    6: Meaning("the issuer's public key cannot be read", _REISSUE_CA),
    7: Meaning(
        "the signature is wrong: the certificate was changed, or another key of the same name signed it",
        "compare the issuer's certificate with the one that really signed: two authorities may bear one name",
    ),
    8: Meaning("the CRL's signature is wrong", _CRL),
    9: Meaning("the certificate is not valid yet", "wait for its notBefore, or set the clock right"),
    10: Meaning("the certificate has expired", "renew it, and set the clock right if it is off"),
    11: Meaning("the CRL is not valid yet", "set the clock right, or get the CRL again"),
    12: Meaning("the CRL has expired", _CRL),
    13: Meaning("notBefore is no date", _REISSUE),
    14: Meaning("notAfter is no date", _REISSUE),
    15: Meaning("the CRL's thisUpdate is no date", _CRL),
    16: Meaning("the CRL's nextUpdate is no date", _CRL),
    17: Meaning("OpenSSL ran out of memory", "try again"),
    18: Meaning("the certificate is self-signed and not trusted as such", "trust it (--cacert FILE), or use one from an authority"),
    19: Meaning("the chain ends in a root that is not trusted", _TRUST),
    20: Meaning(
        "the issuer's certificate is not at hand: it was not sent and is not trusted here",
        f"{_SEND_CHAIN}; or trust the issuer (--cacert FILE)",
    ),
    21: Meaning("the signature on the first certificate cannot be checked, as its issuer is unknown", _SEND_CHAIN),
    22: Meaning("the chain is longer than the verify depth allows", "raise the verify depth of whoever verifies, or shorten it"),
    23: Meaning("the certificate has been revoked by its issuer", "get a new one; find out why this one was revoked"),
    24: Meaning("the issuer's certificate has no public key", _REISSUE_CA),
    25: Meaning("more authorities follow than the path length of an authority above allows", "issue from an authority that may"),
    26: Meaning(
        "the certificate is not meant for this purpose (extendedKeyUsage or keyUsage)",
        "have it issued with serverAuth for servers, clientAuth for clients",
    ),
    27: Meaning("the root is not trusted for this purpose", _TRUST),
    28: Meaning("the root is marked as rejected for this purpose", _TRUST),
    29: Meaning("issuer and subject names do not fit together", _SEND_CHAIN),
    30: Meaning(
        "the authority key identifier names another key than the issuer's",
        "find the issuer's certificate with that key: an authority may have several",
    ),
    31: Meaning("the authority key identifier names another issuer or serial number", _SEND_CHAIN),
    32: Meaning("the issuer's keyUsage does not allow it to sign certificates (keyCertSign)", _REISSUE_CA),
    33: Meaning("the issuer of the CRL is not at hand", _CRL),
    34: Meaning("a critical extension is unknown", "have it issued without that extension, or use software that knows it"),
    35: Meaning("the issuer's keyUsage does not allow it to sign CRLs (cRLSign)", _REISSUE_CA),
    36: Meaning("a critical extension of the CRL is unknown", _CRL),
    37: Meaning("the certificate has marks of an authority and is used as none", _REISSUE),
    38: Meaning("the proxy path length is exceeded", _REISSUE),
    39: Meaning("keyUsage does not allow digital signatures", _REISSUE),
    40: Meaning("proxy certificates are not allowed", "use a plain certificate"),
    41: Meaning("an extension is invalid or contradicts another", _REISSUE),
    42: Meaning("a policy extension is invalid", _REISSUE),
    43: Meaning("no policy holds for the whole path, and one is required", "issue with the required policy"),
    44: Meaning("the CRL is of another scope", _CRL),
    45: Meaning("an extension uses a feature that OpenSSL does not support", _REISSUE),
    46: Meaning("an address resource is not within the issuer's", _REISSUE),
    47: Meaning("a name is outside what an authority above may issue for (name constraints)", "issue for a permitted name"),
    48: Meaning("a name is in what an authority above must not issue for (name constraints)", "issue for another name"),
    49: Meaning("name constraints with minimum or maximum are not supported", _REISSUE_CA),
    50: Meaning("the application itself refused", "see the application's own log"),
    51: Meaning("name constraints of this kind are not supported", _REISSUE_CA),
    52: Meaning("the name constraints cannot be read", _REISSUE_CA),
    53: Meaning("a name that constraints apply to cannot be read", _REISSUE),
    54: Meaning("the path of the CRL's issuer does not hold", _CRL),
    55: Meaning("the path runs in a loop", _SEND_CHAIN),
    62: Meaning("the certificate is not for this host name", "use a name that it holds (--server-name), or have it reissued"),
    63: Meaning("the certificate is not for this e-mail address", _REISSUE),
    64: Meaning("the certificate is not for this IP address", "connect by a name that it holds, or have it issued for the address"),
    65: Meaning("no TLSA record matches", "publish the record of the certificate in use"),
    66: Meaning("the key is too small for the security level", "use RSA of at least 2048 bits, or a curve of at least 256"),
    67: Meaning("an authority's key is too small for the security level", "use an authority with a larger key"),
    68: Meaning("a signature's hash is too weak for the security level (SHA-1, MD5)", "have it issued with SHA-256 or better"),
    71: Meaning("certificate transparency is required and no valid timestamp is there", "use an authority that logs"),
    76: Meaning("the signature's algorithm is unknown", _REISSUE),
    77: Meaning("the signature's algorithm does not fit the issuer's key", _REISSUE),
    78: Meaning("the certificate names two different signature algorithms", _REISSUE),
    79: Meaning("a certificate was used as an authority that is none (basicConstraints)", "issue from a real authority"),
    80: Meaning("a path length stands in a certificate that is no authority", _REISSUE),
    81: Meaning("a path length stands in an authority that may not sign certificates", _REISSUE_CA),
    82: Meaning("keyCertSign stands in a certificate that is no authority", _REISSUE),
    83: Meaning("the issuer name is empty", _REISSUE),
    84: Meaning("an authority's subject name is empty", _REISSUE_CA),
    85: Meaning("the authority key identifier is missing", _REISSUE),
    86: Meaning("an authority's subject key identifier is missing", _REISSUE_CA),
    87: Meaning("subjectAltName is there and empty", _REISSUE),
    88: Meaning("the subject is empty and subjectAltName is not critical", _REISSUE),
    89: Meaning("an authority's basicConstraints are not critical", _REISSUE_CA),
    90: Meaning("the authority key identifier is critical, and must not be", _REISSUE),
    91: Meaning("the subject key identifier is critical, and must not be", _REISSUE),
    92: Meaning("an authority has no keyUsage", _REISSUE_CA),
    93: Meaning("extensions stand in a certificate whose version has none", _REISSUE),
    94: Meaning("the key spells out its curve instead of naming it", "use a named curve"),
    102: Meaning("the authority key identifier is empty", _REISSUE),
    103: Meaning("the authority key identifier has an issuer without serial number, or the reverse", _REISSUE),
}

UNKNOWN = Meaning("OpenSSL found a fault that this tool has no words for", "look up the number in <openssl/x509_vfy.h>")


def meaning(code: int) -> Meaning:
    """What an X509_V_ERR number means."""
    return MEANINGS.get(code, UNKNOWN)
