# SPDX-License-Identifier: Apache-2.0
socat - OPENSSL:server.example:443,cert=/etc/iotsafe/client.pem,key=/etc/iotsafe/client-key.pem,cafile=/etc/iotsafe/ca.pem
