"""``--as curl`` and ``--as openssl``: one line for a POSIX shell."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from typing import Any

from inspector.cli.equivalent_wanted import MESSAGE, Secret, Wanted, is_secret, plain_url
from inspector.cli.request_files import FromFile, Part
from inspector.cli.request_options import url_path
from inspector.cli.road_options import parse_proxy
from inspector.cli.write_out import CURL_NAMES, PATTERN
from inspector.target import is_ip_address, parse_target

quote = shlex.quote

# our option -> curl's, those that take a value and those that do not
CURL_VALUES = {
    "key": "--key", "method": "-X", "data": "-d", "data_raw": "--data-raw", "data_binary": "--data-binary",
    "data_urlencode": "--data-urlencode", "data_json": "--json", "form": "-F", "form_string": "--form-string", "upload_file": "-T",
    "user_agent": "-A", "referer": "-e", "range_": "-r", "output": "-o",
    "output_dir": "--output-dir", "ciphers": "--ciphers", "groups": "--curves",
    "tls_max": "--tls-max", "retry": "--retry", "max_redirs": "--max-redirs",
    "max_filesize": "--max-filesize", "resolve": "--resolve", "interface": "--interface", "noproxy": "--noproxy",
    "connect_timeout": "--connect-timeout", "timeout": "-m", "max_time": "-m", "dump_header": "-D",
}
CURL_FLAGS = {
    "get": "-G", "head": "-I", "include": "-i", "location": "-L", "location_trusted": "--location-trusted", "fail": "--fail",
    "fail_with_body": "--fail-with-body", "compressed": "--compressed", "insecure": "-k", "remote_name": "-O",
    "create_dirs": "--create-dirs",
}
FIRST_LINE = '"$(head -n 1 {})"'


def _curl_header(text: str, wanted: Wanted) -> list[str]:
    name, colon, value = text.partition(":")
    if text.startswith("@") or not colon or not value.strip() or not is_secret(name):
        return ["-H", quote(text)]
    return ["-H", quote(f"{name.strip()}: ") + f'"${wanted.secret(name.strip()).variable}"']


def _curl_user(name: str, wanted: Wanted) -> list[str]:
    options = wanted.options
    if options["user_env"] and options["user_env"].isidentifier():
        return ["-u", quote(f"{name}:") + f'"${options["user_env"]}"']
    if options["user_file"]:
        return ["-u", quote(f"{name}:") + FIRST_LINE.format(quote(options["user_file"]))]
    return ["-u", quote(name)]  # curl asks for the password too


def _curl_proxy(text: str, wanted: Wanted) -> list[str]:
    if text in ("none", ""):
        return ["--noproxy", "'*'"]
    proxy = parse_proxy(text)
    kind = "socks5h" if proxy.kind == "socks5" else proxy.kind
    host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
    if proxy.user is not None:
        wanted.missing("user and password of the proxy's URL")
    return ["-x", quote(f"{kind}://{host}:{proxy.port}")]


def _curl_alpn(text: str, wanted: Wanted) -> list[str]:
    words = {"http/1.1": ["--http1.1"], "none": ["--no-alpn"], "h2,http/1.1": []}.get(text.replace(" ", ""))
    if words is None:
        wanted.missing("--alpn")
    return words or []


def _curl_write_out(text: str, wanted: Wanted) -> list[str]:
    names = {found[2] for found in PATTERN.finditer(text) if found[2]}
    if names <= CURL_NAMES - {"json", "size_decoded"}:
        return ["-w", quote(text)]
    wanted.missing("--write-out, because of " + ", ".join(sorted(names - CURL_NAMES)))
    return []


def _curl_proxy_protocol(version: str, wanted: Wanted) -> list[str]:
    if version != "1":
        wanted.missing("--proxy-protocol 2")
    return ["--haproxy-protocol"] if version == "1" else []


def _curl_retry_delay(seconds: str, wanted: Wanted) -> list[str]:
    if not seconds.isdecimal():
        wanted.missing("--retry-delay, which is whole seconds")
    return ["--retry-delay", seconds] if seconds.isdecimal() else []


def _curl_cacert(path: str, wanted: Wanted) -> list[str]:
    if path == wanted.options["cacert"][0]:
        return ["--cacert", quote(path)]
    wanted.missing("more than one --cacert (put them into one file)")
    return []


def _colons(path: str) -> str:
    """A file's name where curl would read a password after a colon."""
    return path.replace("\\", "\\\\").replace(":", "\\:")


def _curl_passphrase(name: str, wanted: Wanted) -> list[str]:
    if name.isidentifier() and name.isascii():
        return ["--pass", f'"${name}"']
    wanted.missing("--passphrase-env")
    return []


