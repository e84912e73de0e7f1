"""IANA's TLS registries as numbers that know their names.

Each type is an ``int``: it compares, hashes and sorts as the number on the wire. ``label`` is the registry's name; a value that the
registry does not list keeps its number and prints as hex, so nothing unknown (or GREASE, RFC 8701) ever fails to parse.
"""

from __future__ import annotations

from typing import ClassVar, Self

from inspector.wire.cipher_suites import CIPHER_SUITES


class Registered(int):
    """A value of a registry. ``str()`` is the label."""

    NAMES: ClassVar[dict[int, str]] = {}
    DIGITS: ClassVar[int] = 4  # hex digits of an unknown value
    _numbers: ClassVar[dict[str, int]]

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        # The constants that a class announces get their values from its names: FINISHED is the number of "finished".
        cls._numbers = {name: number for number, name in cls.NAMES.items()}
        for constant in cls.__annotations__:
            if constant.lower() in cls._numbers:
                setattr(cls, constant, cls(cls._numbers[constant.lower()]))

    @property
    def label(self) -> str:
        """The registry's name, ``GREASE(0x0a0a)``, or the value in hex."""
        name = self.NAMES.get(self)
        if name is not None:
            return name
        digits = f"0x{int(self):0{self.DIGITS}x}"
        return f"GREASE({digits})" if self.is_grease else digits

    @property
    def is_known(self) -> bool:
        return int(self) in self.NAMES

    @property
    def is_grease(self) -> bool:
        """True for the values that clients send to keep servers tolerant (RFC 8701, Section 2)."""
        return self.DIGITS == 4 and self & 0x0F0F == 0x0A0A and self >> 8 == self & 0xFF

    @classmethod
    def named(cls, label: str) -> Self:
        """The value with this registry name. Raises KeyError where there is none."""
        return cls(cls._numbers[label])

    def __str__(self) -> str:
        return self.label

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.label})"


class ContentType(Registered):
    """What a record holds (RFC 8446, Section 5.1)."""

    NAMES = {
        20: "change_cipher_spec", 21: "alert", 22: "handshake", 23: "application_data", 24: "heartbeat", 25: "tls12_cid",
        26: "ack",
    }  # fmt: skip
    DIGITS = 2
    CHANGE_CIPHER_SPEC: ClassVar[ContentType]
    ALERT: ClassVar[ContentType]
    HANDSHAKE: ClassVar[ContentType]
    APPLICATION_DATA: ClassVar[ContentType]
    HEARTBEAT: ClassVar[ContentType]


class ProtocolVersion(Registered):
    """Versions as they stand in hellos and records (RFC 8446, Section 4.2.1)."""

    NAMES = {0x0002: "SSLv2", 0x0300: "SSLv3", 0x0301: "TLSv1.0", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}

    @property
    def label(self) -> str:
        if self >> 8 == 0x7F:  # drafts of TLS 1.3 numbered themselves so
            return f"TLSv1.3-draft-{self & 0xFF}"
        return super().label


class HandshakeType(Registered):
    """Handshake messages (RFC 8446, Section 4; RFC 5246, Section 7.4).

    HelloRetryRequest is a ServerHello with a special random on the wire; here it bears the number that once was its own.
    """

    NAMES = {
        0: "hello_request", 1: "client_hello", 2: "server_hello", 3: "hello_verify_request", 4: "new_session_ticket",
        5: "end_of_early_data", 6: "hello_retry_request", 8: "encrypted_extensions", 9: "request_connection_id",
        10: "new_connection_id", 11: "certificate", 12: "server_key_exchange", 13: "certificate_request",
        14: "server_hello_done", 15: "certificate_verify", 16: "client_key_exchange", 17: "client_certificate_request",
        20: "finished", 21: "certificate_url", 22: "certificate_status", 23: "supplemental_data", 24: "key_update",
        25: "compressed_certificate", 26: "ekt_key", 254: "message_hash",
    }  # fmt: skip
    DIGITS = 2
    HELLO_REQUEST: ClassVar[HandshakeType]
    CLIENT_HELLO: ClassVar[HandshakeType]
    SERVER_HELLO: ClassVar[HandshakeType]
    NEW_SESSION_TICKET: ClassVar[HandshakeType]
    END_OF_EARLY_DATA: ClassVar[HandshakeType]
    HELLO_RETRY_REQUEST: ClassVar[HandshakeType]
    ENCRYPTED_EXTENSIONS: ClassVar[HandshakeType]
    CERTIFICATE: ClassVar[HandshakeType]
    SERVER_KEY_EXCHANGE: ClassVar[HandshakeType]
    CERTIFICATE_REQUEST: ClassVar[HandshakeType]
    SERVER_HELLO_DONE: ClassVar[HandshakeType]
    CERTIFICATE_VERIFY: ClassVar[HandshakeType]
    CLIENT_KEY_EXCHANGE: ClassVar[HandshakeType]
    FINISHED: ClassVar[HandshakeType]
    CERTIFICATE_URL: ClassVar[HandshakeType]
    CERTIFICATE_STATUS: ClassVar[HandshakeType]
    SUPPLEMENTAL_DATA: ClassVar[HandshakeType]
    KEY_UPDATE: ClassVar[HandshakeType]
    COMPRESSED_CERTIFICATE: ClassVar[HandshakeType]


