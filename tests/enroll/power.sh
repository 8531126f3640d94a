#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# iotsafe-enroll is killed at every step, as a power cut would end it. The next run
# completes, makes no second key, and finds whole files.
# shellcheck source=tests/enroll/lib.sh
. "$(dirname "$0")/lib.sh"

cert=$T/device.pem
job=(est --key "$new" --generate --cert-out "$cert" --chain-out "$T/chain.pem" "${by_password[@]}")

# spawn_job NAME: the job in the background.
spawn_job() {
	spawn_mod "$1" env "$FAR_DEADLINE" "$ENROLL" --transport "$(socket_of sim)" est --server "$EST" \
		--trust "$T/$CA/store/ca.pem" --subject /CN=device-1 "${job[@]:1}"
	PID_OF[$1]=$SPAWNED
}

# whole: what there is are whole certificates for keys of the SIM.
whole() {
	[ ! -e "$cert" ] || holds "$cert" "$new" || return 1
	[ ! -e "$T/chain.pem" ] || openssl x509 -in "$T/chain.pem" -noout
}

# completes: what was begun, with the key that was made, if one was.
completes() {
	whole || return 1
	[ -e "$cert" ] || run "${job[@]}" || return 1
	whole && [ -e "$cert" ] && run openssl verify -CAfile "$T/chain.pem" "$cert" &&
		equal "$(find "$T" -maxdepth 1 -name '.*.new')" '' 'files left behind' &&
		equal "$(generated)" 1 'keys made'
}

# again: the container is empty, and there are no files.
again() { world && rm -f "$cert" "$T/chain.pem"; }

# The SIM does what it is told in exchange N, but the process is killed before it knows.
at_every_exchange() {
	local n total
	again && run "${job[@]}" || return 1
	total=$(exchanges sim)
	for ((n = 0; n < total; n++)); do
		again && admin sim fault mute --skip "$n" --count 1000 || return 1
		spawn_job cut
		await past "$n" || return 1
		end "${PID_OF[cut]}" KILL
		admin sim fault clear && completes || {
			echo "after exchange $n"
			return 1
		}
	done
	[ "$n" -ge 6 ]
}
past() { [ "$(exchanges sim)" -gt "$1" ]; }

at_every_request() {
	local operation
	for operation in cacerts csrattrs simpleenroll; do
		again && mode "hold $operation" || return 1
		spawn_job cut
		await grep -q "$operation held" "$T/est/requests" || return 1
		equal "$(generated)" "$([ "$operation" = simpleenroll ] && echo 1 || echo 0)" "keys made before $operation" || return 1
		end "${PID_OF[cut]}" KILL
		mode
		completes || {
			echo "at $operation"
			return 1
		}
	done
}

# A renewal: the old certificate is there until the new one is.
at_every_write() {
	local n total preload=("LD_PRELOAD=${PRELOAD[0]+${PRELOAD[0]#*=} }$E2E_BUILD/tests/enroll/libdie_at.so")
	local -a renewal=(patiently env "${module_env[@]}" "${preload[@]}" "DIE_COUNT=$T/count")
	local -a with=("$ENROLL" --transport "$(socket_of sim)" est --server "$EST" --trust "$T/$CA/store/ca.pem" --subject /CN=x
		--key "$new" --cert-out "$cert" --chain-out "$T/chain.pem")
	run "${renewal[@]}" "${with[@]}" || return 1
	total=$(cat "$T/count")
	[ "$total" -ge 16 ] || { echo "$total steps" && return 1; }
	for ((n = 1; n <= total; n++)); do
		"${renewal[@]}" "DIE_AT=$n" "${with[@]}" >"$OUT" 2>"$ERR"
		equal "$?" 137 "the end at step $n" && whole && [ -s "$cert" ] && [ -s "$T/chain.pem" ] || return 1
	done
	run "${with[@]}" && completes
}

it 'at every exchange with the SIM' at_every_exchange
it 'at every request' at_every_request
it 'at every step of writing files' at_every_write
done_testing
