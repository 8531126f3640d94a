#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the corpora of the fuzzers reach: a line for each function of ours with the share
# of its regions and lines that ran, least first. Builds the replay programs in build-cov
# with clang's coverage and runs them over each input once.
#
# usage: scripts/fuzz_coverage.sh [CORPORA]
#   CORPORA  a folder with fuzz_NAME/ in it, as the fuzzers leave it in build-fuzz/corpus;
#            by default the committed ones
set -u
cd "$(dirname "$0")/.." || exit 1
corpora=${1:-}
export LLVM_PROFILE_FILE=/dev/null # of what the build itself runs

for program in clang llvm-profdata llvm-cov; do
	command -v "$program" >/dev/null || {
		echo "skipped: $program is not installed"
		exit 0
	}
done

flags='-fprofile-instr-generate -fcoverage-mapping'
if [ ! -f build-cov/build.ninja ]; then
	CC=clang meson setup build-cov -Dc_args="$flags" -Dc_link_args="$flags" >build-cov.log 2>&1 || {
		cat build-cov.log
		exit 1
	}
	mv build-cov.log build-cov/
fi

programs=()
for target in tests/fuzz/fuzz_*.c; do
	name=${target##*/fuzz_}
	name=${name%.c}
	[ -d "tests/fuzz/corpus/$name" ] || continue
	grep -q "replay_$name:" build-cov/build.ninja || grep -q "tests/fuzz/replay_$name" build-cov/build.ninja || continue
	programs+=("$name")
done
ninja -C build-cov --quiet "${programs[@]/#/tests/fuzz/replay_}" || exit 1

rm -f build-cov/*.profraw
objects=()
for name in "${programs[@]}"; do
	corpus=tests/fuzz/corpus/$name
	[ -z "$corpora" ] || corpus=$corpora/fuzz_$name
	LLVM_PROFILE_FILE=build-cov/$name.profraw "build-cov/tests/fuzz/replay_$name" --whole "$corpus" >/dev/null || exit 1
	[ "${#objects[@]}" -eq 0 ] || objects+=(-object) # the first one stands by itself
	objects+=("build-cov/tests/fuzz/replay_$name")
done
llvm-profdata merge -sparse build-cov/*.profraw -o build-cov/all.profdata || exit 1

# Each function with its regions; the fifth number of a region says how often it ran, the
# last one is 0 for code.
llvm-cov export -instr-profile=build-cov/all.profdata "${objects[@]}" 2>/dev/null | python3 -c '
import json, os, sys
ran = {}
for f in json.load(sys.stdin)["data"][0]["functions"]:
    file = os.path.relpath(os.path.normpath(f["filenames"][0]))
    if file.split(os.sep)[0] not in ("applet_io", "bridge", "provider") or not file.endswith(".c"):
        continue
    code = ran.setdefault((file, f["name"].split(":")[-1]), {})
    for r in f["regions"]:
        if r[7] == 0:
            code[tuple(r[:4])] = code.get(tuple(r[:4]), 0) + r[4]
rows = []
for (file, name), code in ran.items():
    met = sum(n > 0 for n in code.values())
    rows.append((100 * met // len(code), file, name, met, len(code)))
for share, file, name, met, n in sorted(rows):
    if met:
        print(f"{share:3d} % {met:4d} of {n:4d} regions  {file}: {name}")
unmet = sum(r[3] == 0 for r in rows)
print(f"{len(rows) - unmet} functions met, {unmet} not met")
'
