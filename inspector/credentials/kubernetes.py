"""Credentials in Kubernetes' own files: a kubeconfig (its current context's user), a Secret of type kubernetes.io/tls.

Both are YAML, or JSON, which is YAML too. Formats: kubernetes.io/docs, "Organizing Cluster Access Using kubeconfig Files" and
"Secrets", section "TLS Secrets".
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from inspector.credentials import pem, yaml_text
from inspector.credentials.contents import Contents, FoundCertificate, damaged
from inspector.errors import CredentialError


def read(name: str, data: bytes, contents: Contents) -> str:
    """Add what the file holds to ``contents``; returns which of the two formats it is. Raises CredentialError."""
    documents = _documents(name, data)
    for document in documents:
        kind = document.get("kind")
        if kind == "Config":
            _kubeconfig(name, document, contents)
            return "kubeconfig"
        if kind == "List" and isinstance(document.get("items"), list):
            documents += [item for item in document["items"] if isinstance(item, dict)]
        if kind == "Secret":
            _secret(name, document, contents)
            return "kubernetes-secret"
    raise CredentialError(
        f"{name} is YAML, but neither a kubeconfig nor a Secret", kind="not-a-credential",
        hint="its 'kind' would be Config or Secret",
    )


def _documents(name: str, data: bytes) -> list[dict[str, Any]]:
    try:
        found = yaml_text.documents(data)
    except ValueError as exc:
        raise damaged(name, str(exc)) from exc
    return [document for document in found if isinstance(document, dict)]


def _decode(name: str, field: str, value: Any) -> bytes:
    try:
        return base64.b64decode("".join(str(value).split()), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise damaged(name, f"its field '{field}' is not base64") from exc


def _named(document: dict[str, Any], section: str, wanted: Any, inner: str) -> dict[str, Any]:
    """The value of the entry called ``wanted`` in one of a kubeconfig's lists; empty where there is none."""
    entries = document.get(section)
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("name") == wanted and isinstance(entry.get(inner), dict):
            return dict(entry[inner])
    return {}


def _kubeconfig(name: str, document: dict[str, Any], contents: Contents) -> None:
    current = document.get("current-context")
    if not current:
        raise CredentialError(
            f"{name} names no current context", kind="not-a-credential", hint="choose one with: kubectl config use-context NAME",
        )
    context = _named(document, "contexts", current, "context")
    user = _named(document, "users", context.get("user"), "user")
    if not user:
        raise CredentialError(
            f"the current context '{current}' of {name} leads to no user", kind="not-a-credential",
            hint="compare 'current-context', 'contexts' and 'users' in it",
        )
    found = False
    for field in ("client-certificate", "client-key"):
        data = _reference(name, user, field, contents)
        if data is not None:
            found = True
            pem.read(name, data, contents)
    if not found:
        other = next((key for key in ("token", "exec", "auth-provider", "username", "tokenFile") if key in user), None)
        raise CredentialError(
            f"the user of the current context '{current}' in {name} has no client certificate"
            + (f", but '{other}'" if other else ""),
            kind="no-certificate", hint="this cluster is entered without a client certificate",
        )
    cluster = _named(document, "clusters", context.get("cluster"), "cluster")
    _authorities(name, _reference(name, cluster, "certificate-authority", contents), contents)


def _reference(name: str, entry: dict[str, Any], field: str, contents: Contents) -> bytes | None:
    """A field given inline (``FIELD-data``, which wins) or as a path; None where it is not there."""
    if entry.get(f"{field}-data"):
        return _decode(name, f"{field}-data", entry[f"{field}-data"])
    path = entry.get(field)
    if not path or contents.read_beside is None:
        return None
    return contents.read_beside(str(path))


def _authorities(name: str, data: bytes | None, contents: Contents) -> None:
    for der in pem.certificates(data or b""):
        contents.add_certificate(FoundCertificate(der, name, ordered=False, authority=True))


def _secret(name: str, document: dict[str, Any], contents: Contents) -> None:
    inline, plain = document.get("data") or {}, document.get("stringData") or {}
    if not isinstance(inline, dict) or not isinstance(plain, dict):
        raise damaged(name, "its 'data' is no mapping")
    found = {field: _decode(name, field, value) for field, value in inline.items() if field in {"tls.crt", "tls.key", "ca.crt"}}
    found |= {field: str(value).encode() for field, value in plain.items()}
    for field in ("tls.crt", "tls.key"):
        if field in found:
            pem.read(name, found[field], contents)
    _authorities(name, found.get("ca.crt"), contents)
