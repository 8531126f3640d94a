# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the tests of the command line tool share.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
need openssl setpriv /usr/bin/python3

# shellcheck disable=SC2034 # the scripts that read this file use it
COMMANDS=(info list cert pubkey key-ref file random keygen put-key sign verify
	wait-cert wait-file doctor conformance report)
# shellcheck disable=SC2034
key='iotsafe://label=client-key'
nowhere=socket:$T/nowhere/sim.sock

configure # else the tool would warn at each run

iotsafe() { mod "$TOOL" "$@"; }
# nocard COMMAND...: where there is no SIM at all.
nocard() { mod env IOTSAFE_TIMEOUT_MS=300 "$TOOL" --transport "$nowhere" "$@"; }

# refused STATUS PATTERN COMMAND...: fails with that status and one clear line, and
# prints nothing.
refused() {
	local status=$1 pattern=$2
	shift 2
	run "$@"
	equal "$RC" "$status" 'exit status' || return 1
	equal "$(wc -c <"$OUT")" 0 'bytes on standard output' || return 1
	equal "$(wc -l <"$ERR")" 1 'lines on standard error' || return 1
	matches "$ERR" '^iotsafe: ' && matches "$ERR" "$pattern"
}

succeeds() {
	run "$@" || return 1
	equal "$(wc -c <"$ERR")" 0 'bytes on standard error'
}

# json EXPRESSION [FILE]: a Python expression over d, the JSON value in the file or
# the output. Prints text as it is, lists by lines, tuples with tabs; fails for
# False, None and nothing.
json() {
	/usr/bin/python3 - "$1" "${2:-$OUT}" <<-'END'
		import json, sys
		d = json.load(open(sys.argv[2]))
		value = eval("(" + sys.argv[1] + ")")
		if isinstance(value, list):
		    value = "".join(("\t".join(v) if isinstance(v, tuple) else str(v)) + "\n" for v in value)
		sys.stdout.write(str(value))
		sys.exit(value in (False, None, ""))
	END
}
