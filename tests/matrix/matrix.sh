#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every operation with every profile of the software SIM, over one way to it, the argument:
# what works, what is refused and how, and how many exchanges with the card it takes. The
# tables are compared with docs/profiles.md; a difference fails the test and is shown.
#
#   meson test -C BUILD --suite matrix                     compares
#   MATRIX_UPDATE=1 meson test -C BUILD --suite matrix     writes docs/profiles.md anew
#
# A change of the numbers that is meant goes into the same commit as its cause.
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
need openssl cmp diff

PAGE=$E2E_SOURCE/docs/profiles.md
TABLES=$E2E_BUILD/tests/matrix/tables # one file each, for the reader of the build folder
WAY=${1:?the way to the card is missing}

profiles=(gsma-strict orange thales-mvp thales-p11 zariot cira quantag-1.4 ntt m33mu kigen wolfssl
	reduced no-list no-applet)
operations=(info list cert pubkey sign sign-warm verify tls-1.3 keygen put-key ecdh random file)

# Two that are no profiles of the software SIM: applets without commands that one may lack.
declare -A lacking=(
	[reduced]='--set random=off --set verify=off --set dh=off'
	[no-list]='--set getdata=off'
)

# The card of a reader: a UICC that talks T=0 (the ATR of the software SIM says so), with
# all that goes with it, and one that talks T=1.
declare -A card=(
	[socket]=''
	[pcsc-t0]='--set t0=on'
	[pcsc-t1]='--atr 3B8180018080'
)
[ -n "${card[$WAY]+known}" ] || skip_all "no such way: $WAY"

# What the errors say, by their codes in the table.
declare -A error=(
	[E1]='has no IoT SAFE applet; tried AID A0000005590010'
	[E2]='(GET DATA|GET RANDOM|COMPUTE DH) answered 6D00: instruction not supported'
	[E3]='gives no logical channel \(MANAGE CHANNEL answered 6D00'
)

key=iotsafe://label=client-key
spare='iotsafe://label=spare-1;type=private'
providers=(-provider default -provider iotsafe)

# --------------------------------------------------------------------- operations

# Each gives 0: done, and the result is right; 1: it failed, with an error in ERR; 2: the
# result is wrong. `counted` runs the command itself: its exchanges are in COUNT.
counted() {
	admin "$SIM" counters --reset >/dev/null || return 2
	run mod "$@"
	COUNT=$(admin "$SIM" counters | grep -oE '"exchanges":[0-9]+' | head -n 1 | cut -d: -f2)
	[ "$RC" -eq 0 ]
}

right() { "$@" || return 2; }

software_verifies() { # PUBLIC-KEY
	cp "$OUT" "$D/signature" && openssl dgst -sha256 -verify "$1" -signature "$D/signature" "$D/message"
}

op_info() {
	counted "$TOOL" info || return 1
	right matches "$OUT" '^Application \(AID\) +[0-9a-f]+$'
}

op_list() {
	local label
	counted "$TOOL" list || return 1
	for label in client-key client-cert ca-cert eph-key spare-1 peer-key verify-key psk notes; do
		right matches "$OUT" "[/;]label=$label(;|\$)" || return
	done
}

op_cert() {
	counted "$TOOL" cert iotsafe://label=client-cert || return 1
	right cmp "$OUT" "$D/cert.pem"
}

op_pubkey() {
	counted "$TOOL" pubkey "$key" || return 1
	right cmp "$OUT" "$D/pub.pem"
}

op_sign() {
	counted "$TOOL" sign "$key" "$D/message" || return 1
	right software_verifies "$D/pub.pem"
}

# What each signature costs in a process that has signed before.
op_sign-warm() {
	local few
	# where processes share a channel, the first finds the session as others left it
	counted "$HELPERS/hold" -n 2 "$key" || return 1
	counted "$HELPERS/hold" -n 3 "$key" || return 1
	few=$COUNT
	counted "$HELPERS/hold" -n 7 "$key" || return 1
	COUNT=$((COUNT - few))
	[ "$PROFILE" = hostile ] || right equal $((COUNT % 4)) 0 'exchanges of four signatures, modulo 4' || return
	COUNT=$((COUNT / 4))
}

op_verify() {
	counted "$TOOL" verify "$key" "$D/message" "$D/by-software" || return 1
	right matches "$OUT" '^signature OK' || return
	if grep -q '^signature OK.*software' "$OUT"; then
		WORD=software
		return
	fi
	local count=$COUNT
	counted "$TOOL" verify "$key" "$D/other" "$D/by-software"
	COUNT=$count
	right equal "$RC" 1 status && right matches "$OUT" 'signature does NOT match'
}

