"""Files of other programs, written as their formats are described."""

from __future__ import annotations

import json
from typing import Any

import pytest

from inspector.errors import InputError
from inspector.store.imports import Outcome, import_file
from inspector.store.rules import Store

POSTMAN = [
    {"name": "Bank", "matches": ["https://api.bank.example/*", "https://*.bank.example:8443/*"], "key": {"src": "./client.key"},
     "cert": {"src": "./client.crt"}, "passphrase": "123456"},
    {"name": "Other", "matches": ["https://other.example/*"], "pfx": {"src": "/abs/other.pfx"}},
]
INSOMNIA = [
    {"_id": "crt_1", "type": "ClientCertificate", "host": "https://api.bank.example", "cert": "/c.pem", "key": "/k.pem",
     "pfx": None, "passphrase": None, "disabled": False},
    {"_id": "crt_2", "type": "ClientCertificate", "host": "api.other.example:8443", "cert": None, "key": None, "pfx": "/o.pfx",
     "passphrase": "123456", "disabled": False},
    {"_id": "crt_3", "type": "ClientCertificate", "host": "off.example", "cert": "/c.pem", "key": "/k.pem", "disabled": True},
]
BRUNO = {
    "version": "1", "name": "bank", "type": "collection",
    "clientCertificates": {"enabled": True, "certs": [
        {"domain": "api.bank.example", "type": "cert", "certFilePath": "certs/c.pem",
         "keyFilePath": "certs/k.pem", "passphrase": ""},
        {"domain": "*.bank.example", "type": "pfx", "pfxFilePath": "/p.pfx", "passphrase": "123456"},
    ]},
}
KUBECONFIG = {
    "apiVersion": "v1", "kind": "Config", "current-context": "prod",
    "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}],
    "clusters": [{"name": "c", "cluster": {"server": "https://k8s.example:6443"}}],
    "users": [{"name": "u", "user": {"client-certificate-data": "x", "client-key-data": "y"}}],
}


def imported(document: Any, **more: Any) -> Outcome:
    return import_file(Store(), "/home/me/export.json", json.dumps(document).encode(), **more)


def rows(outcome: Outcome) -> list[tuple[str, str, list[str], str | None]]:
    return [
        (entry.name, str(entry.pattern), entry.paths, entry.passphrase.kind if entry.passphrase else None)
        for entry in outcome.store.credentials
    ]


def test_postman_certificate_list() -> None:
    assert rows(imported(POSTMAN)) == [
        ("Bank", "api.bank.example", ["/home/me/client.crt", "/home/me/client.key"], "prompt"),
        ("Bank-2", "*.bank.example:8443", ["/home/me/client.crt", "/home/me/client.key"], "prompt"),
        ("Other", "other.example", ["/abs/other.pfx"], None),
    ]


def test_insomnia_certificates_from_an_export_and_from_its_data_file() -> None:
    expected = [
        ("insomnia-api.bank.example", "api.bank.example", ["/c.pem", "/k.pem"], None),
        ("insomnia-api.other.example", "api.other.example:8443", ["/o.pfx"], "prompt"),
    ]
    assert rows(imported({"_type": "export", "__export_format": 4, "resources": INSOMNIA})) == expected
    lines = "\n".join(json.dumps(row) for row in INSOMNIA).encode()
    assert rows(import_file(Store(), "/x/insomnia.ClientCertificate.db", lines)) == expected


def test_insomnia_export_without_certificates_says_where_they_are() -> None:
    with pytest.raises(InputError) as caught:
        imported({"_type": "export", "__export_format": 4, "resources": [{"_type": "request"}]})
    assert "insomnia.ClientCertificate.db" in caught.value.hint


def test_bruno_collection() -> None:
    assert rows(imported(BRUNO)) == [
        ("bruno-api.bank.example", "api.bank.example", ["/home/me/certs/c.pem", "/home/me/certs/k.pem"], None),
        ("bruno-bank.example", "*.bank.example", ["/p.pfx"], "prompt"),
    ]


def test_kubeconfig_is_its_own_credential() -> None:
    assert rows(imported(KUBECONFIG)) == [("prod", "k8s.example:6443", ["/home/me/export.json"], None)]


@pytest.mark.parametrize("document", [POSTMAN, INSOMNIA, BRUNO])
def test_passphrases_are_not_taken_over_and_not_told(document: Any) -> None:
    outcome = imported(document)
    assert "123456" not in repr(outcome)
    assert any("passphrase" in note for note in outcome.notes)


@pytest.mark.parametrize("data", [
    b"", b"hello", b"{}", b"[]", b"[1, 2]", b"null", b"{\"kind\": \"Config\"}", b"{\"clientCertificates\": 5}", b"\xff\xfe",
    b"[{\"matches\": 5}]", b"a: &x [*x]", b"[" * 5000,
])
def test_what_is_no_export_ends_in_a_typed_error(data: bytes) -> None:
    with pytest.raises(InputError):
        import_file(Store(), "/x", data)


def test_host_that_is_no_pattern_is_left_out_and_said() -> None:
    outcome = imported([{"name": "a", "matches": ["https://{{host}} x/*", "https://ok.example/*"], "pfx": {"src": "p"}}])
    assert ([entry.name for entry in outcome.store.credentials], len(outcome.notes)) == (["a"], 1)


def test_a_file_that_is_imported_again_adds_nothing_twice() -> None:
    data = json.dumps(BRUNO).encode()
    once = import_file(Store(), "/home/me/export.json", data)
    twice = import_file(once.store, "/home/me/export.json", data)
    assert (twice.store, twice.added) == (once.store, ())
    assert [note for note in twice.notes if "kept already" in note] == [f"{name}: is kept already" for name in once.added]
