#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# paho-mqtt for Python, against a broker that demands certificates.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need mosquitto
program 'paho-mqtt (Python)' python3-paho-mqtt /usr/bin/python3
/usr/bin/python3 -c 'import paho.mqtt' 2>/dev/null || skip_all 'python3-paho-mqtt is not installed'

client() {
	pick_port
	configuration mosquitto.conf "s,8883,$PORT 127.0.0.1," "s,/server,/peer,g" || return 1
	printf '%s\n' 'log_dest stderr' 'log_type all' "tls_version tlsv$1" >>"$T/mosquitto.conf"
	daemon_on "$PORT" peer-server mosquitto -c "$T/mosquitto.conf" || return 1
	configuration programs/paho-publish.py "s/broker.example\", port=8883/localhost\", port=$PORT/" || return 1
	run mod /usr/bin/python3 "$T/paho-publish.py" || return 1
	matches "$T/peer-server.log" "New client connected .* u'$(common_name_of "$PEM/client.pem")'" &&
		matches "$T/peer-server.log" 'Received PUBLISH'
}

runs client '1.2 1.3' trace client
done_testing
