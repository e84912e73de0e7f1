// An HTTP server that shows what it was asked, and answers in every shape that a client must take.
// node echo.js PORT [PKI-FOLDER]: with a folder it speaks TLS itself (HTTP/2 and HTTP/1.1) and requires a client certificate.
"use strict";
const crypto = require("crypto"), fs = require("fs"), http = require("http"), http2 = require("http2"), zlib = require("zlib");
const [port, folder] = process.argv.slice(2);
const TEXT = Buffer.from("The quick brown fox jumps over the lazy dog. ".repeat(400));
const SHOWN = ["content-type", "range", "referer", "authorization", "x-test", "x-empty", "accept"];
const CODINGS = {
  identity: (b) => b, gzip: zlib.gzipSync, deflate: zlib.deflateSync, br: zlib.brotliCompressSync, raw: zlib.deflateRawSync,
  members: (b) => Buffer.concat([zlib.gzipSync(b.subarray(0, 99)), zlib.gzipSync(b.subarray(99))]),
};
const NAMES = { raw: "deflate", members: "gzip" };

function echo(request, response, body) {
  const headers = {};
  for (const name of SHOWN) if (request.headers[name] !== undefined) headers[name] = request.headers[name];
  const boundary = /boundary=(.*)$/.exec(headers["content-type"] || "");
  if (boundary) {
    body = Buffer.from(body.toString("latin1").split(boundary[1]).join("BOUNDARY"), "latin1");
    headers["content-type"] = "multipart/form-data";
  }
  const answer = { method: request.method, url: request.url, headers, size: body.length,
    sha256: crypto.createHash("sha256").update(body).digest("hex") };
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify(answer) + "\n");
}

function ranged(request, response) {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range || "") || [null, "", ""];
  const size = TEXT.length;
  const start = from === "" ? Math.max(0, size - Number(to)) : Number(from);
  const end = from === "" || to === "" ? size - 1 : Math.min(Number(to), size - 1);
  if (start >= size) { response.writeHead(416, { "content-range": `bytes */${size}` }); return response.end(); }
  response.writeHead(206, { "content-range": `bytes ${start}-${end}/${size}`, "content-length": end - start + 1 });
  response.end(TEXT.subarray(start, end + 1));
}

const SHAPES = {
  twice: { "set-cookie": ["a=1", "b=2"], "x-one": "1" },
  long: { "x-long": "l".repeat(7000) },
  empty: { "x-empty": "", "x-after": "y" },
  bytes: { "x-latin": "caf\u00e9", "x-comma": "a, b; c=\"d,e\"" },
};

function stream(request, response, total) {
  // TOTAL bytes that repeat a block; the client's hash is held against the same loop elsewhere
  const block = Buffer.alloc(65536, "0123456789abcdef");
  response.writeHead(200, { "content-type": "application/octet-stream", "content-length": total });
  let left = total;
  const more = () => {
    while (left > 0) {
      const piece = left >= block.length ? block : block.subarray(0, left);
      left -= piece.length;
      if (!response.write(piece)) return response.once("drain", more);
    }
    response.end();
  };
  more();
}

function swallow(request, response) {
  const hash = crypto.createHash("sha256");
  let size = 0;
  request.on("data", (piece) => { size += piece.length; hash.update(piece); });
  request.on("end", () => { response.writeHead(200); response.end(`${size} ${hash.digest("hex")}\n`); });
}

function serve(request, response) {
  const [, what, which] = request.url.split("?")[0].split("/");
  if (what === "stream") { request.resume(); return stream(request, response, Number(which)); }
  if (what === "swallow") return swallow(request, response);
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const body = Buffer.concat(parts);
    if (what === "status") { response.writeHead(Number(which), { "x-status": which });
      return response.end(["204", "304"].includes(which) ? undefined : `status ${which}\n`); }
    if (what === "coding") { response.writeHead(200, { "content-encoding": NAMES[which] || which });
      return response.end(CODINGS[which](TEXT)); }
    if (what === "redirect") { response.writeHead(Number(which), { location: which === "302" ? "../echo/there?x=1" : "/echo/there" });
      return response.end("moved\n"); }
    if (what === "shape") { response.writeHead(200, SHAPES[which]); return response.end("shape\n"); }
    if (what === "range") return ranged(request, response);
    if (what === "elsewhere") { response.writeHead(302, { location: `https://127.0.0.1:${which}/echo` }); return response.end(); }
    if (what === "trailers") { response.writeHead(200, { trailer: "x-sum" }); response.write("body\n");
      response.addTrailers({ "x-sum": "42" }); return response.end(); }
    if (what === "flaky") { const n = (serve.count = (serve.count || 0) + 1);
      response.writeHead(n % 3 ? 503 : 200); return response.end(`try ${n}\n`); }
    return echo(request, response, body);
  });
}

const options = folder && { key: fs.readFileSync(`${folder}/server.key`), cert: fs.readFileSync(`${folder}/server.pem`),
  ca: fs.readFileSync(`${folder}/root.pem`), requestCert: true, rejectUnauthorized: true, allowHTTP1: true };
const server = folder ? http2.createSecureServer(options, serve) : http.createServer({ maxHeaderSize: 65536 }, serve);
server.listen(Number(port), "127.0.0.1");
