"""``--curl``: what of a pasted curl command is taken over, and that the rest is refused before anything is sent."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from inspector.cli.curl_only import INSTEAD
from inspector.cli.from_curl import translate, words_of
from inspector.cli.request import command
from inspector.cli.shell_words import split
from inspector.errors import UsageError
from tests.cli.peers import Pki, mtls_says
from tests.cli.recorder import recorder


@pytest.mark.parametrize(("text", "expected"), [
    ("curl https://x/", ["https://x/"]),
    ("curl -sSkXPOST x/y -d a", ["--insecure", "-X", "POST", "https://x/y", "-d", "a"]),
    ("curl 'https://x/' \\\n  -H 'A: b' --data-raw '{\"a\": 1}' --compressed\n",
     ["https://x/", "-H", "A: b", "--data-raw", '{"a": 1}', "--compressed"]),
    ("/usr/bin/curl --json '{}' --tlsv1.2 -E me.pem --url https://x/", ["--data-json", "{}", "--tls-min", "1.2", "--cert", "me.pem",
                                                                       "https://x/"]),
    ("curl -b 'a=1; b=2' -u bob https://x/", ["--cookie", "a=1; b=2", "--user", "bob", "https://x/"]),
    ("curl -O https://x/a/b.txt?c", ["-O", "https://x/a/b.txt?c"]),
    ("curl -O -H 'X: y' https://x/a", ["-O", "-H", "X: y", "https://x/a"]),
    ("curl https://x/a/../b/./c?/../d", ["https://x/b/c?/../d"]),
    ("curl -g -T 'a[1].txt' https://x/", ["-T", "a[1].txt", "https://x/"]),
    ("curl --path-as-is https://x/../a/..", ["https://x/../a/.."]),
    ("curl https://x/../a/..", ["https://x/"]),
    ("curl --socks5-hostname p:1 --pinnedpubkey sha256//a https://x/",
     ["--proxy", "socks5://p:1", "--require", "verified,client-not-rejected,peer-spki=sha256//a", "https://x/"]),
    ("curl --unix-socket /s --output-dir d -O https://x/y", ["--unix-socket", "/s", "--output-dir", "d", "-O", "https://x/y"]),
    ("curl --connect-timeout 3 -m 5 https://x/", ["--connect-timeout", "3", "--timeout", "5", "https://x/"]),
    ("curl -d -sS -H -x https://x/", ["-d", "-sS", "-H", "-x", "https://x/"]),
    ("curl --tls13-ciphers TLS_AES_128_GCM_SHA256 --ciphers ECDHE+AESGCM https://x/",
     ["https://x/", "--ciphers", "TLS_AES_128_GCM_SHA256:ECDHE+AESGCM"]),
    ("curl -E 'a\\:b.pem' --cert-type p12 --proto =https https://x/", ["--cert", "a:b.pem", "https://x/"]),
    ("curl -g 'https://x/[1]' 'https://[::1]:1/'", ["https://x/[1]", "https://[::1]:1/"]),
    ("curl https://u:p%40@x:1/a@b x/?u=://", ["-H", "Authorization: Basic dTpwQA==", "https://x:1/a@b", "https://x/?u=://"]),
    # as Chrome and Firefox copy it
    ("curl 'https://x/' --data-raw $'it\\'s \\u0021\\n\\ud83d\\ude00 \\x41\\101'", ["https://x/", "--data-raw",
                                                                               "it's !\n\U0001f600 AA"]),
    ('curl ^"https://x/?a=1^&b=^%^20c^" ^\r\n  -H ^"accept: */*^" ^\r\n  --data-raw ^"^{^\\^"a^\\^":1^}^"',
     ["https://x/?a=1&b=%20c", "-H", "accept: */*", "--data-raw", '{"a":1}']),
    ('curl.exe "https://x/?a&b" ^\n -H "A: \\"q\\" ^ c:\\d\\\\" ^\n --data-raw "a"^\n\n"b"', [
        "https://x/?a&b", "-H", 'A: "q" ^ c:\\d\\', "--data-raw", "a\nb"]),
])
def test_curl_commands_are_taken_over(text: str, expected: list[str]) -> None:
    assert translate(words_of(text)) == expected


@pytest.mark.parametrize("text", [
    "", "wget x", "curl 'x", "curl --unknown x", "curl -H", "curl -E a.pem:secret x", "curl -b jar x", "curl --cert-type ENG x",
    "curl --proto =http x", "curl -U bob:secret x", "curl 'https://x/{a,b}'", "curl https://x/[1-3]", "curl -T {a,b} x",
    "curl $'x", "curl $'\\ud83d'",
])
def test_what_of_curl_is_not_known_is_said(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        translate(words_of(text))
    assert "secret" not in caught.value.message.replace("a secret", "")


@pytest.mark.parametrize("rest", [
    "| jq . > out", "> out", "2>&1", "< in", "; id", "&& id", "& id", "`id`", "$(id)", "-d $X", '-d "$X"', '-d "`id`"', '-d "${X}"',
    "\ncurl https://y/", "?a=1&b=2", "(", "^| more ^\n | x",
])
def test_what_only_a_shell_can_follow_is_refused_before_anything_is_sent(pki: Pki, rest: str) -> None:
    with recorder(pki) as (port, seen):
        text = f"curl --cacert {pki.path('root.pem')} https://localhost:{port}/ {rest}"
        said = mtls_says("request", "--curl", text, "--proxy", "none")
    assert (said.code, seen, said.out) == (2, [], "")
    assert said.err.startswith("error: the command has ")


def test_quoted_operators_are_words(pki: Pki) -> None:
    assert split("curl '|' \"a;b\" \\& $'>' 'a'\"b\"c # comment\n") == ["curl", "|", "a;b", "&", ">", "abc"]


def test_words_are_those_that_bash_reads() -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is missing")
    chance = random.Random(11)
    pieces = ["a", "'x y'", '"p\\"q\\\\r\\z"', "\\ ", "\\'", " ", "'a\\\nb'",
              "$'t\\tn\\n\\'\\x41\\xc3\\xa9\\u00e9\\101\\\\u'", "\t", '""', "''", "=",
              "é", "\\\n", '"\\\n"', "{", "%", "@^", ":/#"]
    for _ in range(150):
        text = "x " + "".join(chance.choices(pieces, k=chance.randrange(1, 12)))
        done = subprocess.run([bash, "-c", f"printf '%s\\0' {text}"], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"})
        assert split(text) == done.stdout.decode().split("\0")[:-1], text


def test_a_pasted_command_keeps_its_order_and_its_file_name(
    pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with recorder(pki) as (port, seen):
        text = f"curl --cacert {pki.path('root.pem')} -d a --data-raw b -d c -O -H 'X: y' https://localhost:{port}/name"
        assert mtls_says("request", "--curl", text, "--proxy", "none", "--http1.1").code == 0
    assert (seen[0].body, [path.name for path in tmp_path.iterdir()]) == (b"a&b&c", ["name"])


def test_what_is_given_beside_replaces_what_was_pasted(pki: Pki) -> None:
    with recorder(pki) as (port, seen):
        text = f"curl --cacert {pki.path('root.pem')} -d a https://localhost:{port}/"
        assert mtls_says("request", "--curl", text, "--proxy", "none", "--http1.1", "-d", "b").code == 0
    assert seen[0].body == b"b"


@pytest.mark.parametrize(("word", "instead"), [
    ("-C", "-r OFFSET-"), ("--netrc", "--user-file"), ("-n", "--user-file"), ("-sK", "--bearer-file"), ("--cookie-jar", "-D FILE"),
    ("-J", "-o FILE"), ("--pass", "--passphrase-env"), ("--http3", "QUIC"), ("--next", "once for each"),
])
def test_who_types_an_option_of_curls_hears_what_does_it_here(word: str, instead: str) -> None:
    typed = mtls_says("request", word, "x", "https://localhost:1/")
    pasted = mtls_says("request", "--curl", f"curl {word} x https://localhost:1/")
    assert (typed.code, pasted.code) == (2, 2)
    assert instead in typed.err.partition("hint: ")[2]
    if word != "--pass":  # refused for another reason
        assert instead in pasted.err.partition("hint: ")[2]


def test_every_option_that_is_said_to_be_missing_is_missing() -> None:
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert {name for name in INSTEAD if name in known} <= {"--cert", "--proxy-user"}  # which curl gives a password


def test_curls_json_is_told_from_ours() -> None:
    said = mtls_says("request", "--json", '{"a": 1}', "https://localhost:1/")
    assert (said.code, "--data-json" in said.document["error"]["hint"]) == (2, True)
