#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One process for a very long time: flat memory, no descriptor and no channel left
# (soak.c). IOTSAFE_SOAK is the number of operations.
COUNT=${IOTSAFE_SOAK:-200000}
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
configure

channels() { admin sim counters | grep -oE '"channels":[0-9]+'; }

prepare() {
	# its log would have hundreds of megabytes
	start_sim sim gsma-strict --log /dev/null && tool sim keygen iotsafe://label=spare-1 || return 1
	await test "$(channels)" = '"channels":0'
}

soak() {
	local status
	IOTSAFE_TRANSPORT=$(socket_of sim) mod "$E2E_BUILD/tests/long/soak" "$COUNT" \
		"$T/sim/admin.sock" "$T/sim/store/ca.pem" >"$T/soak.log" 2>&1
	status=$?
	tail -n 20 "$T/soak.log"
	return "$status"
}

none_left() { [ "$(channels)" = '"channels":0' ]; }

# Channels and with them the sessions on them, and nothing that keeps others out.
nothing_left() {
	await none_left || return 1
	IOTSAFE_TRANSPORT=$(socket_of sim) hold -n 3 iotsafe://label=client-key
}

it 'a software SIM without delays' prepare
it "$COUNT operations in one process: memory and descriptors stay as they are" soak
it 'no channel and no session is left, and the next process signs' nothing_left
note "figure: soak: $(grep 'operations,' "$T/soak.log" || echo 'not reached')"
done_testing
