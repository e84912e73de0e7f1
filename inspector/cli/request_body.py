"""What ``mtls request`` sends: the method, headers and body that the options come to. Flags mean what curl's mean."""

from __future__ import annotations

import mimetypes
import os
import secrets
import sys
from collections.abc import Callable, Generator, Iterator
from typing import Any, BinaryIO
from urllib.parse import quote_plus

import click

from inspector.app.http_message import USER_AGENT, Body, BytesBody, Request
from inspector.errors import InputError, UsageError

FORM = "application/x-www-form-urlencoded"


def open_input(path: str) -> BinaryIO:
    """The file, or stdin for ``-``. Raises InputError."""
    if path == "-":
        return sys.stdin.buffer
    try:
        return open(path, "rb")
    except OSError as exc:
        raise InputError(f"cannot read '{path}': {exc.strerror}", hint="check the path and its permissions") from exc


def read_input(path: str) -> bytes:
    """The whole of a file or of stdin."""
    with open_input(path) as file:
        return file.read()


class FileBody:
    """A body that is read from a file as it is sent."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size: int | None = None
        if file.seekable():
            self.size = file.seek(0, os.SEEK_END)
            file.seek(0)

    def read(self, limit: int, /) -> bytes:
        # a pipe hands out what it has; a file is read whole pieces at a time
        return getattr(self._file, "read1", self._file.read)(limit)

    def restart(self) -> bool:
        if not self._file.seekable():
            return False
        self._file.seek(0)
        return True

    def close(self) -> None:
        if self._file is not sys.stdin.buffer:
            self._file.close()


class PartsBody:
    """A body of several parts, each bytes or a file, one after the other."""

    def __init__(self, parts: list[bytes | str]) -> None:
        self._parts = parts
        self.size: int | None = sum(len(part) if isinstance(part, bytes) else _size(part) for part in parts)
        self._pieces = self._walk()

    def _walk(self) -> Generator[bytes, None, None]:
        for part in self._parts:
            if isinstance(part, bytes):
                yield part
                continue
            with open_input(part) as file:
                while piece := file.read(64 * 1024):
                    yield piece

    def read(self, limit: int, /) -> bytes:  # noqa: ARG002 - pieces are small by themselves
        return next((piece for piece in self._pieces if piece), b"")

    def restart(self) -> bool:
        self._pieces = self._walk()
        return True

    def close(self) -> None:
        self._pieces.close()


def _size(path: str) -> int:
    with open_input(path) as file:
        return os.fstat(file.fileno()).st_size


def _data(text: str, *, strip: bool) -> bytes:
    """The value of ``--data``: as it is, or with ``@`` the contents of a file, without line ends where ``strip`` (as curl's)."""
    if not text.startswith("@"):
        return text.encode()
    content = read_input(text[1:])
    return content.translate(None, b"\r\n\0") if strip else content


def _urlencoded(text: str) -> bytes:
    """The value of ``--data-urlencode``: content, =content, name=content, @file or name@file."""
    at, equals = text.find("@"), text.find("=")
    if at >= 0 and (equals < 0 or at < equals):
        name, value = text[:at], read_input(text[at + 1 :]).decode("utf-8", "surrogateescape")
    elif equals >= 0:
        name, value = text[:equals], text[equals + 1 :]
    else:
        name, value = "", text
    encoded = quote_plus(value, errors="surrogateescape")
    return f"{name}={encoded}".encode() if name else encoded.encode()


def _form(fields: tuple[str, ...]) -> tuple[Body, str]:
    """multipart/form-data (RFC 7578) of ``name=value``, ``name=@file`` and ``name=<file``, with ``;type=`` and ``;filename=``."""
    boundary = "----mtls-inspector-" + secrets.token_hex(12)
    parts: list[bytes | str] = []
    for field in fields:
        name, equals, value = field.partition("=")
        if not equals or not name:
            raise UsageError(f"--form '{field}' is not NAME=VALUE", hint="write it as name=value or name=@file")
        value, *extras = value.split(";") if value[:1] in "@<" or ";type=" in value else [value]
        options = dict(extra.strip().partition("=")[::2] for extra in extras)
        head = f'Content-Disposition: form-data; name="{_quoted(name)}"'
        kind = options.get("type")
        if value.startswith("@"):
            head += f'; filename="{_quoted(options.get("filename") or os.path.basename(value[1:]))}"'
            kind = kind or mimetypes.guess_type(value[1:])[0] or "application/octet-stream"
        head += f"\r\nContent-Type: {kind}" if kind else ""
        parts.append(f"--{boundary}\r\n{head}\r\n\r\n".encode())
        parts.append(value[1:] if value.startswith("@") else read_input(value[1:]) if value.startswith("<") else value.encode())
        parts.append(b"\r\n")
    parts.append(f"--{boundary}--\r\n".encode())
    return PartsBody(parts), f"multipart/form-data; boundary={boundary}"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _credentials(options: dict[str, Any]) -> str | None:
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

    return "Basic " + base64.b64encode(f"{user}:{_password(user, options)}".encode()).decode()


def _first_line(path: str) -> str:
    return read_input(path).decode("utf-8", "replace").partition("\n")[0].strip()


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


Built = tuple[Body | None, str | None]


def _body(options: dict[str, Any]) -> Built:
    """The body and its Content-Type. Raises UsageError where options exclude each other."""
    kinds = [name for name in ("data", "data_json", "form", "upload_file") if options[name]]
    if len(kinds) > 1:
        names = " and ".join("--" + name.replace("_", "-") for name in kinds)
        raise UsageError(f"{names} exclude each other", hint="a request has one body")
    if options["upload_file"]:
        return FileBody(open_input(options["upload_file"])), None
    if options["form"]:
        return _form(options["form"])
    if options["data_json"]:
        return BytesBody(b"".join(_data(text, strip=False) for text in options["data_json"])), "application/json"
    if options["data"]:
        return _joined(options["data"]), FORM
    return None, None


def _joined(values: tuple[tuple[str, str], ...]) -> Body:
    """The values of --data and its kin, in the order given, joined with ``&``."""
    if len(values) == 1 and values[0][0] == "binary" and values[0][1].startswith("@") and values[0][1] != "@-":
        return FileBody(open_input(values[0][1][1:]))
    makers: dict[str, Callable[[str], bytes]] = {
        "data": lambda text: _data(text, strip=True), "raw": lambda text: text.encode(),
        "binary": lambda text: _data(text, strip=False), "urlencode": _urlencoded,
    }
    return BytesBody(b"&".join(makers[kind](text) for kind, text in values))


def _with_headers(defaults: list[tuple[str, str]], given: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """The defaults, those that are given instead or besides; ``Name:`` removes one, ``Name;`` sends it empty (as curl's)."""
    replaced: set[str] = set()
    headers: list[tuple[str, str]] = []
    for line in _lines(given):
        name, colon, value = line.partition(":")
        if not colon and line.endswith(";"):
            headers.append((line[:-1].strip(), ""))
        elif not colon:
            raise UsageError(f"--header '{line}' is not NAME: VALUE", hint="write it as 'Accept: text/plain'")
        elif value.strip():
            headers.append((name.strip(), value.strip()))
        replaced.add(name.rstrip(";").strip().lower())
    return (*((name, value) for name, value in defaults if name.lower() not in replaced), *headers)


def _lines(given: tuple[str, ...]) -> Iterator[str]:
    """``@FILE`` stands for the lines of a file, where a secret may be that should not be on the command line."""
    for text in given:
        if text.startswith("@"):
            yield from (line for line in read_input(text[1:]).decode("utf-8", "replace").splitlines() if line.strip())
        else:
            yield text


def request_from(authority: str, path: str, options: dict[str, Any]) -> Request:
    """The request for one URL. Opens the files that the options name."""
    body, kind = _body(options)
    method = options["method"]
    if options["get"] and isinstance(body, BytesBody):
        query = body.read(1 << 30).decode()
        path, body, kind = path + ("&" if "?" in path else "?") + query, None, None
    if options["head"]:
        method, body = method or "HEAD", None
    accept = "application/json" if options["data_json"] else "*/*"
    headers = [("User-Agent", options["user_agent"] or USER_AGENT), ("Accept", accept)]
    if options["compressed"]:
        from inspector.app.coding import available

        headers.append(("Accept-Encoding", ", ".join(available())))
    authorization = _credentials(options)
    headers += [("Authorization", authorization)] if authorization else []
    headers += [("Range", f"bytes={options['range_']}")] if options["range_"] else []
    headers += [("Referer", options["referer"])] if options["referer"] else []
    headers += [("Content-Type", kind)] if kind else []
    method = method or ("PUT" if options["upload_file"] else "POST" if body is not None else "GET")
    expect = bool(options["expect100"]) and body is not None
    return Request(method, authority, path, _with_headers(headers, options["header"]), body, expect)
