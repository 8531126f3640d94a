#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Processes that use one card for different things at the same time: no result of one
# gets into that of another, on a socket, in a reader and in a modem. Old versions and
# neighbours at the same reader, and a card in the place of another.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need openssl
configure
key=iotsafe://label=client-key
pair=iotsafe://label=spare-1
agreeing=$pair\;type=private

declare -A many=([socket]=20 [pcsc]=20 [at]=8)
keys=6 # made meanwhile
[ -z "$LONG" ] || many=([socket]=500 [pcsc]=500 [at]=500) keys=60

# ------------------------------------------------------------------- the cards

# make_store NAME [SETTING...]: a SIM with a key that agrees and signs, for start_sim.
make_store() {
	local name=$1 setting options=()
	shift
	for setting; do options+=(--set "$setting"); done
	mkdir "$T/$name" &&
		"$SOFTSIM" init --store "$T/$name/store" --profile gsma-strict "${options[@]}" >>"$T/$name.log" 2>&1
}

why_no_reader=
vpcd=()
reader() {
	if [ ! -x "$HELPERS/wait_card" ]; then
		WHY='built without PC/SC'
	else
		start_pcscd reader 1
	fi
	case $? in
	0) [ -n "$WHY" ] || vpcd=(--vpcd "127.0.0.1:${VPCD[1]}") ;;
	77) ;;
	*) return 1 ;;
	esac
	why_no_reader=$WHY
}

# The list comes in several answers. It is as it stays after somebody has agreed once.
prepare() {
	reader || return 1
	make_store sim list_page=60 &&
		start_sim sim gsma-strict "${vpcd[@]}" --at "$T/sim/port" --at-mode 0666 || return 1
	[ "${#vpcd[@]}" -eq 0 ] || { card_in reader 1 && keep_card reader 1; } || return 1
	tool sim keygen "$pair" && tool sim keygen iotsafe://label=spare-2 &&
		printf 'to be signed\n' >"$T/message" || return 1
	IOTSAFE_TRANSPORT=$(socket_of sim) agree 1 "$agreeing" && tool sim --json list >"$T/whole"
}

# over TRANSPORT: programs use the card by that from now on.
over() {
	via=$1
	case $1 in
	socket) IOTSAFE_TRANSPORT=$(socket_of sim) ;;
	at) IOTSAFE_TRANSPORT=at:$T/sim/port ;;
	pcsc)
		IOTSAFE_TRANSPORT=pcsc
		[ "${#vpcd[@]}" -ne 0 ] || {
			WHY=$why_no_reader
			return 77
		}
		;;
	esac
	export IOTSAFE_TRANSPORT
}

# ------------------------------------------------------------------ side by side

# begin NAME COMMAND...: beside the others; its output in $T/NAME.log. all_end: each must
# end well.
pids=()
begin() {
	local name=$1
	shift
	"$@" >"$T/$name.log" 2>&1 &
	pids+=("$!")
}
all_end() {
	local pid status=0
	for pid in "${pids[@]}"; do wait "$pid" || status=1; done
	pids=()
	return "$status"
}

agree() { patiently env "${module_env[@]}" "$HELPERS/agree" "$@"; }
said() { cat "$T"/agree*.log; } # by all that have agreed
# sum WORD: of that outcome in all of them.
sum() { said | grep -oE "^[0-9]+ right.*" | grep -oE "[0-9]+ $1" | awk '{ n += $1 } END { print n + 0 }'; }

# agreed PROCESSES COUNT: all of them, and each time rightly.
agreed() {
	rm -f "$T/outcome"
	said | tee "$T/outcome" | grep -E '^[0-9]+ right'
	equal "$(grep -c "^$2 right, 0 wrong, 0 failed$" "$T/outcome")" "$1" 'processes with right secrets only'
}

begin_agreements() { # PROCESSES OPTION...
	local i
	rm -f "$T"/agree*.log
	for ((i = 1; i <= $1; i++)); do begin "agree$i" agree "${@:2}" "$agreeing"; done
}

agreements() { # TRANSPORT
	over "$1" || return
	begin_agreements 8 "${many[$1]}"
	all_end
	agreed 8 "${many[$1]}"
}

# --------------------------------------------------------------------- mixed

