#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# docs/provisioning.md, command for command: credentials and settings that the operator
# puts on the SIM, changes and takes away.
# shellcheck source=tests/tools/lib.sh
. "$(dirname "$0")/lib.sh"
DEVICE=$T/device

# block NAME: that block of docs/provisioning.md, by the line before it, "<!-- NAME -->".
block() {
	awk -v name="<!-- $1 -->" '$0 == name {on = 1; next} on && /^    / {print substr($0, 5); seen = 1; next}
		on && seen && NF {exit}' "$E2E_SOURCE/docs/provisioning.md"
}

# What the page calls by name: the tool, and the operator's side.
page_programs() {
	mkdir "$T/bin" || return 1
	printf '#!/bin/sh\nexec "%s" "$@"\n' "$SOFTSIM" >"$T/bin/iotsafe-softsim"
	printf '#!/bin/sh\nexec env %s "%s" "$@"\n' "${PRELOAD[*]@Q}" "$TOOL" >"$T/bin/iotsafe"
	printf '#!/bin/sh\nexec env %s "%s" "$@"\n' "${PRELOAD[*]@Q}" "$(command -v openssl)" >"$T/bin/openssl"
	chmod +x "$T/bin"/*
}

prepare() {
	start_sim sim && page_programs && mkdir "$DEVICE" || return 1
	cp "$T/sim/store/ca.pem" "$T/sim/store/ca.key" "$DEVICE/"
	printf '#!/bin/sh\necho "$*" >>"%s"\n' "$T/reloads" >"$T/bin/systemctl" && chmod +x "$T/bin/systemctl"
	configure "transport = $(socket_of sim)"
}

# environment COMMAND...: where the page's commands are run, by the names that stand there.
environment() {
	cd "$DEVICE" && exec env "${module_env[@]}" "PATH=$T/bin:$PATH" "ADMIN=$T/sim/admin.sock" "$@"
}
# commands FILE block NAME: that block, in the test's folder and with a look each second.
commands() {
	local file=$1
	shift
	"$@" | sed "s,/run/gateway,$DEVICE,;s/--interval [0-9]*/--interval 1/" >"$file" && [ -s "$file" ]
}
# does block NAME
does() { commands "$T/commands" "$@" && run in_place sh -eu "$T/commands"; }
in_place() { (environment "$HELPERS/patient" "$T" "$@"); }
# begins NAME block NAME: in the background.
begins() {
	commands "$T/commands-$1" "${@:2}" || return 1
	spawn "$1" bash -c 'cd "$0" && exec "$@"' "$DEVICE" env "${module_env[@]}" "PATH=$T/bin:$PATH" \
		bash -c "trap 'kill \$(jobs -p)' TERM; set -u; . '$T/commands-$1'; wait"
	PID_OF[$1]=$SPAWNED
}

by_the_operator() {
	begins waiter block 'the device waits' && await grep -q 'waiting for' "$T/waiter.log" || return 1
	does block 'the operator makes a key' && does block 'the key is certified' && alive "${PID_OF[waiter]}" &&
		does block 'the operator writes the certificate' && ended "${PID_OF[waiter]}" || return 1
	matches "$T/waiter.log" 'device-cert.*: present' && does block 'the device takes it' &&
		equal "$(openssl x509 -in "$DEVICE/device.pem" -noout -pubkey)" "$(tool sim pubkey iotsafe://label=spare-1)" 'the key'
}

says_so() {
	does block 'output' || return 1
	/usr/bin/python3 - "$OUT" <<-'END'
		import json, sys
		text, values = open(sys.argv[1]).read().strip(), []
		while text:
		    value, end = json.JSONDecoder().raw_decode(text)
		    values.append(value)
		    text = text[end:].strip()
		objects, cert, event, operators = values
		key = next(o for o in objects if o.get("label") == "spare-1" and o["type"] == "private")
		assert key["state"] == "active" and "generate" in key["functions"], key
		assert cert["certificates"][0]["not_after"] and event["event"] == "present" and event["sha256"], (cert, event)
		assert any(o["label"] == "device-cert" and o["filled"] for o in operators), operators
	END
}

taken_away() {
	run tool sim sign iotsafe://label=spare-1 "$DEVICE/device.pub" || return 1
	does block 'the operator takes them away' || return 1
	refused 1 'spare-1' tool sim sign iotsafe://label=spare-1 "$DEVICE/device.pub" &&
		refused 1 'device-cert' tool sim cert iotsafe://label=device-cert
}

settings_are() { equal "$(sed -n 's/^interval //p' "$DEVICE/config")" "$1" 'the interval'; }
reloaded() { [ "$(grep -c '^reload gateway$' "$T/reloads")" -ge "$1" ]; }

# From boot on: read, changed over the air, and never taken by half.
settings() {
	: >"$T/reloads"
	commands "$DEVICE/take-config" block 'take-config' && does block 'the operator writes settings' || return 1
	begins watcher block 'the device watches'
	await grep -q 'watching iotsafe://label=device-config' "$T/watcher.log" && await test -s "$DEVICE/config" && settings_are 60 || return 1
	does block 'the operator changes settings' && await reloaded 1 && settings_are 10 || return 1
	# while he is still writing
	printf 'version 3\ninterval 5\nend 2\n' >"$T/half" && admin sim put-file device-config "$T/half" || return 1
	await grep -q 'the command ended with status 1' "$T/watcher.log" && settings_are 10 && equal "$(wc -l <"$T/reloads")" 1 reloads || return 1
	printf 'version 3\ninterval 5\nend 3\n' >"$T/half" && admin sim put-file device-config "$T/half" || return 1
	await reloaded 2 && settings_are 5 && alive "${PID_OF[watcher]}" && end "${PID_OF[watcher]}"
}

# A container that is larger than its content.
padded() {
	start_sim padded gsma-strict --set file_padding=zeros || return 1
	printf 'version 1\ninterval 7\nend 1\n' >"$T/small" && admin padded put-file device-config "$T/small" --size 600 || return 1
	configure "transport = $(socket_of padded)"
	run tool padded file iotsafe://label=device-config && equal "$(wc -c <"$OUT")" 600 'bytes in the file' || return 1
	run in_place sh "$DEVICE/take-config" && settings_are 7 || return 1
	admin padded delete device-config && fails in_place sh "$DEVICE/take-config" && settings_are 7
}

# The largest file that is read whole.
limits() {
	head -c 65535 /dev/urandom >"$T/large" && admin sim put-file large "$T/large" || return 1
	tool sim file iotsafe://label=large | cmp - "$T/large" || return 1
	head -c 65536 /dev/zero >"$T/too-large"
	fails admin sim put-file large "$T/too-large"
}

it 'a software SIM' prepare
it 'the operator makes a key, certifies it and writes the certificate; the device takes it' by_the_operator
it 'JSON says so' says_so
it 'the operator takes both away' taken_away
it 'settings: read at boot, changed over the air, never taken by half' settings
it 'settings in a larger container' padded
it 'the largest file' limits
done_testing
