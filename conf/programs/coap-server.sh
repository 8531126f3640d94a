# SPDX-License-Identifier: Apache-2.0
# DTLS is on the port behind that of -p.
coap-server-openssl -p 5683 -c /etc/iotsafe/server.pem -j /etc/iotsafe/server-key.pem -C /etc/iotsafe/ca.pem "$@"
