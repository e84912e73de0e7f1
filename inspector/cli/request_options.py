"""The options of ``mtls request``, and what they come to together. Their order counts, as it does for curl."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from inspector.errors import UsageError
from inspector.target import parse_target

F = TypeVar("F", bound=Callable[..., Any])
Option = Callable[[Any], Any]
FILE = click.Path(dir_okay=False, allow_dash=True)

UNITS = {"": 0, "B": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}


def size(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    """A number of bytes, as curl reads it: with a unit, and 0 for no limit (None)."""
    found = re.fullmatch(r"([0-9]{1,18})([A-Z]?)", ("0" if value is None else value).upper(), re.ASCII)
    if found is None or found[2] not in UNITS:
        raise click.BadParameter(f"{value!r} is no number of bytes")
    return int(found[1]) * 1024 ** UNITS[found[2]] or None


GATE: tuple[Option, ...] = (
    click.option("--require", metavar="LIST", default="",
                 help="What must hold before anything is sent; verified,client-not-rejected by default. Also: client-accepted, "
                 "client-requested, alpn=h2, tls>=1.3, cipher=, group=, peer-spki=sha256//..., peer-certificate=."),
    click.option("--receipt", metavar="FILE", type=FILE, help="Write a receipt that binds request and response to the channel."),
)
MESSAGE: tuple[Option, ...] = (
    click.option("--url", "url_option", metavar="URL", multiple=True, help="A URL, as an argument would be."),
    click.option("--request", "-X", "method", metavar="METHOD", help="Method, instead of GET, or POST where there is a body."),
    click.option("--header", "-H", metavar="LINE", multiple=True, help="'Name: value'; 'Name:' leaves one out; @FILE reads lines."),
    click.option("--data", "-d", metavar="DATA", multiple=True, help="Body of a form; @FILE reads it without line ends."),
    click.option("--data-raw", metavar="DATA", multiple=True, help="As --data, @ has no meaning."),
    click.option("--data-binary", metavar="DATA", multiple=True, help="As --data, files are sent as they are."),
    click.option("--data-urlencode", metavar="DATA", multiple=True, help="As --data, encoded: name=content, name@file."),
    click.option("--data-json", metavar="JSON", multiple=True, help="A JSON body with its headers (what curl calls --json)."),
    click.option("--form", "-F", metavar="NAME=VALUE", multiple=True, help="multipart/form-data; name=@file sends a file."),
    click.option("--form-string", metavar="NAME=VALUE", multiple=True, help="As --form; @, < and ; have no meaning."),
    click.option("--upload-file", "-T", metavar="FILE", help="PUT this file; - reads stdin as it comes."),
    click.option("--get", "-G", is_flag=True, help="Put --data into the query."),
    click.option("--head", "-I", is_flag=True, help="HEAD, and show the head."),
    click.option("--range", "-r", "range_", metavar="RANGE", help="Byte range, as 0-99."),
    click.option("--cookie", "-b", metavar="NAME=VALUE", multiple=True, help="Cookies to send; there is no jar."),
    click.option("--user", "-u", metavar="NAME", help="User for Basic; the password is asked for, or see the next two."),
    click.option("--user-file", metavar="FILE", help="File whose first line is the password."),
    click.option("--user-env", metavar="NAME", help="Environment variable that holds the password."),
    click.option("--bearer-file", metavar="FILE", help="File whose first line is a bearer token."),
    click.option("--user-agent", "-A", metavar="TEXT", help="User-Agent; '' sends none."),
    click.option("--referer", "-e", metavar="URL", help="Referer."),
    click.option("--expect100", is_flag=True, help="Ask for '100 Continue' before the body is sent."),
    click.option("--compressed", is_flag=True, help="Ask for compressed content, and undo it (within limits)."),
)
TRANSFER: tuple[Option, ...] = (
    click.option("--http1.1", "http", flag_value="1.1", default=None, help="HTTP/1.1 only."),
    click.option("--http2", "http", flag_value="2", default=None, help="HTTP/2 only."),
    click.option("--tlsv1.2", "tlsv", flag_value="1.2", default=None, help="As --tls-min 1.2."),
    click.option("--tlsv1.3", "tlsv", flag_value="1.3", default=None, help="As --tls-min 1.3."),
    click.option("--location", "-L", is_flag=True, help="Follow redirects; the certificate stays with this host."),
    click.option("--location-trusted", is_flag=True, help="Follow redirects, and take certificate and passwords to other hosts."),
    click.option("--max-redirs", metavar="N", type=click.IntRange(0), default=50, show_default=True, help="Follow so many."),
    click.option("--retry", metavar="N", type=click.IntRange(0), default=0, help="Try again so often after a passing failure."),
    click.option("--retry-delay", metavar="SECONDS", type=float, help="Wait so long between tries, instead of 1, 2, 4..."),
    click.option("--max-time", "-m", metavar="SECONDS", type=float, help="As --timeout."),
    click.option("--connect-timeout", metavar="SECONDS", type=float, help="For each step until the channel is there."),
    click.option("--socks5", "--socks5-hostname", metavar="HOST:PORT", hidden=True, help="As --proxy socks5://HOST:PORT."),
    click.option("--unix-socket", metavar="PATH", help="Go through this socket, to whatever host."),
    click.option("--noproxy", metavar="LIST", help="Hosts that no proxy is used for; '*' is all."),
    click.option("--fail", "-f", is_flag=True, help="HTTP errors (400 and above) end with exit 1 and without a body."),
    click.option("--fail-with-body", is_flag=True, help="The same, with the body."),
    click.option("--max-filesize", metavar="BYTES", callback=size,
                 help="Take no more than this of a body; with k, M or G 1024 times as many."),
)
OTHERWISE: tuple[Option, ...] = (
    click.option("--raw", metavar="FILE", type=FILE, help="Send exactly these bytes (- is stdin), show what comes back."),
    click.option("--hex", is_flag=True, help="Show what --raw brings as hexadecimal numbers."),
    click.option("--wait", metavar="SECONDS", type=float, default=5.0, show_default=True, help="--raw ends after so much silence."),
    click.option("--curl", "curl_text", metavar="COMMAND", help="Take the request from a curl command (- reads it from stdin)."),
    click.option("--as", "as_", type=click.Choice(["curl", "openssl", "python", "go", "java"]),
                 help="Print what does the same elsewhere, and send nothing."),
)
SHOWN: tuple[Option, ...] = (
    click.option("--output", "-o", metavar="FILE", multiple=True, type=FILE, help="Body to a file; repeatable, one for each URL."),
    click.option("--remote-name", "-O", count=True, help="Body to a file named as the URL's last part."),
    click.option("--output-dir", metavar="FOLDER", help="Where --output and --remote-name put their files."),
    click.option("--create-dirs", is_flag=True, help="Make the folders that --output names."),
    click.option("--include", "-i", is_flag=True, help="Show the response's head before the body."),
    click.option("--dump-header", "-D", metavar="FILE", type=FILE, help="Write the heads of all answers to a file."),
    click.option("--silent", "-s", is_flag=True, help="No word on stderr about what happened; the exit code says it."),
    click.option("--show-error", "-S", is_flag=True, help="With --silent: errors are said all the same."),
    click.option("--globoff", "-g", is_flag=True, hidden=True, help="For curl's sake: nothing is made of [] and {} in URLs."),
    click.option("--path-as-is", is_flag=True, hidden=True, help="For curl's sake: nothing is made of /../ in URLs."),
    click.option("--write-out", "-w", metavar="FORMAT",
                 help="Afterwards on stdout: %{http_code}, %{handshake.protocol} (any field of the report), %header{name}; "
                 "@FILE reads it."),
)


def request_options(command: F) -> F:
    """Add the options of requests."""
    for option in reversed(GATE + MESSAGE + TRANSFER + SHOWN + OTHERWISE):
        command = option(command)
    return command


class InOrder(click.Command):
    """A command that also keeps the order of its options, across their kinds: parameter ``order``, pairs of name and value."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            values, _, order = self.make_parser(ctx).parse_args(list(args))
        except click.NoSuchOption as exc:
            from inspector.cli.curl_only import INSTEAD

            exc.hint = INSTEAD.get(exc.option_name)  # type: ignore[attr-defined]
            raise
        rest = super().parse_args(ctx, args)
        given = {name: iter(value if isinstance(value, list) else [value]) for name, value in values.items()}
        options = [parameter for parameter in order if isinstance(parameter, click.Option)]
        ctx.params["order"] = tuple((option.name, next(given[option.name or ""], None)) for option in options)
        return rest


