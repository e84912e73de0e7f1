"""python3 server.py PORT PKI TLS MODE TRUST: http.server under ssl. Modes: required, optional, none."""

import http.server
import pathlib
import ssl
import sys

port, pki, tls, mode, trust = int(sys.argv[1]), pathlib.Path(sys.argv[2]), *sys.argv[3:6]
V = ssl.TLSVersion
LOW, HIGH = {"1.2": (V.TLSv1_2, V.TLSv1_2), "1.3": (V.TLSv1_3, V.TLSv1_3), "both": (V.TLSv1_2, V.TLSv1_3)}[tls]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"ok\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def finish_request(self, request, client_address):
        # the handshake runs in the connection's own thread, so that a slow client holds up nobody
        request.settimeout(10)
        super().finish_request(context.wrap_socket(request, server_side=True), client_address)

    def handle_error(self, request, client_address):
        print("error", repr(sys.exc_info()[1]), flush=True)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.minimum_version, context.maximum_version = LOW, HIGH
context.load_cert_chain(pki / "server.pem", pki / "server.key")
if mode != "none":
    context.load_verify_locations(pki / trust)
    context.verify_mode = ssl.CERT_REQUIRED if mode == "required" else ssl.CERT_OPTIONAL
Server(("127.0.0.1", port), Handler).serve_forever()
