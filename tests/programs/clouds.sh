#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# MQTT services in clouds, played by a local broker with the same demands: a certificate,
# the endpoint's name as SNI, ALPN on port 443, certain client ids, users and topics.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need haproxy mosquitto /usr/bin/python3
program 'cloud services (mosquitto, paho)' mosquitto-clients mosquitto_pub

# cloud VERSION ALPN: the TLS of the service is in $PORT, done by haproxy; behind it a
# broker which knows what may be done. ALPN is empty on port 8883.
cloud() {
	local bind='' alpn=''
	if [ -n "$2" ]; then
		bind="alpn $2"
		alpn="tcp-request content reject unless { ssl_fc_alpn $2 }"
	fi
	pick_port 2
	cat "$PEM/peer.pem" "$PEM/peer-key.pem" >"$PEM/cloud.pem"
	cat >"$T/cloud.cfg" <<-EOF
		defaults
			mode tcp
			timeout connect 60s
			timeout client 600s
			timeout server 600s
		frontend cloud
			bind 127.0.0.1:$PORT ssl crt $PEM/cloud.pem ca-file $PEM/ca.pem verify required strict-sni ssl-min-ver TLSv$1 ssl-max-ver TLSv$1 $bind
			tcp-request content reject unless { ssl_fc_sni localhost }
			$alpn
			default_backend broker
		backend broker
			server broker 127.0.0.1:$((PORT + 1))
	EOF
	printf '%s\n' 'pattern write dt/%c/#' 'pattern write devices/%c/messages/events/' \
		'user json+device' 'topic write dev/data' >"$T/cloud.acl"
	echo 'json+device:key-of-the-api' >"$T/cloud.passwords"
	mosquitto_passwd -U "$T/cloud.passwords" && chmod 644 "$T/cloud.passwords" "$T/cloud.acl" || return 1
	printf '%s\n' "listener $((PORT + 1)) 127.0.0.1" "acl_file $T/cloud.acl" 'log_dest stderr' 'log_type all' >"$T/cloud.conf"
	if [ "${PASSWORDS:-}" = yes ]; then
		echo "password_file $T/cloud.passwords" >>"$T/cloud.conf"
	else
		echo 'allow_anonymous true' >>"$T/cloud.conf"
	fi
	spawn broker mosquitto -c "$T/cloud.conf"
	started "$SPAWNED" listening $((PORT + 1)) || return 1
	spawn cloud haproxy -db -f "$T/cloud.cfg"
	started "$SPAWNED" listening "$PORT"
}

taken() { # CLIENT-ID TOPIC
	matches "$T/broker.log" "Received PUBLISH from $1 .*'$2'" && lacks "$T/broker.log" 'Denied'
}

# publish FILE [OPTION...]: the shell line of that file.
publish() {
	local file=$1
	shift
	configuration "programs/$file" 's,-h [^ ]*,-h localhost,' "s,-p [0-9]*,-p $PORT," || return 1
	XDG_CONFIG_HOME=$T/config run mod sh "$T/$file" "$@"
}

aws() { cloud "$1" x-amzn-mqtt-ca && publish aws-publish.sh -d && taken gateway-1 dt/gateway-1/data; }

aws_8883() {
	cloud "$1" '' && sed 's,--tls-alpn [^ ]*,,' "$CONF/programs/aws-publish.sh" >"$T/no-alpn.sh" || return 1
	sed -i "s,-h [^ ]*,-h localhost,; s,-p [0-9]*,-p $PORT,; s,/etc/iotsafe,$PEM,g" "$T/no-alpn.sh"
	run mod sh "$T/no-alpn.sh" -d && taken gateway-1 dt/gateway-1/data
}

aws_paho() {
	cloud "$1" x-amzn-mqtt-ca && configuration programs/aws-paho.py "s,\"ID-.*com\"\, 443,\"localhost\"\, $PORT," || return 1
	run mod /usr/bin/python3 "$T/aws-paho.py" && taken gateway-1 dt/gateway-1/data
}

aws_bridge() {
	cloud "$1" x-amzn-mqtt-ca || return 1
	local far=$PORT
	pick_port
	configuration programs/aws-bridge.conf "s,listener 1883,listener $PORT," "s,^address .*,address localhost:$far," || return 1
	printf '%s\n' 'log_dest stderr' 'log_type all' >>"$T/aws-bridge.conf"
	daemon_on "$PORT" bridge mosquitto -c "$T/aws-bridge.conf" || return 1
	# it tries again and again
	started "$DAEMON" grep -qE 'Received CONNACK on connection|OpenSSL Error' "$T/bridge.log" || return 1
	lacks "$T/bridge.log" 'OpenSSL Error' || return 1
	run mosquitto_pub -h 127.0.0.1 -p "$PORT" -t dt/gateway-1/data -q 1 -m hello || return 1
	started "$DAEMON" grep -q 'Received PUBLISH' "$T/broker.log" && taken gateway-1 dt/gateway-1/data
}

azure() {
	cloud "$1" '' && publish azure-publish.sh -d && taken gateway-1 devices/gateway-1/messages/events/ &&
		matches "$T/broker.log" "as gateway-1 .*u'HUB.azure-devices.net/gateway-1/[?]api-version="
}

live_objects() {
	mkdir -p "$T/config" && echo '-P key-of-the-api' >"$T/config/mosquitto_pub" || return 1
	PASSWORDS=yes cloud "$1" '' && publish liveobjects-publish.sh -d || return 1
	rm "$T/config/mosquitto_pub"
	taken urn:lo:nsid:gateways:gateway-1 dev/data
}

# The local broker demands what it is said to demand.
demands() {
	local pair=(--cafile "$PEM/ca.pem" --cert "$PEM/peer.pem" --key "$PEM/peer-key.pem" -i gateway-1 -q 1 -m no)
	cloud 1.3 x-amzn-mqtt-ca || return 1
	run mosquitto_pub -h localhost -p "$PORT" --tls-alpn x-amzn-mqtt-ca "${pair[@]}" -t dt/gateway-1/data || return 1
	fails mosquitto_pub -h localhost -p "$PORT" "${pair[@]}" -t dt/gateway-1/data || return 1
	fails mosquitto_pub -h 127.0.0.1 -p "$PORT" --insecure --tls-alpn x-amzn-mqtt-ca "${pair[@]}" -t dt/gateway-1/data || return 1
	fails mosquitto_pub -h localhost -p "$PORT" --cafile "$PEM/ca.pem" --tls-alpn x-amzn-mqtt-ca -i gateway-1 -t dt/gateway-1/data -m no || return 1
	end_others
}

it 'the local broker demands ALPN, SNI, and a certificate' demands
runs 'AWS IoT Core, 443' '1.2 1.3' trace aws
runs 'AWS IoT Core, 8883' '1.2 1.3' trace aws_8883
runs 'AWS IoT Core, paho' '1.2 1.3' trace aws_paho
runs 'AWS IoT Core, bridge' '1.2 1.3' 'its log' aws_bridge "$T/bridge.log"
runs 'Azure IoT Hub' '1.2 1.3' trace azure
runs 'Live Objects' '1.2 1.3' trace live_objects
done_with_program
