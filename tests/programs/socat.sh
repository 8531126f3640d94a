#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# socat, both ways.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program socat socat socat

client() {
	tls_server "$1" && configuration programs/socat-client.sh \
		"s/server.example:443,/localhost:$PORT,pf=ip4,openssl-min-proto-version=TLS$1,openssl-max-proto-version=TLS$1,/" || return 1
	INPUT=$REQUEST run mod sh "$T/socat-client.sh"
	matches "$OUT" '^Client certificate' && server_saw_us
}

server() {
	pick_port
	configuration programs/socat-server.sh "s/:443,/:$PORT,pf=ip4,openssl-min-proto-version=TLS$1,openssl-max-proto-version=TLS$1,/" \
		"s/TCP:.*/SYSTEM:'read -r line; echo served by socat'/" || return 1
	daemon_on "$PORT" socat sh "$T/socat-server.sh" && tls_client "$1" "$PORT" -ign_eof &&
		matches "$OUT" 'served by socat'
}

runs client '1.2 1.3' 'standard error' client
runs server '1.2 1.3' 'standard error' server "$T/socat.log"
done_with_program
