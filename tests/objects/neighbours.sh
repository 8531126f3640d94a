#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Unknown tags, unknown key types and malformed neighbours in the object list hide no good
# key.
# shellcheck source=tests/objects/lib.sh
. "$(dirname "$0")/lib.sh"

prepare() { new_key a && new_key b && start_odd noise && start_odd flat; }

listed() { # CARD
	local id label
	run tool "$1" list || return 1
	while read -r id label; do
		matches "$OUT" "^private +$id +$label +P-256 +active .*iotsafe://id=$id;label=$label;type=private\$" &&
			matches "$OUT" "^public +$id +$label +P-256 +active .*iotsafe://id=$id;label=$label;type=public\$" || return 1
	done <<-'LIST'
		11 first
		12 middle
		14 last
	LIST
	run tool "$1" --json list && /usr/bin/python3 -m json.tool "$OUT" >"$T/json"
}

sign_each() { # CARD
	signs_as "$1" 'iotsafe://label=first' "$T/a.pub" && signs_as "$1" 'iotsafe://label=middle' "$T/b.pub" &&
		signs_as "$1" 'iotsafe://id=14;label=last;type=private' "$T/a.pub" && signs_as "$1" 'iotsafe://id=12' "$T/b.pub"
}

# What can be used is found when everything is asked for.
all_at_once() { # CARD
	run ssl "$1" storeutl -keys iotsafe:// || return 1
	[ "$(grep -c ': Pkey' "$OUT")" -ge 3 ] || {
		echo 'less than three keys'
		return 1
	}
}

spoilt_ones_are_left_out() {
	run tool noise list || return 1
	lacks "$OUT" ' bad ' && lacks "$OUT" 'LLLLL' && lacks "$OUT" '0000000000' || return 1
	matches "$OUT" '^private +- +no name +0x00 +inactive ' # it has a name at least
}

# A key of a type that nobody knows is shown, and refused by its name.
unknown_types() {
	local type
	run tool noise list || return 1
	for type in 00 7f ff; do
		matches "$OUT" "^private +a0$type +type $type +" || return 1
	done
	for type in 00 7f ff; do
		refused "type.?.?.?$type|key type" tool noise sign "iotsafe://id=a0$type" "$MSG" || return 1
		fails ssl noise dgst -sha256 -sign "iotsafe://id=a0$type" "$MSG" &&
			one_clear_error "$ERR" "id=a0$type" || return 1
	done
}

it 'two odd cards' prepare
for card in noise flat; do
	it "$card: every good key is listed" listed "$card"
	it "$card: every good key signs" sign_each "$card"
	it "$card: iotsafe:// gives the good ones" all_at_once "$card"
done
it 'objects that make no sense are left out' spoilt_ones_are_left_out
it 'keys of unknown type: listed, and refused with a clear error' unknown_types
done_testing
