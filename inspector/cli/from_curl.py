"""``--curl``: a curl command that somebody pasted, as our options. What cannot be taken over is said, not dropped."""

from __future__ import annotations

import base64
import shlex
import sys
from typing import Any

import click

from inspector.errors import UsageError

# curl's option -> ours; those that are not in any table are not known. Values: our name, or a function's name below
SAME_WITH_VALUE = {
    "-X": "-X", "--request": "-X", "-H": "-H", "--header": "-H", "-d": "-d", "--data": "-d", "--data-ascii": "-d",
    "--data-raw": "--data-raw", "--data-binary": "--data-binary", "--data-urlencode": "--data-urlencode", "--json": "--data-json",
    "-F": "-F", "--form": "-F", "-T": "-T", "--upload-file": "-T", "-A": "-A", "--user-agent": "-A", "-e": "-e", "--referer": "-e",
    "-r": "-r", "--range": "-r", "-o": "-o", "--output": "-o", "-w": "-w", "--write-out": "-w", "--cacert": "--cacert",
    "--key": "--key", "--resolve": "--resolve", "--connect-to": "--connect-to", "--interface": "--interface",
    "--ciphers": "--ciphers", "--curves": "--groups", "-m": "--timeout",
    "--max-time": "--timeout", "--retry": "--retry", "--retry-delay": "--retry-delay",
    "--max-redirs": "--max-redirs", "--max-filesize": "--max-filesize", "-x": "--proxy", "--proxy": "--proxy",
}
SAME_FLAGS = {
    "-G": "-G", "--get": "-G", "-I": "-I", "--head": "-I", "-i": "-i", "--include": "-i", "-L": "-L", "--location": "-L",
    "--location-trusted": "--location-trusted", "-f": "--fail", "--fail": "--fail", "--fail-with-body": "--fail-with-body",
    "-k": "--insecure", "--insecure": "--insecure", "--compressed": "--compressed", "--http1.1": "--http1.1", "--http2": "--http2",
    "-4": "-4", "--ipv4": "-4", "-6": "-6", "--ipv6": "-6",
}
# of no meaning here: progress, and what is the default
IGNORED = {"-s", "--silent", "-S", "--show-error", "-v", "--verbose", "-#", "--progress-bar", "-N", "--no-buffer", "-g",
           "--globoff", "--no-progress-meter", "--path-as-is"}
IGNORED_WITH_VALUE = {"--connect-timeout", "--cert-type", "--key-type", "--tls13-ciphers"}
TLS_MINIMUM = {"--tlsv1.0": "1.0", "--tlsv1.1": "1.1", "--tlsv1.2": "1.2", "--tlsv1.3": "1.3", "-1": "1.0", "--tlsv1": "1.0"}
SECRETS = {"--pass", "--proxy-pass", "--oauth2-bearer"}


def words_of(text: str) -> list[str]:
    """The words of a shell command without its ``curl``; ``-`` reads the command from stdin, so that it is on no command line."""
    if text == "-":
        text = sys.stdin.read()
    try:
        words = shlex.split(text.replace("\\\r\n", " ").replace("\\\n", " "), comments=False)
    except ValueError as exc:
        raise UsageError(f"the curl command cannot be read: {exc}", hint="check its quotes") from exc
    if not words or words[0].rpartition("/")[2] not in ("curl", "curl.exe"):
        raise UsageError("the text does not begin with curl", hint="paste the whole command, in quotes")
    return words[1:]


def translate(words: list[str]) -> list[str]:
    """Our words for curl's. Raises UsageError for what has no counterpart."""
    ours: list[str] = []
    words = _separated(words)
    while words:
        word = words.pop(0)
        if word == "--url":
            ours.append(_next(word, words))
        elif not word.startswith("-") or word == "-":
            ours.append(word if "://" in word else f"https://{word}")
        elif word in IGNORED:
            continue
        elif word in IGNORED_WITH_VALUE:
            _next(word, words)
        elif word in SAME_FLAGS:
            ours.append(SAME_FLAGS[word])
        elif word in SAME_WITH_VALUE:
            ours += [SAME_WITH_VALUE[word], _next(word, words)]
        elif word in TLS_MINIMUM:
            ours += ["--tls-min", TLS_MINIMUM[word]]
        else:
            ours += _special(word, words)
    return ours


def _separated(words: list[str]) -> list[str]:
    """Short options that are written together or with their value, one by one: ``-sSk``, ``-XPOST``."""
    out: list[str] = []
    valued = {name for name in SAME_WITH_VALUE if len(name) == 2} | {"-u", "-b", "-E"}
    for word in words:
        while len(word) > 2 and word[0] == "-" and word[1] != "-":
            if word[:2] in valued:
                out.append(word[:2])
                word = word[2:]
                break
            out.append(word[:2])
            word = "-" + word[2:]
        out.append(word)
    return out


def _next(word: str, words: list[str]) -> str:
    if not words:
        raise UsageError(f"curl's {word} has no value", hint="check the command")
    return words.pop(0)


def _special(word: str, words: list[str]) -> list[str]:
    if word in SECRETS:
        raise UsageError(f"curl's {word} puts a secret on the command line",
                         hint="use --passphrase-env, --passphrase-file or --bearer-file")
    value = _next(word, words) if word in ("-u", "--user", "-b", "--cookie", "-E", "--cert", "--tls-max") else ""
    if word in ("-u", "--user"):
        if ":" not in value:
            return ["--user", value]
        # it was pasted; in here it is an argument of nobody's process
        return ["-H", "Authorization: Basic " + base64.b64encode(value.encode()).decode()]
    if word in ("-b", "--cookie"):
        if "=" not in value:
            raise UsageError("curl's --cookie FILE is not known here", hint="send the cookies with -H 'Cookie: name=value'")
        return ["-H", f"Cookie: {value}"]
    if word in ("-E", "--cert"):
        path, colon, _ = value.partition(":")
        if colon:
            raise UsageError("curl's --cert FILE:PASSWORD puts a secret on the command line",
                             hint="leave the password out; it is asked for, or comes from --passphrase-env or --passphrase-file")
        return ["--cert", path]
    if word == "--tls-max":
        return ["--tls-max", value]
    if word in ("-O", "--remote-name"):
        url = next((w for w in words if not w.startswith("-")), "")
        return ["-o", url.partition("?")[0].rpartition("/")[2] or "index.html"]
    raise UsageError(f"curl's {word} has no counterpart here", hint="leave it out, or write the request with our own options")


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
    merged["curl_text"] = None
    return urls or theirs, merged
