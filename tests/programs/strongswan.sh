#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# strongSwan: two daemons on loopback authenticate each other with IKEv2. Whether the
# kernel takes the tunnel does not matter here.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program strongSwan charon-systemd charon-systemd swanctl
[ "$(id -u)" -eq 0 ] || skip_all 'only root can run charon'

# charon NAME PAIR PORT OTHER-PORT: in a folder of its own, with that pair.
charon() {
	local dir=$T/$1 prefix=(daemon "$1")
	mkdir -p "$dir/private" "$dir/x509" "$dir/x509ca" &&
		cp "$PEM/$2.pem" "$dir/x509/client.pem" && cp "$PEM/$2-key.pem" "$dir/private/key.pem" &&
		cp "$PEM/ca.pem" "$dir/x509ca/" || return 1
	configuration programs/swanctl.conf 's,vpn.example$,localhost,' 's,device.example,localhost,' \
		"s,remote_addrs = .*,remote_addrs = 127.0.0.1\nlocal_addrs = 127.0.0.1\nlocal_port = $3\nremote_port = $4\nencap = yes," \
		's,10.0.0.0/24,127.0.0.1/32,' && mv "$T/swanctl.conf" "$dir/swanctl.conf" || return 1
	configuration programs/strongswan.conf "s,load = .*,&\nport = $(($3 - 1))\nport_nat_t = $3\nretransmit_tries = 1\nplugins { vici { socket = unix://$dir/vici } }\nfilelog { log { path = $T/$1.log\nflush_line = yes\ndefault = 1 } }," || return 1
	mv "$T/strongswan.conf" "$dir/strongswan.conf"
	[ "$2" != peer ] || prefix=(spawn "$1") # no module
	STRONGSWAN_CONF=$dir/strongswan.conf SWANCTL_DIR=$dir "${prefix[@]}" charon-systemd
	started "$SPAWNED" test -S "$dir/vici" || return 1
	STRONGSWAN_CONF=$dir/strongswan.conf SWANCTL_DIR=$dir run mod swanctl --load-all --uri "unix://$dir/vici"
}

# connect PAIR PAIR: of the one who begins, and the other.
connect() {
	pick_port 4
	rm -rf "$T/begins" "$T/answers"
	charon answers "$2" $((PORT + 1)) $((PORT + 3)) && charon begins "$1" $((PORT + 3)) $((PORT + 1)) || return 1
	run patiently swanctl --initiate --ike gateway --timeout 50 --uri "unix://$T/begins/vici"
	matches "$OUT" 'IKE_SA gateway\[[0-9]*\] established' &&
		matches "$OUT" "authentication of '.*' with ECDSA.* successful"
}

initiator() { connect client peer; }
responder() { connect peer client; }

runs 'initiator (IKEv2)' - trace initiator
runs 'responder (IKEv2)' - trace responder
done_with_program
