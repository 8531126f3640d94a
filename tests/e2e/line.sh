#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A SIM in a modem on a bad line, beside a USIM with PINs, and one that falls silent. After
# each fault the result is right or there is a clear error, the next operation is right, no
# channel is left open unsaid, and no PIN has lost a try.
# With IOTSAFE_TEST_LONG=1: at least 1000 faults of each kind, and every session number.
# Jobs in subshells have an OUT and ERR of their own, that is the point of them.
# shellcheck disable=SC2030,SC2031
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need openssl awk stty
configure

rounds=2 # with each value, each of two programs that begin anew
goal=3   # faults with each value, at least, to a program that goes on
modes=(csim cgla)
at_once=16
# three modes, three values: 1000 of each kind
[ -z "$LONG" ] || rounds=6 goal=112 modes=(auto csim cgla) at_once=40

key=iotsafe://label=client-key
spare='iotsafe://label=spare-1;type=private'
store=iotsafe://label=verify-key

profiles=(gsma-strict orange thales-mvp thales-p11 zariot cira quantag-1.4 ntt m33mu kigen wolfssl
	hostile)

# --------------------------------------------------------------------- modems

# start_modem NAME PROFILE [OPTION...]: D is its folder. The module finds it there, and has
# a lock folder and a trace of its own.
start_modem() {
	SIM=$1
	D=$T/$1
	start_sim "$1" "$2" --at "$D/port" "${@:3}" && mkdir -p "$D/lock" && chmod 700 "$D/lock" || return 1
	cp "$T/message" "$D/message" && cp "$T/peer.key" "$T/peer.pub" "$D/" &&
		openssl x509 -in "$D/store/client-cert.pem" -out "$D/cert.pem" &&
		openssl x509 -in "$D/cert.pem" -noout -pubkey >"$D/pub.pem" || return 1
	export IOTSAFE_LOCK_DIR=$D/lock IOTSAFE_TRACE=file:$D/trace
	OUT=$D/out
	ERR=$D/err
	# an AID that is tried only where it is configured
	[ "$2" != cira ] || export IOTSAFE_AID=A0000002480400
	mode auto
}

mode() {
	export IOTSAFE_TRANSPORT="at:$D/port?mode=$1"
	[ "$1" != auto ] || IOTSAFE_TRANSPORT="at:$D/port"
}

set_quirks() { admin "$SIM" modem-set "$@"; }

# ----------------------------------------------------------------- operations

# Each gives 0: done, and the result is right; 1: it failed, ERR says why; 2: the result is
# wrong.
right() { "$@" || return 2; }

op_list() {
	run mod "$TOOL" list || return 1
	local label
	for label in client-key client-cert ca-cert eph-key spare-1 peer-key verify-key psk notes; do
		right matches "$OUT" "[/;]label=$label(;|\$)" || return
	done
}

op_certificate() {
	run mod "$TOOL" cert iotsafe://label=client-cert || return 1
	right cmp "$OUT" "$D/cert.pem"
}

op_sign() {
	run mod "$TOOL" sign "$key" "$D/message" || return 1
	right openssl dgst -sha256 -verify "$D/pub.pem" -signature "$OUT" "$D/message"
}

op_verify() {
	[ -s "$D/signature" ] || {
		op_sign || return
		cp "$OUT" "$D/signature"
	}
	run mod "$TOOL" verify "$key" "$D/message" "$D/signature" || {
		right lacks "$OUT" 'does NOT match' || return
		return 1
	}
	right matches "$OUT" '^signature OK'
}

op_random() {
	run mod "$TOOL" random 32 || return 1
	right equal "$(wc -c <"$OUT")" 32 bytes
}

# After a failure nobody knows which key there is.
op_generate() {
	rm -f "$D/spare.pem"
	run mod "$TOOL" keygen --force "$spare" || return 1
	cp "$OUT" "$D/spare.pem"
	right openssl pkey -pubin -in "$D/spare.pem" -noout
}

op_agree() {
	[ -s "$D/spare.pem" ] || {
		op_generate || return
	}
	run mod openssl pkeyutl -derive -inkey "$spare" -peerkey "$D/peer.pub" || return 1
	right openssl pkeyutl -derive -inkey "$D/peer.key" -peerkey "$D/spare.pem" -out "$D/derived" &&
		right cmp "$D/derived" "$OUT"
}

op_put() {
	run mod "$TOOL" put-key "$store" "$D/peer.pub" || return 1
	run mod "$TOOL" pubkey "$store;type=public" || return 1
	right cmp "$OUT" "$D/peer.pub"
}

