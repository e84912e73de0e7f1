"""Folders in which programs leave a client's certificate and key, by the names of their files."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple


class Layout(NamedTuple):
    """``certificate`` and ``key`` may be one file. ``authorities`` hold certificates that are not sent."""

    format: str
    certificate: str
    key: str
    authorities: tuple[str, ...] = ()


# tried in this order; the first whose certificate and key are both there is taken
LAYOUTS = (
    Layout("cert-manager", "tls.crt", "tls.key", ("ca.crt",)),  # a mounted kubernetes.io/tls Secret, cert-manager's among them
    Layout("spiffe", "svid.pem", "svid_key.pem", ("svid_bundle.pem", "bundle.pem")),  # spiffe-helper
    Layout("spiffe", "svid.0.pem", "svid.0.key", ("bundle.0.pem",)),  # spire-agent api fetch x509 -write
    Layout("spiffe", "svid.pem", "svid.key", ("svid_bundle.pem", "bundle.pem")),
    Layout("certbot", "fullchain.pem", "privkey.pem"),
    Layout("docker", "cert.pem", "key.pem", ("ca.pem",)),  # DOCKER_CERT_PATH
    Layout("client", "client.crt", "client.key", ("ca.crt",)),
    Layout("client", "client.pem", "client-key.pem", ("ca.pem",)),
    Layout("kubelet", "kubelet-client-current.pem", "kubelet-client-current.pem"),
)


def layout_of(names: Collection[str]) -> Layout | None:
    """The layout that these file names fit, None where there is none."""
    return next((layout for layout in LAYOUTS if layout.certificate in names and layout.key in names), None)
