"""See a mutual TLS handshake happen, learn who rejected whom and why, and send requests over the verified channel.

As a library: ``inspector.handshake(...)``, ``inspector.request(...)`` and ``inspector.diagnose(...)`` return the same typed
report that the command line prints (``inspector.report.model``). They are imported when first used, so that
``import inspector`` alone stays cheap.
"""

from __future__ import annotations

from typing import Any

from inspector.version import __version__ as __version__

_LIBRARY = ("handshake", "request", "diagnose")


def __getattr__(name: str) -> Any:
    if name in _LIBRARY:
        from inspector import library

        return getattr(library, name)
    raise AttributeError(f"module 'inspector' has no attribute {name!r}")
