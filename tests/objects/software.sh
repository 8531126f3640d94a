#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# docs/verify-software.md, command for command: a signed image is accepted, a changed
# one refused, and no key is trusted that the device could replace.
# shellcheck source=tests/objects/lib.sh
. "$(dirname "$0")/lib.sh"
DOC=$E2E_SOURCE/docs/verify-software.md

prepare() {
	start_sim sim gsma-strict && mkdir "$T/desk" "$T/device" "$T/bin" || return 1
	# What the page calls by name: the tool, and the operator's side.
	printf '#!/bin/sh\nexec "%s" "$@"\n' "$SOFTSIM" >"$T/bin/iotsafe-softsim"
	printf '#!/bin/sh\nexec env %s "%s" "$@"\n' "${PRELOAD[*]@Q}" "$TOOL" >"$T/bin/iotsafe"
	printf '#!/bin/sh\nexec env %s %s "$@"\n' "${PRELOAD[*]@Q}" "$(command -v openssl)" >"$T/bin/openssl"
	chmod +x "$T/bin"/*
	head -c 300000 /dev/urandom >"$T/desk/image"
	configure "transport = $(socket_of sim)"
	block 'openssl.cnf' >"$T/settings" && [ -s "$T/settings" ] || return 1
	cp "$T/openssl.cnf" "$T/device/openssl.cnf" && grep -v '^\[' "$T/settings" | grep -v '^transport' >>"$T/device/openssl.cnf"
	matches "$T/device/openssl.cnf" '^card-verify = yes'
}

# On the build machine and at the operator's there is no module; on the device there is.
desk() { (cd "$T/desk" && PATH=/usr/bin:/bin:$T/bin patiently sh -eu "$1"); }
device() {
	(cd "$T/device" && PATH=$T/bin:$PATH patiently env "OPENSSL_MODULES=$MODULES" "OPENSSL_CONF=$T/device/openssl.cnf" \
		sh -eu "$@")
}

make_key() { block 'make the key' >"$T/make" && [ -s "$T/make" ] && run desk "$T/make" && [ -s "$T/desk/update-key.pub" ]; }

put_key() {
	block 'operator' >"$T/put" && [ -s "$T/put" ] || return 1
	(cd "$T/desk" && PATH=$T/bin:$PATH ADMIN=$T/sim/admin.sock patiently sh -eu "$T/put") || return 1
	block 'look' >"$T/look"
	run device "$T/look" && matches "$OUT" '^public .* update-key +P-256 +active +r +verify ' || return 1
	run tool sim pubkey 'iotsafe://label=update-key;type=public' && cmp "$OUT" "$T/desk/update-key.pub"
}

sign_image() {
	block 'sign' >"$T/sign.sh" && [ -s "$T/sign.sh" ] || return 1
	run desk "$T/sign.sh" || return 1
	cp "$T/desk/image" "$T/desk/image.sig" "$T/device/" && cp "$T/device/image" "$T/image" && cp "$T/device/image.sig" "$T/sig.good"
	# another image with a signature of its own, by the same key and by another
	(cd "$T/desk" && mkdir other && head -c 5000 /dev/urandom >other/image && cd other && ln -s ../update-key.pem . &&
		sh -eu "$T/sign.sh") >/dev/null || return 1
	new_key thief && openssl dgst -sha256 -sign "$T/thief.pem" -out "$T/sig.thief" "$T/image"
}

# The script of the page, as it is.
boot() { # WAY: what it says is in OUT
	block "boot script $1" >"$T/boot-$1" && [ -s "$T/boot-$1" ] || return 2
	run device "$T/boot-$1"
}

accepted() { # WAY
	boot "$1" && matches "$OUT" 'starting image'
}
rejected() { # WAY
	boot "$1"
	equal "$RC" 1 'exit status of the boot script' && lacks "$OUT" 'starting image'
}

good_image() {
	cp "$T/image" "$T/sig.good" "$T/device/" && cp "$T/sig.good" "$T/device/image.sig" && accepted "$1" || return 1
	equal "$(grep -c '"VERIFY SIGNATURE UPDATE"' "$T/sim/exchanges.json")" "$2" 'signatures that the applet verified'
}

changed_image() {
	local at
	for at in 0 150000 299999; do
		cp "$T/image" "$T/device/image"
		printf '\x%02x' $((0x$(od -An -tx1 -j $at -N 1 "$T/image" | tr -d ' ') ^ 1)) >"$T/byte.txt"
		# shellcheck disable=SC2059
		printf "$(cat "$T/byte.txt")" | dd of="$T/device/image" bs=1 seek=$at conv=notrunc 2>/dev/null
		! cmp -s "$T/image" "$T/device/image" || return 1
		rejected "$1" || return 1
	done
	{ cat "$T/image" && echo; } >"$T/device/image"
	rejected "$1" || return 1
	head -c 299999 "$T/image" >"$T/device/image"
	rejected "$1" || return 1
	: >"$T/device/image"
	rejected "$1" || return 1
	rm "$T/device/image"
	rejected "$1"
}

swapped_signature() {
	local sig
	cp "$T/image" "$T/device/image"
	for sig in "$T/desk/other/image.sig" "$T/sig.thief" /dev/null "$MSG"; do
		cp "$sig" "$T/device/image.sig"
		rejected "$1" || return 1
	done
	rm "$T/device/image.sig"
	rejected "$1" || return 1
	cp "$T/sig.good" "$T/device/image.sig" && accepted "$1"
}

# The same script, the SIM gone or mute or without the command: no image is started.
no_sim() {
	admin sim remove || return 1
	IOTSAFE_TIMEOUT_MS=400 rejected "$1"
	local status=$?
	admin sim insert && [ "$status" -eq 0 ] || return 1
	admin sim fault sw=6D00 --ins 'VERIFY SIGNATURE' --count 9 || return 1
	rejected "$1"
	status=$?
	admin sim fault clear && [ "$status" -eq 0 ] && accepted "$1"
}

# With update access, or of a pair that the device may generate, a key proves nothing.
replaceable_key() {
	local label
	run tool sim put-key iotsafe://label=verify-key "$T/desk/update-key.pub" || return 1
	admin sim put-key spare-1 "$T/desk/update-key.pem" || return 1
	for label in verify-key spare-1; do
		run tool sim verify "iotsafe://label=$label;type=public" "$T/image" "$T/sig.good" &&
			matches "$OUT" '^signature OK' && matches "$OUT" '^this device can replace that public key' || return 1
		refused 'this device can replace the public key' \
			tool sim verify --applet "iotsafe://label=$label;type=public" "$T/image" "$T/sig.good" || return 1
		fails device -c "openssl dgst -sha256 -verify 'iotsafe://label=$label;type=public' -signature image.sig image" || return 1
		one_clear_error "$ERR" "label=$label" 'cannot overwrite' 'update access|generated again' || return 1
	done
}

device_cannot_swap() {
	refused '6985|69' tool sim put-key iotsafe://label=update-key "$T/thief.pub" || return 1
	refused 'update-key' tool sim keygen --force iotsafe://label=update-key || return 1
	run tool sim pubkey 'iotsafe://label=update-key;type=public' && cmp "$OUT" "$T/desk/update-key.pub"
}

# What the page warns of: who holds the line gives any answer.
forged_answer() {
	cp "$T/sig.thief" "$T/device/image.sig"
	admin sim fault sw=9000 --ins 'VERIFY SIGNATURE UPDATE' && accepted tool || return 1
	rejected tool || return 1
	# the software check of the page does not depend on the line
	block 'pinned' >"$T/pinned" && [ -s "$T/pinned" ] && cp "$T/desk/update-key.pub" "$T/device/" || return 1
	admin sim fault sw=9000 --ins 'VERIFY SIGNATURE UPDATE' || return 1
	run device "$T/pinned"
	equal "$RC" 1 'exit status' && admin sim fault clear || return 1
	cp "$T/sig.good" "$T/device/image.sig" && run device "$T/pinned"
}

# The unit that a service waits for: its line, with the variables of its file.
unit() { # KEY
	local command
	command=$(sed -n 's,^ExecStart=/usr/bin/,,p' "$CONF/iotsafe-verify@.service" | sed -E 's/\$\{(\w+)\}/"$\1"/g')
	[ -n "$command" ] || return 2
	run env "KEY=$1" "IMAGE=$T/device/image" "SIGNATURE=$T/device/image.sig" PATH="$T/bin:$PATH" \
		"OPENSSL_MODULES=$MODULES" "OPENSSL_CONF=$T/openssl.cnf" sh -c "exec $command"
}

unit_accepts() {
	local key='iotsafe://label=update-key;type=public'
	cp "$T/image" "$T/device/image" && cp "$T/sig.good" "$T/device/image.sig" && unit "$key" || return 1
	echo >>"$T/device/image"
	fails unit "$key" && cp "$T/image" "$T/device/image" || return 1
	fails unit 'iotsafe://label=verify-key;type=public' && fails unit 'iotsafe://label=no-such-key;type=public' || return 1
	cp "$T/sig.thief" "$T/device/image.sig"
	fails unit "$key" && cp "$T/sig.good" "$T/device/image.sig" && unit "$key"
}

# The unit, and a service with the drop-in that the page has.
units_fit() {
	have systemd-analyze || return 77
	mkdir -p "$T/units/gateway.service.d" || return 1
	sed "s|/usr/bin/iotsafe|$TOOL|" "$CONF/iotsafe-verify@.service" >"$T/units/iotsafe-verify@gateway.service"
	block 'drop-in' >"$T/units/gateway.service.d/verify.conf" && [ -s "$T/units/gateway.service.d/verify.conf" ] || return 1
	printf '[Service]\nExecStart=%s --version\n' "$TOOL" >"$T/units/gateway.service"
	run systemd-analyze verify --man=no "$T/units/iotsafe-verify@gateway.service" "$T/units/gateway.service" || return 1
	lacks "$ERR" 'iotsafe-verify@gateway|gateway\.service' &&
		matches <(systemd-analyze verify --man=no "$T/units/gateway.service" 2>&1; cat "$T/units/gateway.service.d/verify.conf") '^Requires=iotsafe-verify@gateway\.service$'
}

it 'the software SIM, and the settings of the page' prepare
it 'a key for signing is made' make_key
it 'the operator puts its public half on the SIM, for reading only' put_key
it 'the build machine signs' sign_image
n=0
for way in tool openssl; do
	n=$((n + 1))
	it "$way: a signed image is accepted, by the applet" good_image "$way" "$n"
	it "$way: a changed image is refused" changed_image "$way"
	n=$(grep -c '"VERIFY SIGNATURE UPDATE"' "$T/sim/exchanges.json")
	it "$way: a swapped or missing signature is refused" swapped_signature "$way"
	it "$way: without SIM, or without its word, nothing starts" no_sim "$way"
	n=$(grep -c '"VERIFY SIGNATURE UPDATE"' "$T/sim/exchanges.json")
done
it 'the unit starts with a good image, and with no other' unit_accepts
it 'systemd takes the unit and the drop-in' units_fit
it 'a key that the device could replace is refused both ways' replaceable_key
it 'the device cannot swap the key of the operator' device_cannot_swap
it 'a forged answer of the line is what the page says it is' forged_answer
done_testing
