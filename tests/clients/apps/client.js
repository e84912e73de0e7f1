// Node's tls.connect with cert and key.
const fs = require("fs");
const tls = require("tls");
const [cert, key, ca, ...ports] = process.argv.slice(2);
const options = { cert: fs.readFileSync(cert), key: fs.readFileSync(key), ca: fs.readFileSync(ca), servername: "localhost" };

function next() {
  const port = ports.shift();
  if (port === undefined) return;
  const socket = tls.connect({ ...options, host: "127.0.0.1", port: Number(port) }, () => {
    socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  });
  socket.setTimeout(5000, () => socket.destroy());
  socket.on("data", () => socket.end());
  socket.on("error", (error) => console.log(port, error.message));
  socket.on("close", next);
}
next();