op_derive() {
	run mod openssl kdf -propquery provider=iotsafe -kdfopt secret:iotsafe://label=psk \
		-kdfopt digest:SHA256 -kdfopt hexsalt:00 -kdfopt info:line -keylen 32 IOTSAFE-HKDF || return 1
	right matches "$OUT" '^([0-9A-F]{2}:){31}[0-9A-F]{2}$'
}

clear_error() {
	if [ "$RC" -ge 124 ]; then
		echo "ended by a signal or a timeout: $RC"
		return 1
	fi
	matches "$ERR" '^iotsafe: |error:[0-9A-F]+:iotsafe:' && matches "$ERR" "$SIM/port"
}

# right_or_error OPERATION: counts both in GOOD and BAD.
GOOD=0 BAD=0
right_or_error() {
	"op_$1"
	case $? in
	0) GOOD=$((GOOD + 1)) ;;
	1) BAD=$((BAD + 1)) && clear_error ;;
	*) return 1 ;;
	esac
}

# must OPERATION: it is right.
must() {
	"op_$1" && return
	echo "$1 should have been right"
	return 1
}

# ------------------------------------------------------------- many at a time

# Most of the time they wait for a modem.
job() { # NAME FUNCTION [ARGUMENT...]
	local name=$1
	shift
	while [ "$(jobs -rp | wc -l)" -ge "$at_once" ]; do wait -n; done
	(
		trap 'echo $? >"$T/job-$name.status"' EXIT
		"$@" || exit
		rm -f "$T/$name.log" # else each failing item shows them all
	) >"$T/job-$name.txt" 2>&1 &
}

result() { # NAME
	await test -s "$T/job-$1.status"
	tail -n 60 "$T/job-$1.txt"
	return "$(cat "$T/job-$1.status")"
}

# What a job has counted, for the reader.
figures() { sed -n 's/^figures: //p' "$T/job-$1.txt" | tail -n 1; }

# ---------------------------------------------------------------- line faults

# name, values, and what switches it off
faults=(
	call_ends '1 2 5' 0
	lost_characters '1 2 5' 0
	doubled_characters '1 2 5' 0
	cut_lines '1 2 5' 0
	stray_codes '1 2 5' 0
	csim_lines '1 2 5' 0
	restart_lines 'stray 2 5' on
	no_answer_to_open '1 2 3' 0
	no_channels 'on on on' off
	old_answers '1 2 4' 0
)
operations=(list certificate sign agree random generate)

# open_channels: how many the card has open, by its log since the last reset.
open_channels() {
	awk '/"event":"(reset|remove|switch)/ { n = 0 }
		/"ins":"MANAGE CHANNEL"/ && /"sw":"9000"/ { n += /"cmd":"..7000/; n -= /"cmd":"..7080/ }
		END { print n + 0 }' "$D/exchanges.json"
}

# An operation on the bad line after a reset, so that it has to open a channel, and one on
# the good line.
one_round() { # HABIT VALUE OFF OPERATION NEXT
	local lost
	admin "$SIM" reset && : >"$D/trace" && set_quirks "$1=$2" && right_or_error "$4" || return 1
	lost=$(grep -c 'one channel may remain open and unused' "$D/trace")
	[ "$RC" -eq 0 ] || [ "$lost" -eq 0 ] || [ "$4" = agree ] ||
		matches "$ERR" 'channels may remain open and unused' || return 1
	set_quirks "$1=$3" && must "$5" || return 1
	local open
	open=$(open_channels)
	LOST=$((LOST + lost))
	[ "$open" -le 1 ] || LEFT_OPEN=$((LEFT_OPEN + open - 1))
	[ "$open" -le $((1 + lost)) ] && return
	echo "$open channels are open, $lost responses to an opening were lost"
	return 1
}

# go_on HABIT VALUE OFF: the same by one program that goes on.
go_on() {
	local n names=(right errors faults lost open)
	run mod "$HELPERS/bad_line" "$D/admin.sock" "$D/exchanges.json" "$D/trace" "$SIM/port" \
		"$1=$2" "$1=$3" "$goal" || return 1
	read -ra n < <(tr -cd '0-9\n ' <"$OUT")
	equal "${#n[@]}" "${#names[@]}" 'counts' || return 1
	GOOD=$((GOOD + n[0])) BAD=$((BAD + n[1]))
	LOST=$((LOST + n[3])) LEFT_OPEN=$((LEFT_OPEN + n[4]))
}

