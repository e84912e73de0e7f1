// node tenant.js SETTINGS.json: https whose own code decides who is let in, rightly or wrongly (settings.gate).
'use strict';
const fs = require('fs');
const https = require('https');
const path = require('path');

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
  authorized: (socket) => socket.authorized,
  present: (socket) => chainOf(socket).length > 0,
  // takes the issuer's name for the issuer
  issuer: (socket) => chainOf(socket).some((cert) => cert.issuer && cert.issuer.CN === 'Test Intermediate'
    && !/SELF_SIGNED/.test(String(socket.authorizationError))),
  'ignore-dates': (socket) => socket.authorized || socket.authorizationError === 'CERT_HAS_EXPIRED',
  'by-sni': (socket) => socket.servername !== 'localhost' || socket.authorized,
  'by-exact-sni': (socket) => ['b.test', 'localhost'].includes(socket.servername) ? socket.authorized : true,
  'tls12-open': (socket) => socket.getProtocol() === 'TLSv1.2' || socket.authorized,
  header: (socket, request) => socket.authorized || request.headers['x-ssl-client-verify'] === 'SUCCESS',
};
const server = https.createServer({
  key: read('server.key'), cert: read('server.pem'), ca: [read('root.pem')], requestCert: true, rejectUnauthorized: false,
}, (request, response) => {
  const in_ = gates[settings.gate](request.socket, request);
  response.writeHead(in_ ? 200 : 403, { 'Content-Type': 'text/plain' });
  response.end(in_ ? 'secret\n' : 'certificate needed\n');
});
server.listen(settings.port, '127.0.0.1');
