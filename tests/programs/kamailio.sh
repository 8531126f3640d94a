#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Kamailio as a SIP server that demands certificates.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program Kamailio kamailio-tls-modules kamailio

server() {
	pick_port
	configuration programs/kamailio-tls.cfg || return 1
	cat >"$T/kamailio.cfg" <<-EOF
		debug = 2
		log_stderror = yes
		fork = yes
		children = 1
		enable_tls = yes
		listen = tls:127.0.0.1:$PORT
		mpath = "$(dirname "$(find /usr/lib -path '*kamailio/modules/tls.so' | head -n 1)")/"
		loadmodule "sl.so"
		loadmodule "tls.so"
		modparam("tls", "config", "$T/kamailio-tls.cfg")
		request_route { sl_send_reply("200", "OK"); }
	EOF
	daemon_on "$PORT" kamailio kamailio -DD -E -f "$T/kamailio.cfg" -Y "$T" -P "$T/kamailio.pid" && tls_client "$1" "$PORT"
}

runs server '1.2 1.3' 'its log' server "$T/kamailio.log"
done_with_program
