"""``--as python`` and ``--as go``: programs of the standard library."""

from __future__ import annotations

import re

from inspector.cli.equivalent_wanted import MESSAGE, Secret, Wanted, plain_url
from inspector.cli.request_files import FromFile, Part

# what both of them express
REQUEST = MESSAGE | {
    "cert", "key", "pfx", "cacert", "no_system_trust", "insecure", "tls_min", "tlsv", "tls_max", "connect_to", "server_name",
    "unix_socket",
    "timeout", "max_time",
}
PYTHON_EXPRESSES = REQUEST | {"passphrase_env", "passphrase_file", "http", "ciphers"}
GO_EXPRESSES = REQUEST | {"location", "http", "family", "environment"}


# Python

PYTHON_READERS = {
    "binary": "{}.read()", "stream": "{}.read()", "data": r'{}.read().translate(None, b"\r\n\0")',
    "urlencode": "urllib.parse.quote_plus({}.read()).encode()",
}


def _python_part(part: Part) -> str:
    if isinstance(part, bytes):
        return repr(part)
    return PYTHON_READERS[part.how].format("sys.stdin.buffer" if part.path == "-" else f'open({part.path!a}, "rb")')


def python(wanted: Wanted) -> str:
    """A program of http.client and ssl; it speaks HTTP/1.1."""
    wanted.miss_all_but(PYTHON_EXPRESSES)
    if wanted.options["http"] == "2":
        wanted.missing("--http2 (this is HTTP/1.1)")
    made, parts = wanted.draft, wanted.draft.content.parts if wanted.draft.content is not None else None
    lines = [*_python_context(wanted), *_python_connection(wanted)]
    lines += [f"connection.putrequest({made.method!a}, {wanted.path!a}, skip_host=True, skip_accept_encoding=True)"]
    headers = wanted.headers()
    if "host" not in {name.lower() for name, _ in headers}:
        headers.insert(0, ("Host", wanted.authority))
    for name, value in headers:
        shown = f"os.environ[{value.variable!r}]" if isinstance(value, Secret) else _python_value(value)
        lines.append(f"connection.putheader({name!a}, {shown})")
    if parts is not None:
        lines.append(f"body = {' + '.join(map(_python_part, parts)) or repr(b'')}")
        lines.append('connection.putheader("Content-Length", str(len(body)))')
    lines += [f"connection.endheaders({'body' if parts is not None else ''})", "response = connection.getresponse()",
              "print(response.status, flush=True)", "sys.stdout.buffer.write(response.read())"]
    used = ["http.client", "os", "socket", "ssl", "sys", "urllib.parse"]
    return "\n".join([*(f"import {name}" for name in used), "", *lines])


def _python_value(text: str) -> str:
    return ascii(text) if text.isascii() else repr(text.encode("utf-8", "surrogateescape"))


def _python_context(wanted: Wanted) -> list[str]:
    options = wanted.options
    lines = ["context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)" if options["no_system_trust"] else
             "context = ssl.create_default_context()"]
    lines += [f"context.load_verify_locations({path!a})" for path in options["cacert"]]
    if options["insecure"]:
        lines += ["context.check_hostname = False", "context.verify_mode = ssl.CERT_NONE"]
    if options["cert"]:
        unlocked_by = None  # it asks for a passphrase where there is one
        if options["passphrase_env"]:
            unlocked_by = f"os.environ[{options['passphrase_env']!a}]"
        elif options["passphrase_file"]:
            unlocked_by = f"open({options['passphrase_file']!a}).readline().strip()"
        key = ascii(options["key"]) if options["key"] else "None"
        lines.append(f"context.load_cert_chain({options['cert']!a}, {key}, {unlocked_by})")
    if options["pfx"]:
        pem = wanted.as_pem("Python's ssl")
        lines.append(f"context.load_cert_chain({pem!a})")
    for name, attribute in (("tls_min", "minimum"), ("tls_max", "maximum")):
        if options[name]:
            lines.append(f"context.{attribute}_version = ssl.TLSVersion.TLSv{options[name].replace('.', '_').removesuffix('_0')}")
    lines += [f"context.set_ciphers({options['ciphers']!a})"] if options["ciphers"] else []
    return [*lines, 'context.set_alpn_protocols(["http/1.1"])']


