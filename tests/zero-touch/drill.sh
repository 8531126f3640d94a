#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# scripts/drill.sh with three devices, and what its report makes of numbers that are known.
# The build folder is $1.
set -u
build=$(realpath "${1:?the build folder is missing}") || exit 1
cd "$(dirname "$0")/../.." || exit 1
[ -x /usr/bin/python3 ] || { echo '1..0 # SKIP python3 is not installed' && exit 0; }
work=$(mktemp -d /tmp/iotsafe-drill.XXXXXX) || exit 1
trap 'rm -rf "$work"' EXIT
export REAL_ENROLL=$build/tools/iotsafe-enroll
[ "$(ldd "$REAL_ENROLL" 2>/dev/null | grep -oE 'libcrypto\.so\.[0-9]+' | sort -u | wc -l)" -le 1 ] ||
	{ echo '1..0 # SKIP iotsafe-enroll and its libraries are for different versions of OpenSSL' && exit 0; }
number=0 failed=0

it() { # WHAT COMMAND...
	local what=$1 result=ok
	shift
	number=$((number + 1))
	"$@" >"$work/output" 2>&1
	case $? in
	0) ;;
	77) what="$what # SKIP $(grep -m 1 '^skipped' "$work/output")" ;;
	*)
		result='not ok' failed=1
		sed 's/^/# /' "$work/output"
		;;
	esac
	echo "$result $number - $what"
}

report() { # RATE EVENT... ; the requests are in $work/requests
	printf '%s\n' "${@:2}" >"$work/events"
	/usr/bin/python3 scripts/drill_report.py "$work/events" --rate "$1" --requests "server=$work/requests" \
		--mark recover=12 --svg "$work/drill.svg" >"$work/report" 2>"$work/error"
}
is_drawing() {
	/usr/bin/python3 -c 'import sys, xml.etree.ElementTree as tree; sys.exit(not tree.parse(sys.argv[1]).getroot().tag.endswith("svg"))' "$1"
}
reads() { # a line, whatever the spaces
	tr -s ' ' <"$work/report" | grep -qxF -e "$1" || { cat "$work/report" "$work/error" && return 1; }
}
events=('enrol 1 1.0 2.0 ok' 'enrol 2 1.0 1.5 failed' 'enrol 2 2.0 4.0 ok'
	'recover 1 10.0 11.0 failed' 'recover 1 13.0 13.5 ok' 'recover 2 10.0 11.0 failed')

numbers() {
	# A whole second later is another second.
	printf '%s\n' 10.000 10.500 11.000 11.500 >"$work/requests"
	report 2 "${events[@]}" && is_drawing "$work/drill.svg" &&
		reads 'enrol 2 2 1 3.0 3.0 3.0 3.0 0' && reads 'recover 2 1 2 1.5 1.5 1.5 1.5 2' &&
		reads 'server: 4 requests, at most 2 in a second; the limit is 2'
}
too_many() {
	printf '%s\n' 10.000 10.500 10.999 11.500 >"$work/requests"
	report 2 "${events[@]}" && return 1
	reads 'server: 4 requests, at most 3 in a second; the limit is 2: too many at once'
}
no_events() {
	local line
	: >"$work/requests"
	for line in 'enrol 1 2.0 1.0 ok' 'enrol 1 1.0 2.0 maybe' 'enrol 1 1.0' ''; do
		! report 9 "$line" || { echo "taken: $line" && return 1; }
		! grep Traceback "$work/error" || return 1
	done
}
three() {
	scripts/drill.sh 3 --away 1 --svg "$work/three.svg" --build "$build" >"$work/drill" 2>&1
	local status=$?
	cat "$work/drill"
	[ "$status" -eq 0 ] || return "$status"
	local line
	for line in 'enrol 3 3' 'connect 3 3' 'renew 3 3' 'revoked 1 1' 'others 2 2' 'recover 2 2'; do
		tr -s ' ' <"$work/drill" | grep -q "^ $line " || { echo "missing: $line" && return 1; }
	done
	is_drawing "$work/three.svg"
}
# A build in which one program is another: PROGRAM, its text. The drill has to notice, and say so.
notices() { # PROGRAM TEXT PATTERN
	local status
	[ -x "$REAL_ENROLL" ] || { echo 'skipped: iotsafe-enroll was not built' && return 77; }
	rm -rf "$work/build"
	mkdir -p "$work/build/tools" && ln -s "$build/softsim" "$build/provider" "$work/build" &&
		ln -s "$build/tools/iotsafe" "$build/tools/iotsafe-enroll" "$work/build/tools" || return 1
	rm -f "$work/build/tools/$1"
	printf '#!/bin/sh\n%s\n' "$2" >"$work/build/tools/$1" && chmod 755 "$work/build/tools/$1"
	scripts/drill.sh 3 --away 1 --build "$work/build" >"$work/drill" 2>&1
	status=$?
	cat "$work/drill"
	[ "$status" -ne 77 ] || return 77
	[ "$status" -eq 1 ] && grep -q "^FAILED: $3" "$work/drill"
}
# The second device gets no certificate.
left_behind() {
	# shellcheck disable=SC2016 # for the other shell
	notices iotsafe-enroll 'case "$*" in *CN=device-2*) echo refused >&2; exit 4 ;; esac
exec "$REAL_ENROLL" "$@"' 'enrol: 2 of 3 devices'
}
let_in() { notices mosquitto_pub 'exit 0' 'one connected with a revoked certificate'; }

usage() {
	local option
	for option in 0 -1 '2 --rate x' '--rate 2' '--away' '--what'; do
		# shellcheck disable=SC2086 # several arguments
		scripts/drill.sh $option --build "$build"
		[ $? -eq 2 ] || return 1
	done
}

it 'the table and the highest rate' numbers
it 'too many at once' too_many
it 'no events' no_events
it 'wrong usage' usage
it 'three devices' three
it 'a device that gets no certificate is noticed' left_behind
it 'so is a revoked certificate that is not refused' let_in
echo "1..$number"
exit "$failed"
