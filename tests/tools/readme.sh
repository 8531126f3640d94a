#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# README's tour, pasted into a shell as it stands there, with what is already built and
# another port.
# shellcheck source=tests/tools/lib.sh
. "$(dirname "$0")/lib.sh"
need curl openssl bash
# Its shell runs all programs, and not all bear a sanitizer that is loaded in front.
[ "${E2E_SANITIZE:-none}" = none ] || skip_all 'not with sanitizers'

# Indented by four, from the mark on to the next text.
the_block() {
	awk '/^<!-- tests\/tools\/readme.sh/ { on = 1; next } on && /^[^ ]/ { exit } on { print }' \
		"$E2E_SOURCE/README.md" | sed 's/^    //'
}

tour() {
	pick_port
	mkdir "$T/tree" && ln -s "$E2E_BUILD" "$T/tree/build" && ln -s "$CONF" "$T/tree/conf" || return 1
	{
		# shellcheck disable=SC2016 # for that shell
		echo 'set -m; trap '\''kill $(jobs -p) 2>/dev/null'\'' EXIT; cd "$1"; meson() { :; }; ninja() { :; }'
		the_block | sed "s/8443/$PORT/g"
	} >"$T/block"
	grep -q 'rm -r tour' "$T/block" || return 1
	run patiently env -u IOTSAFE_LOCK_DIR "${PRELOAD[@]}" bash "$T/block" "$T/tree" || return 1
	matches "$OUT" '^private  01  client-key' && matches "$OUT" '^Verified OK' &&
		matches "$OUT" 'Subject: CN ?= ?iotsafe-softsim device' || return 1
	lacks "$ERR" '(^|[^_])[Ee]rror' && [ ! -e "$T/tree/tour" ]
}

it 'the tour of README.md' tour
done_testing
