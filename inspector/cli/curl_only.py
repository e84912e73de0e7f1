"""Options of curl that are not known here, and what does the same or has to be done instead.

For who types them out of habit, and for who pastes them with ``--curl``.
"""

from __future__ import annotations

UNTYPED = "no secret is taken from the command line: "
ANYWAY = "leave it out: it is so anyway"
NOT_NEEDED = "leave it out"
TWICE = "call mtls request once for each request"
OTHER_LOGIN = "Basic (--user NAME) and bearer tokens (--bearer-file FILE) are known; -H @FILE sends any other header"
NOT_KEPT = "nothing is kept between two calls"
AGAIN = "ask again at the address that -w '%{redirect_url}' says"

# curl's options -> the hint. A row may have several names, separated by blanks
_ROWS = {
    "--continue-at -C": "ask for the rest with -r OFFSET-, and append it: mtls request -r OFFSET- URL >> FILE",
    "--config -K": "write the options out; what is secret comes from --user-file, --bearer-file, --passphrase-file or -H @FILE",
    "--netrc -n --netrc-file --netrc-optional": "--user NAME --user-file FILE, or --user-env NAME",
    "--cookie-jar -c --junk-session-cookies -j": "cookies are not kept: -D FILE shows Set-Cookie, and -b NAME=VALUE sends one",
    "--remote-header-name -J": "-o FILE names the file; -w '%header{content-disposition}' shows how the server calls it",
    "--remote-name-all": "-O once for each URL",
    "--abstract-unix-socket": "--unix-socket PATH is for sockets in the file system",
    "--cert -E": "--cert FILE",
    "--pass": UNTYPED + "--passphrase-env NAME or --passphrase-file FILE, or be asked",
    "--oauth2-bearer": UNTYPED + "--bearer-file FILE",
    "--proxy-user -U --proxy-pass": UNTYPED + "--proxy-user NAME, and the environment variable MTLS_PROXY_PASSWORD",
    "--capath --ca-native": "--cacert FILE, for each of them; SSL_CERT_DIR names the system's folder",
    "--socks4 --socks4a --preproxy": "--proxy takes http://, https:// and socks5://HOST:PORT",
    "--proxytunnel -p --basic --no-keepalive --no-buffer -N --no-progress-meter --progress-bar -# --tcp-nodelay --ssl-reqd "
    "--no-sessionid --retry-connrefused --no-npn --ssl-no-revoke --styled-output --no-styled-output": ANYWAY,
    "--tls13-ciphers": "--ciphers LIST takes suites of both kinds",
    "--curves": "--groups LIST",
    "--no-alpn": "--alpn none",
    "--pinnedpubkey": "--require verified,client-not-rejected,peer-spki=sha256//BASE64",
    "--haproxy-protocol": "--proxy-protocol 1",
    "--trace --trace-ascii --trace-time --trace-ids --trace-config": "--verbose shows the handshake, --pcapng FILE keeps all",
    "--http3 --http3-only": "QUIC is not known here: --http2 or --http1.1",
    "--http1.0 -0 --http0.9": "--http1.1, or --raw FILE for bytes of your own",
    "--http2-prior-knowledge": "--http2: within TLS the protocol is negotiated",
    "--time-cond -z": "-H 'If-Modified-Since: DATE'",
    "--etag-save --etag-compare": "-D FILE shows ETag, -H 'If-None-Match: ...' sends it",
    "--remote-time -R": "-D FILE shows Last-Modified, and touch -d sets it",
    "--limit-rate --rate --speed-limit -Y --speed-time -y": "-m SECONDS bounds the whole",
    "--retry-max-time": "-m SECONDS bounds the whole, --retry N the tries",
    "--retry-all-errors": "--retry N is for failures that pass; the exit code tells of the others",
    "--post301 --post302 --post303 --follow --location-mode": AGAIN,
    "--next -: --parallel -Z --parallel-max --parallel-immediate --fail-early": TWICE,
    "--url-query": "-G --data-urlencode NAME=VALUE",
    "--request-target": "--raw FILE sends a request of your own",
    "--digest --anyauth --ntlm --negotiate --aws-sigv4 --proxy-digest --proxy-ntlm --proxy-negotiate --proxy-anyauth": OTHER_LOGIN,
    "--doh-url --dns-servers --dns-interface": "--resolve HOST:PORT:ADDRESS",
    "--alt-svc --hsts": NOT_KEPT,
    "--stderr": "2> FILE of your shell",
    "--no-clobber --skip-existing": "set -C of your shell, and > FILE",
    "--create-file-mode": "umask of your shell",
    "--variable --expand-url --expand-data": "variables of your shell",
    "--ignore-content-length": "--raw FILE shows the bytes as they come",
    "--local-port --keepalive-time --keepalive-cnt --tcp-fastopen --tr-encoding --false-start": NOT_NEEDED,
}
INSTEAD = {name: hint for names, hint in _ROWS.items() for name in names.split()}