def in_order(order: tuple[tuple[str, Any], ...], names: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """The values of some options as they were given, each with its kind."""
    return tuple((names[name], value) for name, value in order if name in names)


DATA_KINDS = {name: name for name in ("data", "data_raw", "data_binary", "data_urlencode")}
FORM_KINDS = {"form": "form", "form_string": "literal"}
# what curl makes several URLs of: {one,two}, [1-3], [a-z:2]
GLOB = re.compile(r"\{[^{}]*,[^{}]*\}|\[(?:[0-9]+-[0-9]+|[A-Za-z]-[A-Za-z])(?::[0-9]+)?\]")
JSON_TEXT = ("{", "[{", '["', "[]", "@")
OUTPUT_KINDS = {"output": "output", "remote_name": "remote_name"}


def prepare(urls: tuple[str, ...], options: dict[str, Any]) -> tuple[str, ...]:
    """Put together what options say together (in place); returns all URLs. Raises UsageError."""
    order = options["order"]
    if urls and options["url_option"]:
        raise UsageError("--url and URLs as arguments together: which is the first cannot be told", hint="write all in one way")
    urls = (*options["url_option"], *urls)
    if options["upload_file"] == ".":  # curl's word for stdin as it comes
        options["upload_file"] = "-"
    if (options["referer"] or "").endswith(";auto"):
        raise UsageError("--referer ;auto is not known here", hint="--referer URL is sent with every request")
    _check_words(urls, options)
    options["data"], options["form"] = in_order(order, DATA_KINDS), in_order(order, FORM_KINDS)
    options["tls_min"] = options["tls_min"] or options["tlsv"]
    # as with curl, 0 is no limit
    options["timeout_given"] = bool(options["max_time"]) or any(name == "timeout" for name, _ in order)
    options["timeout"] = options["max_time"] or options["timeout"]
    options["quiet"] = options["quiet"] or options["silent"]
    for text in options["cookie"]:
        if "=" not in text:
            raise UsageError("--cookie FILE is not known here: there is no jar", hint="write the cookies as --cookie 'name=value'")
    if options["dump_header"] == "-" and options["as_json"]:
        raise UsageError("--json has stdout for itself", hint="write the heads to a file: --dump-header FILE")
    if options["upload_file"] == "-" and len(urls) > 1:
        raise UsageError("stdin can be uploaded once, and there are several URLs", hint="save it to a file first: -T FILE")
    if options["socks5"]:
        options["proxy"] = f"socks5://{options['socks5']}"
        options["order"] = tuple(("proxy", options["proxy"]) if name == "socks5" else (name, value) for name, value in order)
    options["outputs"] = outputs(urls, in_order(order, OUTPUT_KINDS), options["output_dir"])
    return urls


def _check_words(urls: tuple[str, ...], options: dict[str, Any]) -> None:
    """Raises UsageError for what is typed out of habit, or comes of a variable that is empty, and would do something else."""
    if options["as_json"] and any(url.lstrip().startswith(JSON_TEXT) for url in urls):
        raise UsageError("--json is the report here, and takes no value", hint="a JSON body is --data-json JSON")
    if not options["globoff"] and not options["silent"] and any(GLOB.search(url) for url in urls):
        from inspector.cli import run

        run.say("note: {} and [] are sent as they are typed (-g: no note); for several URLs let the shell write them: URL/{a,b}")
    for name in ("upload_file", "curl_text", "unix_socket"):
        if options[name] == "":
            flag = "--" + name.removesuffix("_text").replace("_", "-")
            raise UsageError(f"the value of {flag} is empty", hint="is it made of a variable that is not set?")


def outputs(urls: tuple[str, ...], given: tuple[tuple[str, Any], ...], folder: str | None = None) -> tuple[str | None, ...]:
    """Where each URL's body goes, below the folder; None is stdout."""
    found: list[str | None] = [None] * len(urls)
    for number, ((kind, value), url) in enumerate(zip(given, urls, strict=False)):
        name = value if kind == "output" else remote_name(url)
        found[number] = f"{folder}/{name}" if folder and name != "-" else name
    return tuple(found)


def remote_name(url: str) -> str:
    """The last part of a URL's path. Raises UsageError where there is none that could be a file's name."""
    path = url.partition("://")[2] or url
    name = path.partition("#")[0].partition("?")[0].partition("/")[2].rpartition("/")[2]
    if name in ("", ".", "..") or "\0" in name:
        raise UsageError(f"--remote-name: '{url}' names no file", hint="name it with --output FILE")
    return name


def url_path(url: str, options: dict[str, Any]) -> str:
    """The URL's path; for a target without one (``host:port``, ``unix:``) what --path says."""
    path = parse_target(url).url_path
    return path or (options["paths"][0] if options["paths"] else "/")