# The key that a program makes anew each time has a container.
with_ephemeral_key() {
	sed '$a ephemeral-key = iotsafe://label=eph-key' "$CONF/openssl.cnf" >"$D/openssl.cnf"
	module_env=("OPENSSL_MODULES=$MODULES" "OPENSSL_CONF=$D/openssl.cnf")
}

line_faults() { admin "$SIM" counters | sed -n 's/.*"line_faults":\([0-9]*\).*/\1/p'; }

line_fault() { # NAME MODE HABIT VALUES OFF
	local value i operation next first=0
	start_modem "$1" gsma-strict --set channels=0-19 --at-set "seed=$(chance "$1" 100000)" || return 1
	# long enough for a slow machine; a third of it is waited for a response
	export IOTSAFE_TIMEOUT_MS=9000
	mode "$2"
	with_ephemeral_key
	LOST=0 LEFT_OPEN=0
	must generate || return 1
	for value in $4; do
		for ((i = first; i < first + rounds; i++)); do
			operation=${operations[i % 6]}
			next=${operations[(i + 1 + i / 6) % 6]}
			one_round "$3" "$value" "$5" "$operation" "$next" || {
				echo "$3=$value, $operation, then $next"
				return 1
			}
		done
		first=$((first + 2))
		go_on "$3" "$value" "$5" || return 1
	done
	printf '\nfigures: %d right, %d clear errors, %d faults, %d openings lost, %d channels left open\n' \
		"$GOOD" "$BAD" "$(line_faults)" "$LOST" "$LEFT_OPEN"
	stop "$SIM"
}

# Values that share a modem: all of them, or each its own where much is to be done.
shared() { if [ -z "$LONG" ]; then echo "$1"; else tr ' ' '\n' <<<"$1"; fi; }

