#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# paho-mqtt for C, against a broker that demands certificates.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need mosquitto
program 'paho-mqtt (C)' paho.mqtt.c-examples paho_c_pub

client() {
	mqtt_broker "$1" && configuration programs/paho-c.sh "s,broker.example:8883,localhost:$PORT," || return 1
	daemon client sh "$T/paho-c.sh"
	# it tries again and again
	await grep -qE "Received PUBLISH|$REASON" "$T/peer-server.log" "$T/traces/trace"
	mqtt_broker_saw_us
}

runs client '1.2 1.3' trace client
done_with_program
