#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# haproxy as a server, and as the client of the server behind it.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program haproxy haproxy haproxy

# haproxy VERSION HTTPS HTTP BACKEND
start_haproxy() {
	cat "$PEM/server.pem" "$PEM/server-key.pem" >"$PEM/haproxy-server.pem"
	cat "$PEM/client.pem" "$PEM/client-key.pem" >"$PEM/haproxy-client.pem"
	configuration programs/haproxy.cfg "s,ssl-min-ver TLSv1.2,ssl-min-ver TLSv$1 ssl-max-ver TLSv$1," \
		"s,bind :443,bind 127.0.0.1:$2," "s,127.0.0.1:8080,127.0.0.1:$3," \
		"s,server.example:443,127.0.0.1:$4," 's,server.example,localhost,g' 's,/dev/log,stdout,' \
		"s,^global,&\n\t$GLOBAL," || return 1
	daemon_on "$2" haproxy haproxy -db -f "$T/haproxy.cfg"
}

both_ways() {
	tls_server "$1" || return 1
	BACKEND=$PORT
	pick_port 2
	start_haproxy "$1" "$PORT" $((PORT + 1)) "$BACKEND"
}

server() { both_ways "$1" && tls_client "$1" "$PORT" -ign_eof && matches "$OUT" 'HTTP/1.[01] 200'; }

client() {
	both_ways "$1" || return 1
	run patiently curl --silent --show-error --fail "http://127.0.0.1:$((PORT + 1))/" || return 1
	matches "$OUT" '^Client certificate' && server_saw_us
}

# Debian's haproxy.cfg has a chroot, and a user.
server_in_chroot() {
	mkdir -p "$T/jail" || return 1
	[ "$(id -u)" -eq 0 ] || {
		WHY='only root can change its root'
		return 77
	}
	configure "transport = socket:127.0.0.1:$SIM_PORT"
	GLOBAL="chroot $T/jail\n\tuser nobody"
	server "$1"
	local status=$?
	GLOBAL='# no chroot'
	configure "transport = $(socket_of sim)"
	return $status
}

GLOBAL='# no chroot'
runs server '1.2 1.3' 'its log' server "$T/haproxy.log"
runs 'server in a chroot' 1.3 'its log' server_in_chroot "$T/haproxy.log"
runs client '1.2 1.3' trace client
done_with_program