def _python_connection(wanted: Wanted) -> list[str]:
    target, name = wanted.target, wanted.server_name or "localhost"
    timeout = f", timeout={wanted.options['timeout']:g}" if wanted.options["timeout_given"] else ""
    lines = [f"connection = http.client.HTTPSConnection({name!a}, {target.port}, context=context{timeout})"]
    if target.unix_path:
        lines += ["sock = socket.socket(socket.AF_UNIX)", f"sock.connect({target.unix_path!a})"]
    elif wanted.connects_elsewhere:
        lines += [f"sock = socket.create_connection({wanted.dial!a}{timeout})"]
    else:
        return lines
    return [*lines, f"connection.sock = context.wrap_socket(sock, server_hostname={name!a})"]


# Go

GO_VERSIONS = {"1.0": "VersionTLS10", "1.1": "VersionTLS11", "1.2": "VersionTLS12", "1.3": "VersionTLS13"}
# paths that net/url leaves as they are
GO_PLAIN = re.compile(r"/(?!/)([A-Za-z0-9/_.~!$&'()*+,;=:@-]|%[0-9A-F]{2})*(\?([A-Za-z0-9/_.~!$&'()*+,;=:@?-]|%[0-9A-F]{2})*)?")
GO_CHECK = "\tif err != nil {\n\t\tpanic(err)\n\t}\n"
GO_READ = """
func read(file io.Reader, err error) []byte {
\tif err != nil {
\t\tpanic(err)
\t}
\tdata, err := io.ReadAll(file)
\tif err != nil {
\t\tpanic(err)
\t}
\treturn data
}
"""
GO_READERS = {
    "binary": "read({})", "stream": "read({})", "urlencode": "[]byte(url.QueryEscape(string(read({}))))",
    "data": r'[]byte(strings.NewReplacer("\r", "", "\n", "", "\x00", "").Replace(string(read({}))))',
}
GO_NEEDS = {"urlencode": "net/url", "data": "strings"}


def go_text(text: str | bytes) -> str:
    """A Go string literal of exactly these bytes."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    return '"' + "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}" for byte in data) + '"'


def go(wanted: Wanted) -> str:
    """A program of net/http."""
    wanted.miss_all_but(GO_EXPRESSES)
    imports = {"crypto/tls", "crypto/x509", "fmt", "io", "net/http", "os"}
    config, body = _go_config(wanted), _go_body(wanted, imports)
    transport, request = _go_transport(wanted, imports), _go_request(wanted, has_body=body != "")
    head = "".join(f'\t"{name}"\n' for name in sorted(imports))
    return f"""package main

