"""``--curl``: a curl command that somebody pasted, as our options. What cannot be taken over is said, not dropped."""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import click

from inspector.cli.curl_only import INSTEAD
from inspector.cli.shell_words import split
from inspector.errors import UsageError
from inspector.session.gate import DEFAULT

# curl's option -> ours; those that are not in any table are not known
SAME_WITH_VALUE = {
    "-X": "-X", "--request": "-X", "-H": "-H", "--header": "-H", "-d": "-d", "--data": "-d", "--data-ascii": "-d",
    "--data-raw": "--data-raw", "--data-binary": "--data-binary", "--data-urlencode": "--data-urlencode", "--json": "--data-json",
    "-F": "-F", "--form": "-F", "--form-string": "--form-string", "-T": "-T", "--upload-file": "-T", "-A": "-A",
    "--user-agent": "-A", "-e": "-e", "--referer": "-e", "-r": "-r", "--range": "-r", "-o": "-o", "--output": "-o", "-w": "-w",
    "--write-out": "-w", "--cacert": "--cacert", "--key": "--key", "--resolve": "--resolve", "--connect-to": "--connect-to",
    "--interface": "--interface", "--curves": "--groups", "-m": "--timeout", "--max-time": "--timeout",
    "--connect-timeout": "--connect-timeout", "--retry": "--retry", "--retry-delay": "--retry-delay",
    "--max-redirs": "--max-redirs", "--max-filesize": "--max-filesize",
    "--unix-socket": "--unix-socket", "--output-dir": "--output-dir",
    "-x": "--proxy", "--proxy": "--proxy", "--noproxy": "--noproxy", "-D": "-D",
    "--dump-header": "-D", "--sigalgs": "--sigalgs",
}
SAME_FLAGS = {
    "-G": "-G", "--get": "-G", "-I": "-I", "--head": "-I", "-i": "-i", "--include": "-i", "-L": "-L", "--location": "-L",
    "--location-trusted": "--location-trusted", "-f": "--fail", "--fail": "--fail", "--fail-with-body": "--fail-with-body",
    "-k": "--insecure", "--insecure": "--insecure", "--compressed": "--compressed", "--http1.1": "--http1.1", "--http2": "--http2",
    "-4": "-4", "--ipv4": "-4", "-6": "-6", "--ipv6": "-6", "-O": "-O", "--remote-name": "-O", "--create-dirs": "--create-dirs",
}
SAME_AS_VALUE = {
    "--tlsv1.0": ("--tls-min", "1.0"), "--tlsv1.1": ("--tls-min", "1.1"), "--tlsv1.2": ("--tls-min", "1.2"),
    "--tlsv1.3": ("--tls-min", "1.3"), "-1": ("--tls-min", "1.0"), "--tlsv1": ("--tls-min", "1.0"), "--no-alpn": ("--alpn", "none"),
    "--haproxy-protocol": ("--proxy-protocol", "1"),
}
# of no meaning here: progress, and what is the default
IGNORED = {"-s", "--silent", "-S", "--show-error", "-v", "--verbose", "-#", "--progress-bar", "-N", "--no-buffer", "-g",
           "--globoff", "--no-progress-meter", "--path-as-is", "--ssl-reqd", "--basic", "--tcp-nodelay",
           "--no-keepalive", "--no-sessionid", "--no-npn", "--retry-connrefused", "--ssl-no-revoke"}
SECRETS = {"--pass", "--proxy-pass", "--oauth2-bearer", "-U", "--proxy-user"}
TYPES = ("PEM", "DER", "P12")  # of credentials, which are told apart by what they hold


def words_of(text: str) -> list[str]:
    """The words of a shell command without its ``curl``; ``-`` reads the command from stdin, so that it is on no command line."""
    if text == "-":
        text = os.fsdecode(sys.stdin.buffer.read())
    words = split(text)
    if not words or words[0].replace("\\", "/").rpartition("/")[2].lower() not in ("curl", "curl.exe"):
        raise UsageError("the text does not begin with curl", hint="paste the whole command, in quotes")
    return words[1:]


def translate(words: list[str]) -> list[str]:
    """Our words for curl's. Raises UsageError for what has no counterpart."""
    ours: list[str] = []
    suites: list[str] = []
    words = list(words)
    globs, as_is = not {"-g", "--globoff"} & set(words), "--path-as-is" in words
    while words:
        word = words.pop(0)
        if not word.startswith("-") or word == "-":
            ours += _url(word, globs=globs, as_is=as_is)
            continue
        word = _one(word, words)
        if word == "--url":
            ours += _url(_next(word, words), globs=globs, as_is=as_is)
        elif word in ("--ciphers", "--tls13-ciphers"):  # ours takes both kinds
            suites.append(_next(word, words))
        elif word in ("-T", "--upload-file"):
            ours += ["-T", _one_of(_next(word, words), globs=globs)]
        else:
            ours += _option(word, words)
    return ours + (["--ciphers", ":".join(suites)] if suites else [])


def _option(word: str, words: list[str]) -> list[str]:
    if word in IGNORED:
        return []
    if word in SAME_FLAGS:
        return [SAME_FLAGS[word]]
    if word in SAME_AS_VALUE:
        return list(SAME_AS_VALUE[word])
    if word in SAME_WITH_VALUE:
        return [SAME_WITH_VALUE[word], _next(word, words)]
    if word in SECRETS:
        raise UsageError(f"curl's {word} puts a secret on the command line",
                         hint="use --passphrase-env, --passphrase-file, --bearer-file or --proxy-user")
    if word in SPECIAL:
        return SPECIAL[word](_next(word, words))
    raise UsageError(f"curl's {word} has no counterpart here",
                     hint=INSTEAD.get(word, "leave it out, or write the request with our own options"))


