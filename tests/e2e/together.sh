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

# ------------------------------------------- old versions, neighbours at a reader

sign() { mod openssl dgst -sha256 -sign "$key" -out "$T/sig" "$T/message"; }

has_opened() { find "/proc/$1/fd" -lname "$2" 2>/dev/null | grep -q .; } # PID FILE
is_locked() { ! flock --nonblock "$1" true; }

# lock_file ENDING: its name for the reader, after somebody has signed.
lock_file() { find "$T/lock" -name "*reader*.$1" | grep -m 1 .; }

# fresh: an empty lock folder, and a card without channels.
fresh() { rm -rf "${T:?}/lock"/* && admin sim reset; }

# A record of version 1 by an old process names a channel, with the youngest possible
# number: it stays as it is, and nobody uses that channel.
old_record() {
	over pcsc || return
	local record from
	fresh && run sign || return 1
	record=$(lock_file lock)
	record=${record%.lock}.channel.$(id -u)
	fresh || return 1
	printf 'iotsafe-channel-1 18446744073709551000 3 A0000005590010 - 0,1,0,0,1,1,0,0,2,0,8,1,0,1\n' >"$record"
	cp "$record" "$T/planted"
	from=$(($(wc -l <"$T/sim/exchanges.json") + 1))
	hold -n 3 "$key" && run mod "$TOOL" list && hold -n 3 "$key" || return 1
	cmp "$record" "$T/planted" || return 1
	tail -n "+$from" "$T/sim/exchanges.json" >"$T/since"
	equal "$(grep -cE '"cmd":"[08]3' "$T/since")" 0 'commands on the channel of the old record' &&
		equal "$(grep -c '"cmd":"00700000' "$T/since")" 1 'channels opened'
}

# The lock of an old process keeps new ones away from the card until it is given back.
old_lock() {
	over pcsc || return
	local lock holder before
	run sign && lock=$(lock_file lock) || return 1
	spawn old flock --close "$lock" sleep infinity
	holder=$SPAWNED
	await is_locked "$lock" || return 1
	before=$(exchanges sim)
	: >"$T/waiting.log"
	spawn_hold waiting -n 1 "$key"
	await has_opened "$SPAWNED" "$lock" && alive "$SPAWNED" || return 1
	equal "$(exchanges sim)" "$before" 'exchanges while another process has the lock' || return 1
	end "$holder"
	ended "$SPAWNED" && matches "$T/waiting.log" 'verified OK$'
}

# neighbour ENDING OPTION...: another user of the folder keeps this lock file for ever; we
# have an error that names it, and sign as soon as he has gone.
neighbour() {
	over pcsc || return
	[ "$(id -u)" -eq 0 ] || {
		WHY='only root can become another user'
		return 77
	}
	local lock status=0
	fresh && run sign && lock=$(lock_file "$1") || return 1
	# shellcheck disable=SC2016 # the inner shell expands it
	spawn neighbour setpriv --reuid 65534 --regid 65534 "${@:2}" bash -c 'exec 9<"$0" && flock 9 && exec sleep infinity' "$lock"
	await is_locked "$lock" || return 1
	IOTSAFE_TIMEOUT_MS=1500 fails sign && one_clear_error "$ERR" "$lock" || status=1
	end "$SPAWNED"
	[ "$status" -eq 0 ] && run sign
}

of_a_group() {
	[ "$(id -u)" -ne 0 ] || group_locks
	neighbour "$1" --groups "$LOCK_GROUP"
}

of_everybody() {
	public_locks && neighbour "$1" --clear-groups
	local status=$?
	chmod 700 "$T/lock"
	return "$status"
}

# ---------------------------------------------------- a card in the place of another

# exchange_for NAME: the card of that store, which has the same ATR.
exchange_for() {
	admin sim remove || return 1
	[ "${#vpcd[@]}" -eq 0 ] || card_out reader 1 || return 1
	admin sim insert "$T/$1/store" || return 1
	[ "${#vpcd[@]}" -eq 0 ] || { stop keeper-reader-1 && card_in reader 1 && keep_card reader 1; } || return 1
}

# signs URI DIGEST: a text, checked with the public key that the card has now.
signs() {
	run mod openssl dgst "-$2" -sign "$1" -out "$T/sig" "$T/message" &&
		run openssl dgst "-$2" -verify "$T/now.pub" -signature "$T/sig" "$T/message"
}

signs_digest() { # URI
	openssl dgst -sha256 -binary -out "$T/digest" "$T/message" &&
		run mod openssl pkeyutl -sign -inkey "$1" -in "$T/digest" -out "$T/sig" -pkeyopt digest:sha256 &&
		openssl dgst -sha256 -verify "$T/now.pub" -signature "$T/sig" "$T/message"
}

# What each card takes: the key for TLS of the second one, texts alone; the third one has
# SHA-256 alone, and longer digests go to it as such.
every_form() { # CARD
	local uri digest
	for uri in "$key" "$pair"; do
		mod "$TOOL" pubkey "$uri" >"$T/now.pub" || return 1
		for digest in sha256 sha384 sha512; do signs "$uri" "$digest" || return 1; done
		if [ "$1-$uri" = "texts-$key" ]; then
			fails signs_digest "$uri" || return 1
		else
			signs_digest "$uri" || return 1
		fi
	done
}

other_cards() {
	local name
	make_store texts enforce_usage=tls key_usage=2 && make_store sha256 hash_algs=1 &&
		sed -i '/"label": "spare-1"/,/"functions"/s/"usage": 2/"usage": 1/' "$T/texts/store/sim.json" &&
		cp -r "$T/sim/store" "$T/first" && mkdir "$T/plain" && mv "$T/first" "$T/plain/store" || return 1
	rm -f "$T/plain/store/lock"
	export IOTSAFE_TRANSPORT
	for name in texts sha256; do
		exchange_for "$name" && IOTSAFE_TRANSPORT=$(socket_of sim) run mod "$TOOL" keygen "$pair" || return 1
	done
}

# A program that holds a key of the card before gets no signature that is not its key's.
exchanged() { # TRANSPORT
	over "$1" || return
	local card holder
	exchange_for plain && every_form plain || return 1
	for card in texts sha256; do
		: >"$T/keeper.log"
		spawn_hold keeper -u "$key"
		holder=$SPAWNED
		at_work "$(exchanges sim)" || return 1
		exchange_for "$card" || return 1
		if ended "$holder"; then
			echo 'a program signed with a key of another card'
			return 1
		fi
		matches "$T/keeper.log" 'error:.*:iotsafe:' && lacks "$T/keeper.log" 'verified OK|does not verify' &&
			every_form "$card" || return 1
	done
}
at_work() { await busy_since $(($1 + 30)); }
busy_since() { [ "$(exchanges sim)" -ge "$1" ]; }

# ------------------------------------------------------- what was refused in passing

# counter NAME: what the SIM says; the first one, since each client has some.
counter() {
	admin sim counters | grep -oE "\"$1\": *[0-9]+" | head -n 1 | awk -F: '{ n = $2 } END { print n + 0 }'
}

# tries COUNT URI: that many signatures; INITs in TRIES and exchanges in TAKEN.
tries() {
	admin sim counters --reset >/dev/null && hold -n "$1" "$2" || return 1
	TRIES=$(counter 'COMPUTE SIGNATURE INIT')
	TAKEN=$(counter exchanges)
}

# Ten signatures more take 30 exchanges more.
warm() { # URI
	local few
	tries 5 "$1" || return 1
	few=$TAKEN
	tries 15 "$1" && equal $((TAKEN - few)) 30 'exchanges of ten warm signatures'
}

# passing INS: each refusal costs a try at that time, and one later at most.
passing() {
	local fault count
	for fault in '6A80 1' '6985 2'; do
		read -r fault count <<<"$fault"
		admin sim fault "sw=$fault" --ins "$1" --count "$count" || return 1
		hold -n 1 "$pair" || return 1
		equal "$(counter faults_armed)" 0 'faults left' || return 1
		tries 6 "$pair" || return 1
		[ "$TRIES" -le 7 ] || {
			echo "6 signatures after $count times $fault took $TRIES tries"
			return 1
		}
		warm "$pair" || return 1
	done
}

after_refusals() { # TRANSPORT
	over "$1" || return
	exchange_for texts && hold -n 2 "$pair" && warm "$pair" || return 1
	passing compute-signature-init && passing compute-signature-update || return 1
	hold -n 1 "$key" && tries 6 "$pair" || return 1
	[ "$TRIES" -le 7 ] || {
		echo "6 signatures beside a key for TLS took $TRIES tries"
		return 1
	}
	# where nothing is kept from one process to the next, each finds out anew
	hold -n 2 "$key" && warm "$key" && warm "$pair"
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
it 'pcsc: the record of an old version is neither believed nor touched' old_record
it 'pcsc: the lock of an old version is waited for' old_lock
for ending in lock queue; do
	it "pcsc: a neighbour of the group keeps .$ending for ever: one clear error" of_a_group "$ending"
	it "pcsc: a neighbour in a folder for everybody does: the same" of_everybody "$ending"
done
it 'other cards of the same product' other_cards
for via in socket pcsc at; do
	it "$via: cards exchanged: every key signs in each form that its card takes" exchanged "$via"
	it "$via: passing refusals and a key for TLS: signatures are as cheap as before" after_refusals "$via"
done
cat "$T/notes"
done_testing
