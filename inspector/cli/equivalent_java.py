"""``--as java``: a program of java.net.http, and the commands to run it."""

from __future__ import annotations

import re

from inspector.cli.equivalent_commands import quote
from inspector.cli.equivalent_wanted import MESSAGE, Secret, Wanted, plain_url, printable
from inspector.cli.request_files import FromFile

EXPRESSES = MESSAGE | {
    "cert", "key", "pfx", "cacert", "passphrase_env", "passphrase_file", "tls_min", "tlsv", "tls_max", "timeout", "max_time",
    "location", "http",
}
CHUNK = 8000  # characters: a constant of a class file has room for 65535 bytes
FORBIDDEN_IN_URI = re.compile(r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9/_.~!$&'()*+,;=:@?%-]")
# names that java.net.http sets by itself and takes from nobody
RESTRICTED = frozenset({"connection", "content-length", "expect", "host", "upgrade"})
READERS = {
    "binary": "{}", "stream": "{}", "data": r'new String({}, ISO_8859_1).replaceAll("[\r\n\000]", "").getBytes(ISO_8859_1)',
    "urlencode": "URLEncoder.encode(new String({}, ISO_8859_1), ISO_8859_1).getBytes(ISO_8859_1)",
}
VERSIONS = ("1.0", "1.1", "1.2", "1.3")


def java_text(text: str) -> str:
    """A Java string literal. Control characters are octal: a Unicode escape of one would end the line before it is read."""
    out = ""
    for c in text:
        if c in '"\\':
            out += "\\" + c
        elif " " <= c <= "~":
            out += c
        elif ord(c) < 256:
            out += f"\\{ord(c):03o}"
        else:
            data = c.encode("utf-16-be", "surrogatepass")
            out += "".join(f"\\u{data[at : at + 2].hex()}" for at in range(0, len(data), 2))
    return f'"{out}"'


def java(wanted: Wanted) -> str:
    """The program. Java takes keys and CAs from stores, which the commands in the comments make."""
    wanted.miss_all_but(EXPRESSES)
    options = wanted.options
    if wanted.connects_elsewhere:
        wanted.missing("the name, or the way to the host, that differs from the URL's")
    path = FORBIDDEN_IN_URI.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogateescape")),
                                wanted.path)
    if path != wanted.path:
        wanted.missing("characters of the URL that java.net.URI does not take: they are percent-encoded")
    comments = "".join(f"// {line}\n" for line in _commands(wanted))
    request = f"    HttpRequest request = HttpRequest.newBuilder(URI.create({java_text(plain_url('', wanted.authority, path))}))"
    request += _headers(wanted)
    if options["timeout_given"]:
        request += f"\n        .timeout(java.time.Duration.ofMillis({int(options['timeout'] * 1000)}))"
    version = "HTTP_1_1" if options["http"] == "1.1" else "HTTP_2"
    redirects = ".followRedirects(HttpClient.Redirect.NORMAL)" if options["location"] else ""
    body = _body(wanted)
    publisher = "ofByteArray(body.toByteArray())" if body else "noBody()"
    return f"""{comments}import java.io.ByteArrayOutputStream;
import java.net.*;
import java.net.http.*;
import java.nio.file.*;
import static java.nio.charset.StandardCharsets.ISO_8859_1;

public class Request {{
  public static void main(String[] arguments) throws Exception {{
{body}{request}
        .method({java_text(wanted.draft.method)}, HttpRequest.BodyPublishers.{publisher}).build();
    HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.{version}){redirects}.build();
    HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
    System.out.println(response.statusCode());
    System.out.println(response.body());
  }}
}}"""


def _file(path: str | None, otherwise: str, wanted: Wanted) -> str:
    """A file's name for a command in a comment: one that could end the comment is left to the reader."""
    if path is None or printable(path) != path:
        if path is not None:
            wanted.note(f"{otherwise} stands for a file whose name cannot stand in a comment")
        return otherwise
    return quote(path)


def _commands(wanted: Wanted) -> list[str]:
    """How to make the stores, and how to run it."""
    options, lines, flags = wanted.options, [], []
    if options["cert"] and not options["pfx"]:
        cert = _file(options["cert"], "me.pem", wanted)
        lines.append(f"openssl pkcs12 -export -in {cert} -inkey {_file(options['key'] or options['cert'], 'me.key', wanted)} "
                     f"-out me.p12{wanted.passin} -passout env:PASSPHRASE")
    for number, path in enumerate(options["cacert"]):
        lines.append(f"keytool -importcert -noprompt -alias ca{number} -file {_file(path, 'ca.pem', wanted)} -keystore trust.p12 "
                     "-storepass changeit")
    if options["cert"] or options["pfx"]:
        store = _file(options["pfx"], "me.p12", wanted) if options["pfx"] else "me.p12"
        flags.append(f"-Djavax.net.ssl.keyStore={store} -Djavax.net.ssl.keyStorePassword=\"$PASSPHRASE\"")
    if options["cacert"]:
        flags.append("-Djavax.net.ssl.trustStore=trust.p12 -Djavax.net.ssl.trustStorePassword=changeit")
    low, high = options["tls_min"] or "1.2", options["tls_max"] or "1.3"
    if options["tls_min"] or options["tls_max"]:
        chosen = [f"TLSv{version}".removesuffix(".0") for version in VERSIONS if low <= version <= high or version == high]
        flags.append(f"-Djdk.tls.client.protocols={','.join(chosen)}")
    lines.append(" ".join(["java", *flags, "Request.java"]))
    if options["cacert"] and not options["no_system_trust"]:
        lines.append("(it trusts these CAs only, not Java's own too)")
    return lines


def _headers(wanted: Wanted) -> str:
    lines = ""
    for name, value in wanted.headers():
        if name.lower() in RESTRICTED:
            wanted.missing(f"the header {printable(name)}, which java.net.http takes from nobody")
            continue
        shown = f"System.getenv({java_text(value.variable)})" if isinstance(value, Secret) else java_text(value)
        lines += f"\n        .header({java_text(name)}, {shown})"
    return lines


def _body(wanted: Wanted) -> str:
    content = wanted.draft.content
    if content is None:
        return ""
    lines = "    ByteArrayOutputStream body = new ByteArrayOutputStream();\n"
    for part in content.parts:
        if isinstance(part, FromFile):
            source = "System.in.readAllBytes()" if part.path == "-" else f"Files.readAllBytes(Path.of({java_text(part.path)}))"
            lines += f"    body.write({READERS[part.how].format(source)});\n"
            continue
        text = part.decode("latin-1")
        for start in range(0, len(text), CHUNK):
            lines += f"    body.write({java_text(text[start : start + CHUNK])}.getBytes(ISO_8859_1));\n"
    return lines
