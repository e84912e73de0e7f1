"""Every form in which a certificate and its key come, made here by OpenSSL's own serialisers."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs7,
    pkcs12,
)

from inspector.credentials import asn1, mint
from inspector.credentials.folders import layout_of
from inspector.credentials.load import Input, load_certificates, load_credential
from inspector.der.reader import Reader
from inspector.errors import CredentialError, InputError

ROOT = mint.authority("Forms Root CA")
ISSUING = mint.authority("Forms Issuing CA", ROOT)
OTHER = mint.leaf("bob", ISSUING)
KINDS = ("ec-p256", "ec-p521", "rsa-2048", "ed25519", "ed448")
LEAVES = {kind: mint.leaf("alice", ISSUING, key=kind) for kind in KINDS}
LEAF = LEAVES["ec-p256"]
SECRET = b"correct horse"
AGREEMENT = x25519.X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def nothing(_: str) -> None:
    return None


def secret(_: str) -> bytes:
    return SECRET


def load(*files: bytes, passphrase: Callable[[str], bytes | None] = nothing, **more: Any) -> Any:
    return load_credential([(f"file{n}", data) for n, data in enumerate(files)], passphrase, **more)


def kind_of(*files: bytes, passphrase: Callable[[str], bytes | None] = nothing) -> str:
    with pytest.raises(CredentialError) as caught:
        load(*files, passphrase=passphrase)
    return caught.value.kind


def x509_of(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)


def p12(leaf: mint.Minted = LEAF, others: tuple[bytes, ...] = (), passphrase: bytes | None = SECRET) -> bytes:
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    cas = [x509_of(der) for der in others]
    return pkcs12.serialize_key_and_certificates(b"alice", leaf.key, x509_of(leaf.cert), cas, encryption)


@pytest.mark.parametrize("kind", KINDS)
def test_pem_certificate_and_key_of_every_kind(kind: str) -> None:
    leaf = LEAVES[kind]
    assert load(leaf.pem(), leaf.key_pem()).chain == leaf.sent


def test_combined_pem_in_any_order() -> None:
    for data in (LEAF.pem() + LEAF.key_pem(), LEAF.key_pem() + LEAF.pem()):
        assert load(data).chain == LEAF.sent


def test_text_between_blocks_and_windows_line_ends_do_not_matter() -> None:
    data = b"Bag Attributes\r\n    friendlyName: alice\r\n" + (LEAF.pem() + LEAF.key_pem()).replace(b"\n", b"\r\n")
    assert load(data).chain == LEAF.sent


@pytest.mark.parametrize("mark", ["utf-16-le", "utf-16-be"])
def test_pem_that_a_windows_shell_has_written(mark: str) -> None:
    def written(pem: bytes) -> bytes:
        return ("\ufeff" + pem.decode().replace("\n", "\r\n")).encode(mark)

    assert load(written(LEAF.pem()), written(LEAF.key_pem())).chain == LEAF.sent
    assert load_certificates("ca.pem", written(ROOT.pem())) == (ROOT.cert,)


def test_wrong_order_of_a_pem_file_stays_visible() -> None:
    chain = (LEAF.cert, ROOT.cert, ISSUING.cert)
    assert load(mint.certificates_pem(chain), LEAF.key_pem()).chain == chain


def test_leaf_is_moved_to_the_front_only_where_it_is_not_there() -> None:
    data = mint.certificates_pem((ROOT.cert, ISSUING.cert, LEAF.cert))
    assert load(data, LEAF.key_pem()).chain == (LEAF.cert, ROOT.cert, ISSUING.cert)


def test_der_files_are_put_into_order() -> None:
    key = LEAF.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert load(ROOT.cert, ISSUING.cert, LEAF.cert, key).chain == LEAF.sent


@pytest.mark.parametrize("kind", ["ec-p256", "rsa-2048"])
@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_traditional_keys(kind: str, encoding: Encoding) -> None:
    leaf = LEAVES[kind]
    key = leaf.key.private_bytes(encoding, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    assert load(leaf.pem(), key).chain == leaf.sent


@pytest.mark.parametrize("format_", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("kind", ["ec-p256", "rsa-2048"])
def test_encrypted_keys(kind: str, format_: PrivateFormat) -> None:
    leaf = LEAVES[kind]
    key = leaf.key.private_bytes(Encoding.PEM, format_, BestAvailableEncryption(SECRET))
    assert load(leaf.pem(), key, passphrase=secret).chain == leaf.sent
    assert kind_of(leaf.pem(), key) == "passphrase-needed"
    assert kind_of(leaf.pem(), key, passphrase=lambda _: b"wrong") == "wrong-passphrase"


def test_pem_cipher_that_is_not_undone_is_named() -> None:
    head = b"Proc-Type: 4,ENCRYPTED\nDEK-Info: DES-CBC,0011223344556677\n\n"
    key = b"-----BEGIN RSA PRIVATE KEY-----\n" + head + b"AAAA\n-----END RSA PRIVATE KEY-----\n"
    assert kind_of(LEAF.pem(), key, passphrase=secret) == "unsupported-encryption"


def test_key_marked_for_pss_only() -> None:
    leaf = mint.leaf("alice", ISSUING, key=LEAVES["rsa-2048"].key, pss_key=True)
    assert load(leaf.pem(), leaf.key_pem()).leaf == leaf.cert


def test_pkcs12_chain_is_put_together_without_order_and_root() -> None:
    credential = load(p12(others=(ROOT.cert, OTHER.cert, ISSUING.cert)), passphrase=secret)
    assert (credential.chain, credential.origin.format) == (LEAF.sent, "pkcs12")
    assert set(credential.origin.others) == {ROOT.cert, OTHER.cert}


def test_pkcs12_without_a_passphrase() -> None:
    data = p12(passphrase=None)
    assert load(data).leaf == LEAF.cert
    assert load(data, passphrase=secret, ask_first=False).leaf == LEAF.cert
    assert kind_of(data, passphrase=secret) == "wrong-passphrase"


def test_prompt_is_not_shown_where_no_passphrase_is_needed() -> None:
    asked: list[str] = []

    def prompt(label: str) -> bytes:
        asked.append(label)
        return SECRET

    load(p12(passphrase=None), passphrase=prompt, ask_first=False)
    assert asked == []
    load(p12(), passphrase=prompt, ask_first=False)
    assert asked == ["file0"]


def test_passphrase_beyond_ascii() -> None:
    word = "pässwörd €".encode()
    assert load(p12(passphrase=word), passphrase=lambda _: word).leaf == LEAF.cert


def bag(kind: int, value: bytes) -> bytes:
    return asn1.sequence(asn1.oid(f"1.2.840.113549.1.12.10.1.{kind}"), asn1.tlv(0xA0, value))


def certificate_bag(der: bytes) -> bytes:
    return bag(3, asn1.sequence(asn1.oid("1.2.840.113549.1.9.22.1"), asn1.tlv(0xA0, asn1.octets(der))))


def bare_pkcs12(*bags: bytes) -> bytes:
    """A PFX with these bags, without encryption and without a MAC."""
    def data(contents: bytes) -> bytes:
        return asn1.sequence(asn1.oid("1.2.840.113549.1.7.1"), asn1.tlv(0xA0, asn1.octets(contents)))

    return asn1.sequence(asn1.integer(3), data(asn1.sequence(data(asn1.sequence(*bags)))))


def test_pkcs12_without_a_mac_and_with_one_broken_certificate() -> None:
    """The library refuses such a file as a whole, and calls it a wrong password."""
    key = LEAF.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    broken = b"\x30\x03\x02\x01\x00"
    certificates = [certificate_bag(der) for der in (broken, LEAF.cert, ISSUING.cert)]
    data = bare_pkcs12(*certificates, bag(1, key), bag(5, asn1.octets(b"x")))
    with pytest.raises(ValueError):
        pkcs12.load_key_and_certificates(data, None)
    credential = load(data)
    assert (credential.chain, credential.origin.others) == (LEAF.sent, (broken,))


def test_pkcs12_with_the_mac_of_rfc_9579() -> None:
    """PBMAC1: an HMAC whose key comes from PBKDF2."""
    key = LEAF.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    bare = Reader(bare_pkcs12(certificate_bag(LEAF.cert), bag(1, key))).enter("file")
    version, content = bare.read("version").encoded, bare.read("content").encoded
    inner = Reader(content).enter("content")
    inner.read("type")
    safe = inner.enter("content", 0xA0).read("safe").contents
    sha256 = asn1.sequence(asn1.oid("1.2.840.113549.2.9"), asn1.null())
    derivation = asn1.sequence(asn1.octets(b"saltsalt"), asn1.integer(2048), asn1.integer(32), sha256)
    parameters = asn1.sequence(asn1.sequence(asn1.oid("1.2.840.113549.1.5.12"), derivation), sha256)
    mac = hmac.digest(hashlib.pbkdf2_hmac("sha256", SECRET, b"saltsalt", 2048, 32), safe, "sha256")
    info = asn1.sequence(asn1.sequence(asn1.oid("1.2.840.113549.1.5.14"), parameters), asn1.octets(mac))
    data = asn1.sequence(version, content, asn1.sequence(info, asn1.octets(b"unused"), asn1.integer(1)))
    assert load(data, passphrase=secret).origin.encryption == ("MAC PBMAC1",)
    assert kind_of(data, passphrase=lambda _: b"wrong") == "wrong-passphrase"


def test_nested_bags_and_a_bag_that_cannot_be_read() -> None:
    key = LEAF.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    nested = bag(6, asn1.sequence(certificate_bag(LEAF.cert), bag(1, key)))
    credential = load(bare_pkcs12(bag(3, asn1.integer(1)), nested))
    assert (credential.leaf, len(credential.origin.notes)) == (LEAF.cert, 1)


def test_every_flipped_byte_of_a_pkcs12_is_an_answer_or_a_typed_error() -> None:
    data, kinds = p12(), set()
    for at in range(0, len(data), 37):
        try:
            load(data[:at] + bytes((data[at] ^ 0x41,)) + data[at + 1 :], passphrase=secret)
        except CredentialError as exc:
            kinds.add(exc.kind)
    assert kinds <= {
        "file-damaged", "not-a-credential", "wrong-passphrase", "unsupported-encryption", "too-expensive", "no-private-key",
        "no-certificate", "unsupported-key-type", "key-mismatch",
    }


def test_flipped_ciphertext_with_the_right_passphrase_is_damage() -> None:
    data = p12()
    at = len(data) // 2
    assert kind_of(data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :], passphrase=secret) == "file-damaged"


def test_key_of_another_certificate() -> None:
    assert kind_of(LEAF.pem(), OTHER.key_pem()) == "key-mismatch"


def test_right_certificate_is_found_among_all() -> None:
    data = OTHER.pem() + LEAF.pem()
    assert load(data, LEAF.key_pem()).leaf == LEAF.cert
    assert load(LEAF.pem(), OTHER.key_pem() + LEAF.key_pem()).leaf == LEAF.cert


@pytest.mark.parametrize(("files", "kind"), [
    ((LEAF.pem(),), "no-private-key"),
    ((LEAF.key_pem(),), "no-certificate"),
    ((b"",), "not-a-credential"),
    ((b"hello world\n",), "not-a-credential"),
    ((b"\x00\x01\x02\x03",), "not-a-credential"),
    ((b"\x30\x03\x02\x01\x05",), "not-a-credential"),
    ((b"\x30\x82\xff\xff\x02",), "file-damaged"),
    ((LEAF.cert + b"x", LEAF.key_pem()), "file-damaged"),
    ((b"-----BEGIN CERTIFICATE-----\n",), "file-damaged"),
    ((b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n",), "file-damaged"),
    ((b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",), "file-damaged"),
    ((b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",), "not-a-credential"),
    ((b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",), "unsupported-key-type"),
    ((AGREEMENT,), "unsupported-key-type"),
])
def test_what_is_no_credential_is_refused_by_kind(files: tuple[bytes, ...], kind: str) -> None:
    assert kind_of(*files) == kind


def test_pkcs7_beside_a_key() -> None:
    data = pkcs7.serialize_certificates([x509_of(ISSUING.cert), x509_of(LEAF.cert)], Encoding.DER)
    assert load(data, LEAF.key_pem()).chain == LEAF.sent
    assert load(pkcs7.serialize_certificates([x509_of(LEAF.cert)], Encoding.PEM), LEAF.key_pem()).leaf == LEAF.cert


def kubeconfig(user: str, more: str = "") -> bytes:
    authority = base64.b64encode(ROOT.pem()).decode()
    return f"""
