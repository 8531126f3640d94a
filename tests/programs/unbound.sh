#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# unbound as a server of DNS over TLS.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program unbound unbound unbound

server() {
	pick_port
	configuration programs/unbound.conf "s,0.0.0.0@853,127.0.0.1@$PORT," "s,tls-port: 853,tls-port: $PORT," || return 1
	printf '\t%s\n' 'username: ""' "directory: \"$T\"" "pidfile: \"$T/unbound.pid\"" 'use-syslog: no' \
		'do-daemonize: no' 'verbosity: 3' 'logfile: ""' 'local-data: "test. A 192.0.2.1"' >>"$T/unbound.conf"
	daemon_on "$PORT" unbound unbound -d -c "$T/unbound.conf" && tls_client "$1" "$PORT"
}

runs server '1.2 1.3' 'its log' server "$T/unbound.log"
done_with_program
