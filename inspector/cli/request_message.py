"""The method, the headers and the body that the options of ``mtls request`` come to. Flags mean what curl's mean."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import click

from inspector.app.http_message import USER_AGENT, Headers, Request
from inspector.cli.request_body import URLENCODED, Content, body_of, content_of, settled, whole
from inspector.cli.request_files import read_input
from inspector.errors import UsageError
from inspector.target import quoted

OURS, GIVEN, SECRET = "default", "given", "secret"  # where a header comes from; "secret": never printed


class Line(NamedTuple):
    """One header, and whether it may be shown."""

    name: str
    value: str
    origin: str = GIVEN


class Draft(NamedTuple):
    """A request for whatever URL: what all URLs of a command have in common. ``query`` is what ``--get`` adds to the URL."""

    method: str
    headers: tuple[Line, ...]
    content: Content | None = None
    query: bytes = b""
    expect: bool = False
    upload: str = ""  # the file's name, for a URL that ends in a folder


def _basic(options: dict[str, Any]) -> str | None:
    """The Authorization header's value: Basic for ``--user``, Bearer for ``--bearer-file``. No secret is a command's argument."""
    user, bearer = options["user"], options["bearer_file"]
    if user and bearer:
        raise UsageError("--user and --bearer-file exclude each other", hint="give one of them")
    if bearer:
        return "Bearer " + _first_line(bearer)
    if not user:
        return None
    if ":" in user:
        raise UsageError("--user takes a name only: a password on the command line can be read by everybody on this machine",
                         hint="leave the password out; it is asked for, or read from --user-file FILE or --user-env NAME")
    import base64

    return "Basic " + base64.b64encode(os.fsencode(f"{user}:{_password(user, options)}")).decode()


def _first_line(path: str) -> str:
    return os.fsdecode(read_input(path)).partition("\n")[0].strip()


def _password(user: str, options: dict[str, Any]) -> str:
    if options["user_file"]:
        return _first_line(options["user_file"])
    if options["user_env"]:
        value = os.environ.get(options["user_env"])
        if value is None:
            raise UsageError(f"the environment has no variable {options['user_env']}", hint="--user-env names the variable")
        return value
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask for the password on", hint="use --user-file FILE or --user-env NAME")
    password: str = click.prompt(f"password of {user}", hide_input=True, err=True)
    return password


def given_headers(given: tuple[str, ...]) -> tuple[Line, ...]:
    """The headers as given, those of ``@FILE`` among them (as secrets). An empty value stands for one that is left out; ``Name;``
    is one that is sent empty (as curl's), here with a value of one space.
    """
    lines: list[Line] = []
    for text, origin in _texts(given):
        name, colon, value = text.partition(":")
        if not colon and text.rstrip().endswith(";"):
            lines.append(Line(text.rstrip()[:-1].strip(), " ", origin))
            continue
        if not colon:
            raise UsageError(f"--header '{text}' is not NAME: VALUE", hint="write it as 'Accept: text/plain'")
        if name.strip().lower() == "host" and not value.strip():
            raise UsageError("a request without Host is none of HTTP/1.1", hint="--raw FILE sends any bytes as they are")
        lines.append(Line(name.strip(), value.strip(), origin))
    return tuple(lines)


def _texts(given: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """``@FILE`` stands for the lines of a file, where a secret may be that should not be on the command line.

    As with curl, a ``#`` is a character like any other.
    """
    for text in given:
        if not text.startswith("@"):
            yield text, GIVEN
            continue
        yield from ((line, SECRET) for line in os.fsdecode(read_input(text[1:])).split("\n") if line.strip())


def _merged(defaults: list[Line], given: tuple[Line, ...]) -> tuple[Line, ...]:
    """The defaults, and those that are given, instead or besides; without those that are given to be left out."""
    replaced = {line.name.lower() for line in given}
    kept = [line for line in defaults if line.name.lower() not in replaced]
    return (*kept, *(line._replace(value=line.value.strip()) for line in given if line.value))


def _method(options: dict[str, Any], content: Content | None) -> str:
    if options["get"] and (options["form"] or options["upload_file"]):
        raise UsageError("--get is for --data and its kin", hint="a form and a file have no place in a query")
    if options["head"] and content is not None and not options["get"]:
        raise UsageError("--head and a body exclude each other", hint="-X HEAD, or --get to put --data into the query")
    return options["method"] or usual_method(options)


def usual_method(options: dict[str, Any]) -> str:
    """The method where none is typed."""
    if options["head"]:
        return "HEAD"
    if options["upload_file"]:
        return "PUT"
    return "POST" if (options["data"] or options["data_json"] or options["form"]) and not options["get"] else "GET"


def draft(options: dict[str, Any], *, secrets: bool = True) -> Draft:
    """The request that the options come to. Reads headers from files, but no bodies.

    ``secrets`` False: nobody is asked for a password and none is read; Authorization is only said to be there.
    """
    given = given_headers(options["header"])
    form_type = next((line.value for line in given if line.name.lower() == "content-type" and options["form"]), None)
    content = content_of(options, form_type)
    if form_type:  # it is the body's now, with the boundary
        given = tuple(line for line in given if line.name.lower() != "content-type")
    kind = content.kind if content is not None and not (options["get"] and content.kind == URLENCODED) else None
    authorization = ("..." if options["user"] or options["bearer_file"] else None) if not secrets else _basic(options)
    agent = USER_AGENT if options["user_agent"] is None else options["user_agent"]
    defaults = [
        Line("User-Agent", agent, OURS if options["user_agent"] is None else GIVEN),
        Line("Accept", "application/json" if options["data_json"] else "*/*", OURS),
        Line("Accept-Encoding", _codings(), OURS) if options["compressed"] else None,
        Line("Authorization", authorization, SECRET) if authorization else None,
        Line("Cookie", "; ".join(options["cookie"]), SECRET) if options["cookie"] else None,
        Line("Range", f"bytes={_range(options['range_'])}") if options["range_"] else None,
        Line("Referer", options["referer"]) if options["referer"] else None,
        Line("Content-Type", kind) if kind else None,
    ]
    headers = _merged([line for line in defaults if line is not None and line.value], given)
    path = options["upload_file"] or ""
    made = Draft(_method(options, content), headers, content, b"", bool(options["expect100"]) and content is not None,
                 "" if path == "-" else os.path.basename(path))
    if options["get"] and content is not None:
        return made._replace(query=whole(content), content=None, expect=False)
    return made


def _range(text: str) -> str:
    """A single number is where to begin, as for curl."""
    return f"{text}-" if text.isdecimal() else text


def _codings() -> str:
    from inspector.app.coding import available

    return ", ".join(available())


def ready(made: Draft) -> Draft:
    """The draft with stdin read, once for all URLs."""
    return made if made.content is None else made._replace(content=settled(made.content))


def path_of(made: Draft, path: str) -> str:
    """The path with its query: a folder is completed by the uploaded file's name, and ``--get`` puts data into the query."""
    bare, mark, query = path.partition("?")
    if made.upload and bare.endswith("/"):
        path = bare + quote(made.upload) + mark + query
    if made.query:
        path += ("&" if "?" in path else "?") + quoted(os.fsdecode(made.query))
    return path


def request_for(made: Draft, authority: str, path: str) -> Request:
    """The request for one URL. Opens the files of its body."""
    headers: Headers = tuple((line.name, line.value) for line in made.headers)
    body = None if made.content is None else body_of(made.content)
    told = next((line.value for line in made.headers if line.name.lower() == "content-length"), "")
    if body is not None and body.size is not None and told.isdecimal() and int(told) != body.size:
        raise UsageError(f"the body has {body.size} bytes, and --header says Content-Length: {told}",
                         hint="leave the header out; --raw FILE sends any bytes as they are")
    return Request(made.method, authority, path_of(made, path), headers, body, made.expect)
