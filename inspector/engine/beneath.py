"""The only place below pyOpenSSL's public interface. Each use is feature-detected: what the binding lacks is reported as absent,
never guessed, and the callers go on without it.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from OpenSSL import SSL

from inspector.buffer import Buffer

_lib: Any = SSL._lib  # type: ignore[attr-defined]
_ffi: Any = SSL._ffi  # type: ignore[attr-defined]

# OpenSSL's numbers that pyOpenSSL does not name
MODE_NO_AUTO_CHAIN = 0x8  # SSL_MODE_NO_AUTO_CHAIN
CHECK_FLAG_NO_PARTIAL_WILDCARDS = 0x4  # X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS
CHECK_FLAG_NEVER_CHECK_SUBJECT = 0x20  # X509_CHECK_FLAG_NEVER_CHECK_SUBJECT


def has(*names: str) -> bool:
    """True where the binding has every one of these functions."""
    return all(hasattr(_lib, name) for name in names)


def offer_post_handshake_auth(context: SSL.Context) -> bool:
    """Offer post-handshake authentication in the ClientHello (RFC 8446, Section 4.2.6). False where the binding cannot."""
    if not has("SSL_CTX_set_post_handshake_auth"):
        return False
    _lib.SSL_CTX_set_post_handshake_auth(context._context, 1)
    return True


def request_post_handshake_auth(connection: SSL.Connection) -> bool:
    """Server: ask for the client's certificate now (TLS 1.3). False where it cannot be asked for."""
    if not has("SSL_verify_client_post_handshake"):
        return False
    return bool(_lib.SSL_verify_client_post_handshake(connection._ssl) == 1)


def set_signature_schemes(context: SSL.Context, schemes: str) -> bool:
    """Offer these schemes (OpenSSL's names, colon-separated). False where OpenSSL does not know them or the binding cannot."""
    return _set_list("SSL_CTX_set1_sigalgs_list", context, schemes)


def set_groups(context: SSL.Context, groups: str) -> bool:
    """Offer these groups (OpenSSL's names, colon-separated). False where OpenSSL does not know them or the binding cannot."""
    return _set_list("SSL_CTX_set1_curves_list", context, groups)


def _set_list(function: str, context: SSL.Context, text: str) -> bool:
    if not has(function):
        return False
    ok = bool(getattr(_lib, function)(context._context, text.encode("ascii", "replace")) == 1)
    _lib.ERR_clear_error()
    return ok


def expect_name(connection: SSL.Connection, name: str) -> bool:
    """Let OpenSSL hold the server's certificate against a DNS name or an IP address (RFC 9525: the subject's CN never counts).

    A mismatch reaches the verify callback as X509_V_ERR_HOSTNAME_MISMATCH (62) or X509_V_ERR_IP_ADDRESS_MISMATCH (64), depth 0.
    """
    if not has("SSL_get0_param", "X509_VERIFY_PARAM_set1_host", "X509_VERIFY_PARAM_set1_ip", "X509_VERIFY_PARAM_set_hostflags"):
        return False
    param = _lib.SSL_get0_param(connection._ssl)
    _lib.X509_VERIFY_PARAM_set_hostflags(param, CHECK_FLAG_NO_PARTIAL_WILDCARDS | CHECK_FLAG_NEVER_CHECK_SUBJECT)
    try:
        packed = ipaddress.ip_address(name.split("%", 1)[0]).packed
    except ValueError:
        # a trailing dot marks a name as absolute; certificates hold names without it
        host = name.removesuffix(".").encode("idna" if not name.isascii() else "ascii")
        return bool(_lib.X509_VERIFY_PARAM_set1_host(param, host, len(host)) == 1)
    return bool(_lib.X509_VERIFY_PARAM_set1_ip(param, packed, len(packed)) == 1)


def judge_with(connection: SSL.Connection, flags: int, now: int | None) -> bool:
    """Verify the peer with these X509_V_FLAG bits too, and as of ``now`` (seconds since the epoch; None: the clock)."""
    if not has("SSL_get0_param", "X509_VERIFY_PARAM_set_flags", "X509_VERIFY_PARAM_set_time"):
        return False
    param = _lib.SSL_get0_param(connection._ssl)
    if flags:
        _lib.X509_VERIFY_PARAM_set_flags(param, flags)
    if now is not None:
        _lib.X509_VERIFY_PARAM_set_time(param, now)
    return True


