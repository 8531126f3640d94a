#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A SIM in a modem on a bad line, beside a USIM with PINs, and one that falls silent. After
# each fault the result is right or there is a clear error, the next operation is right, no
# channel is left open unsaid, and no PIN has lost a try.
# With IOTSAFE_TEST_LONG=1: 1000 faults of each kind, and every session number.
# Jobs in subshells have an OUT and ERR of their own, that is the point of them.
# shellcheck disable=SC2030,SC2031
LONG=${IOTSAFE_TEST_LONG:-} # before lib.sh forgets all settings of ours
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need openssl awk stty
configure

goal=0   # faults of each kind with each N, at least
rounds=2 # operations with each of these
modes=(csim cgla)
[ -z "$LONG" ] || goal=1000 rounds=6 modes=(auto csim cgla)

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
	export IOTSAFE_TRANSPORT=at:$D/port?mode=$1
	[ "$1" != auto ] || IOTSAFE_TRANSPORT=at:$D/port
}

set_habits() { admin "$SIM" modem-set "$@"; }

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
	while [ "$(jobs -rp | wc -l)" -ge 16 ]; do wait -n; done
	(
		trap - EXIT
		"$@"
		echo $? >"$T/job-$name.status"
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
	admin "$SIM" reset && : >"$D/trace" && set_habits "$1=$2" && right_or_error "$4" || return 1
	lost=$(grep -c 'one channel may be open for nobody' "$D/trace")
	[ "$RC" -eq 0 ] || [ "$lost" -eq 0 ] || [ "$4" = agree ] ||
		matches "$ERR" 'channels may be open for nobody' || return 1
	set_habits "$1=$3" && must "$5" || return 1
	local open
	open=$(open_channels)
	[ "$open" -le $((1 + lost)) ] && return
	echo "$open channels are open, $lost responses to an opening were lost"
	return 1
}

line_fault() { # NAME MODE HABIT VALUES OFF
	local value i before begun operation next n first=0
	start_modem "$1" gsma-strict --set channels=0-19 --at-set "seed=$(chance "$1" 100000)" || return 1
	# long enough for a slow machine; a third of it is waited for a response
	export IOTSAFE_TIMEOUT_MS=9000
	mode "$2"
	must generate || return 1
	for value in $4; do
		n=1
		[[ ! $value =~ ^[0-9]+$ ]] || [ "$3" = old_answers ] || n=$value
		begun=0
		for ((i = first; i < first + rounds || begun / n < goal; i++)); do
			operation=${operations[i % 6]}
			next=${operations[(i + 1 + i / 6) % 6]}
			before=$(exchanges "$SIM")
			one_round "$3" "$value" "$5" "$operation" "$next" || {
				echo "$3=$value, $operation, then $next"
				return 1
			}
			begun=$((begun + $(exchanges "$SIM") - before))
		done
		first=$((first + 2))
	done
	echo "figures: $GOOD right, $BAD clear errors"
	stop "$SIM"
}

each_fault() { # FUNCTION: with name of the job, mode, and the row
	local i mode
	for ((i = 0; i < ${#faults[@]}; i += 3)); do
		for mode in "${modes[@]}"; do "$1" "${faults[i]}-$mode" "$mode" "${faults[@]:i:3}"; done
	done
}

begin_fault() { job "$1" line_fault "$@"; }
end_fault() {
	it "$2: $3" result "$1"
	note "$2: $3: $(figures "$1")"
}

# ------------------------------------------------------------------------ run

prepare() {
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$T/peer.key" &&
		openssl pkey -in "$T/peer.key" -pubout -out "$T/peer.pub" && printf 'to be signed\n' >"$T/message"
}

it 'a peer' prepare
each_fault begin_fault
each_fault end_fault
done_testing
