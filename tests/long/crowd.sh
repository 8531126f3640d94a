#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Many processes on one SIM, each with the module in it: all signatures are good, none of
# the processes starves, and nothing is left behind.
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
configure
key=iotsafe://label=client-key
PROCESSES=32
SIGNATURES=100

reader() {
	start_pcscd crowd 1 || return
	start_sim pcsc gsma-strict --vpcd "127.0.0.1:${VPCD[1]}" && card_in crowd 1 && keep_card crowd 1
}

# over VIA: its card; programs use it from now on.
over() {
	case $1 in
	socket) start_sim socket && export IOTSAFE_TRANSPORT && IOTSAFE_TRANSPORT=$(socket_of socket) ;;
	pcsc) reader && export IOTSAFE_TRANSPORT=pcsc ;;
	esac && five_signatures "$1" && five_signatures "$1" && BEFORE=$TAKEN
}

# One that has ended does not come.
at_gate() { started "$2" grep -q '^at the gate$' "$T/crowd$1.log"; } # NUMBER PID

all_sign() {
	local i gate status=0
	: >"$T/medians"
	exec {gate}>"$T/gate" && flock "$gate" || return 1
	local -a pids=()
	for ((i = 1; i <= PROCESSES; i++)); do
		: >"$T/crowd$i.log"
		spawn_hold "crowd$i" -g "$T/gate" -m -n "$SIGNATURES" "$key"
		pids+=("$SPAWNED")
	done
	for ((i = 1; i <= PROCESSES; i++)); do at_gate "$i" "${pids[i - 1]}" || return 1; done
	flock --unlock "$gate"
	exec {gate}>&-
	for i in "${pids[@]}"; do ended "$i" || status=1; done
	[ "$status" -eq 0 ] || return 1
	sed -n 's/^median \(.*\) ms$/\1/p' "$T"/crowd*.log | sort -n >"$T/medians"
	equal "$(cat "$T"/crowd*.log | grep -c ": $SIGNATURES signatures in each of 1 threads: verified OK\$")" \
		"$PROCESSES" 'processes with good signatures only' &&
		equal "$(wc -l <"$T/medians")" "$PROCESSES" medians
}

# For the reader: how much longer one process waited than another. No verdict, it is time.
fairness() { # VIA
	local fastest slowest
	fastest=$(head -n 1 "$T/medians")
	slowest=$(tail -n 1 "$T/medians")
	note "figure: crowd over $1: $PROCESSES processes, $SIGNATURES signatures each, medians from" \
		"$fastest to $slowest ms ($(awk "BEGIN { printf \"%.2f\", $slowest / $fastest }") times)"
}

# five_signatures SIM: what a process takes for them, in TAKEN; it waits for nobody.
five_signatures() {
	local -a module_env=("${module_env[@]}" "$FAR_DEADLINE")
	admin "$1" counters --reset >/dev/null && hold -n 5 "$key" || return 1
	TAKEN=$(admin "$1" counters | grep -oE '"exchanges": *[0-9]+' | head -n 1 | grep -oE '[0-9]+')
}

channels() { admin "$1" counters | grep -oE '"channels":[0-9]+' | cut -d : -f 2; }
has_channels() { [ "$(channels "$1")" -eq "$2" ]; } # SIM COUNT

unlocked() {
	local file
	for file in "$T"/lock/*.lock "$T"/lock/*.queue; do
		[ ! -e "$file" ] || flock --nonblock "$file" true || {
			echo "somebody still has ${file##*/}"
			return 1
		}
	done
}

# On a socket each connection had its own channel; in a reader they used one together,
# which stays open. A session left open would cost exchanges.
nothing_left() { # VIA CHANNELS
	await has_channels "$1" "$2" || {
		echo "$(channels "$1") channels are open"
		return 1
	}
	unlocked && five_signatures "$1" && equal "$TAKEN" "$BEFORE" 'exchanges of five signatures'
}

notes=()
for via in socket pcsc; do
	[ "$via" = socket ] && left=0 || left=1
	it "$via: a card" over "$via"
	[ "$WHY" = '' ] || continue
	it "$via: $PROCESSES processes make $SIGNATURES signatures each, all good" all_sign
	[ ! -s "$T/medians" ] || notes+=("$(fairness "$via")")
	it "$via: no lock, channel or session is left" nothing_left "$via" "$left"
done
for note in "${notes[@]}"; do echo "$note"; done
done_testing