op_tls-1.3() {
	local INPUT=$REQUEST
	counted openssl s_client "${providers[@]}" -ign_eof -tls1_3 -connect "127.0.0.1:${PORT_OF[$SIM-server]}" \
		-key "$key" -cert 'iotsafe://label=client-cert;type=cert' \
		-CAfile "$D/store/ca.pem" -verify_return_error || return 1
	right matches "$OUT" 'TLSv1.3' && right matches "$OUT" 'iotsafe-softsim device'
}

op_keygen() {
	counted "$TOOL" keygen --force "$spare" || return 1
	cp "$OUT" "$D/spare.pem"
	right openssl pkey -pubin -in "$D/spare.pem" -noout || return
	local count=$COUNT
	counted "$TOOL" sign "$spare" "$D/message"
	COUNT=$count
	# an error of this one is not the operation's
	[ "$RC" -eq 0 ] || [ "$PROFILE" = hostile ] || return 2
	[ "$RC" -ne 0 ] || right software_verifies "$D/spare.pem"
}

op_put-key() {
	counted "$TOOL" put-key iotsafe://label=verify-key "$D/peer.pub" || return 1
	local count=$COUNT
	counted "$TOOL" pubkey 'iotsafe://label=verify-key;type=public'
	COUNT=$count
	[ "$RC" -eq 0 ] || [ "$PROFILE" = hostile ] || return 2
	[ "$RC" -ne 0 ] || right cmp "$OUT" "$D/peer.pub"
}

op_ecdh() { # with the pair of keygen
	counted openssl pkeyutl "${providers[@]}" -derive -inkey "$spare" -peerkey "$D/peer.pub" || return 1
	cp "$OUT" "$D/derived"
	[ -s "$D/spare.pem" ] || return 0
	right openssl pkeyutl -derive -inkey "$D/peer.key" -peerkey "$D/spare.pem" -out "$D/derived.too" &&
		right cmp "$D/derived" "$D/derived.too"
}

op_random() {
	counted "$TOOL" random 32 || return 1
	right equal "$(wc -c <"$OUT")" 32 bytes
}

op_file() {
	counted "$TOOL" file iotsafe://label=notes || return 1
	right matches "$OUT" '^This is an iotsafe-softsim: '
}

# ------------------------------------------------------------------------- cells

declare -A RESULT EXCHANGES

# An error as it must be: ours, and not by a signal or because nothing happens.
clear_error() {
	if [ "$RC" -ge 124 ]; then
		echo "ended by a signal or a timeout: $RC"
		return 1
	fi
	matches "$ERR" '^iotsafe: |error:[0-9A-F]+:iotsafe:|signature verification|Operation failed|^hold: '
}

# What is put into the two arrays is read by table(), by name.
# shellcheck disable=SC2034
cell() { # OPERATION
	local at=$WAY,$PROFILE,$1 status code
	WORD=ok
	COUNT=-
	EXCHANGES[$at]=-
	RESULT[$at]=FAIL
	"op_$1"
	status=$?
	[ "$status" -ne 2 ] || return 1
	if [ "$status" -eq 0 ]; then
		RESULT[$at]=$WORD
		EXCHANGES[$at]=$COUNT
		return 0
	fi
	clear_error || return 1
	for code in E1 E2 E3; do
		if grep -qE -e "${error[$code]}" "$ERR"; then
			RESULT[$at]=$code
			EXCHANGES[$at]=$COUNT
			return 0
		fi
	done
	echo 'none of the errors that are documented'
	return 1
}

# Where the card is and how it gets there. It stays connected: else a slow machine would
# find it switched off and its channel closed, and need more exchanges than a fast one.
insert() { # PROFILE [OPTION...]
	local -a listen=()
	[ "$WAY" = socket ] || listen=(--vpcd "127.0.0.1:${VPCD[1]}")
	start_sim "$SIM" "$1" "${listen[@]}" "${@:2}" || return 1
	[ "$WAY" = socket ] || keep_card "$WAY" 1
}

take_out() {
	[ "$WAY" = socket ] || stop "keeper-$WAY-1"
	stop "$SIM"
	[ "$WAY" = socket ] || card_out "$WAY" 1
}

