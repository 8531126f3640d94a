#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# libcoap's programs, over DTLS.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program 'CoAP (libcoap)' libcoap3-bin coap-client-openssl coap-server-openssl

# get CLIENT-PAIR SERVER-PAIR
get() {
	local server=(daemon server) client=(mod)
	[ "$2" = server ] || server=(spawn server)
	[ "$1" = client ] || client=(patiently)
	pick_port 2
	configuration programs/coap-server.sh "s,-p 5683,-p $PORT," "s,/server,/$2,g" &&
		configuration programs/coap-client.sh "s,server.example:5684,127.0.0.1:$((PORT + 1))," \
			"s,/client,/$1,g" || return 1
	in_place_of_shell "$T/coap-server.sh"
	"${server[@]}" sh "$T/coap-server.sh" -A 127.0.0.1 -v 7
	started "$SPAWNED" grep -q DTLS "$T/server.log" || return 1
	run "${client[@]}" sh "$T/coap-client.sh" -v 7 -B 20
	matches "$OUT" 'This is a test server'
}

client() { get client peer; }
server() { get peer server; }

runs 'DTLS client' 1.2 'standard output' client
runs 'DTLS server' 1.2 'standard error' server "$T/server.log"
done_with_program
