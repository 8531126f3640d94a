# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the scripts that show something share: a folder and processes that are gone at the
# end, steps in plain words, and an end when something does not come out. The script that
# reads this file uses $work, and puts its processes into `pids`.
# shellcheck disable=SC2034

export LC_ALL=C
unset OPENSSL_CONF OPENSSL_MODULES
for name in "${!IOTSAFE_@}"; do unset "$name"; done

work=$(mktemp -d /tmp/iotsafe-scene.XXXXXX) || exit 1
pids=()
clean_up() {
	local status=$?
	trap - EXIT
	for pid in "${pids[@]}"; do
		kill "$pid" && wait "$pid"
	done 2>/dev/null
	rm -rf "$work"
	exit "$status"
}
trap clean_up EXIT
trap 'exit 143' TERM INT HUP

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || step() { printf '\n%s\n' "$*"; }
indent() { sed 's/^/    /'; }
say() { printf '    %s\n' "$*"; }

give_up() { # WHAT [FILE...]: the ends of files that explain it
	local what=$1 file
	shift
	printf '\nFAILED: %s\n' "$what"
	for file; do [ -s "$file" ] && tail -n 20 "$file" | indent; done
	exit 1
}

# wait_for COMMAND...: for $patience seconds at most, 10 if the script does not say.
wait_for() {
	local end=$((SECONDS + ${patience:-10}))
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# install_packages GROUP...: packages of scripts/deps.sh.
install_packages() {
	echo 'Checking for the packages needed; installing them may take minutes.'
	scripts/deps.sh "$@"
}

# build_here: in build/, with its progress.
build_here() {
	[ -f build/build.ninja ] ||
		meson setup build -Dtests=disabled -Dsoftsim=enabled -Dtools=enabled || return 1
	ninja -C build
}
# The steps of ninja, "[12/80] ...", by tenths.
progress() {
	awk -F '[][/]' '$2 ~ /^[0-9]+$/ && $3 ~ /^[0-9]+$/ && $3 >= 10 && int(10 * $2 / $3) > tenths {
		tenths = int(10 * $2 / $3)
		print "    " $2 " of " $3 " steps"
		fflush()
	}'
}
build_or_give_up() {
	(set -o pipefail && build_here 2>&1 | tee "$work/build.log" | progress) || give_up 'it does not build' "$work/build.log"
}
