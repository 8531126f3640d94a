#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# openvpn, without a tunnel device: what counts is that the control channel gets up.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program OpenVPN openvpn openvpn

# end_of NAME FILE VERSION [OPTION...]: one end, with the module if it is not the peer's.
openvpn_options=(--ifconfig-noexec --verb 3 --suppress-timestamps)

client() {
	pick_port
	configuration programs/openvpn-server.conf 's,^dev .*,dev null,' "s,1194,$PORT," 's,/server,/peer,' &&
		configuration programs/openvpn-client.conf 's,^dev .*,dev null,' "s,vpn.example 1194,127.0.0.1 $PORT," || return 1
	spawn peer-server openvpn --config "$T/openvpn-server.conf" --local 127.0.0.1 "${openvpn_options[@]}"
	started "$SPAWNED" listening "$PORT" || return 1
	daemon client openvpn --config "$T/openvpn-client.conf" --pull-filter ignore '' \
		--connect-retry-max 1 --tls-version-max "$1" "${openvpn_options[@]}"
	# its server is of the kind for one client and pushes nothing
	up client "$1" && matches "$T/peer-server.log" "VERIFY OK: depth=0, CN=$(common_name_of "$PEM/client.pem")"
}

server() {
	pick_port
	configuration programs/openvpn-server.conf 's,^dev .*,dev null,' "s,1194,$PORT," &&
		configuration programs/openvpn-client.conf 's,^dev .*,dev null,' "s,vpn.example 1194,127.0.0.1 $PORT," \
			's,/client,/peer,' || return 1
	daemon_on "$PORT" server openvpn --config "$T/openvpn-server.conf" --local 127.0.0.1 \
		--tls-version-max "$1" "${openvpn_options[@]}" || return 1
	spawn peer openvpn --config "$T/openvpn-client.conf" --connect-retry-max 1 "${openvpn_options[@]}"
	up server "$1" && matches "$T/peer.log" "VERIFY OK: depth=0, CN=$(common_name_of "$PEM/server.pem")"
}

# up NAME VERSION: whether the control channel got there.
up() {
	await grep -qE 'Control Channel: |OpenSSL: error|TLS handshake failed' "$T/$1.log"
	matches "$T/$1.log" "Control Channel: TLSv$2"
}

runs client '1.2 1.3' 'its log' client "$T/client.log"
runs server '1.2 1.3' 'its log' server "$T/server.log"
done_with_program
