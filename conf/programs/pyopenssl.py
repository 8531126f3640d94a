# SPDX-License-Identifier: Apache-2.0
import socket

from OpenSSL import SSL

context = SSL.Context(SSL.TLS_CLIENT_METHOD)
context.load_verify_locations("/etc/iotsafe/ca.pem")
context.set_verify(SSL.VERIFY_PEER)
context.use_certificate_chain_file("/etc/iotsafe/client.pem")
context.use_privatekey_file("/etc/iotsafe/client-key.pem")
connection = SSL.Connection(context, socket.create_connection(("server.example", 443)))
connection.set_tlsext_host_name(b"server.example")
connection.set_connect_state()
connection.do_handshake()
connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
try:
    while True:
        print(connection.recv(4096).decode(), end="")
except (SSL.ZeroReturnError, SSL.SysCallError):
    pass
