#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The trace: what is secret is in none, whatever way it comes from the SIM; text says which
# object, mode and result it was.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need openssl
configure
key=iotsafe://label=client-key
spare='iotsafe://label=spare-1;type=private'
# what goes into derivations, and is not to be seen
salt=5A17C0FFEE5A17C0FFEE5A17C0FFEE01
seed=5EED00C0DE5EED00C0DE5EED00C0DE02

# Three ways by which responses come: at once, by GET RESPONSE, and in two parts.
prepare() {
	local sim
	start_sim direct gsma-strict && start_sim waiting zariot &&
		start_sim parts gsma-strict --set answer_mode=data-61 || return 1
	for sim in direct waiting parts; do
		IOTSAFE_TRANSPORT=$(socket_of "$sim") run mod "$TOOL" keygen "$spare" || return 1
	done
	printf 'to be signed\n' >"$T/message"
}

# jobs SIM SETTING: all that gives out secrets, and what gives none.
jobs_of() {
	local -x IOTSAFE_TRANSPORT IOTSAFE_TRACE=$2
	IOTSAFE_TRANSPORT=$(socket_of "$1")
	run mod "$TOOL" list || return 1
	run mod openssl dgst -sha256 -sign "$key" -out "$T/sig" "$T/message" || return 1
	run mod "$TOOL" random 32 || return 1
	derive IOTSAFE-HKDF -kdfopt "hexsalt:$salt" -kdfopt info:x || return 1
	derive IOTSAFE-TLS1-PRF -kdfopt "hexseed:$seed" || return 1
	run mod "$TOOL" keygen --force "$spare" || return 1
	run mod "$HELPERS/agree" 2 "$spare"
}

derive() { # KDF OPTION...
	run mod openssl kdf -propquery provider=iotsafe -kdfopt secret:iotsafe://label=psk \
		-kdfopt digest:SHA256 -keylen 32 "${@:2}" "$1"
}

# exchanges_since SIM LINE: instruction, command and response, with tabs between.
exchanges_since() {
	tail -n "+$(($2 + 1))" "$T/$1/exchanges.json" |
		sed -nE 's/.*"ins":"([^"]*)","cmd":"([^"]*)","rsp":"([^"]*)".*/\1\t\2\t\3/p'
}

# secrets FILE: what came in response to commands that give out secrets, GET RESPONSE
# included. Three bytes and less are found anywhere.
secrets() {
	awk -F '\t' '
		$1 != "GET RESPONSE" { secret = $1 ~ /^(GET RANDOM|COMPUTE (DH|PRF|HKDF))$/ }
		secret && length($3) > 4 + 6 { print substr($3, 1, length($3) - 4) }' "$1"
}

# tells_no_secret SIM HEX-FILE: and the SIM has given out some of each kind.
tells_no_secret() {
	local kind secret n=0
	for kind in 'GET RANDOM' 'COMPUTE DH' 'COMPUTE PRF' 'COMPUTE HKDF'; do
		matches "$T/seen" "^$kind" || return 1
	done
	matches "$T/seen" "$salt" && matches "$T/seen" "$seed" || return 1
	while read -r secret; do
		if grep -q -e "$secret" "$2"; then
			echo "in ${2##*/}: $secret"
			return 1
		fi
		n=$((n + 1))
	done < <(secrets "$T/seen"; echo "$salt"; echo "$seed")
	[ "$n" -ge 7 ] && return
	echo "the SIM gave out $((n - 2)) secrets"
	return 1
}

# traced SIM SETTING: the jobs; what the SIM saw of them is in the file seen.
traced() {
	local before
	before=$(wc -l <"$T/$1/exchanges.json")
	jobs_of "$1" "$2" && exchanges_since "$1" "$before" >"$T/seen"
}

text_tells_no_secret() { # SIM
	traced "$1" "file:$T/$1.text" && tells_no_secret "$1" "$T/$1.text" || return 1
	equal "$(grep -c ' >> ' "$T/$1.text")" "$(wc -l <"$T/seen")" 'commands in the trace' &&
		equal "$(grep -c ' << ' "$T/$1.text")" "$(wc -l <"$T/seen")" 'responses in the trace'
}

packets_tell_no_secret() { # SIM
	traced "$1" "pcap:$T/$1.pcap" || return 1
	od -An -v -tx1 "$T/$1.pcap" | tr -d ' \n' | tr a-f A-F >"$T/hex"
	# what is no secret is there, so that all that is there would be found
	matches "$T/hex" "$(grep -m 1 '^COMPUTE SIGNATURE UPDATE' "$T/seen" | cut -f 2 | cut -c 15-78)" &&
		tells_no_secret "$1" "$T/hex"
}

text_in_words() {
	local text=$T/direct.text
	matches "$text" '>> [0-9A-F]+  COMPUTE SIGNATURE INIT, open, session=1, private key (label="client-key"|id=01), mode=pad and sign, hash=SHA-256, algorithm=ECDSA$' &&
		matches "$text" '<< [0-9A-F]+ 9000  success \([0-9]+ ms\), signature=64 bytes$' &&
		matches "$text" '>> [0-9A-F]+<[0-9]+ bytes masked>  COMPUTE HKDF, secret label="psk"$' &&
		matches "$text" '<< <32 bytes masked> 9000  success \([0-9]+ ms\)$' &&
		matches "$T/waiting.text" '<< 6120  32 bytes wait \([0-9]+ ms\)$' &&
		matches "$T/waiting.text" '  GET RESPONSE, of COMPUTE (DH|HKDF|PRF)$'
}

it 'three SIMs' prepare
for sim in direct waiting parts; do
	it "no secret in text, responses of the SIM: $sim" text_tells_no_secret "$sim"
	it "no secret in packets, responses of the SIM: $sim" packets_tell_no_secret "$sim"
done
it 'text names objects, modes and results' text_in_words
done_testing
