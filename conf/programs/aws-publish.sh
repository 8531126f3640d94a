# SPDX-License-Identifier: Apache-2.0
# Port 443 asks for ALPN; on 8883 leave --tls-alpn out. The name of the endpoint goes out as
# SNI by itself. QoS is 0 or 1; the policy of the certificate decides on client id and topic.
mosquitto_pub -h ID-ats.iot.eu-west-1.amazonaws.com -p 443 --tls-alpn x-amzn-mqtt-ca -V mqttv311 \
	--cafile /etc/iotsafe/ca.pem --cert /etc/iotsafe/client.pem --key /etc/iotsafe/client-key.pem \
	-i gateway-1 -q 1 -t dt/gateway-1/data -m '{"t": 21}' "$@"
