#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Static analysis of all that is installed and of the software SIM: gcc -fanalyzer, the
# analyzer of clang, cppcheck. Exit status 1 if one of them finds anything. A tool that is
# not there is skipped.
#
# usage: scripts/analyze.sh [gcc] [clang] [cppcheck]
#   by default all of them
set -u
cd "$(dirname "$0")/.." || exit 1
folder=build-analyze

# What gcc 12 takes for an error and is none: FILE OPTION, and why.
#   output.c  it loses the array of cells when reallocarray() has made it larger, and
#             with it every cell that is put there
excepted='
tools/output.c -Wno-analyzer-malloc-leak
'

# Also in a chroot or where somebody has set CC: the compiler is named in each run.
configure() {
	local output
	[ ! -f $folder/build.ninja ] || return 0
	output=$(CC=gcc meson setup $folder -Dtests=disabled -Ddocs=disabled 2>&1) && return 0
	echo "$output"
	rm -rf $folder
	return 1
}

# for_each_source COMMAND...: COMMAND with the options and the name of each source behind
# it, in the folder, as many at once as there are processors.
for_each_source() {
	python3 - "$excepted" "$@" <<'END' | xargs -P "$(nproc)" -d '\n' -n 1 bash -c 2>&1
import json, os, shlex, sys
excepted = dict(line.split() for line in sys.argv[1].strip().splitlines())
command = sys.argv[2:]
for entry in json.load(open("build-analyze/compile_commands.json")):
    source = os.path.relpath(os.path.join(entry["directory"], entry["file"]))
    options = [o for o in shlex.split(entry["command"])
               if o.startswith(("-I", "-isystem", "-D", "-std=")) and "FORTIFY" not in o]
    if command[0] == "gcc" and source in excepted:
        options.append(excepted[source])
    print("cd build-analyze &&", shlex.join(command + options + [entry["file"]]))
END
}

run_gcc() {
	for_each_source gcc -fanalyzer -Werror -O2 -c -o /dev/null
}

run_clang() {
	for_each_source clang --analyze --analyzer-output text -Xclang -analyzer-werror
}

run_cppcheck() {
	cppcheck -j "$(nproc)" --project=$folder/compile_commands.json --quiet --inline-suppr \
		--enable=warning,performance,portability --error-exitcode=1 2>&1
}

[ $# -gt 0 ] || set -- gcc clang cppcheck
for tool in "$@"; do
	case $tool in
	gcc | clang | cppcheck) ;;
	*) sed -n '/^# usage/,/^set/s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
	esac
done
configure || exit 1

status=0
for tool in "$@"; do
	if ! command -v "$tool" >/dev/null; then
		echo "$tool: skipped: it is not installed"
	elif "run_$tool"; then
		echo "$tool: nothing found in $(grep -c '"file":' $folder/compile_commands.json) sources"
	else
		echo "$tool: see above"
		status=1
	fi
done
exit "$status"