def share_store(context: SSL.Context, owner: SSL.Context) -> bool:
    """Let ``context`` use the trust store of ``owner``: parsing a CA bundle costs more than a whole handshake."""
    if not has("SSL_CTX_get_cert_store", "X509_STORE_up_ref", "SSL_CTX_set_cert_store"):
        return False
    store = _lib.SSL_CTX_get_cert_store(owner._context)
    _lib.X509_STORE_up_ref(store)  # set_cert_store takes a reference of its own
    _lib.SSL_CTX_set_cert_store(context._context, store)
    return True


def resumed(connection: SSL.Connection) -> bool:
    """True where the handshake resumed a session."""
    return has("SSL_session_reused") and bool(_lib.SSL_session_reused(connection._ssl) == 1)


def resume(connection: SSL.Connection, session: SSL.Session) -> bool:
    """Offer a session, whatever Context it was made in (pyOpenSSL's wrapper refuses other Contexts; OpenSSL does not)."""
    if not has("SSL_set_session"):
        return False
    return bool(_lib.SSL_set_session(connection._ssl, session._session) == 1)


def early_data_limit(session: SSL.Session) -> int:
    """How many bytes of early data the server's ticket allows; 0: none."""
    if not has("SSL_SESSION_get_max_early_data"):
        return 0
    return int(_lib.SSL_SESSION_get_max_early_data(session._session))


def write_early_data(connection: SSL.Connection, data: bytes) -> int:
    """Write 0-RTT data before the handshake (RFC 8446, Section 2.3); how many bytes OpenSSL took."""
    if not has("SSL_write_early_data"):
        return 0
    written = _ffi.new("size_t *")
    with _ffi.from_buffer(data) as buffer:
        _lib.SSL_write_early_data(connection._ssl, buffer, len(data), written)
    _lib.ERR_clear_error()
    return int(written[0])


def write_whole(context: SSL.Context) -> bool:
    """Let a write take all of its data: pyOpenSSL wants it record by record, for sockets that may not take more.

    Over memory it always can, unless a renegotiation is under way; then nothing is taken that the same call, repeated, would send
    twice. False where the binding cannot.
    """
    if not has("SSL_CTX_clear_mode", "SSL_MODE_ENABLE_PARTIAL_WRITE"):
        return False
    _lib.SSL_CTX_clear_mode(context._context, _lib.SSL_MODE_ENABLE_PARTIAL_WRITE)
    return True


BULK = 256 * 1024  # bytes that a Bulk moves at once
RECORD = 16 * 1024  # SSL_read gives one record's plaintext at a time


