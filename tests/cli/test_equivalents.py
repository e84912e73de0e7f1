"""``--as``: what is printed is run with the real shell, Python, Go and Java, and sends what we send; and nothing else happens."""

from __future__ import annotations

import os
import random
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from inspector.cli.equivalent_commands import _octal
from inspector.cli.equivalent_java import java_text
from inspector.cli.equivalent_programs import go_text
from tests.cli.peers import Pki, mtls_says
from tests.cli.recorder import Seen, recorder

HOSTILE = """'"$(touch owned)`touch owned`\\n\\'%s%n;touch owned;#${HOME}\\u0022\\u000a!*/ */ <!-- \t~ \N{GRINNING FACE} é"""
SECRET = "hush-hush"
GO = {"GOCACHE": os.environ.get("GOCACHE") or f"/tmp/go-cache-{os.getuid()}", "GO111MODULE": "off"}
OUT = "var out = new java.io.ByteArrayOutputStream();"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "b.bin").write_bytes(bytes(range(256)))
    (tmp_path / "j.json").write_bytes(b'{"a":\n 1}\r\n')
    (tmp_path / "it's $(touch owned).txt").write_bytes(b"odd")
    (tmp_path / "heads").write_text(f"X-From-File: {SECRET}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def road(pki: Pki, port: int) -> list[str]:
    return ["--cacert", pki.path("root.pem"), "--cert", pki.path("alice.pem"), "--key", pki.path("alice.key"), "--proxy", "none",
            "--http1.1", "--timeout", "15", "--connect-to", f"127.0.0.1:{port}"]


def printed(tool: str, *words: str) -> str:
    if any("\udcff" in word for word in words):  # what is printed is no text then
        command = [sys.executable, "-m", "inspector", "request", *words, "--as", tool]
        return os.fsdecode(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    said = mtls_says("request", *words, "--as", tool)
    assert said.code == 0, said.err
    return str(said.out)


def execute(tool: str, text: str, place: Path) -> None:
    """Run a printed text as somebody would who copied it."""
    secrets = {"AUTHORIZATION": f"Bearer {SECRET}", "COOKIE": f"{SECRET}=1", "X_API_KEY": SECRET, "X_FROM_FILE": SECRET}
    env = {**os.environ, **secrets, **GO, "HOME": str(place), "PASSPHRASE": "changeit"}
    env = {name: value for name, value in env.items() if not name.lower().endswith("_proxy")}
    if tool == "python":
        command = [sys.executable, "-c", text]
    elif tool == "go":
        (place / "main.go").write_text(text, "utf-8", "surrogateescape")
        command = ["go", "run", str(place / "main.go")]
    elif tool == "java":
        (place / "Request.java").write_text(text, "utf-8", "surrogateescape")
        lines = [line.removeprefix("// ") for line in text.splitlines() if line.startswith(("// openssl", "// keytool", "// java"))]
        command = ["sh", "-ec", "rm -f me.p12 trust.p12\n" + "\n".join(lines)]
    else:
        command = ["sh", "-c", text]
    if shutil.which({"python": sys.executable}.get(tool, tool)) is None:
        pytest.skip(f"{tool} is missing")
    done = subprocess.run(command, capture_output=True, timeout=180, check=False, cwd=place, env=env, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, (text, done.stderr.decode("utf-8", "replace"))
    assert not (place / "owned").exists()


def essence(seen: Seen) -> tuple[str, dict[str, str], bytes]:
    """What two tools that send the same request have in common."""
    line, headers, body = seen.comparable()
    for name in ("accept", "accept-encoding", "connection", "http2-settings", "upgrade", "content-length", "transfer-encoding"):
        headers.pop(name, None)
    return line, headers, body


CASES = {
    "hostile-body": ["--data-raw", HOSTILE, "-H", "X-Odd: '\"$(touch owned)`id`\\u0022\\n%s"],
    "hostile-path": ["-X", "PATCH"],
    "json-from-file": ["-d", "@j.json"],
    "json": ["--data-json", '{"text": "\U0001f600", "n": "\\u000a"}'],
    "mixed": ["-d", "@j.json", "--data-binary", "@b.bin", "--data-urlencode", "q@j.json", "--data-urlencode", "a= b"],
    "upload": ["-T", "b.bin"],
    "form": ["-F", "a=1", "-F", "f=@b.bin;type=a/b", "-F", 'g=@"it\'s $(touch owned).txt"'],
    "query": ["-G", "-d", "a=$(touch$IFS'owned')", "-d", "b='"],
    "secrets": ["-H", f"Authorization: Bearer {SECRET}", "-b", f"{SECRET}=1", "-H", f"X-Api-Key: {SECRET}", "-H", "@heads"],
    "bytes": ["--data-raw", "\udcff\udcfe\x01\x02", "-H", "X-Empty;"],
}
SLOW = dict.fromkeys(("go", "java"), ("hostile-body", "hostile-path", "mixed", "secrets"))  # these are compiled each time
LEFT_OUT = {("openssl", "mixed")}  # a shell has no words to encode a file


@pytest.mark.client
@pytest.mark.parametrize(("tool", "case"), [
    (tool, case) for tool in ("curl", "openssl", "python", "go", "java") for case in SLOW.get(tool, tuple(CASES))
])
def test_the_same_request_is_sent(pki: Pki, place: Path, tool: str, case: str) -> None:
    path = "/p?x='$(touch$IFS'owned')'&y=%20%s\\n;`id`" if case == "hostile-path" else "/p?x=1"
    with recorder(pki) as (port, seen):
        words = [*road(pki, port), *CASES[case], f"https://localhost:{port}{path}"]
        if tool == "java":
            words = [word for word in words if word not in ("--connect-to", f"127.0.0.1:{port}")]
        text = printed(tool, *words)
        assert SECRET not in text
        if (tool, case) in LEFT_OUT:
            assert "not expressed" in text
            return
        execute(tool, text, place)
        assert mtls_says("request", *words).code == 0
    theirs, ours = map(essence, seen)
    if tool == "java" and case == "hostile-path":
        assert "percent-encoded" in text
        return
    if tool == "curl" and case == "form":
        theirs = (theirs[0], ours[1], theirs[2])
    assert theirs == ours


def _odd_texts() -> list[str]:
    chance = random.Random(7)
    alphabet = "ab '\"\\$`%\n\r\t-{}()u0x!;&|<>*/#\x01\x7fé€\U0001f600\udcff\udc80"
    return [HOSTILE, "", "-n", "--", "\\u0022", "\\\\u0022", *("".join(chance.choices(alphabet, k=chance.randrange(1, 30)))
                                                          for _ in range(300))]


def test_shell_words_are_what_they_were() -> None:
    texts = [text.encode("utf-8", "surrogateescape") for text in _odd_texts()]
    script = "\n".join(f"printf {_octal(text)}; printf '|'" for text in texts)
    assert subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout == b"".join(text + b"|" for text in texts)


@pytest.mark.client
def test_go_literals_are_what_they_were(place: Path) -> None:
    if shutil.which("go") is None:
        pytest.skip("go is missing")
    texts = _odd_texts()
    lines = "".join(f"\tos.Stdout.WriteString({go_text(text)} + \"|\")\n" for text in texts)
    (place / "main.go").write_text(f'package main\n\nimport "os"\n\nfunc main() {{\n{lines}}}\n')
    done = subprocess.run(["go", "run", "main.go"], capture_output=True, check=True, cwd=place, env={**os.environ, **GO},
                          timeout=180)
    assert done.stdout == "".join(text + "|" for text in texts).encode("utf-8", "surrogateescape")


@pytest.mark.client
def test_java_literals_are_what_they_were(place: Path) -> None:
    if shutil.which("java") is None:
        pytest.skip("java is missing")
    texts = [text for text in _odd_texts() if "\udcff" not in text and "\udc80" not in text]
    lines = "".join(f"    out.write(({java_text(text)} + \"|\").getBytes(\"UTF-8\"));\n" for text in texts)
    (place / "Say.java").write_text(
        "public class Say {\n  public static void main(String[] a) throws Exception {\n"
        f"    {OUT}\n{lines}    System.out.write(out.toByteArray());\n    System.out.flush();\n  }}\n}}\n")
    done = subprocess.run(["java", "Say.java"], capture_output=True, check=True, cwd=place, timeout=180)
    assert done.stdout == "".join(text + "|" for text in texts).encode()


@pytest.mark.parametrize("tool", ["curl", "openssl", "python", "go", "java"])
def test_no_secret_of_a_pasted_command_is_printed(place: Path, tool: str) -> None:
    pasted = (f"curl -u bob:{SECRET} -H 'X-Auth-Token: {SECRET}' -H 'Proxy-Authorization: {SECRET}' -H 'Cookie: a={SECRET}' "
              "https://localhost/p")
    text = printed(tool, "--curl", pasted)
    assert SECRET not in text
    assert "Ym9i" not in text  # bob, in Base64
    for variable in ("AUTHORIZATION", "X_AUTH_TOKEN", "PROXY_AUTHORIZATION", "COOKIE"):
        assert text.count(variable) >= 2  # once in a comment


@pytest.mark.parametrize("tool", ["curl", "openssl", "python", "go", "java"])
def test_what_a_form_cannot_express_is_said(place: Path, tool: str) -> None:
    words = ["--require", "alpn=h2", "--retry", "3", "--proxy-protocol", "2", "--receipt", "r.json", "--resolve", "a:1:127.0.0.1",
             "--dump-header", "d", "--sigalgs", "ed25519", "--app-user", "x", "--starttls", "rdp"]
    said = printed(tool, *words, "https://localhost/", "https://localhost/two")
    assert "--retry-delay, which" in printed("curl", "--retry-delay", "0.5", "https://localhost/")
    missing = {line.partition("not expressed: ")[2] for line in said.splitlines() if "not expressed: " in line}
    assert {"--require", "--proxy-protocol" if tool != "curl" else "--proxy-protocol 2", "--receipt", "--app-user",
            "--starttls"} <= missing
    others = {"--retry", "--resolve", "--dump-header", "--sigalgs", "the other URLs (1 of them)"}
    assert missing & others == {"curl": {"--sigalgs"}, "openssl": others - {"--sigalgs"}}.get(tool, others)


def test_curls_words_mean_what_ours_meant(place: Path, pki: Pki) -> None:
    def words(*ours: str) -> list[str]:
        lines = [line for line in printed("curl", *ours).splitlines() if not line.startswith("#")]
        return shlex.split(lines[0])[1:]

    assert words("localhost", "--proxy", "none", "--path", "/x") == ["--noproxy", "*", "https://localhost/x"]
    assert words("unix:/tmp/s", "--path", "/x", "--server-name", "a.test") == ["--unix-socket", "/tmp/s", "https://a.test/x"]
    assert words("https://a.test:4/x", "--unix-socket", "/tmp/s") == ["--unix-socket", "/tmp/s", "https://a.test:4/x"]
    assert words("https://h/x", "--socks5", "p:1", "-O", "--output-dir", "d") == [
        "-x", "socks5h://p:1", "-O", "--output-dir", "d", "https://h/x"]
    assert words("[::1]:44", "--server-name", "a.test") == ["--connect-to", "a.test:44:[::1]:44", "https://a.test:44/"]
    assert words("https://h/[1]", "-x", "socks5://p:1", "-4") == ["-x", "socks5h://p:1", "-4", "-g", "https://h/[1]"]
    assert words("https://h/", "--cert", "a:b.pem") == ["--cert", "a\\:b.pem", "https://h/"]
    assert words("https://h/", "-u", "bob", "--user-env", "PW") == ["-u", "bob:$PW", "https://h/"]
    assert words("https://h/", "--proxy-protocol", "1", "--alpn", "http/1.1", "--max-redirs", "3", "--retry-delay", "2", "i:1") == [
        "--haproxy-protocol", "--http1.1", "--max-redirs", "3", "--retry-delay", "2", "https://h/", "https://i:1/"]


def test_what_others_would_not_find_by_themselves_is_said(place: Path, pki: Pki) -> None:
    files = ["--cert", pki.path("alice.pem"), "--key", pki.path("alice.key")]
    added = mtls_says("credentials", "add", "kept.test", "--name", "mine", *files)
    assert added.code == 0, added.err
    for tool in ("curl", "openssl", "python", "go", "java"):
        said = printed(tool, "https://kept.test/")
        assert [pki.path("alice.pem") in said, pki.path("alice.key") in said, "the credential mine is kept" in said] == [True] * 3
    assert "credential mine" not in printed("curl", "https://kept.test/", "--cert", "me.pem")
    assert "alice" not in printed("curl", "https://other.test/")
    proxied = {"HTTPS_PROXY": "http://p:1", "NO_PROXY": ""}
    for tool in ("openssl", "python", "go", "java", "curl"):
        said = mtls_says("request", "https://h.test/", "--as", tool, env=proxied).out
        assert ("the proxy of the environment" in said) is (tool not in ("go", "curl"))
    assert "--cert me.P12 --cert-type P12 " in printed("curl", "https://h.test/", "--cert", "me.P12")


def test_what_we_would_not_send_is_not_printed_for_others(place: Path) -> None:
    for words in (["-H", "X: a\r\nY: b"], ["-X", "GET /"], ["-I", "-d", "a"]):
        assert mtls_says("request", "https://h.test/", *words, "--as", "openssl").code == 2


def test_an_address_is_verified_as_one(place: Path) -> None:
    words = printed("openssl", "https://127.0.0.1:1/")
    assert "-noservername -verify_ip 127.0.0.1 " in words
    assert "-verify_hostname" not in words


def test_what_is_kept_is_named_by_its_files_and_its_secrets_are_not(place: Path, pki: Pki, tmp_path: Path) -> None:
    folder = tmp_path / "svid"
    folder.mkdir()
    for name, source in (("tls.crt", "alice.pem"), ("tls.key", "alice.key")):
        (folder / name).write_bytes(Path(pki.path(source)).read_bytes())
    key = serialization.load_pem_private_key(Path(pki.path("alice.key")).read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"open sesame"))
    (folder / "locked.key").write_bytes(locked)
    given = ("--cert", pki.path("alice.pem"), "--key", str(folder / "locked.key"), "--passphrase-env", "UNLOCK")
    for arguments in (("folder.test", "--cert", str(folder)), ("locked.test", *given)):
        added = mtls_says("credentials", "add", *arguments, env={"UNLOCK": "open sesame"})
        assert added.code == 0, added.err
    assert mtls_says("credentials", "ca", "add", pki.path("root.pem"), "--host", "locked.test").code == 0
    assert f"--cert {folder / 'tls.crt'} --key {folder / 'tls.key'} https" in printed("curl", "https://folder.test/")
    python = printed("python", "https://locked.test/")
    assert ["os.environ['UNLOCK']" in python, pki.path("root.pem") in python, "sesame" in python] == [True, True, False]
    assert '--pass "$UNLOCK"' in printed("curl", "https://locked.test/")
    assert pki.path("root.pem") not in printed("python", "https://folder.test/")


def test_a_passphrase_is_named_by_its_place_in_every_tool(place: Path) -> None:
    pfx = ("https://h.test/", "--pfx", "me $x.pfx", "--passphrase-file", "pw")
    assert '--cert \'me $x.pfx\' --cert-type P12 --pass "$(head -n 1 pw)" https' in printed("curl", *pfx)
    assert "-pass file:pw -cert 'me $x.pfx' -cert_chain 'me $x.pfx'" in printed("openssl", *pfx)
    for tool in ("python", "go"):
        assert "openssl pkcs12 -in 'me $x.pfx' -passin file:pw -nodes -out me.pem" in printed(tool, *pfx)
    pem = ("https://h.test/", "--cert", "me.pem", "--key", "me.key", "--passphrase-env", "PW")
    assert "openssl pkey -in me.key -passin env:PW -out" in printed("go", *pem)
    assert "-out me.p12 -passin env:PW -passout env:PASSPHRASE" in printed("java", *pem)
    assert "not expressed: --passphrase-env" in printed("curl", *pem[:-1], "a b")
