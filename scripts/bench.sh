#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Measures the module beside what a user would take instead, in one run, and writes
# docs/benchmarks/: results.json, plots, and the page that shows both.
#
# usage: scripts/bench.sh [--quick] [--no-deps] [--output FOLDER]
#   --quick    about two minutes instead of fifteen, with wider spreads
#   --no-deps  do not install packages
#   --output   another folder for what is written, which is made
#
# Peers that are missing are left out with a message. In another Debian: in a chroot of
# scripts/chroot.sh, by hand.
set -u
cd "$(dirname "$0")/.." || exit 1
usage='usage: scripts/bench.sh [--quick] [--no-deps] [--output FOLDER]'
mode=full
deps=yes
output=docs/benchmarks
while [ $# -gt 0 ]; do
	case $1 in
	--quick) mode=quick ;;
	--no-deps) deps=no ;;
	--output) output=${2:?$usage} && shift ;;
	--help | -h) echo "$usage" && exit 0 ;;
	*) echo "$usage" >&2 && exit 2 ;;
	esac
	shift
done

[ "$deps" = no ] || scripts/deps.sh demo test bench
[ -f build-bench/build.ninja ] ||
	meson setup build-bench --buildtype=release -Dtests=enabled -Dsoftsim=enabled -Dtools=enabled || exit 1
ninja -C build-bench --quiet || exit 1
mkdir -p "$output" || exit 1
E2E_SOURCE=$PWD E2E_BUILD=$PWD/build-bench E2E_SANITIZE=none \
	bash tests/bench/bench.sh "$mode" "$(realpath "$output")/results.json" || exit 1
scripts/bench_report.py "$output"
