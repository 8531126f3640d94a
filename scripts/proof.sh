#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Shows with Eva, Frama-C's interpreter over sets of values, that readers of hostile bytes
# do nothing undefined: no byte outside of the input is read, none outside of the result is
# written, no number overflows, nothing unset is used. Each tests/proof/prove_NAME.c is one
# such proof; it begins with what is shown. A line for each, and where there is an alarm,
# what it is; exit status 1 then.
#
# usage: scripts/proof.sh [NAME...]
set -u
cd "$(dirname "$0")/.." || exit 1

command -v frama-c >/dev/null || {
	echo 'skipped: frama-c is not installed (package frama-c-base of Debian 12)'
	exit 0
}
[ $# -gt 0 ] || mapfile -t names < <(basename -s .c -a tests/proof/prove_*.c)
[ $# -eq 0 ] || names=("${@/#/prove_}")

headers='-Iapplet_io -Iapplet_io/include -Iapplet_io/defs -Iprovider -Itests/proof'

# prove NAME: the report goes into build-proof/NAME.log.
prove() {
	local source=tests/proof/$1.c options
	# what Eva is told for this proof alone: lines that begin so
	if grep -q '^/\* eva: .*[^/]$' "$source"; then
		echo "User Error: $source: a line for Eva does not end on itself" >"build-proof/$1.log"
		return 1
	fi
	read -rd '' -a options < <(sed -n 's,^/\* eva: \(.*\) \*/$,\1,p' "$source")
	frama-c -machdep gcc_x86_64 -c11 -cpp-extra-args="-D_GNU_SOURCE $headers" "$source" \
		-warn-invalid-pointer -eva -eva-no-print -eva-split-limit 300 "${options[@]}" \
		>"build-proof/$1.log" 2>&1
}

# The figures of a report: an analysis that broke off has none.
figures() {
	awk '
	/functions analyzed/ { functions = $1 }
	/statements reached/ { met = $4; all = $9; sub(/\)/, "", all) }
	/alarms? generated/ { alarms = $1; whole = 1 }
	/^ *(Assertions|Preconditions) / { shown += $2; alarms += $4 + $6 }
	END {
		if (!whole)
			exit 2
		printf "%d functions, %d of %d statements, %d properties, %d alarms\n",
		       functions, met, all, shown, alarms
		exit alarms != 0
	}' "$1"
}

mkdir -p build-proof
status=0
for name in "${names[@]}"; do
	log=build-proof/$name.log
	if prove "$name" && line=$(figures "$log"); then
		echo "${name#prove_}: $line"
	else
		echo "${name#prove_}: ${line:-no result}"
		grep -A 3 -E '^\[eva:alarm\]|User Error' "$log" || tail -n 20 "$log"
		status=1
	fi
	line=
done
exit "$status"
