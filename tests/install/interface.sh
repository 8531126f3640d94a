#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What other people's programs and scripts rely on, compared with interface.txt: the symbol of
# the module, commands and options, members of JSON values, the form of key references.
#
#   meson test -C BUILD interface                    compares
#   INTERFACE_UPDATE=1 meson test -C BUILD interface   writes interface.txt anew
#
# docs/stability.md says what may change in which version.
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
need nm openssl /usr/bin/python3
EXPECTED=$(dirname "$0")/interface.txt
ENROLL=$E2E_BUILD/tools/iotsafe-enroll
BRIDGE=$E2E_BUILD/bridge/iotsafe-bridge
key=iotsafe://label=client-key

options_of() { # NAME PROGRAM...
	local name=$1
	shift
	mod "$@" --help 2>&1 | tr ',[]|' '\n\n\n\n' | grep -oE '(^|[ =])--[a-z][a-z-]+' | grep -oE -e '--[a-z-]+' | sort -u | sed "s/^/$name /"
}

commands() {
	local command
	for command in $(mod "$TOOL" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\).*/\1/p'); do
		echo "iotsafe $command"
		[ "$command" = enroll ] || options_of "iotsafe $command" "$TOOL" "$command" | grep -vE -e '--(transport|json|help)$'
	done
	options_of iotsafe "$TOOL"
}

# Members of a value, as paths; of arrays, those of all elements.
members() { # NAME
	/usr/bin/python3 -c '
import json, sys
def walk(value, path):
    if isinstance(value, dict):
        for key in value:
            yield from walk(value[key], f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for one in value:
            yield from walk(one, path + "[]")
    if path and not isinstance(value, (dict, list)):
        yield path
print("\n".join(sorted({sys.argv[1] + " " + path for path in walk(json.load(sys.stdin), "")})))' "$1"
}

json_of() { # COMMAND ARGUMENT...
	tool sim --json "$@" 2>/dev/null | members "$1"
}

interface() {
	echo '# Written by interface.sh: see there, and docs/stability.md.'
	echo '[module]'
	nm -D --defined-only "$MODULES/iotsafe.so" | awk '{ print $3 }'
	echo '[iotsafe]'
	commands
	echo '[iotsafe-enroll]'
	for method in est cmp aws dps; do options_of "iotsafe-enroll $method" "$ENROLL" "$method"; done
	echo '[iotsafe-softsim]'
	for command in init run admin; do options_of "iotsafe-softsim $command" "$SOFTSIM" "$command"; done
	mod "$SOFTSIM" admin --help 2>&1 | sed -nE 's/^  ([a-z-]+).*/iotsafe-softsim admin \1/p'
	echo '[iotsafe-bridge]'
	options_of iotsafe-bridge "$BRIDGE"
	echo '[JSON]'
	json_of info
	json_of list
	json_of cert "$key"
	json_of pubkey "$key"
	json_of key-ref "$key"
	json_of sign "$key" "$T/message"
	json_of wait-cert "$key"
	json_of doctor
	json_of conformance
	json_of report --no-sign | grep -v ' \(settings\|trace\)\b'
	json_of keygen --force 'iotsafe://label=spare-1'
	echo '[key reference]'
	tool sim key-ref "$key" | grep -- '-----'
	tool sim key-ref "$key" | sed '/-----/d' | grep '^[A-Za-z0-9+/=]*$' | openssl base64 -d |
		openssl asn1parse -inform DER | sed -E 's/^ *[0-9]+:(d=[0-9]+) +hl=[0-9]+ +l= *[0-9]+ (prim|cons): +/\1 /;s/(UTF8STRING|INTEGER|OCTET STRING|BIT STRING|IA5STRING).*/\1/;s/ +$//'
}

same() {
	printf 'text\n' >"$T/message" && start_sim sim && configure "transport = $(socket_of sim)" && interface >"$T/interface" || return 1
	if [ -n "${INTERFACE_UPDATE:-}" ]; then
		cp "$T/interface" "$EXPECTED"
	fi
	run diff -U 1 "$EXPECTED" "$T/interface"
}

[ -x "$ENROLL" ] && [ -x "$BRIDGE" ] && [ -x "$TOOL" ] || skip_all 'built without some of the programs'
[ "$E2E_SANITIZE" = none ] || skip_all 'the same with sanitizers'
it 'symbols, options, JSON and key references are those of interface.txt' same
done_testing
