# SPDX-License-Identifier: Apache-2.0
# The library's own sample program; in C, set MQTTAsync_SSLOptions.keyStore and .privateKey.
paho_c_pub -c ssl://broker.example:8883 -t greeting -m hello -q 1 --cafile /etc/iotsafe/ca.pem --cert /etc/iotsafe/client.pem --key /etc/iotsafe/client-key.pem "$@"
