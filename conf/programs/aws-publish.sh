# SPDX-License-Identifier: Apache-2.0
# Port 443 needs ALPN; on port 8883 omit --tls-alpn. mosquitto_pub sends the endpoint's name
# as SNI. QoS is 0 or 1; the certificate's policy decides which client IDs and topics it may use.
mosquitto_pub -h ID-ats.iot.eu-west-1.amazonaws.com -p 443 --tls-alpn x-amzn-mqtt-ca -V mqttv311 \
	--cafile /etc/iotsafe/ca.pem --cert /etc/iotsafe/client.pem --key /etc/iotsafe/client-key.pem \
	-i gateway-1 -q 1 -t dt/gateway-1/data -m '{"t": 21}' "$@"
