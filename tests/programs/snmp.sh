#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# net-snmp over DTLS: a manager, and an agent. Over TLS it speaks no version after 1.0,
# which wants signatures of SHA-1.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program net-snmp snmpd snmpd snmpget

# store NAME PAIR FILE [EXPRESSION...]: a pair of $PEM and a configuration, where net-snmp finds them.
store() {
	local name=$1 pair=$2 file=$3
	shift 3
	STORE=("SNMPCONFPATH=$T/$name" "SNMP_PERSISTENT_DIR=$T/$name/index")
	mkdir -p "$T/$name/tls/"{private,certs,ca-certs} "$T/$name/index" && configuration "programs/$file" "$@" &&
		mv "$T/$file" "$T/$name/" && install -m 600 "$PEM/$pair-key.pem" "$T/$name/tls/private/$name.key" &&
		cp "$PEM/$pair.pem" "$T/$name/tls/certs/$name.pem" && cp "$PEM/ca.pem" "$T/$name/tls/ca-certs/"
}

# agent SPAWN PAIR MANAGER'S-PAIR
agent() {
	pick_port
	store agent "$2" snmpd.conf "s,10161,127.0.0.1:$PORT," "s,\"manager\",\"$(common_name_of "$PEM/$3.pem")\"," || return 1
	"$1" agent env "${STORE[@]}" snmpd -f -Le -r
	started "$SPAWNED" grep -q '^NET-SNMP version' "$T/agent.log"
}

# get SPAWN PAIR: what the agent calls its host. Who fails says so at once and lets the other wait.
get() {
	local pid
	store manager "$2" snmp.conf && configuration programs/snmpget.sh \
		's,=agent.example,=localhost,' "s,agent.example:10161,127.0.0.1:$PORT," && in_place_of_shell "$T/snmpget.sh" || return 1
	"$1" snmpget env "${STORE[@]}" sh "$T/snmpget.sh" -t 600 -r 0
	pid=$SPAWNED
	known() { gone "$pid" || grep -q "$REASON" "$T/snmpget.log" "$T/agent.log"; }
	await known && matches "$T/snmpget.log" "= STRING: \"?$(uname -n)\"?\$"
}

manager() { agent spawn peer client && get spawn_mod client; }
server() { agent spawn_mod client peer && get spawn peer; }

runs 'DTLS manager' '1.2' 'standard error' manager "$T/snmpget.log"
runs 'DTLS agent' '1.2' 'its log' server "$T/agent.log"
done_with_program
