"""With which signal servers refuse for each cause: one table for each habit (``families`` says who has which).

An entry is a row of weights. What is not listed in a table is answered by its row ``*``.
"""

from __future__ import annotations

Row = dict[str, float]  # signal -> weight
Answers = dict[str, Row]  # cause -> row


def alerts(**numbers: tuple[int, ...]) -> Answers:
    """Rows from cause_name=(alert, next likely alert...)."""
    weights = (0.86, 0.1, 0.04)
    return {
        cause.replace("_", "-"): {f"alert:{alert}": weights[min(place, 2)] for place, alert in enumerate(alerts)}
        for cause, alerts in numbers.items()
    }


def always(row: Row) -> Answers:
    """One answer to everything."""
    return {"*": row}


def missing(row: Row, row13: Row | None = None) -> dict[str, Row]:
    """What an empty Certificate is answered with, by TLS version."""
    return {"1.2": row, "1.3": row13 or row}


# ---- by the reason -------------------------------------------------------------------------------
# OpenSSL, ssl/statem/statem_lib.c: x509table. Of each cause the errors that X509_verify_cert finds, and their alerts.
OPENSSL = alerts(
    self_signed=(48,), unknown_ca=(48,), missing_intermediate=(48,), chain_order=(48,), expired=(45,), not_yet_valid=(42,),
    intermediate_expired=(45,), wrong_eku=(43,), wrong_key_usage=(43,), revoked=(44,), weak_signature=(42,), weak_key=(42,),
    signature_algorithm=(47, 43, 40, 42), ca_as_leaf=(43, 46), issuer_not_ca=(48, 46), path_length=(48,), name_constraint=(46,),
    critical_extension=(46,), key_mismatch=(51,), server_trust=(48,),
) | {
    # a verification callback that refuses without naming an error makes OpenSSL send 80: Apache does so for its own depth check
    "server-depth": {"alert:48": 0.45, "alert:80": 0.55},
    # a callback of the application's own: X509_V_ERR_CERT_REJECTED makes 42, no error of its own 46, APPLICATION_VERIFICATION 40,
    # and none at all 80, as for the depth (stunnel's checkHost)
    "not-authorised": {"alert:42": 0.4, "alert:46": 0.25, "alert:40": 0.15, "alert:80": 0.2},
    "lookalike-ca": {"alert:48": 0.62, "alert:51": 0.35, "alert:42": 0.01, "alert:45": 0.01, "alert:46": 0.01},
    "server-crl": {"alert:45": 0.42, "alert:48": 0.4, "alert:46": 0.14, "alert:42": 0.04},  # Apache: 46
    "server-clock": {"alert:45": 0.5, "alert:42": 0.5},
    "*": {"alert:46": 0.5, "alert:42": 0.3, "alert:48": 0.2},
}
# A library that knows no revocation: who checks it does so in a hook of the handshake (42), or when it is over (etcd closes)
BY_OWN_CODE = {"revoked": {"alert:42": 0.55, "close": 0.3, "denied": 0.1, "dropped": 0.05}}
# BoringSSL and rustls: as the RFC describes the alerts, one alert for both kinds of wrong dates
MODERN = OPENSSL | alerts(
    not_yet_valid=(45, 42), weak_signature=(42, 48, 43), weak_key=(42, 48, 43), wrong_eku=(43, 42, 46),
    wrong_key_usage=(43, 42, 46), issuer_not_ca=(48, 42, 46), path_length=(48, 42, 46), name_constraint=(42, 46, 48),
    critical_extension=(42, 46, 43), lookalike_ca=(48, 51, 42), server_clock=(45, 42), not_authorised=(49, 46, 42),
    server_crl=(48, 45, 46), signature_algorithm=(47, 40, 43), server_depth=(48, 42),
)
RUSTLS = MODERN | alerts(
    not_yet_valid=(45,), wrong_eku=(43,), critical_extension=(42,), not_authorised=(49,), ca_as_leaf=(46,), server_crl=(48, 46),
)
GO = MODERN | alerts(
    wrong_eku=(42, 43), wrong_key_usage=(42, 43), issuer_not_ca=(42, 48), path_length=(42, 48), name_constraint=(42, 48),
    critical_extension=(42, 48), weak_signature=(48, 42), weak_key=(42, 48), signature_algorithm=(42, 47, 43),
    not_authorised=(42, 46),
) | BY_OWN_CODE
NSS = MODERN | alerts(
    wrong_eku=(46, 43), unknown_ca=(48, 49), self_signed=(48, 49), revoked=(44,), intermediate_expired=(48, 45),
)
# measured with lighttpd's modules for these libraries; the rest from their sources
MBEDTLS = MODERN | alerts(
    not_yet_valid=(46, 45), wrong_eku=(43,), wrong_key_usage=(43,), weak_key=(43,), weak_signature=(46, 43),
    not_authorised=(49, 42), issuer_not_ca=(48, 42), name_constraint=(42, 46), critical_extension=(42, 46),
    intermediate_expired=(45, 48), path_length=(48, 42), lookalike_ca=(48, 42), signature_algorithm=(43, 42, 40),
    server_clock=(45, 46), server_crl=(48, 42, 46),
)
WOLFSSL = OPENSSL | alerts(
    self_signed=(42, 48), not_yet_valid=(45, 42), wrong_eku=(42, 43), wrong_key_usage=(42, 43), issuer_not_ca=(48, 42),
    path_length=(42, 48), name_constraint=(42,), server_crl=(42, 48), lookalike_ca=(48, 42), missing_intermediate=(48, 42),
    server_clock=(45, 42), weak_signature=(42,), weak_key=(42,),
) | {"critical-extension": {"close": 0.8, "alert:42": 0.2}}
ERLANG = MODERN | alerts(
    self_signed=(42, 48), not_yet_valid=(45,), wrong_eku=(40, 43, 42), wrong_key_usage=(40, 43), issuer_not_ca=(40, 48),
    path_length=(40, 48), name_constraint=(42, 40), critical_extension=(43, 42), lookalike_ca=(48, 42), revoked=(44, 42),
    signature_algorithm=(42, 40, 43), server_crl=(42, 48), server_clock=(45,), weak_signature=(42, 40), weak_key=(42, 40),
    # measured: a path that is too long, and a verify_fun's {fail, Reason}
    server_depth=(40, 42, 48), not_authorised=(40, 42, 46),
)
SCHANNEL = MODERN | alerts(wrong_eku=(43, 46), not_authorised=(49, 42))

