// node --openssl-shared-config node-client.js: with this option Node reads the same section
// of openssl.cnf as other programs, instead of its own.
const fs = require("fs");
const https = require("https");

https.get("https://server.example/", {
  ca: fs.readFileSync("/etc/iotsafe/ca.pem"),
  cert: fs.readFileSync("/etc/iotsafe/client.pem"),
  key: fs.readFileSync("/etc/iotsafe/client-key.pem"),
}, (response) => response.pipe(process.stdout)).on("error", (error) => {
  console.error(error);
  process.exitCode = 1;
});