class AlertLevel(Registered):
    """Alert levels (RFC 8446, Section 6)."""

    NAMES = {1: "warning", 2: "fatal"}
    DIGITS = 2
    WARNING: ClassVar[AlertLevel]
    FATAL: ClassVar[AlertLevel]


class AlertDescription(Registered):
    """Alerts (RFC 8446, Section 6), with those of older versions under their old names."""

    NAMES = {
        0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 21: "decryption_failed", 22: "record_overflow",
        30: "decompression_failure", 40: "handshake_failure", 41: "no_certificate", 42: "bad_certificate",
        43: "unsupported_certificate", 44: "certificate_revoked", 45: "certificate_expired", 46: "certificate_unknown",
        47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied", 50: "decode_error", 51: "decrypt_error",
        52: "too_many_cids_requested", 60: "export_restriction", 70: "protocol_version", 71: "insufficient_security",
        80: "internal_error", 86: "inappropriate_fallback", 90: "user_canceled", 100: "no_renegotiation",
        109: "missing_extension", 110: "unsupported_extension", 111: "certificate_unobtainable", 112: "unrecognized_name",
        113: "bad_certificate_status_response", 114: "bad_certificate_hash_value", 115: "unknown_psk_identity",
        116: "certificate_required", 117: "general_error", 120: "no_application_protocol", 121: "ech_required",
    }  # fmt: skip
    DIGITS = 2
    CLOSE_NOTIFY: ClassVar[AlertDescription]
    UNEXPECTED_MESSAGE: ClassVar[AlertDescription]
    BAD_RECORD_MAC: ClassVar[AlertDescription]
    RECORD_OVERFLOW: ClassVar[AlertDescription]
    HANDSHAKE_FAILURE: ClassVar[AlertDescription]
    NO_CERTIFICATE: ClassVar[AlertDescription]
    BAD_CERTIFICATE: ClassVar[AlertDescription]
    UNSUPPORTED_CERTIFICATE: ClassVar[AlertDescription]
    CERTIFICATE_REVOKED: ClassVar[AlertDescription]
    CERTIFICATE_EXPIRED: ClassVar[AlertDescription]
    CERTIFICATE_UNKNOWN: ClassVar[AlertDescription]
    ILLEGAL_PARAMETER: ClassVar[AlertDescription]
    UNKNOWN_CA: ClassVar[AlertDescription]
    ACCESS_DENIED: ClassVar[AlertDescription]
    DECODE_ERROR: ClassVar[AlertDescription]
    DECRYPT_ERROR: ClassVar[AlertDescription]
    PROTOCOL_VERSION: ClassVar[AlertDescription]
    INSUFFICIENT_SECURITY: ClassVar[AlertDescription]
    INTERNAL_ERROR: ClassVar[AlertDescription]
    INAPPROPRIATE_FALLBACK: ClassVar[AlertDescription]
    USER_CANCELED: ClassVar[AlertDescription]
    NO_RENEGOTIATION: ClassVar[AlertDescription]
    MISSING_EXTENSION: ClassVar[AlertDescription]
    UNSUPPORTED_EXTENSION: ClassVar[AlertDescription]
    UNRECOGNIZED_NAME: ClassVar[AlertDescription]
    BAD_CERTIFICATE_STATUS_RESPONSE: ClassVar[AlertDescription]
    UNKNOWN_PSK_IDENTITY: ClassVar[AlertDescription]
    CERTIFICATE_REQUIRED: ClassVar[AlertDescription]
    NO_APPLICATION_PROTOCOL: ClassVar[AlertDescription]
    ECH_REQUIRED: ClassVar[AlertDescription]