def _one(word: str, words: list[str]) -> str:
    """The first of short options that are written together or with a value (``-sSk``, ``-XPOST``); the rest goes back."""
    if word.startswith("--") or len(word) == 2:
        return word
    option, rest = word[:2], word[2:]
    words.insert(0, rest if option in SAME_WITH_VALUE or option in SPECIAL or option in SECRETS else "-" + rest)
    return option


def _next(word: str, words: list[str]) -> str:
    if not words:
        raise UsageError(f"curl's {word} has no value", hint="check the command")
    return words.pop(0)


def _url(text: str, *, globs: bool, as_is: bool) -> list[str]:
    """The URL, which is https where it does not say, and what its user and password come to."""
    scheme, mark, rest = text.partition("://")
    if not mark or "/" in scheme:
        scheme, mark, rest = "https", "://", text
    place, slash, path = rest.partition("/")
    userinfo, at, host = place.rpartition("@")
    path = _one_of(path, globs=globs)
    path = slash + path if as_is else without_dots(slash + path)
    return [*(_user(unquote(userinfo)) if at else []), f"{scheme}{mark}{host}{path}"]


def _one_of(text: str, *, globs: bool) -> str:
    """The text where it stands for itself. Raises UsageError where curl would make several of it."""
    if globs and set(text) & set("{}[]"):
        raise UsageError("curl makes several URLs, or files, of one with {} or [], which is not known here",
                         hint="-g takes them as they are")
    return text


def without_dots(path: str) -> str:
    """The path with what ``.`` and ``..`` stand for, as curl sends it (RFC 3986, Section 5.2.4); we send it as it is typed."""
    end = min((at for at in map(path.find, "?#") if at >= 0), default=len(path))
    bare, rest = path[:end], path[end:]
    found: list[str] = []
    parts = bare.split("/")
    for number, part in enumerate(parts):
        if part == ".." and len(found) > 1:
            found.pop()
        if part not in (".", ".."):
            found.append(part)
        elif number == len(parts) - 1:
            found.append("")
    return "/".join(found) + rest


def _user(value: str) -> list[str]:
    if ":" not in value:
        return ["--user", value]
    # it was pasted; in here it is an argument of nobody's process
    return ["-H", "Authorization: Basic " + base64.b64encode(os.fsencode(value)).decode()]


def _cookie(value: str) -> list[str]:
    if "=" not in value:
        raise UsageError("curl's --cookie FILE is not known here", hint="send the cookies with -H 'Cookie: name=value'")
    return ["--cookie", value]


def _cert(value: str) -> list[str]:
    path, colon, _ = value.replace("\\\\", "\0").replace("\\:", "\1").partition(":")
    if colon:
        raise UsageError("curl's --cert FILE:PASSWORD puts a secret on the command line",
                         hint="leave the password out; it is asked for, or comes from --passphrase-env or --passphrase-file")
    return ["--cert", path.replace("\1", ":").replace("\0", "\\")]


def _type(value: str) -> list[str]:
    if value.upper() not in TYPES:
        raise UsageError(f"a credential of type '{value}' has no counterpart here", hint="use a file in PEM, DER or PKCS#12")
    return []


def _pinned(value: str) -> list[str]:
    if not value.startswith("sha256//"):
        raise UsageError("curl's --pinnedpubkey FILE is not known here", hint="name the key by its hash, as sha256//BASE64")
    return ["--require", f"{DEFAULT},peer-spki={value}"]


def _protocols(value: str) -> list[str]:
    if "https" not in value or "-https" in value:
        raise UsageError(f"curl's --proto {value} leaves https out, and here is nothing else", hint="leave it out")
    return []


SPECIAL: dict[str, Callable[[str], list[str]]] = {
    "-u": _user, "--user": _user, "-b": _cookie, "--cookie": _cookie, "-E": _cert, "--cert": _cert, "--cert-type": _type,
    "--key-type": _type, "--proto": _protocols, "--pinnedpubkey": _pinned,
    "--socks5": lambda place: ["--proxy", f"socks5://{place}"], "--socks5-hostname": lambda place: ["--proxy", f"socks5://{place}"],
    "--tls-max": lambda version: ["--tls-max", version],
}


def options_of(command: click.Command, urls: tuple[str, ...], options: dict[str, Any]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """URLs and options: those of the curl command, and over them what was given beside it."""
    parent = click.get_current_context()
    context = command.make_context(parent.info_name, translate(words_of(options["curl_text"])), parent=parent.parent)
    merged = dict(context.params)
    theirs = merged.pop("url")
    default = click.core.ParameterSource.DEFAULT
    merged |= {name: value for name, value in options.items() if parent.get_parameter_source(name) is not default}
    # values of one kind replace those of that kind, as a whole
    given = {name for name, _ in options["order"]}
    merged["order"] = (*((name, value) for name, value in context.params["order"] if name not in given), *options["order"])
    merged["curl_text"], merged["globoff"] = None, True  # what curl would make several URLs of was refused
    return urls or theirs, merged