class _Room(Buffer):
    """A buffer that OpenSSL writes, and views of it, which keep it alive."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        # of the memory itself: the garbage collector may clear a memoryview that is still pointed into
        self._whole = _ffi.from_buffer(self.memory)

    def pointer(self) -> Any:
        """Where the next piece begins."""
        self.next()
        return self._whole + self.begin

    def piece(self, size: int) -> memoryview:
        """What was written there."""
        return self._view[self.begin : self.begin + size].toreadonly()


class Bulk:
    """Moves much data of one connection through one buffer: pyOpenSSL makes a new one for each record, and an exception for each
    "nothing more". A connection with little to say has no use for it.
    """

    def __init__(self, connection: SSL.Connection) -> None:
        self._connection: Any = connection
        self._in = _Room(BULK + RECORD)  # so that what came at once is read at once
        # in turn: who was handed the one may look at it until the other one was handed out too
        self._out, self._last_out = _Room(BULK), _Room(BULK)

    @staticmethod
    def possible(connection: SSL.Connection) -> bool:
        """True where the binding has what this needs."""
        return has("SSL_read", "SSL_write", "SSL_get_error", "BIO_read", "SSL_ERROR_WANT_READ") and all(
            hasattr(connection, name) for name in ("_ssl", "_from_ssl", "_raise_ssl_error")
        )

    def write(self, data: memoryview) -> int:
        """Encrypt ``data``; how many bytes were taken. Raises as ``Connection.send`` does."""
        with _ffi.from_buffer(data) as pointer:
            done = _lib.SSL_write(self._connection._ssl, pointer, len(data))
        if done <= 0:
            self._connection._raise_ssl_error(self._connection._ssl, done)
        return int(done)

    def read(self) -> tuple[bytes | memoryview, SSL.Error | None]:
        """Plaintext that can be read now, at most ``BULK`` bytes and a record, and what ended it; None: there may be more.

        WantReadError: all was read, and what came of it is a view that is good until the next call (to copy it would cost a
        twentieth of a long transfer); ZeroReturnError: the peer's close_notify; others as of ``Connection.recv``.
        """
        ssl, pointer, have = self._connection._ssl, self._in.pointer(), 0
        read = _lib.SSL_read
        while (got := read(ssl, pointer + have, RECORD)) > 0:
            have += got
            if have > BULK:
                break
        view = self._in.piece(have)
        if got <= 0 and _lib.SSL_get_error(ssl, got) == _lib.SSL_ERROR_WANT_READ:
            return view, SSL.WantReadError()
        data = bytes(view)
        if got > 0:
            return data, None
        try:
            self._connection._raise_ssl_error(ssl, got)
        except SSL.Error as exc:
            return data, exc
        return data, None

    def output(self) -> bytes | memoryview:
        """What OpenSSL wants to send; a memoryview is good until the call after the next that gives something."""
        out = self._out
        got = _lib.BIO_read(self._connection._from_ssl, out.pointer(), BULK)
        if got <= 0:
            return b""
        if got < BULK:
            self._out, self._last_out = self._last_out, out
            return out.piece(got)
        parts = [bytes(out.piece(got))]
        while got == BULK:
            got = _lib.BIO_read(self._connection._from_ssl, out.pointer(), BULK)
            parts.append(bytes(out.piece(max(got, 0))))
        return b"".join(parts)


def set_client_authorities(context: SSL.Context, names: tuple[bytes, ...]) -> bool:
    """Server: name these authorities (DER names) in CertificateRequest. False where one is no DER name or the binding cannot."""
    if not has("d2i_X509_NAME", "sk_X509_NAME_new_null", "sk_X509_NAME_push", "SSL_CTX_set_client_CA_list"):
        return False
    stack = _lib.sk_X509_NAME_new_null()
    for der in names:
        pointer = _ffi.new("unsigned char **")
        buffer = _ffi.new("unsigned char[]", der)
        pointer[0] = buffer
        name = _lib.d2i_X509_NAME(_ffi.NULL, pointer, len(der))
        _lib.ERR_clear_error()
        if name == _ffi.NULL:
            return False
        _lib.sk_X509_NAME_push(stack, name)
    _lib.SSL_CTX_set_client_CA_list(context._context, stack)  # takes the stack over
    return True


def error_name(code: int) -> str:
    """OpenSSL's symbolic name of an X509_V_ERR number in lower case, as ``certificate_has_expired``; ``error_N`` for others."""
    return _ERROR_NAMES.get(code, f"error_{code}")


