# SPDX-License-Identifier: Apache-2.0
import http.server
import ssl

context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile="/etc/iotsafe/ca.pem")
context.load_cert_chain("/etc/iotsafe/server.pem", "/etc/iotsafe/server-key.pem")
context.verify_mode = ssl.CERT_REQUIRED
server = http.server.HTTPServer(("", 8443), http.server.SimpleHTTPRequestHandler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
