#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Threads that share keys and a SIM that fails now and then, directly and through the
# bridge (soak.c). In a build with the thread sanitizer it reports races; nothing that is
# not of our build runs in here. IOTSAFE_SOAK is the number of operations.
COUNT=${IOTSAFE_SOAK:-4000}
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
configure
key=iotsafe://label=client-key
BRIDGE=$E2E_BUILD/bridge/iotsafe-bridge

prepare() { start_sim sim gsma-strict --log /dev/null && tool sim keygen iotsafe://label=spare-1; }

start_bridge() {
	if [ ! -x "$BRIDGE" ]; then
		WHY='built without the bridge'
		return 77
	fi
	: >"$T/bridge.log"
	spawn bridge "$BRIDGE" --transport "$(socket_of sim)" --listen "unix:$T/bridge.sock"
	started "$SPAWNED" grep -q serving "$T/bridge.log"
}

via() { # socket, bridge
	[ "$1" = socket ] && IOTSAFE_TRANSPORT=$(socket_of sim) && return
	[ -S "$T/bridge.sock" ] && IOTSAFE_TRANSPORT=socket:$T/bridge.sock && return
	WHY='there is no bridge'
	return 77
}

threads() { # VIA
	export IOTSAFE_TRANSPORT
	via "$1" || return
	run mod "$E2E_BUILD/tests/long/soak" -t 16 "$COUNT" "$T/sim/admin.sock" "$T/sim/store/ca.pem" || return 1
	matches "$OUT" "^$COUNT operations in 16 threads, none wrong" || return 1
	cp "$OUT" "$T/figures-$1"
}

signers() { # VIA: eight processes with four threads each
	local i status=0
	local -a pids=()
	export IOTSAFE_TRANSPORT
	via "$1" && admin sim fault clear || return
	for i in 1 2 3 4 5 6 7 8; do
		: >"$T/holder$i.log"
		spawn_hold "holder$i" -t 4 -n 20 "$key"
		pids+=("$SPAWNED")
	done
	for i in "${pids[@]}"; do ended "$i" || status=1; done
	return "$status"
}

it 'a software SIM without delays' prepare
it 'a bridge in front of it' start_bridge
for way in socket bridge; do
	it "$way: $COUNT operations in 16 threads, none wrong" threads "$way"
	it "$way: eight clients with four threads each" signers "$way"
	[ ! -e "$T/figures-$way" ] || note "figure: threads, $way, sanitizer $E2E_SANITIZE: $(cat "$T/figures-$way")"
done
done_testing
