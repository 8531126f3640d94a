# SPDX-License-Identifier: Apache-2.0
ncat --ssl-verify --ssl-trustfile /etc/iotsafe/ca.pem --ssl-cert /etc/iotsafe/client.pem --ssl-key /etc/iotsafe/client-key.pem server.example 443