class ExtensionType(Registered):
    """Hello extensions and those of later messages (IANA, TLS ExtensionType Values)."""

    NAMES = {
        0: "server_name", 1: "max_fragment_length", 2: "client_certificate_url", 3: "trusted_ca_keys", 4: "truncated_hmac",
        5: "status_request", 6: "user_mapping", 7: "client_authz", 8: "server_authz", 9: "cert_type", 10: "supported_groups",
        11: "ec_point_formats", 12: "srp", 13: "signature_algorithms", 14: "use_srtp", 15: "heartbeat",
        16: "application_layer_protocol_negotiation", 17: "status_request_v2", 18: "signed_certificate_timestamp",
        19: "client_certificate_type", 20: "server_certificate_type", 21: "padding", 22: "encrypt_then_mac",
        23: "extended_master_secret", 24: "token_binding", 25: "cached_info", 26: "tls_lts", 27: "compress_certificate",
        28: "record_size_limit", 29: "pwd_protect", 30: "pwd_clear", 31: "password_salt", 32: "ticket_pinning",
        33: "tls_cert_with_extern_psk", 34: "delegated_credential", 35: "session_ticket", 36: "tlmsp", 37: "tlmsp_proxying",
        38: "tlmsp_delegate", 39: "supported_ekt_ciphers", 41: "pre_shared_key", 42: "early_data", 43: "supported_versions",
        44: "cookie", 45: "psk_key_exchange_modes", 47: "certificate_authorities", 48: "oid_filters", 49: "post_handshake_auth",
        50: "signature_algorithms_cert", 51: "key_share", 52: "transparency_info", 53: "connection_id_deprecated",
        54: "connection_id", 55: "external_id_hash", 56: "external_session_id", 57: "quic_transport_parameters",
        58: "ticket_request", 59: "dnssec_chain", 60: "sequence_number_encryption_algorithms", 61: "rrc", 62: "tls_flags",
        13172: "next_protocol_negotiation", 17513: "application_settings_old", 17613: "application_settings",
        30032: "channel_id", 64768: "ech_outer_extensions", 65037: "encrypted_client_hello", 65281: "renegotiation_info",
        65445: "quic_transport_parameters_draft", 65486: "encrypted_server_name",
    }  # fmt: skip
    SERVER_NAME: ClassVar[ExtensionType]
    MAX_FRAGMENT_LENGTH: ClassVar[ExtensionType]
    TRUSTED_CA_KEYS: ClassVar[ExtensionType]
    STATUS_REQUEST: ClassVar[ExtensionType]
    SUPPORTED_GROUPS: ClassVar[ExtensionType]
    EC_POINT_FORMATS: ClassVar[ExtensionType]
    SIGNATURE_ALGORITHMS: ClassVar[ExtensionType]
    HEARTBEAT: ClassVar[ExtensionType]
    APPLICATION_LAYER_PROTOCOL_NEGOTIATION: ClassVar[ExtensionType]
    STATUS_REQUEST_V2: ClassVar[ExtensionType]
    SIGNED_CERTIFICATE_TIMESTAMP: ClassVar[ExtensionType]
    CLIENT_CERTIFICATE_TYPE: ClassVar[ExtensionType]
    SERVER_CERTIFICATE_TYPE: ClassVar[ExtensionType]
    PADDING: ClassVar[ExtensionType]
    ENCRYPT_THEN_MAC: ClassVar[ExtensionType]
    EXTENDED_MASTER_SECRET: ClassVar[ExtensionType]
    COMPRESS_CERTIFICATE: ClassVar[ExtensionType]
    RECORD_SIZE_LIMIT: ClassVar[ExtensionType]
    DELEGATED_CREDENTIAL: ClassVar[ExtensionType]
    SESSION_TICKET: ClassVar[ExtensionType]
    PRE_SHARED_KEY: ClassVar[ExtensionType]
    EARLY_DATA: ClassVar[ExtensionType]
    SUPPORTED_VERSIONS: ClassVar[ExtensionType]
    COOKIE: ClassVar[ExtensionType]
    PSK_KEY_EXCHANGE_MODES: ClassVar[ExtensionType]
    CERTIFICATE_AUTHORITIES: ClassVar[ExtensionType]
    OID_FILTERS: ClassVar[ExtensionType]
    POST_HANDSHAKE_AUTH: ClassVar[ExtensionType]
    SIGNATURE_ALGORITHMS_CERT: ClassVar[ExtensionType]
    KEY_SHARE: ClassVar[ExtensionType]
    TICKET_REQUEST: ClassVar[ExtensionType]
    ENCRYPTED_CLIENT_HELLO: ClassVar[ExtensionType]
    RENEGOTIATION_INFO: ClassVar[ExtensionType]


