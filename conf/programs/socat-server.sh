# SPDX-License-Identifier: Apache-2.0
# Requires a certificate, and forwards connections in the clear.
socat OPENSSL-LISTEN:443,reuseaddr,fork,cert=/etc/iotsafe/server.pem,key=/etc/iotsafe/server-key.pem,cafile=/etc/iotsafe/ca.pem TCP:127.0.0.1:8080
