#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The trace: what is secret is in none, whatever way it comes from the SIM; text says which
# object, mode and result it was; Wireshark shows the packets in the same words.
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

# -------------------------------------------------------------------- Wireshark

# shark PCAP OPTION...: newer ones load no scripts when they are run by root.
shark() {
	local pcap=$1
	shift
	mkdir -p "$T/shark" && cp "$CONF/wireshark/iotsafe.lua" "$T/shark/" && chmod 711 "$T" &&
		chmod 777 "$T/shark" && chmod 644 "$T/shark/iotsafe.lua" || return 1
	patiently "${nobody[@]}" env HOME="$T/shark" tshark -n -X "lua_script:$T/shark/iotsafe.lua" -r - "$@" <"$pcap"
}
nobody=()
[ "$(id -u)" -ne 0 ] || nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)

with_shark() {
	have tshark || return 77
	"$@"
}

# said_by_text FILE and said_by_packets FILE: command and result of each exchange, without
# what differs: bytes, times, and how many are masked. What is no ASCII becomes one question
# mark, since both replace what is no UTF-8, each by something else.
said_by_text() {
	sed -nE '/^[^ ]+ [0-9]+ [^ ]+ (>>|<<) /!d
		s/^[^ ]+ [0-9]+ [^ ]+ //
		/^>> /{ s/^>> [0-9A-F]*(<[^>]*>)?  //; h; d; }
		s/^<< //; s/^[0-9A-F]*(<[^>]*>)? ([0-9A-F]{4}  )/\2/; s/^[0-9A-F]*(<[^>]*>)?no /no /
		s/ \([0-9]+ ms\)//
		H; x; s/\n/\t/; p' "$1" | one_mark
}

said_by_packets() {
	shark "$1" -T fields -e iotsafe.command -e iotsafe.result | sed -E 's/, [0-9]+ bytes masked//g' |
		one_mark
}

# Newer ones double backslashes.
one_mark() { tr -c '\t\n -~' '[?*]' | tr -s '?\\'; }

same_words() { # TEXT PCAP
	said_by_text "$1" >"$T/by-text" && said_by_packets "$2" >"$T/by-packets" || return 1
	diff "$T/by-text" "$T/by-packets" | head -n 20
	cmp "$T/by-text" "$T/by-packets"
}

samples_in_the_same_words() {
	run "$HELPERS/trace_samples" "$T/samples.text" "$T/samples.pcap" || return 1
	[ "$(grep -c ' >> ' "$T/samples.text")" -gt 3000 ] && same_words "$T/samples.text" "$T/samples.pcap"
}

jobs_in_the_same_words() { # SIM
	same_words "$T/$1.text" "$T/$1.pcap"
}

filters() {
	run shark "$T/direct.pcap" -T fields -e iotsafe.command \
		-Y 'iotsafe.object.label == "client-key" && iotsafe.sw == 0x9000 && iotsafe.ins == 0x2a' || return 1
	matches "$OUT" '^COMPUTE SIGNATURE INIT, open' || return 1
	run shark "$T/waiting.pcap" -T fields -e iotsafe.served -e iotsafe.masked -Y 'iotsafe.masked && iotsafe.served' ||
		return 1
	matches "$OUT" '^0x46'$'\t''0+$'
}

# Commands of other applications are left to Wireshark, by class or by preference; what is
# no command at all does no harm.
others_go_on() {
	run shark "$T/samples.pcap" -o iotsafe.plain_class:FALSE -T fields -e iotsafe.cla -e gsm_sim.apdu.ins ||
		return 1
	matches "$OUT" '^0x8[0-3]'$'\t''$' && matches "$OUT" '^'$'\t''0x2a$' &&
		matches "$OUT" '^0x0[0-3]'$'\t''$' && lacks "$OUT" '^0x..'$'\t''0x'
}

# Bytes changed and packets cut short by chance: the dissector takes what there is.
damaged_packets() {
	python3 - "$T/samples.pcap" "$T/damaged.pcap" "$SEED" <<-'END' || return 1
		import random, struct, sys
		data = open(sys.argv[1], "rb").read()
		random.seed(int(sys.argv[3]))
		out, at, head = bytearray(data[:24]), 24, 20 + 8 + 16
		while at < len(data):
		    size = struct.unpack_from("=I", data, at + 8)[0]
		    packet = bytearray(data[at + 16:at + 16 + size])
		    for _ in range(random.choice((0, 1, 1, 2, 5))):
		        packet[random.randrange(head, size)] = random.choice((random.randrange(256), 0x81, 0x82, 0xff))
		    if random.randrange(4) == 0:
		        packet = packet[:random.randrange(head, size + 1)]
		        struct.pack_into(">H", packet, 2, len(packet))
		        struct.pack_into(">H", packet, 24, len(packet) - 20)
		    out += data[at:at + 8] + struct.pack("=II", len(packet), len(packet)) + packet
		    at += 16 + size
		open(sys.argv[2], "wb").write(out)
	END
	shark "$T/damaged.pcap" -V >"$T/damaged.text" || return 1
	matches "$T/damaged.text" 'IoT SAFE, ' && lacks "$T/damaged.text" 'Lua Error|iotsafe\.lua'
}

# Processes that begin a file at the same time: every exchange is in it.
begun_at_once() {
	local before i pids=()
	before=$(exchanges direct)
	for i in 1 2 3 4 5 6; do
		spawn_mod "once-$i" env IOTSAFE_TRANSPORT="$(socket_of direct)" "IOTSAFE_TRACE=pcap:$T/once.pcap" \
			"$TOOL" random 8
		pids+=("$SPAWNED")
	done
	for i in "${pids[@]}"; do ended "$i" || return 1; done
	run shark "$T/once.pcap" -T fields -e iotsafe.command || return 1
	lacks "$ERR" 'cut short|damaged|Lua' &&
		equal "$(wc -l <"$OUT")" $(($(exchanges direct) - before)) 'packets' &&
		equal "$(grep -c '^GET RANDOM$' "$OUT")" 6 'packets with random bytes'
}

it 'three SIMs' prepare
for sim in direct waiting parts; do
	it "no secret in text, responses of the SIM: $sim" text_tells_no_secret "$sim"
	it "no secret in packets, responses of the SIM: $sim" packets_tell_no_secret "$sim"
done
it 'text names objects, modes and results' text_in_words
it 'Wireshark says of thousands of exchanges what the text says' with_shark samples_in_the_same_words
for sim in direct waiting parts; do
	it "and of those with the SIM: $sim" with_shark jobs_in_the_same_words "$sim"
done
it 'filters by object, status word and mask' with_shark filters
it 'other applications are left to Wireshark' with_shark others_go_on
it 'damaged packets do no harm' with_shark damaged_packets
it 'a file that six processes begin at once' with_shark begun_at_once
done_testing
