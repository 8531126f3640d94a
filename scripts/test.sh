#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, builds with warnings as errors, runs every test, then
# all of them again with the address and undefined-behaviour sanitizers. The last
# line tells the sum: `N passed, N failed`, perhaps `, N skipped`. Exit status 0
# only when nothing failed.
# shellcheck disable=SC2317 # functions are called through check()
set -u
cd "$(dirname "$0")/.." || exit 1

usage() {
	cat <<'END'
usage: scripts/test.sh [OPTION...]
  --no-sanitize   leave out the second run, with the sanitizers
  --no-clang      leave out the compilation with clang
  --no-deps       do not install packages
  --suite NAME    only this suite (as in `meson test --list`); may be repeated
  --programs      only the stock programs of docs/applications.md, but all of them, where an
                  ordinary run has the usual ones; without sanitizers and clang
  --long          run the tests line, together, bridge and tool conformance with their full
                  counts (1000 faults of each kind, 500 agreements), the suite `long` (operations
                  by the hundred thousand, crowds, servers under load, a fleet of 200), the threads
                  under the thread sanitizer, all stock programs, the suites with programs and
                  daemons three times more, while stress-ng keeps four CPUs busy, the
                  static analysis of scripts/analyze.sh, and the proofs of
                  scripts/proof.sh (Debian 12); last a table of the lines reached
  --fuzz SECONDS  run each fuzzer for so long as well, and print what they reach of each
                  function (clang, llvm)
  --chroot NAME   run the suites once more in a chroot with that Debian release
                  (trixie: OpenSSL 3.5, forky: 3.6, forky+experimental: 4.0), and
                  the module that was built here too; root; may be repeated
  --package       build the Debian packages, twice, look for faults in them, and use them in a
                  clean Debian 12, and the same in the next release; root
  --cross ARCH    build for arm64, armhf, s390x as well, and run the unit tests and some
                  end-to-end scripts there by qemu; musl: the same with that C library,
                  for which OpenSSL is built first; may be repeated
END
}

sanitize=yes
clang=yes
deps=yes
programs=no
long=no
package=no
fuzz=0
chroots=()
cross=()
suites=()
while [ $# -gt 0 ]; do
	case $1 in
	--no-sanitize) sanitize=no ;;
	--no-clang) clang=no ;;
	--no-deps) deps=no ;;
	--suite) suites+=(--suite "${2:?a name is missing}") && shift ;;
	--programs) programs=yes ;;
	--long) long=yes ;;
	--package) package=yes ;;
	--chroot) chroots+=("${2:?the name of a Debian release is missing}") && shift ;;
	--cross) cross+=("${2:?arm64, armhf, s390x, or musl is missing}") && shift ;;
	--fuzz) fuzz=${2:?a number of seconds is missing} && shift ;;
	--help | -h) usage && exit 0 ;;
	*) usage >&2 && exit 2 ;;
	esac
	shift
done

if [ "$programs" = yes ]; then
	suites+=(--suite programs --suite more-programs)
	sanitize=no
	clang=no
fi
[ "$long" = no ] || programs=yes

passed=0
failed=0
logs=()

title() { printf '\n=== %s\n' "$*"; }

# The last line of all, wherever we stop.
finish() {
	if [ "${#logs[@]}" -gt 0 ]; then
		title 'figures'
		scripts/results.py --figures "${logs[@]}" | awk '!seen[$0]++'
		title 'programs'
		scripts/applications.py --results "${logs[@]}"
		title 'failures'
		scripts/results.py --failures "${logs[@]}"
		echo
		scripts/results.py --passed "$passed" --failed "$failed" "${logs[@]}"
	else
		echo
		echo "$passed passed, $failed failed"
		[ "$failed" -eq 0 ]
	fi
	exit
}

# check NAME COMMAND...: one more thing that passes or fails.
check() {
	local name=$1
	shift
	title "$name"
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $name"
		return 1
	fi
}

