# SPDX-License-Identifier: Apache-2.0
# DTLS uses the port after the one given with -p.
coap-server-openssl -p 5683 -c /etc/iotsafe/server.pem -j /etc/iotsafe/server-key.pem -C /etc/iotsafe/ca.pem "$@"