each_fault() { # FUNCTION: with name of the job, mode, and the row
	local i j mode values
	for ((i = 0; i < ${#faults[@]}; i += 3)); do
		mapfile -t values < <(shared "${faults[i + 1]}")
		for mode in "${modes[@]}"; do
			for j in "${!values[@]}"; do
				"$1" "${faults[i]}-$mode-$j" "$mode" "${faults[i]}" "${values[j]}" "${faults[i + 2]}"
			done
		done
	done
}

begin_fault() { job "$1" line_fault "$@"; }

declare -A strikes right errors lost left_open
end_fault() {
	local n
	it "$2: $3=$4" result "$1"
	note "$2: $3=$4: $(figures "$1")"
	read -ra n < <(figures "$1" | tr -cd '0-9 ')
	right[$3]=$((${right[$3]:-0} + ${n[0]:-0}))
	errors[$3]=$((${errors[$3]:-0} + ${n[1]:-0}))
	strikes[$3]=$((${strikes[$3]:-0} + ${n[2]:-0}))
	lost[$3]=$((${lost[$3]:-0} + ${n[3]:-0}))
	left_open[$3]=$((${left_open[$3]:-0} + ${n[4]:-0}))
}

enough() { # KIND
	[ -z "$LONG" ] || [ "${strikes[$1]}" -ge 1000 ] || return 1
	[ "${left_open[$1]}" -le "${lost[$1]}" ]
}

sums() {
	local i kind
	for ((i = 0; i < ${#faults[@]}; i += 3)); do
		kind=${faults[i]}
		it "$kind: enough faults, no channel left open unsaid" enough "$kind"
		note "$kind: ${strikes[$kind]} faults, ${right[$kind]} right, ${errors[$kind]} clear errors," \
			"${lost[$kind]} openings lost, ${left_open[$kind]} channels left open"
	done
}

# --------------------------------------------------------- a USIM beside us

# What cannot be, and how it is said. A card of chance may refuse anything; without logical
# channels that can be opened a modem gives no way to share the SIM; a list in one piece that
# is longer than the modem's buffer cannot be had from an applet that wants the exact Le.
declare -A impossible=(
	[hostile]=.
	[m33mu]='no logical channel'
	[wolfssl]='no logical channel'
	[csim-m33mu]='no logical channel .*: such a card cannot be used beside a modem'
	[csim-wolfssl]='no logical channel .*: such a card cannot be used beside a modem'
	[sequans-quantag-1.4]='GET DATA answered 6C00.*the modem cut it off after 256 bytes: name'
)

try() {
	local why=${impossible[$SIM]:-${impossible[$PROFILE]:-}}
	right_or_error "$1" || return 1
	[ "$RC" -ne 0 ] || return 0
	[ -n "$why" ] && matches "$ERR" "$why" && return
	echo "$PROFILE: $1 should have been right"
	return 1
}

no_try_lost() {
	admin "$SIM" counters >"$D/counters" && matches "$D/counters" \
		'"usim":\{"pin1_tries":3,"pin2_tries":3,"puk1_tries":10,"puk2_tries":10,"tries_lost":0\}'
}

# A label of 14 characters: the data that name this container are as long as those of CHANGE
# PIN, 16 bytes, so that a USIM takes them for it. Not every card lets us write there.
name_as_long_as_pins() {
	admin "$SIM" put-key verify-key-001 "$D/peer.pub" || return 1
	run mod "$TOOL" put-key iotsafe://label=verify-key-001 "$D/peer.pub" || clear_error
}

uses=(list sign generate agree put verify)

# with every use, and whoever fills the class byte
all_uses() {
	local by use
	for by in modem caller; do
		set_quirks "class_by=$by" || return 1
		for use in "${uses[@]}"; do
			if ! try "$use" || ! no_try_lost; then
				echo "$use, class_by=$by"
				return 1
			fi
		done
		name_as_long_as_pins && no_try_lost || return 1
	done
}

# Another program that opens two channels to the USIM, as a modem lends them.
neighbour() {
	local fd line='' i
	exec {fd}<>"$D/port" && stty -F "$D/port" raw -echo || return 1
	for i in 1 2; do
		printf 'AT+CCHO="A0000000871002"\r' >&"$fd"
		until [[ $line == OK* || $line == *ERROR* ]]; do read -r -t "$PATIENCE" line <&"$fd" || return 1; done
		line=
	done
	exec {fd}>&-
}

# plant WHAT FILLER: in the place of the record that our programs have left.
plant() {
	local record
	# what was planted may be gone by now
	[ -s "$D/record.name" ] || echo "$D"/lock/*.channel2 >"$D/record.name"
	record=$(cat "$D/record.name")
	[ -f "$D/record" ] || cp "$record" "$D/record" || return 1
	rm -f "$record"
	case $1 in
	garbage) head -c 300 /dev/urandom >"$record" ;;
	endless) head -c 100000 /dev/zero | tr '\0' 1 >"$record" ;;
	empty) : >"$record" ;;
	link) ln -s "$D/record" "$record" ;;
	*) awk -v "session=$1" -v "filler=$2" '{ $2 += 5; $3 = session; $6 = filler; print }' \
		OFMT=%.0f CONVFMT=%.0f "$D/record" >"$record" ;;
	esac
}

neighbours_untouched() { # FIRST-LINE of the log that counts
	[ "$PROFILE" != hostile ] || return 0 # where a reset may have ended them
	tail -n "+$1" "$D/exchanges.json" >"$D/since"
	lacks "$D/since" '"cmd":".[12]A404' && lacks "$D/since" '"cmd":"..7080(01|02)'
}

planted=(0 1 2 3 7 19 garbage endless link)
[ -z "$LONG" ] || planted=({0..19} garbage endless empty link)

# A record that lies or is stale, and a USIM on the channel that it names.
stale_records() {
	local by what filler=0 i=0 from
	for by in modem caller; do
		set_quirks "class_by=$by" || return 1
		for what in "${planted[@]}"; do
			i=$((i + 1))
			filler=$(((filler + 1) % 3))
			admin "$SIM" reset && plant "$what" "$filler" && neighbour || return 1
			from=$(($(wc -l <"$D/exchanges.json") + 1))
			if ! try "${uses[i % 6]}" || ! no_try_lost || ! neighbours_untouched "$from"; then
				echo "${uses[i % 6]}, class_by=$by, record of $what, filler $filler"
				tail -n "+$from" "$D/exchanges.json" | cut -c 1-150
				return 1
			fi
		done
	done
}

# Another profile of an eSIM, with the record of the one before.
switched() {
	local use
	[ -d "$D/second" ] || cp -r "$D/store" "$D/second" || return 1
	for use in list agree put; do
		admin "$SIM" switch "$D/second" && neighbour && try "$use" && no_try_lost || return 1
	done
}

sequans() {
	local use
	set_quirks like=sequans || return 1
	for use in list certificate sign; do try "$use" && no_try_lost || return 1; done
}

as_sequans() { # NAME PROFILE
	PROFILE=$2
	start_modem "$1" "$2" && sequans && stop "$SIM"
}

# The applet is on a channel that nobody can open: another way through the modem is no help.
as_csim() { # NAME PROFILE
	PROFILE=$2
	start_modem "$1" "$2" && mode csim && try list && equal "$RC" 1 'status of list' && stop "$SIM"
}

profile() { # NAME PROFILE
	PROFILE=$2
	start_modem "$1" "$2" --at-set "seed=$(chance "$1" 100000)" || return 1
	mode cgla
	all_uses || return 1
	[[ $2 =~ m33mu|wolfssl ]] || { stale_records && switched; } || return 1
	printf '\n%s\n' "figures: $GOOD right, $BAD clear errors"
	stop "$SIM"
}

# An applet that has no list: everything is found by its label alone.
labels_only() {
	local use
	PROFILE=labels
	start_modem labels gsma-strict --set getdata=off || return 1
	# which container is for the peer's key cannot be asked for
	sed '$a peer-key = iotsafe://label=peer-key' "$CONF/openssl.cnf" >"$D/openssl.cnf"
	module_env=("OPENSSL_MODULES=$MODULES" "OPENSSL_CONF=$D/openssl.cnf")
	for use in certificate sign generate agree put verify random derive; do
		try "$use" && no_try_lost || return 1
	done
	op_list
	equal "$RC" 1 'status of list' && clear_error && stop "$SIM"
}

# ------------------------------------------------------------------ a deadline

op_load() {
	run mod openssl pkey -in "$key" -pubout || return 1
	right cmp "$OUT" "$D/pub.pem"
}

# What was begun later than the deadline of an operation whose command was left without a
# response: that command was sent within its time.
begun_after_deadline() { # FIRST-LINE
	tail -n "+$1" "$D/exchanges.json" |
		awk -F '[:,]' '/"cmd":/ { if (mute && $2 > mute + 1) n++; if (/"rsp":""/ && !mute) mute = $2 }
			END { print n + 0 }'
}

silent() { # OPERATION
	local n total before from struck=0 failed=0 status tries=5
	start_modem "silent-$1" gsma-strict || return 1
	"op_$1" || return 1
	before=$(exchanges "$SIM")
	must "$1" || return 1
	total=$(($(exchanges "$SIM") - before))
	[ "$total" -ge 1 ] || return 1
	for ((n = 0; n < total; n++)); do
		admin "$SIM" fault mute --skip "$n" --count 1000 || return 1
		from=$(($(wc -l <"$D/exchanges.json") + 1))
		IOTSAFE_TIMEOUT_MS=1000 "op_$1"
		status=$?
		if tail -n "+$from" "$D/exchanges.json" | grep -q '"rsp":""'; then
			struck=$((struck + 1))
			# 0: it had all that it needed, and closed its session in vain
			[ "$status" -eq 0 ] || {
				failed=$((failed + 1))
				equal "$status" 1 status && clear_error &&
					matches "$ERR" 'tim(e|ed) ?-?out|in time|no time|stopped answering'
			} || return 1
			sed 's/^/error: /' "$ERR"
		fi
		before=$(begun_after_deadline "$from")
		[ "$before" -le 1 ] || {
			echo "$before exchanges were begun after the deadline"
			return 1
		}
		if ! admin "$SIM" fault clear || ! must "$1"; then
			echo "after silence at exchange $n"
			return 1
		fi
		# where the machine is busy the time may be over before anything was sent
		[ "$((n + 1))" -lt "$total" ] || [ "$struck" -gt 0 ] || [ "$((--tries))" -eq 0 ] || n=-1
	done
	printf '\n%s\n' "figures: silence at $struck of $total exchanges, $failed clear errors"
	[ "$failed" -gt 0 ] && [ "$failed" -ge $((struck - 1)) ] && stop "$SIM"
}

# ------------------------------------------------------------------------ run

prepare() {
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$T/peer.key" &&
		openssl pkey -in "$T/peer.key" -pubout -out "$T/peer.pub" && printf 'to be signed\n' >"$T/message"
}

it 'a peer' prepare
for operation in load sign agree; do job "silent-$operation" silent "$operation"; done
job labels-only labels_only
for profile in "${profiles[@]}"; do
	job "with-$profile" profile "with-$profile" "$profile"
	job "sequans-$profile" as_sequans "sequans-$profile" "$profile"
done
for profile in m33mu wolfssl; do job "csim-$profile" as_csim "csim-$profile" "$profile"; done
each_fault begin_fault

each_fault end_fault
sums
for profile in "${profiles[@]}"; do
	it "$profile: in a modem of Sequans" result "sequans-$profile"
	it "$profile: no PIN loses a try" result "with-$profile"
	note "$profile: $(figures "with-$profile")"
done
for profile in m33mu wolfssl; do
	it "$profile: no channel, and what to do" result "csim-$profile"
done
it 'an applet without a list' result labels-only
for operation in load sign agree; do
	it "$operation: the SIM falls silent, the deadline counts" result "silent-$operation"
	note "$operation: $(figures "silent-$operation")"
done
done_testing
