# SPDX-License-Identifier: Apache-2.0
coap-client-openssl -m get -c /etc/iotsafe/client.pem -j /etc/iotsafe/client-key.pem -C /etc/iotsafe/ca.pem coaps://server.example:5684/ "$@"
