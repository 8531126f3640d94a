#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# openssl s_client and s_server, by URI.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program openssl openssl openssl

client() {
	tls_server "$1" && configuration programs/openssl-client.sh "s,server.example:8883,127.0.0.1:$PORT," || return 1
	INPUT=$REQUEST run mod sh "$T/openssl-client.sh" "-tls1_${1#1.}" -ign_eof || return 1
	matches "$OUT" '^Client certificate' && server_saw_us
}

server() {
	pick_port
	configuration programs/openssl-server.sh "s,8883,127.0.0.1:$PORT," \
		's,label=server-key,label=client-key,' || return 1
	daemon_on "$PORT" server sh "$T/openssl-server.sh" "-tls1_${1#1.}" -www && tls_client "$1" "$PORT" -ign_eof
}

dtls() {
	dtls_server && configuration programs/openssl-client.sh "s,server.example:8883,127.0.0.1:$PORT," &&
		run mod sh "$T/openssl-client.sh" -dtls1_2 && server_saw_us
}

runs client '1.2 1.3' 'standard error' client
runs server '1.2 1.3' 'standard error' server "$T/server.log"
runs 'DTLS client' '1.2' 'standard error' dtls
done_with_program