apiVersion: v1
kind: Config
current-context: here
contexts:
- {{name: there, context: {{cluster: c, user: nobody}}}}
- {{name: here, context: {{cluster: c, user: me}}}}
clusters:
- {{name: c, cluster: {{server: "https://k8s.example:6443", certificate-authority-data: "{authority}"}}}}
users:
- {{name: nobody, user: {{token: x}}}}
- name: me
  user:
{user}
{more}""".encode()


def test_kubeconfig_with_inline_data() -> None:
    data = kubeconfig(
        f"    client-certificate-data: {base64.b64encode(LEAF.pem()).decode()}\n"
        f"    client-key-data: {base64.b64encode(LEAF.key_pem()).decode()}",
    )
    credential = load(data)
    assert (credential.chain, credential.origin.format, credential.origin.others) == (LEAF.sent, "kubeconfig", (ROOT.cert,))


def test_kubeconfig_with_files_beside_it() -> None:
    files = {"me.crt": LEAF.pem(), "me.key": LEAF.key_pem()}
    credential = load(kubeconfig("    client-certificate: me.crt\n    client-key: me.key"), read_beside=files.__getitem__)
    assert credential.chain == LEAF.sent


@pytest.mark.parametrize(("data", "kind"), [
    (kubeconfig("    token: abc"), "no-certificate"),
    (kubeconfig("    client-certificate-data: '%%%'"), "file-damaged"),
    (b"apiVersion: v1\nkind: Config\n", "not-a-credential"),
    (b"apiVersion: v1\nkind: Config\ncurrent-context: x\n", "not-a-credential"),
    (b"apiVersion: v1\nkind: ConfigMap\n", "not-a-credential"),
    (b"apiVersion: v1\nkind: [\n", "file-damaged"),
    (b"apiVersion: &a v1\nkind: *a\n", "file-damaged"),
])
def test_kubernetes_file_without_a_credential(data: bytes, kind: str) -> None:
    assert kind_of(data) == kind


def secret_yaml(**fields: bytes) -> bytes:
    rows = "".join(f"  {name.replace('_', '.')}: {base64.b64encode(data).decode()}\n" for name, data in fields.items())
    return f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\ntype: kubernetes.io/tls\ndata:\n{rows}".encode()


def test_kubernetes_tls_secret() -> None:
    credential = load(secret_yaml(tls_crt=LEAF.pem(), tls_key=LEAF.key_pem(), ca_crt=mint.certificates_pem([ROOT.cert])))
    assert (credential.chain, credential.origin.format, credential.origin.others) == (LEAF.sent, "kubernetes-secret", (ROOT.cert,))


def test_folder_of_cert_manager_keeps_its_authority_out_of_the_chain() -> None:
    given = Input(
        [("tls.crt", LEAF.pem()), ("tls.key", LEAF.key_pem())], [("ca.crt", mint.certificates_pem([ROOT.cert]))], "cert-manager",
    )
    credential = load_credential(given, nothing)
    assert (credential.chain, credential.origin.format, credential.origin.others) == (LEAF.sent, "cert-manager", (ROOT.cert,))


@pytest.mark.parametrize(("names", "format_"), [
    ({"tls.crt", "tls.key", "ca.crt"}, "cert-manager"),
    ({"svid.pem", "svid_key.pem", "svid_bundle.pem"}, "spiffe"),
    ({"svid.0.pem", "svid.0.key", "bundle.0.pem"}, "spiffe"),
    ({"cert.pem", "chain.pem", "fullchain.pem", "privkey.pem"}, "certbot"),
    ({"a.pem", "b.key"}, None),
])
def test_layouts_of_folders(names: set[str], format_: str | None) -> None:
    found = layout_of(names)
    assert (found.format if found else None) == format_


def test_certificates_of_a_ca_file() -> None:
    both = (ISSUING.cert, ROOT.cert)
    assert load_certificates("ca", mint.certificates_pem(both)) == both
    assert load_certificates("ca", ROOT.cert) == (ROOT.cert,)
    assert set(load_certificates("ca", pkcs7.serialize_certificates([x509_of(c) for c in both], Encoding.DER))) == set(both)
    for nonsense in (b"", b"x", LEAF.key_pem(), p12()):
        with pytest.raises(InputError):
            load_certificates("ca", nonsense)


def test_key_never_shows_in_a_representation() -> None:
    credential = load(LEAF.pem(), LEAF.key_pem())
    number = load_pem_private_key(LEAF.key_pem(), None).private_numbers().private_value  # type: ignore[union-attr]
    assert str(number) not in repr(credential)
    assert "PRIVATE" not in repr(credential)


def test_der_writer_agrees_with_known_encodings() -> None:
    assert asn1.oid("1.2.840.113549.1.1.11").hex() == "06092a864886f70d01010b"
    numbers = [asn1.integer(n).hex() for n in (0, 127, 128, -1, -128, -129)]
    assert numbers == ["020100", "02017f", "02020080", "0201ff", "020180", "0202ff7f"]
    assert asn1.time(0) == b"\x17\x0d700101000000Z"
    assert asn1.time(2524608000) == b"\x18\x0f20500101000000Z"