CURL_SPECIAL: dict[str, Callable[[Any, Wanted], list[str]]] = {
    "header": _curl_header, "user": _curl_user, "proxy": _curl_proxy, "alpn": _curl_alpn, "write_out": _curl_write_out,
    "proxy_protocol": _curl_proxy_protocol, "cacert": _curl_cacert, "retry_delay": _curl_retry_delay,
    "cookie": lambda _, wanted: ["-b", f'"${wanted.secret("Cookie").variable}"'],
    "cert": lambda path, wanted: ["--cert", quote(_colons(path)), *(["--cert-type", "P12"] if wanted.options["pfx"] else [])],
    "pfx": lambda path, _: ["--cert", quote(_colons(path)), "--cert-type", "P12"],
    "bearer_file": lambda path, _: ["-H", "'Authorization: Bearer '" + FIRST_LINE.format(quote(path))],
    "passphrase_file": lambda path, _: ["--pass", FIRST_LINE.format(quote(path))],
    "passphrase_env": _curl_passphrase,
    "proxy_user": lambda name, _: ["-U", quote(f"{name}:") + '"$MTLS_PROXY_PASSWORD"'],
    "tls_min": lambda version, _: [f"--tlsv{version}"], "tlsv": lambda version, _: [f"--tlsv{version}"],
    "http": lambda version, _: ["--http1.1" if version == "1.1" else "--http2"],
    "family": lambda version, _: [f"-{version}"],
    "expect100": lambda _, __: ["-H", "'Expect: 100-continue'"],
}
IN_OTHERS = frozenset({"urls", "environment", "user_file", "user_env", "connect_to", "server_name", "unix_socket"})


def curl(wanted: Wanted) -> str:
    """The curl command, options in the order in which ours were given."""
    wanted.miss_all_but(frozenset(CURL_VALUES) | frozenset(CURL_FLAGS) | frozenset(CURL_SPECIAL) | IN_OTHERS)
    words = ["curl", *_curl_road(wanted)]
    seen: set[tuple[str, Any]] = set()
    for name, value in wanted.given:
        if name in CURL_FLAGS and (name == "remote_name" or (name, value) not in seen):
            words.append(CURL_FLAGS[name])
        elif name in CURL_VALUES:
            words += [CURL_VALUES[name], quote(str(value))]
        elif name in CURL_SPECIAL and not (name == "cookie" and "cookie" in {known for known, _ in seen}):
            words += CURL_SPECIAL[name](value, wanted)
        seen.add((name, value))
    urls = [_curl_url(url, wanted) for url in wanted.urls]
    words += ["-g"] if any(set(url) & set("[]{}") for url in urls) else []
    words += ["--path-as-is"] if any("/." in url for url in urls) else []
    return " ".join([*words, *map(quote, urls)])


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _curl_url(url: str, wanted: Wanted) -> str:
    # curl takes SNI and the name to verify from the URL: it is given that name, and the way to the host
    target = parse_target(url)
    host = _bracketed(wanted.options["server_name"] or target.host or "localhost")
    return plain_url(url, host if target.port == 443 else f"{host}:{target.port}", url_path(url, wanted.options))


def _curl_road(wanted: Wanted) -> list[str]:
    if wanted.target.unix_path:
        return ["--unix-socket", quote(wanted.target.unix_path)]
    if not wanted.connects_elsewhere:
        return []
    name, port, there = _bracketed(wanted.server_name), wanted.target.port, wanted.dial
    return ["--connect-to", quote(f"{name}:{port}:{_bracketed(there[0])}:{there[1]}")]


OPENSSL_VALUES = {
    "cert": "-cert", "key": "-key", "ciphers": "-cipher", "groups": "-groups", "sigalgs": "-sigalgs", "passphrase_env": "-pass",
    "passphrase_file": "-pass",
}
OPENSSL_STARTTLS = {
    name: name for name in ("smtp", "lmtp", "imap", "pop3", "ftp", "ldap", "xmpp", "postgres", "mysql", "nntp", "sieve", "irc")
} | {"mariadb": "mysql"}
OPENSSL_EXPRESSES = MESSAGE | frozenset(OPENSSL_VALUES) | {
    "cacert", "no_system_trust", "insecure", "tls_min", "tls_max", "tlsv", "starttls", "alpn", "family", "connect_to",
    "unix_socket", "server_name", "pfx", "proxy", "proxy_user", "http", "raw", "include", "wait", "expect100", "compressed",
}


def openssl(wanted: Wanted) -> str:
    """A request in printf's words, into ``openssl s_client``. It shows the head too."""
    options, words = wanted.options, ["openssl", "s_client", *_openssl_road(wanted)]
    wanted.miss_all_but(OPENSSL_EXPRESSES)
    for name, theirs in OPENSSL_VALUES.items():
        prefix = {"passphrase_env": "env:", "passphrase_file": "file:"}.get(name, "")
        words += [theirs, quote(prefix + options[name])] if options[name] else []
    words += ["-cert", quote(options["pfx"])] if options["pfx"] else []
    words += ["-cert_chain", quote(own)] if (own := options["cert"] or options["pfx"]) else []
    words += ["-CAfile", quote(options["cacert"][0])] if options["cacert"] else []
    words += ["-no-CApath", "-no-CAstore"] if options["no_system_trust"] else []
    words += ["-min_protocol", f"TLSv{options['tls_min']}"] if options["tls_min"] else []
    words += ["-max_protocol", f"TLSv{options['tls_max']}"] if options["tls_max"] else []
    words += [f"-{options['family']}"] if options["family"] else []
    if len(options["cacert"]) > 1:
        wanted.missing("more than one --cacert (put them into one file)")
    if options["pfx"]:
        wanted.note("PKCS#12 is read by OpenSSL 3 and later (-provider default -provider legacy for RC2 and its like)")
    words += _openssl_protocols(wanted)
    sent = f"cat < {quote(options['raw'])}" if options["raw"] else _openssl_request(wanted)
    return f"{sent} | {' '.join([*words, '-quiet', '-ign_eof'])}"