start() {
	local -a options
	local base=$PROFILE
	[ -z "${lacking[$PROFILE]:-}" ] || base=gsma-strict
	read -ra options <<<"${card[$WAY]} ${lacking[$PROFILE]:-}"
	insert "$base" "${options[@]}" || return 1
	IOTSAFE_TRANSPORT=pcsc
	[ "$WAY" != socket ] || IOTSAFE_TRANSPORT=$(socket_of "$SIM")
	export IOTSAFE_TRANSPORT
	# which AID is no secret of the profile's: only this one is not tried by itself
	unset IOTSAFE_AID
	[ "$PROFILE" != cira ] || export IOTSAFE_AID=A0000002480400
	rm -f "$T/lock"/*
	CA=$SIM
	cp "$D/store/client-cert.pem" "$D/cert.pem" &&
		openssl x509 -in "$D/cert.pem" -noout -pubkey >"$D/pub.pem" &&
		printf 'to be signed\n' >"$D/message" && printf 'something else\n' >"$D/other" &&
		cp "$T/peer.key" "$T/peer.pub" "$D/" &&
		client_key >"$D/client.key" &&
		openssl dgst -sha256 -sign "$D/client.key" -out "$D/by-software" "$D/message" &&
		server_certificate "$SIM-server" &&
		start_s_server "$SIM-server" -cert "$T/$SIM-server.pem" -key "$T/$SIM-server.key"
}

# The SIM's key as its store has it: to make a signature without a card.
client_key() {
	grep -A 12 '"kind": "private"' "$D/store/sim.json" | grep -m 1 '"key":' |
		grep -oE '[0-9A-F]{60,}' | basenc --base16 -d | openssl pkey -inform DER
}

finish() {
	stop "$SIM-server"
	take_out
}

# ------------------------------------------------------------------------ hostile

# What such a card does is a matter of chance: an operation succeeds, or says clearly why
# not, in time. It must not leave anything behind that hinders the next one.
hostile_op() { # OPERATION
	local i status good=0
	for i in 1 2 3 4; do
		"op_$1"
		status=$?
		case $status in
		0) good=$((good + 1)) ;;
		1) clear_error || return 1 ;;
		*) return 1 ;;
		esac
	done
	echo "$1 $good" >>"$D/successes"
}

nothing_locked() {
	local file
	for file in "$T"/lock/*; do
		[ -f "$file" ] || continue
		flock -n "$file" true || {
			echo "${file##*/} is locked"
			return 1
		}
	done
	take_out || return 1
	insert hostile --set answer_mode=direct --set remote_admin=0 --set proactive=0 \
		--set spontaneous_reset=0 && op_sign
}

# ------------------------------------------------------------------------- tables

table() { # ARRAY
	local -n cells=$1
	local profile operation
	printf '| %-9s |' Operation
	printf ' %-11s |' "${profiles[@]}"
	printf '\n| --------- |'
	printf ' ----------- |%.0s' "${profiles[@]}"
	echo
	for operation in "${operations[@]}"; do
		printf '| %-9s |' "$operation"
		for profile in "${profiles[@]}"; do printf ' %-11s |' "${cells[$WAY,$profile,$operation]:-FAIL}"; done
		echo
	done
}

# What the page has between the marks of that table.
committed() {
	sed -n "/^<!-- table: $1 -->\$/,/^<!-- end -->\$/p" "$PAGE" | sed '1d;$d'
}

replace() { # NAME FILE
	local page
	exec {page}<"$PAGE" && flock "$page" || return 1 # the other ways write their tables
	awk -v "name=$1" -v "file=$2" '
		$0 == "<!-- table: " name " -->" { print; while ((getline line < file) > 0) print line; skip = 1; next }
		$0 == "<!-- end -->" { skip = 0 }
		!skip' "$PAGE" >"$T/page" && cat "$T/page" >"$PAGE"
	exec {page}<&-
}

compare() { # NAME
	[ -z "${MATRIX_UPDATE:-}" ] || replace "$1" "$TABLES/$1" || return 1
	committed "$1" >"$T/committed"
	diff -u --label "docs/profiles.md: $1" --label 'this run' "$T/committed" "$TABLES/$1"
}

# --------------------------------------------------------------------------- run

mkdir -p "$TABLES" && rm -f "$TABLES"/*"-$WAY"
printf '' >"$T/peer.key"
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$T/peer.key" 2>/dev/null
openssl pkey -in "$T/peer.key" -pubout -out "$T/peer.pub"
module_env=("OPENSSL_MODULES=$MODULES" "OPENSSL_CONF=$T/matrix.cnf")
cp "$CONF/openssl.cnf" "$T/matrix.cnf"

[ "$WAY" = socket ] || {
	it "$WAY: a way to the card" start_pcscd "$WAY" 1
	[ -z "$WHY" ] || done_testing
}
for PROFILE in "${profiles[@]}" hostile; do
	SIM=$WAY-$PROFILE
	D=$T/$SIM
	it "$PROFILE: a SIM and a server" start
	for operation in "${operations[@]}"; do
		if [ "$PROFILE" = hostile ]; then
			it "$PROFILE: $operation ends well or with a clear error" hostile_op "$operation"
		else
			it "$PROFILE: $operation" cell "$operation"
		fi
	done
	if [ "$PROFILE" = hostile ]; then
		it "$PROFILE: nothing is left locked" nothing_locked
		note "hostile, successes of 4: $(tr '\n' ',' <"$D/successes")"
	fi
	finish
done

table RESULT >"$TABLES/results-$WAY"
table EXCHANGES >"$TABLES/exchanges-$WAY"
it 'what works and what does not is as in docs/profiles.md' compare "results-$WAY"
it 'the exchanges are as in docs/profiles.md' compare "exchanges-$WAY"
done_testing