class CipherSuite(Registered):
    """Cipher suites by their IANA name. ``CipherSuite.named("TLS_AES_128_GCM_SHA256")`` finds one."""

    NAMES = CIPHER_SUITES


class SignatureScheme(Registered):
    """Signature schemes (RFC 8446, Section 4.2.3). TLS 1.2's hash and signature pairs that became no scheme print as such."""

    NAMES = {
        0x0201: "rsa_pkcs1_sha1", 0x0203: "ecdsa_sha1", 0x0401: "rsa_pkcs1_sha256", 0x0403: "ecdsa_secp256r1_sha256",
        0x0420: "rsa_pkcs1_sha256_legacy", 0x0501: "rsa_pkcs1_sha384", 0x0503: "ecdsa_secp384r1_sha384",
        0x0520: "rsa_pkcs1_sha384_legacy", 0x0601: "rsa_pkcs1_sha512", 0x0603: "ecdsa_secp521r1_sha512",
        0x0620: "rsa_pkcs1_sha512_legacy", 0x0704: "eccsi_sha256", 0x0705: "iso_ibs1", 0x0706: "iso_ibs2",
        0x0707: "iso_chinese_ibs", 0x0708: "sm2sig_sm3", 0x0709: "gostr34102012_256a", 0x070A: "gostr34102012_256b",
        0x070B: "gostr34102012_256c", 0x070C: "gostr34102012_256d", 0x070D: "gostr34102012_512a", 0x070E: "gostr34102012_512b",
        0x070F: "gostr34102012_512c", 0x0804: "rsa_pss_rsae_sha256", 0x0805: "rsa_pss_rsae_sha384",
        0x0806: "rsa_pss_rsae_sha512", 0x0807: "ed25519", 0x0808: "ed448", 0x0809: "rsa_pss_pss_sha256",
        0x080A: "rsa_pss_pss_sha384", 0x080B: "rsa_pss_pss_sha512", 0x081A: "ecdsa_brainpoolP256r1tls13_sha256",
        0x081B: "ecdsa_brainpoolP384r1tls13_sha384", 0x081C: "ecdsa_brainpoolP512r1tls13_sha512", 0x0904: "mldsa44",
        0x0905: "mldsa65", 0x0906: "mldsa87", 0x0911: "slhdsa_sha2_128s", 0x0912: "slhdsa_sha2_128f",
        0x0913: "slhdsa_sha2_192s", 0x0914: "slhdsa_sha2_192f", 0x0915: "slhdsa_sha2_256s", 0x0916: "slhdsa_sha2_256f",
        0x0917: "slhdsa_shake_128s", 0x0918: "slhdsa_shake_128f", 0x0919: "slhdsa_shake_192s", 0x091A: "slhdsa_shake_192f",
        0x091B: "slhdsa_shake_256s", 0x091C: "slhdsa_shake_256f",
    }  # fmt: skip
    # RFC 5246, Section 7.4.1.4.1
    HASHES: ClassVar[dict[int, str]] = {1: "md5", 2: "sha1", 3: "sha224", 4: "sha256", 5: "sha384", 6: "sha512"}
    SIGNATURES: ClassVar[dict[int, str]] = {1: "rsa", 2: "dsa", 3: "ecdsa"}

    @property
    def label(self) -> str:
        if int(self) not in self.NAMES and self >> 8 in self.HASHES and self & 0xFF in self.SIGNATURES:
            return f"{self.SIGNATURES[self & 0xFF]}_{self.HASHES[self >> 8]}"
        return super().label


