#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# FreeRADIUS as a server of EAP-TLS; the client is wpa_supplicant's code.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need eapol_test
program FreeRADIUS freeradius freeradius

server() {
	local phase=0 dir=$T/raddb
	[ "$1" = 1.3 ] || phase=1
	pick_port
	mkdir -p "$dir/log" && configuration programs/freeradius-eap.conf "s,\"1.[23]\",\"$1\"," &&
		configuration programs/wpa_supplicant.conf 's,/client,/peer,' "s,tlsv1_3=0,tlsv1_3=$phase," || return 1
	cat >"$dir/radiusd.conf" <<-EOF
		logdir = $dir/log
		raddbdir = $dir
		pidfile = $dir/pid
		libdir = $(dirname "$(find /usr/lib/freeradius -name rlm_eap.so | head -n 1)")
		client local {
			ipaddr = 127.0.0.1
			secret = secret
		}
		modules {
			\$INCLUDE $T/freeradius-eap.conf
		}
		server default {
			listen {
				type = auth
				ipaddr = 127.0.0.1
				port = $PORT
			}
			authorize {
				eap
			}
			authenticate {
				eap
			}
		}
	EOF
	daemon freeradius freeradius -X -d "$dir"
	started "$DAEMON" grep -q 'Ready to process requests' "$T/freeradius.log" || return 1
	run patiently eapol_test -c "$T/wpa_supplicant.conf" -a 127.0.0.1 -p "$PORT" -s secret -t 50 || return 1
	tail -n 1 "$OUT" | grep -qx SUCCESS && matches "$OUT" "Using TLS version TLSv$1"
}

runs 'EAP server' '1.2 1.3' 'its log' server "$T/freeradius.log"
done_with_program
