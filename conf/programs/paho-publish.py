# SPDX-License-Identifier: Apache-2.0
import ssl

import paho.mqtt.publish

paho.mqtt.publish.single(
    "greeting", "hello", qos=1, hostname="broker.example", port=8883,
    tls={
        "ca_certs": "/etc/iotsafe/ca.pem",
        "certfile": "/etc/iotsafe/client.pem",
        "keyfile": "/etc/iotsafe/client-key.pem",
        "tls_version": ssl.PROTOCOL_TLS_CLIENT,
    },
)
