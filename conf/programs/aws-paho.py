# SPDX-License-Identifier: Apache-2.0
import ssl

import paho.mqtt.client

context = ssl.create_default_context(cafile="/etc/iotsafe/ca.pem")
context.load_cert_chain("/etc/iotsafe/client.pem", "/etc/iotsafe/client-key.pem")
context.set_alpn_protocols(["x-amzn-mqtt-ca"])  # for port 443
client = paho.mqtt.client.Client("gateway-1", protocol=paho.mqtt.client.MQTTv311)
client.tls_set_context(context)
client.connect("ID-ats.iot.eu-west-1.amazonaws.com", 443)
client.loop_start()
client.publish("dt/gateway-1/data", '{"t": 21}', qos=1).wait_for_publish()
client.disconnect()
