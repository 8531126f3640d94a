# SPDX-License-Identifier: Apache-2.0
redis-cli -h redis.example -p 6379 --tls --cacert /etc/iotsafe/ca.pem --cert /etc/iotsafe/client.pem --key /etc/iotsafe/client-key.pem "$@"
