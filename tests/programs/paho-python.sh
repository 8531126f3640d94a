#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# paho-mqtt for Python, against a broker that demands certificates.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need mosquitto
program 'paho-mqtt (Python)' python3-paho-mqtt /usr/bin/python3
/usr/bin/python3 -c 'import paho.mqtt' 2>/dev/null || skip_all 'python3-paho-mqtt is not installed'

client() {
	mqtt_broker "$1" && configuration programs/paho-publish.py "s/broker.example\", port=8883/localhost\", port=$PORT/" || return 1
	run mod /usr/bin/python3 "$T/paho-publish.py" || return 1
	mqtt_broker_saw_us
}

runs client '1.2 1.3' trace client
done_with_program