sign_and_verify() { # NUMBER
	local i
	for i in 1 2 3; do
		mod openssl dgst -sha256 -sign "$key" -out "$T/sig$1" "$T/message" &&
			openssl dgst -sha256 -verify "$T/client.pub" -signature "$T/sig$1" "$T/message" || return 1
	done
}

list_again() { # NUMBER
	local i
	for i in 1 2 3; do
		mod "$TOOL" --json list >"$T/list$1" && cmp "$T/list$1" "$T/whole" || return 1
	done
}

generate_elsewhere() {
	local i
	for i in 1 2 3; do
		mod "$TOOL" keygen --force iotsafe://label=spare-2 >"$T/other.pub" &&
			openssl pkey -pubin -in "$T/other.pub" -noout || return 1
	done
}

mixed() { # TRANSPORT
	over "$1" || return
	local n=$((many[$1] / 2)) status=0
	mod "$TOOL" pubkey "$key" >"$T/client.pub" || return 1
	begin_agreements 4 "$n"
	begin signer1 hold_key -n 10 "$key"
	begin signer2 hold_key -n 10 -t 2 "$key"
	begin openssl sign_and_verify 1
	begin lister1 list_again 1
	begin lister2 list_again 2
	begin generator generate_elsewhere
	all_end || status=1
	agreed 4 "$n" && equal "$(cat "$T"/signer?.log | grep -c 'verified OK$')" 2 'processes that signed' || return 1
	return "$status"
}

# ------------------------------------------------------------ the same container

new_keys() {
	local i
	for ((i = 0; i < keys; i++)); do mod "$TOOL" keygen --force "$pair" || return 1; done
}

# While somebody generates keys where the agreeing ones have theirs, these get the right
# secret for the public key that they hold, or an error; afterwards all are right.
replaced_meanwhile() { # TRANSPORT
	over "$1" || return
	local n=$((many[$1] / 2)) right=0 wrong=0 failed=0 generator
	new_keys >"$T/generator.log" 2>&1 &
	generator=$!
	while alive "$generator"; do
		begin_agreements 4 -r "$n"
		all_end # some have failed now and then
		right=$((right + $(sum right))) wrong=$((wrong + $(sum wrong))) failed=$((failed + $(sum failed)))
		equal $(($(sum right) + $(sum wrong) + $(sum failed))) $((4 * n)) outcomes || return 1
		[ "$(sum failed)" -eq 0 ] || said | grep -q 'error:.*:iotsafe:' || {
			echo 'agreements failed without an error'
			return 1
		}
	done
	note "$1: $keys keys, secrets: $right right, $wrong wrong, $failed failed" >>"$T/notes"
	wait "$generator" && equal "$wrong" 0 'wrong secrets' || return 1
	begin_agreements 4 "$n"
	all_end
	agreed 4 "$n"
}

# -------------------------------------------------------- a server without turns

# The module reads back what it has put into a container of the card, where it may.
without_turns() { # NAME RIGHT-ONES [SETTING]
	local name=$1
	make_store "$name" "${@:3}" && start_sim "$name" gsma-strict --no-turns &&
		tool "$name" keygen "$pair" || return 1
	IOTSAFE_TRANSPORT="$(socket_of "$name")?turns=no"
	begin_agreements 4 "${many[socket]}"
	all_end # an error is allowed
	said | grep -E '^[0-9]+ right'
	note "no turns, $name: $(sum right) right, $(sum wrong) wrong, $(sum failed) failed" >>"$T/notes"
	equal "$(sum wrong)" 0 'wrong secrets' &&
		equal $(($(sum right) + $(sum failed))) $((4 * many[socket])) outcomes || return 1
	[ "$(sum right)" -ge "$2" ] || {
		echo 'too few right secrets'
		return 1
	}
	stop "$name"
}

it 'a card on a socket, in a reader and in a modem' prepare
: >"$T/notes"
for via in socket pcsc at; do
	it "$via: ECDH on one key, 8 processes, ${many[$via]} secrets each, all right" agreements "$via"
	it "$via: ECDH beside signatures, lists and new keys elsewhere" mixed "$via"
	it "$via: ECDH with a key that others replace: no wrong secret" replaced_meanwhile "$via"
done
it 'no turns: ECDH on one key, 4 processes: no wrong secret' \
	without_turns readable 1 enforce_attributes=off
it 'the same with a container that cannot be read back' without_turns unreadable 0
cat "$T/notes"
done_testing
