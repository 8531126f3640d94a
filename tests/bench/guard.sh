#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a change makes dearer, as far as it is the same on every machine: bytes and exchanges of
# a signature, instructions in the module, its size. Compared with guard.txt; instructions and
# size within 2 %, and only where compiler and OpenSSL are those that stand there.
#
#   meson test -C BUILD guard                  compares
#   GUARD_UPDATE=1 meson test -C BUILD guard   writes guard.txt anew
#
# A change that is meant goes into the same commit as its cause.
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
need openssl readelf size valgrind /usr/bin/python3
[ "$E2E_SANITIZE" = none ] || skip_all 'sanitizers add instructions of their own'
same_openssl openssl || skip_all "$WHY"
HERE=$(cd "$(dirname "$0")" && pwd)
EXPECTED=$HERE/guard.txt
SIGN=$E2E_BUILD/tests/bench/bench_sign
key=iotsafe://label=client-key

made_with() {
	echo "compiler: $(readelf -p .comment "$MODULES/iotsafe.so" | sed -n 's/.*] *//p' | head -n 1), machine: $(uname -m)"
	echo "OpenSSL: $(openssl version | cut -d' ' -f2 | cut -d. -f-2), options: $(/usr/bin/python3 -c '
import json, sys
print(" ".join(one["name"] + "=" + str(one["value"]) for one in json.load(open(sys.argv[1]))
               if one["name"] in ("b_coverage", "b_lto", "buildtype", "at", "pcsc", "c_args")))' "$E2E_BUILD/meson-info/intro-buildoptions.json")"
}

# Exchanges and bytes, with their status words, of what is in the log from a line on.
traffic() { # LINE
	tail -n "+$1" "$T/sim/exchanges.json" | /usr/bin/python3 -c '
import json, sys
lines = [json.loads(line) for line in sys.stdin if "\"cmd\"" in line]
print(len(lines), "exchanges,", sum(len(one["cmd"]) // 2 for one in lines), "bytes out,",
      sum(len(one["rsp"]) // 2 for one in lines), "bytes in")'
}

signed() { # NAME COMMAND...
	local name=$1 from=$(($(wc -l <"$T/sim/exchanges.json") + 1))
	shift
	run mod "$@" || return 1
	echo "$name: $(traffic "$from")" >>"$T/figures"
}

sends() {
	start_sim sim gsma-strict && credentials sim "$T/pem" && configure "transport = $(socket_of sim)" || return 1
	# it makes three signatures before it begins to count
	signed 'new process with a key reference, 4 signatures' "$SIGN" -n 1 "$T/pem/client-key.pem" &&
		signed 'new process with a label, 4 signatures' "$SIGN" -n 1 "$key" && signed 'the same, 14 signatures' "$SIGN" -n 11 "$key"
}

# For a program whose card is in its own memory (memory_card.c): the signature of what
# bench_sign signs, by the key of the SIM.
memory_card() {
	local numbers
	printf %s 'what is signed over and over again, of some length, as the transcript of a handshake is' >"$T/message"
	mod openssl dgst -sha256 -sign "$T/pem/client-key.pem" -out "$T/signature" "$T/message" || return 1
	numbers=$(openssl asn1parse -inform DER -in "$T/signature" | sed -n 's/.*INTEGER *://p' |
		while read -r number; do printf '%064s' "$number" | tr ' ' 0; done)
	[ "${#numbers}" -eq 128 ] || return 1
	memory=("LD_PRELOAD=$E2E_BUILD/tests/bench/libmemory_card.so" "BENCH_CARD=$T/card.sock" "IOTSAFE_TRANSPORT=socket:$T/card.sock"
		"BENCH_SIGNATURE=$numbers")
}

instructions() {
	local few=20 many=60 n check
	local -a memory
	memory_card || return 1
	for check in yes no; do
		for n in $few $many; do
			run mod env "${memory[@]}" "IOTSAFE_VERIFY_SIGNATURE=$check" valgrind --tool=callgrind \
				--callgrind-out-file="$T/callgrind-$n" "$SIGN" -n "$n" "$T/pem/client-key.pem" || return 1
		done
		echo "instructions of a signature in the module, verify-signature=$check: $(/usr/bin/python3 "$HERE/callgrind.py" iotsafe.so \
			"$T/callgrind-$few" "$T/callgrind-$many" $((many - few)))" >>"$T/figures"
	done
	echo "code and constants of the module: $(size "$MODULES/iotsafe.so" | awk 'NR == 2 { print $1 }') bytes" >>"$T/figures"
}

# Numbers of the machine's own count within 2 %, everything else to the letter.
compared() {
	if [ -n "${GUARD_UPDATE:-}" ]; then
		{ echo '# Written by guard.sh.' && made_with && cat "$T/figures"; } >"$EXPECTED"
		unset GUARD_UPDATE
	fi
	{ echo '# Written by guard.sh.' && made_with && cat "$T/figures"; } >"$T/guard.txt"
	/usr/bin/python3 - "$EXPECTED" "$T/guard.txt" <<-'END' >"$T/nearly"
		import re, sys
		expected, seen = (open(path).read().splitlines() for path in sys.argv[1:])
		near = re.compile(r"((?:instructions|code) .*: )(\d+)(.*)")
		alike = expected[:3] == seen[:3]
		old = {m[1]: int(m[2]) for m in map(near.fullmatch, expected) if m}
		for line in seen:
		    m = near.fullmatch(line)
		    if m and m[1] in old and (not alike or abs(int(m[2]) - old[m[1]]) <= old[m[1]] * 0.02):
		        line = f"{m[1]}{old[m[1]]}{m[3]}"
		    print(line)
	END
	[ "$(head -n 3 "$EXPECTED")" = "$(head -n 3 "$T/guard.txt")" ] ||
		{ note 'other compiler or OpenSSL than in guard.txt: instructions and size are not compared' && sed -i '2,3d' "$T/nearly"; }
	run diff -U 1 <(grep -vxF "$(head -n 3 "$EXPECTED" | tail -n 2)" "$EXPECTED") <(grep -vxF "$(head -n 3 "$EXPECTED" | tail -n 2)" "$T/nearly")
}

# A figure that is not near the expected one.
notices() {
	sed -E 's/^(instructions .*no: )([0-9])/\11\2/' "$EXPECTED" >"$T/dear.txt" && ! cmp -s "$T/dear.txt" "$EXPECTED" || return 1
	[ "$(head -n 3 "$EXPECTED")" = "$(head -n 3 "$T/guard.txt")" ] || {
		WHY='other compiler or OpenSSL than in guard.txt'
		return 77
	}
	EXPECTED=$T/dear.txt fails compared
}

it 'exchanges and bytes are counted' sends
it 'instructions and size are counted' instructions
it 'they are those of guard.txt' compared
it 'what has become dearer is seen' notices
done_testing