def _openssl_road(wanted: Wanted) -> list[str]:
    target, name = wanted.target, wanted.server_name
    if target.unix_path:
        words = ["-unix", quote(target.unix_path)]
    else:
        words = ["-connect", quote(f"{_bracketed(wanted.dial[0])}:{wanted.dial[1]}")]
    if not name:
        words += ["-noservername"]
    elif is_ip_address(name):
        words += ["-noservername", "-verify_ip", quote(name)]
    else:
        words += ["-servername", quote(name), "-verify_hostname", quote(name)]
    if wanted.proxied:
        proxy = parse_proxy(wanted.options["proxy"])
        words += ["-proxy", quote(f"{_bracketed(proxy.host)}:{proxy.port}")] if proxy.kind == "http" else []
        if proxy.kind != "http" or proxy.user is not None or wanted.options["proxy_user"]:
            wanted.missing("this proxy, or who we are to it")
    return words + ([] if wanted.options["insecure"] else ["-verify_return_error"])


def _openssl_protocols(wanted: Wanted) -> list[str]:
    options, words = wanted.options, []
    alpn = options["alpn"] or "http/1.1"
    words += ["-alpn", quote(alpn)] if alpn != "none" and not options["raw"] else []
    if options["http"] == "2":
        wanted.missing("--http2 (this is HTTP/1.1)")
    if options["compressed"]:
        wanted.missing("--compressed (the content is shown as it comes)")
    if options["expect100"]:
        wanted.missing("--expect100 (the body is sent at once)")
    if (starttls := options["starttls"]) in OPENSSL_STARTTLS:
        words += ["-starttls", OPENSSL_STARTTLS[starttls]]
    elif starttls:
        wanted.missing("--starttls")
    return words


def _octal(data: bytes) -> str:
    """Bytes as printf's format, quoted for a shell: nothing in it is special to either."""
    plain = set(range(32, 127)) - set(b"%\\'-")
    names = {13: "\\r", 10: "\\n"}
    return "'" + "".join(chr(byte) if byte in plain else names.get(byte, f"\\{byte:03o}") for byte in data) + "'"


READERS = {"binary": "cat < {}", "data": "tr -d '\\r\\n\\000' < {}"}


def _openssl_request(wanted: Wanted) -> str:
    made = wanted.draft
    parts: list[Part | Secret] = [f"{made.method} {wanted.path} HTTP/1.1\r\n".encode("utf-8", "surrogateescape")]
    headers = wanted.headers()
    names = {name.lower() for name, _ in headers}
    headers[:0] = [] if "host" in names else [("Host", wanted.authority)]
    headers += [] if "connection" in names else [("Connection", "close")]
    for name, value in headers:
        start = name.encode("utf-8", "surrogateescape") + b": "
        parts += [start, value, b"\r\n"] if isinstance(value, Secret) else [
            start + value.encode("utf-8", "surrogateescape") + b"\r\n"]
    body = list(made.content.parts) if made.content is not None else []
    if any(isinstance(part, FromFile) and (part.path == "-" or part.how not in READERS) for part in body):
        wanted.missing("a body that comes from stdin, or is encoded from a file")
        body = []
    counted = sum(len(part) for part in body if isinstance(part, bytes))
    files = "".join(f' + $({_read(part)} | wc -c)' for part in body if isinstance(part, FromFile))
    steps = list(_printed(parts))
    if made.content is not None and "content-length" not in names:
        length = f'"$(({counted}{files}))"' if files else str(counted)
        steps.append(f"printf 'Content-Length: %d\\r\\n' {length}")
    steps += ["printf '\\r\\n'", *_printed(body)]
    return "{ " + "; ".join(steps) + "; }"


def _read(part: FromFile) -> str:
    return READERS[part.how].format(quote(part.path))


def _printed(parts: Iterable[Part | Secret]) -> Iterable[str]:
    """Commands that print the parts, what is at hand in one printf as far as it goes."""
    known = b""
    for part in parts:
        if isinstance(part, bytes):
            known += part
            continue
        if known:
            yield f"printf {_octal(known)}"
            known = b""
        yield f"printf '%s' \"${part.variable}\"" if isinstance(part, Secret) else _read(part)
    if known:
        yield f"printf {_octal(known)}"
