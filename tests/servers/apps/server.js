// node server.js PORT PKI TLS MODE TRUST: https with client certificates. Modes: strict, lenient, any, none.
'use strict';
const fs = require('fs');
const https = require('https');
const path = require('path');

const [port, pki, tls, mode, trust] = process.argv.slice(2);
const read = (name) => fs.readFileSync(path.join(pki, name));
const versions = { '1.2': ['TLSv1.2', 'TLSv1.2'], '1.3': ['TLSv1.3', 'TLSv1.3'], both: ['TLSv1.2', 'TLSv1.3'] }[tls];
const server = https.createServer({
  key: read('server.key'), cert: read('server.pem'), ca: [read(trust)],
  requestCert: mode !== 'none', rejectUnauthorized: mode === 'strict',
  minVersion: versions[0], maxVersion: versions[1],
}, (request, response) => {
  if (mode === 'lenient' && !request.socket.authorized) {
    response.writeHead(401, { 'Content-Type': 'text/plain' });
    response.end('client certificate: ' + request.socket.authorizationError + '\n');
    return;
  }
  response.writeHead(200, { 'Content-Type': 'text/plain' });
  response.end('ok\n');
});
server.on('tlsClientError', (error) => console.log('tlsClientError ' + error.code + ' ' + error.message));
server.listen(Number(port), '127.0.0.1');
