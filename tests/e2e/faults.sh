#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Each fault of a card or of the way to it, at each exchange of each operation, on a
# socket, in a reader, in a modem and behind the bridge (faults.c says what must hold). A
# sample in the ordinary run, all of it with IOTSAFE_TEST_LONG. E2E_SEED repeats a sample;
# FAULTS_WAYS="socket at" leaves the other ways out.
#
# Not among the faults: a bit inverted in the secret that COMPUTE DH gives out. Nothing on
# the card or in the module can tell it from the right one; the peer does, when it uses it.
# A bit inverted in what is merely read, a label or a certificate, is counted apart.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
configure
BRIDGE=$E2E_BUILD/bridge/iotsafe-bridge

declare -A sample=([socket]=60 [pcsc]=16 [at]=10 [bridge]=24)
[ -z "$LONG" ] || sample=([socket]=0 [pcsc]=0 [at]=0 [bridge]=0) # all

reader() {
	if [ ! -x "$HELPERS/wait_card" ]; then
		WHY='built without PC/SC'
		return 77
	fi
	start_pcscd reader 1 && start_sim pcsc gsma-strict --vpcd "127.0.0.1:${VPCD[1]}" &&
		card_in reader 1 && keep_card reader 1
}

bridge() {
	if [ ! -x "$BRIDGE" ]; then
		WHY='built without the bridge'
		return 77
	fi
	start_sim bridge && : >"$T/server.log" || return 1
	IOTSAFE_TIMEOUT_MS=3000 spawn server "$BRIDGE" --transport "$(socket_of bridge)" --listen "unix:$T/server.sock"
	started "$SPAWNED" grep -q serving "$T/server.log"
}

# card VIA: starts it; what leads to it in TRANSPORT.
card() {
	case $1 in
	socket) start_sim socket && TRANSPORT=$(socket_of socket) ;;
	pcsc) reader && TRANSPORT=pcsc ;;
	at) start_sim at gsma-strict --at "$T/at/port" && TRANSPORT=at:$T/at/port ;;
	bridge) bridge && TRANSPORT=socket:$T/server.sock ;;
	esac
}

# One SIM each, all at the same time: most of the time is waiting.
declare -A pid why
begin() { # VIA
	local port=''
	TRANSPORT=
	WHY=
	card "$1"
	case $? in
	0) ;;
	77) why[$1]=$WHY && return ;;
	*) return 1 ;;
	esac
	[ "$1" != at ] || port=$T/at/port
	mkdir "$T/lock/$1" && chmod 700 "$T/lock/$1" || return 1
	IOTSAFE_TRANSPORT=$TRANSPORT IOTSAFE_LOCK_DIR=$T/lock/$1 mod "$HELPERS/faults" "$1" \
		"$T/$1/admin.sock" "$T/$1/exchanges.json" "$port" "$SEED" "${sample[$1]}" >"$T/faults-$1.log" 2>&1 &
	pid[$1]=$!
}

faults() { # VIA
	if [ -n "${why[$1]:-}" ]; then
		WHY=${why[$1]}
		return 77
	fi
	local status=0
	wait "${pid[$1]}" || status=$?
	grep -v '^case: ' "$T/faults-$1.log"
	return "$status"
}

read -ra ways <<<"${FAULTS_WAYS:-socket pcsc at bridge}"
note "seed $SEED"
for via in "${ways[@]}"; do it "$via: a card" begin "$via"; done
for via in "${ways[@]}"; do
	it "$via: each fault is repaired or told, and the next operation is right" faults "$via"
	[ ! -e "$T/faults-$via.log" ] || note "$(tail -n 1 "$T/faults-$via.log")"
done
done_testing
