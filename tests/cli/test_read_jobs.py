"""``mtls read --jobs``: several processes say what one says, in the same order, and end as one ends."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.capture import forge, known
from tests.cli.peers import mtls_says

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")

SOURCES = (
    "generated-ca-names/tls12-ca-names", "generated-ca-names/tls13-ca-names", "go-crypto-tls/Client-TLSv12-ClientCert-Ed25519",
    "go-crypto-tls/Client-TLSv13-HelloRetryRequest", "illustrated-tls/tls13",
)


def many(path: Path, count: int) -> Path:
    """A capture of ``count`` connections that overlap and end in another order than they begin, every tenth without TLS."""
    rng = random.Random(count)
    parts = [forge.payloads(f"{name}.pcap") for name in SOURCES]
    segments = []
    for number in range(count):
        said = [(forge.CLIENT, b"hello\r\n")] if number % 10 == 9 else rng.choice(parts)
        close = rng.choice(((forge.CLIENT, forge.SERVER), (forge.SERVER,), ()))
        segments += forge.conversation(said, ports=(1024 + number, 443), start=1000 + number * 0.002, close=close)
    path.write_bytes(forge.pcap(forge.packets(sorted(segments, key=lambda segment: segment.at))))
    return path


def keylog(folder: Path) -> Path:
    path = folder / "keys.log"
    path.write_bytes(b"".join((known.FIXTURES / f"{name}.keylog").read_bytes() for name in SOURCES))
    return path


@pytest.mark.parametrize("options", [
    (), ("--json",), ("-q",), ("-v", "--explain"), ("--port", "1100"), ("--json", "--port", "443"),
])
@pytest.mark.parametrize("with_keys", [True, False])
def test_several_processes_say_what_one_says(tmp_path: Path, options: tuple[str, ...], with_keys: bool) -> None:
    path = str(many(tmp_path / "many.pcap", 120))
    if with_keys:
        options = (*options, "--keylog", str(keylog(tmp_path)))
    one, three = (
        subprocess.run(
            [sys.executable, "-m", "inspector", "read", path, "--jobs", jobs, *options],
            capture_output=True, timeout=120, check=False,
        )
        for jobs in ("1", "3")
    )
    assert one.stdout.count(b"\n") >= 1
    assert (three.stdout, three.stderr, three.returncode) == (one.stdout, one.stderr, one.returncode)


@pytest.mark.parametrize("content", [b"", b"nothing like a capture", forge.pcap([])[:20]])
def test_what_is_no_capture_is_said_once(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    said = [mtls_says("read", str(path), "--jobs", jobs) for jobs in ("1", "2")]
    assert (said[1].code, said[1].out, said[1].err) == (said[0].code, said[0].out, said[0].err)


def test_damage_is_noted_once(tmp_path: Path) -> None:
    path = many(tmp_path / "many.pcap", 20)
    path.write_bytes(path.read_bytes()[:-3])
    said = mtls_says("read", str(path), "-q", "--jobs", "2")
    assert [line for line in said.err.splitlines() if "ends in the middle of a packet" in line] == said.err.splitlines()


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize(("number", "code", "kind"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")])
def test_an_interrupt_leaves_whole_documents_and_no_process(
    tmp_path: Path, jobs: str, number: signal.Signals, code: int, kind: str,
) -> None:
    path = many(tmp_path / "many.pcap", 4000)
    process = subprocess.Popen(
        [sys.executable, "-m", "inspector", "read", str(path), "--json", "--jobs", jobs],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, bufsize=0,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(number)
    rest, err = process.communicate(timeout=60)
    documents = [json.loads(line) for line in (first + rest).splitlines()]
    assert (process.returncode, documents[-1]["error"]["kind"]) == (code, kind), err
    assert 1 < len(documents) < 4000
    assert b"what there was so far" in err
    assert b"Traceback" not in err
    for _ in range(100):  # the whole group is gone
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.05)
    else:
        pytest.fail("a process was left behind")


def test_a_reader_that_dies_is_an_error_and_no_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from inspector.session import read

    def dies(*_: object) -> None:
        os._exit(9)

    monkeypatch.setattr(read.Judgements, "of", dies)
    said = mtls_says("read", str(many(tmp_path / "many.pcap", 20)), "--jobs", "2")
    assert said.code == 70
    assert "ended early" in said.err


def test_a_file_that_is_no_plain_file_is_read_by_one_process(tmp_path: Path) -> None:
    path = many(tmp_path / "many.pcap", 20)
    done = subprocess.run(
        [sys.executable, "-m", "inspector", "read", "-", "--jobs", "3", "-q"], input=path.read_bytes(), capture_output=True,
        timeout=60, check=False,
    )
    assert done.stdout.decode() == mtls_says("read", str(path), "-q").out
