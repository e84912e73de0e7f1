"""What the common options come to."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspector.cli.options import parse_connect_to, timeouts_from
from inspector.errors import InputError, UsageError
from inspector.plan import Timeouts
from inspector.session import trust
from inspector.target import parse_target
from tests.cli.peers import Pki

TARGET = parse_target("api.test:443")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("127.0.0.1:8443", ("127.0.0.1", 8443)),
        ("[::1]:8443", ("::1", 8443)),
        ("api.test:443:other.test:8443", ("other.test", 8443)),
        ("API.test:443:[::1]:8443", ("::1", 8443)),
        ("::127.0.0.1:8443", ("127.0.0.1", 8443)),
        ("api.test:443::8443", ("api.test", 8443)),
        ("api.test:443:other.test:", ("other.test", 443)),
        ("elsewhere.test:443:other.test:8443", None),
        ("api.test:80:other.test:8443", None),
    ],
)
def test_connect_to_takes_two_parts_or_curls_four(text: str | None, expected: tuple[str, int] | None) -> None:
    assert parse_connect_to(text, TARGET) == expected


@pytest.mark.parametrize("text", ["nonsense", "host:", ":1", "a:b:c", "host:99999", "a:1:b:x"])
def test_connect_to_that_names_no_place_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_connect_to(text, parse_target("a:1"))


def test_a_longer_timeout_stretches_its_parts_and_a_shorter_one_bounds_them() -> None:
    assert timeouts_from(20.0) == Timeouts()
    assert timeouts_from(40.0).handshake == 2 * Timeouts().handshake
    short = timeouts_from(1.0)
    assert (short.total, short.handshake) == (1.0, Timeouts().handshake)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_a_timeout_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(UsageError):
        timeouts_from(seconds)


def test_the_environment_goes_before_the_platform(pki: Pki) -> None:
    found = trust.system_trust({"SSL_CERT_FILE": pki.path("root.pem"), "SSL_CERT_DIR": "/some/dir"})
    assert (found.system_file, found.system_dir) == (pki.path("root.pem"), "/some/dir")
    assert found.source == f"SSL_CERT_FILE={pki.path('root.pem')} and SSL_CERT_DIR=/some/dir"


def test_an_environment_that_names_nothing_readable_is_an_error() -> None:
    with pytest.raises(InputError, match="SSL_CERT_FILE"):
        trust.system_trust({"SSL_CERT_FILE": "/nowhere/ca.pem"})


def test_the_platforms_store_is_found_or_certifi_stands_in(monkeypatch: pytest.MonkeyPatch, pki: Pki) -> None:
    monkeypatch.setattr(trust, "PLATFORM_FILES", (pki.path("nothing.pem"), pki.path("root.pem")))
    assert trust.system_trust({}).source == f"system store ({pki.path('root.pem')})"
    monkeypatch.setattr(trust, "PLATFORM_FILES", ())
    monkeypatch.setattr(trust, "PLATFORM_DIRS", ())
    assert trust.system_trust({}).source.startswith("certifi (")


def test_cacert_adds_to_the_system_and_no_system_trust_leaves_it_out(pki: Pki) -> None:
    environment = {"SSL_CERT_FILE": pki.path("mallory.pem")}
    both = trust.resolve([pki.path("root.pem")], system=True, environment=environment)
    alone = trust.resolve([pki.path("root.pem")], system=False, environment=environment)
    assert (both.system_file, len(both.anchors)) == (pki.path("mallory.pem"), 1)
    assert (alone.system_file, len(alone.anchors)) == (None, 1)
    assert alone.source == f"--cacert {pki.path('root.pem')}"
    assert trust.resolve([], system=False, environment={}).source == "nothing"


def test_a_ca_file_that_repeats_itself_counts_once(pki: Pki, tmp_path: Path) -> None:
    twice = tmp_path / "twice.pem"
    twice.write_bytes(Path(pki.path("root.pem")).read_bytes() * 2)
    assert len(trust.resolve([str(twice)], system=False, environment={}).anchors) == 1
