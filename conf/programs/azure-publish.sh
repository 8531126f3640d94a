# SPDX-License-Identifier: Apache-2.0
# Register the device, gateway-1, with the certificate's thumbprint or its CA. No password is
# needed. Quote the user name because of the question mark.
mosquitto_pub -h HUB.azure-devices.net -p 8883 -V mqttv311 \
	--cafile /etc/iotsafe/ca.pem --cert /etc/iotsafe/client.pem --key /etc/iotsafe/client-key.pem \
	-i gateway-1 -u 'HUB.azure-devices.net/gateway-1/?api-version=2021-04-12' \
	-q 1 -t devices/gateway-1/messages/events/ -m '{"t": 21}' "$@"
