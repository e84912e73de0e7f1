"""``--as``: the command or snippet that does the same with other tools. Secrets are never written into it, only where they are."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import Any, NamedTuple

from inspector.cli.options import parse_connect_to
from inspector.target import parse_target


class Wanted(NamedTuple):
    """What the options ask for, in the words that all equivalents need."""

    url: str
    host: str
    port: int
    path: str
    server_name: str
    connect_to: tuple[str, int] | None
    options: dict[str, Any]

    @property
    def method(self) -> str:
        given: str | None = self.options["method"]
        body = any(self.options[name] for name in BODIES)
        return given or ("HEAD" if self.options["head"] else "PUT" if self.options["upload_file"] else "POST" if body else "GET")


BODIES = ("data", "data_raw", "data_binary", "data_urlencode", "data_json", "form", "upload_file")
# our option -> curl's, those that take a value and those that do not
CURL_VALUES = {
    "cert": "--cert", "key": "--key", "method": "-X", "header": "-H", "data": "-d", "data_raw": "--data-raw",
    "data_binary": "--data-binary", "data_urlencode": "--data-urlencode", "data_json": "--json", "form": "-F", "upload_file": "-T",
    "user": "-u", "user_agent": "-A", "referer": "-e", "range_": "-r", "cacert": "--cacert", "output": "-o", "ciphers": "--ciphers",
    "groups": "--curves", "tls_max": "--tls-max", "retry": "--retry", "max_filesize": "--max-filesize", "resolve": "--resolve",
    "interface": "--interface", "proxy": "--proxy",
}
CURL_FLAGS = {
    "get": "-G", "head": "-I", "include": "-i", "location": "-L", "location_trusted": "--location-trusted", "fail": "--fail",
    "fail_with_body": "--fail-with-body", "compressed": "--compressed", "insecure": "-k",
}


def equivalent(tool: str, urls: tuple[str, ...], options: dict[str, Any]) -> str:
    """The text for the first URL."""
    target = parse_target(urls[0])
    connect_to = parse_connect_to(options["connect_to"], target)
    name = options["server_name"] or target.host
    return TOOLS[tool](Wanted(urls[0], target.host, target.port, target.url_path or "/", name, connect_to, options))


def _joined(words: list[str]) -> str:
    return " ".join(shlex.quote(word) for word in words)


def _curl(wanted: Wanted) -> str:
    options, words = wanted.options, ["curl"]
    url = wanted.url
    if options["server_name"] and options["server_name"] != wanted.host:
        # curl takes SNI and the name to verify from the URL: give it that name, and the way to the host
        url = url.replace(wanted.host, options["server_name"], 1)
        there = wanted.connect_to or (wanted.host, wanted.port)
        words += ["--connect-to", f"{options['server_name']}:{wanted.port}:{there[0]}:{there[1]}"]
    elif wanted.connect_to is not None:
        words += ["--connect-to", f"{wanted.host}:{wanted.port}:{wanted.connect_to[0]}:{wanted.connect_to[1]}"]
    if options["pfx"]:
        words += ["--cert", options["pfx"], "--cert-type", "P12"]
    for name, theirs in CURL_VALUES.items():
        value = options[name]
        for item in value if isinstance(value, tuple) else (value,) if value else ():
            words += [theirs, str(item)]
    words += [theirs for name, theirs in CURL_FLAGS.items() if options[name]]
    words += [f"--tlsv{options['tls_min']}"] if options["tls_min"] else []
    words += ["--http1.1"] if options["http"] == "1.1" else ["--http2"] if options["http"] == "2" else []
    words += ["-m", f"{options['timeout']:g}"] if options["timeout"] != 20.0 else []
    text = _joined([*words, url])
    if options["bearer_file"]:
        text += f' -H "Authorization: Bearer $(head -n 1 {shlex.quote(options["bearer_file"])})"'
    return text


def _openssl(wanted: Wanted) -> str:
    options = wanted.options
    host, port = wanted.connect_to or (wanted.host, wanted.port)
    words = ["openssl", "s_client", "-connect", f"{host}:{port}", "-servername", wanted.server_name]
    words += ["-verify_hostname", wanted.server_name] + ([] if options["insecure"] else ["-verify_return_error"])
    for name, theirs in (("cert", "-cert"), ("key", "-key"), ("ciphers", "-cipher"), ("groups", "-groups"), ("sigalgs", "-sigalgs"),
                         ("starttls", "-starttls"), ("alpn", "-alpn")):
        words += [theirs, options[name]] if options[name] else []
    if options["cert"]:
        words += ["-cert_chain", options["cert"]]
    for path in options["cacert"]:
        words += ["-CAfile", path]
    words += ["-min_protocol", f"TLSv{options['tls_min']}"] if options["tls_min"] else []
    words += ["-max_protocol", f"TLSv{options['tls_max']}"] if options["tls_max"] else []
    head = "\\r\\n".join([f"{wanted.method} {wanted.path} HTTP/1.1", f"Host: {_authority(wanted)}", "Connection: close", "", ""])
    note = "# credentials in PKCS#12: openssl pkcs12 -in FILE -out me.pem\n" if options["pfx"] else ""
    return f"{note}printf '{head}' | {_joined([*words, '-quiet', '-ign_eof'])}"


def _authority(wanted: Wanted) -> str:
    host = f"[{wanted.host}]" if ":" in wanted.host else wanted.host
    return host if wanted.port == 443 else f"{host}:{wanted.port}"


def _python(wanted: Wanted) -> str:
    options = wanted.options
    lines = ["import http.client", "import ssl", "", "context = ssl.create_default_context()"]
    lines += [f"context.load_verify_locations({path!r})" for path in options["cacert"]]
    if options["insecure"]:
        lines += ["context.check_hostname = False", "context.verify_mode = ssl.CERT_NONE"]
    if options["cert"]:
        key = f", {options['key']!r}" if options["key"] else ""
        lines.append(f"context.load_cert_chain({options['cert']!r}{key})  # asks for a passphrase where there is one")
    if options["pfx"]:
        lines.append("# Python's ssl takes no PKCS#12: openssl pkcs12 -in FILE -out me.pem, then context.load_cert_chain('me.pem')")
    if options["tls_min"]:
        lines.append(f"context.minimum_version = ssl.TLSVersion.TLSv{options['tls_min'].replace('.', '_')}")
    headers = dict(line.partition(":")[::2] for line in options["header"] if ":" in line)
    headers = {name: value.strip() for name, value in headers.items()}
    lines += [
        f"connection = http.client.HTTPSConnection({wanted.host!r}, {wanted.port}, context=context)",
        f"connection.request({wanted.method!r}, {wanted.path!r}, {_body(wanted)!r}, {headers!r})",
        "response = connection.getresponse()",
        "print(response.status)",
        "print(response.read().decode())",
    ]
    return "\n".join(lines)


def _body(wanted: Wanted) -> str | None:
    options = wanted.options
    parts = [*options["data"], *options["data_raw"]]
    return options["data_json"][0] if options["data_json"] else "&".join(parts) if parts else None


def _go(wanted: Wanted) -> str:
    options = wanted.options
    cas = "".join(f"\tif pem, err := os.ReadFile({json.dumps(path)}); err == nil {{\n\t\troots.AppendCertsFromPEM(pem)\n\t}}\n"
                  for path in options["cacert"])
    pair = ""
    if options["cert"]:
        key = options["key"] or options["cert"]
        pair = (f"\tpair, err := tls.LoadX509KeyPair({json.dumps(options['cert'])}, {json.dumps(key)})\n"
                "\tif err != nil {\n\t\tpanic(err)\n\t}\n\tconfig.Certificates = []tls.Certificate{pair}\n")
    insecure = ", InsecureSkipVerify: true" if options["insecure"] else ""
    body = _body(wanted)
    reader, strings = (f"strings.NewReader({json.dumps(body)})", '\t"strings"\n') if body is not None else ("nil", "")
    headers = "".join(f"\trequest.Header.Set({json.dumps(name)}, {json.dumps(value.strip())})\n"
                      for name, colon, value in (line.partition(":") for line in options["header"]) if colon)
    return f"""package main

