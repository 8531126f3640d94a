#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `iotsafe conformance` and the profiles that it writes, on software SIMs of all kinds.
# shellcheck source=tests/tools/lib.sh
. "$(dirname "$0")/lib.sh"
need /usr/bin/python3

on() { # SIM ARGUMENT...
	local sim=$1
	shift
	iotsafe --transport "$(socket_of "$sim")" "$@"
}

# Each of these is asked with its own way and answers within seconds.
asked() {
	run patiently env "${module_env[@]}" "${PRELOAD[@]}" \
		/usr/bin/python3 "$(dirname "$0")/conformance.py" "$TOOL" "$SOFTSIM" "$T/conformance" "$@" || return 1
	equal "$(wc -c <"$OUT")" 0 'bytes of complaints'
}

# Hundreds of processes, which take long with a sanitizer and have nothing new for it.
settings() {
	if [ "${E2E_SANITIZE:-none}" != none ]; then
		WHY='not with sanitizers'
		return 77
	fi
	asked settings "$E2E_SOURCE/docs/iotsafe.1"
}

at_random() {
	local n=12
	[ "${E2E_SANITIZE:-none}" = none ] || n=4
	[ -z "$LONG" ] || n=300
	asked random "$n" "$SEED"
}

by_way() { # WAY PROFILE
	[ -z "${LONG:-}" ] || set -- "$1" # all of them
	asked way "$@"
}

by_reader() {
	start_pcscd pcsc 1 || return
	export WAIT_CARD=$HELPERS/wait_card READER='pcsc reader 1'
	by_way "pcsc:${VPCD[1]}" quantag-1.4
}

table() {
	start_sim sim || return 1
	succeeds on sim conformance && matches "$OUT" '^RULE +EXPECTED +SEEN +COPES +MS' &&
		matches "$OUT" '^class +8N +8N +yes +[0-9]+$' && matches "$OUT" '^generate .* not asked: changes the card' || return 1
	succeeds on sim --json conformance --no-sign &&
		json 'all(sorted(i) == ["copes", "expected", "ms", "rule", "seen"] for i in d) and len(d)' &&
		json 'dict((i["rule"], i["seen"]) for i in d)["signature"] == "not asked: --no-sign"' &&
		json 'all((i["copes"] is None) == i["seen"].startswith("not asked") for i in d)'
}

# Only the containers that are named.
written() {
	run on sim pubkey iotsafe://label=client-key && cp "$OUT" "$T/client.pub" || return 1
	refused 2 'belong together' on sim conformance --write || return 1
	refused 2 'belong together' on sim conformance 'iotsafe://label=spare-1;type=private' || return 1
	succeeds on sim conformance --write 'iotsafe://label=spare-1;type=private' 'iotsafe://label=verify-key;type=public' &&
		lacks "$OUT" 'not asked' || return 1
	run on sim pubkey iotsafe://label=client-key && cmp "$OUT" "$T/client.pub" &&
		run on sim pubkey 'iotsafe://label=spare-1;type=private' && fails on sim pubkey 'iotsafe://label=spare-2;type=private'
}

# Responses are cut short from each exchange on in turn: nothing is told then but why.
broken_off() {
	local n=0
	start_sim broken || return 1
	while :; do
		admin broken fault truncate=1 --skip "$n" --count 1000 || return 1
		run on broken conformance --write 'iotsafe://label=spare-1;type=private' 'iotsafe://label=verify-key;type=public'
		[ "$RC" -ne 0 ] || break
		equal "$(wc -c <"$OUT")" 0 "bytes of a table, from exchange $n" &&
			equal "$(wc -l <"$ERR")" 1 "lines on standard error, from exchange $n" &&
			matches "$ERR" '^iotsafe: .*socket:' || return 1
		admin broken fault clear && admin broken reset || return 1
		n=$((n + 1))
	done
	[ "$n" -gt 80 ] || {
		echo "no more than $n exchanges"
		return 1
	}
	admin broken fault clear
}

it 'a table, and the same in JSON; nothing is signed if so wanted' table
it 'containers are changed only if named' written
it 'a way that breaks at any exchange: one clear error and no table' broken_off
it 'each profile: a SIM made of what was seen is the same; nothing is changed' asked profiles
it 'each setting is seen, or the page says that it is not' settings
it 'the same with settings at random' at_random
it 'the same over a card reader' by_reader
it 'the same in a modem, by +CSIM' by_way csim kigen
it 'the same in a modem, by +CGLA' by_way cgla gsma-strict
done_testing
