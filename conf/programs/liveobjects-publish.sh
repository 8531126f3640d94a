# SPDX-License-Identifier: Apache-2.0
# Device mode: the user name is fixed, and the password is an API key with the device role. Other
# users can see a password on a command line: put it in ~/.config/mosquitto_pub, as the line `-P KEY`.
mosquitto_pub -h mqtt.liveobjects.orange-business.com -p 8883 -V mqttv311 \
	--cafile /etc/iotsafe/ca.pem --cert /etc/iotsafe/client.pem --key /etc/iotsafe/client-key.pem \
	-i urn:lo:nsid:gateways:gateway-1 -u json+device \
	-q 1 -t dev/data -m '{"s": "urn:lo:nsid:gateways:gateway-1", "v": {"t": 21}}' "$@"