# ---- one answer to everything --------------------------------------------------------------------
# A signature that cannot be made or checked ends the handshake before anybody judges the certificate.
_AT_SIGNATURE = {"signature-algorithm": {"alert:47": 0.4, "alert:40": 0.3, "alert:43": 0.15, "alert:51": 0.15}}
EVERY_40 = always({"alert:40": 0.97, "alert:80": 0.03})
# ... or while it is read: Go cannot parse a key on a curve that it does not have
EVERY_42 = always({"alert:42": 1.0}) | {
    "signature-algorithm": {"alert:42": 0.5, "alert:47": 0.2, "alert:40": 0.15, "alert:43": 0.08, "alert:51": 0.07},
}
GO_CLASSIC = EVERY_42 | BY_OWN_CODE
EVERY_46 = always({"alert:46": 0.96, "alert:42": 0.04}) | _AT_SIGNATURE
EVERY_49 = always({"alert:49": 0.95, "alert:80": 0.03, "alert:42": 0.02}) | {
    "wrong-key-usage": {"alert:80": 0.4, "close": 0.4, "alert:49": 0.2},
}
GNUTLS_OTHER = always({"alert:42": 0.45, "close": 0.25, "alert:40": 0.1, "alert:48": 0.2})
CLOSES = always({"close": 0.8, "reset": 0.18, "alert:46": 0.02})
PAGES = always({"page:invalid": 0.88, "error": 0.07, "denied": 0.05}) | {
    "signature-algorithm": {"page:invalid": 0.5, "alert:47": 0.25, "alert:43": 0.15, "alert:40": 0.1},
}
DROPS = always({"dropped": 0.95, "close": 0.03, "denied": 0.02})
MASKS = always({"denied": 0.9, "error": 0.1})
DENIES = always({"page:invalid": 0.45, "denied": 0.4, "error": 0.1, "alert:46": 0.05})

# ---- nothing was sent ----------------------------------------------------------------------------
MISSING = missing({"alert:40": 1.0}, {"alert:116": 1.0})
MISSING_42 = missing({"alert:42": 1.0}, {"alert:42": 0.9, "alert:116": 0.1})
MISSING_GO = missing({"alert:40": 0.5, "alert:42": 0.5}, {"alert:116": 1.0})
MISSING_RUSTLS = missing({"alert:116": 0.9, "alert:40": 0.1}, {"alert:116": 1.0})
MISSING_GNUTLS = missing({"alert:50": 0.5, "alert:40": 0.2, "close": 0.2, "alert:49": 0.1}, {"alert:116": 0.7, "close": 0.3})
MISSING_GNUTLS_OTHER = missing({"alert:50": 0.4, "alert:40": 0.3, "close": 0.3}, {"alert:116": 0.7, "close": 0.3})
MISSING_MBEDTLS = missing({"alert:40": 0.4, "alert:41": 0.3, "close": 0.3}, {"alert:41": 0.6, "alert:116": 0.4})
MISSING_WOLFSSL = missing({"alert:40": 0.5, "close": 0.5}, {"alert:116": 1.0})
MISSING_SCHANNEL = missing({"close": 0.5, "reset": 0.3, "alert:40": 0.2}, {"alert:116": 0.5, "close": 0.3, "reset": 0.2})
MISSING_40 = missing({"alert:40": 1.0}, {"alert:116": 0.5, "alert:40": 0.5})
MISSING_CLOSED = missing({"close": 0.8, "reset": 0.2})
MISSING_PAGE = missing({"page:missing": 0.95, "denied": 0.05})
MISSING_DROPPED = missing({"dropped": 0.95, "close": 0.05})
MISSING_MASKED = missing({"denied": 0.9, "error": 0.1})
MISSING_DENIED = missing({"denied": 0.5, "page:missing": 0.4, "page:invalid": 0.08, "error": 0.02})

# ---- verified, and not allowed -------------------------------------------------------------------
BY_THE_APPLICATION = {
    "denied": 0.87, "page:invalid": 0.03, "error": 0.04, "dropped": 0.03, "alert:49": 0.01, "alert:46": 0.01, "close": 0.01,
}
# Go's servers have a hook for it in the handshake (VerifyPeerCertificate), whose refusal is sent as bad_certificate
OR_BY_42 = {"denied": 0.69, "alert:42": 0.2, "page:invalid": 0.03, "error": 0.04, "dropped": 0.02, "close": 0.02}
OR_BY_CLOSING = {"denied": 0.7, "close": 0.15, "dropped": 0.1, "error": 0.04, "reset": 0.01}
