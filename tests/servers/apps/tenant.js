// node tenant.js SETTINGS.json: https whose own code decides who is let in, rightly or wrongly (settings.gate).
'use strict';
const fs = require('fs');
const https = require('https');
const path = require('path');
const tls = require('tls');

const settings = JSON.parse(fs.readFileSync(process.argv[2]));
const read = (name) => fs.readFileSync(path.join(settings.pki, name));
const chainOf = (socket) => {
  const found = [];
  for (let cert = socket.getPeerCertificate(true); cert && cert.subject && found.length < 9; cert = cert.issuerCertificate) {
    found.push(cert);
    if (cert.issuerCertificate === cert) break;
  }
  return found;
};
const gates = {
  any: () => true,
  authorized: (socket) => socket.authorized,
  present: (socket) => chainOf(socket).length > 0,
  // takes the issuer's name for the issuer
  issuer: (socket) => chainOf(socket).some((cert) => cert.issuer && cert.issuer.CN === 'Test Intermediate'
    && !/SELF_SIGNED/.test(String(socket.authorizationError))),
  'ignore-dates': (socket) => socket.authorized || socket.authorizationError === 'CERT_HAS_EXPIRED',
  'by-sni': (socket) => socket.servername !== 'localhost' || socket.authorized,
  'by-host': (socket, request) => !/^localhost(:|$)/.test(request.headers.host || '') || socket.authorized,
  'by-exact-sni': (socket) => ['b.test', 'localhost'].includes(socket.servername) ? socket.authorized : true,
  'tls12-open': (socket) => socket.getProtocol() === 'TLSv1.2' || socket.authorized,
  // the path is compared as it is written, the file system does not care
  'exact-path': (socket, request) => request.url !== '/admin' || socket.authorized,
  'get-only': (socket, request) => request.method !== 'GET' || socket.authorized,
  // whoever has any certificate may say who he is
  'named-by-header': (socket, request) => (request.headers['x-client-cn'] || socket.getPeerCertificate().subject.CN) === 'alice',
  'named-by-certificate': (socket) => socket.getPeerCertificate().subject.CN === 'alice',
  // a token that nobody holds against the certificate
  token: (socket, request) => request.headers.authorization === 'Bearer tok',
  'bound-token': (socket, request) => request.headers.authorization === 'Bearer tok' && chainOf(socket).length > 0 && socket.authorized,
  local: (socket, request) => socket.authorized || request.headers['x-forwarded-for'] === '127.0.0.1',
  rewritten: (socket, request) => !request.url.startsWith('/admin') || socket.authorized,
  header: (socket, request) => socket.authorized || request.headers['x-ssl-client-verify'] === 'SUCCESS',
};
// which CA is trusted under which name; "*" is every other, and without it others are not served
const contexts = settings.contexts && Object.fromEntries(Object.entries(settings.contexts).map(([name, ca]) => [
  name, tls.createSecureContext({ key: read('server.key'), cert: read('server.pem'), ca: [read(ca)] }),
]));
const byName = (name, done) => {
  const context = contexts[name] || contexts['*'];
  done(context ? null : new Error('not served'), context);
};
const fallback = (settings.contexts || {})['*'] || 'root.pem';
const server = https.createServer({
  ...(contexts ? { SNICallback: byName } : {}),
  key: read('server.key'), cert: read('server.pem'), ca: [read(fallback)], requestCert: true, rejectUnauthorized: Boolean(settings.reject),
}, (request, response) => {
  const in_ = gates[settings.gate](request.socket, request);
  // a proxy in front is believed to tell what was asked for
  if (settings.gate === 'rewritten') request.url = request.headers['x-original-url'] || request.url;
  const pages = settings.pages || [request.url];
  if (in_ && !pages.some((page) => page.toLowerCase() === request.url.toLowerCase())) {
    response.writeHead(404);
    response.end('nothing here\n');
    return;
  }
  response.writeHead(in_ ? 200 : 403, { 'Content-Type': 'text/plain' });
  response.end(in_ ? 'secret\n' : 'certificate needed\n');
});
server.listen(settings.port, '127.0.0.1');