# build FOLDER OPTION...: configures afresh or again, then compiles.
build() {
	local folder=$1 output
	shift
	if [ -f "$folder/build.ninja" ]; then
		output=$(meson setup --reconfigure "$folder" "$@" 2>&1)
	else
		rm -rf "$folder"
		output=$(meson setup "$folder" "$@" 2>&1)
	fi || {
		echo "$output"
		return 1
	}
	ninja -C "$folder" --quiet
}

# run_tests FOLDER RESULTS OPTION...
run_tests() {
	local folder=$1 results=$1/$2
	shift 2
	rm -f "$folder/meson-logs/testlog.json"
	meson test -C "$folder" --no-rebuild --print-errorlogs "$@"
	[ -f "$folder/meson-logs/testlog.json" ] || return 1
	cp "$folder/meson-logs/testlog.json" "$results"
	logs+=("$results")
}

# With their full counts, by themselves: they have many processes of their own.
run_counts() {
	title 'tests with their full counts'
	IOTSAFE_TEST_LONG=1 run_tests build results-long-counts.json --timeout-multiplier 4 \
		--num-processes 1 line together bridge 'tool conformance'
}

# For meson they are benchmarks: one after another, and not in the ordinary run.
run_suite_long() {
	title 'tests that take minutes'
	run_tests build results-long.json --benchmark --suite long --timeout-multiplier 4
}

# Races are for programs of our own: a stock program has no sanitizer in it.
run_threads() {
	check 'build with the thread sanitizer' build build-tsan "${common[@]}" \
		-Db_sanitize=thread -Db_lundef=false || return 1
	title 'threads, with the thread sanitizer'
	run_tests build-tsan results.json --benchmark --timeout-multiplier 4 long-threads
}

# What talks to daemons and devices, again and again on a machine that has no time for it.
run_busy() {
	local round stress status=0
	command -v stress-ng >/dev/null || {
		echo 'skipped: stress-ng is not installed'
		return
	}
	setpriv --pdeathsig TERM stress-ng --cpu 4 --quiet &
	stress=$!
	for round in 1 2 3; do
		title "tests on a busy machine, $round of 3"
		run_tests build "results-long-$round.json" --timeout-multiplier 4 --suite e2e \
			--suite bridge --suite matrix --suite objects --suite tools || status=1
	done
	kill "$stress"
	wait "$stress" 2>/dev/null
	return "$status"
}

run_long() {
	local status=0
	run_counts || status=1
	run_suite_long || status=1
	run_threads || status=1
	title 'all stock programs'
	run_tests build results-programs.json --timeout-multiplier 4 --suite more-programs || status=1
	run_busy || status=1
	return "$status"
}

run_analysis() {
	check 'static analysis' nice scripts/analyze.sh
	check 'proofs' nice scripts/proof.sh
	check 'coverage' nice scripts/coverage.sh
}

# Programs whose packages exclude others take their place for the time of their test.
run_other_programs() {
	local status=0
	[ "$deps" = no ] || scripts/deps.sh --exchange others
	run_tests build results-other-programs.json --timeout-multiplier 4 --suite other-programs || status=1
	[ "$deps" = no ] || scripts/deps.sh --exchange programs
	return "$status"
}

# The committed vectors are those that the committed generator makes.
vectors_are_current() {
	/usr/bin/python3 tests/data/make_vectors.py | cmp - tests/data/vectors.json
}

