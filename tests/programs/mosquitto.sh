#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# mosquitto: mosquitto_pub, a broker, and a broker that is the client of another one;
# tests/e2e/mosquitto.sh looks at more of it.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program mosquitto mosquitto mosquitto mosquitto_pub

# broker NAME CERTIFICATE VERSION: demands certificates, with the pair of that name.
broker() {
	pick_port
	configuration mosquitto.conf "s,8883,$PORT 127.0.0.1," "s,/server,/$2,g" || return 1
	printf '%s\n' 'log_dest stderr' 'log_type all' "tls_version tlsv$3" >>"$T/mosquitto.conf"
	mv "$T/mosquitto.conf" "$T/$1.conf"
	daemon_on "$PORT" "$1" mosquitto -c "$T/$1.conf"
}

publish() {
	broker peer-server peer "$1" || return 1
	mkdir -p "$T/config" && configuration mosquitto-client.conf 's,broker.example,localhost,' \
		"s,-p 8883,-p $PORT," && mv "$T/mosquitto-client.conf" "$T/config/mosquitto_pub" || return 1
	XDG_CONFIG_HOME=$T/config run mod mosquitto_pub --tls-version "tlsv$1" -d -q 1 -t greeting -m hello || return 1
	matches "$T/peer-server.log" "New client connected .* u'$(common_name_of "$PEM/client.pem")'"
}

server() {
	broker server server "$1" || return 1
	run mosquitto_pub -h localhost -p "$PORT" --tls-version "tlsv$1" --cafile "$PEM/ca.pem" \
		--cert "$PEM/peer.pem" --key "$PEM/peer-key.pem" -q 1 -t greeting -m hello
}

FAILURE='OpenSSL Error|A TLS error|Error creating bridge'
bridge() {
	broker peer-server peer "$1" || return 1
	local far=$PORT # 2.1 does not try the second address of a name
	# newer ones say no more than "A TLS error occurred", or "Broken pipe", by themselves
	case $VERSION in 2.0.11-*) ;; *) local -x IOTSAFE_TRACE=stderr ;; esac
	pick_port
	configuration mosquitto-bridge.conf "s,listener 1883,listener $PORT," \
		"s,broker.example:8883,127.0.0.1:$far," || return 1
	printf '%s\n' 'log_dest stderr' 'log_type all' "bridge_tls_version tlsv$1" >>"$T/mosquitto-bridge.conf"
	daemon_on "$PORT" bridge mosquitto -c "$T/mosquitto-bridge.conf" || return 1
	# it tries again and again
	started "$DAEMON" grep -qE "Received CONNACK on connection local|$FAILURE" "$T/bridge.log" &&
		lacks "$T/bridge.log" "$FAILURE" &&
		matches "$T/peer-server.log" "New bridge connected .* u'$(common_name_of "$PEM/client.pem")'"
}

runs 'client (mosquitto_pub)' '1.2 1.3' trace publish
runs broker '1.2 1.3' 'its log' server "$T/server.log"
runs bridge '1.2 1.3' 'its log' bridge "$T/bridge.log"
done_with_program
