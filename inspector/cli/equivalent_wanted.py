"""What an equivalent in other tools has to express: the request in words that all of them need, and what is kept out of it."""

from __future__ import annotations

import os
import re
import shlex
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import click

from inspector.cli.equivalent_kept import with_kept
from inspector.cli.options import parse_connect_to
from inspector.cli.request_message import OURS, SECRET, Draft, draft, path_of
from inspector.cli.request_options import url_path
from inspector.cli.road_options import proxy_for
from inspector.target import Target, parse_target

# headers whose value is a secret, by their name
SECRET_NAMES = re.compile(
    r"auth|cookie|token|secret|passw|session|credential|signature|csrf|xsrf|jwt|apikey|(^|[-_])key([-_]|$)", re.IGNORECASE)
PKCS12 = (".p12", ".pfx")
# options of no meaning for other tools: how our report looks
NEUTRAL = frozenset({
    "as_", "curl_text", "url_option", "quiet", "verbose", "explain", "no_color", "as_json", "silent", "show_error", "globoff",
    "path_as_is",
    "paths",
})
# what makes up the request itself, which every tool can send
MESSAGE = frozenset({
    "method", "header", "data", "data_raw", "data_binary", "data_urlencode", "data_json", "form", "form_string", "upload_file",
    "get", "head", "range_", "cookie", "user", "user_file", "user_env", "bearer_file", "user_agent", "referer",
})


class Secret(NamedTuple):
    """Stands for a value: the name of the environment variable that holds it."""

    variable: str


class Wanted:
    """What the options ask for, in the words that all equivalents need."""

    def __init__(self, urls: tuple[str, ...], options: dict[str, Any]) -> None:
        self.urls = urls
        self.notes: list[str] = []
        self.target: Target = parse_target(urls[0])
        if options["unix_socket"]:
            self.target = self.target._replace(unix_path=options["unix_socket"])
        self.given: tuple[tuple[str, Any], ...]
        self.options, self.given = with_kept(dict(options), options["order"], self.target, lambda text: self.note(printable(text)))
        if (self.options["cert"] or "").lower().endswith(PKCS12):  # we look into files, others go by the option
            self.options |= {"pfx": self.options["cert"], "cert": None}
        self.dial = parse_connect_to(options["connect_to"], self.target) or (self.target.host, self.target.port)
        self.server_name: str = options["server_name"] or self.target.host

    @property
    def connects_elsewhere(self) -> bool:
        """True where the URL does not say it all: another address, another name, a socket."""
        target = self.target
        return bool(target.unix_path) or self.dial != (target.host, target.port) or self.server_name != target.host

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = self.server_name or "localhost"
        bracketed = f"[{host}]" if ":" in host else host
        return bracketed if self.target.port == 443 or not self.target.host else f"{bracketed}:{self.target.port}"

    @cached_property
    def draft(self) -> Draft:
        return draft(self.options, secrets=False)

    @property
    def path(self) -> str:
        return path_of(self.draft, url_path(self.urls[0], self.options))

    def headers(self) -> list[tuple[str, str | Secret]]:
        """The request's headers but our User-Agent; a secret is the variable that holds it, and is noted."""
        found: list[tuple[str, str | Secret]] = []
        for line in self.draft.headers:
            if (line.name.lower(), line.origin) != ("user-agent", OURS):
                hidden = line.origin == SECRET or is_secret(line.name)
                found.append((line.name, self.secret(line.name) if hidden else line.value))
        return found

    def secret(self, header: str) -> Secret:
        """The variable for a header's value."""
        variable = re.sub(r"\W", "_", header, flags=re.ASCII).upper()
        variable = f"HEADER_{variable}" if variable in ("PATH", "HOME", "IFS", "") or variable[0].isdigit() else variable
        self.note(f"the environment variable {variable} holds the value of the header {printable(header)}")
        return Secret(variable)

    @property
    def proxied(self) -> bool:
        """True where a proxy was asked for by name; the environment's are the tools' own matter."""
        return self.options["proxy"] not in (None, "none", "")

    def note(self, text: str) -> None:
        """A comment above the command."""
        if text not in self.notes:
            self.notes.append(text)

    @property
    def passin(self) -> str:
        """What tells the commands of openssl where the passphrase is; empty where it is asked for."""
        for name, kind in (("passphrase_env", "env"), ("passphrase_file", "file")):
            if self.options[name]:
                return f" -passin {self.named(kind + ':' + self.options[name])}"
        return ""

    def as_pem(self, library: str) -> str:
        """Notes how the PKCS#12 file becomes one in PEM, whose name this is."""
        source = self.named(self.options["pfx"]) + self.passin
        self.note(f"{library} takes no PKCS#12: openssl pkcs12 -in {source} -nodes -out me.pem")
        return "me.pem"

    @staticmethod
    def named(path: str) -> str:
        """A file for a command that stands in a comment; FILE where its name cannot stand there."""
        return shlex.quote(path) if printable(path) == path else "FILE"

    def missing(self, *what: str) -> None:
        """Comments about what is not expressed."""
        for text in what:
            self.note(f"not expressed: {text}")

    def miss_all_but(self, expressed: frozenset[str]) -> None:
        """Note each option that was given and that the tool's form has no place for."""
        flags = flag_names()
        for name, _ in self.given:
            if name not in expressed and name not in NEUTRAL and not (name == "proxy" and not self.proxied):
                self.missing(flags.get(name, "--" + name.replace("_", "-")))
        if "environment" not in expressed and not self.proxied and proxy_for(self.target, self.options, os.environ) is not None:
            self.missing("the proxy of the environment")
        if len(self.urls) > 1 and "urls" not in expressed:
            self.missing(f"the other URLs ({len(self.urls) - 1} of them)")


def flag_names() -> dict[str, str]:
    """Our options as they are typed, by the names of their parameters."""
    context = click.get_current_context(silent=True)
    parameters = context.command.params if context is not None else ()
    return {parameter.name or "": max(parameter.opts, key=len) for parameter in parameters}


def is_secret(header: str) -> bool:
    """True for a header whose value is not for the eyes of others."""
    return SECRET_NAMES.search(header) is not None


def printable(text: str) -> str:
    """Text for a comment: nothing in it ends the line, and nothing is an escape of any language."""
    return "".join(c if c.isascii() and c.isprintable() and c != "\\" else "?" for c in text)


def plain_url(url: str, host: str, path: str) -> str:
    """The URL with scheme, with this authority, and without user and password."""
    fragment = urlsplit(url).fragment if "://" in url else ""
    return f"https://{host}{path}" + (f"#{fragment}" if fragment else "")
