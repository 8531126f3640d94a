#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# coturn as a server of TURN over TLS that demands certificates.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program coturn coturn turnserver

server() {
	pick_port 4
	configuration programs/turnserver.conf "s,5349,$PORT," || return 1
	daemon_on "$PORT" turnserver turnserver -c "$T/turnserver.conf" --listening-ip=127.0.0.1 \
		--listening-port="$((PORT + 2))" --no-cli --no-stdout-log --log-file="$T/turn.log" --simple-log \
		--pidfile="$T/turn.pid" --db="$T/turn.db" --verbose && tls_client "$1" "$PORT"
}

runs server 1.2 trace server
done_with_program