class NamedGroup(Registered):
    """Groups for key exchange (IANA, TLS Supported Groups)."""

    NAMES = {
        1: "sect163k1", 2: "sect163r1", 3: "sect163r2", 4: "sect193r1", 5: "sect193r2", 6: "sect233k1", 7: "sect233r1",
        8: "sect239k1", 9: "sect283k1", 10: "sect283r1", 11: "sect409k1", 12: "sect409r1", 13: "sect571k1", 14: "sect571r1",
        15: "secp160k1", 16: "secp160r1", 17: "secp160r2", 18: "secp192k1", 19: "secp192r1", 20: "secp224k1", 21: "secp224r1",
        22: "secp256k1", 23: "secp256r1", 24: "secp384r1", 25: "secp521r1", 26: "brainpoolP256r1", 27: "brainpoolP384r1",
        28: "brainpoolP512r1", 29: "x25519", 30: "x448", 31: "brainpoolP256r1tls13", 32: "brainpoolP384r1tls13",
        33: "brainpoolP512r1tls13", 34: "GC256A", 35: "GC256B", 36: "GC256C", 37: "GC256D", 38: "GC512A", 39: "GC512B",
        40: "GC512C", 41: "curveSM2", 256: "ffdhe2048", 257: "ffdhe3072", 258: "ffdhe4096", 259: "ffdhe6144", 260: "ffdhe8192",
        512: "MLKEM512", 513: "MLKEM768", 514: "MLKEM1024", 4587: "SecP256r1MLKEM768", 4588: "X25519MLKEM768",
        4589: "SecP384r1MLKEM1024", 4590: "curveSM2MLKEM768", 25497: "X25519Kyber768Draft00", 25498: "SecP256r1Kyber768Draft00",
        65281: "arbitrary_explicit_prime_curves", 65282: "arbitrary_explicit_char2_curves",
    }  # fmt: skip


class ClientCertificateType(Registered):
    """Certificate types of a CertificateRequest up to TLS 1.2 (RFC 5246, Section 7.4.4)."""

    NAMES = {
        1: "rsa_sign", 2: "dss_sign", 3: "rsa_fixed_dh", 4: "dss_fixed_dh", 5: "rsa_ephemeral_dh", 6: "dss_ephemeral_dh",
        20: "fortezza_dms", 64: "ecdsa_sign", 65: "rsa_fixed_ecdh", 66: "ecdsa_fixed_ecdh", 67: "gost_sign256",
        68: "gost_sign512",
    }  # fmt: skip
    DIGITS = 2


class CertificateType(Registered):
    """What a Certificate message holds (RFC 7250)."""

    NAMES = {0: "X509", 1: "OpenPGP", 2: "RawPublicKey", 3: "1609Dot2"}
    DIGITS = 2


class CertificateStatusType(Registered):
    """Kinds of stapled revocation status (RFC 6066, Section 8; RFC 6961)."""

    NAMES = {1: "ocsp", 2: "ocsp_multi"}
    DIGITS = 2


class CompressionAlgorithm(Registered):
    """How a CompressedCertificate is compressed (RFC 8879, Section 7.3)."""

    NAMES = {1: "zlib", 2: "brotli", 3: "zstd"}


class CompressionMethod(Registered):
    """Record compression (RFC 3749): anything but null is a weakness."""

    NAMES = {0: "null", 1: "DEFLATE", 64: "LZS"}
    DIGITS = 2


class EcPointFormat(Registered):
    """Point formats (RFC 8422, Section 5.1.2)."""

    NAMES = {0: "uncompressed", 1: "ansiX962_compressed_prime", 2: "ansiX962_compressed_char2"}
    DIGITS = 2


class PskKeyExchangeMode(Registered):
    """How a pre-shared key is used (RFC 8446, Section 4.2.9)."""

    NAMES = {0: "psk_ke", 1: "psk_dhe_ke"}
    DIGITS = 2