import (
{head})
{GO_READ if "read(" in body else ""}
func main() {{
{config}{transport}{body}{request}\tresponse, err := client.Do(request)
{GO_CHECK}\tdefer response.Body.Close()
\tfmt.Println(response.Status)
\tio.Copy(os.Stdout, response.Body)
}}"""


def _go_config(wanted: Wanted) -> str:
    options = wanted.options
    lines = "\troots := x509.NewCertPool()\n" if options["no_system_trust"] else (
        "\troots, err := x509.SystemCertPool()\n\tif err != nil {\n\t\troots = x509.NewCertPool()\n\t}\n")
    for path in options["cacert"]:
        lines += f"\tif pem, err := os.ReadFile({go_text(path)}); err == nil {{\n\t\troots.AppendCertsFromPEM(pem)\n\t}}\n"
    fields = ["RootCAs: roots", f"ServerName: {go_text(wanted.server_name or 'localhost')}"]
    fields += ["InsecureSkipVerify: true"] if options["insecure"] else []
    for name, field in (("tls_min", "MinVersion"), ("tls_max", "MaxVersion")):
        fields += [f"{field}: tls.{GO_VERSIONS[options[name]]}"] if options[name] else []
    lines += f"\tconfig := &tls.Config{{{', '.join(fields)}}}\n"
    if wanted.passin and not options["pfx"]:
        key = wanted.named(options["key"] or options["cert"] or "FILE")
        wanted.note(f"crypto/tls opens no encrypted key: openssl pkey -in {key}{wanted.passin} -out me.key, and below me.key")
    if cert := wanted.as_pem("crypto/tls") if options["pfx"] else options["cert"]:
        lines += f"\tpair, err := tls.LoadX509KeyPair({go_text(cert)}, {go_text(options['key'] or cert)})\n{GO_CHECK}"
        lines += "\tconfig.Certificates = []tls.Certificate{pair}\n"
    return lines


def _go_transport(wanted: Wanted, imports: set[str]) -> str:
    options = wanted.options
    fields = ["TLSClientConfig: config", "DisableCompression: true"]
    fields += [] if options["proxy"] in ("none", "") else ["Proxy: http.ProxyFromEnvironment"]
    fields += ["ForceAttemptHTTP2: true"] if options["http"] != "1.1" else []
    if options["http"] == "2":
        wanted.note("HTTP/1.1 is offered too")
    lines = ""
    if wanted.connects_elsewhere or options["family"]:
        imports |= {"context", "net"}
        socket, host = wanted.target.unix_path, wanted.dial[0]
        there = socket or f"{f'[{host}]' if ':' in host else host}:{wanted.dial[1]}"
        network = "unix" if socket else "tcp" + (options["family"] or "")
        lines += ("\tdial := func(ctx context.Context, _, _ string) (net.Conn, error) {\n"
                  f"\t\treturn (&net.Dialer{{}}).DialContext(ctx, {go_text(network)}, {go_text(there)})\n\t}}\n")
        fields.append("DialContext: dial")
    lines += f"\tclient := &http.Client{{Transport: &http.Transport{{{', '.join(fields)}}}}}\n"
    if not options["location"]:
        lines += ("\tclient.CheckRedirect = func(*http.Request, []*http.Request) error {\n"
                  "\t\treturn http.ErrUseLastResponse\n\t}\n")
    if options["timeout_given"]:
        imports.add("time")
        lines += f"\tclient.Timeout = {int(options['timeout'] * 1000)} * time.Millisecond\n"
    return lines


def _go_body(wanted: Wanted, imports: set[str]) -> str:
    content = wanted.draft.content
    if content is None:
        return ""
    imports.add("bytes")
    lines = "\tvar body []byte\n"
    for part in content.parts:
        if isinstance(part, FromFile):
            imports |= {GO_NEEDS[part.how]} if part.how in GO_NEEDS else set()
            source = "os.Stdin, nil" if part.path == "-" else f"os.Open({go_text(part.path)})"
            lines += f"\tbody = append(body, {GO_READERS[part.how].format(source)}...)\n"
        else:
            lines += f"\tbody = append(body, {go_text(part)}...)\n"
    return lines


def _go_request(wanted: Wanted, *, has_body: bool) -> str:
    path = wanted.path
    plain = GO_PLAIN.fullmatch(path) is not None
    url = plain_url("", wanted.authority, path if plain else "/")
    lines = f"\trequest, err := http.NewRequest({go_text(wanted.draft.method)}, {go_text(url)}, "
    lines += ("bytes.NewReader(body)" if has_body else "nil") + f")\n{GO_CHECK}"
    if not plain:
        if path.startswith("//"):
            wanted.missing("a path that begins with //")
        lines += f"\trequest.URL.Opaque = {go_text(path)}\n"
    for name, value in wanted.headers():
        shown = f"os.Getenv({go_text(value.variable)})" if isinstance(value, Secret) else go_text(value)
        lines += f"\trequest.Host = {shown}\n" if name.lower() == "host" else f"\trequest.Header.Add({go_text(name)}, {shown})\n"
    return lines