import (
\t"crypto/tls"
\t"crypto/x509"
\t"fmt"
\t"io"
\t"net/http"
\t"os"
{strings})

func main() {{
\troots, err := x509.SystemCertPool()
\tif err != nil {{
\t\troots = x509.NewCertPool()
\t}}
{cas}\tconfig := &tls.Config{{RootCAs: roots, ServerName: {json.dumps(wanted.server_name)}{insecure}}}
{pair}\tclient := &http.Client{{Transport: &http.Transport{{TLSClientConfig: config}}}}
\trequest, err := http.NewRequest({json.dumps(wanted.method)}, {json.dumps(wanted.url)}, {reader})
\tif err != nil {{
\t\tpanic(err)
\t}}
{headers}\tresponse, err := client.Do(request)
\tif err != nil {{
\t\tpanic(err)
\t}}
\tdefer response.Body.Close()
\tfmt.Println(response.Status)
\tio.Copy(os.Stdout, response.Body)
}}"""


def _java(wanted: Wanted) -> str:
    options = wanted.options
    store = options["pfx"] or "me.p12"
    made = "" if options["pfx"] else (
        f"// openssl pkcs12 -export -in {options['cert'] or 'me.pem'} -inkey {options['key'] or 'me.key'} -out me.p12\n")
    trust = options["cacert"][0] if options["cacert"] else None
    trusted = "" if trust is None else f"// keytool -importcert -noprompt -file {trust} -keystore trust.p12 -storepass changeit\n"
    flags = f"-Djavax.net.ssl.keyStore={store} -Djavax.net.ssl.keyStorePassword=\"$PASSPHRASE\""
    flags += "" if trust is None else " -Djavax.net.ssl.trustStore=trust.p12 -Djavax.net.ssl.trustStorePassword=changeit"
    body = _body(wanted)
    publisher = "HttpRequest.BodyPublishers." + (f"ofString({json.dumps(body)})" if body is not None else "noBody()")
    headers = "".join(f"\n        .header({json.dumps(name)}, {json.dumps(value.strip())})"
                      for name, colon, value in (line.partition(":") for line in options["header"]) if colon)
    return f"""{made}{trusted}// java {flags} Request.java
import java.net.URI;
import java.net.http.*;

public class Request {{
  public static void main(String[] arguments) throws Exception {{
    HttpRequest request = HttpRequest.newBuilder(URI.create({json.dumps(wanted.url)})){headers}
        .method({json.dumps(wanted.method)}, {publisher}).build();
    HttpResponse<String> response = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
    System.out.println(response.statusCode());
    System.out.println(response.body());
  }}
}}"""


TOOLS: dict[str, Callable[[Wanted], str]] = {"curl": _curl, "openssl": _openssl, "python": _python, "go": _go, "java": _java}