# X509_V_ERR_* of <openssl/x509_vfy.h>: the number is the interface, the binding does not export all of them
_ERROR_NAMES: dict[int, str] = {
    0: "ok", 1: "unspecified", 2: "unable_to_get_issuer_cert", 3: "unable_to_get_crl", 4: "unable_to_decrypt_cert_signature",
    5: "unable_to_decrypt_crl_signature", 6: "unable_to_decode_issuer_public_key", 7: "cert_signature_failure",
    8: "crl_signature_failure", 9: "cert_not_yet_valid", 10: "cert_has_expired", 11: "crl_not_yet_valid", 12: "crl_has_expired",
    13: "error_in_cert_not_before_field", 14: "error_in_cert_not_after_field", 15: "error_in_crl_last_update_field",
    16: "error_in_crl_next_update_field", 17: "out_of_mem", 18: "depth_zero_self_signed_cert", 19: "self_signed_cert_in_chain",
    20: "unable_to_get_issuer_cert_locally", 21: "unable_to_verify_leaf_signature", 22: "cert_chain_too_long",
    23: "cert_revoked", 24: "no_issuer_public_key", 25: "path_length_exceeded", 26: "invalid_purpose", 27: "cert_untrusted",
    28: "cert_rejected", 29: "subject_issuer_mismatch", 30: "akid_skid_mismatch", 31: "akid_issuer_serial_mismatch",
    32: "keyusage_no_certsign", 33: "unable_to_get_crl_issuer", 34: "unhandled_critical_extension", 35: "keyusage_no_crl_sign",
    36: "unhandled_critical_crl_extension", 37: "invalid_non_ca", 38: "proxy_path_length_exceeded",
    39: "keyusage_no_digital_signature", 40: "proxy_certificates_not_allowed", 41: "invalid_extension",
    42: "invalid_policy_extension", 43: "no_explicit_policy", 44: "different_crl_scope", 45: "unsupported_extension_feature",
    46: "unnested_resource", 47: "permitted_violation", 48: "excluded_violation", 49: "subtree_minmax",
    50: "application_verification", 51: "unsupported_constraint_type", 52: "unsupported_constraint_syntax",
    53: "unsupported_name_syntax", 54: "crl_path_validation_error", 55: "path_loop", 56: "suite_b_invalid_version",
    57: "suite_b_invalid_algorithm", 58: "suite_b_invalid_curve", 59: "suite_b_invalid_signature_algorithm",
    60: "suite_b_los_not_allowed", 61: "suite_b_cannot_sign_p_384_with_p_256", 62: "hostname_mismatch", 63: "email_mismatch",
    64: "ip_address_mismatch", 65: "dane_no_match", 66: "ee_key_too_small", 67: "ca_key_too_small", 68: "ca_md_too_weak",
    69: "invalid_call", 70: "store_lookup", 71: "no_valid_scts", 72: "proxy_subject_name_violation", 73: "ocsp_verify_needed",
    74: "ocsp_verify_failed", 75: "ocsp_cert_unknown", 76: "unsupported_signature_algorithm",
    77: "signature_algorithm_mismatch", 78: "signature_algorithm_inconsistency", 79: "invalid_ca", 80: "pathlen_invalid_for_non_ca",
    81: "pathlen_without_ku_key_cert_sign", 82: "ku_key_cert_sign_invalid_for_non_ca", 83: "issuer_name_empty",
    84: "subject_name_empty", 85: "missing_authority_key_identifier", 86: "missing_subject_key_identifier",
    87: "empty_subject_alt_name", 88: "empty_subject_sans_and_not_critical", 89: "ca_bcons_not_critical",
    90: "authority_key_identifier_critical", 91: "subject_key_identifier_critical", 92: "ca_cert_missing_key_usage",
    93: "extensions_require_version_3", 94: "ec_key_explicit_params",
    95: "rpk_untrusted", 96: "ocsp_resp_invalid", 97: "ocsp_signature_failure", 98: "ocsp_not_yet_valid", 99: "ocsp_has_expired",
    100: "ocsp_no_response", 102: "empty_authority_key_identifier", 103: "akid_issuer_serial_not_paired",
}


def use_certificate(context: SSL.Context, certificate: Any) -> None:
    """``Context.use_certificate`` for a certificate that ``cryptography`` may not be able to parse. Raises SSL.Error."""
    if _lib.SSL_CTX_use_certificate(context._context, certificate._x509) != 1:
        _raise_error()


def add_chain_certificate(context: SSL.Context, certificate: Any) -> None:
    """``Context.add_extra_chain_cert``, likewise. Raises SSL.Error."""
    copy = _lib.X509_dup(certificate._x509)  # the context takes this one over
    if _lib.SSL_CTX_add_extra_chain_cert(context._context, copy) != 1:
        _lib.X509_free(copy)
        _raise_error()


def use_private_key(context: SSL.Context, key: Any) -> None:
    """Load the key of the certificate that is loaded already. Raises SSL.Error where it is another certificate's."""
    if _lib.SSL_CTX_use_PrivateKey(context._context, key._pkey) != 1:
        _raise_error()


def _raise_error() -> None:
    _lib.ERR_clear_error()
    raise SSL.Error([("", "", "")])