# fuzz_one PROGRAM SECONDS: its figures in one piece, as several run side by side.
fuzz_one() {
	local status=0 options=()
	# Whole operations reach so many places that to weigh inputs by them takes half of the time.
	case ${1##*/} in fuzz_talk | fuzz_card) options=(-entropic=0) ;; esac
	"$1" -max_total_time="$2" -print_final_stats=1 "${options[@]}" "build-fuzz/corpus/${1##*/}" \
		>"$1.log" 2>&1 || status=1
	{
		echo "$1"
		[ "$status" -eq 0 ] || tail -n 40 "$1.log"
		awk '/number_of_executed_units|average_exec_per_sec/ { sub("stat::", ""); print "  " $1, $2 }' "$1.log"
	} >"$1.report"
	cat "$1.report"
	return "$status"
}

fuzz_all() {
	local status=0
	CC=clang build build-fuzz -Dfuzz=enabled -Db_sanitize=address,undefined -Db_lundef=false || return 1
	export -f fuzz_one
	find build-fuzz/tests/fuzz -maxdepth 1 -name 'fuzz_*' -type f -executable -print0 | sort -z |
		xargs -0 -P "$(nproc)" -I '{}' bash -c 'fuzz_one "$@"' fuzz '{}' "$fuzz" || status=1
	scripts/fuzz_coverage.sh build-fuzz/corpus || status=1
	return "$status"
}

groups=(test ${chroots:+chroot} "${cross[@]}")
[ "$long" = no ] || groups+=(long)
[ "$programs" = no ] || groups+=(programs)
[ "$package" = no ] || groups+=(package)
[ "$deps" = no ] || scripts/deps.sh "${groups[@]}"

common=(-Dwerror=true -Dtests=enabled -Dsoftsim=enabled -Dtools=enabled)

# A build that fails leaves nothing to test.
if ! check 'build' build build "${common[@]}"; then
	passed=0
	failed=1
	finish
fi
title 'tests'
run_tests build results.json "${suites[@]}" || failed=$((failed + 1))

check 'demo' scripts/demo.sh
# It leaves a process and a folder behind, on purpose.
keeps_a_sim() {
	local kept status
	kept=$(scripts/demo.sh --keep | sed -n 's/^ *kill .* && rm -r //p') || return 1
	env -i PATH="$PWD/build/tools:$PATH" OPENSSL_CONF="$kept/openssl.cnf" \
		openssl req -new -key iotsafe://label=client-key -subj /CN=gateway -noout -verify
	status=$?
	kill "$(cat "$kept/pid")" && rm -r "$kept"
	return "$status"
}
check 'demo --keep' keeps_a_sim

if [ "$long" = yes ]; then
	run_long || failed=$((failed + 1))
fi

if [ "$programs" = yes ]; then
	title 'programs that exclude others'
	run_other_programs || failed=$((failed + 1))
fi

if [ "$sanitize" = yes ]; then
	export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1
	export UBSAN_OPTIONS=halt_on_error=1:abort_on_error=1:print_stacktrace=1
	if check 'build with sanitizers' build build-asan "${common[@]}" \
		-Db_sanitize=address,undefined -Db_lundef=false; then
		title 'tests with sanitizers'
		run_tests build-asan results.json "${suites[@]}" || failed=$((failed + 1))
	fi
	unset ASAN_OPTIONS UBSAN_OPTIONS
fi

if [ "$clang" = yes ] && command -v clang >/dev/null; then
	CC=clang check 'build with clang' build build-clang "${common[@]}"
fi
if command -v shellcheck >/dev/null; then
	check 'shellcheck' shellcheck -S warning -x -P SCRIPTDIR .ci/run scripts/*.sh tests/*/*.sh
fi
if command -v clang-format-14 >/dev/null; then
	check 'format' scripts/format.sh --check
else
	title format
	echo 'skipped: clang-format-14 is not installed'
fi
check 'includes' scripts/check_includes.py
if command -v reuse >/dev/null; then
	check 'licences' reuse lint
fi
check 'page of applications' scripts/applications.py --check
check 'test vectors' vectors_are_current
[ "$long" = no ] || run_analysis
if [ "$package" = yes ]; then
	check 'Debian packages' scripts/package.sh --lintian --twice
	check 'Debian packages in use' scripts/package_test.sh bookworm trixie
fi
rm -rf build-chroot-results
for chroot in "${chroots[@]}"; do
	title "tests in a chroot with $chroot"
	scripts/chroot.sh "$chroot" build-chroot-results "${suites[@]}" || failed=$((failed + 1))
done
for result in build-chroot-results/*.json; do
	[ ! -e "$result" ] || logs+=("$result")
done
rm -rf build-cross/results
for arch in "${cross[@]}"; do
	title "tests for $arch"
	scripts/cross.sh "$arch" build-cross/results
	case $? in
	0 | 77) logs+=("build-cross/results/$arch.json") ;;
	*) failed=$((failed + 1)) ;;
	esac
done
if [ "$fuzz" -gt 0 ]; then
	check "fuzzers, $fuzz seconds each" fuzz_all
fi
finish
